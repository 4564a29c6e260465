"""Whether and how fast mail may leave: streams, send allowances, domains on hold."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from newsletter.models.editions import Edition


class Stream(models.Model):
    """The switch of one stream of mail (digest, confirm): paused by an operator, or by the circuit breaker."""

    class Trouble(models.TextChoices):
        UNREACHABLE = "unreachable", _("the relay cannot be reached")
        DEFERRED = "deferred", _("the relay refuses everything for now")
        LIMITED = "limited", _("the relay limits how much it takes")

    name = models.CharField(max_length=32, primary_key=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    pause_reason = models.CharField(max_length=200, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text=_("Consecutive infrastructure errors."))
    probe_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the circuit breaker lets one worker try again.")
    )
    deferrals = models.PositiveIntegerField(
        default=0, db_default=0, help_text=_("Consecutive temporary refusals since a message was sent.")
    )
    trouble = models.CharField(max_length=11, choices=Trouble, blank=True, default="", db_default="")
    down_since = models.DateTimeField(null=True, blank=True, help_text=_("When sending stopped; empty while it works."))
    last_reply = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text=_("The relay's last answer, or the error.")
    )

    def __str__(self) -> str:
        return f"{self.name}: {_('paused') if self.paused_at else self.get_trouble_display() or _('running')}"


class PaceBucket(models.Model):
    """Send allowance shared by all workers: for everything ("*") or for one recipient domain."""

    scope = models.CharField(max_length=255, primary_key=True)
    tokens = models.FloatField()
    refilled_at = models.DateTimeField()
    day_on = models.DateField(help_text=_("The UTC day that sent_today counts."))
    sent_today = models.PositiveIntegerField(default=0)
    held_until = models.DateTimeField(null=True, blank=True, help_text=_("Nothing is sent there before this time."))
    holds = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text=_("Consecutive holds without a message accepted in between.")
    )

    def __str__(self) -> str:
        return f"{self.scope}: {self.tokens:.1f}"


class DomainHoldQuerySet(models.QuerySet["DomainHold"]):
    def in_force(self) -> DomainHoldQuerySet:
        return self.filter(resumed_at__isnull=True)


class DomainHold(models.Model):
    """A hold on mail to one recipient domain: many of its addresses failed at once, and an operator has to decide."""

    domain = models.CharField(max_length=255, unique=True)
    since = models.DateTimeField()
    reason = models.CharField(max_length=300)
    edition = models.ForeignKey(Edition, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    resumed_at = models.DateTimeField(
        null=True, blank=True, help_text=_("A person looked at it; what failed before is settled.")
    )

    objects = DomainHoldQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.domain}: {_('on hold') if self.resumed_at is None else _('running')}"
