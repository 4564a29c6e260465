"""Our DKIM signatures, checked by dkimpy against a key it is handed instead of asking the DNS."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.delivery.transports.dkim import Signer, relaxed_body
from tests.contract_transports import make_message

AT = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
)


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


SIGNER = Signer(domain="papers.example.org", selector="p2026", private_key_pem=pem(KEY))


def public_key(name: bytes, timeout: int = 5) -> bytes:
    assert name == b"p2026._domainkey.papers.example.org."
    return b"v=DKIM1; k=rsa; p=" + PUBLIC


def is_valid(data: bytes) -> bool:
    return bool(dkim.verify(data, dnsfunc=public_key))


DIGEST = make_message(1).data.replace(
    b"MIME-Version",
    b"Reply-To: hello@papers.example.org\r\nList-Id: Digest <digest.papers.example.org>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nFeedback-ID: 1:digest:daily:paperboy\r\nMIME-Version",
)


def signed_names(data: bytes) -> list[str]:
    head = data.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", "")
    match = re.search(r"\bh=([^;]+);", head)
    assert match is not None
    return match.group(1).split(":")


def test_a_signed_message_verifies_and_is_otherwise_unchanged() -> None:
    signed = SIGNER.sign(DIGEST, at=AT)
    assert signed.endswith(DIGEST)
    assert signed.startswith(b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=papers.example.org;")
    assert is_valid(signed)


def test_the_signature_is_folded_into_short_lines() -> None:
    head = SIGNER.sign(DIGEST, at=AT).removesuffix(DIGEST)
    assert max(len(line) for line in head.split(b"\r\n")) <= 78


@pytest.mark.parametrize(
    "name",
    ["from", "to", "subject", "date", "reply-to", "message-id", "list-id", "list-unsubscribe", "list-unsubscribe-post",
     "mime-version", "content-type", "feedback-id"],
)  # fmt: skip
def test_the_fields_that_receivers_look_at_are_signed(name: str) -> None:
    assert name in signed_names(SIGNER.sign(DIGEST, at=AT))


@pytest.mark.parametrize("name", ["From", "To", "Subject", "Date", "Reply-To"])
def test_a_second_field_in_front_breaks_the_signature(name: str) -> None:
    signed = SIGNER.sign(DIGEST, at=AT)
    assert not is_valid(name.encode() + b": someone@else.example\r\n" + signed)


def test_a_reply_to_added_where_there_was_none_breaks_the_signature() -> None:
    signed = SIGNER.sign(make_message(1).data, at=AT)
    assert is_valid(signed)
    assert not is_valid(b"Reply-To: someone@else.example\r\n" + signed)


@pytest.mark.parametrize("change", [(b"Hello", b"Hullo"), (b"/u/abc", b"/u/abd"), (b"One-Click", b"Two-Click")])
def test_a_changed_message_does_not_verify(change: tuple[bytes, bytes]) -> None:
    assert not is_valid(SIGNER.sign(DIGEST, at=AT).replace(*change))


@pytest.mark.parametrize(
    "body",
    [b"", b"\r\n", b"\r\n\r\n\r\n", b"x", b"x \t \r\n", b"a\t\tb  c   \r\n\r\n \r\n\t\r\n", b" \r\n", b"  leading\r\n"],
)  # fmt: skip
def test_bodies_with_odd_white_space_verify(body: bytes) -> None:
    head = DIGEST.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    assert is_valid(SIGNER.sign(head + body, at=AT))


def test_folded_and_spaced_header_fields_verify() -> None:
    head = b"From:  a@papers.example.org\r\nSubject:  Papers\r\n\tof  the\t day \r\nTo:b@example.net\r\n\r\nx\r\n"
    assert is_valid(SIGNER.sign(head, at=AT))


@settings(max_examples=60)
@given(st.text(alphabet=" \t\r\nab.", max_size=60))
def test_the_canonical_body_is_dkimpys(text: str) -> None:
    body = text.replace("\r", "").replace("\n", "\r\n").encode() + b"\r\n"
    assert relaxed_body(body) == dkim.canonicalization.Relaxed.canonicalize_body(body)


@pytest.mark.parametrize(
    "key", [rsa.generate_private_key(public_exponent=65537, key_size=1024), ec.generate_private_key(ec.SECP256R1())]
)
def test_a_weak_or_foreign_key_is_refused(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(ValueError, match="at least 2048 bits"):
        Signer(domain="papers.example.org", selector="x", private_key_pem=pem(key))
