"""Complaints in the abuse reporting format (RFC 5965): a reader pressed "spam" and their provider tells us.

In: a parsed message and its bytes. Out: an Event, or None when it is no feedback report or none about a reader's wish.
The recipient may be blacked out: our own mail's envelope sender and Message-ID say who it was (BN5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.delivery.bounces import Event, Kind
from newsletter.delivery.bounces import mime as letters
from newsletter.delivery.bounces import status_codes as statuses

if TYPE_CHECKING:
    from email.message import Message

# "not-spam" takes a complaint back for the provider's statistics; "auth-failure" is about our DNS, not about a reader.
_KINDS = {
    "abuse": Kind.COMPLAINED,
    "fraud": Kind.COMPLAINED,
    "other": Kind.COMPLAINED,
    "opt-out": Kind.UNSUBSCRIBED,
    "opt-out-list": Kind.UNSUBSCRIBED,
    "virus": Kind.POLICY,
}


def parse(message: Message, *, raw: bytes) -> Event | None:
    for part in letters.parts_of_type(message, "message/feedback-report"):
        for block in letters.inner_fields(part):
            kind = _KINDS.get(letters.header(block, "Feedback-Type").lower())
            if kind is not None:
                return _event(kind, block, message=message, raw=raw)
    return None


def _event(kind: Kind, block: Message, *, message: Message, raw: bytes) -> Event:
    returned = letters.returned_headers(message)
    sender = letters.header(block, "Original-Mail-From").strip("<> ")
    if sender and "Return-Path" not in returned:
        returned["Return-Path"] = f"<{sender}>"
    return Event(
        kind=kind,
        source="arf",
        event_id=letters.fingerprint("arf", message, raw),
        bounce_address=letters.bounce_address(message, returned=returned),
        message_id=letters.message_id(returned),
        code=letters.header(block, "Feedback-Type").lower()[:16],
        text=statuses.one_line(letters.header(block, "User-Agent")),
        at=letters.moment(block, "Arrival-Date") or letters.moment(message),
    )
