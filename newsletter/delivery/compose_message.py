"""From a claimed row to the message that leaves: addresses, ids and tokens of this one delivery.

In: a row we hold and its edition's compiled parts. Out: a transport Message, its bytes by `mail.assemble`. Composing
twice gives the same Message-ID and links: they are derived from the row and the secret key, nothing is stored.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from email.utils import format_datetime, parseaddr

from django.conf import settings

from newsletter.delivery.choose_transport import signer
from newsletter.delivery.claim_deliveries import Claimed
from newsletter.delivery.transports import Message
from newsletter.mail.assemble import Composer, Identity
from newsletter.mail.one_part import Recipient
from newsletter.models import Compiled
from newsletter.models.writer_thread import retry_while_away
from subscriptions import mail_settings, token_links
from subscriptions.models import Subscriber

KEPT = 8  # editions, each in one language
SCOPE = "delivery"
_LANGUAGES = frozenset(dict(settings.LANGUAGES))


def message_id(pk: int) -> str:
    """The Message-ID of a delivery: the same on every try, different for every delivery."""
    return f"{pk}.{_proof('message-id', pk)}@{settings.MAIL_DOMAIN}"


def bounce_address(pk: int) -> str:
    """Envelope sender: says which delivery bounced, and cannot be made up by others (VERP)."""
    return f"b+{pk:x}.{_proof('bounce', pk)}@{settings.BOUNCE_DOMAIN}"


def delivery_of_bounce_address(address: str) -> int | None:
    """The delivery a bounce address stands for; None when it is not one of ours or was tampered with."""
    local, _, domain = address.strip("<> ").lower().rpartition("@")
    number, dot, proof = local.removeprefix("b+").partition(".")
    if not dot or not local.startswith("b+") or domain != settings.BOUNCE_DOMAIN.lower():
        return None
    if len(number) > 16:  # no key is that long, and Python refuses to write out numbers that are
        return None
    try:
        pk = int(number, 16)
    except ValueError:
        return None
    return pk if _is_genuine("bounce", pk, proof) else None


def delivery_of_message_id(value: str) -> int | None:
    """The delivery a Message-ID of ours stands for."""
    local, _, domain = value.strip("<> ").rpartition("@")
    number, _, proof = local.partition(".")
    if domain.lower() != settings.MAIL_DOMAIN.lower() or not number.isdecimal() or len(number) > 19:
        return None
    return int(number) if _is_genuine("message-id", int(number), proof) else None


def identity() -> Identity:
    """The sender's identity for every digest, from the settings and what operators set in the desk."""
    return Identity(
        site_url=settings.SITE_URL,
        site_name=settings.SITE_NAME,
        sender=mail_settings.digest_sender(mail_settings.in_force()),
        reply_to=settings.REPLY_TO_EMAIL,
        bounce_domain=settings.BOUNCE_DOMAIN,
        list_id=settings.LIST_ID,
        list_help_url=f"{settings.SITE_URL}/preferences/",
        list_subscribe_url=f"{settings.SITE_URL}/subscribe/",
        list_owner=parseaddr(settings.REPLY_TO_EMAIL)[1],
        list_archive_url=f"{settings.SITE_URL}/editions/",
        feedback_sender_id=settings.FEEDBACK_SENDER_ID,
        unsubscribe_mailbox=settings.UNSUBSCRIBE_MAILBOX,
    )


class EditionBroken(Exception):
    """No message of this edition can be composed: a setting or its compiled fragments are at fault, no reader."""


class Composers:
    """A cache of composers, one for each edition and language; the oldest is dropped."""

    def __init__(self) -> None:
        self._of: OrderedDict[tuple[int, str], Composer] = OrderedDict()
        self._identity = identity()
        self._signer = signer()

    def message(self, row: Claimed, *, now: datetime) -> Message:
        """Compose the message of a row. Raises EditionBroken when no row of the edition can be composed."""
        composer = self._composer(row.edition, row.language)
        recipient = Recipient(
            delivery_id=row.pk,
            email=row.email,
            message_id=message_id(row.pk),
            unsubscribe_token=row.unsubscribe_token,
            delivery_token=token_links.row_token(SCOPE, row.pk),
            picks=row.picks,
            wants_html=row.mail_format != Subscriber.MailFormat.TEXT,
            date_header=format_datetime(now),
            topics=row.topics,
            news=tuple([f"{paper}:{kind}" for paper, kind in row.news]) if row.news else (),
            also=row.also,
            confirmed_on=row.confirmed_on,
            is_welcome=row.is_welcome,
            interests=row.interests,
            shows_pictures=row.mail_format == Subscriber.MailFormat.PICTURES,
            counts_clicks=settings.CLICK_TRACKING and row.clicks_agreed_at is not None,
        )
        data = composer.compose(recipient)
        if self._signer is not None:
            data = self._signer.sign(data, at=now)
        return Message(
            key=row.pk,
            sender=bounce_address(row.pk),
            recipient=row.email,
            data=data,
            is_dotless=composer.is_dotless,
        )

    def _composer(self, edition: int, language: str) -> Composer:
        """The composer in the reader's language if the edition was compiled in it, else in the site's."""
        key = edition, language if language in _LANGUAGES else settings.LANGUAGE_CODE
        if key not in self._of:
            compiled = retry_while_away(
                Compiled.objects.values_list("fragments", flat=True).filter(edition=edition).get
            )
            try:
                self._of[key] = Composer(compiled.get("languages", {}).get(language, compiled), self._identity)
            except Exception as error:
                raise EditionBroken(f"the edition cannot be composed: {error}") from error
            if len(self._of) > KEPT:
                self._of.popitem(last=False)
        return self._of[key]


def _proof(scope: str, pk: int) -> str:
    return token_links.row_proof(scope, pk).hex()


def _is_genuine(scope: str, pk: int, proof: str) -> bool:
    try:
        return token_links.is_row_proof(bytes.fromhex(proof), scope=scope, pk=pk)
    except ValueError:
        return False
