"""One worker's run: keep the transport busy, and the rows true, until nothing is due or the time is up.

In: a transport and a clock. Out: rows settled. Claim a chunk, compose ahead of the wire; one transaction at a time
settles what came back and marks what may go next, while the other connections go on sending. A body leaves only after
its row is `sending`, so whatever kills this process, at most one message per connection is in doubt.
"""

from __future__ import annotations

import logging
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from newsletter.delivery import phase_times
from newsletter.delivery.circuit_breaker import Breaker, Trouble, pause_edition, trip
from newsletter.delivery.claim_deliveries import Claimed, claim_due, give_back, keep_alive, let_go, owed_since
from newsletter.delivery.compose_message import Composers, EditionBroken
from newsletter.delivery.phase_times import Held
from newsletter.delivery.transports import Message, Outcome, OutcomeKind, Phase, Transport, Turn
from newsletter.delivery.update_delivery_states import settle_and_mark
from newsletter.models.writer_thread import BackgroundWriter, open_writer
from subscriptions.log_context import about

log = logging.getLogger(__name__)
IDLE_SECONDS = 0.25
BUSY_SECONDS = 0.001  # while the writer writes, look back at it this often
LAST_WORDS = timedelta(seconds=200)  # longer than a relay may take to answer the final dot
GREETING = timedelta(minutes=5)  # from the start of a run, whatever its deadline: a slow relay is waited for …
AFTER_GREETING = timedelta(seconds=20)  # … and is then given mail


@dataclass
class Run:
    """Counts of what one run sent and settled."""

    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    claimed: int = 0
    outcomes: dict[OutcomeKind, int] = field(default_factory=dict)

    @property
    def sent(self) -> int:
        return self.outcomes.get(OutcomeKind.SENT, 0)

    def count(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.outcomes[outcome.kind] = self.outcomes.get(outcome.kind, 0) + 1


def deliver(
    *,
    transport: Transport,
    deadline: datetime,
    should_stop: Callable[[], bool] = lambda: False,
    clock: Callable[[], datetime] = timezone.now,
    greeting: timedelta = GREETING,
) -> Run:
    """Send everything that is due, until ``deadline`` (UTC) or until told to stop. Closes the transport.

    A relay that has not greeted yet is waited for beyond it, for ``greeting`` from the start at most.
    Rows claimed and not sent are given back. Raises what the database raises when it stays away for too long; what was
    on the wire is then settled by the rescue as unknown.
    """
    writer, claims = open_writer(), open_writer()  # claiming a chunk takes long: it must not hold up the marks
    try:
        worker = _Worker(transport=transport, writer=writer, claims=claims, clock=clock)
        with about(claim=worker.run.token):
            _send_all(
                worker, transport=transport, deadline=deadline, should_stop=should_stop, clock=clock, greeting=greeting
            )
        writer.call(lambda: let_go(token=worker.run.token))
    finally:
        transport.close()
        claims.close()
        writer.close()
    return worker.run


def _send_all(
    worker: _Worker,
    *,
    transport: Transport,
    deadline: datetime,
    should_stop: Callable[[], bool],
    clock: Callable[[], datetime],
    greeting: timedelta,
) -> None:
    greeting_until = clock() + greeting
    while not worker.is_done:
        if not worker.run.outcomes and transport.is_opening():
            deadline = max(deadline, min(clock(), greeting_until) + AFTER_GREETING)
        if should_stop() or worker.breaker.tripped:
            worker.stop()
        elif clock() >= deadline:
            worker.stop_late()
        if clock() >= deadline + LAST_WORDS:
            log.error("Run %s ends with messages the relay never answered; the reaper settles them", worker.run.token)
            break
        worker.turn()


class _Worker:
    def __init__(
        self, *, transport: Transport, writer: BackgroundWriter, claims: BackgroundWriter, clock: Callable[[], datetime]
    ) -> None:
        self.run = Run()
        self.breaker = Breaker()
        self._transport = transport
        self._writer = writer
        self._claims = claims
        self._clock = clock
        self._composers = Composers()
        self._stock: deque[Claimed] = deque()
        self._held: dict[int, Held] = {}  # what the transport holds
        self._waiting = Turn()  # what the transport told and the writer has not written yet
        self._writing: tuple[Turn, Future[set[int]]] | None = None
        self._claiming: Future[list[Claimed] | None] | None = None
        self._stopping = False
        self._exhausted = False
        self._renew_at = clock() + _renewal()

    @property
    def is_done(self) -> bool:
        idle = not self._held and not self._stock and self._writing is None and self._claiming is None
        return idle and not self._waiting.outcomes and (self._exhausted or self._stopping)

    def turn(self) -> None:
        """One round: fill the transport, move bytes, take in what the writer wrote, give it what is new."""
        self._claim()
        self._fill()
        busy = self._writing is not None or not self._held
        told = self._transport.poll(BUSY_SECONDS if busy else IDLE_SECONDS)
        phase_times.told(told, held=self._held)
        self._waiting.outcomes += told.outcomes
        self._waiting.ready += told.ready
        self._take_in_what_is_written()
        self._write()

    def stop(self) -> None:
        """Stop claiming and give back what has not left; messages being sent still finish."""
        if self._stopping:
            return
        self._stopping = True
        if self._claiming:
            self._stock.extend(self._claiming.result() or [])
            self._claiming = None
        if self._writing:
            self._finish_writing()
        drained = self._transport.drain()
        for pk in drained:
            self._held.pop(pk, None)
        gone = set(drained)
        self._waiting.ready = [pk for pk in self._waiting.ready if pk not in gone]
        back = [*(row.pk for row in self._stock), *drained]
        self._stock.clear()
        if back:
            owed = owed_since(now=self._clock())
            self._writer.call(lambda: give_back(back, token=self.run.token, not_before=owed))

    def stop_late(self) -> None:
        """Stop because the time is up. A relay that has not greeted by now counts as unreachable."""
        if not self._stopping and self._transport.is_opening():
            now, reply = self._clock(), "The relay answers the connection and does not greet."
            self._writer.call(lambda: trip(Trouble.UNREACHABLE, reply=reply, now=now))
        self.stop()

    def _claim(self) -> None:
        """Claim the next chunk before the last one is used up."""
        if self._claiming and self._claiming.done():
            rows = self._claiming.result()
            self._claiming = None
            self._exhausted = rows is None
            self._stock.extend(rows or [])
            self.run.claimed += len(rows or [])
        low = len(self._stock) < settings.DELIVERY_CHUNK // 2
        if low and not self._claiming and not self._stopping and not self._exhausted:
            now, token = self._clock(), self.run.token
            self._claiming = self._claims.submit(lambda: claim_due(token=token, limit=settings.DELIVERY_CHUNK, now=now))

    def _fill(self) -> None:
        if self._stopping:
            return
        free = self._transport.capacity()
        messages: list[Message] = []
        while self._stock and len(messages) < free:
            message = self._compose(self._stock.popleft())
            if message:
                messages.append(message)
        if messages:
            self._transport.enqueue(messages)

    def _compose(self, row: Claimed) -> Message | None:
        """Compose the rows. One that cannot be composed fails alone and holds up no other."""
        try:
            message = self._composers.message(row, now=self._clock())
        except (OperationalError, InterfaceError):
            raise  # the database is away: the row is not to blame
        except EditionBroken as error:
            log.exception("Edition %s is paused", row.edition, extra={"edition": row.edition})
            self._set_aside(row, reason=str(error))
            return None
        except Exception as error:
            log.exception("Delivery %s cannot be composed", row.pk, extra={"edition": row.edition})
            text = f"The message could not be composed: {error}"[:300]
            self._waiting.outcomes.append(Outcome(row.pk, OutcomeKind.REJECTED, Phase.COMPOSE, text=text))
            return None
        self._held[row.pk] = Held(row, size=len(message.data))
        return message

    def _set_aside(self, row: Claimed, *, reason: str) -> None:
        """Pause an edition whose messages cannot be composed, and give back every row of it that we hold."""
        now, token = self._clock(), self.run.token
        back = [row.pk, *(other.pk for other in self._stock if other.edition == row.edition)]
        self._stock = deque(other for other in self._stock if other.edition != row.edition)
        self._writer.call(lambda: pause_edition(row.edition, reason=reason, now=now))
        self._writer.call(lambda: give_back(back, token=token, not_before=owed_since(now=now)))

    def _write(self) -> None:
        """Hand what is new to the writer, one write at a time: what comes meanwhile is the next batch."""
        if self._writing:
            return
        now, token = self._clock(), self.run.token
        if now >= self._renew_at:
            self._renew_at = now + _renewal()
            self._writer.submit(lambda: keep_alive(token=token, now=now))
        turn, self._waiting = self._waiting, Turn()
        if turn.outcomes or turn.ready:
            held = self._held
            sizes = {outcome.key: held[outcome.key].size for outcome in turn.outcomes if outcome.key in held}
            self._writing = (
                turn,
                self._writer.submit(lambda: settle_and_mark(turn, token=token, now=now, sizes=sizes)),
            )
            self._take_in_what_is_written()

    def _take_in_what_is_written(self) -> None:
        if self._writing and self._writing[1].done():
            self._finish_writing()

    def _finish_writing(self) -> None:
        """Let the bodies of marked rows go, hold back the others, forget what is settled."""
        if not self._writing:
            return
        turn, future = self._writing
        marked = future.result()
        self._writing = None
        going = [pk for pk in turn.ready if pk in marked]
        phase_times.released(going, held=self._held)
        self._transport.release(going)
        held = [pk for pk in turn.ready if pk not in marked]
        if held:
            self._transport.withhold(held)
            for pk in held:
                self._held.pop(pk, None)
        if turn.outcomes:
            self.run.count(turn.outcomes)
            known = (self._held.pop(outcome.key, None) for outcome in turn.outcomes)
            rows = [done.row if done else None for done in known]
            wrote = self.breaker.note(turn.outcomes, rows=rows, now=self._clock())
            if wrote:
                self._writer.call(wrote)
                self._put_back_held()

    def _put_back_held(self) -> None:
        """Give back the rows of domains that named a limit, rather than try them one by one."""
        now = self._clock()
        for domain, until in self.breaker.held.items():
            back = [row.pk for row in self._stock if row.domain == domain] if until > now else []
            if back:
                self._stock = deque(row for row in self._stock if row.domain != domain)
                self._writer.call(partial(give_back, back, token=self.run.token, not_before=until))


def _renewal() -> timedelta:
    return timedelta(seconds=settings.DELIVERY_LEASE_SECONDS / 4)
