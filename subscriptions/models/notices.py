"""Mails to one person that are not digests."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from subscriptions.models.subscribers import Subscriber


class Notice(models.Model):
    """One mail to one person that is not a digest: confirmation, a fresh link, a goodbye. Owed until settled.

    Committed with its cause, sent by the `confirm` queue or by the next tick, so a signup succeeds with Redis away.
    """

    class Kind(models.TextChoices):
        CONFIRM = "confirm", _("please confirm")
        ALREADY = "already", _("you are already subscribed")
        MANAGE = "manage", _("your preferences link")
        MOVE = "move", _("please confirm your new address")
        MOVED = "moved", _("your address was changed")
        NO_DIGEST = "no_digest", _("why no digest came")

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        SKIPPED = "skipped", _("skipped")
        UNKNOWN = "unknown", _("unknown")

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=16, choices=Kind)
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    created_at = models.DateTimeField()
    not_before = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    settled_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    context = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="notice_state_is_known",
                condition=Q(state__in=["queued", "sending", "sent", "failed", "skipped", "unknown"]),
            )
        ]
        indexes = [
            models.Index(fields=["not_before"], condition=Q(state="queued"), name="notices_owed"),
            models.Index(fields=["subscriber", "kind", "created_at"], name="notices_of_a_reader"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} → {self.subscriber_id}: {self.get_state_display()}"
