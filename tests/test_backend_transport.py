"""Any Django mail backend as a transport: the same promises, and what providers' interfaces add."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core import mail as django_mail

from newsletter.delivery.transports import OutcomeKind, Phase
from newsletter.delivery.transports.django_backend import BackendTransport, rebuild
from tests.contract_transports import (  # noqa: F401  (certificate and tls are fixtures)
    TransportContract,
    certificate,
    make_message,
    send_all,
    tls,
)
from tests.sinks.scripted import ScriptedServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import SettingsWrapper

    from newsletter.delivery.transports import Transport


class TestDjangoBackend(TransportContract):
    @pytest.fixture(autouse=True)
    def _settings(self, settings: SettingsWrapper) -> None:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST = "127.0.0.1"
        self.settings = settings

    def open(
        self,
        port: int,
        *,
        connections: int = 2,
        security: str = "none",
        credentials: tuple[str, str] = ("", ""),
        timeout: float = 10,
    ) -> Transport:
        self.settings.EMAIL_PORT = port
        self.settings.EMAIL_USE_TLS = security == "starttls"
        self.settings.EMAIL_USE_SSL = security == "tls"
        self.settings.EMAIL_HOST_USER, self.settings.EMAIL_HOST_PASSWORD = credentials
        self.settings.EMAIL_TIMEOUT = timeout
        return BackendTransport(connections=connections)

    def test_it_greets_by_our_name_and_trusts_our_authority(
        self,
        certificate: tuple[Path, Path],  # noqa: F811
        tls: ssl.SSLContext,  # noqa: F811
    ) -> None:
        """Django's own would say `localhost` or the machine's name, and refuse a relay with a private certificate."""
        self.settings.EHLO_NAME, self.settings.EMAIL_CA_FILE = "mail.papers.example", str(certificate[0])
        with ScriptedServer(tls=tls) as server:
            transport = self.open(server.port, security="starttls")
            outcome = send_all(transport, [make_message(1)])[1]
            transport.close()
        assert outcome.kind == OutcomeKind.SENT
        assert {one for one in server.commands if "ehlo" in one.casefold()} == {"ehlo mail.papers.example"}


def test_a_message_keeps_its_headers_and_both_bodies() -> None:
    letter = rebuild(make_message(3))
    sent = letter.message()
    assert letter.from_email == "b+3@papers.example.org"
    assert letter.to == ["reader3@example.net"]
    assert sent["From"] == "Paperboy <digest@papers.example.org>"
    assert sent["Message-ID"] == "<3.x@papers.example.org>"
    assert sent["Date"] == "Wed, 18 Mar 2026 12:00:00 +0000"
    assert sent["List-Unsubscribe"] == "<https://papers.example.org/u/abc>"
    assert [part.get_content_type() for part in sent.walk()][1:] == ["text/plain", "text/html"]


def test_a_provider_gets_the_visible_sender_and_our_key() -> None:
    letter: Any = rebuild(make_message(3), is_provider=True)
    assert letter.from_email == "Paperboy <digest@papers.example.org>"
    assert letter.metadata == {"delivery": "3"}
    assert "From" not in letter.extra_headers


def test_locmem_receives_what_was_released(settings: SettingsWrapper) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    transport = BackendTransport(connections=1)
    outcome = send_all(transport, [make_message(1)])[1]
    transport.close()
    assert (outcome.kind, outcome.phase, outcome.code) == (OutcomeKind.SENT, Phase.API, 200)
    assert [letter.subject for letter in django_mail.outbox] == ["Papers 1"]


INACTIVE = (
    "You tried to send to recipient(s) that have been marked as inactive. "
    "Found inactive addresses: reader9@example.net. Inactive recipients have hard bounced."
)


class Provider(ThreadingHTTPServer):
    """A provider's HTTP interface on loopback, as Postmark's: answers as told and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ProviderHandler)
        self.status = 200
        self.answer: dict[str, Any] = {}
        self.asked: list[dict[str, Any]] = []


class ProviderHandler(BaseHTTPRequestHandler):
    server: Provider

    def do_POST(self) -> None:
        letter = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(letter)
        if not self.server.status:
            self.close_connection = True
            return
        answer = {"ErrorCode": 0, "Message": "OK", "MessageID": "abc-1", "To": letter["To"]} | self.server.answer
        body = json.dumps(answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def provider(settings: SettingsWrapper) -> Iterator[Provider]:
    server = Provider()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {
        "POSTMARK_SERVER_TOKEN": "token",
        "POSTMARK_API_URL": f"http://127.0.0.1:{server.server_port}/",
    }
    yield server
    server.shutdown()
    server.server_close()


def send_one() -> Any:
    transport = BackendTransport(connections=1)
    outcome = send_all(transport, [make_message(9)])[9]
    transport.close()
    return outcome


def test_a_provider_is_given_everything_and_its_own_id_is_kept(provider: Provider) -> None:
    outcome = send_one()
    assert (outcome.kind, outcome.phase, outcome.code) == (OutcomeKind.SENT, Phase.API, 200)
    assert "abc-1" in outcome.text
    (letter,) = provider.asked
    headers = {header["Name"]: header["Value"] for header in letter["Headers"]}
    assert letter["To"] == "reader9@example.net"
    assert letter["From"] == "Paperboy <digest@papers.example.org>"
    assert letter["Metadata"] == {"delivery": "9"}
    assert headers["Message-ID"] == "<9.x@papers.example.org>"
    assert headers["List-Unsubscribe"] == "<https://papers.example.org/u/abc>"
    assert letter["HtmlBody"].strip() == "<p>Hello</p>"


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (401, {"ErrorCode": 10, "Message": "bad token"}, OutcomeKind.INFRASTRUCTURE),
        (422, {"ErrorCode": 402, "Message": "malformed"}, OutcomeKind.REJECTED),
        (422, {"ErrorCode": 300, "Message": "Invalid 'To' address: 'reader9@example.net'."}, OutcomeKind.BOUNCED),
        (422, {"ErrorCode": 406, "Message": INACTIVE}, OutcomeKind.REJECTED),
        (429, {"ErrorCode": 429, "Message": "slow down"}, OutcomeKind.LIMITED),
        (500, {"ErrorCode": 500, "Message": "oops"}, OutcomeKind.UNKNOWN),
        (503, {"ErrorCode": 100, "Message": "maintenance"}, OutcomeKind.RETRY),
        (0, {}, OutcomeKind.UNKNOWN),  # hung up without an answer: it may have taken it
    ],
)
def test_a_providers_answer_is_classified(
    provider: Provider, status: int, answer: dict[str, Any], kind: OutcomeKind
) -> None:
    provider.status, provider.answer = status, answer
    outcome = send_one()
    assert outcome.kind is kind
    assert outcome.phase is Phase.API
    assert "reader9@" not in outcome.text


def test_a_provider_that_is_away_leaves_the_message_untouched(provider: Provider) -> None:
    provider.shutdown()
    provider.server_close()
    outcome = send_one()
    assert (outcome.kind, outcome.phase) == (OutcomeKind.INFRASTRUCTURE, Phase.CONNECT)


def test_a_message_that_cannot_be_built_is_refused_alone(settings: SettingsWrapper) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    transport = BackendTransport(connections=1)
    broken = make_message(1)
    broken = type(broken)(1, broken.sender, "not an address\n", broken.data)
    outcomes = send_all(transport, [broken, make_message(2)])
    transport.close()
    assert (outcomes[1].kind, outcomes[1].phase) == (OutcomeKind.REJECTED, Phase.COMPOSE)
    assert outcomes[2].kind is OutcomeKind.SENT
