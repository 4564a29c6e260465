"""Parse one letter of the bounce mailbox: complaint, delivery report, unsubscribe mail, nonstandard bounce, or none.

In: the letter's bytes. Out: an Event, or None (out-of-office notes, answers from people, spam). Never raises.
"""

from __future__ import annotations

import re
from dataclasses import replace
from email.errors import CloseBoundaryNotFoundDefect
from typing import TYPE_CHECKING

from newsletter.delivery.bounces import Event, ReportKind, arf, dsn, mime
from newsletter.delivery.bounces import diagnostic_text as own_words
from newsletter.delivery.bounces import nonstandard as heuristics

if TYPE_CHECKING:
    from email.message import Message

_ANSWER_FIELDS = ("X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Mail-Autoreply", "X-Auto-Response-Suppress")
_ANSWER_SUBJECT = re.compile(
    r"out[ -]of[ -](?:the[ -])?office|auto(?:matic|mated|[ -])? ?(?:reply|response|answer|respond)|autoreply|vacation|"
    r"away (?:from|until|notice)|on (?:holiday|leave)|abwesen|automatische antwort|auto-antwort|urlaub|"
    r"nicht im (?:büro|buero|haus)|absen[tc]|réponse automatique|reponse automatique|en congé|"
    r"fuera de (?:la )?oficina|respuesta autom|ausen(?:te|cia)|resposta autom|fora do escrit|fuori (?:sede|ufficio)|"
    r"risposta autom|assente|afwezig|automatisch antwoord|poza biurem|autorespon|nieobecno|autosvar|frånvaro|fravær|"
    r"automaattinen|poissa|автоответ|автоматический ответ|отсутств|в отпуске|mimo kancel|nepřítomn|otomatik|"
    r"不在|自動(?:返信|応答|回覆)|自动(?:回复|答复)|休暇|자동 ?(?:회신|응답)|부재",
    re.IGNORECASE,
)
# As mail programs and gateways hand it on: with spaces as %20 or "+", behind Re:, before or after a tag of theirs. Only
# the token counts, and only its reader has it.
_REQUEST = re.compile(
    r"(?<![A-Za-z0-9])unsubscribe(?:%(?:25)?20|[\s+_:=])+[\"'<(]?([A-Za-z0-9_-]{16,64})(?![A-Za-z0-9_-])", re.IGNORECASE
)
# The receiver's answer in a delivery status, and the beginning of whatever follows it.
_WHOLE_ANSWER = re.compile(rb"^diagnostic-code:[^\n]*\n(?:[ \t][^\n]*\n)*[^ \t]", re.IGNORECASE | re.MULTILINE)


def parse(data: bytes) -> Event | None:
    try:
        return _read(data)
    except Exception:  # anybody may write to this mailbox, and one letter made to trip us must not stop those behind it
        return None


def _read(data: bytes) -> Event | None:
    message = mime.message_of(data)
    found = arf.parse(message, raw=data) or dsn.parse(message, raw=data)
    if found is not None or _is_report(message):
        return _of_a_whole(found, message, data)
    if (token := _wish_to_leave(message)) is not None:
        return Event(
            kind=ReportKind.UNSUBSCRIBED,
            source="mailto",
            event_id=mime.fingerprint("mailto", message, data),
            unsubscribe_token=token,
            at=mime.moment(message),
        )
    if _is_automatic_answer(message):
        return None
    return _of_a_whole(heuristics.parse(message, raw=data), message, data)


def _of_a_whole(found: Event | None, message: Message, data: bytes) -> Event | None:
    """An answer may be cut where it goes on "… unknown, try again later": by itself it suppresses nobody."""
    if found is not None and found.kind is ReportKind.HARD and _is_cut(message, data):
        return replace(found, kind=ReportKind.SOFT)
    return found


def _is_cut(message: Message, data: bytes) -> bool:
    """Whether a letter ends in the middle of what the system says, before the copy of our mail begins."""
    if message.is_multipart():
        defects = (defect for part in message.walk() for defect in part.defects)
        is_open = any(isinstance(defect, CloseBoundaryNotFoundDefect) for defect in defects)
        return is_open and not mime.parts_of_type(message, *mime.RETURNED) and not _WHOLE_ANSWER.search(data)
    said = own_words.text_of_system(message)[-20:].encode("utf-8", "replace")
    return bool(said) and data.endswith(said) and not data.endswith(b"\n")


def is_automatic_answer(data: bytes) -> bool:
    """Whether a letter that is no report is an automatic answer (out of office) that nobody has to read."""
    try:
        return _is_automatic_answer(mime.message_of(data))
    except Exception:
        return False


def _is_report(message: Message) -> bool:
    """Whether a letter is a standard report: one that tells us nothing must not be guessed at."""
    return any("Action" in block or "Feedback-Type" in block for block in mime.report_blocks(message))


def _wish_to_leave(message: Message) -> str | None:
    """The token of an unsubscribe mail (`mailto:…?subject=unsubscribe <token>`), which only its reader has."""
    match = _REQUEST.search(mime.decoded_header(message, "Subject"))
    return match.group(1) if match else None


def _is_automatic_answer(message: Message) -> bool:
    """Whether a letter is an out-of-office note or the like; bounces say so too, but come from a mail system."""
    subject = mime.decoded_header(message, "Subject")
    if "X-Failed-Recipients" in message or heuristics.is_sender_a_system(message):
        return _ANSWER_SUBJECT.match(subject) is not None  # its bounces may quote any subject of ours behind their own
    submitted = mime.header(message, "Auto-Submitted").lower()
    precedence = mime.header(message, "Precedence").lower()
    if submitted.startswith("auto-replied") or precedence in {"auto_reply", "auto-reply"}:
        return True
    return any(name in message for name in _ANSWER_FIELDS) or bool(_ANSWER_SUBJECT.search(subject))
