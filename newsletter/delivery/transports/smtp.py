"""The fast lane: several SMTP connections moved by one thread, each with a body and the next envelope in flight.

In: messages and permissions. Out: outcomes, as `transports` promises. Connections are opened side by side by threads
of their own and replaced after N messages, T seconds or any fault. A message whose connection is lost before its body
was asked for moves to another connection, once; the second time it is a retry.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import ssl
import time
from collections import deque
from typing import TYPE_CHECKING

from newsletter.delivery.transports import Message, Outcome, OutcomeKind, Phase, Turn, outcome_of_reply
from newsletter.delivery.transports.smtp_dialogue import Dialogue
from newsletter.delivery.transports.smtp_session import Opener, SessionError
from subscriptions.smtp_replies import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from newsletter.delivery.transports.smtp_session import Relay, Session

_ENVELOPE_ADDRESS = re.compile(r"[!-;=?-~]+@[!-;=?-~]+")  # printable ASCII without space, < and >
_READ_SIZE = 65_536
_TLS_RECORD_SIZE = 16_384
_SWEEP_SECONDS = 0.5  # how often deadlines are looked at
_BACKOFF_SECONDS = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0)  # before opening again after so many faults in a row
_QUEUE_PER_CONNECTION = 4  # messages in memory: one in flight, one seated, two waiting


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
        self._seats: dict[int, _Line] = {}  # keys not released whose envelope is under way
        self._unsettled: set[int] = set()  # keys that still owe an outcome
        self._moved: set[int] = set()  # keys that have lost a connection already
        self._lines: set[_Line] = set()
        self._pending = Turn()  # what happened outside poll()
        self._opener = Opener(relay)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._opener.bell, selectors.EVENT_READ, None)
        self._failed_openings = 0  # since one succeeded
        self._fruitless_losses = 0  # since a body was answered
        self._open_after = 0.0
        self._next_sweep = 0.0
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
        """Readable when poll() has something to do, so that one thread can watch several lanes."""
        return self._selector.fileno()

    # Opening and closing

    def _open_more(self) -> None:
        """As many connections as the waiting messages need, up to the limit."""
        if not self._queue or self.is_drained or time.monotonic() < self._open_after:
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
            line = _Line(arrival, time.monotonic())
            self._lines.add(line)
            self._selector.register(line.sock, selectors.EVENT_READ, line)
            self._seat_next(line)
            self._flush(line, turn)

    def _not_opened(self, error: SessionError, turn: Turn) -> None:
        """One connection fewer stops nothing; none at all sends everything back untouched."""
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

    def _lose(self, line: _Line, reason: str, turn: Turn) -> None:
        """The connection failed: settle what was in flight, move what was merely seated."""
        self._drop(line)
        self._fruitless_losses += 1 if self._pause_openings() else 0
        dialogue = line.dialogue
        was_open = dialogue.is_open
        seated = dialogue.lost(reason, turn)
        if seated is None:
            return
        del self._seats[seated.key]
        if seated.key in turn.ready:  # nobody has heard of it yet
            turn.ready.remove(seated.key)
            was_open = False
        if was_open or seated.key in self._moved or self.is_drained:
            phase, code, text = dialogue.last_words or (Phase.MAIL, 0, reason)
            turn.outcomes.append(outcome_of_reply(seated.key, phase, code=code, text=text))
        else:
            self._moved.add(seated.key)
            self._queue.appendleft(seated)

    def _dismiss(self, line: _Line) -> None:
        """Leave in good manners: nothing of ours is on this connection any more."""
        if line.dialogue.is_idle and not line.dialogue.is_over:
            with contextlib.suppress(OSError):
                line.sock.send(b"QUIT\r\n")
        self._drop(line)

    def _drop(self, line: _Line) -> None:
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

    def _seat_next(self, line: _Line) -> bool:
        if not self._queue or not line.dialogue.wants_envelope or self._is_worn(line):
            return False
        message = self._queue.popleft()
        self._seats[message.key] = line
        line.seatings += 1
        line.dialogue.seat(message)
        return True

    def _is_worn(self, line: _Line) -> bool:
        return (
            line.seatings >= self._messages_per_connection
            or time.monotonic() - line.opened_at > self._seconds_per_connection
        )

    def _move(self, turn: Turn, deadline: float) -> None:
        until = min(deadline, self._next_sweep)
        if self._queue and self._open_after > time.monotonic():
            until = min(until, self._open_after)
        for ready, events in self._selector.select(max(0.0, until - time.monotonic())):
            line: _Line | None = ready.data
            if line is None:
                self._welcome(turn)
            elif line in self._lines:
                if events & selectors.EVENT_READ:
                    self._read(line, turn)
                if events & selectors.EVENT_WRITE and line in self._lines:
                    self._flush(line, turn)

    def _read(self, line: _Line, turn: Turn) -> None:
        ended = self._hear(line, turn)
        if ended:
            self._lose(line, ended, turn)
        elif line.dialogue.is_idle and self._is_worn(line):
            self._dismiss(line)
        else:
            self._seat_next(line)
            self._flush(line, turn)

    def _hear(self, line: _Line, turn: Turn) -> str:
        """Take in what the server said. Returns why the connection has ended, or "" while it lives."""
        dialogue = line.dialogue
        settled = dialogue.settled
        ended = ""
        try:
            while True:
                data = line.sock.recv(_READ_SIZE)
                if not data:
                    ended = "the server closed the connection"
                    break
                if dialogue.feed(data, turn):
                    line.touched_at = time.monotonic()
                if dialogue.is_over:
                    ended = dialogue.last_words[2] if dialogue.last_words else "hung up on purpose"
                    break
                if not line.is_tls and len(data) < _READ_SIZE:
                    break
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            ended = _in_words(error)
        if dialogue.settled > settled:
            self._fruitless_losses = 0
        return ended

    def _flush(self, line: _Line, turn: Turn) -> None:
        dialogue = line.dialogue
        try:
            while data := dialogue.output():
                if line.is_tls:  # an interrupted TLS write cannot tell how much of it has left
                    data = data[:_TLS_RECORD_SIZE]
                    dialogue.expose(len(data))
                dialogue.wrote(line.sock.send(data))
                line.touched_at = time.monotonic()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._watch(line, selectors.EVENT_READ | selectors.EVENT_WRITE)
        except OSError as error:
            # The server may have answered before it left: its last words decide between sent, refused and unknown.
            self._lose(line, self._hear(line, turn) or _in_words(error), turn)
        else:
            self._watch(line, selectors.EVENT_READ)

    def _watch(self, line: _Line, events: int) -> None:
        if line.events != events:
            line.events = events
            self._selector.modify(line.sock, events, line)

    def _sweep(self, turn: Turn, now: float) -> None:
        for line in list(self._lines):
            silence = now - line.touched_at
            dialogue = line.dialogue
            if dialogue.waits_for_server:
                limit = self._relay.dot_timeout if dialogue.waits_for_verdict else self._relay.command_timeout
                if silence > limit:
                    self._lose(line, f"no answer within {limit:.0f} seconds", turn)
            elif dialogue.is_idle and (silence > self._idle_seconds or self._is_worn(line)):
                self._dismiss(line)


class _Line:
    """One open connection."""

    __slots__ = ("dialogue", "events", "is_tls", "opened_at", "seatings", "sock", "touched_at")

    def __init__(self, session: Session, now: float) -> None:
        self.sock = session.sock
        self.is_tls = isinstance(session.sock, ssl.SSLSocket)
        self.dialogue = Dialogue(pipelining=session.pipelining, size=session.size)
        self.events: int = selectors.EVENT_READ
        self.opened_at = self.touched_at = now
        self.seatings = 0


def _is_address(address: str) -> bool:
    return _ENVELOPE_ADDRESS.fullmatch(address) is not None


def _in_words(error: OSError) -> str:
    return f"the connection broke: {error.strerror or type(error).__name__}"
