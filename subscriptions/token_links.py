"""Tokens that stand for a person, one scope each, and the addresses built from them.

In: a subscriber or a token from a URL. Out: a URL under SITE_URL, or who the token stands for. Nothing here writes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

if TYPE_CHECKING:
    from subscriptions.models import Subscriber

CONFIRM_HOURS = 72
MANAGE_HOURS = 24
_FINGERPRINT = 16  # characters of the address hash: a link dies with the address it was mailed to


def new_unsubscribe_token() -> tuple[str, str]:
    """A fresh random token (24 URL-safe characters, 144 bits) and the hash it is looked up by."""
    token = secrets.token_urlsafe(18)
    return token, unsubscribe_hash(token)


def unsubscribe_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def new_api_key() -> tuple[str, str]:
    """A fresh random key (32 bytes, with a prefix that scanners of leaked secrets can look for) and its hash."""
    key = f"pb_{secrets.token_urlsafe(32)}"
    return key, api_key_hash(key)


def api_key_hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def address_hash(address_key: str, *, key: str = "") -> str:
    """Keyed hash of a normalised address: recognises it later without keeping it."""
    secret = (key or settings.ADDRESS_HASH_KEY).encode()
    return hmac.new(secret, address_key.encode(), hashlib.sha256).hexdigest()


def unsubscribe_url(token: str) -> str:
    """URL of the unsubscribe page: at most 60 characters for a usual host, so that List-Unsubscribe is never folded."""
    return f"{settings.SITE_URL}/u/{token}"


def row_token(scope: str, pk: int) -> str:
    """Token of one row in one scope: 24 URL-safe characters, its number and 80 bits of proof; nothing is stored."""
    return base64.urlsafe_b64encode(pk.to_bytes(8) + row_proof(scope, pk)).decode()


def row_of_token(scope: str, token: str) -> int | None:
    """The row a token stands for, or None. Tokens of an older SECRET_KEY count while it is among the fallbacks."""
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        return None
    pk = int.from_bytes(raw[:8])
    return pk if len(raw) == 18 and is_row_proof(raw[8:], scope=scope, pk=pk) else None


def row_proof(scope: str, pk: int, *, secret: str = "") -> bytes:
    """80 bits that only we can make for a row in a scope: keyed BLAKE2 (RFC 7693), a tenth of what HMAC costs here."""
    key = _proof_key(secret or settings.SECRET_KEY)
    return hashlib.blake2b(f"{scope}:{pk}".encode(), key=key, digest_size=10).digest()


def is_row_proof(proof: bytes, *, scope: str, pk: int) -> bool:
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(hmac.compare_digest(proof, row_proof(scope, pk, secret=key)) for key in keys)


@lru_cache(maxsize=8)
def _proof_key(secret: str) -> bytes:
    return hashlib.sha512(secret.encode()).digest()


@dataclass(frozen=True)
class ManageLink:
    """What a preferences link stands for: a reader and the address it was mailed to."""

    subscriber_id: int
    fingerprint: str

    def fits(self, subscriber: Subscriber) -> bool:
        """Whether the reader still has the address: the mailbox may belong to somebody else by now."""
        return hmac.compare_digest(subscriber.address_hash[:_FINGERPRINT], self.fingerprint)


def confirm_token(request_id: int, *, now: datetime) -> str:
    """Token of one request to subscribe (a ConsentEvent), so that the record says which one was confirmed."""
    return _sign("confirm", str(request_id), now=now)


def read_confirm_token(token: str, *, now: datetime) -> int | None:
    value = _unsign("confirm", token, now=now, max_age=timedelta(hours=CONFIRM_HOURS))
    return int(value) if value is not None else None


def manage_token(subscriber: Subscriber, *, now: datetime) -> str:
    return _sign("manage", f"{subscriber.pk}.{subscriber.address_hash[:_FINGERPRINT]}", now=now)


def read_manage_token(
    token: str, *, now: datetime, max_age: timedelta = timedelta(hours=MANAGE_HOURS)
) -> ManageLink | None:
    value = _unsign("manage", token, now=now, max_age=max_age)
    if value is None:
        return None
    pk, _dot, fingerprint = value.partition(".")
    return ManageLink(int(pk), fingerprint)


def move_token(notice_id: int, *, now: datetime) -> str:
    """Token of one request to change the address, mailed to the new address."""
    return _sign("move", str(notice_id), now=now)


def read_move_token(token: str, *, now: datetime) -> int | None:
    value = _unsign("move", token, now=now, max_age=timedelta(hours=CONFIRM_HOURS))
    return int(value) if value is not None else None


def confirm_url(request_id: int, *, now: datetime) -> str:
    return settings.SITE_URL + reverse("subscriptions:confirm", args=[confirm_token(request_id, now=now)])


def move_url(notice_id: int, *, now: datetime) -> str:
    return settings.SITE_URL + reverse("subscriptions:move", args=[move_token(notice_id, now=now)])


def manage_url(subscriber: Subscriber, *, now: datetime) -> str:
    return settings.SITE_URL + reverse("subscriptions:preferences", args=[manage_token(subscriber, now=now)])


def privacy_url() -> str:
    return settings.SITE_URL + reverse("subscriptions:privacy")


def _sign(scope: str, value: str, *, now: datetime) -> str:
    return _signer(scope).sign(f"{value}.{int(now.timestamp()):x}")


def _unsign(scope: str, token: str, *, now: datetime, max_age: timedelta) -> str | None:
    """Return what was signed for this scope; None when it was not, is too old, or is dated in the future."""
    try:
        value, _dot, seconds = _signer(scope).unsign(token).rpartition(".")
    except BadSignature:
        return None
    age = now - datetime.fromtimestamp(int(seconds, 16), UTC)
    return value if timedelta(minutes=-5) <= age <= max_age else None


def _signer(scope: str) -> Signer:
    """One salt per scope: a token of one never passes for another. SECRET_KEY_FALLBACKS count.

    Links in readers' mailboxes are signed with these salts: renaming this module must not change them.
    """
    return Signer(salt=f"subscriptions.links.{scope}", sep="~")
