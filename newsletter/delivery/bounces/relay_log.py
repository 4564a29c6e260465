"""A relay's own log, read for the outcome of our messages: it settles deliveries that are `unknown`. Pure.

In: the text of a log of Postfix, Exim, Sendmail or OpenSMTPD, or JSON lines with `message_id` and `status`. Out: what
each message came to. Only what the relay writes once it has taken a message proves that it did: Postfix writes the
Message-ID while the header passes, and nothing more when the body is cut off or refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

from newsletter.delivery.bounces.syslog_lines import Line, lines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TEXT_LIMIT = 250
KNOWN = (
    "Known are the logs of Postfix, Exim, Sendmail and OpenSMTPD (syslog in any form, journalctl, also with -o json), "
    "and JSON lines with message_id and status."
)
SENT, REFUSED, BOUNCED, DEFERRED, UNKNOWN = "sent", "refused", "bounced", "deferred", "unknown"
TAKEN = frozenset({SENT, BOUNCED, DEFERRED})  # the relay had it; the outcome there may differ

_QUEUED = re.compile(r"([0-9A-Za-z]{5,20}): (.*)")
_MESSAGE_ID = re.compile(r"message-id=<?([^>\s]*)>?$")
_TOO_BIG = re.compile(r"warning: ([0-9A-Za-z]{5,20}): queue file size limit exceeded")
_ACTIVE = re.compile(r"from=<[^>]*>, size=\d+, nrcpt=\d+ \(queue active\)$")
_EXPIRED = re.compile(r"from=<[^>]*>, status=(?:force-)?expired, returned to sender")
_POSTFIX_STATUS = re.compile(
    r"to=<[^>]*>, (?:(?!status=)[a-z_]+=(?:<[^>]*>|[^,<][^,]*)?, )*status=(sent|bounced|deferred)(?: \((.*)\)?)?$"
)

_EXIM = re.compile(
    r"(?:\[\d+(?:/\d+)?\] )?([0-9A-Za-z]{6}-[0-9A-Za-z]{6}(?:[0-9A-Za-z]{5})?-[0-9A-Za-z]{2}(?:[0-9A-Za-z]{2})?) (.*)"
)
_EXIM_TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?: [+-]\d{4})? ")  # its own, also behind syslog's
_EXIM_ID = re.compile(r" id=(\S+)")
_EXIM_STATUS = {"=>": SENT, "->": SENT, ">>": SENT, "**": BOUNCED, "==": DEFERRED}

_SENDMAIL = re.compile(r"sendmail|sm-[\w-]+|sendmail-[\w-]+")
_SENDMAIL_ID = re.compile(r"from=.*?, msgid=<?([^>,\s]+)")
_SENDMAIL_STATUS = re.compile(r"to=.*?, stat=(.*)")
_SENDMAIL_CODE = re.compile(r", dsn=([245])\.")
_SENDMAIL_CLASS = {"2": SENT, "4": DEFERRED, "5": BOUNCED}

_SMTPD_ENVELOPE = re.compile(r"[0-9a-f]{8,16} smtp envelope evpid=([0-9a-f]{8})[0-9a-f]{8} from=<([^>]*)>")
_SMTPD_TAKEN = re.compile(
    r"[0-9a-f]{8,16} smtp (?:event=)?message (?:.*? )?msgid=([0-9a-f]{8})\b(?:.*? from=<([^>]*)>)?"
)
_SMTPD_OLD = re.compile(r"smtp-in: Accepted message ([0-9a-f]{8}) on session .*?from=<([^>]*)>")
_SMTPD_DELIVERY = re.compile(
    r"[0-9a-f]{8,16} m[td]a (?:event=)?delivery evpid=(?P<id>[0-9a-f]{8})[0-9a-f]{8} .*?result=\"?(?P<result>\w+)"
    r"|(?:relay|delivery): (?P<old_result>\w+) for (?P<old_id>[0-9a-f]{8})[0-9a-f]{8}:"
)
_SMTPD_RESULTS = {"Ok": SENT, "TempFail": DEFERRED, "PermFail": BOUNCED}

_WORDS = {
    **dict.fromkeys(("sent", "delivered", "delivery", "accepted", "queued", "ok", "success", "processed"), SENT),
    "completed": SENT,
    **dict.fromkeys(("refused", "rejected", "reject", "failed", "dropped", "blocked", "invalid"), REFUSED),
    **dict.fromkeys(("milter_reject", "rejected_by_milter"), REFUSED),
    **dict.fromkeys(("bounced", "bounce", "hard_bounce", "undeliverable", "expired"), BOUNCED),
    **dict.fromkeys(("permfail", "permanent_failure"), BOUNCED),
    **dict.fromkeys(("deferred", "deferral", "soft_bounce", "retry", "delayed"), DEFERRED),
    **dict.fromkeys(("tempfail", "temporary_failure", "temporarily_deferred"), DEFERRED),
}
_BY_DIGIT = {"2": SENT, "4": DEFERRED, "5": REFUSED}  # a reply code as the status
_REPLY = re.compile(r"([245])(?:\d\d|\.\d{1,3}\.\d{1,3})(?![\w.])")
_ID_NAMES = ("message_id", "messageid", "msgid")
_SEPARATORS = re.compile(r"[ -]+")  # "hard bounce" and "hard-bounce" are one word


@dataclass(frozen=True, slots=True)
class Fate:
    """``message_id``: "" where the log names only the envelope ``sender``. ``status``: one of the five above."""

    message_id: str
    status: str = UNKNOWN
    text: str = ""
    sender: str = ""


class _Queued(NamedTuple):
    """The message and status that a log has told so far of one queue id."""

    message_id: str = ""
    sender: str = ""
    status: str = UNKNOWN
    text: str = ""
    is_delivered: bool = False  # to one recipient at least


@dataclass
class Reading:
    """What a log told. ``recognised``: its lines of a mail server; ``first`` and ``last``: when those were written."""

    wanted: Callable[[Fate], bool] = lambda fate: True
    recognised: int = 0
    first: datetime | None = None
    last: datetime | None = None
    _fates: dict[tuple[str, str], Fate] = field(default_factory=dict)
    _queue: dict[str, _Queued] = field(default_factory=dict)

    @property
    def fates(self) -> Iterator[Fate]:
        """The outcome of each message, in the order of their arrival."""
        yield from self._fates.values()

    def note(self, queue: str, status: str, text: str = "", *, message_id: str = "", sender: str = "") -> None:
        """Take in a line about a queue id: its message or its outcome, in either order."""
        known = self._queue.get(queue, _Queued())
        known = known._replace(message_id=message_id or known.message_id, sender=sender or known.sender)
        if not _outranks(known.status, status):
            known = known._replace(status=status, text=text[:TEXT_LIMIT])
        self._queue[queue] = known
        if known.message_id or known.sender:
            self.settle(Fate(known.message_id, known.status, known.text, "" if known.message_id else known.sender))

    def begin(self, queue: str, **named: str) -> None:
        """Start a new message under a queue id; the message that had it before is finished."""
        self._queue.pop(queue, None)
        self.note(queue, UNKNOWN, **named)

    def knows(self, queue: str) -> bool:
        return queue in self._queue

    def told(self, queue: str, status: str, text: str) -> None:
        """Note the status of one recipient; of several the best one counts, as in a delivery report."""
        if queue in self._queue and not self._queue[queue].is_delivered:
            self._queue[queue] = self._queue[queue]._replace(is_delivered=status == SENT)
            self.note(queue, status, text)

    def end(self, queue: str) -> None:
        self._queue.pop(queue, None)

    def settle(self, fate: Fate) -> None:
        if self.wanted(fate):
            key = fate.message_id, fate.sender
            if key not in self._fates or not _outranks(self._fates[key].status, fate.status):
                self._fates[key] = fate

    def saw(self, line: Line) -> None:
        self.recognised += 1
        if line.at is not None:
            self.first = min(self.first or line.at, line.at)
            self.last = max(self.last or line.at, line.at)


def read(
    texts: Iterable[str],
    *,
    now: datetime | None = None,
    zone: tzinfo = UTC,
    wanted: Callable[[Fate], bool] = lambda fate: True,
) -> Reading:
    """Read a log line by line. Only the messages that are ``wanted`` are kept in memory."""
    reading = Reading(wanted)
    for line in lines_of(texts, now=now, zone=zone):
        if _of_one_line(reading, line):
            reading.saw(line)
    return reading


def fates(texts: Iterable[str]) -> Iterator[Fate]:
    """The outcome of each message that the log mentions, in the order of their arrival."""
    yield from read(texts).fates


def _outranks(known: str, new: str) -> bool:
    """Whether the known status stays: a later failed try does not undo that the relay has the message."""
    return (known in TAKEN and new not in TAKEN) or (known == REFUSED and new == UNKNOWN)


def _of_one_line(reading: Reading, line: Line) -> bool:
    """Take in one line. False when it is no mail server's."""
    if line.fields is not None:
        return _json(reading, line.fields)
    server, slash, daemon = line.program.rpartition("/")
    if slash and server:
        return _postfix(reading, daemon, line.body)
    if _SENDMAIL.fullmatch(line.program):
        return _sendmail(reading, line.body)
    if line.program in {"smtpd", "opensmtpd"}:
        return _opensmtpd(reading, line.body)
    if not line.program or line.program.startswith("exim"):
        return _exim(reading, line.body)
    return False


_POSTFIX_DAEMONS = re.compile(
    "anvil|bounce|cleanup|defer|discard|error|flush|lmtp|local|master|[no]?qmgr|pickup|pipe|postscreen|proxymap|relay|retry"
    "|scache|smtpd?|tlsmgr|tlsproxy|trace|trivial-rewrite|verify|virtual"
)


def _postfix(reading: Reading, daemon: str, body: str) -> bool:
    if not _POSTFIX_DAEMONS.fullmatch(daemon):
        return False
    if daemon == "cleanup" and (big := _TOO_BIG.match(body)):
        reading.note(big[1], REFUSED, "message too big")
    if not (match := _QUEUED.match(body)):
        return True
    queue, rest = match.groups()
    if daemon == "cleanup" and (named := _MESSAGE_ID.match(rest)):
        reading.begin(queue, message_id=named[1])
    elif daemon in {"cleanup", "smtpd"} and rest.startswith(("milter-reject: ", "reject: ")):
        reading.note(queue, REFUSED, rest)
    elif daemon in {"qmgr", "nqmgr", "oqmgr"}:
        if rest == "removed":
            reading.end(queue)
        elif _ACTIVE.match(rest):
            _taken(reading, queue)
        elif _EXPIRED.match(rest):
            reading.note(queue, BOUNCED, "expired in the queue")
    elif told := _POSTFIX_STATUS.match(rest):
        reading.told(queue, told[1], (told[2] or "").removesuffix(")"))
    return True


def _taken(reading: Reading, queue: str) -> None:
    """Note that the relay has the message. Some relays log it again at each try, when a status is known already."""
    if reading.knows(queue) and reading._queue[queue].status not in TAKEN:
        reading.note(queue, SENT)


def _settled(reading: Reading, queue: str, status: str, text: str) -> None:
    """Settle a message at its final status, for servers that log no end: our messages have one recipient."""
    reading.note(queue, status, text)
    if status != DEFERRED:
        reading.end(queue)


def _exim(reading: Reading, body: str) -> bool:
    match = _EXIM.match(_EXIM_TIME.sub("", body))
    if not match:
        return False
    queue, rest = match.groups()
    flag, _, detail = rest.partition(" ")
    if flag == "<=":
        if named := _EXIM_ID.search(f" {detail}".split(" T=", 1)[0]):
            reading.begin(queue, message_id=named[1])
            reading.note(queue, SENT)
    elif flag in _EXIM_STATUS:
        reading.told(queue, _EXIM_STATUS[flag], detail.partition(" C=")[2] or detail.partition(": ")[2])
    elif rest == "Completed":
        reading.end(queue)
    return True


def _sendmail(reading: Reading, body: str) -> bool:
    """Read a line of Sendmail. A status alone proves acceptance: a milter may refuse after the Message-ID."""
    match = _QUEUED.match(body)
    if not match:
        return True
    queue, rest = match.groups()
    if named := _SENDMAIL_ID.match(rest):
        reading.begin(queue, message_id=named[1])
    elif not reading.knows(queue):
        return True
    elif rest.startswith(("Milter: ", "ruleset=")) and "reject=" in rest:
        reading.note(queue, REFUSED, rest.partition("reject=")[2])
    elif told := _SENDMAIL_STATUS.match(rest):
        said = told[1]
        code = _SENDMAIL_CODE.search(rest[: told.start(1)])
        status = _SENDMAIL_CLASS[code[1]] if code else SENT if said.startswith("Sent") else DEFERRED
        if code or said.startswith(("Sent", "queued", "Deferred")):
            _settled(reading, queue, status, said)
    return True


def _opensmtpd(reading: Reading, body: str) -> bool:
    """Read a line of OpenSMTPD, which logs no Message-ID but the envelope sender; ours names the delivery.

    Since 6.0 the line that proves the taking stands before the one that names the sender.
    """
    if envelope := _SMTPD_ENVELOPE.match(body):
        reading.note(envelope[1], UNKNOWN, sender=envelope[2])
    elif taken := _SMTPD_TAKEN.match(body) or _SMTPD_OLD.match(body):
        if taken[2]:
            reading.begin(taken[1], sender=taken[2])
        reading.note(taken[1], SENT)
    elif told := _SMTPD_DELIVERY.match(body):
        result, queue = told["result"] or told["old_result"], told["id"] or told["old_id"]
        if result in _SMTPD_RESULTS and reading.knows(queue):
            _settled(reading, queue, _SMTPD_RESULTS[result], body[told.end() :].partition("stat=")[2].strip('"'))
    return True


def _json(reading: Reading, fields: dict[str, Any]) -> bool:
    named = {_SEPARATORS.sub("_", name.lower()): value for name, value in fields.items()}
    message_id = next((named[name] for name in _ID_NAMES if name in named), None)
    if not isinstance(message_id, str):
        return False
    word = str(named.get("status", "")).strip().lower()
    reply = _REPLY.match(word)
    status = _BY_DIGIT[reply[1]] if reply else _WORDS.get(_SEPARATORS.sub("_", word), UNKNOWN)
    reading.settle(Fate(message_id.strip("<> "), status, str(named.get("text", ""))[:TEXT_LIMIT]))
    return True
