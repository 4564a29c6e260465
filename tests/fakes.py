"""A transport that keeps everything in memory, and does to each message what the test says."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from newsletter.delivery.transports import Message, Outcome, OutcomeKind, Phase, Turn


class MemoryTransport:
    """Keeps the Transport promise. ``answer`` says what becomes of a released message; default: it is sent."""

    def __init__(self, answer: Callable[[Message], Outcome] | None = None, *, seats: int = 4) -> None:
        self.sent: list[Message] = []
        self.answer = answer or (
            lambda message: Outcome(message.key, OutcomeKind.SENT, Phase.DOT, 250, "2.0.0", "Ok: queued")
        )
        self.before_ready: Callable[[Message], None] = lambda message: None
        self.is_closed = False
        self._seats = seats
        self._waiting: deque[Message] = deque()
        self._ready: dict[int, Message] = {}
        self._outcomes: list[Outcome] = []
        self._drained = False

    def capacity(self) -> int:
        return 0 if self._drained else self._seats - len(self._waiting) - len(self._ready)

    def enqueue(self, messages: Sequence[Message]) -> None:
        self._waiting.extend(messages)

    def poll(self, timeout: float) -> Turn:
        turn = Turn(outcomes=self._outcomes)
        self._outcomes = []
        while self._waiting:
            message = self._waiting.popleft()
            self.before_ready(message)
            self._ready[message.key] = message
            turn.ready.append(message.key)
        return turn

    def release(self, keys: Iterable[int]) -> None:
        for key in keys:
            message = self._ready.pop(key)
            outcome = self.answer(message)
            if outcome.kind is OutcomeKind.SENT:
                self.sent.append(message)
            self._outcomes.append(outcome)

    def withhold(self, keys: Iterable[int]) -> None:
        for key in keys:
            self._ready.pop(key)

    def is_opening(self) -> bool:
        return False

    def drain(self) -> list[int]:
        self._drained = True
        keys = [message.key for message in self._waiting] + list(self._ready)
        self._waiting.clear()
        self._ready.clear()
        return keys

    def close(self) -> None:
        self.is_closed = True
