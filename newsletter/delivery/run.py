"""One worker's run: keep the transport busy, and the rows true, until nothing is due or the time is up.

In: a transport and a clock. Out: rows settled. One thread: claim a chunk, compose ahead of the wire, and in each turn
one transaction settles what came back and marks what may go next. A body leaves only after its row is `sending`, so
whatever kills this process, at most one message per connection is in doubt.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from newsletter.delivery.breaker import Breaker
from newsletter.delivery.claim import Claimed, claim_due, give_back, keep_alive, mark_sending
from newsletter.delivery.compose import Composers
from newsletter.delivery.settle import settle
from newsletter.transports import Kind, Message, Outcome, Phase, Transport, Turn

log = logging.getLogger(__name__)
POLL_SECONDS = 0.25
DATABASE_PATIENCE = timedelta(seconds=120)  # results of finished messages are kept this long while the database is away
Result = TypeVar("Result")


@dataclass
class Run:
    """What one run did."""

    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    claimed: int = 0
    outcomes: dict[Kind, int] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        return self.outcomes.get(Kind.SENT, 0)

    def count(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.outcomes[outcome.kind] = self.outcomes.get(outcome.kind, 0) + 1


def deliver(
    *,
    transport: Transport,
    deadline: datetime,
    should_stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], datetime] = timezone.now,
) -> Run:
    """Send everything that is due, until ``deadline`` (UTC) or until told to stop. Closes the transport.

    Rows claimed and not sent are given back. Raises what the database raises when it stays away for too long; what was
    on the wire is then settled by the reaper as unknown.
    """
    worker = _Worker(transport=transport, clock=clock)
    try:
        while not worker.is_done:
            if should_stop() or clock() >= deadline or worker.breaker.tripped:
                worker.stop()
            worker.turn()
    finally:
        worker.stop()
        transport.close()
    return worker.run


class _Worker:
    def __init__(self, *, transport: Transport, clock: Callable[[], datetime]) -> None:
        self.run = Run()
        self.breaker = Breaker()
        self._transport = transport
        self._clock = clock
        self._composers = Composers()
        self._stock: deque[Claimed] = deque()
        self._sizes: dict[int, int] = {}  # what the transport holds, with the bytes of each
        self._editions: dict[int, int] = {}
        self._stopping = False
        self._exhausted = False
        self._renew_at = clock() + _renewal()

    @property
    def is_done(self) -> bool:
        return not self._sizes and not self._stock and (self._exhausted or self._stopping)

    def turn(self) -> None:
        """One round: fill the transport, move bytes, settle and mark in one transaction, let the marked bodies go."""
        self._fill()
        self._apply(self._transport.poll(POLL_SECONDS if self._sizes else 0))

    def stop(self) -> None:
        """Take nothing new, give back what has not left; what is on the wire still finishes."""
        if self._stopping:
            return
        self._stopping = True
        back = [*(row.pk for row in self._stock), *self._transport.drain()]
        self._stock.clear()
        for pk in back:
            self._sizes.pop(pk, None)
        if back:
            self._persist(lambda: give_back(back, token=self.run.token))

    def _fill(self) -> None:
        if self._stopping:
            return
        if not self._stock and not self._exhausted:
            now = self._clock()
            rows = self._persist(lambda: claim_due(token=self.run.token, limit=settings.DELIVERY_CHUNK, now=now))
            self._exhausted = not rows
            self._stock.extend(rows)
            self.run.claimed += len(rows)
        free = self._transport.capacity()
        messages: list[Message] = []
        while self._stock and len(messages) < free:
            message = self._compose(self._stock.popleft())
            if message:
                messages.append(message)
        if messages:
            self._transport.enqueue(messages)

    def _compose(self, row: Claimed) -> Message | None:
        """A row that cannot be composed fails by itself and blocks nobody (MF12)."""
        try:
            message = self._composers.message(row, now=self._clock())
        except (ValueError, KeyError, UnicodeError) as error:
            log.exception("Delivery %s cannot be composed", row.pk)
            text = f"The message could not be composed: {error}"
            self._settle([Outcome(row.pk, Kind.REJECTED, Phase.COMPOSE, text=text[:300])])
            return None
        self._sizes[row.pk] = len(message.data)
        self._editions[row.pk] = row.edition
        return message

    def _apply(self, turn: Turn) -> None:
        now = self._clock()
        if now >= self._renew_at:
            self._renew_at = now + _renewal()
            self._persist(lambda: keep_alive(token=self.run.token, now=now))
        if not turn.outcomes and not turn.ready:
            return
        marked = self._persist(lambda: self._exchange(turn, now=now))
        self._transport.release(pk for pk in turn.ready if pk in marked)
        held = [pk for pk in turn.ready if pk not in marked]
        if held:
            self._transport.withhold(held)
        for pk in held:
            self._sizes.pop(pk, None)
        self._note(turn.outcomes)

    def _exchange(self, turn: Turn, *, now: datetime) -> set[int]:
        with transaction.atomic():
            if turn.outcomes:
                settle(turn.outcomes, token=self.run.token, now=now, sizes=self._sizes)
            return mark_sending(turn.ready, token=self.run.token, now=now)

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        self._persist(lambda: settle(outcomes, token=self.run.token, now=self._clock(), sizes=self._sizes))
        self._note(outcomes)

    def _note(self, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            return
        self.run.count(outcomes)
        editions = [self._editions.pop(outcome.key, 0) for outcome in outcomes]
        for outcome in outcomes:
            self._sizes.pop(outcome.key, None)
        self._persist(lambda: self.breaker.note(outcomes, editions=editions, now=self._clock()))

    def _persist(self, step: Callable[[], Result]) -> Result:
        """Run a step against the database; while it is away, wait and try again: the results we hold must not be lost.

        Every step is a conditional UPDATE, so one whose commit went through although its answer was lost may repeat.
        """
        give_up_at = time.monotonic() + DATABASE_PATIENCE.total_seconds()
        wait = 0.05
        while True:
            try:
                return step()
            except (OperationalError, InterfaceError):
                if connection.in_atomic_block or time.monotonic() >= give_up_at:
                    raise
                log.warning("The database is away; trying again in %.1f s", wait)
                time.sleep(wait)
                wait = min(wait * 2, 2.0)
                connection.close()


def _renewal() -> timedelta:
    return timedelta(seconds=settings.DELIVERY_LEASE_SECONDS / 4)
