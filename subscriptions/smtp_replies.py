"""Classification of mail servers' answers, for replies on the wire, bounce reports and providers' events alike.

In: how far the conversation had come, the reply code (0: no reply), the enhanced code and the server's words. Out: an
OutcomeKind, or the Verdict behind it. Pure. Sources: RFC 5321 §4.2.5, §4.3.2 and §4.5.3.1.10, RFC 3463, RFC 4954 §6.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from subscriptions.smtp_refusal_phrases import Topic, is_answered_in_words, is_gone_under, topics_of

if TYPE_CHECKING:
    from collections.abc import Iterable


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
    SOFT = "soft"  # refused for good, but the mailbox may come back: several of these say that it does not
    REJECTED = "rejected"  # refused for what it says or who we are: the address is not to blame
    INFRASTRUCTURE = "infrastructure"  # no conversation came about: the message is untouched, no attempt is spent
    LIMITED = "limited"  # too much at once: not taken now, no attempt is spent, what follows goes more slowly
    UNKNOWN = "unknown"  # may have been handed over: never send it again by itself


class Verdict(StrEnum):
    """Whom a refusal blames, the mildest first."""

    SENDER = "sender"  # us, or what the message says: never held against the address
    LIMIT = "limit"  # too much at once
    FULL = "full"
    MAILBOX = "mailbox"  # the mailbox or the way to it, perhaps not for good
    GONE = "gone"  # there is no such address


TEXT_LIMIT = 250
_PLAIN = {
    Topic.SIZE: Verdict.SENDER,
    Topic.LIMIT: Verdict.LIMIT,
    Topic.FULL: Verdict.FULL,
    Topic.SENDER: Verdict.SENDER,
    Topic.MAILBOX: Verdict.MAILBOX,
}
# Failures of the connection, not of this message: the next message would fail the same way.
_OPENING = frozenset({Phase.CONNECT, Phase.EHLO, Phase.TLS, Phase.AUTH})
# "Authenticate first", "encryption required": our account or settings, found out late.
_OUR_LOGIN = frozenset({530, 534, 535, 538})
# The mailbox or its domain does not exist, moved away or takes no mail (5.1.10: null MX).
# Not 5.1.0, which some say of the sender, and not 5.2.1, which comes back to life.
_GONE = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"})
# Of either family, 4 or 5, the rest of the code:
_FULL = frozenset({".2.2", ".3.1"})
# Congestion (Gmail's daily limit), too many recipients (or messages, of Exim and Exchange), Gmail's unusual rate. With
# one recipient a message, none of them is about that message.
_LIMITS = frozenset({".4.5", ".5.3", ".7.28"})
_OF_THE_MAILBOX = frozenset({".1.", ".2.", ".3.", ".4."})  # the subjects: address, mailbox, mail system, network
_OUR_FAULT = frozenset({".1.7", ".1.8", ".1.9", ".2.3", ".3.4"})  # sender's address (7-9), message too big (2.3, 3.4)

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
_ENHANCED_INSIDE = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.]*\d)")
_REPLY_INSIDE = re.compile(r"(?<![\d.])5\d\d(?![\d.])|(?<![\d.])5\.\d{1,3}\.\d{1,3}(?![\d.])")
_PUT_OFF = re.compile(r"(?:^|: |; ?)\s{0,10}4[25]\d[ -]")  # an answer, at the start or behind "said:"
_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?")


def classify(phase: Phase, *, code: int, enhanced: str = "", text: str = "") -> OutcomeKind:
    """The meaning of a reply at ``phase``. Codes nobody knows are read by their first digit (RFC 5321 §4.3.2)."""
    if phase in _OPENING:
        return OutcomeKind.INFRASTRUCTURE
    if phase is Phase.COMPOSE:
        return OutcomeKind.REJECTED
    if phase is Phase.API:
        return classify_http(code)
    if 200 <= code < 300 and phase is Phase.DOT:
        return OutcomeKind.SENT
    if code < 400:  # no answer, or one out of place: only the final dot leaves a doubt
        return OutcomeKind.UNKNOWN if phase is Phase.DOT else OutcomeKind.RETRY
    if code < 500:  # also after the final dot: the server must not deliver then (§4.2.5)
        return OutcomeKind.RETRY
    return _permanent(phase, code=code, enhanced=enhanced, text=text)


def _permanent(phase: Phase, *, code: int, enhanced: str, text: str) -> OutcomeKind:
    if code in _OUR_LOGIN:
        return OutcomeKind.INFRASTRUCTURE
    if enhanced.startswith("4."):  # the two codes disagree: the milder one costs a retry, the other a reader
        return OutcomeKind.RETRY
    verdict = judge(text, codes=[enhanced], phase=phase)
    if verdict in {Verdict.FULL, Verdict.LIMIT}:
        return OutcomeKind.RETRY
    # 552 without more: a full mailbox, or too many recipients, which is temporary (RFC 5321 §4.5.3.1.10).
    if code == 552 and verdict is not Verdict.SENDER:
        return OutcomeKind.RETRY
    if verdict is Verdict.GONE:
        return OutcomeKind.BOUNCED
    return OutcomeKind.SOFT if verdict is Verdict.MAILBOX else OutcomeKind.REJECTED


def judge(text: str, *, codes: Iterable[str] = (), phase: Phase | None = None) -> Verdict | None:
    """Whom a refusal blames: the one judgement of answers on the wire, letters and providers' events.

    ``text``: the receiver's own words, never a copy of our mail. ``codes``: enhanced status codes told beside them;
    those within the text count as well. Where they disagree the mildest wins, and words outrank codes. None: it says
    nothing that is known.
    """
    told = [*codes, *enhanced_codes_in(text)]
    verdict = _blamed(text, told, phase=phase)
    return Verdict.MAILBOX if verdict is Verdict.GONE and _is_for_now(text, told) else verdict


def _is_for_now(text: str, codes: Iterable[str]) -> bool:
    """Whether the receiver only put the message off, so that its "no such user" may be that of a broken directory."""
    if any(code.startswith("4.") and verdict_of_code(code) for code in codes):  # 4.0.0 says nothing
        return True
    return _PUT_OFF.search(text) is not None and _REPLY_INSIDE.search(text) is None


def _blamed(text: str, codes: Iterable[str], *, phase: Phase | None) -> Verdict | None:
    topics = topics_of(text)
    if topics and (plain := _PLAIN.get(topics[0])):
        return plain
    if phase in {Phase.MAIL, *_OPENING}:  # nobody has named the recipient yet
        return Verdict.SENDER
    if is_gone_under(codes, text):
        return Verdict.GONE
    by_code = _mildest(verdict_of_code(code) for code in codes)
    if Topic.GONE in topics and by_code in {None, Verdict.GONE, Verdict.MAILBOX}:
        return Verdict.GONE
    if Topic.GONE in topics or Topic.NO_USER in topics:
        return _no_user(text, by_code, phase=phase)
    if Topic.GONE_PERHAPS in topics and by_code is None:
        return Verdict.GONE if phase is Phase.RCPT else Verdict.MAILBOX
    if by_code is None and Topic.SENDER_PERHAPS in topics:
        return Verdict.SENDER
    if by_code is Verdict.GONE and Topic.GONE_PERHAPS not in topics and is_answered_in_words(text):
        return Verdict.MAILBOX  # in words not known here, perhaps of another matter: several such answers are needed
    return by_code


def says_plainly(text: str) -> bool:
    """Whether the words alone say what a refusal is about, whatever the codes."""
    return any(topic in _PLAIN or topic in {Topic.GONE, Topic.NO_USER} for topic in topics_of(text))


def _no_user(text: str, by_code: Verdict | None, *, phase: Phase | None) -> Verdict:
    """Words like "no such user": believed when they answer RCPT, when a code says so too, or when no server is quoted.

    After the body, or at an unknown phase, they may come from the reader's own filter: docomo, au, Orange, SFR.
    """
    if by_code in {Verdict.FULL, Verdict.LIMIT, Verdict.GONE}:
        return by_code
    is_quoted = _REPLY_INSIDE.search(text) is not None
    return Verdict.GONE if phase is Phase.RCPT or (phase is None and not is_quoted) else Verdict.MAILBOX


def verdict_of_code(code: str) -> Verdict | None:
    """The meaning of an enhanced status code (RFC 3463 and its registry); None for those that say nothing."""
    family, detail = code[:1], code[1:]
    if family not in {"4", "5"} or detail == ".0.0":
        return None
    if code in _GONE:
        return Verdict.GONE
    if detail in _FULL:
        return Verdict.FULL
    if detail in _LIMITS:
        return Verdict.LIMIT
    if detail in _OUR_FAULT or detail.startswith((".6.", ".7.")):
        return Verdict.SENDER
    if family == "4":
        return Verdict.MAILBOX
    is_plain = family == "5" and detail[:3] in _OF_THE_MAILBOX and not detail.endswith(".0")
    return Verdict.MAILBOX if is_plain else None


def _mildest(verdicts: Iterable[Verdict | None]) -> Verdict | None:
    return min((verdict for verdict in verdicts if verdict), key=list(Verdict).index, default=None)


def is_limit(phase: Phase, *, code: int, text: str) -> bool:
    """Whether an answer says "too much at once": of a connection, a minute, a day. Nothing is wrong with the message.

    Words decide, under whatever code a server gives them (`450 4.7.1 too much mail`, `550 5.7.0 too many emails per
    second`); x.2.x is about one mailbox and never a limit of ours.
    """
    if phase is Phase.API:
        return code == 429
    if phase in _OPENING or phase is Phase.COMPOSE or code < 400:
        return False
    detail = enhanced_code_of(text)[1:]
    return detail in _LIMITS or (not detail.startswith(".2.") and topics_of(text)[:1] == [Topic.LIMIT])


def classify_http(status: int) -> OutcomeKind:
    """The meaning of a provider's HTTP status. Other server errors leave open whether it took the message."""
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


def enhanced_codes_in(text: str) -> list[str]:
    return _ENHANCED_INSIDE.findall(text)


def redact(text: str) -> str:
    """One printable line of at most 250 characters without any address in it."""
    if not text.isprintable():
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if "@" in text:
        text = _ADDRESS.sub("<address>", text)
    return text[:TEXT_LIMIT]
