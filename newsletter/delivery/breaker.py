"""The circuit breaker of one run: relay errors close the stream for a while, a storm of refusals pauses the edition.

In: outcomes of each turn. Out: a Stream row that stops all workers' claims until a probe, or a paused edition with the
reason. While everything goes well it asks the database once per run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db.models import F

from newsletter.delivery.claim import STREAM
from newsletter.models import Edition, Stream
from newsletter.transports import Kind, Outcome

TRIP_AFTER = 3  # runs in a row that met an infrastructure error
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
STORM_AT_LEAST = 20  # refusals of one edition in one run …
STORM_SHARE = 0.3  # … that are this share of what was tried: ask a person before going on


class Breaker:
    """Counts what one worker's run meets."""

    def __init__(self) -> None:
        self._tried: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()
        self._recovered = False
        self.tripped = False

    def note(self, outcomes: Sequence[Outcome], *, editions: Sequence[int], now: datetime) -> None:
        """Take in outcomes and the edition of each."""
        for outcome, edition in zip(outcomes, editions, strict=True):
            if outcome.kind is Kind.INFRASTRUCTURE:
                continue
            self._tried[edition] += 1
            if outcome.kind in {Kind.REJECTED, Kind.BOUNCED}:
                self._refused[edition] += 1
                self._check_for_storm(edition, now=now)
        if any(outcome.kind is Kind.INFRASTRUCTURE for outcome in outcomes):
            self._trip(now=now)
        elif not self._recovered and any(outcome.kind is Kind.SENT for outcome in outcomes):
            self._recovered = True
            Stream.objects.filter(name=STREAM, failures__gt=0).update(failures=0, probe_at=None)

    def _trip(self, *, now: datetime) -> None:
        """Once per run; from the third run in a row on, nobody claims before the wait is over."""
        if self.tripped:
            return
        self.tripped = True
        Stream.objects.get_or_create(name=STREAM)
        Stream.objects.filter(name=STREAM).update(failures=F("failures") + 1)
        failures = Stream.objects.values_list("failures", flat=True).get(name=STREAM)
        if failures >= TRIP_AFTER:
            wait = min(FIRST_WAIT * 2 ** min(failures - TRIP_AFTER, 10), LONGEST_WAIT)
            Stream.objects.filter(name=STREAM).update(probe_at=now + wait)

    def _check_for_storm(self, edition: int, *, now: datetime) -> None:
        refused, tried = self._refused[edition], self._tried[edition]
        if refused >= STORM_AT_LEAST and refused >= STORM_SHARE * tried:
            reason = f"{refused} of {tried} messages were refused; see the delivery events, then resume."
            Edition.objects.filter(pk=edition, paused_at__isnull=True).update(paused_at=now, pause_reason=reason)
            self._refused[edition] = 0
