"""Complaints in the abuse reporting format (RFC 5965), and Outlook.com's: reports that a reader pressed "spam".

In: a parsed message and its bytes. Out: an Event, or None when it is no feedback report or none about a reader's wish.
The recipient may be blacked out: our own mail's envelope sender and Message-ID say who it was.
"""

from __future__ import annotations

import re
from email.message import Message

from newsletter.delivery.bounces import Event, ReportKind, mime
from newsletter.delivery.bounces import failure_kind as status_codes
from newsletter.delivery.bounces.original_message_ids import marks_of

# "not-spam" takes a complaint back for the provider's statistics; "auth-failure" is about our DNS, not about a reader.
_KINDS = {
    "abuse": ReportKind.COMPLAINED,
    "fraud": ReportKind.COMPLAINED,
    "other": ReportKind.COMPLAINED,
    "opt-out": ReportKind.UNSUBSCRIBED,
    "opt-out-list": ReportKind.UNSUBSCRIBED,
    "virus": ReportKind.POLICY,
}


# Outlook.com reports in a form of its own: a short mail with ours attached, to which this field was added.
_OUTLOOK_FIELD = re.compile(r"^[> \t]{0,20}X-HmXmrOriginalRecipient:", re.IGNORECASE | re.MULTILINE)
_OUTLOOK_SUBJECT = re.compile(r"^complaint about message from\b", re.IGNORECASE)
_TYPE_IN_TEXT = re.compile(r"^feedback-type:[ \t]{0,20}([a-z-]{1,20})[ \t\r]{0,20}$", re.IGNORECASE | re.MULTILINE)


def parse(message: Message, *, raw: bytes) -> Event | None:
    for part in mime.parts_of_type(message, "message/feedback-report"):
        for block in mime.inner_fields(part):
            kind = _KINDS.get(mime.header(block, "Feedback-Type").lower())
            if kind is not None:
                return _event(kind, block, message=message, raw=raw)
    word = _word_in_text(message)
    return _event(_KINDS[word], _block(word), message=message, raw=raw) if word in _KINDS else None


def _word_in_text(message: Message) -> str:
    """Kind of a complaint that departs from RFC 5965, by its words; "" when it is none."""
    texts = [mime.text_of(part) for part in mime.parts_of_type(message, "text/plain")]
    if message.get_param("report-type") == "feedback-report" and not mime.report_blocks(message):
        return next((found[1].lower() for text in texts if (found := _TYPE_IN_TEXT.search(text))), "")
    has_field = "X-HmXmrOriginalRecipient" in mime.returned_headers(message)
    is_form = _OUTLOOK_SUBJECT.search(mime.decoded_header(message, "Subject"))
    return "abuse" if has_field or (is_form and any(map(_OUTLOOK_FIELD.search, texts))) else ""


def _block(word: str) -> Message:
    block = Message()
    block["Feedback-Type"] = word
    return block


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
        text=status_codes.single_line(mime.header(block, "User-Agent")),
        at=mime.moment(block, "Arrival-Date") or mime.moment(message),
    )
