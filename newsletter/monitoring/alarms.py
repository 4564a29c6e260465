"""How the machine is doing, read from the rows alone: nothing here changes anything, and Redis is not asked.

In: the database and the clock. Out: alarms, one sentence each, and numbers for a monitor. What is true here is true for
every process: a worker that lives but does nothing raises the alarm as surely as one that is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from django.db.models import Count, Exists, Min, Q

from newsletter import delivery
from newsletter.catalogue import polling
from newsletter.delivery import high_water
from newsletter.models import Claim, Delivery, Edition, Heartbeat, Stream, WebhookEndpoint
from newsletter.monitoring import clocks
from subscriptions.models import Notice, Subscriber

NOTICE_PATIENCE = timedelta(minutes=5)
DELIVERY_PATIENCE = timedelta(minutes=15)
CLAIM_PATIENCE = timedelta(minutes=5)
EDITION_PATIENCE = timedelta(days=2)
INGEST_PATIENCE = timedelta(minutes=30)
CLOCK_MEMORY = timedelta(minutes=15)  # after that a machine that is gone is forgotten
WEBHOOK_PATIENCE = timedelta(days=1)


class Part(StrEnum):
    """Whose fault it may be; a health check of one process asks for its own part."""

    TICK = "tick"
    INGEST = "ingest"
    CONFIRM = "confirm"
    DIGEST = "digest"
    SOURCES = "sources"
    WEBHOOKS = "webhooks"


@dataclass(frozen=True)
class Alarm:
    part: Part
    name: str
    sentence: str


def alarms(*, now: datetime) -> list[Alarm]:
    """Everything an operator should look into, worst first; empty when all is well."""
    return [
        *(
            *_restored(now),
            *_tick(now),
            *_clocks(now),
            *_ingest(now),
            *_notices(now),
            *_deliveries(now),
            *_claims(now),
            *_streams(),
            *_editions(now),
        ),
        *(*_sources(now), *_webhooks(now)),
    ]


def _restored(now: datetime) -> Iterator[Alarm]:
    if high_water.is_behind(now=now):
        yield Alarm(
            Part.DIGEST,
            "restored",
            "The database is older than what was sent: it was restored. Nothing leaves until manage.py after_restore.",
        )


def _tick(now: datetime) -> Iterator[Alarm]:
    """Three ticks missed: beat, the broker or the maintenance worker is gone (CR13)."""
    last = Heartbeat.objects.filter(name="tick").values_list("at", flat=True).first()
    if last is None:
        yield Alarm(Part.TICK, "no_tick", "The pipeline has never ticked: start beat and a worker, or manage.py work.")
    elif now - last > timedelta(seconds=3 * settings.TICK_SECONDS):
        yield Alarm(Part.TICK, "tick_late", f"The last tick was {_ago(now - last)} ago.")


def _clocks(now: datetime) -> Iterator[Alarm]:
    """A machine whose clock is wrong drops its tasks as expired, or plans and gives up leases at the wrong moment."""
    for one in Heartbeat.objects.filter(name__startswith=clocks.PREFIX, at__gt=now - CLOCK_MEMORY):
        ahead = timedelta(seconds=float(one.detail))
        if abs(ahead) > clocks.APART:
            machine = one.name.removeprefix(clocks.PREFIX)
            yield Alarm(
                Part.TICK,
                "clocks_apart",
                f"The clock of {machine} is {clocks.in_words(ahead)} the database's. Start time synchronisation there.",
            )


def _ingest(now: datetime) -> Iterator[Alarm]:
    last = Heartbeat.objects.filter(name="papers").values_list("at", flat=True).first()
    if settings.SOURCES and last and now - last > INGEST_PATIENCE:
        yield Alarm(
            Part.INGEST,
            "ingest_late",
            f"No worker has asked the sources for {_ago(now - last)}. Start a worker for the queue `ingest`.",
        )


def _notices(now: datetime) -> Iterator[Alarm]:
    oldest = _oldest_notice(now)
    if oldest and now - oldest > NOTICE_PATIENCE:
        yield Alarm(Part.CONFIRM, "notices_waiting", f"A confirmation or notice has waited for {_ago(now - oldest)}.")


def _deliveries(now: datetime) -> Iterator[Alarm]:
    oldest = _oldest_delivery(now)
    if oldest and now - oldest > DELIVERY_PATIENCE:
        yield Alarm(Part.DIGEST, "deliveries_waiting", f"A digest that may go has waited for {_ago(now - oldest)}.")


def _claims(now: datetime) -> Iterator[Alarm]:
    """Rows of a dead worker that nobody took back: the reaper is not running."""
    dead = Claim.objects.filter(lease_until__lt=now - CLAIM_PATIENCE).values("token")
    held = Delivery.objects.filter(state__in=[Delivery.State.CLAIMED, Delivery.State.SENDING], claim__in=dead).count()
    if held:
        yield Alarm(Part.DIGEST, "claims_expired", f"{held} digests are held by workers that are gone.")


def _streams() -> Iterator[Alarm]:
    for stream in Stream.objects.filter(paused_at__isnull=False):
        since = f"{stream.paused_at:%Y-%m-%d %H:%M} UTC"
        why = stream.pause_reason or "no reason given"
        part = Part.CONFIRM if stream.name == delivery.CONFIRM_STREAM else Part.DIGEST
        yield Alarm(part, f"{stream.name}_paused", f"The {stream.name} stream is paused since {since}: {why}.")
    for edition in Edition.objects.filter(
        paused_at__isnull=False, state__in=[Edition.State.FROZEN, Edition.State.SENDING]
    ):
        why = edition.pause_reason or "no reason given"
        yield Alarm(Part.DIGEST, "edition_paused", f"The edition {edition} is paused: {why}.")


def _editions(now: datetime) -> Iterator[Alarm]:
    """A daily edition is drafted every day, even if it is then skipped."""
    if not Subscriber.objects.mailable().exists():
        return
    last = Edition.objects.filter(cadence=Edition.Cadence.DAILY).order_by("-period_on").first()
    if last is None or now.date() - last.period_on > EDITION_PATIENCE:
        since = f"since {last.period_on}" if last else "yet"
        yield Alarm(Part.TICK, "no_edition", f"There are readers, but no daily edition {since}.")


def _sources(now: datetime) -> Iterator[Alarm]:
    """Digests go on without a source; somebody should still know."""
    for trouble in polling.troubles(now=now):
        since = f"since {trouble.since:%Y-%m-%d %H:%M} UTC" if trouble.since else "ever"
        yield Alarm(
            Part.SOURCES, f"{trouble.source}_silent", f"Nothing usable from {trouble.source} {since}: {trouble.detail}."
        )


def _webhooks(now: datetime) -> Iterator[Alarm]:
    """Until somebody switches the endpoint on again or says to leave it off: its owner may not know."""
    is_off = Q(is_active=False) & ~Q(off_reason="")
    for one in WebhookEndpoint.objects.filter(is_off | Q(is_active=True, failing_since__lte=now - WEBHOOK_PATIENCE)):
        if one.is_active:
            since = f"{one.failing_since:%Y-%m-%d %H:%M} UTC"
            yield Alarm(Part.WEBHOOKS, "webhook_failing", f"The webhook {one} has taken nothing since {since}.")
        else:
            yield Alarm(Part.WEBHOOKS, "webhook_off", f"The webhook {one} was switched off: {one.off_reason}.")


def _oldest_notice(now: datetime) -> datetime | None:
    """When the oldest notice that should be gone was asked for; retries after a failure count too."""
    owed = Notice.objects.filter(state=Notice.State.QUEUED).filter(Q(not_before__lte=now) | Q(attempts__gt=0))
    paused = Stream.objects.filter(name=delivery.CONFIRM_STREAM, paused_at__isnull=False)
    oldest: datetime | None = owed.exclude(Exists(paused)).aggregate(oldest=Min("created_at"))["oldest"]
    return oldest


def _oldest_delivery(now: datetime) -> datetime | None:
    """Since when the oldest digest may go: not one put off by pacing, nor one of a paused stream or edition."""
    if Stream.objects.filter(name=delivery.STREAM, paused_at__isnull=False).exists():
        return None
    oldest: datetime | None = Delivery.objects.claimable(now).aggregate(oldest=Min("not_before"))["oldest"]
    return oldest


def numbers(*, now: datetime) -> dict[str, int | None]:
    """For a monitor: readers and the day's deliveries by state, ages in seconds (None: nothing waits)."""
    readers = dict(Subscriber.objects.values_list("state").annotate(Count("pk")))
    recent = Delivery.objects.filter(due_at__gt=now - timedelta(days=1))
    deliveries = dict(recent.values_list("state").annotate(Count("pk")))
    tick = Heartbeat.objects.filter(name="tick").values_list("at", flat=True).first()
    return {
        **{f"readers_{state}": readers.get(state, 0) for state in Subscriber.State.values},
        **{f"deliveries_of_a_day_{state}": deliveries.get(state, 0) for state in Delivery.State.values},
        "tick_age_seconds": _seconds(now, tick),
        "oldest_notice_seconds": _seconds(now, _oldest_notice(now)),
        "oldest_delivery_seconds": _seconds(now, _oldest_delivery(now)),
    }


def _seconds(now: datetime, then: datetime | None) -> int | None:
    return None if then is None else int((now - then).total_seconds())


def _ago(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 1:
        return f"{int(age.total_seconds())} seconds"
    return f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
