"""The secrets of endpoints: made here, kept encrypted, opened only to sign.

In: nothing, or what the row holds. Out: a secret in the spelling of Standard Webhooks, or its sealed form. The seal is
made with SECRET_KEY; what was sealed with one of its fallbacks still opens. A backup of the database tells no secret.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

if TYPE_CHECKING:
    from datetime import datetime

    from newsletter.models import WebhookEndpoint

PREFIX = "whsec_"
BYTES = 32
OVERLAP = timedelta(days=1)


class KeyLostError(Exception):
    """The secret was sealed with a SECRET_KEY that is gone: the endpoint needs a new one."""


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()


def seal(secret: str) -> str:
    return _box().encrypt(secret.encode()).decode()


def signing_secrets(endpoint: WebhookEndpoint, *, now: datetime) -> tuple[str, ...]:
    """The secrets to sign with: the current one, and the previous one while its owner changes over."""
    sealed = [endpoint.secret]
    if endpoint.former_secret and endpoint.former_until and now < endpoint.former_until:
        sealed.append(endpoint.former_secret)
    try:
        return tuple(_box().decrypt(one.encode()).decode() for one in sealed)
    except InvalidToken as error:
        raise KeyLostError from error


def give_secret(endpoint: WebhookEndpoint, *, now: datetime) -> str:
    """Give the endpoint, unsaved, a new secret and return it. The previous one signs beside it for a day."""
    secret = new_secret()
    if endpoint.secret:
        endpoint.former_secret, endpoint.former_until = endpoint.secret, now + OVERLAP
    endpoint.secret = seal(secret)
    return secret


def _box() -> MultiFernet:
    return MultiFernet([Fernet(_key(secret)) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _key(secret: str) -> bytes:
    return base64.urlsafe_b64encode(hashlib.sha256(b"newsletter.delivery.webhooks:" + secret.encode()).digest())
