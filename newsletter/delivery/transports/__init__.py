"""How a finished message leaves the house: the interface that delivery speaks and every transport keeps.

In: messages, and the permission to hand each body over. Out: one Outcome per message, never two.
Envelopes may travel ahead; a body only after `release`, at most one per connection between release and outcome,
so a process killed at any moment leaves at most as many doubtful rows as it has connections.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Kind", "Message", "Outcome", "Phase", "Transport", "Turn"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message for one recipient. ``data``: the whole of RFC 5322, CRLF line ends, not dot-stuffed."""

    key: int
    sender: str
    recipient: str
    data: bytes
    is_dotless: bool = False  # no line begins with a dot: to look for one costs more than composing the message


class Phase(StrEnum):
    """How far the conversation had come."""

    COMPOSE = "compose"  # the message itself could not be put together
    CONNECT = "connect"
    EHLO = "ehlo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"  # part of the body was written, its final dot was not: nobody can have accepted it
    DOT = "dot"  # the final dot may have been handed over
    API = "api"  # a provider's HTTP interface


class Kind(StrEnum):
    SENT = "sent"
    RETRY = "retry"
    BOUNCED = "bounced"  # the address is at fault
    REJECTED = "rejected"  # refused for what it says or who we are: the address is not to blame
    INFRASTRUCTURE = "infrastructure"  # no conversation came about: the message is untouched, no attempt is spent
    UNKNOWN = "unknown"  # may have been handed over: never send it again by itself


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message. ``code`` 0 and ``enhanced`` "" when there was no reply or it had none."""

    key: int
    kind: Kind
    phase: Phase
    code: int = 0
    enhanced: str = ""
    text: str = ""  # one line, cut short, addresses taken out


@dataclass(slots=True)
class Turn:
    """What one poll brought: settled messages, and keys whose server waits for the body."""

    outcomes: list[Outcome] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)


class Transport(Protocol):
    """Used by one thread of one process: made after any fork. Connections are opened when there is mail for them."""

    def capacity(self) -> int:
        """How many more messages it wants queued now; 0 once drained."""

    def enqueue(self, messages: Sequence[Message]) -> None:
        """Take these into the queue. Their envelopes may be sent at once, a body never."""

    def poll(self, timeout: float) -> Turn:
        """Move bytes for at most ``timeout`` seconds; returns as soon as there is something to tell."""

    def release(self, keys: Iterable[int]) -> None:
        """The rows are marked `sending`: these bodies may go out. Keys settled meanwhile are ignored."""

    def withhold(self, keys: Iterable[int]) -> None:
        """These bodies must not go out (the reader left): forgotten, no outcome follows. Not after `release`."""

    def drain(self) -> list[int]:
        """Stop: gives back the keys not released, for which no outcome follows; the released ones end by `poll`."""

    def close(self) -> None:
        """Leave politely where possible. What was released and not settled is lost track of: drain and poll first."""
