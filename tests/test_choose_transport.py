"""From the settings to the wire: which relays carry the digests, and whether we sign them ourselves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import dkim
import pytest
from django.core.exceptions import ImproperlyConfigured

from newsletter import delivery, planning
from newsletter.delivery.choose_transport import open_transport, signer
from newsletter.delivery.transports.django_backend import BackendTransport
from newsletter.delivery.transports.relay_pool import RelayPool
from newsletter.delivery.transports.smtp_transport import SmtpTransport
from newsletter.models import Delivery, Edition
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.sinks.scripted import ScriptedServer
from tests.test_dkim import KEY, PUBLIC, pem

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db


def deliver_to(readers: int) -> None:
    make_edition(papers=[assign(make_paper(), "vision")], state=Edition.State.FROZEN)
    for _ in range(readers):
        make_reader(follows=("vision",))
    planning.plan_due(now=NOON)
    later = NOON + timedelta(minutes=30)
    delivery.deliver(transport=open_transport(), deadline=later + timedelta(minutes=4), clock=lambda: later)


@pytest.mark.parametrize(
    ("transport", "relays", "kind"),
    [
        ("smtp", [], SmtpTransport),
        ("smtp", ["smtp://127.0.0.1:2526"], SmtpTransport),
        ("smtp", ["smtp://127.0.0.1:2526?weight=3", "smtp://127.0.0.1:2527"], RelayPool),
        ("backend", [], BackendTransport),
    ],
)
def test_the_settings_choose_the_transport(
    settings: SettingsWrapper, transport: str, relays: list[str], kind: type
) -> None:
    settings.DIGEST_TRANSPORT, settings.DIGEST_RELAYS = transport, relays
    opened = open_transport()
    opened.close()
    assert type(opened) is kind


def test_a_relay_that_makes_no_sense_is_named_by_its_setting(settings: SettingsWrapper) -> None:
    settings.DIGEST_RELAYS = ["https://mail.example.org"]
    with pytest.raises(ImproperlyConfigured, match="DIGEST_RELAYS: A relay must look like"):
        open_transport()


def test_a_password_that_would_travel_in_the_clear_stops_the_sending(settings: SettingsWrapper) -> None:
    settings.EMAIL_HOST, settings.EMAIL_HOST_USER, settings.EMAIL_USE_TLS = "mail.example.org", "paperboy", False
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL: The password for"):
        open_transport()


def test_two_relays_carry_one_run_between_them(settings: SettingsWrapper) -> None:
    with ScriptedServer() as one, ScriptedServer() as two:
        settings.DIGEST_RELAYS = [f"smtp://127.0.0.1:{server.port}" for server in (one, two)]
        deliver_to(12)
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}
    assert one.mails
    assert two.mails
    assert len({mail.recipient for mail in one.mails + two.mails}) == 12


def test_digests_are_signed_when_a_key_is_given(settings: SettingsWrapper, tmp_path: Path) -> None:
    key_file = tmp_path / "dkim.pem"
    key_file.write_bytes(pem(KEY))
    settings.DKIM_KEY_FILE, settings.DKIM_SELECTOR, settings.DKIM_DOMAIN = str(key_file), "p2026", "papers.example.org"
    with ScriptedServer() as server:
        settings.DIGEST_RELAYS = [f"smtp://127.0.0.1:{server.port}"]
        deliver_to(1)
    data = server.mails[0].data
    names = data.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b"").partition(b"h=")[2].partition(b";")[0].split(b":")
    assert dkim.verify(data, dnsfunc=lambda name, timeout=5: b"v=DKIM1; k=rsa; p=" + PUBLIC)
    assert {b"list-unsubscribe", b"list-unsubscribe-post"} <= set(names)


def test_without_a_key_nothing_is_signed() -> None:
    assert signer() is None


def test_a_key_that_cannot_be_read_stops_the_sending(settings: SettingsWrapper, tmp_path: Path) -> None:
    settings.DKIM_KEY_FILE = str(tmp_path / "missing.pem")
    with pytest.raises(ImproperlyConfigured, match="DKIM_KEY_FILE"):
        signer()
