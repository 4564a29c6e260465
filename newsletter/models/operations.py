"""Operations: streams, rate limits, source runs, heartbeats, leases."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
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
        return f"{self.name}: {'paused' if self.paused_at else self.get_trouble_display() or 'running'}"


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
    """Mail to one recipient domain waits: many of its addresses failed at once, and a person is asked what to think."""

    domain = models.CharField(max_length=255, unique=True)
    since = models.DateTimeField()
    reason = models.CharField(max_length=300)
    edition = models.ForeignKey(Edition, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    resumed_at = models.DateTimeField(
        null=True, blank=True, help_text=_("A person looked at it; what failed before is settled.")
    )

    objects = DomainHoldQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.domain}: {'on hold' if self.resumed_at is None else 'resumed'}"


class SourceHost(models.Model):
    """When a host, or a source, may be asked again: one rate rule, kept here, for all workers on all machines."""

    host = models.CharField(max_length=255, primary_key=True)
    free_at = models.DateTimeField()
    strikes = models.PositiveSmallIntegerField(default=0, help_text=_("Consecutive refusals."))

    def __str__(self) -> str:
        return f"{self.host} from {self.free_at:%Y-%m-%d %H:%M:%S}"


class SourceRun(models.Model):
    """One poll of one source, and its result."""

    class State(models.TextChoices):
        OK = "ok", _("ok")
        UNCHANGED = "unchanged", _("unchanged")
        EMPTY = "empty", _("empty")
        STALE = "stale", _("stale: old papers under a new date")
        WAITING = "waiting", _("asked to wait")
        FAILED = "failed", _("failed")

    source = models.CharField(max_length=32)
    url = models.CharField(max_length=2000)
    state = models.CharField(max_length=9, choices=State)
    started_at = models.DateTimeField()
    retry_at = models.DateTimeField(null=True, blank=True, help_text=_("Not polled again before this."))
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text=_("HTTP status."))
    read = models.PositiveIntegerField(default=0)
    new = models.PositiveIntegerField(default=0)
    merged = models.PositiveIntegerField(default=0)
    detail = models.CharField(max_length=300, blank=True)
    etag = models.CharField(max_length=200, blank=True)
    modified = models.CharField(max_length=64, blank=True, help_text=_("Last-Modified, as the host wrote it."))
    newest = models.CharField(max_length=32, blank=True, help_text=_("The highest identifier among the new papers."))

    class Meta:
        ordering = ["-started_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="source_run_state_is_known",
                condition=Q(state__in=["ok", "unchanged", "empty", "stale", "waiting", "failed"]),
            ),
        ]
        indexes = [models.Index(fields=["source", "-started_at"], name="runs_of_a_source")]

    def __str__(self) -> str:
        return f"{self.source} {self.started_at:%Y-%m-%d %H:%M}: {self.state}"


class Heartbeat(models.Model):
    """When a process last did its work; the health page reports one that stops."""

    name = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField()
    detail = models.CharField(max_length=300, blank=True)

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M:%S}"


class Lease(models.Model):
    """A lease on work that one process at a time does: held until a moment, renewed while the work goes on.

    A row and not an advisory lock: those belong to a connection, which PgBouncer in transaction mode does not keep.
    """

    name = models.CharField(max_length=64, primary_key=True)
    holder = models.CharField(max_length=100)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.holder} until {self.until:%H:%M:%S}"

    @classmethod
    def take(cls, name: str, *, holder: str, now: datetime, seconds: int) -> bool:
        """Take or renew the lease. False: another process holds it."""
        until = now + timedelta(seconds=seconds)
        free = cls.objects.filter(Q(holder=holder) | Q(until__lte=now), name=name)
        if free.update(holder=holder, until=until):
            return True
        return cls.objects.get_or_create(name=name, defaults={"holder": holder, "until": until})[1]

    @classmethod
    def let_go(cls, name: str, *, holder: str) -> None:
        cls.objects.filter(name=name, holder=holder).delete()


class HighWater(models.Model):
    """One row: which database this is, and how far its record goes. Outside the database the same number is kept.

    After a restore the number outside is the greater one. See newsletter/delivery/restore_detection.py.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    installation = models.CharField(max_length=32)
    number = models.BigIntegerField(default=0)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(name="one_high_water_mark", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"{self.number} at {self.at:%Y-%m-%d %H:%M:%S}"


class Reconciliation(models.Model):
    """One look at the whole: who was due, what they got, what is missing. Written by monitoring.reconcile alone."""

    at = models.DateTimeField(db_index=True)
    days = models.PositiveSmallIntegerField(help_text=_("How many days it looked back."))
    report = models.JSONField()

    def __str__(self) -> str:
        return f"{self.days} days before {self.at:%Y-%m-%d %H:%M}"
