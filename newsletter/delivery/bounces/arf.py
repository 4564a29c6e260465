"""Complaints in the abuse reporting format (RFC 5965): a reader pressed "spam" and their provider tells us.

In: a parsed message and its bytes. Out: an Event, or None when it is no feedback report or none about a reader's wish.
The recipient may be blacked out: our own mail's envelope sender and Message-ID say who it was (BN5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.delivery.bounces import Event, ReportKind, mime, status_codes

if TYPE_CHECKING:
    from email.message import Message

# "not-spam" takes a complaint back for the provider's statistics; "auth-failure" is about our DNS, not about a reader.
_KINDS = {
    "abuse": ReportKind.COMPLAINED,
    "fraud": ReportKind.COMPLAINED,
    "other": ReportKind.COMPLAINED,
    "opt-out": ReportKind.UNSUBSCRIBED,
    "opt-out-list": ReportKind.UNSUBSCRIBED,
    "virus": ReportKind.POLICY,
}


def parse(message: Message, *, raw: bytes) -> Event | None:
    for part in mime.parts_of_type(message, "message/feedback-report"):
        for block in mime.inner_fields(part):
            kind = _KINDS.get(mime.header(block, "Feedback-Type").lower())
            if kind is not None:
                return _event(kind, block, message=message, raw=raw)
    return None


def _event(kind: ReportKind, block: Message, *, message: Message, raw: bytes) -> Event:
    returned = mime.returned_headers(message)
    sender = mime.header(block, "Original-Mail-From").strip("<> ")
    if sender and "Return-Path" not in returned:
        returned["Return-Path"] = f"<{sender}>"
    return Event(
        kind=kind,
        source="arf",
        event_id=mime.fingerprint("arf", message, raw),
        bounce_address=mime.bounce_address(message, returned=returned),
        message_id=mime.message_id(returned),
        code=mime.header(block, "Feedback-Type").lower()[:16],
        text=status_codes.one_line(mime.header(block, "User-Agent")),
        at=mime.moment(block, "Arrival-Date") or mime.moment(message),
    )
