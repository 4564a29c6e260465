"""`manage.py doctor` and `send_test`: what is wrong with an installation is said, each thing in a sentence."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from email.utils import parseaddr
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from newsletter import tasks
from newsletter.delivery.compose_message import delivery_of_bounce_address
from newsletter.monitoring import installation_checks as checks
from newsletter.monitoring.mail_checks import Finding, Level
from subscriptions.models import Suppression
from subscriptions.token_links import address_hash
from tests.inbox import Inbox
from tests.relay import new_key, pem
from tests.services import RedisServer, free_port
from tests.test_check_mail import DOMAIN, GOOD, NameServer

pytestmark = pytest.mark.django_db
ME = "operator@example.com"


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    out = StringIO()
    try:
        call_command(*arguments, stdout=out)
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{error}"
    return 0, out.getvalue()


def levels(found: Iterator[Finding]) -> list[Level]:
    return [finding.level for finding in found]


@pytest.fixture
def name_server(settings: Settings) -> Iterator[NameServer]:
    settings.DKIM_DOMAIN = DOMAIN
    with NameServer(GOOD) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def relay(settings: Settings, inbox: Inbox) -> Inbox:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", inbox.port
    return inbox


def test_a_test_mail_goes_by_each_way_out_with_sender_and_envelope_of_its_stream(
    relay: Inbox, settings: Settings
) -> None:
    code, said = run("send_test", ME)
    assert code == 0
    assert said.count("accepted (250 ") == 2
    digest, hello = relay.wait_for(2, address=ME)
    assert digest.parsed["From"] == settings.DIGEST_FROM_EMAIL
    assert delivery_of_bounce_address(digest.mail_from) == 0
    assert hello.parsed["From"] == settings.DEFAULT_FROM_EMAIL
    assert hello.mail_from == parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
    assert settings.VERSION in hello.parsed.get_content()


def test_a_test_mail_is_signed_where_mail_is(relay: Inbox, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "dkim.pem").write_bytes(pem(new_key()))
    settings.DKIM_KEY_FILE = str(tmp_path / "dkim.pem")
    assert run("send_test", ME)[0] == 0
    assert all(letter.parsed["DKIM-Signature"] for letter in relay.wait_for(2, address=ME))


def test_each_relay_of_the_digests_is_tried_and_a_dead_one_is_named(relay: Inbox, settings: Settings) -> None:
    dead = free_port()
    settings.DIGEST_RELAYS = [relay.url, f"smtp://127.0.0.1:{dead}"]
    code, said = run("send_test", ME)
    assert code == 1
    assert "1 of 3 test mails did not leave." in said
    assert f"problem  Relay: digests by 127.0.0.1:{dead}: infrastructure at connect" in said
    assert len(relay.wait_for(2, address=ME)) == 2


@pytest.mark.parametrize("transport", ["smtp", "backend"])
def test_a_relay_is_greeted_without_any_mail(transport: str, relay: Inbox, settings: Settings) -> None:
    settings.DIGEST_TRANSPORT = transport
    assert levels(checks.relays()) == [Level.OK, Level.OK]
    settings.EMAIL_PORT = free_port()
    assert levels(checks.relays()) == [Level.PROBLEM, Level.PROBLEM]
    assert relay.letters == []


def test_a_test_mail_keeps_to_a_rehearsal_and_to_the_suppression_list(relay: Inbox, settings: Settings) -> None:
    settings.MAIL_DRY_RUN_TO = ["other@example.com"]
    assert run("send_test", ME) == (1, run("doctor", "--to", ME)[1])
    assert "MAIL_DRY_RUN_TO" in run("send_test", ME)[1]
    settings.MAIL_DRY_RUN_TO = []
    now = timezone.now()
    Suppression.objects.create(address_hash=address_hash(ME), reason="admin", first_at=now, last_at=now)
    assert "suppression list" in run("send_test", ME)[1]
    assert "no mail address" in run("send_test", "operator")[1]
    assert relay.letters == []


def test_the_doctor_prints_a_line_a_finding_and_exits_1_for_what_must_be_mended(
    relay: Inbox, name_server: NameServer
) -> None:
    code, said = run("doctor", "--dns", name_server.address, "--selector", "r1", "--to", ME)
    assert code == 1
    assert said.splitlines()[0].startswith("ok       Versions: Paperboy ")
    assert "problem  Pipeline: The pipeline has never ticked" in said
    assert "ok       DKIM key r1: RSA, 2048 bits" in said
    assert len(relay.wait_for(2, address=ME)) == 2
    assert ME not in said


def test_the_doctor_speaks_json(relay: Inbox, name_server: NameServer) -> None:
    code, said = run("doctor", "--json", "--dns", name_server.address)
    found = json.loads(said.rpartition("]")[0] + "]")
    assert code == 1
    assert {finding["subject"] for finding in found} >= {"Versions", "Settings", "Database", "Broker", "Disk", "Relay"}
    assert {finding["level"] for finding in found} <= {"ok", "advice", "problem"}


def test_a_check_that_breaks_is_a_finding_and_the_others_go_on(relay: Inbox, settings: Settings) -> None:
    settings.DIGEST_RELAYS = ["smtp://me:secret-word@mail.example.org"]
    found = list(checks.check_installation(dns_server="no address"))
    said = {finding.subject: finding for finding in found}
    assert "could not be checked" in said["Relay"].text
    assert "could not be checked" in said["DNS"].text
    assert "secret-word" not in str(found)
    assert found[-1].subject == "Site"


def test_alarms_are_findings_until_they_clear() -> None:
    assert levels(checks.pipeline()) == [Level.PROBLEM]
    tasks.beat("tick", now=timezone.now())
    assert all("tick" not in finding.text for finding in checks.pipeline())


def test_a_mailbox_that_does_not_open_or_was_never_named_is_said(settings: Settings, tmp_path: Path) -> None:
    assert levels(checks.bounce_mailbox()) == [Level.ADVICE]
    settings.BOUNCE_MAILBOX_URL = f"maildir://{tmp_path}"
    assert levels(checks.bounce_mailbox()) == [Level.PROBLEM]
    for folder in ("new", "cur"):
        (tmp_path / folder).mkdir()
    assert levels(checks.bounce_mailbox()) == [Level.OK]


def test_a_rehearsal_and_debug_are_named_among_the_settings(settings: Settings) -> None:
    settings.DEBUG, settings.MAIL_DRY_RUN_TO = True, ["a@example.com"]
    assert [finding.text.split()[0] for finding in checks.configuration()][:2] == ["DEBUG", "MAIL_DRY_RUN_TO"]


class Redirecting(BaseHTTPRequestHandler):
    """A proxy that is well, but sends every POST elsewhere."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        self.send_response(301)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def redirecting() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Redirecting) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_proxy_that_redirects_leaving_is_found(settings: Settings, redirecting: str) -> None:
    settings.DEBUG, settings.SITE_URL = True, redirecting
    (finding,) = checks.site()
    assert finding.level is Level.PROBLEM
    assert "redirected (301)" in finding.text
    settings.SITE_URL = f"http://127.0.0.1:{free_port()}"
    (finding,) = checks.site()
    assert "does not answer" in finding.text


def test_missing_style_sheets_are_found(settings: Settings, redirecting: str, tmp_path: Path) -> None:
    settings.SITE_URL, settings.STATIC_ROOT = redirecting, tmp_path
    assert "collectstatic" in next(iter(checks.site())).text


@pytest.mark.services
def test_a_broker_that_evicts_or_is_away_is_found(redis_server: RedisServer, settings: Settings) -> None:
    settings.REDIS_URL = redis_server.url
    assert Level.PROBLEM not in levels(checks.broker())
    assert levels(checks.clock()) == [Level.OK]
    redis_server.client().config_set("maxmemory", "64mb")
    redis_server.client().config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert any("may evict" in finding.text for finding in checks.broker())
    finally:
        redis_server.client().config_set("maxmemory", "0")
        redis_server.client().config_set("maxmemory-policy", "noeviction")
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    assert [finding.level for finding in checks.broker()] == [Level.PROBLEM]
