"""What a server's answer means for the message: one table, the same for every transport.

In: how far the conversation had come, the reply code (0: no reply) and the enhanced code. Out: an OutcomeKind.
Pure. Sources: RFC 5321 §4.2.5, §4.3.2 and §4.5.3.1.10, RFC 3463, RFC 4954 §6.
"""

from __future__ import annotations

import re
from enum import StrEnum


class Phase(StrEnum):
    """How far the conversation had come."""

    COMPOSE = "compose"  # the message itself could not be put together
    CONNECT = "connect"
    EHLO = "ehlo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"  # part of the body was written, its final dot was not: nobody can have accepted it
    DOT = "dot"  # the final dot may have been handed over
    API = "api"  # a provider's HTTP interface


class OutcomeKind(StrEnum):
    SENT = "sent"
    RETRY = "retry"
    BOUNCED = "bounced"  # the address is at fault
    REJECTED = "rejected"  # refused for what it says or who we are: the address is not to blame
    INFRASTRUCTURE = "infrastructure"  # no conversation came about: the message is untouched, no attempt is spent
    LIMITED = "limited"  # too much at once: not taken now, no attempt is spent, what follows goes more slowly
    UNKNOWN = "unknown"  # may have been handed over: never send it again by itself


TEXT_LIMIT = 250
# The connection, not the message: whoever comes next would fare the same.
_OPENING = frozenset({Phase.CONNECT, Phase.EHLO, Phase.TLS, Phase.AUTH})
# "Authenticate first", "encryption required": our account or settings, found out late.
_OUR_LOGIN = frozenset({530, 534, 535, 538})
# The mailbox or its domain does not exist, moved away, takes no mail (5.1.10: null MX) or is switched off (5.2.1).
_DEAD_ADDRESS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
_FULL_MAILBOX = "5.2.2"

# RFC 3463: x.4.5 mail system congestion (Gmail's daily limit), 4.5.3 too many recipients (or messages, of Exim and
# Exchange), 4.7.28 Gmail's unusual rate. With one recipient a message, none of them is about that message.
_LIMIT_CODES = frozenset({"4.4.5", "5.4.5", "4.5.3", "4.7.28", "5.7.28"})
_LIMIT_WORDS = re.compile(
    r"too (?:many|much) (?:\w+[ -]){0,3}(?:messages?|mails?|e-?mails?|recipients?|rcpts?|connections?|sessions?|"
    r"transactions?|requests?|deliver(?:y|ies))\b|too (?:fast|quickly|frequent(?:ly)?)\b|"
    r"\bthrottl|\bslow(?:ing)? down\b|\brates?\b|\b(?:un\w+|high|excessive) volume\b|\bvolume of\b|"
    r"\b(?:sending|daily|hourly|messages?|mail|e-?mail|submission|outgoing|outbound|relay|connection|thread|user) "
    r"(?:\w+ )?(?:limits?|quota)\b|\blimits? (?:\w+ ){0,2}(?:exceeded|reached|allowed)\b|"
    r"\bexceed\w* (?:\S+ ){0,6}limits?\b|\bzu viele\b|\btrop de\b",
    re.IGNORECASE,
)
# A full mailbox, a letter too big, bad addresses or bad manners: these have limits as well, of another kind.
_OTHER_LIMITS = re.compile(
    r"\b(?:mailbox|inbox|storage|disk|space|size|big|large|length|hops?|loop\w*|attachments?|spam|complaints?|errors|"
    r"invalid|unknown|bad|non-?existent|user you are trying|over ?quota|headers?|links?)\b",
    re.IGNORECASE,
)

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?")


def classify(phase: Phase, *, code: int, enhanced: str = "") -> OutcomeKind:
    """The meaning of ``code`` at ``phase``. Codes nobody knows are read by their first digit (RFC 5321 §4.3.2)."""
    if phase in _OPENING:
        return OutcomeKind.INFRASTRUCTURE
    if phase is Phase.COMPOSE:
        return OutcomeKind.REJECTED
    if code == 0:
        return OutcomeKind.UNKNOWN if phase in {Phase.DOT, Phase.API} else OutcomeKind.RETRY
    if phase is Phase.API:
        return classify_http(code)
    if 200 <= code < 300 and phase is Phase.DOT:
        return OutcomeKind.SENT
    if code < 400:  # an answer out of place: only the final dot leaves a doubt
        return OutcomeKind.UNKNOWN if phase is Phase.DOT else OutcomeKind.RETRY
    if code < 500:  # also after the final dot: the server must not deliver then (§4.2.5)
        return OutcomeKind.RETRY
    return _permanent(phase, code=code, enhanced=enhanced)


def _permanent(phase: Phase, *, code: int, enhanced: str) -> OutcomeKind:
    if code in _OUR_LOGIN:
        return OutcomeKind.INFRASTRUCTURE
    if enhanced.startswith("4."):  # the two codes disagree: the milder one costs a retry, the other a reader
        return OutcomeKind.RETRY
    if phase is not Phase.MAIL and enhanced in _DEAD_ADDRESS:  # at MAIL the address at fault is the sender's
        return OutcomeKind.BOUNCED
    if phase is Phase.RCPT and enhanced == "5.1.0":
        return OutcomeKind.BOUNCED
    if enhanced == _FULL_MAILBOX:
        return OutcomeKind.RETRY
    # 552 without more: a full mailbox, or too many recipients, which is temporary (RFC 5321 §4.5.3.1.10).
    if code == 552 and enhanced in {"", "5.5.3", "5.0.0"}:
        return OutcomeKind.RETRY
    return OutcomeKind.REJECTED


def is_limit(phase: Phase, *, code: int, text: str) -> bool:
    """Whether an answer says "too much at once": of a connection, a minute, a day. Nothing is wrong with the message.

    Words decide, under whatever code a server gives them (`450 4.7.1 too much mail`, `550 5.7.0 too many emails per
    second`); x.2.x is about one mailbox and never a limit of ours.
    """
    if phase is Phase.API:
        return code == 429
    if phase in _OPENING or phase is Phase.COMPOSE or code < 400:
        return False
    text = text[: 2 * TEXT_LIMIT]
    enhanced = enhanced_code_of(text)
    if enhanced in _LIMIT_CODES:
        return True
    if enhanced[1:4] == ".2." or _OTHER_LIMITS.search(text):
        return False
    return _LIMIT_WORDS.search(text) is not None


def classify_http(status: int) -> OutcomeKind:
    """The meaning of a provider's HTTP status. A gateway that gave up says nothing of what stood behind it."""
    if 200 <= status < 300:
        return OutcomeKind.SENT
    if status in {401, 403}:
        return OutcomeKind.INFRASTRUCTURE
    if status in {408, 425, 429, 503}:
        return OutcomeKind.RETRY
    if 400 <= status < 500:
        return OutcomeKind.REJECTED
    return OutcomeKind.UNKNOWN


def enhanced_code_of(text: str) -> str:
    """The enhanced status code that a reply's text begins with (RFC 2034); empty without one."""
    match = _ENHANCED.match(text)
    return match.group() if match else ""


def redact(text: str) -> str:
    """One printable line of at most 250 characters without any address in it (SM12, SS21)."""
    if not text.isprintable():
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if "@" in text:
        text = _ADDRESS.sub("<address>", text)
    return text[:TEXT_LIMIT]
