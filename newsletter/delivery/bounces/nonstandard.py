"""Bounces that follow no standard: read by the words in which the mail systems of the world report a failure. Pure.

In: a parsed message and its bytes. Out: an Event, or None. Only letters that a mail system sent are looked at: its
sender or its headers must say so, or a subject of bounces over a quoted answer of a server. flufl.bounce knows further
oddities; its verdict alone suppresses nobody (it calls a full mailbox permanent).
"""

from __future__ import annotations

import logging
import re
from email.utils import parseaddr
from typing import TYPE_CHECKING

from flufl.bounce import all_failures

from newsletter.delivery.bounces import Event, ReportKind, mime
from newsletter.delivery.bounces import diagnostic_text as own_words
from newsletter.delivery.bounces import failure_kind as status_codes
from newsletter.delivery.bounces.original_message_ids import marks_of
from subscriptions.smtp_replies import judge

if TYPE_CHECKING:
    from email.message import Message

logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it logs each detector, and those that trip over a letter

_SYSTEM = re.compile(
    r"(?:mailer-?daemon|post[-_]?master|mail-?daemon|mdaemon|mail[._-]?delivery[._-]?(?:sub)?system|mail[._-]?system|"
    r"bounces?)\b|^$",
    re.IGNORECASE,
)
_NOBODY = re.compile(r"(?:mailer-?daemon|mail-?daemon|mdaemon)\b|^$", re.IGNORECASE)  # a postmaster is a person, too
_SUBJECT = re.compile(
    r"undeliver|not deliver|non[- ]?deliver|"
    r"deliver\w*[ _](?:\w+[ _]){0,2}(?:fail|error|problem|status|report|notif|delay)|"
    r"fail\w* (?:delivery|to deliver|notice|notification)|failure notice|returned mail|returned to sender|"
    r"mail (?:\w+ ){0,2}(?:fail|error|return)|message (?:\w+ ){0,3}(?:fail|return|reject)|could not be delivered|"
    r"couldn'?t be delivered|error sending your|rejected mail|bounced?\b|unzustellbar|nicht zugestellt|zustell|"
    r"non remis|non distribu|no entregad|no se pudo entregar|devuelto|devolvid|nao entregue|não entregue|"
    r"übermittlung|verzögert|échec|levereras|k[au]n(?:ne)? ikke leveres|teslim edil|no se puede entregar|"
    r"non recapitabile|"
    r"mancata consegna|niet bezorgd|onbestelbaar|niedostarczon|nedoru|недоставлен|не доставлен|"
    r"配信|配達|送信エラー|エラー|退信|退件|投递|未送达|반송|배달",
    re.IGNORECASE,
)
_LIST_SUBJECT = re.compile(r"not (?:a )?member|loop alert|reject|refus|error|denied", re.IGNORECASE)
_STILL_TRYING = re.compile(
    r"warning message only|has been delayed|is delayed|delivery delayed|not yet been delivered|will be retried|"
    r"will retry|will keep trying|will continue trying|still trying|delay reason|do not need to re-?send|"
    r"no need to resend|temporary problem delivering|keep trying to deliver|attempts will continue|"
    r"warning: message still undelivered|nur eine warnung|wurde verzögert|a été retardée?\b|se ha retrasado|задержан",
    re.IGNORECASE,
)
_REPLY = re.compile(r"(?<![\d.])[45]\d\d[ -]\S|(?<![\d.])#?[45]\.\d{1,3}\.\d{1,3}(?![\d.])")


def parse(message: Message, *, raw: bytes) -> Event | None:
    text = own_words.text_of_system(message)
    words = own_words.words_of(text)
    is_answer_quoted = _SUBJECT.match(_subject(message)) and _REPLY.search(words)
    if not is_from_a_system(message) and not is_answer_quoted:
        return None
    verdict = judge(words, phase=own_words.phase_of(text))
    if verdict is None and mime.report_blocks(message):
        return None
    if (verdict is None or not _is_from_nobody(message)) and not _looks_like_a_bounce(message, words):
        return None
    kind = status_codes.KINDS[verdict] if verdict else ReportKind.SOFT
    if _STILL_TRYING.search(words):
        kind = ReportKind.DEFERRED
    marks = marks_of(message)
    return Event(
        kind=kind,
        source="guess",
        event_id=mime.fingerprint("guess", message, raw),
        bounce_address=marks.bounce_address,
        message_id=marks.message_id,
        unsubscribe_hint=marks.unsubscribe_hint,
        code=status_codes.codes("", diagnostic=words),
        text=status_codes.single_line(_answer_in(words)),
        at=mime.moment(message),
    )


def is_from_a_system(message: Message) -> bool:
    """Whether a mail system sent it: by its sender, a list's headers, or a null return path with a bounce's subject."""
    if is_sender_a_system(message) or "X-Failed-Recipients" in message or _is_of_a_list(message):
        return True
    path = mime.header(message, "Return-Path")
    return bool(path) and bool(_SYSTEM.match(parseaddr(path)[1])) and bool(_SUBJECT.search(_subject(message)))


def _is_of_a_list(message: Message) -> bool:
    """Whether a letter is a refusal by fml, a list server, which writes as its own administrator."""
    return "X-MLServer" in message and bool(_LIST_SUBJECT.search(_subject(message)))


def is_sender_a_system(message: Message) -> bool:
    sender = parseaddr(mime.header(message, "From"))[1] or mime.header(message, "From").strip("<> ")
    return bool(_SYSTEM.match(sender.partition("@")[0]))


def _is_from_nobody(message: Message) -> bool:
    """Whether no person can have sent it."""
    senders = [mime.header(message, name) for name in ("Return-Path", "From") if name in message]
    return "X-Failed-Recipients" in message or any(_NOBODY.match(parseaddr(one)[1]) for one in senders)


def _subject(message: Message) -> str:
    return mime.decoded_header(message, "Subject")


def _looks_like_a_bounce(message: Message, words: str) -> bool:
    if _REPLY.search(words) or _is_of_a_list(message) or _SUBJECT.search(_subject(message)):
        return True
    temporary, permanent = all_failures(message)
    return bool(temporary or permanent)


def _answer_in(words: str) -> str:
    """The text from its first reply code on, or all of it when there is none."""
    reply = _REPLY.search(words)
    return words[reply.start() :] if reply else words
