"""Who is due, for which local day and hour, and when next. Rows in, values out; `advance` alone writes.

In: subscribers by their next due instant. Out: Due and Slot values. Advancing is a compare-and-set: of two planners at
once, one gets the reader.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet

from newsletter.editions.lifecycle import closing_of
from newsletter.models import Delivery, Edition
from subscriptions import schedule
from subscriptions.in_long_list_lookup import Keys
from subscriptions.models import EVERY_DAY, Subscriber

CHUNK = 2000
PLAN_AHEAD = timedelta(minutes=10)  # digests are chosen this long before they are due
WAIT_FOR_NEXT = timedelta(hours=1)
JUST = timedelta(microseconds=1)
LONGER_GRACE = {Subscriber.Cadence.WEEKLY: timedelta(hours=24), Subscriber.Cadence.MONTHLY: timedelta(hours=48)}


class Due(NamedTuple):
    """One reader who is due, with the fields that planning needs."""

    pk: int
    next_due_at: datetime
    next_on: date | None
    cadence: str
    weekdays: int
    hour: int
    time_zone: str
    max_papers: int
    wants_outside: bool
    thin_policy: str
    domain: str
    address_hash: str
    wants_also: bool = True


class Slot(NamedTuple):
    """The local day of one reader's digest, and when it is due."""

    local_on: date
    due_at: datetime
    not_before: datetime
    expires_at: datetime


class Raced(Exception):
    """Another planner got some of these readers first; the work on the chunk is rolled back."""


class Stopped(Exception):
    """The edition was paused, cancelled or closed meanwhile; the work on the chunk is rolled back."""


def hold(edition: Edition) -> None:
    """Lock the edition until the chunk is written, so that a cancellation finds every planned row.

    Taken before all other locks, and FOR NO KEY UPDATE: deliveries that refer to it can still be written.
    """
    if not Edition.objects.sendable().filter(pk=edition.pk).select_for_update(no_key=True).values_list("pk"):
        raise Stopped


def grace(cadence: str) -> timedelta:
    """Return how late a digest of this cadence may be before it is skipped."""
    return max(
        timedelta(hours=settings.DELIVERY_GRACE_HOURS), LONGER_GRACE.get(Subscriber.Cadence(cadence), timedelta(0))
    )


def due_readers(edition: Edition, *, after: Due | None, now: datetime) -> list[Due]:
    """The chunk of readers behind ``after`` to plan for an edition, who were not planned for it yet.

    Whose hour comes when it is closed waits for the next one.
    """
    due = Subscriber.objects.due(now + PLAN_AHEAD).filter(next_due_at__gte=now - grace(edition.cadence))
    due = due.filter(Q(next_due_at__lte=now) | Q(next_due_at__lt=closing_of(edition)))
    if after:
        due = due.filter(Q(next_due_at__gt=after.next_due_at) | Q(next_due_at=after.next_due_at, pk__gt=after.pk))
    return read(without_delivery(due, edition).order_by("next_due_at", "pk"))


def overdue_readers(cadence: str, edition: Edition | None, *, now: datetime) -> list[Due]:
    """The next chunk of readers whose hour passed longer ago than the grace.

    A reader who has the newest ``edition`` waits an hour for the next, and on when it closes for the next within that
    hour: otherwise a reader who once got one early would get every later one as soon as it is frozen, at
    night, and never at their own hour again.
    """
    late = Q(next_due_at__lt=now - grace(cadence))
    if edition:
        had = Delivery.objects.filter(edition=edition, subscriber=OuterRef("pk"))
        late |= Q(Exists(had), next_due_at__lt=min(now, closing_of(edition)) - WAIT_FOR_NEXT)
    return read(Subscriber.objects.mailable().filter(late, cadence=cadence).order_by("next_due_at", "pk"))


def without_delivery(readers: QuerySet[Subscriber], edition: Edition) -> QuerySet[Subscriber]:
    had = Delivery.objects.filter(edition=edition, subscriber=OuterRef("pk"))
    return readers.filter(cadence=edition.cadence).exclude(Exists(had))


def read(readers: QuerySet[Subscriber]) -> list[Due]:
    return list(map(Due._make, readers.values_list(*Due._fields)[:CHUNK]))


def slot_of(reader: Due, *, patience: timedelta, jitter: int, now: datetime) -> Slot:
    due_at = reader.next_due_at
    return Slot(
        local_on=day_of(reader),
        due_at=due_at,
        not_before=due_at + _jitter(reader.pk, jitter),
        expires_at=max(due_at, now) + patience,
    )


def day_of(reader: Due) -> date:
    """Return the reader's local day that the next digest is for."""
    return reader.next_on or local_day(reader.next_due_at, reader.time_zone)


def advance(readers: Sequence[Due], *, now: datetime) -> None:
    """Move each reader's next due instant past this one. Raises Raced when somebody else has moved one already."""
    by_move: dict[tuple[datetime, datetime], list[int]] = defaultdict(list)
    for reader in readers:
        following = due_after(reader, max(reader.next_due_at, now))
        by_move[reader.next_due_at, following].append(reader.pk)
    for (present, following), pks in by_move.items():
        there = Subscriber.objects.filter(pk__any_of=Keys(pks), next_due_at=present)
        moved = there.update(next_due_at=following, next_on=None)
        if moved != len(pks):
            raise Raced


def due_after(reader: Due | Subscriber, moment: datetime) -> datetime:
    """Return the reader's first due time after ``moment`` on a later day than the digest they wait for."""
    if reader.next_on:  # of a day that may not have begun in the zone they moved to
        moment = max(moment, schedule.local_midnight(reader.next_on + timedelta(days=1), reader.time_zone) - JUST)
    return _next_due(reader.cadence, reader.weekdays, reader.hour, reader.time_zone, moment)


def _jitter(reader: int, seconds: int) -> timedelta:
    """Return the delay of a reader's digest: the same every day, spread evenly over readers."""
    if not seconds:
        return timedelta(0)
    spread = int.from_bytes(hashlib.blake2b(reader.to_bytes(8), digest_size=4).digest())
    return timedelta(seconds=spread % seconds)


@lru_cache(maxsize=4096)
def _next_due(cadence: str, weekdays: int, hour: int, time_zone: str, after: datetime) -> datetime:
    return schedule.next_due(cadence=cadence, weekdays=weekdays & EVERY_DAY, hour=hour, zone=time_zone, after=after)


@lru_cache(maxsize=4096)
def local_day(instant: datetime, time_zone: str) -> date:
    """Return the reader's local day at that moment; cached, as whole chunks share a few moments and zones."""
    return schedule.local_day(instant, time_zone)
