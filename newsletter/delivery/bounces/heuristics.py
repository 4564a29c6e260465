"""Bounces that follow no standard, recognised by flufl.bounce's collection of oddities.

In: a parsed message and its bytes. Out: an Event, or None. Only letters that a mail system sent are looked at, and
flufl's word alone never condemns an address (it calls a full mailbox permanent, X10): the code in the text must.
"""

from __future__ import annotations

from email.utils import parseaddr
from typing import TYPE_CHECKING

from flufl.bounce import all_failures

from newsletter.delivery.bounces import Event, ReportKind, mime, status_codes
from newsletter.delivery.bounces.marks import marks_of

if TYPE_CHECKING:
    from email.message import Message

_SYSTEMS = frozenset({"mailer-daemon", "postmaster", "mail-daemon", "mailerdaemon", "mdaemon", "bounce", ""})
_TEXT_LIMIT = 8192


def parse(message: Message, *, raw: bytes) -> Event | None:
    if not is_from_a_system(message):
        return None
    try:
        temporary, permanent = all_failures(message)
    except Exception:  # its detectors trip over the very letters they are meant for
        return None
    if not temporary and not permanent:
        return None
    texts = [mime.text_of(part) for part in mime.parts_of_type(message, "text/plain")]
    diagnostic = texts[0][:_TEXT_LIMIT] if texts else ""
    kind = status_codes.kind_of_failure("", diagnostic=diagnostic) if permanent else ReportKind.DEFERRED
    marks = marks_of(message)
    return Event(
        kind=kind,
        source="guess",
        event_id=mime.fingerprint("guess", message, raw),
        bounce_address=marks.bounce_address,
        message_id=marks.message_id,
        unsubscribe_hint=marks.unsubscribe_hint,
        code=status_codes.codes("", diagnostic=diagnostic),
        text=status_codes.one_line(diagnostic),
        at=mime.moment(message),
    )


def is_from_a_system(message: Message) -> bool:
    """A null return path, or a sender that no person has."""
    path = mime.header(message, "Return-Path")
    if path:
        return parseaddr(path)[1] == ""
    return parseaddr(mime.header(message, "From"))[1].partition("@")[0].lower() in _SYSTEMS
