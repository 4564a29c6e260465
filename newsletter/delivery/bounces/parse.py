"""One letter from the bounce mailbox: a complaint, a delivery report, a request to leave, an oddity, or nothing to us.

In: the letter's bytes. Out: an Event, or None (out-of-office notes, answers from people, spam). Never raises.
"""

from __future__ import annotations

import email
import email.policy
import re
from typing import TYPE_CHECKING

from newsletter.delivery.bounces import Event, ReportKind, arf, dsn, heuristics, mime

if TYPE_CHECKING:
    from email.message import Message

_REQUEST = re.compile(r"(?:^|\s)unsubscribe\s+([A-Za-z0-9_-]{16,64})\s*$", re.IGNORECASE)


def parse(data: bytes) -> Event | None:
    try:
        return _read(data)
    except Exception:  # anybody may write to this mailbox, and one letter made to trip us must not stop those behind it
        return None


def _read(data: bytes) -> Event | None:
    # compat32 reads fields as they are; the newer policies interpret them and may raise on a stranger's mistakes.
    message = email.message_from_bytes(data, policy=email.policy.compat32)
    found = arf.parse(message, raw=data) or dsn.parse(message, raw=data)
    if found is not None or _is_report(message):
        return found
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
    return heuristics.parse(message, raw=data)


def _is_report(message: Message) -> bool:
    """A report that was understood and says nothing to us must not be guessed at."""
    return bool(mime.report_blocks(message))


def _wish_to_leave(message: Message) -> str | None:
    """The token of `mailto:…?subject=unsubscribe <token>`, which no scanner follows and only its reader has."""
    match = _REQUEST.search(mime.header(message, "Subject"))
    return match.group(1) if match else None


def _is_automatic_answer(message: Message) -> bool:
    """Out of office and the like. Exim's bounces call themselves that too, but name whom they failed."""
    if "X-Failed-Recipients" in message:
        return False
    submitted = mime.header(message, "Auto-Submitted").split(";")[0].strip().lower()
    return submitted == "auto-replied" or any(name in message for name in ("X-Autoreply", "X-Autorespond"))
