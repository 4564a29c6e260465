"""What a reported failure means for the address. Pure; sources: RFC 3463, RFC 3464.

In: a status code, the receiver's words, how far the conversation had come. Out: a ReportKind, and code and words as one
short line each. Unsure means soft: it takes several of them to lose a reader.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from newsletter.delivery.bounces import ReportKind
from subscriptions.smtp_replies import Verdict, enhanced_codes_in, judge, verdict_of_code

if TYPE_CHECKING:
    from subscriptions.smtp_replies import Phase

TEXT_LIMIT = 250
KINDS = {
    Verdict.SENDER: ReportKind.POLICY,
    Verdict.LIMIT: ReportKind.SOFT,
    Verdict.FULL: ReportKind.SOFT,
    Verdict.MAILBOX: ReportKind.SOFT,
    Verdict.GONE: ReportKind.HARD,
}
_REPLY = re.compile(r"(?<![\d.])([245]\d\d)(?=[ -]|$)")
_ADDRESS = re.compile(r"<?(?<![^\s<>;])[^\s<>@;]{1,320}@[^\s<>@;]{1,255}>?")


def kind_of_failure(status: str, *, diagnostic: str = "", phase: Phase | None = None) -> ReportKind:
    """Classify a failed delivery by its status code and text; both may be empty."""
    verdict = judge(diagnostic, codes=[status], phase=phase)
    return KINDS[verdict] if verdict else ReportKind.SOFT


def enhanced_code(text: str) -> str:
    """The first enhanced status code in ``text`` that says something, else the first, else ""."""
    found = enhanced_codes_in(text)
    return next((code for code in found if verdict_of_code(code)), found[0] if found else "")


def codes(status: str, *, diagnostic: str) -> str:
    """Reply code and enhanced code as one short string, such as "550 5.1.1"."""
    reply = _REPLY.search(diagnostic)
    enhanced = ("" if verdict_of_code(status) else enhanced_code(diagnostic)) or status
    return " ".join(part for part in (reply.group(1) if reply else "", enhanced) if part)[:16]


def single_line(text: str) -> str:
    """The text on one printable, short line without addresses."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[:2000]).split())
    return _ADDRESS.sub("<address>", line)[:TEXT_LIMIT]
