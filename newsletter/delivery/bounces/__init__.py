"""Bounces, complaints and providers' events, in one vocabulary.

In: reports as bytes, or webhook events. Out: one Event each, or None when it is not about our mail.
Reading letters is pure; `handling` turns events into rows and acts on them. An event read twice has one event_id.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Event", "ReportKind"]


class ReportKind(StrEnum):
    DELIVERED = "delivered"  # the reader's own server has it
    DEFERRED = "deferred"  # still being tried: not a bounce
    HARD = "hard"  # the address does not exist any more
    SOFT = "soft"  # it failed at the mailbox or on the way, for now or for reasons unknown
    POLICY = "policy"  # refused for what we say or who we are: never held against the address
    COMPLAINED = "complained"  # the reader pressed "spam"
    UNSUBSCRIBED = "unsubscribed"  # the reader asked to leave, by mail or through the provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One report. Whom it is about: the first of delivery, bounce_address, unsubscribe_hint, message_id that is known.

    Nothing here is checked yet: anybody may write a letter. A genuine bounce address or token proves that the sender
    has our mail; a Message-ID proves nothing, others may have seen it.

    No address of a reader is kept: what a report's body says about addresses proves nothing.
    """

    kind: ReportKind
    source: str  # dsn, arf, guess, mailto or webhook
    event_id: str
    delivery: int | None = None  # our own key, given back by a provider
    bounce_address: str = ""  # the envelope sender it came back to, b+<delivery>.<proof>@…
    message_id: str = ""  # of our mail, without angle brackets
    unsubscribe_hint: str = ""  # the reader's token in the List-Unsubscribe of our returned mail: no wish to leave
    unsubscribe_token: str = ""  # the reader's token in a request to leave
    code: str = ""  # such as "550 5.1.1"
    text: str = ""  # one line without addresses, at most 250 characters
    at: datetime | None = None  # when it happened, as they say

    @property
    def tied_by(self) -> str:
        """The best mark of our mail that the letter holds: verp, list-unsubscribe, message-id or ""."""
        if self.bounce_address:
            return "verp"
        if self.unsubscribe_hint:
            return "list-unsubscribe"
        return "message-id" if self.message_id else ""
