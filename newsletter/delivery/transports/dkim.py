"""DKIM signatures (RFC 6376) for relays that do not sign: RSA-SHA256, relaxed/relaxed, the whole body.

In: the finished bytes of a message. Out: the same bytes behind one DKIM-Signature field; nothing may change after it.
Off unless a key is configured: the relay sees the final bytes and signs for nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

if TYPE_CHECKING:
    from datetime import datetime

# Receivers offer one-click unsubscribe only when both List-Unsubscribe fields are signed (RFC 8058 §4).
SIGNED = (
    "from",
    "reply-to",
    "subject",
    "date",
    "to",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "list-id",
    "list-help",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-subscribe",
    "list-owner",
    "list-archive",
    "list-post",
    "feedback-id",
    "auto-submitted",
)
# Named once more than they occur, so that nobody can add another one in front (§8.15).
OVERSIGNED = frozenset({"from", "to", "subject", "date", "reply-to"})
MIN_BITS = 2048
_LINE = 72
_RUN = re.compile(rb"  +")


class Signer:
    """Signs for ``domain`` with the key whose public half is at ``selector``._domainkey.``domain``."""

    def __init__(self, *, domain: str, selector: str, private_key_pem: bytes) -> None:
        key = serialization.load_pem_private_key(private_key_pem, password=None)
        if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < MIN_BITS:
            raise ValueError(f"The DKIM key must be an RSA key of at least {MIN_BITS} bits.")
        self._key = key
        self._start = f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain};\r\n s={selector};"
        self._lists: dict[tuple[str, ...], str] = {}  # folded h= of each set of fields: a handful in a lifetime

    @property
    def public_key(self) -> bytes:
        """The public key that the DNS must publish, as DER."""
        return self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, data: bytes, *, at: datetime) -> bytes:
        """Return ``data`` with a signature in front that is dated ``at``."""
        head, _, body = data.partition(b"\r\n\r\n")
        fields = _relaxed_fields(head)
        names = _names_to_sign(fields)
        value = (
            f"{self._start} t={int(at.timestamp())};\r\n"
            f" h={self._folded(names)};\r\n"
            f" bh={base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode()};\r\n"
            " b="
        )
        signed = _canonical_header(fields, names) + b"dkim-signature:" + value.replace("\r\n ", " ").encode()
        signature = base64.b64encode(self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256())).decode()
        folded = "\r\n ".join(signature[start : start + _LINE] for start in range(0, len(signature), _LINE))
        return f"DKIM-Signature: {value}{folded}\r\n".encode() + data

    def _folded(self, names: tuple[str, ...]) -> str:
        folded = self._lists.get(names)
        if folded is None:
            lines = [""]
            for name in names:
                if len(lines[-1]) + len(name) > _LINE:
                    lines.append("")
                lines[-1] += f"{name}:"
            folded = self._lists[names] = "\r\n ".join(lines).removesuffix(":")
        return folded


def relaxed_body(body: bytes) -> bytes:
    """Canonicalise a body (§3.4.4) in plain steps: ten times as fast on a digest as one regular expression."""
    if b"\t" in body:
        body = body.replace(b"\t", b" ")
    body = _RUN.sub(b" ", body)
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    if not body.endswith(b"\r\n"):  # the transport ends the last line too
        body = body.removesuffix(b" ") + b"\r\n"
    while body.endswith(b"\r\n\r\n"):
        body = body[:-2]
    return b"" if body == b"\r\n" else body


def _relaxed_fields(head: bytes) -> dict[str, list[bytes]]:
    """Canonical header values by lower-case name, in the order they stand (§3.4.2)."""
    unfolded = head.replace(b"\t", b" ").replace(b"\r\n ", b" ")
    fields: dict[str, list[bytes]] = {}
    for line in unfolded.split(b"\r\n"):
        name, _, value = line.partition(b":")
        words = b" ".join(filter(None, value.split(b" ")))
        fields.setdefault(name.strip().lower().decode("ascii", "replace"), []).append(words)
    return fields


def _names_to_sign(fields: dict[str, list[bytes]]) -> tuple[str, ...]:
    return tuple(name for name in SIGNED for _ in range(len(fields.get(name, ())) + (1 if name in OVERSIGNED else 0)))


def _canonical_header(fields: dict[str, list[bytes]], names: tuple[str, ...]) -> bytes:
    """The fields in the order of ``names``; of several with one name the last comes first (§5.4.2)."""
    lines = []
    for name in dict.fromkeys(names):
        lines += [b"%b:%b\r\n" % (name.encode(), value) for value in reversed(fields.get(name, ()))]
    return b"".join(lines)
