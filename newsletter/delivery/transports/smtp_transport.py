"""The fast lane: several SMTP connections moved by one thread, each with a body and the next envelope in flight.

In: messages and permissions. Out: outcomes, as `transports` promises. Connections are opened side by side by threads
of their own and replaced after N messages, T seconds, any fault or a limit the server names. A message whose connection
is lost before its body was asked for moves to another one: as often as the lost ones had taken mail, and once besides.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import time
from collections import deque
from typing import TYPE_CHECKING

from newsletter.delivery.transports import Message, Outcome, OutcomeKind, Phase, Turn, outcome_of_reply
from newsletter.delivery.transports.connection_rate import Brake
from newsletter.delivery.transports.smtp_connection import Line, in_words
from newsletter.delivery.transports.smtp_handshake import Opener, SessionError
from subscriptions.smtp_replies import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from newsletter.delivery.transports.smtp_handshake import Relay

_ENVELOPE_ADDRESS = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")  # printable ASCII without space, < and >
_SWEEP_SECONDS = 0.5  # how often deadlines are looked at
_BACKOFF_SECONDS = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)  # before opening again after so many faults in a row
_QUEUE_PER_CONNECTION = 4  # messages in memory: one in flight, one seated, two waiting
_SAME_ENDS = 3  # connections in a row that the server ended after the same number of messages: that is its limit


class SmtpTransport:
    """Keeps the `Transport` promise over at most ``connections`` connections to one relay."""

    def __init__(
        self,
        relay: Relay,
        *,
        connections: int = 8,
        messages_per_connection: int = 1000,
        seconds_per_connection: float = 300,
        idle_seconds: float = 30,
    ) -> None:
        self._relay = relay
        self._connections = connections
        self._messages_per_connection = messages_per_connection
        self._seconds_per_connection = seconds_per_connection
        self._idle_seconds = idle_seconds
        self._queue: deque[Message] = deque()
        self._seats: dict[int, Line] = {}  # keys not released whose envelope is under way
        self._unsettled: set[int] = set()  # keys that still owe an outcome
        self._moved: set[int] = set()  # keys that have lost a connection which had taken nothing
        self._lines: set[Line] = set()
        self._pending = Turn()  # what happened outside poll()
        self._opener = Opener(relay)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._opener.bell, selectors.EVENT_READ, None)
        self._failed_openings = 0  # since one succeeded
        self._fruitless_losses = 0  # since a body was answered
        self._open_after = 0.0
        self._next_sweep = 0.0
        self._brake = Brake(time.monotonic())
        self._ends = (0, 0)  # messages of the last connection that the server ended, and how many ended so in a row
        self.is_drained = False

    def capacity(self) -> int:
        return 0 if self.is_drained else max(0, self._connections * _QUEUE_PER_CONNECTION - len(self._unsettled))

    def enqueue(self, messages: Sequence[Message]) -> None:
        for message in messages:
            if _is_address(message.sender) and _is_address(message.recipient):
                self._unsettled.add(message.key)
                self._queue.append(message)
            else:
                problem = "an envelope address that SMTP cannot carry"
                self._pending.outcomes.append(outcome_of_reply(message.key, Phase.COMPOSE, text=problem))
        self._seat_waiting(self._pending)
        self._open_more()

    def poll(self, timeout: float) -> Turn:
        turn, self._pending = self._pending, Turn()
        deadline = time.monotonic() + (0.0 if turn.outcomes or turn.ready else timeout)
        while True:
            self._open_more()
            self._move(turn, deadline)
            now = time.monotonic()
            if now >= self._next_sweep:
                self._next_sweep = now + _SWEEP_SECONDS
                self._sweep(turn, now)
            self._seat_waiting(turn)
            if turn.outcomes or turn.ready or now >= deadline:
                break
        for settled in turn.outcomes:
            self._seats.pop(settled.key, None)
            self._unsettled.discard(settled.key)
            self._moved.discard(settled.key)
        return turn

    def release(self, keys: Iterable[int]) -> None:
        for key in keys:
            line = self._seats.pop(key, None)
            if line is None:
                continue
            line.dialogue.hand_over()
            self._seat_next(line)  # its envelope leaves in the same write as this body
            self._flush(line, self._pending)

    def withhold(self, keys: Iterable[int]) -> None:
        gone = self._unsettled.intersection(keys)
        self._queue = deque(message for message in self._queue if message.key not in gone)
        self._pending.ready = [key for key in self._pending.ready if key not in gone]
        for key in gone:
            line = self._seats.pop(key, None)
            if line is not None:
                line.dialogue.withhold()
                if line.dialogue.is_over:
                    self._drop(line)
        self._unsettled -= gone
        self._moved -= gone

    def is_opening(self) -> bool:
        return bool(self._queue and self._opener.opening and not self._lines)

    def is_stuck(self) -> bool:
        """Whether messages wait for a relay that takes none now: it has not greeted, or it has named a limit."""
        return self.is_opening() or bool(self._queue and self._brake.is_on)

    def take_back(self) -> list[Message]:
        """Hand back the messages that wait for a connection, for another relay; no outcome follows here."""
        messages = list(self._queue)
        self.withhold([message.key for message in messages])
        return messages

    def drain(self) -> list[int]:
        self.is_drained = True
        settled = {result.key for result in self._pending.outcomes}
        keys = [key for key in (*(message.key for message in self._queue), *self._seats) if key not in settled]
        self.withhold(keys)
        return keys

    def close(self) -> None:
        self.is_drained = True
        for line in list(self._lines):
            self._dismiss(line)
        self._selector.close()
        self._opener.close()

    def fileno(self) -> int:
        """A descriptor that is readable when poll() has work, so that one thread can watch several transports."""
        return self._selector.fileno()

    # Opening and closing

    def _open_more(self) -> None:
        """Open as many connections as the waiting messages need, up to the limit."""
        if not self._queue or self.is_drained or time.monotonic() < max(self._open_after, self._brake.ready_at):
            return
        opening = self._opener.opening
        free = self._connections - len(self._lines) - opening
        for _ in range(min(free, len(self._queue) - opening)):
            self._opener.start()

    def _welcome(self, turn: Turn) -> None:
        for arrival in self._opener.arrivals():
            if isinstance(arrival, SessionError):
                self._not_opened(arrival, turn)
                continue
            self._failed_openings = 0
            line = Line(arrival, time.monotonic())
            self._lines.add(line)
            self._selector.register(line.sock, selectors.EVENT_READ, line)
            self._seat_next(line)
            self._flush(line, turn)

    def _not_opened(self, error: SessionError, turn: Turn) -> None:
        """Handle a connection that did not open; when none is left, give every message back untouched."""
        self._failed_openings += 1 if self._pause_openings() else 0
        if self._lines or self._opener.opening:
            return
        text = redact(error.text)
        turn.outcomes += [
            Outcome(message.key, OutcomeKind.INFRASTRUCTURE, error.phase, error.code, "", text)
            for message in self._queue
        ]
        self._queue.clear()

    def _pause_openings(self) -> bool:
        """Wait longer after each fault in a row; faults that come in one bundle count once."""
        now = time.monotonic()
        if now < self._open_after:
            return False
        faults = self._failed_openings + self._fruitless_losses
        self._open_after = now + _BACKOFF_SECONDS[min(faults, len(_BACKOFF_SECONDS) - 1)]
        return True

    def _lose(self, line: Line, reason: str, turn: Turn) -> None:
        """Handle a failed connection: settle what was in flight, move what was merely seated."""
        self._drop(line)
        dialogue = line.dialogue
        if dialogue.accepted:
            self._learn(dialogue.settled)
        else:
            self._fruitless_losses += 1 if self._pause_openings() else 0
        was_open = dialogue.is_open
        seated = dialogue.lost(reason, turn)
        if seated is None:
            return
        if seated.key in turn.ready:  # nobody has heard of it yet
            turn.ready.remove(seated.key)
            was_open = False
        phase, code, text = dialogue.last_words or (Phase.MAIL, 0, reason)
        outcome = outcome_of_reply(seated.key, phase, code=code, text=text)
        if was_open or self.is_drained:
            del self._seats[seated.key]
            turn.outcomes.append(outcome)
        else:
            self._put_back(seated, outcome, is_fresh=not dialogue.accepted, turn=turn)

    def _put_back(self, message: Message, outcome: Outcome, *, is_fresh: bool, turn: Turn) -> None:
        """Queue a message whose body has not left for another connection: always from one that took mail, else once.

        A limit that a fresh connection names is the relay's, or at RCPT that of the place the mail goes to.
        """
        del self._seats[message.key]
        is_limit = outcome.kind is OutcomeKind.LIMITED
        if is_fresh and (outcome.phase is Phase.RCPT if is_limit else message.key in self._moved):
            turn.outcomes.append(outcome)
            return
        self._queue.appendleft(message)
        if is_fresh and not is_limit:
            self._moved.add(message.key)
        elif is_fresh and not self._brake.limit(time.monotonic()):
            self._send_back(outcome, turn)

    def _send_back(self, why: Outcome, turn: Turn) -> None:
        """Give back what waits after a while in which nothing was accepted: it should be tried again much later."""
        turn.outcomes += [
            Outcome(message.key, OutcomeKind.LIMITED, Phase.MAIL, why.code, why.enhanced, why.text)
            for message in self._queue
        ]
        self._queue.clear()

    def _learn(self, count: int) -> None:
        """Remember how many messages this server takes on one connection, for the rest of this run."""
        last, times = self._ends
        self._ends = (count, times + 1 if count == last else 1)
        if self._ends[1] >= _SAME_ENDS:
            self._messages_per_connection = min(self._messages_per_connection, count)

    def _dismiss(self, line: Line) -> None:
        """Send QUIT and close: nothing of ours is on this connection any more."""
        if line.dialogue.is_idle and not line.dialogue.is_over:
            with contextlib.suppress(OSError):
                line.sock.send(b"QUIT\r\n")
        self._drop(line)

    def _drop(self, line: Line) -> None:
        self._lines.discard(line)
        self._selector.unregister(line.sock)
        line.sock.close()

    # Seating and moving bytes

    def _seat_waiting(self, turn: Turn) -> None:
        if not self._queue:
            return
        # Idle connections first: behind a body the envelope would wait for that body's verdict.
        free = [line for line in self._lines if line.dialogue.wants_envelope]
        for line in sorted(free, key=lambda line: not line.dialogue.is_idle):
            if self._seat_next(line):
                self._flush(line, turn)

    def _seat_next(self, line: Line) -> bool:
        if not self._queue or not line.dialogue.wants_envelope:
            return False
        now = time.monotonic()
        if now < self._brake.ready_at or self._is_worn(line, now):
            return False
        message = self._queue.popleft()
        self._brake.seat(now)
        self._seats[message.key] = line
        line.seatings += 1
        line.dialogue.seat(message)
        return True

    def _is_worn(self, line: Line, now: float) -> bool:
        return (
            line.is_full
            or line.seatings >= self._messages_per_connection
            or now - line.opened_at > self._seconds_per_connection
        )

    def _move(self, turn: Turn, deadline: float) -> None:
        until = min(deadline, self._next_sweep)
        if self._queue:
            now = time.monotonic()
            until = min([until, *(moment for moment in (self._open_after, self._brake.ready_at) if moment > now)])
        for ready, events in self._selector.select(max(0.0, until - time.monotonic())):
            line: Line | None = ready.data
            if line is None:
                self._welcome(turn)
            elif line in self._lines:
                if events & selectors.EVENT_READ:
                    self._read(line, turn)
                if events & selectors.EVENT_WRITE and line in self._lines:
                    self._flush(line, turn)

    def _read(self, line: Line, turn: Turn) -> None:
        ended = self._hear(line, turn)
        if ended:
            self._lose(line, ended, turn)
        elif line.dialogue.is_idle and self._is_worn(line, time.monotonic()):
            self._dismiss(line)
        else:
            self._seat_next(line)
            self._flush(line, turn)

    def _hear(self, line: Line, turn: Turn) -> str:
        """Read what the server sent. Returns why the connection has ended, or "" while it is open."""
        dialogue = line.dialogue
        settled, accepted, told = dialogue.settled, dialogue.accepted, len(turn.outcomes)
        ended = line.read(turn)
        if dialogue.settled > settled:
            self._fruitless_losses = 0
            taken = dialogue.accepted - accepted
            if taken:
                self._brake.accept(taken)
            if taken < dialogue.settled - settled:
                self._mind_limits(line, turn.outcomes[told:], turn)
        if dialogue.refused:
            self._replace(line, turn)
        return ended

    def _mind_limits(self, line: Line, outcomes: Sequence[Outcome], turn: Turn) -> None:
        """Slow down when one of the refused, settled messages named a limit."""
        for outcome in outcomes:
            if outcome.kind is OutcomeKind.LIMITED and outcome.phase is Phase.DOT:
                line.is_full = True
                if not self._brake.limit(time.monotonic()):
                    self._send_back(outcome, turn)

    def _replace(self, line: Line, turn: Turn) -> None:
        """Retire a connection on which the server named a limit; what it refused goes by another one."""
        line.is_full = True
        dialogue = line.dialogue
        for message, outcome in dialogue.refused:
            if dialogue.accepted and outcome.phase is Phase.MAIL:
                self._learn(dialogue.settled)
            self._put_back(message, outcome, is_fresh=not dialogue.accepted, turn=turn)
        dialogue.refused.clear()

    def _flush(self, line: Line, turn: Turn) -> None:
        try:
            is_done = line.write()
        except OSError as error:
            # The server may have answered before it left: its last words decide between sent, refused and unknown.
            self._lose(line, self._hear(line, turn) or in_words(error), turn)
        else:
            self._watch(line, selectors.EVENT_READ if is_done else selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _watch(self, line: Line, events: int) -> None:
        if line.events != events:
            line.events = events
            self._selector.modify(line.sock, events, line)

    def _sweep(self, turn: Turn, now: float) -> None:
        for line in list(self._lines):
            silence = now - line.touched_at
            dialogue = line.dialogue
            if dialogue.waits_for_server:
                limit = self._relay.patience(dialogue.awaited)
                if silence > limit:
                    self._lose(line, f"no answer within {limit:.0f} seconds", turn)
            elif dialogue.is_idle and (silence > self._idle_seconds or self._is_worn(line, now)):
                self._dismiss(line)


def _is_address(address: str) -> bool:
    return _ENVELOPE_ADDRESS.fullmatch(address) is not None
