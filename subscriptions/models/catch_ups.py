"""Readers' requests for the best of the time that they were away."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from subscriptions.models.subscribers import Subscriber


class CatchUp(models.Model):
    """A reader's request to have the best of one pause with their next digest."""

    subscriber = models.ForeignKey(Subscriber, on_delete=models.CASCADE, related_name="catch_ups")
    since = models.DateTimeField(help_text=_("When the pause began."))
    until = models.DateTimeField(help_text=_("When it ended."))
    asked_at = models.DateTimeField()
    local_on = models.DateField(
        null=True, blank=True, help_text=_("The local day of the digest it was planned with. Empty while it waits.")
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subscriber", "since"], name="one_catch_up_per_pause")]

    def __str__(self) -> str:
        return f"{self.subscriber_id} was away {self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}"
