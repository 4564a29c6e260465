"""How fast mail may leave: token buckets in the database, shared by all workers, for everything and per domain.

In: rows just claimed. Out: those that may go now; the others are put back with a later `not_before`, never slept on,
so a slow domain delays no other. Limits come from the settings, and from receivers who name one: their domain is
held for a while, longer each time nothing was taken in between.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Protocol, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from newsletter.models import PaceBucket
from subscriptions.retry_backoff import backoff


class _Mail(Protocol):
    @property
    def pk(self) -> int: ...
    @property
    def domain(self) -> str: ...


Mail = TypeVar("Mail", bound=_Mail)

EVERYTHING = "*"
FIRST_HOLD = timedelta(seconds=30)
LONGEST_HOLD = 20  # times the first
BURST_SECONDS = 10  # a bucket holds this much of its rate, so idle time is not saved up into a flood


def rate_of(scope: str) -> float:
    """Messages per second that a scope allows; 0 means no limit."""
    if scope == EVERYTHING:
        return float(settings.DELIVERY_RATE)
    rates = settings.DELIVERY_DOMAIN_RATES
    return float(rates.get(scope, rates.get("default", 0)))


def daily_cap(today: date) -> int | None:
    """Warm-up of a new sending domain: messages per recipient domain on this day, growing daily."""
    start_on = settings.DELIVERY_WARMUP_START_ON
    if not start_on:
        return None
    day = (today - date.fromisoformat(start_on)).days
    if day < 0 or day >= settings.DELIVERY_WARMUP_DAYS:
        return None
    return int(settings.DELIVERY_WARMUP_FIRST_DAY * settings.DELIVERY_WARMUP_GROWTH**day)


def allow(rows: Sequence[Mail], *, now: datetime) -> tuple[list[Mail], dict[datetime, list[int]]]:
    """Take tokens for rows. Returns (rows that may go now, in order; moment -> rows to put back until then)."""
    cap = daily_cap(now.date())
    later: dict[datetime, list[int]] = defaultdict(list)
    held = {bucket.scope: bucket.held_until for bucket in PaceBucket.objects.filter(held_until__gt=now)}
    for row in rows:
        if until := held.get(row.domain):
            later[until].append(row.pk)
    rows = [row for row in rows if row.domain not in held]
    if not settings.DELIVERY_RATE and not settings.DELIVERY_DOMAIN_RATES and cap is None:
        return rows, later
    allowed: list[Mail] = []
    by_domain: dict[str, list[Mail]] = defaultdict(list)
    for row in rows:
        by_domain[row.domain].append(row)
    for domain in sorted(by_domain):  # one order for all workers: no deadlock on the buckets
        waiting = by_domain[domain]
        granted, left_today = _take(domain, len(waiting), cap=cap, now=now)
        allowed += waiting[:granted]
        _spread(waiting[granted:], rate=rate_of(domain), left_today=left_today, now=now, later=later)
    order = {row.pk: place for place, row in enumerate(rows)}
    allowed.sort(key=lambda row: order[row.pk])
    granted, left_today = _take(EVERYTHING, len(allowed), cap=None, now=now)
    _give_back(Counter(row.domain for row in allowed[granted:] if cap is not None or rate_of(row.domain)))
    _spread(allowed[granted:], rate=rate_of(EVERYTHING), left_today=left_today, now=now, later=later)
    return allowed[:granted], later


def hold_wait(holds: int) -> timedelta:
    """How long to leave a receiver alone who has named a limit ``holds`` times in a row (1 or more)."""
    return backoff(holds, first=FIRST_HOLD, most=FIRST_HOLD * LONGEST_HOLD)


@transaction.atomic
def hold(domain: str, *, has_taken: bool, now: datetime) -> datetime:
    """Send nothing to a domain that named a limit; returns until when. ``has_taken``: some mail since the last time."""
    PaceBucket.objects.get_or_create(scope=domain, defaults={"tokens": 0, "refilled_at": now, "day_on": now.date()})
    bucket = PaceBucket.objects.select_for_update().get(scope=domain)
    if bucket.held_until and bucket.held_until > now:  # another worker has heard it as well
        return bucket.held_until
    bucket.holds = 1 if has_taken else min(bucket.holds + 1, 100)
    bucket.held_until = now + hold_wait(bucket.holds)
    bucket.save(update_fields=["holds", "held_until"])
    return bucket.held_until


def release_holds() -> int:
    """Try every domain again at once. Returns how many were held."""
    return PaceBucket.objects.filter(held_until__isnull=False).update(held_until=None, holds=0)


def _give_back(unused: Mapping[str, int]) -> None:
    """Return to a domain's bucket what it granted and the total rate did not, so that unsent mail uses no daily cap."""
    for domain, number in unused.items():
        PaceBucket.objects.filter(scope=domain).update(
            tokens=F("tokens") + number, sent_today=Greatest(F("sent_today") - number, 0)
        )


def _take(scope: str, wanted: int, *, cap: int | None, now: datetime) -> tuple[int, int]:
    """Take up to ``wanted`` tokens of a bucket, refilled to ``now``. Called inside the claim's transaction.

    How many it gives, and how many of the rest the day's cap leaves for later today.
    """
    rate = rate_of(scope)
    if wanted == 0 or (not rate and cap is None):
        return wanted, 0
    bucket, _ = PaceBucket.objects.select_for_update().get_or_create(
        scope=scope, defaults={"tokens": rate * BURST_SECONDS, "refilled_at": now, "day_on": now.date()}
    )
    if bucket.day_on != now.date():
        bucket.day_on, bucket.sent_today = now.date(), 0
    granted = wanted
    if rate:
        elapsed = max(0.0, (now - bucket.refilled_at).total_seconds())
        bucket.tokens = min(max(1.0, rate * BURST_SECONDS), bucket.tokens + elapsed * rate)
        granted = min(granted, int(bucket.tokens))
        bucket.tokens -= granted
    if cap is not None:
        granted = min(granted, max(0, cap - bucket.sent_today))
    bucket.sent_today += granted
    left_today = wanted - granted if cap is None else max(0, cap - bucket.sent_today)
    bucket.refilled_at = now
    bucket.save()
    return granted, left_today


def _spread(
    rows: Sequence[_Mail], *, rate: float, left_today: int, now: datetime, later: dict[datetime, list[int]]
) -> None:
    """Spread rows over the time their bucket needs to refill; those beyond the daily cap go to the next UTC day."""
    tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    for place, row in enumerate(rows, start=1):
        is_today = rate and place <= left_today
        moment = now + timedelta(seconds=max(1, round(place / rate))) if is_today else tomorrow
        later[moment].append(row.pk)
