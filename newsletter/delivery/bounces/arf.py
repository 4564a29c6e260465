"""Complaints in the abuse reporting format (RFC 5965): a reader pressed "spam" and their provider tells us.

In: a parsed message and its bytes. Out: an Event, or None when it is no feedback report or none about a reader's wish.
The recipient may be blacked out: our own mail's envelope sender and Message-ID say who it was (BN5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.delivery.bounces import Event, ReportKind, mime, status_codes
from newsletter.delivery.bounces.marks import marks_of

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
    marks = marks_of(message)
    return Event(
        kind=kind,
        source="arf",
        event_id=mime.fingerprint("arf", message, raw),
        bounce_address=marks.bounce_address,
        message_id=marks.message_id,
        unsubscribe_hint=marks.unsubscribe_hint,
        code=mime.header(block, "Feedback-Type").lower()[:16],
        text=status_codes.one_line(mime.header(block, "User-Agent")),
        at=mime.moment(block, "Arrival-Date") or mime.moment(message),
    )
