"""The reporting system's own words about a failure, without the copy of our mail that it returns. Pure.

In: a parsed message. Out: the text before the copy, how far the conversation had come, and the fields of a delivery
status that some systems write into the text. The copy must not be judged: it holds titles of papers.
"""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING

from newsletter.delivery.bounces import mime
from subscriptions.smtp_replies import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

TEXT_LIMIT = 12_000
_PARTS_LIMIT = 100
# Here the copy begins: a heading of one of many systems, or a field that only a mail has.
_COPY = re.compile(
    r"^[ \t>*|#=_-]{0,80}(?:"
    r"(?:this is|here is|below is|below this line is|included is|attached is|enclosed is|following is)"
    r"[^\n]{0,40} copy of|"
    r"(?:the )?(?:original|unsent|returned|undelivered|rejected|attached)"
    r" (?:message|mail|e-mail|email|header|letter)s?(?: headers?| text| body)?"
    r"(?: follows?| is attached| as follows| attached|[ :.=*_-]{0,80}$)|"
    r"(?:message|mail) headers?(?: follows?|:| as follows|[ =*_-]{0,80}$)|"
    r"content of (?:the )?original|copy of (?:your|the) (?:message|mail)|start of (?:the )?(?:returned|original)|"
    r"(?:ursprungliche|ursprüngliche|original) ?nachricht|message d'origine|mensaje original|"
    r"(?:received|return-path|dkim-signature|domainkey-signature|mime-version|content-type|content-transfer-encoding|"
    r"x-received|authentication-results|arc-seal|delivered-to|list-unsubscribe|feedback-id): ?[^\n])",
    re.IGNORECASE | re.MULTILINE,
)
_RETURNED_PART = re.compile(r"^content-type: *(?:message/rfc822|text/rfc822-headers)", re.IGNORECASE | re.MULTILINE)
_BROKEN_MIME = re.compile(r"^(?:content-[^\n]*|mime-version:[^\n]*|[ \t]*boundary=[^\n]*|--\S+)$", re.I | re.MULTILINE)
_HEADING = re.compile(
    r"^[ \t>]{0,20}(?:subject|from|to|cc|date|sent|message-id|reply-to)[ \t]*:[^\n]*$", re.I | re.MULTILINE
)
_GOOD_REPLY = re.compile(r"^[ \t>]{0,20}(?:out: |<<< )?[23]\d\d[ -][^\n]*$", re.IGNORECASE | re.MULTILINE)
_UNSEEN = frozenset({"style", "script", "head"})  # elements of HTML whose text nobody reads
# Read with every run of white space as one space. Sendmail sends RCPT and DATA together and shows the answer to the
# first under the second: that tells nothing.
_PHASES = (
    (
        Phase.DATA,
        r"end of data|reply to (?:data|bdat)\b|final data|after i sent the message|\[(?:eom|data|bdat)\]|after data\b|"
        r"smtp command data|body of message generated response|\(state 1[5-8]\)|"
        r">>> (?:data|\.) <<< [45]\d\d(?! .{0,600}?(?:no valid recipients|need rcpt|rcpt first|<<< 503"
        r"))",
    ),
    (
        Phase.MAIL,
        r"(?:after|reply to|following|response to|like our|\[) ?mail[ _]from|>>> mail from:.{0,400}? <<< 5|"
        r"sender was rejected|after (?:ehlo|helo|initial connection|connect)\b|reply to (?:ehlo|helo)",
    ),
    (
        Phase.RCPT,
        r"收件人邮件地址.{0,330}不存在|"
        r"(?:after|reply to|following|response to|like our|progress was|\[) ?rcpt|does not like recipient|smtp:rcpt|"
        r"because the address couldn't be found|sent(?::| <<<) rcpt to|smtp command rcpt|for rcpt to command|"
        r"\(state 14\)|"
        r">>> rcpt to:.{0,400}? <<< 5|rejected recipient|^(?!.*<<<).*?\b550 (?:5\.1\.1 )?\S+\.\.\. user unknown",
    ),
)
_PHASES_READ = [(phase, re.compile(pattern, re.IGNORECASE)) for phase, pattern in _PHASES]
_FIELD = re.compile(
    r"^[ \t>]{0,20}(final-recipient|original-recipient|action|status|diagnostic-code)[ \t]*:[ \t]*(.*)$", re.IGNORECASE
)


def text_of_system(message: Message) -> str:
    """The text before our own mail, at most TEXT_LIMIT characters; HTML only where there is no plain text."""
    parts = list(_own_parts(message))
    for is_html in (False, True):
        joined = "\n".join(text for subtype, text in parts if (subtype == "html") is is_html)
        if is_html:
            joined = _without_markup(joined[: 10 * TEXT_LIMIT])
        joined = joined[: 2 * TEXT_LIMIT].replace("\r\n", "\n").replace("\r", "\n")
        copy = _COPY.search(joined)
        if (own := joined[: copy.start() if copy else None]).strip():
            return own[:TEXT_LIMIT]
    return ""


def _without_markup(markup: str) -> str:
    seen, unseen = [], ""
    for piece in markup.split("<"):
        tag, _, text = piece.partition(">")
        name = tag[:10].lower().partition(" ")[0]
        if unseen:
            unseen = "" if name == f"/{unseen}" else unseen
        elif name in _UNSEEN:
            unseen = name
        seen.append("" if unseen else text)
    return html.unescape(" ".join(seen))


def words_of(text: str) -> str:
    """The text without lines that only repeat the headings of our mail, or in which a server was content."""
    return _GOOD_REPLY.sub("", _HEADING.sub("", text))


def phase_of(text: str) -> Phase | None:
    """How far the conversation had come when it was refused; None where the text does not tell."""
    line = " ".join(text.split())
    return next((phase for phase, pattern in _PHASES_READ if pattern.search(line)), None)


def fields_in(text: str) -> list[dict[str, str]]:
    """The blocks of a delivery status written as text, a block a recipient, names in lower case."""
    blocks: list[dict[str, str]] = [{}]
    last = ""
    for line in text.splitlines():
        if field := _FIELD.match(line):
            last = field[1].lower()
            if last in blocks[-1]:
                blocks.append({})
            blocks[-1][last] = field[2].strip()
        elif last and line[:1] in " \t" and line.strip():
            blocks[-1][last] += " " + line.strip()
        else:
            last = ""
    return [block for block in blocks if "action" in block or "status" in block]


def notified_in(text: str) -> list[dict[str, str]]:
    """The same from an Amazon SES notification that was mailed as JSON."""
    if '"notificationType":"Bounce"' not in text:
        return []
    try:
        told, _ = json.JSONDecoder(strict=False).raw_decode(text, text.index("{"))
        recipients, is_permanent = told["bounce"]["bouncedRecipients"], told["bounce"]["bounceType"] == "Permanent"
        return [
            {
                "action": "failed",
                "status": str(recipient.get("status", "")) if is_permanent else "4.0.0",
                "diagnostic-code": str(recipient.get("diagnosticCode", told["bounce"].get("bounceSubType", ""))),
                "final-recipient": str(recipient.get("emailAddress", "")),
            }
            for recipient in recipients
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _own_parts(message: Message) -> Iterator[tuple[str, str]]:
    """Subtype and text of the parts a system wrote itself: none inside a returned mail, none after it."""
    waiting, seen = [message], 0
    while waiting and seen < _PARTS_LIMIT:
        part = waiting.pop()
        seen += 1
        payload = part.get_payload()
        if part.get_content_type() in mime.RETURNED:
            return
        if isinstance(payload, list):
            waiting.extend(reversed([child for child in payload[:_PARTS_LIMIT] if not isinstance(child, str)]))
        elif part.get_content_maintype() == "multipart":  # it does not keep the boundary it names
            yield "plain", _BROKEN_MIME.sub("", _RETURNED_PART.split(mime.text_of(part)[: 10 * TEXT_LIMIT])[0])
        elif part.get_content_maintype() == "text" and part.get_content_disposition() != "attachment":
            yield part.get_content_subtype(), mime.text_of(part)
