"""A digest through a real relay: Debian's postfix forwards, OpenDKIM or Paperboy itself signs, dkimpy verifies.

One-click unsubscribe stands on it: receivers offer it only when both List-Unsubscribe fields are signed (RFC 8058 §4).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from pytest_django.fixtures import Settings

from newsletter import delivery, planning
from newsletter.delivery.choose_transport import open_transport
from newsletter.delivery.transports import Message, Transport
from newsletter.delivery.transports.dkim import OVERSIGNED, SIGNED
from newsletter.models import Delivery, Edition
from subscriptions import transactional_mails
from subscriptions.models import Notice
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.inbox import Inbox, Letter
from tests.relay import OVERSIGN_HEADERS, SIGN_HEADERS, OpenDkim, Postfix, new_key, pem
from tests.services import ServiceMissing

pytestmark = [pytest.mark.system, pytest.mark.django_db]

DOMAIN = "papers.example.org"
ONE_CLICK = {"list-unsubscribe", "list-unsubscribe-post"}
KEY = new_key()
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
)
TITLES = [
    "大规模弱监督学习 of $\\alpha$-stable graphs",
    "A plain title",
    "تعلّم الآلة: a survey of " + "very " * 40 + "long titles",
]


class Recorded:
    """The real lane, and what was handed to it."""

    def __init__(self, lane: Transport) -> None:
        self._lane = lane
        self.messages: dict[str, bytes] = {}

    def enqueue(self, messages: Sequence[Message]) -> None:
        self.messages |= {message.recipient: message.data for message in messages}
        self._lane.enqueue(messages)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lane, name)


@pytest.fixture
def start_relay(inbox: Inbox, settings: Settings) -> Iterator[Callable[..., None]]:
    """Starts a relay that forwards to the inbox, `signing` with these OpenDKIM options or not at all."""
    with ExitStack() as running:

        def start(signing: dict[str, str] | None = None) -> None:
            try:
                milter = ""
                if signing is not None:
                    signer = OpenDkim(KEY, domain=DOMAIN, selector="relay", options=signing)
                    running.callback(signer.close)
                    signer.start()
                    milter = signer.url
                relay = Postfix(to=inbox.port, milter=milter)
                running.callback(relay.close)
                relay.start()
            except ServiceMissing as missing:
                pytest.fail(str(missing), pytrace=False)
            settings.EMAIL_HOST, settings.EMAIL_PORT, settings.DIGEST_TRANSPORT = "127.0.0.1", relay.port, "smtp"

        yield start


def send_digests() -> dict[str, bytes]:
    """An edition goes to two readers, one of whom wants text only; what left the house, by address."""
    papers = [assign(make_paper(title=title, score_daily=9 - rank), "vision") for rank, title in enumerate(TITLES)]
    make_edition(papers=papers, state=Edition.State.FROZEN)
    make_reader("alice@example.net", follows=("vision",))
    make_reader("bob@example.net", follows=("vision",), mail_format="text")
    planning.plan_due(now=NOON)
    at = NOON + timedelta(minutes=30)
    lane = Recorded(open_transport())
    run = delivery.deliver(transport=lane, deadline=at + timedelta(minutes=4), clock=lambda: at)
    assert run.sent == 2
    assert set(Delivery.objects.values_list("state", flat=True)) == {Delivery.State.SENT}
    return lane.messages


def signed_names(letter: Letter) -> list[str]:
    signature = letter.parsed.get_all("DKIM-Signature")[0]
    return re.sub(r"\s", "", re.search(r"\bh=([^;]+)", signature)[1]).lower().split(":")


def verifies(raw: bytes, *, selector: str) -> bool:
    def public_key(name: bytes, timeout: int = 5) -> bytes:
        assert name == f"{selector}._domainkey.{DOMAIN}.".encode()
        return b"v=DKIM1; k=rsa; p=" + PUBLIC

    return bool(dkim.verify(raw, dnsfunc=public_key))


def assert_signed_and_unchanged(letter: Letter, sent: bytes, *, selector: str) -> None:
    assert letter.raw.endswith(sent), "the relay changed the message"
    assert verifies(letter.raw, selector=selector)
    assert not verifies(letter.raw.replace(b"vision", b"fusion"), selector=selector)
    assert not verifies(letter.raw.replace(b"One-Click", b"Two-Clock"), selector=selector)
    names = signed_names(letter)
    held = {name.lower() for name in letter.parsed}
    assert held >= ONE_CLICK
    assert (held & set(SIGNED)) - set(names) == set()
    assert {name for name in OVERSIGNED if names.count(name) < 2} == set()


def test_a_relay_that_signs_covers_one_click_and_changes_nothing(
    start_relay: Callable[..., None], inbox: Inbox
) -> None:
    start_relay({"SignHeaders": SIGN_HEADERS, "OversignHeaders": OVERSIGN_HEADERS})
    sent = send_digests()
    for letter in inbox.wait_for(2):
        assert_signed_and_unchanged(letter, sent[letter.rcpt_to], selector="relay")
        assert re.fullmatch(rf"b\+[0-9a-f]+\.[0-9a-f]+@{re.escape(DOMAIN)}", letter.mail_from)


def test_our_own_signature_survives_a_relay_that_does_not_sign(
    start_relay: Callable[..., None], inbox: Inbox, settings: Settings, tmp_path: Path
) -> None:
    key_file = tmp_path / "dkim.pem"
    key_file.write_bytes(pem(KEY))
    settings.DKIM_KEY_FILE, settings.DKIM_SELECTOR, settings.DKIM_DOMAIN = str(key_file), "own", DOMAIN
    start_relay()
    sent = send_digests()
    for letter in inbox.wait_for(2):
        assert_signed_and_unchanged(letter, sent[letter.rcpt_to], selector="own")


def test_opendkim_left_alone_does_not_cover_one_click(start_relay: Callable[..., None], inbox: Inbox) -> None:
    start_relay({})
    send_digests()
    letter = inbox.wait_for(2)[0]
    assert verifies(letter.raw, selector="relay")
    assert "list-unsubscribe-post" not in signed_names(letter)


def test_a_confirmation_is_signed_by_the_relay_too(
    start_relay: Callable[..., None], inbox: Inbox, settings: Settings
) -> None:
    start_relay({"SignHeaders": SIGN_HEADERS, "OversignHeaders": OVERSIGN_HEADERS})
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    reader = make_reader("bob@example.net", state="pending", confirmed_at=None, next_due_at=None)
    asked = reader.consent_events.create(kind="requested", at=NOON, method="page")
    transactional_mails.owe_notice(reader, kind=Notice.Kind.CONFIRM, now=NOON, context={"request": asked.pk})
    assert transactional_mails.send_due_notices(now=NOON) == 1
    (letter,) = inbox.wait_for(1)
    assert letter.raw.isascii(), "8-bit text may be converted on its way, and its signature breaks"
    assert verifies(letter.raw, selector="relay")
    assert set(signed_names(letter)) >= {"message-id", "content-type", "auto-submitted"}
