"""The record of what each reader agreed to or took back."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from subscriptions.models.subscribers import Subscriber


class ConsentEvent(models.Model):
    """One step of what a reader agreed to or took back. Append-only: the proof that GDPR Art. 7(1) asks for."""

    class Kind(models.TextChoices):
        REQUESTED = "requested", _("asked to subscribe")
        CONFIRMED = "confirmed", _("confirmed the address")
        CHANGED = "changed", _("changed preferences")
        PAUSED = "paused", _("paused")
        RESUMED = "resumed", _("resumed")
        UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
        COMPLAINED = "complained", _("marked a mail as spam")
        SUPPRESSED = "suppressed", _("suppressed")
        IMPORTED = "imported", _("imported by an operator")
        COUNTED = "counted", _("allowed counting of opened papers")
        UNCOUNTED = "uncounted", _("withdrew counting of opened papers")
        EXPORTED = "exported", _("downloaded their data")
        ERASED = "erased", _("erased")

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="consent_events")
    kind = models.CharField(max_length=12, choices=Kind)
    at = models.DateTimeField()
    method = models.CharField(
        max_length=32, help_text=_("Where it happened: banner, page, api, one-click, mail, admin …")
    )
    form_version = models.CharField(max_length=32, blank=True, help_text=_("Version of the consent text shown."))
    source_url = models.CharField(max_length=300, blank=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=300, blank=True)
    detail = models.JSONField(default=dict, blank=True, help_text=_("Topics and preferences at that time, reason …"))

    class Meta:
        ordering = ["at", "pk"]
        indexes = [models.Index(fields=["subscriber", "kind", "at"], name="consent_by_reader")]

    def __str__(self) -> str:
        return f"{self.subscriber_id} {self.kind} {self.at:%Y-%m-%d %H:%M}"
