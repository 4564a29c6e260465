"""Delivery status notifications (RFC 3464). Pure.

In: a parsed message and its bytes. Out: an Event, or None when it holds no delivery status that says anything.
Of a letter to several recipients (an alias, a forward) the one we wrote to counts, where it is named; else the
recipient with the best outcome: the address still works.
"""

from __future__ import annotations

import re
from email.utils import getaddresses
from typing import TYPE_CHECKING, NamedTuple

from newsletter.delivery.bounces import Event, ReportKind, mime
from newsletter.delivery.bounces import diagnostic_text as own_words
from newsletter.delivery.bounces import failure_kind as status_codes
from newsletter.delivery.bounces.original_message_ids import marks_of
from subscriptions.smtp_replies import says_plainly, verdict_of_code

if TYPE_CHECKING:
    from email.message import Message

    from subscriptions.smtp_replies import Phase

# From the best news to the worst.
_ORDER = (ReportKind.DELIVERED, ReportKind.DEFERRED, ReportKind.POLICY, ReportKind.SOFT, ReportKind.HARD)

_ACTIONS = {"5": "failed", "4": "delayed", "2": "delivered"}  # for reports that leave the action out
_BLOCKS_LIMIT = 100  # our mail has one recipient; whatever tells of more was made to hurt
_FAILED = frozenset({"failed", "failure", "fail", "expired", "undeliverable", "error"})  # the first is the standard's
_OWN_PROGRAM = "x-unix"  # a program on the receiver's machine failed: that is no word about the address


class _Said(NamedTuple):
    """The human-readable part beside the report."""

    words: str
    phase: Phase | None


class _Fate(NamedTuple):
    kind: ReportKind
    code: str
    text: str
    recipients: frozenset[str]


def parse(message: Message, *, raw: bytes) -> Event | None:
    text = own_words.text_of_system(message)
    said = _Said(own_words.words_of(text), own_words.phase_of(text))
    fates = [fate for block in _blocks(message, text) if (fate := _fate(block, said)) is not None]
    if not fates:
        return None
    best = min(_ours(fates, message), key=lambda fate: _ORDER.index(fate.kind))
    marks = marks_of(message)
    return Event(
        kind=best.kind,
        source="dsn",
        event_id=mime.fingerprint("dsn", message, raw),
        bounce_address=marks.bounce_address,
        message_id=marks.message_id,
        unsubscribe_hint=marks.unsubscribe_hint,
        code=best.code,
        text=best.text,
        at=mime.moment(message),
    )


def _blocks(message: Message, text: str) -> list[dict[str, str]]:
    parts = mime.parts_of_type(message, "message/delivery-status", "message/global-delivery-status")
    fields = [block for part in parts for block in mime.inner_fields(part)]
    told = [{name.lower(): mime.decoded_header(block, name) for name in block} for block in fields]
    return (told or own_words.fields_in(text) or own_words.notified_in(text))[:_BLOCKS_LIMIT]


def _ours(fates: list[_Fate], message: Message) -> list[_Fate]:
    """The blocks of the recipient of our returned mail; all of them when it names none."""
    to = [str(value) for value in mime.returned_headers(message).get_all("To", [])]
    wanted = {address.lower() for _, address in getaddresses(to)} - {""}
    return [fate for fate in fates if fate.recipients & wanted] or fates


def _fate(block: dict[str, str], said: _Said) -> _Fate | None:
    """Read one recipient's block; None for the block about the message, and for actions that tell nothing."""
    action = next(iter(re.findall(r"[a-z]+", block.get("action", "").lower())), "")
    status = status_codes.enhanced_code(block.get("status", ""))
    kind_of_code, _, diagnostic = block.get("diagnostic-code", "").partition(";")  # "smtp; 550 …"
    # Some forget the type; some say why beside the status only.
    diagnostic = (diagnostic or kind_of_code).strip() or block.get("status", "").partition("(")[2].rstrip(")")
    action = action or _ACTIONS.get((status or status_codes.codes("", diagnostic=diagnostic))[:1], "")
    if action in _FAILED:
        kind = _kind(status, diagnostic=diagnostic, said=said)
        if kind is ReportKind.HARD and kind_of_code.strip().lower() == _OWN_PROGRAM:
            kind = ReportKind.SOFT
    elif action in {"delayed", "delivered"}:
        kind = ReportKind.DEFERRED if action == "delayed" else ReportKind.DELIVERED
    else:
        return None
    code = status_codes.codes(status, diagnostic=diagnostic)
    return _Fate(kind, code, status_codes.single_line(diagnostic), _recipients(block))


def _kind(status: str, *, diagnostic: str, said: _Said) -> ReportKind:
    """Classify by the receiver's answer, or by the reporting system's words where the answer is cut or says little."""
    has_words = re.search(r"[^\W\d_]{2}", diagnostic) is not None
    if not says_plainly(diagnostic) and not (has_words and verdict_of_code(status)):
        diagnostic = f"{diagnostic}\n{said.words}"
    return status_codes.kind_of_failure(status, diagnostic=diagnostic, phase=said.phase)


def _recipients(block: dict[str, str]) -> frozenset[str]:
    named = (block.get(name, "").rpartition(";")[2].strip(" <>").lower() for name in _RECIPIENT_FIELDS)
    return frozenset(named) - {""}


_RECIPIENT_FIELDS = ("final-recipient", "original-recipient")
