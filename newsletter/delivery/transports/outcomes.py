"""What a server's answer means for the message: one table, the same for every transport.

In: how far the conversation had come, the reply code (0: no reply) and the enhanced code. Out: a Kind or an Outcome.
Pure. Sources: RFC 5321 §4.2.5, §4.3.2 and §4.5.3.1.10, RFC 3463, RFC 4954 §6.
"""

from __future__ import annotations

import re

from newsletter.delivery.transports import Kind, Outcome, Phase

TEXT_LIMIT = 250
# The connection, not the message: whoever comes next would fare the same.
_OPENING = frozenset({Phase.CONNECT, Phase.EHLO, Phase.TLS, Phase.AUTH})
# "Authenticate first", "encryption required": our account or settings, found out late.
_OUR_LOGIN = frozenset({530, 534, 535, 538})
# The mailbox or its domain does not exist, moved away, takes no mail (5.1.10: null MX) or is switched off (5.2.1).
_DEAD_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
_FULL_MAILBOX = "5.2.2"

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?")


def classify(phase: Phase, *, code: int, enhanced: str = "") -> Kind:
    """The meaning of ``code`` at ``phase``. Codes nobody knows are read by their first digit (RFC 5321 §4.3.2)."""
    if phase in _OPENING:
        return Kind.INFRASTRUCTURE
    if phase is Phase.COMPOSE:
        return Kind.REJECTED
    if code == 0:
        return Kind.UNKNOWN if phase in {Phase.DOT, Phase.API} else Kind.RETRY
    if phase is Phase.API:
        return classify_http(code)
    if 200 <= code < 300 and phase is Phase.DOT:
        return Kind.SENT
    if code < 400:  # an answer out of place: only the final dot leaves a doubt
        return Kind.UNKNOWN if phase is Phase.DOT else Kind.RETRY
    if code < 500:  # also after the final dot: the server must not deliver then (§4.2.5)
        return Kind.RETRY
    return _permanent(phase, code=code, enhanced=enhanced)


def _permanent(phase: Phase, *, code: int, enhanced: str) -> Kind:
    if code in _OUR_LOGIN:
        return Kind.INFRASTRUCTURE
    if enhanced.startswith("4."):  # the two codes disagree: the milder one costs a retry, the other a reader
        return Kind.RETRY
    if phase is not Phase.MAIL and enhanced in _DEAD_ADDRESS:  # at MAIL the address at fault is the sender's
        return Kind.BOUNCED
    if phase is Phase.RCPT and enhanced == "5.1.0":
        return Kind.BOUNCED
    if enhanced == _FULL_MAILBOX:
        return Kind.RETRY
    # 552 without more: a full mailbox, or too many recipients, which is temporary (RFC 5321 §4.5.3.1.10).
    if code == 552 and enhanced in {"", "5.5.3", "5.0.0"}:
        return Kind.RETRY
    return Kind.REJECTED


def classify_http(status: int) -> Kind:
    """The meaning of a provider's HTTP status. A gateway that gave up says nothing of what stood behind it."""
    if 200 <= status < 300:
        return Kind.SENT
    if status in {401, 403}:
        return Kind.INFRASTRUCTURE
    if status in {408, 425, 429, 503}:
        return Kind.RETRY
    if 400 <= status < 500:
        return Kind.REJECTED
    return Kind.UNKNOWN


def outcome(key: int, phase: Phase, *, code: int = 0, text: str = "") -> Outcome:
    """The outcome of a reply as it came: the enhanced code is read from its text, which is cut and redacted."""
    match = _ENHANCED.match(text)
    enhanced = match.group() if match else ""
    return Outcome(key, classify(phase, code=code, enhanced=enhanced), phase, code, enhanced, redact(text))


def redact(text: str) -> str:
    """One printable line of at most 250 characters without any address in it (SM12, SS21)."""
    if not text.isprintable():
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if "@" in text:
        text = _ADDRESS.sub("<address>", text)
    return text[:TEXT_LIMIT]
