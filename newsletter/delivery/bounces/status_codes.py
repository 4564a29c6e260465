"""From the codes in a report to what it means for the address. Pure; sources: RFC 3463, RFC 3464, BN3.

In: action, status and diagnostic text. Out: a ReportKind. Unsure means soft: it takes several of them to lose a reader.
"""

from __future__ import annotations

import re

from newsletter.delivery.bounces import ReportKind

TEXT_LIMIT = 250
_DEAD_ADDRESS = frozenset({"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
# The sender's address, the message itself, its size or the recipient's policy are at fault.
_NOT_THE_ADDRESS = frozenset({"5.1.7", "5.1.8", "5.1.9", "5.2.3", "5.3.4"})
# Codes that say little: the words beside them decide between policy and the rest.
_VAGUE = re.compile(r"\d\.0\.\d+|\d\.\d+\.0|5\.4\.1|")
_POLICY_WORDS = re.compile(
    r"\b(spam|junk|unsolicited|block(ed|list(ed)?)|black ?list(ed)?|denylist(ed)?|dnsbl|rbl|spamhaus|barracuda"
    r"|reputation|polic(y|ies)|dmarc|dkim|spf|virus|malware|phish(ing)?|content|throttl(ed|ing)|rate limit(ed)?)\b",
    re.IGNORECASE,
)
_ENHANCED = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY = re.compile(r"(?<![\d.])([245]\d\d)(?=[ -])")
_ADDRESS = re.compile(r"<?[^\s<>@;]+@[^\s<>@;]+>?")


def kind_of_failure(status: str, *, diagnostic: str = "") -> ReportKind:
    """What a failed delivery says of the address. ``status`` may be empty; the diagnostic may know better."""
    if _VAGUE.fullmatch(status):
        status = enhanced_code(diagnostic) or status
    if _VAGUE.fullmatch(status) and _POLICY_WORDS.search(diagnostic):
        return ReportKind.POLICY
    if status[1:].startswith((".6.", ".7.")) or status in _NOT_THE_ADDRESS:
        return ReportKind.POLICY
    return ReportKind.HARD if status in _DEAD_ADDRESS else ReportKind.SOFT


def enhanced_code(text: str) -> str:
    """The first enhanced status code in ``text`` that says something, else the first, else ""."""
    found: list[str] = _ENHANCED.findall(text)
    return next((code for code in found if not _VAGUE.fullmatch(code)), found[0] if found else "")


def codes(status: str, *, diagnostic: str) -> str:
    """Reply code and enhanced code as one short string, such as "550 5.1.1"."""
    reply = _REPLY.search(diagnostic)
    enhanced = (enhanced_code(diagnostic) if _VAGUE.fullmatch(status) else "") or status
    return " ".join(part for part in (reply.group(1) if reply else "", enhanced) if part)[:16]


def one_line(text: str) -> str:
    """Printable, short, and without anybody's address."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text[:2000]).split())
    return _ADDRESS.sub("<address>", line)[:TEXT_LIMIT]
