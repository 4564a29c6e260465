"""Delivery status notifications (RFC 3464): what a mail server reports of our mail's fate.

In: a parsed message and its bytes. Out: an Event, or None when it holds no delivery status.
A letter to several recipients (an alias, a forward) is judged by the one who fared best: the address still works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.delivery.bounces import Event, ReportKind, mime, status_codes
from newsletter.delivery.bounces.marks import marks_of

if TYPE_CHECKING:
    from email.message import Message

# From the best news to the worst.
_ORDER = (ReportKind.DELIVERED, ReportKind.DEFERRED, ReportKind.POLICY, ReportKind.SOFT, ReportKind.HARD)

_ACTIONS = {"5": "failed", "4": "delayed", "2": "delivered"}  # for reports that leave the action out


def parse(message: Message, *, raw: bytes) -> Event | None:
    fates = [
        fate
        for part in mime.parts_of_type(message, "message/delivery-status", "message/global-delivery-status")
        for block in mime.inner_fields(part)
        if (fate := _fate(block)) is not None
    ]
    if not fates:
        return None
    kind, code, text = min(fates, key=lambda fate: _ORDER.index(fate[0]))
    marks = marks_of(message)
    return Event(
        kind=kind,
        source="dsn",
        event_id=mime.fingerprint("dsn", message, raw),
        bounce_address=marks.bounce_address,
        message_id=marks.message_id,
        unsubscribe_hint=marks.unsubscribe_hint,
        code=code,
        text=text,
        at=mime.moment(message),
    )


def _fate(block: Message) -> tuple[ReportKind, str, str] | None:
    """One recipient's block; None for the block about the message, and for actions that say nothing."""
    action = mime.header(block, "Action").split(";")[0].strip().lower()
    status = status_codes.enhanced_code(mime.header(block, "Status"))
    diagnostic = mime.header(block, "Diagnostic-Code")
    diagnostic = (diagnostic.partition(";")[2] or diagnostic).strip()  # "smtp; 550 …"; some forget the type
    action = action or _ACTIONS.get(status[:1], "")
    if action == "failed":
        kind = status_codes.kind_of_failure(status, diagnostic=diagnostic)
    elif action in {"delayed", "delivered"}:
        kind = ReportKind.DEFERRED if action == "delayed" else ReportKind.DELIVERED
    else:
        return None
    return kind, status_codes.codes(status, diagnostic=diagnostic), status_codes.one_line(diagnostic)
