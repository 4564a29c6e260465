"""Counters of requests for mail: how many are still allowed, and how many were refused."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Allowance(models.Model):
    """Token bucket of a rate limit: when it is full again (see rate_limits.py)."""

    name = models.CharField(max_length=100, unique=True, help_text=_("What is limited, and a keyed hash of whom."))
    # A number, so that one statement can compare and add on every database.
    full_at_ms = models.BigIntegerField(db_index=True, help_text=_("Milliseconds since 1970."))

    def __str__(self) -> str:
        return self.name


class RefusedRequest(models.Model):
    """How many requests for mail were turned away on one day (UTC) for one reason. Says nothing of anybody."""

    class Reason(models.TextChoices):
        FAST = "fast", _("sent faster than a person reads")
        HIDDEN = "hidden", _("filled in the hidden field")
        GUARD = "guard", _("refused by SIGNUP_GUARD")
        MAILBOX = "mailbox", _("one mailbox was written to within the hour or three times today")
        NETWORK = "network", _("too many from one network")
        DOMAIN = "domain", _("too many for one mail domain")
        EVERYBODY = "everybody", _("too many altogether")
        SUPPRESSED = "suppressed", _("the address is suppressed")

    on = models.DateField()
    reason = models.CharField(max_length=10, choices=Reason)
    requests = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-on", "reason"]
        constraints = [models.UniqueConstraint(fields=["on", "reason"], name="one_count_per_day_and_reason")]

    def __str__(self) -> str:
        return f"{self.on} {self.get_reason_display()}: {self.requests}"
