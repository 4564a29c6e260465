"""Signatures as Standard Webhooks 1.0 wants them: HMAC-SHA256 over id, moment and body. Pure.

In: the bytes of a message and the secrets in force. Out: the three headers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


def signed_headers(body: bytes, *, uid: str, at: datetime, secrets: Sequence[str]) -> dict[str, str]:
    """The signature headers of a message, with one signature for each secret, so that a receiver can change over."""
    moment = str(int(at.timestamp()))
    content = f"{uid}.{moment}.".encode() + body
    return {
        "webhook-id": uid,
        "webhook-timestamp": moment,
        "webhook-signature": " ".join(f"v1,{_sign(content, secret)}" for secret in secrets),
    }


def _sign(content: bytes, secret: str) -> str:
    key = base64.b64decode(secret.partition("_")[2])
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
