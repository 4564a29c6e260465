"""When a reader's next digest is due, and which one it is.

In: cadence, weekdays, a wall-clock hour and an IANA zone; the days for which digests were planned already. Out: a local
day and an instant in UTC. Only the wall clock is stored with the reader, so digests keep their local hour when the
clocks change. Pure.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MONDAY = 0
FARTHEST = 64  # days to look ahead: the longest wait is a month, and a zone may have dropped a day


class Slot(NamedTuple):
    """One digest of a reader: the local day it is for, and when it is due (UTC)."""

    on: date
    due_at: datetime


def next_slot(
    *,
    cadence: str,
    weekdays: int,
    hour: int,
    zone: str,
    first: date,
    now: datetime,
    had: Collection[tuple[str, date]],
) -> Slot:
    """The next digest of a reader for whom digests of these cadences and local days were planned already.

    It is that of the first digest day from ``first`` on in whose day, week or month there was none yet: due at its
    hour, or at ``now`` when that has passed. Where its day has a digest of another cadence already, the next free day
    of the same week or month takes its place: no day has two.
    """
    here = zone_named(zone)
    served = {period_of(cadence, day) for its, day in had if its == cadence}
    taken = {day for _its, day in had}
    for day in _days_from(first):
        if not _is_digest_day(day, cadence=cadence, weekdays=weekdays) or period_of(cadence, day) in served:
            continue
        for free in _rest_of_period(day, cadence=cadence):
            due = _instant(free, hour=hour, zone=here)
            if free not in taken and due.astimezone(here).date() == free:
                return Slot(free, max(due, now))
    raise ValueError(f"no digest day in {FARTHEST} days: cadence {cadence!r}, weekdays {weekdays!r}")


def period_of(cadence: str, day: date) -> date:
    """First day of the period: the day itself, the Monday of its week, or the first of its month."""
    if cadence == "weekly":
        return day - timedelta(days=day.weekday())
    if cadence == "monthly":
        return day.replace(day=1)
    return day


def next_due(*, cadence: str, weekdays: int, hour: int, zone: str, after: datetime) -> datetime:
    """The first due instant strictly after ``after``, in UTC.

    ``daily``: on the days of the ``weekdays`` bitmask (bit 0 is Monday). ``weekly``: on Monday, when the week that
    the digest tells about is complete (ISO 8601 weeks end on Sunday). ``monthly``: on the first.
    An hour the clocks jump over becomes the first instant after the jump; an hour that comes twice counts once, the
    first time. A day that has no such instant at all (Samoa's 30 December 2011) has no digest.
    """
    here = zone_named(zone)
    for day in _days_from(after.astimezone(here).date() - timedelta(days=1)):
        if not _is_digest_day(day, cadence=cadence, weekdays=weekdays):
            continue
        due = _instant(day, hour=hour, zone=here)
        if due > after and due.astimezone(here).date() == day:
            return due
    raise ValueError(f"no digest day in {FARTHEST} days: cadence {cadence!r}, weekdays {weekdays!r}")


def local_day(instant: datetime, zone: str) -> date:
    """The reader's calendar day at ``instant``."""
    return instant.astimezone(zone_named(zone)).date()


def local_midnight(day: date, zone: str) -> datetime:
    """The instant in UTC at which ``day`` begins for the reader."""
    return _instant(day, hour=0, zone=zone_named(zone))


@lru_cache(maxsize=1024)
def zone_named(name: str) -> tzinfo:
    """The zone of that IANA name; UTC for an unknown name, so that one bad row cannot stop a batch."""
    return ZoneInfo(name) if is_zone(name) else UTC


def is_zone(name: str) -> bool:
    return name in zone_names()


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def _days_from(first: date) -> Iterator[date]:
    return (first + timedelta(days=offset) for offset in range(FARTHEST))


def _rest_of_period(day: date, *, cadence: str) -> Iterator[date]:
    """The day and those after it in its week or month; for a daily reader the day alone."""
    return (later for later in _days_from(day) if period_of(cadence, later) == period_of(cadence, day))


def _is_digest_day(day: date, *, cadence: str, weekdays: int) -> bool:
    if cadence == "daily":
        return bool(weekdays >> day.weekday() & 1)
    if cadence == "weekly":
        return day.weekday() == MONDAY
    if cadence == "monthly":
        return day.day == 1
    raise ValueError(f"unknown cadence {cadence!r}")


def _instant(day: date, *, hour: int, zone: tzinfo) -> datetime:
    """UTC instant of ``hour`` o'clock on ``day``; when the clocks jump over it, the moment of the jump."""
    wall = datetime(day.year, day.month, day.day, hour, tzinfo=zone)  # fold=0: the first of two
    due = wall.astimezone(UTC)
    if due.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return due
    # Read with the offset of after the jump, a missing hour lies before the jump; with that of before, not before it.
    early, late = wall.replace(fold=1).astimezone(UTC), due
    offset_after = late.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == offset_after:
            late = middle
        else:
            early = middle
    return late.replace(microsecond=0)
