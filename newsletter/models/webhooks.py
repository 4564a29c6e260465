"""Webhook endpoints, the events they subscribe to, and the delivery of each event to each endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from newsletter.models.editions import Edition

if TYPE_CHECKING:
    from datetime import datetime


def every_event() -> list[str]:
    return [WebhookEvent.Kind.EDITION_SENT.value]


class WebhookEndpoint(models.Model):
    """The address of a program. Its secrets are stored encrypted: signing needs them, a backup must not reveal them."""

    url = models.CharField(
        max_length=500, help_text=_("An https URL that answers a POST with a 2xx status within a few seconds.")
    )
    description = models.CharField(max_length=200, blank=True, help_text=_("Who runs the receiver, and what for."))
    events = models.JSONField(default=every_event, help_text=_("The events sent to it."))
    secret = models.CharField(max_length=255, editable=False)
    former_secret = models.CharField(max_length=255, blank=True, editable=False)
    former_until = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("Messages are signed with both secrets until then.")
    )
    is_active = models.BooleanField(default=True)
    off_reason = models.CharField(max_length=200, blank=True, editable=False, help_text=_("Why we switched it off."))
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.description or self.url


class WebhookEvent(models.Model):
    """One thing that happened, in the very bytes that every endpoint gets, however often it has to be tried."""

    class Kind(models.TextChoices):
        EDITION_SENT = "edition.sent", _("an edition has gone out to all its readers")
        TEST = "test", _("a test")

    kind = models.CharField(max_length=32, choices=Kind)
    uid = models.CharField(
        max_length=40, unique=True, help_text=_("The webhook-id by which receivers recognise duplicates.")
    )
    edition = models.ForeignKey(Edition, on_delete=models.CASCADE, null=True, blank=True, related_name="+")
    body = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "edition"], name="one_event_per_kind_and_edition")]
        indexes = [models.Index(fields=["created_at"], name="webhook_events_by_time")]

    def __str__(self) -> str:
        return f"{self.kind} {self.edition or ''}".strip()


class WebhookDeliveryQuerySet(models.QuerySet["WebhookDelivery"]):
    def due(self, now: datetime) -> WebhookDeliveryQuerySet:
        """Return deliveries to be tried at ``now``. A claim moves ``next_at``: those of a dead worker are due again."""
        return self.filter(next_at__lte=now, endpoint__is_active=True)


class WebhookDelivery(models.Model):
    """One event for one endpoint: owed while it has a ``next_at``. Kept 90 days, with what each try came to."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RETRY = "retry", _("to be tried again")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(WebhookEvent, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=6, choices=State, default=State.QUEUED)
    next_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text=_("Attempts started, finished or not."))
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text=_("The last answer's HTTP status."))
    excerpt = models.CharField(max_length=300, blank=True, help_text=_("The last response or error."))
    tries = models.JSONField(default=list, blank=True, help_text=_("When, status, milliseconds, excerpt; newest last."))
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = WebhookDeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = _("webhook deliveries")
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "event"], name="one_delivery_per_endpoint_and_event"),
            models.CheckConstraint(
                name="webhook_delivery_state_is_known", condition=Q(state__in=["queued", "retry", "sent", "failed"])
            ),
            models.CheckConstraint(
                name="webhook_deliveries_owed_have_a_moment",
                condition=Q(state__in=["queued", "retry"], next_at__isnull=False)
                | Q(state__in=["sent", "failed"], next_at__isnull=True),
            ),
        ]
        indexes = [models.Index(fields=["next_at"], condition=Q(next_at__isnull=False), name="webhooks_owed")]

    def __str__(self) -> str:
        return f"{self.event} → {self.endpoint}: {self.get_state_display()}"
