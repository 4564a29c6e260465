"""Joins an edition's encoded fragments into one reader's message.

In: what `fragments.compile_edition` made of a frozen edition, and one reader. Out: the bytes of an RFC 5322 message,
CRLF and 7-bit, ready for the wire. Pure: the same values give the same bytes, as often as one likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date


@dataclass(frozen=True, slots=True)
class Identity:
    """Who sends: the same for every digest of an edition."""

    site_url: str
    site_name: str
    sender: str  # From, with or without a display name
    reply_to: str
    mail_domain: str
    bounce_domain: str
    list_id: str  # without phrase and brackets: digest.example.org
    list_help_url: str
    list_subscribe_url: str
    list_owner: str  # a mail address
    list_archive_url: str
    feedback_sender_id: str
    unsubscribe_mailbox: str = ""  # empty: no mailto in List-Unsubscribe


@dataclass(frozen=True, slots=True)
class Recipient:
    """One reader and what was chosen for them."""

    delivery_id: int
    email: str  # ASCII, an internationalised domain already as A-labels
    message_id: str  # with or without angle brackets; the same on every retry
    unsubscribe_token: str  # 24 characters
    delivery_token: str  # 24 characters
    picks: Sequence[Sequence[Any]]  # [edition item id, lane, reason], in order
    wants_html: bool
    date_header: str
    topics: tuple[str, ...] = ()  # slugs of followed topics, named in the footer
    confirmed_on: date | None = None  # named in the footer as the day of consent
    is_welcome: bool = False  # the first digest, right after confirming


class Composer:
    """Makes messages of one edition. Build one per edition and process; `compose` touches nothing shared."""

    def __init__(self, compiled: dict[str, Any], identity: Identity) -> None:
        self._compiled = compiled
        self._identity = identity

    def compose(self, recipient: Recipient) -> bytes:
        """The whole message. ValueError when a value of the recipient could break a header (MF11, MF12)."""
        raise NotImplementedError
