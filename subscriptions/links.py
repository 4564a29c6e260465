"""Tokens that stand for a person, one scope each, and the addresses built from them (SS6).

In: a subscriber or a token from a URL. Out: a URL under SITE_URL, or who the token stands for. Nothing here writes.
"""

from __future__ import annotations

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
