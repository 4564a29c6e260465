"""Reconciliation: did every reader who was due in the last days get a digest, or is there a reason?

In: editions, deliveries, misses, readers. Out: one Reconciliation row, and nothing else is written. Bounded by its
deadline: of a very long list the rest of the readers is left for the next day and the report says how many. May run
twice and at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Min
from django.utils import timezone

from newsletter.editions import lifecycle
from newsletter.models import Delivery, Edition, Heartbeat, Miss, Reconciliation
from newsletter.monitoring.delivery_counts import tallies
from newsletter.planning import readers_due as readers_due
from subscriptions import schedule
from subscriptions.models import ConsentEvent, Subscriber

EVERY_HOUR, EVERY_DAY = timedelta(hours=1), timedelta(days=1)
LOOK_BACK_DAYS = 7
KEPT = timedelta(days=60)
CHUNK = 2000
EXAMPLES = 20
# Big mailbox providers by their domains; all others are one group, so that no report keeps a reader's own domain.
PROVIDERS = {
    **dict.fromkeys(["gmail.com", "googlemail.com"], "Google"),
    **dict.fromkeys(["outlook.com", "hotmail.com", "live.com", "msn.com"], "Microsoft"),
    **dict.fromkeys(["yahoo.com", "aol.com", "ymail.com"], "Yahoo"),
    **dict.fromkeys(["icloud.com", "me.com", "mac.com"], "Apple"),
    **dict.fromkeys(["gmx.de", "gmx.net", "web.de", "gmx.at", "gmx.ch"], "GMX and WEB.DE"),
}
OTHERS = "others"
# Before such an event a reader's hours may have differed from today's preferences: what was due then is not known.
CHANGES = (
    *(ConsentEvent.Kind.CONFIRMED, ConsentEvent.Kind.CHANGED, ConsentEvent.Kind.PAUSED, ConsentEvent.Kind.RESUMED),
    *(ConsentEvent.Kind.IMPORTED, ConsentEvent.Kind.UNSUBSCRIBED),
)


def reconcile_due(*, now: datetime, deadline: datetime) -> Reconciliation | None:
    """Reconcile the last day each hour and the last seven days each day; None when neither is due."""
    for days, every in ((LOOK_BACK_DAYS, EVERY_DAY), (1, EVERY_HOUR)):
        last = Reconciliation.objects.filter(days__gte=days).order_by("-at").values_list("at", flat=True).first()
        if last is None or abs(now - last) >= every:
            found = Reconciliation.objects.create(
                at=now, days=days, report=report(days=days, now=now, deadline=deadline)
            )
            Reconciliation.objects.filter(at__lt=now - KEPT).delete()
            return found
    return None


def report(*, days: int, now: datetime, deadline: datetime | None = None) -> dict[str, Any]:
    """Return what was due, sent, skipped, owed, late, failed and unknown by edition and provider, and missing."""
    since = now - timedelta(days=days)
    counted = tallies(now=now, since=since - timedelta(hours=48))  # digests of the day before may be sent today
    pks = [tally.edition for tally in counted]
    reasons, providers = _skipped(pks), _by_provider(pks)
    editions = [
        asdict(tally)
        | {"period_on": tally.period_on.isoformat(), "frozen_at": tally.frozen_at.isoformat()}
        | {"skipped_by_reason": reasons[tally.edition], "by_provider": providers[tally.edition]}
        for tally in counted
    ]
    return {
        "at": now.isoformat(),
        "days": days,
        "readers_due": _due_now(now),
        "editions": editions,
        "missing": list(_missing(since, now=now)),
        "misses": _misses(since),
        "readers": _readers(since, now=now, deadline=deadline),
    }


def _due_now(now: datetime) -> dict[str, int]:
    """Return how many confirmed readers are due and not planned yet."""
    rows = Subscriber.objects.due(now).order_by().values("cadence").annotate(number=Count("pk"))
    return {row["cadence"]: row["number"] for row in rows}


def _skipped(editions: Iterable[int]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = defaultdict(dict)
    rows = Delivery.objects.filter(edition__in=list(editions), state=Delivery.State.SKIPPED).order_by()
    for row in rows.values("edition", "skip_reason").annotate(number=Count("pk")):
        found[row["edition"]][row["skip_reason"]] = row["number"]
    return found


def _by_provider(editions: Iterable[int]) -> dict[int, dict[str, dict[str, int]]]:
    found: dict[int, dict[str, dict[str, int]]] = defaultdict(dict)
    rows = Delivery.objects.filter(edition__in=list(editions)).order_by()
    for row in rows.values("edition", "domain", "state").annotate(number=Count("pk")).iterator():
        states = found[row["edition"]].setdefault(PROVIDERS.get(row["domain"], OTHERS), {})
        states[row["state"]] = states.get(row["state"], 0) + row["number"]
    return found


def _misses(since: datetime) -> dict[str, int]:
    rows = Miss.objects.filter(at__gt=since).order_by().values("why").annotate(number=Count("pk"))
    return {row["why"]: row["number"] for row in rows}


def _missing(since: datetime, *, now: datetime) -> Iterator[dict[str, str]]:
    """Yield editions that should have been sent: absent ones, and ones skipped without a curator's decision."""
    for cadence in Subscriber.Cadence.values:
        readers = Subscriber.objects.mailable().filter(cadence=cadence)
        first_reader = readers.aggregate(first=Min("confirmed_at"))["first"]
        first_edition = Edition.objects.aggregate(first=Min("created_at"))["first"]
        if not first_reader or not first_edition:
            continue
        begin = max(since, first_reader, first_edition)
        states = dict(Edition.objects.filter(cadence=cadence).values_list("period_on", "state"))
        unapproved = Edition.objects.filter(cadence=cadence, approved_at=None, frozen_at=None)
        never = set(unapproved.filter(state=Edition.State.SKIPPED).values_list("period_on", flat=True))
        for period_on in _periods(cadence, begin, now=now):
            if period_on not in states:
                yield {"cadence": cadence, "period_on": period_on.isoformat(), "why": "absent"}
            elif period_on in never:
                yield {"cadence": cadence, "period_on": period_on.isoformat(), "why": "not approved"}


def _periods(cadence: str, begin: datetime, *, now: datetime) -> Iterator[date]:
    """Yield the periods whose cut-off lies between the two moments."""
    period_on = lifecycle.period_of(cadence, begin.date())
    while lifecycle.cutoff_of(cadence, period_on) <= now:
        if lifecycle.cutoff_of(cadence, period_on) > begin:
            yield period_on
        period_on = lifecycle.next_period(cadence, period_on)


# --- readers ----------------------------------------------------------------------------------------------------------


def _readers(since: datetime, *, now: datetime, deadline: datetime | None) -> dict[str, Any]:
    """Find readers who were due, with unchanged preferences, and have neither a delivery nor a recorded reason."""
    restored = Heartbeat.objects.filter(name="restored").values_list("at", flat=True).first()
    since = max(since, restored) if restored else since
    checked, forgotten, after = 0, list[int](), 0
    while deadline is None or timezone.now() < deadline:
        readers = readers_due.read(Subscriber.objects.mailable().filter(pk__gt=after).order_by("pk"))
        if not readers:
            break
        after = readers[-1].pk
        checked += len(readers)
        forgotten += _forgotten(readers, since=since, now=now)
    total = checked + Subscriber.objects.mailable().filter(pk__gt=after).count()
    return {"checked": checked, "of": total, "forgotten": len(forgotten), "examples": forgotten[:EXAMPLES]}


def _forgotten(readers: list[readers_due.Due], *, since: datetime, now: datetime) -> list[int]:
    pks = [reader.pk for reader in readers]
    changed = set(
        ConsentEvent.objects.filter(subscriber__any_of=pks, kind__in=CHANGES, at__gt=since).values_list(
            "subscriber_id", flat=True
        )
    )
    young = set(Subscriber.objects.filter(pk__any_of=pks, confirmed_at__gt=since).values_list("pk", flat=True))
    had: dict[int, set[date]] = defaultdict(set)
    rows = Delivery.objects.filter(subscriber__any_of=pks, local_on__gte=since.date() - timedelta(days=32))
    for pk, local_on in rows.values_list("subscriber_id", "local_on"):
        had[pk].add(local_on)
    told: dict[int, list[tuple[datetime, datetime]]] = defaultdict(list)
    for pk, first, at in Miss.objects.filter(subscriber__any_of=pks, at__gt=since).values_list(
        "subscriber_id", "due_at", "at"
    ):
        told[pk].append((first, at))
    return [
        reader.pk
        for reader in readers
        if reader.pk not in changed | young
        and any(
            not _is_told(reader, moment, had[reader.pk], told[reader.pk]) for moment in _moments(reader, since, now)
        )
    ]


def _moments(reader: readers_due.Due, since: datetime, now: datetime) -> Iterator[datetime]:
    """Yield the reader's due times since then that are old enough to be settled."""
    until = min(now - readers_due.grace(reader.cadence) - EVERY_HOUR, reader.next_due_at)
    moment = since
    while True:
        moment = schedule.next_due(
            cadence=reader.cadence, weekdays=reader.weekdays, hour=reader.hour, zone=reader.time_zone, after=moment
        )
        if moment >= until:
            return
        yield moment


def _is_told(
    reader: readers_due.Due, moment: datetime, had: set[date], told: Iterable[tuple[datetime, datetime]]
) -> bool:
    """Whether a delivery of that day, week or month, or a miss covers the due time (one miss covers a whole outage)."""
    wanted = schedule.period_of(reader.cadence, schedule.local_day(moment, reader.time_zone))
    has_row = any(schedule.period_of(reader.cadence, day) == wanted for day in had)
    return has_row or any(first <= moment <= at for first, at in told)
