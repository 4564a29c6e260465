"""How sending goes now: its rate and end, the oldest in each queue, readers without their mail, providers in trouble.

In: the rows and the clock. Out: numbers for the desk's first page. Read only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q

from newsletter.models import Delivery, DomainHold, Edition, PaceBucket, Submission, WebhookDelivery
from newsletter.monitoring.delivery_counts import tallies
from newsletter.monitoring.mail_alarms import oldest_notice
from subscriptions.models import Notice

MEASURED = timedelta(minutes=5)
TOP = 8


@dataclass(frozen=True)
class Rate:
    """Digests handed over a minute, those that could be sent now, and when the last of these will be gone."""

    a_minute: float
    waiting: int
    done_at: datetime | None  # None: nothing waits, or nothing moves


@dataclass(frozen=True)
class Queue:
    """What waits in one queue."""

    name: str
    waiting: int
    oldest: datetime | None


def rate(*, now: datetime) -> Rate:
    """Measure the last five minutes, of the editions that are being sent."""
    sending = Edition.objects.filter(state__in=[Edition.State.FROZEN, Edition.State.SENDING])
    sent = Delivery.objects.filter(edition__in=sending, state=Delivery.State.SENT, sent_at__gt=now - MEASURED).count()
    waiting = Delivery.objects.claimable(now).count()
    a_minute = sent / (MEASURED.total_seconds() / 60)
    done_at = now + timedelta(minutes=waiting / a_minute) if waiting and a_minute else None
    return Rate(a_minute, waiting, done_at)


def queues(*, now: datetime) -> list[Queue]:
    """Return how many wait in each queue, and since when the oldest does."""
    digests = Delivery.objects.claimable(now).aggregate(n=Count("pk"), oldest=Min("not_before"))
    hooks = WebhookDelivery.objects.due(now).aggregate(n=Count("pk"), oldest=Min("event__created_at"))
    handed_in = Submission.objects.filter(state=Submission.State.WAITING).aggregate(n=Count("pk"), oldest=Min("at"))
    notices = Notice.objects.filter(state=Notice.State.QUEUED).count()
    return [
        Queue("digests", digests["n"], digests["oldest"]),
        Queue("notices", notices, oldest_notice()),
        Queue("webhooks", hooks["n"], hooks["oldest"]),
        Queue("submissions", handed_in["n"], handed_in["oldest"]),
    ]


def without_mail(*, now: datetime) -> tuple[int, int]:
    """Return of how many readers due within a day the digest failed, came too late or is in doubt, and how many."""
    found = tallies(now=now)
    return sum(tally.day_without for tally in found), sum(tally.day_due for tally in found)


def providers(*, now: datetime) -> list[tuple[str, str, int]]:
    """Return mail domains in trouble with what it is and how many digests: on hold, limiting, failing."""
    held = [(hold.domain, "held", 0) for hold in DomainHold.objects.in_force().order_by("domain")[:TOP]]
    limited = PaceBucket.objects.filter(held_until__gt=now).exclude(scope="*").order_by("scope")
    slow = [(bucket.scope, "limited", 0) for bucket in limited[:TOP]]
    recent = Edition.objects.filter(frozen_at__gt=now - timedelta(days=1))
    counted = Delivery.objects.filter(edition__in=recent).filter(Q(state=Delivery.State.FAILED)).order_by()
    failing = counted.values("domain").annotate(number=Count("pk")).order_by("-number", "domain")[:TOP]
    return [*held, *slow, *((row["domain"], "failing", row["number"]) for row in failing)]
