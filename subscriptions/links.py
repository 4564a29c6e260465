"""Tokens that stand for a person, one scope each, and the addresses built from them (SS6).

In: a subscriber or a token from a URL. Out: a URL under SITE_URL, or who the token stands for. Nothing here writes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from django.conf import settings


def new_unsubscribe_token() -> tuple[str, str]:
    """A fresh random token (24 URL-safe characters, 144 bits) and the hash it is looked up by."""
    token = secrets.token_urlsafe(18)
    return token, unsubscribe_hash(token)


def unsubscribe_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def address_hash(address_key: str, *, key: str = "") -> str:
    """Keyed hash of a normalised address: recognises it later without keeping it (BN6)."""
    secret = (key or settings.ADDRESS_HASH_KEY).encode()
    return hmac.new(secret, address_key.encode(), hashlib.sha256).hexdigest()


def unsubscribe_url(token: str) -> str:
    """At most 60 characters for a usual host, so that List-Unsubscribe is never folded (MF17)."""
    return f"{settings.SITE_URL}/u/{token}"


def row_token(scope: str, pk: int) -> str:
    """24 URL-safe characters that stand for one row in one scope: its number and 80 bits of proof, nothing stored."""
    return base64.urlsafe_b64encode(pk.to_bytes(8) + _row_proof(settings.SECRET_KEY, scope, pk)).decode()


def row_of_token(scope: str, token: str) -> int | None:
    """The row a token stands for, or None. Tokens of an older SECRET_KEY count while it is among the fallbacks."""
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        return None
    pk = int.from_bytes(raw[:8])
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    if len(raw) == 18 and any(hmac.compare_digest(raw[8:], _row_proof(key, scope, pk)) for key in keys):
        return pk
    return None


def _row_proof(secret: str, scope: str, pk: int) -> bytes:
    return hmac.digest(secret.encode(), f"{scope}:{pk}".encode(), "sha256")[:10]
