"""Tolerant reading of MIME reports.

In: a parsed message. Out: header values and identifying marks as plain strings; nothing here raises for bad input.
"""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import hashlib
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime

_REPORTS = ("message/delivery-status", "message/global-delivery-status", "message/feedback-report")
RETURNED = frozenset({"message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global"})
HEADERS_LIMIT = 65_536
FIELD_LIMIT = 8_192  # characters of one field: the library's time for parameters and encoded words grows as the square


class _ShortFields(email.policy.Compat32):
    """Fields as they are, the end of endless ones left out. (Newer policies interpret them and may raise.)"""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:FIELD_LIMIT]


_POLICY = _ShortFields()


def message_of(data: bytes) -> Message:
    """A stranger's letter, parsed in a time that grows with its length. Never raises for what is in it."""
    return email.message_from_bytes(data, policy=_POLICY)


def _fields_of(text: str) -> Message:
    return email.message_from_string(text, policy=_POLICY)


def header(message: Message, name: str) -> str:
    """The first header field of that name as one line, or ""."""
    value = message.get(name)
    return "" if value is None else " ".join(str(value).split())


def decoded_header(message: Message, name: str) -> str:
    """The first header field with encoded words (RFC 2047) and bare UTF-8 decoded; a broken one as it stands."""
    found = (str(value) for field, value in message.raw_items() if field.lower() == name.lower())
    value = next(found, "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    with contextlib.suppress(LookupError, ValueError, HeaderParseError):
        value = str(make_header(decode_header(value)))
    return " ".join(value.split())


def parts_of_type(message: Message, *types: str) -> list[Message]:
    return [part for part in message.walk() if part.get_content_type() in types]


def inner_fields(part: Message) -> list[Message]:
    """The header blocks inside a message/* part."""
    payload = part.get_payload()
    if header(part, "Content-Transfer-Encoding").lower() == "base64":
        payload = _decoded_blocks(part)
    return [block for block in payload if isinstance(block, Message)] if isinstance(payload, list) else []


def _decoded_blocks(part: Message) -> list[Message]:
    """The blocks of a part in base64, which RFC 3464 §2.1 forbids."""
    text = part.as_string().partition("\n\n")[2]
    plain = base64.b64decode("".join(text.split()).encode("ascii", "replace")).decode("utf-8", "replace")
    return [_fields_of(block) for block in plain.replace("\r\n", "\n").split("\n\n")]


def report_blocks(message: Message) -> list[Message]:
    """The blocks of fields of every delivery status and feedback report in it."""
    return [block for part in parts_of_type(message, *_REPORTS) for block in inner_fields(part)]


def text_of(part: Message) -> str:
    """The text of a part in the character set it names; in UTF-8 where it names none or an unknown one."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    try:
        return payload.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):
        return payload.decode("utf-8", "replace")


def returned_headers(message: Message) -> Message:
    """The headers of our own mail as the report returns them; empty when it returns none."""
    for part in parts_of_type(message, *sorted(RETURNED)):
        blocks = inner_fields(part)
        if blocks:
            return blocks[0]
        text = text_of(part)
        if text:
            return _fields_of(text[:HEADERS_LIMIT])
    return Message()


def moment(message: Message, name: str = "Date") -> datetime | None:
    """An aware moment in UTC, or None when there is none that makes sense."""
    try:
        parsed = parsedate_to_datetime(header(message, name))
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def fingerprint(source: str, message: Message, raw: bytes) -> str:
    """An identifier of a report that stays the same however often it is fetched or delivered."""
    own_id = header(message, "Message-ID")
    return f"{source}:{hashlib.sha256(own_id.encode('utf-8', 'replace') if own_id else raw).hexdigest()[:40]}"
