"""The marks by which a report names our mail: bounce address, List-Unsubscribe token, Message-ID. Pure.

In: a parsed message. Out: the bounce address it came back to or that our returned mail names, the token of its
List-Unsubscribe, its Message-ID; each as found, none checked. Forwarders tag addresses (BATV, SRS, VERP of lists) and
many systems return our headers inside a text part: both are looked through.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from newsletter.delivery.bounces import mime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message

# Headers in which a mail server notes for whom a letter really was, the most trustworthy first.
_RECIPIENT_HEADERS = (
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-Real-To",
    "X-RCPT-To",
    "Original-Recipient",
    "X-Forwarded-To",
    "X-Delivered-To",
    "To",
    "Cc",
    "Received",
)
_SENDER_FIELDS = ("X-Postfix-Sender", "X-Original-Mail-From", "Original-Mail-From", "X-Sender", "Original-Envelope-Id")
# SRS writes the domain before the local part, VERP of mailing lists behind it with "=" for "@".
_BOUNCE_ADDRESS = re.compile(
    r"(?:=(?P<before>[a-z0-9-]{1,63}\.[a-z0-9.-]{1,255})=)?(?P<local>b\+[0-9a-f]{1,16}\.[0-9a-z]{1,64})"
    r"(?:=(?P<behind>[a-z0-9.-]{1,255}))?@(?P<domain>[a-z0-9.-]{1,255})",
    re.IGNORECASE,
)
_MESSAGE_ID = re.compile(r"^[> \t]{0,20}Message-ID:\s{0,80}<([^<>\s]{1,250})>", re.IGNORECASE | re.MULTILINE)
_OUR_MESSAGE_ID = re.compile(r"\d{1,19}\.[0-9a-f]{8,64}@[a-z0-9.-]+", re.IGNORECASE)
_LIST_UNSUBSCRIBE = re.compile(
    r"^[> \t]{0,20}List-Unsubscribe:(?P<value>[^\n]{0,1000}(?:\n[>\t ]{1,20}[^\n]{0,1000}){0,4})",
    re.IGNORECASE | re.MULTILINE,
)
_TOKEN = re.compile(r"(?:/u/|unsubscribe(?:%20|\+| ))([A-Za-z0-9_-]{16,64})(?![A-Za-z0-9_-])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Marks:
    bounce_address: str = ""
    message_id: str = ""
    unsubscribe_hint: str = ""


def marks_of(message: Message) -> Marks:
    returned = list(_returned(message))
    return Marks(
        bounce_address=_first_bounce_address([*_outer(message), *returned]),
        message_id=_message_id(message, returned),
        unsubscribe_hint=_token(returned),
    )


def _outer(message: Message) -> Iterator[str]:
    for name in _RECIPIENT_HEADERS:
        yield from (str(value) for value in message.get_all(name, []))
    for block in mime.report_blocks(message):
        yield from (str(value) for name in _SENDER_FIELDS for value in block.get_all(name, []))


def _returned(message: Message) -> Iterator[str]:
    """Our mail as the letter returns it: (its headers, texts that may hold them)."""
    headers = mime.returned_headers(message)
    yield "\n".join(f"{name}: {value}" for name, value in headers.items())
    for part in mime.parts_of_type(message, "text/plain", "text/html"):
        yield mime.text_of(part)


def _first_bounce_address(places: list[str]) -> str:
    for place in places:
        match = _BOUNCE_ADDRESS.search(place) if "b+" in place or "B+" in place else None
        if match:
            return f"{match['local']}@{match['behind'] or match['before'] or match['domain']}"
    return ""


def _message_id(message: Message, returned: list[str]) -> str:
    """The first Message-ID that looks like ours, else the first: a text may quote the report's own too."""
    answered = " ".join(mime.header(message, name) for name in ("In-Reply-To", "References"))
    found = [value for place in returned for value in _MESSAGE_ID.findall(place)]
    ours = [value for value in found if _OUR_MESSAGE_ID.fullmatch(value)] or _OUR_MESSAGE_ID.findall(answered)
    return next(iter([*ours, *found]), "")


def _token(returned: list[str]) -> str:
    for place in returned:
        for field in _LIST_UNSUBSCRIBE.finditer(place):
            if match := _TOKEN.search(field["value"]):
                return match.group(1)
    return ""
