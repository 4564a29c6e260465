"""The circuit breaker of one run: relay errors close the stream for a while, a storm of refusals pauses the edition.

In: outcomes of each turn. Out: a Stream row that stops all workers' claims until a probe, or a paused edition with the
reason. While everything goes well it asks the database once per run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from django.db import transaction

from newsletter.delivery.claim import STREAM
from newsletter.delivery.settle import infrastructure_wait
from newsletter.delivery.transports import Outcome, OutcomeKind
from newsletter.models import Edition, Stream

TRIP_AFTER = 3  # runs in a row that met an infrastructure error
LONGEST_WAIT = 30  # times the first wait
STORM_AT_LEAST = 20  # refusals of one edition in one run …
STORM_SHARE = 0.3  # … that are this share of what was tried: ask a person before going on


class Breaker:
    """Counts what one worker's run meets."""

    def __init__(self) -> None:
        self._tried: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()
        self._recovered = False
        self.tripped = False

    def note(self, outcomes: Sequence[Outcome], *, editions: Sequence[int], now: datetime) -> Callable[[], None] | None:
        """Take in outcomes and the edition of each. Returns what has to be written, if anything."""
        writes: list[Callable[[], object]] = []
        for outcome, edition in zip(outcomes, editions, strict=True):
            if outcome.kind is OutcomeKind.INFRASTRUCTURE:
                continue
            self._tried[edition] += 1
            if outcome.kind in {OutcomeKind.REJECTED, OutcomeKind.SOFT, OutcomeKind.BOUNCED}:
                self._refused[edition] += 1
                if self._is_storm(edition):
                    reason = f"{self._refused[edition]} of {self._tried[edition]} messages were refused"
                    writes.append(partial(pause_edition, edition, reason=reason, now=now))
                    self._refused[edition] = 0
        if any(outcome.kind is OutcomeKind.INFRASTRUCTURE for outcome in outcomes) and not self.tripped:
            self.tripped = True
            writes.append(partial(_trip, now=now))
        if not self._recovered and any(outcome.kind is OutcomeKind.SENT for outcome in outcomes):
            self._recovered = True
            writes.insert(0, _recover)
        return partial(_do, writes) if writes else None

    def _is_storm(self, edition: int) -> bool:
        refused = self._refused[edition]
        return refused >= STORM_AT_LEAST and refused >= STORM_SHARE * self._tried[edition]


def _do(writes: Sequence[Callable[[], object]]) -> None:
    for write in writes:
        write()


def _recover() -> None:
    Stream.objects.filter(name=STREAM, failures__gt=0).update(failures=0, probe_at=None)


def _trip(*, now: datetime) -> None:
    """Once per run; from the third run in a row on, nobody claims before the wait is over."""
    with transaction.atomic():
        Stream.objects.get_or_create(name=STREAM)
        stream = Stream.objects.select_for_update().get(name=STREAM)
        stream.failures += 1
        if stream.failures >= TRIP_AFTER:
            stream.probe_at = now + infrastructure_wait() * min(2 ** min(stream.failures - TRIP_AFTER, 9), LONGEST_WAIT)
        stream.save(update_fields=["failures", "probe_at"])


def pause_edition(edition: int, *, reason: str, now: datetime) -> None:
    """Hold an edition until a person has looked."""
    Edition.objects.filter(pk=edition, paused_at__isnull=True).update(
        paused_at=now, pause_reason=f"{reason}; see the delivery events, then resume."[:200]
    )
