"""What every transport must do, whatever it is made of. A transport's tests inherit it and say how to open one."""

from __future__ import annotations

import email
import email.policy
import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from newsletter.delivery.transports import Message, Outcome, OutcomeKind, Phase
from tests.sinks.scripted import ScriptedServer

if TYPE_CHECKING:
    from pathlib import Path

    from newsletter.delivery.transports import Transport

TEXT = "First line\n.starts with a dot\n..two dots\n.\nafter a lone dot\n"


def make_message(key: int = 1, *, recipient: str = "", text: str = TEXT) -> Message:
    body = text.replace("\n", "\r\n").encode()
    data = (
        b"From: Paperboy <digest@papers.example.org>\r\nTo: alice@example.net\r\nSubject: Papers %d\r\n"
        b"Message-ID: <%d.x@papers.example.org>\r\nDate: Wed, 18 Mar 2026 12:00:00 +0000\r\n"
        b"List-Unsubscribe: <https://papers.example.org/u/abc>\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/alternative; boundary="=-cut"\r\n\r\n'
        b"--=-cut\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%b\r\n"
        b"--=-cut\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hello</p>\r\n--=-cut--\r\n"
    ) % (key, key, body)
    return Message(key, f"b+{key}@papers.example.org", recipient or f"reader{key}@example.net", data)


def send_all(transport: Transport, messages: list[Message], *, seconds: float = 15) -> dict[int, Outcome]:
    """Feed and release everything; every key must come back exactly once."""
    waiting = list(messages)
    outcomes: dict[int, Outcome] = {}
    deadline = time.monotonic() + seconds
    while len(outcomes) < len(messages):
        assert time.monotonic() < deadline, f"only {len(outcomes)} of {len(messages)} settled"
        room = transport.capacity()
        transport.enqueue(waiting[:room])
        del waiting[:room]
        turn = transport.poll(0.2)
        transport.release(turn.ready)
        for outcome in turn.outcomes:
            assert outcome.key not in outcomes, "settled twice"
            outcomes[outcome.key] = outcome
    return outcomes


def wait_ready(transport: Transport, count: int = 1, *, seconds: float = 10) -> list[int]:
    ready: list[int] = []
    deadline = time.monotonic() + seconds
    while len(ready) < count:
        assert time.monotonic() < deadline, f"only {ready} ready"
        turn = transport.poll(0.2)
        assert turn.outcomes == []
        ready += turn.ready
    return ready


def make_certificate(folder: Path, *, name: str = "localhost") -> tuple[Path, Path]:
    """A self-signed certificate for the loopback server, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


class TransportContract:
    """Tests that a transport inherits."""

    def open(
        self,
        port: int,
        *,
        connections: int = 2,
        security: str = "none",
        credentials: tuple[str, str] = ("", ""),
        timeout: float = 10,
    ) -> Transport:
        raise NotImplementedError

    @pytest.fixture
    def trusted(self, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))

    # Handing over

    def test_an_accepted_message_arrives_as_it_was_made(self) -> None:
        with ScriptedServer() as server:
            transport = self.open(server.port)
            outcomes = send_all(transport, [make_message(7)])
            transport.close()
        assert outcomes[7].kind is OutcomeKind.SENT
        assert outcomes[7].code in {200, 250}
        (mail,) = server.mails
        assert (mail.sender, mail.recipient) == ("b+7@papers.example.org", "reader7@example.net")
        parsed = email.message_from_bytes(mail.data, policy=email.policy.default)
        assert parsed["From"] == "Paperboy <digest@papers.example.org>"
        assert parsed["Subject"] == "Papers 7"
        assert parsed["Message-ID"] == "<7.x@papers.example.org>"
        assert parsed["List-Unsubscribe"] == "<https://papers.example.org/u/abc>"
        text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
        assert text is not None
        assert html is not None
        assert text.get_content().replace("\r\n", "\n").rstrip("\n") == TEXT.rstrip("\n")
        assert html.get_content().strip() == "<p>Hello</p>"

    def test_no_body_leaves_before_it_is_released(self) -> None:
        with ScriptedServer() as server:
            transport = self.open(server.port)
            transport.enqueue([make_message(1)])
            assert wait_ready(transport) == [1]
            assert transport.poll(0.3).outcomes == []
            assert server.mails == []
            transport.release([1])
            assert transport.poll(5).outcomes[0].kind is OutcomeKind.SENT
            transport.close()
        assert len(server.mails) == 1

    def test_no_more_bodies_wait_for_an_answer_than_there_are_connections(self) -> None:
        with ScriptedServer().on("DOT", delay=0.5) as server:
            transport = self.open(server.port, connections=2)
            transport.enqueue([make_message(key) for key in range(6)])
            ready = wait_ready(transport, 2)
            transport.release(ready)
            turn = transport.poll(0.2)
            assert turn.ready == []
            assert turn.outcomes == []
            transport.close()

    def test_many_messages_are_each_settled_once_and_each_arrive_once(self) -> None:
        with ScriptedServer() as server:
            transport = self.open(server.port, connections=4)
            outcomes = send_all(transport, [make_message(key) for key in range(100)])
            transport.close()
        assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.SENT}
        assert sorted(mail.recipient for mail in server.mails) == sorted(f"reader{n}@example.net" for n in range(100))

    def test_it_wants_no_more_than_a_few_messages_per_connection(self) -> None:
        with ScriptedServer() as server:
            transport = self.open(server.port, connections=2)
            room = transport.capacity()
            assert 2 <= room <= 16
            transport.enqueue([make_message(key) for key in range(room)])
            assert transport.capacity() == 0
            transport.release(wait_ready(transport, 2))
            transport.poll(5)
            assert transport.capacity() > 0
            transport.close()

    def test_a_server_without_pipelining_hears_one_command_at_a_time(self) -> None:
        with ScriptedServer(extensions=("8BITMIME",)) as server:
            server.on("RCPT", reply="550 5.1.1 no such user", match="reader3@")
            transport = self.open(server.port, connections=1)
            outcomes = send_all(transport, [make_message(key) for key in range(6)])
            transport.close()
        assert [outcomes[key].kind for key in range(6)] == [OutcomeKind.SENT] * 3 + [OutcomeKind.BOUNCED] + [
            OutcomeKind.SENT
        ] * 2
        assert server.early == []
        assert len(server.mails) == 5

    def test_a_slow_server_is_waited_for(self) -> None:
        with ScriptedServer().on("MAIL", delay=0.2).on("RCPT", delay=0.2).on("DOT", delay=0.4) as server:
            transport = self.open(server.port)
            assert send_all(transport, [make_message(1)])[1].kind is OutcomeKind.SENT
            transport.close()

    # Refusals

    @pytest.mark.parametrize(
        ("phase", "reply", "kind"),
        [
            ("MAIL", "451 4.3.0 try later", OutcomeKind.RETRY),
            ("RCPT", "450 4.7.1 greylisted", OutcomeKind.RETRY),
            ("DATA", "452 4.3.1 disk full", OutcomeKind.RETRY),
            ("DOT", "451 4.7.0 scanner busy", OutcomeKind.RETRY),
            ("DOT", "454 4.7.0 Throttling failure: maximum sending rate exceeded", OutcomeKind.LIMITED),
            ("DOT", "550 5.4.5 Daily user sending limit exceeded", OutcomeKind.LIMITED),
            ("RCPT", "450 4.7.1 too many messages for this recipient's domain", OutcomeKind.LIMITED),
            ("RCPT", "550 5.1.1 no such user", OutcomeKind.BOUNCED),
            ("RCPT", "552 5.2.2 mailbox full", OutcomeKind.RETRY),
            ("RCPT", "550 no such user", OutcomeKind.BOUNCED),
            ("MAIL", "550 5.7.1 not you", OutcomeKind.REJECTED),
            ("RCPT", "550 5.7.1 listed", OutcomeKind.REJECTED),
            ("DATA", "554 5.7.1 no", OutcomeKind.REJECTED),
            ("DOT", "550 5.7.1 spam", OutcomeKind.REJECTED),
            ("MAIL", "530 5.7.0 log in first", OutcomeKind.INFRASTRUCTURE),
        ],
    )
    def test_a_refused_message_is_classified_and_the_next_one_goes(
        self, phase: str, reply: str, kind: OutcomeKind
    ) -> None:
        with ScriptedServer().on(phase, reply=reply, times=1) as server:
            transport = self.open(server.port, connections=1)
            outcomes = send_all(transport, [make_message(key) for key in (1, 2, 3)])
            transport.close()
        code, _, text = reply.partition(" ")
        enhanced = text.split()[0] if text[0].isdigit() else ""
        assert outcomes[1].kind is kind
        assert (outcomes[1].phase, outcomes[1].code, outcomes[1].enhanced) == (phase.lower(), int(code), enhanced)
        assert outcomes[2].kind is outcomes[3].kind is OutcomeKind.SENT
        assert len(server.mails) == 2

    def test_a_refusal_in_several_lines_is_read_whole_and_names_nobody(self) -> None:
        reply = "550-5.1.1 <reader1@example.net> no such user\n550 5.1.1 ask postmaster@example.net"
        with ScriptedServer().on("RCPT", reply=reply) as server:
            transport = self.open(server.port)
            outcome = send_all(transport, [make_message(1)])[1]
            transport.close()
        assert outcome.kind is OutcomeKind.BOUNCED
        assert "example.net" not in outcome.text
        assert "ask" in outcome.text

    @pytest.mark.parametrize("reply", ["452 4.5.3 too many messages in this connection", "451 4.3.2 not now"])
    def test_a_limit_of_one_connection_costs_a_connection(self, reply: str) -> None:
        with ScriptedServer().on("MAIL", reply=reply, after=5) as server:
            transport = self.open(server.port, connections=2)
            outcomes = send_all(transport, [make_message(key) for key in range(30)])
            transport.close()
        assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.SENT}
        assert len(server.mails) == 30

    # Connections that die

    @pytest.mark.parametrize("drop", ["before", "reset"])
    @pytest.mark.parametrize("phase", ["MAIL", "RCPT", "DATA"])
    def test_a_connection_that_dies_before_the_body_costs_a_retry(self, phase: str, drop: str) -> None:
        with ScriptedServer().on(phase, drop=drop) as server:
            transport = self.open(server.port)
            outcome = send_all(transport, [make_message(1)])[1]
            transport.close()
        assert outcome.kind is OutcomeKind.RETRY
        assert outcome.phase in {Phase.MAIL, Phase.RCPT, Phase.DATA}
        assert server.mails == []

    @pytest.mark.parametrize("phase", ["BODY", "DOT"])
    def test_a_connection_that_dies_without_an_answer_to_the_body_leaves_a_doubt(self, phase: str) -> None:
        with ScriptedServer().on(phase, drop="before", times=1) as server:
            transport = self.open(server.port, connections=1)
            outcomes = send_all(transport, [make_message(key) for key in (1, 2, 3)])
            transport.close()
        assert (outcomes[1].kind, outcomes[1].phase) == (OutcomeKind.UNKNOWN, Phase.DOT)
        assert outcomes[2].kind is outcomes[3].kind is OutcomeKind.SENT
        assert len(server.mails) == 2

    def test_a_server_that_hangs_up_after_its_answer_has_answered(self) -> None:
        with ScriptedServer().on("DOT", drop="after") as server:
            transport = self.open(server.port, connections=1)
            outcomes = send_all(transport, [make_message(key) for key in range(4)])
            transport.close()
        assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.SENT}
        assert len(server.mails) == 4

    def test_a_server_that_never_answers_the_body_leaves_a_doubt(self) -> None:
        with ScriptedServer().on("DOT", delay=30, times=1) as server:
            transport = self.open(server.port, connections=1, timeout=0.4)
            outcome = send_all(transport, [make_message(1)])[1]
            transport.close()
        assert (outcome.kind, outcome.phase) == (OutcomeKind.UNKNOWN, Phase.DOT)

    def test_a_server_that_never_answers_an_envelope_costs_a_retry(self) -> None:
        with ScriptedServer().on("RCPT", delay=30) as server:
            transport = self.open(server.port, connections=1, timeout=0.4)
            outcome = send_all(transport, [make_message(1)])[1]
            transport.close()
        assert outcome.kind is OutcomeKind.RETRY
        assert server.mails == []

    def test_a_kept_connection_that_the_server_closed_costs_nothing(self) -> None:
        with ScriptedServer() as server:
            transport = self.open(server.port, connections=1)
            assert send_all(transport, [make_message(1)])[1].kind is OutcomeKind.SENT
            server.on("MAIL", drop="before", times=1)
            assert send_all(transport, [make_message(2)])[2].kind is OutcomeKind.SENT
            transport.close()
        assert server.connections == 2

    # No conversation at all

    def test_a_relay_that_is_down_leaves_the_messages_untouched(self) -> None:
        with ScriptedServer() as server:
            port = server.port
        transport = self.open(port)
        outcomes = send_all(transport, [make_message(key) for key in range(5)])
        transport.close()
        assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.INFRASTRUCTURE}
        assert {outcome.phase for outcome in outcomes.values()} == {Phase.CONNECT}

    def test_a_relay_that_comes_back_is_used_again(self) -> None:
        with ScriptedServer() as server:
            server.pause()
            transport = self.open(server.port)
            assert send_all(transport, [make_message(1)])[1].kind is OutcomeKind.INFRASTRUCTURE
            server.resume()
            assert send_all(transport, [make_message(1)])[1].kind is OutcomeKind.SENT
            transport.close()

    @pytest.mark.parametrize("reply", ["421 4.3.2 too many connections", "554 5.7.1 go away"])
    def test_an_unfriendly_greeting_leaves_the_message_untouched(self, reply: str) -> None:
        with ScriptedServer().on("CONNECT", reply=reply, drop="after") as server:
            transport = self.open(server.port)
            outcome = send_all(transport, [make_message(1)])[1]
            transport.close()
        assert (outcome.kind, outcome.phase) == (OutcomeKind.INFRASTRUCTURE, Phase.CONNECT)
        assert outcome.code == int(reply[:3])

    def test_a_wrong_password_leaves_the_message_untouched(self) -> None:
        with ScriptedServer(credentials=("paperboy", "right")) as server:
            transport = self.open(server.port, credentials=("paperboy", "wrong"))
            outcome = send_all(transport, [make_message(1)])[1]
            transport.close()
        assert (outcome.kind, outcome.phase, outcome.code) == (OutcomeKind.INFRASTRUCTURE, Phase.AUTH, 535)
        assert server.mails == []

    def test_a_certificate_nobody_vouches_for_gets_no_mail(self, tls: ssl.SSLContext) -> None:
        with ScriptedServer(tls=tls) as server:
            transport = self.open(server.port, security="starttls")
            outcome = send_all(transport, [make_message(1)])[1]
            transport.close()
        assert (outcome.kind, outcome.phase) == (OutcomeKind.INFRASTRUCTURE, Phase.TLS)
        assert server.mails == []

    def test_a_server_without_starttls_gets_no_mail_when_it_is_required(self) -> None:
        with ScriptedServer() as server:
            transport = self.open(server.port, security="starttls")
            outcome = send_all(transport, [make_message(1)])[1]
            transport.close()
        assert (outcome.kind, outcome.phase) == (OutcomeKind.INFRASTRUCTURE, Phase.TLS)
        assert server.mails == []

    @pytest.mark.usefixtures("trusted")
    @pytest.mark.parametrize("security", ["starttls", "tls"])
    def test_mail_goes_over_verified_tls_with_a_password(self, tls: ssl.SSLContext, security: str) -> None:
        server = ScriptedServer(tls=tls, implicit_tls=security == "tls", credentials=("paperboy", "right"))
        with server:
            transport = self.open(server.port, security=security, credentials=("paperboy", "right"))
            large = make_message(2, text="A long line of a long digest, sixty characters or thereabouts.\n" * 5000)
            outcomes = send_all(transport, [make_message(1), large, make_message(3)])
            transport.close()
        assert {outcome.kind for outcome in outcomes.values()} == {OutcomeKind.SENT}
        assert len(server.mails) == 3

    # Changing one's mind

    def test_a_withheld_message_is_never_sent_and_never_mentioned(self) -> None:
        with ScriptedServer() as server:
            transport = self.open(server.port, connections=2)
            transport.enqueue([make_message(key) for key in range(6)])
            ready = wait_ready(transport, 2)
            gone = {ready[0], 5}
            transport.withhold(gone)
            transport.release(ready[1:])
            outcomes: dict[int, Outcome] = {}
            deadline = time.monotonic() + 10
            while len(outcomes) < 4 and time.monotonic() < deadline:
                turn = transport.poll(0.2)
                transport.release(turn.ready)
                outcomes |= {outcome.key: outcome for outcome in turn.outcomes}
            assert transport.poll(0.2).outcomes == []
            transport.close()
        assert set(outcomes) == set(range(6)) - gone
        assert {mail.recipient for mail in server.mails} == {f"reader{key}@example.net" for key in outcomes}

    def test_draining_gives_back_what_was_not_released_and_ends_what_was(self) -> None:
        with ScriptedServer().on("DOT", delay=0.3) as server:
            transport = self.open(server.port, connections=2)
            transport.enqueue([make_message(key) for key in range(6)])
            ready = wait_ready(transport, 2)
            transport.release(ready[:1])
            given_back = transport.drain()
            assert sorted([*given_back, ready[0]]) == list(range(6))
            assert transport.capacity() == 0
            turn = transport.poll(5)
            assert [(outcome.key, outcome.kind) for outcome in turn.outcomes] == [(ready[0], OutcomeKind.SENT)]
            assert turn.ready == []
            transport.close()
        assert [mail.recipient for mail in server.mails] == [f"reader{ready[0]}@example.net"]

    def test_a_message_may_come_again_after_a_retry(self) -> None:
        with ScriptedServer().on("RCPT", reply="450 4.7.1 greylisted", times=1) as server:
            transport = self.open(server.port)
            message = make_message(1)
            assert send_all(transport, [message])[1].kind is OutcomeKind.RETRY
            assert send_all(transport, [message._replace()])[1].kind is OutcomeKind.SENT
            transport.close()
