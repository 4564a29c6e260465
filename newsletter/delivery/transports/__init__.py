"""The interface between delivery and its transports: how a finished message is handed over.

In: messages, and the permission to hand each body over. Out: one Outcome per message, never two.
Envelopes may travel ahead; a body only after `release`, at most one per connection between release and outcome,
so a process killed at any moment leaves at most as many doubtful rows as it has connections.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from subscriptions.smtp_replies import OutcomeKind, Phase, classify, enhanced_code_of, is_limit, redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Message", "Outcome", "OutcomeKind", "Phase", "Transport", "Turn", "outcome_of_reply"]


class Message(NamedTuple):
    """One message for one recipient. ``data``: the whole of RFC 5322, CRLF line ends, not dot-stuffed."""

    key: int
    sender: str
    recipient: str
    data: bytes
    is_dotless: bool = False  # no line begins with a dot: to look for one costs more than composing the message


class Outcome(NamedTuple):
    """The outcome of one message. ``code`` 0 and ``enhanced`` "" when there was no reply or it had none."""

    key: int
    kind: OutcomeKind
    phase: Phase
    code: int = 0
    enhanced: str = ""
    text: str = ""  # one line, cut short, addresses taken out


@dataclass(slots=True)
class Turn:
    """The result of one poll: settled messages, and keys whose server waits for the body."""

    outcomes: list[Outcome] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)


class Transport(Protocol):
    """Used by one thread of one process: made after any fork. Connections are opened when there is mail for them."""

    def capacity(self) -> int:
        """Number of further messages it wants queued now; 0 once drained."""

    def enqueue(self, messages: Sequence[Message]) -> None:
        """Queue these messages. Their envelopes may be sent at once, a body never."""

    def poll(self, timeout: float) -> Turn:
        """Move bytes for at most ``timeout`` seconds; returns as soon as there is a result."""

    def release(self, keys: Iterable[int]) -> None:
        """Let these bodies go out: their rows are marked `sending`. Keys settled meanwhile are ignored."""

    def withhold(self, keys: Iterable[int]) -> None:
        """Drop these bodies (the reader left); no outcome follows. Not to be called after `release`."""

    def is_opening(self) -> bool:
        """Whether messages wait for a first connection that is being opened: a relay may take minutes to greet."""

    def drain(self) -> list[int]:
        """Stop. Returns the keys not released, for which no outcome follows; the released ones end by `poll`."""

    def close(self) -> None:
        """Close the connections, with QUIT where possible. Drain and poll first: no outcome follows any more."""


def outcome_of_reply(key: int, phase: Phase, *, code: int = 0, text: str = "") -> Outcome:
    """Make the outcome of a raw reply: the enhanced code is read from its text, which is cut and redacted."""
    enhanced = enhanced_code_of(text)
    limited = code >= 400 and is_limit(phase, code=code, text=text)
    kind = OutcomeKind.LIMITED if limited else classify(phase, code=code, enhanced=enhanced, text=text)
    return Outcome(key, kind, phase, code, enhanced, redact(text))
