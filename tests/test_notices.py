"""Confirmations and links by mail: built safely, sent once, retried kindly, owed until settled."""

import email
import email.policy
import smtplib
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as conf
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from newsletter import delivery
from subscriptions import suppression
from subscriptions.mail import build_message, clean_header
from subscriptions.models import Notice, Subscriber
from subscriptions.plain_text import columns
from subscriptions.tasks import BackgroundPublisher, send_notices, wake_sender
from subscriptions.transactional_mails import build_notice, owe_notice, retry_delay, send_due_notices
from tests.builders import NOON, make_reader
from tests.inbox import Inbox
from tests.sinks.scripted import ScriptedServer
from tests.test_dkim import KEY, is_valid, pem

pytestmark = pytest.mark.django_db

HOSTILE = [chr(code) for code in [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), 0xD800]]


def owe(reader: Subscriber, kind: str = "manage") -> Notice:
    context = {}
    if kind == "confirm":
        context["request"] = reader.consent_events.create(kind="requested", at=NOON, method="page").pk
    return owe_notice(reader, kind=Notice.Kind(kind), now=NOON, context=context)


def make_pending(address: str = "bob@example.net") -> Subscriber:
    return make_reader(address, state="pending", confirmed_at=None, next_due_at=None)


def parsed(message: Any) -> EmailMessage:
    raw = message.message().as_bytes(linesep="\r\n")
    return email.message_from_bytes(raw, policy=email.policy.default)


def message(**over: Any) -> Any:
    fields: dict[str, Any] = {
        "subject": "Hello",
        "text": "Hello.\n",
        "html": "<p>Hello.</p>\n",
        "sender": "Paperboy <hello@papers.example.org>",
        "recipient": "alice@example.net",
        "headers": {"Message-ID": "<1@papers.example.org>"},
    }
    return build_message(**(fields | over))


@pytest.mark.parametrize("language", [code for code, _name in conf.LANGUAGES])
@pytest.mark.parametrize("kind", Notice.Kind.values)
def test_the_text_of_every_notice_is_wrapped_at_72_columns(kind: str, language: str) -> None:
    reader = make_reader(language=language)
    why = {"why": "skip", "papers": 2, "cadence": "weekly", "edition": "2026-03-18", "to": "new@example.org"}
    asked = reader.consent_events.create(kind="requested", at=NOON, method="page").pk
    notice = owe_notice(reader, kind=Notice.Kind(kind), now=NOON, context={"request": asked} | why)

    text = str(build_notice(notice, now=NOON).body)

    assert [line for line in text.splitlines() if columns(line) > 72 and "http" not in line.split()[0]] == []
    assert text.count("\n\n") >= 2, "paragraphs stay apart"


# --- the message ----------------------------------------------------------------------------------------------------


def test_a_message_has_one_of_each_required_header_and_text_before_html() -> None:
    found = parsed(message())
    for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"):
        assert len(found.get_all(name, [])) == 1, name
    assert found.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in found.iter_parts()] == ["text/plain", "text/html"]


def test_without_html_it_is_text_alone() -> None:
    assert parsed(message(html="")).get_content_type() == "text/plain"


def test_a_message_id_is_made_of_our_domain_when_none_is_given() -> None:
    found = parsed(message(headers={}))
    assert found["Message-ID"].endswith(f"@{conf.MAIL_DOMAIN}>")
    assert len(f"Message-ID: {found['Message-ID']}") <= 78


def test_the_envelope_sender_can_differ_from_the_visible_one() -> None:
    built = message(envelope="b+1@bounce.example.org")
    assert built.from_email == "b+1@bounce.example.org"
    assert parsed(built)["From"] == "Paperboy <hello@papers.example.org>"


@pytest.mark.any_database
@pytest.mark.parametrize("char", HOSTILE, ids=[f"U+{ord(char):04X}" for char in HOSTILE])
def test_no_character_splits_a_header(char: str) -> None:
    subject = f"paper{char}{char}X-Evil: 1{char}Bcc: eve@example.net"
    built = message(subject=subject, headers={"X-Topic": subject, "Message-ID": "<1@papers.example.org>"})
    found = parsed(built)
    assert found["X-Evil"] is None
    assert found["Bcc"] is None
    assert char not in found["Subject"]
    assert found["Subject"].startswith("paper X-Evil")
    assert {"From", "To", "Date", "MIME-Version"} <= set(found.keys())
    assert "Hello." in found.get_body(("plain",)).get_content()  # type: ignore[union-attr]


@pytest.mark.any_database
@given(subject=st.text(max_size=300), body=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=2000))
def test_whatever_is_said_the_wire_is_seven_bit_with_short_lines(subject: str, body: str) -> None:
    built = message(subject=subject, text=body, html=f"<p>{body}</p>")
    raw = built.message().as_bytes(linesep="\r\n")
    assert raw.isascii()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    found = email.message_from_bytes(raw, policy=email.policy.default)
    assert found.get_content_type() == "multipart/alternative"
    plain = found.get_body(("plain",))
    assert plain is not None
    decoded = plain.get_payload(decode=True)
    assert isinstance(decoded, bytes)
    assert decoded.decode().splitlines() == body.splitlines()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        ("Plain English.\n", "7bit"),
        ("x" * 400, "quoted-printable"),
        ("C'est déjà l'été pour les articles de recherche.\n" * 5, "quoted-printable"),
        ("趋势论文\n" * 20, "base64"),
        ("Исследования\n" * 20, "base64"),
    ],
)
def test_each_part_is_encoded_the_shorter_way(body: str, encoding: str) -> None:
    plain = parsed(message(text=body)).get_body(("plain",))
    assert plain is not None
    assert plain["Content-Transfer-Encoding"] == encoding
    assert plain.get_content().splitlines() == body.splitlines()


@pytest.mark.parametrize("subject", ["日本語の論文" * 20, "مقالة 🧑‍🔬 paper", "e\u0301" * 60, "naïve ☕" * 10])
def test_words_of_any_script_survive_the_subject(subject: str) -> None:
    raw = message(subject=subject).message().as_bytes()
    head = raw.partition(b"\n\n")[0]
    assert all(len(line) <= 76 for line in head.splitlines() if b"=?utf-8?" in line)
    assert parsed(message(subject=subject))["Subject"] == clean_header(subject, 200)


def test_a_header_is_cut_at_its_limit() -> None:
    assert clean_header("a" * 300, 10) == "a" * 9 + "…"
    assert clean_header("a\t b\r\n c", 10) == "a b c"


# --- the notice -----------------------------------------------------------------------------------------------------


def test_a_confirmation_is_transactional_mail() -> None:
    found = parsed(build_notice(owe(make_pending(), "confirm"), now=NOON))
    assert found["From"].addresses[0].addr_spec in conf.DEFAULT_FROM_EMAIL
    assert conf.DEFAULT_FROM_EMAIL != conf.DIGEST_FROM_EMAIL
    assert [name for name in found if name.startswith("List-")] == ["List-Help"]
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["Reply-To"] == conf.REPLY_TO_EMAIL
    for kind in ("plain", "html"):
        part = found.get_body((kind,))
        assert part is not None
        assert "https://papers.example.org/confirm/" in part.get_content()
        assert conf.POSTAL_ADDRESS in part.get_content()


@pytest.mark.parametrize("kind", ["confirm", "already", "manage"])
def test_every_kind_of_notice_says_the_same_in_both_parts(kind: str) -> None:
    reader = make_pending() if kind == "confirm" else make_reader()
    found = parsed(build_notice(owe(reader, kind), now=NOON))
    links = []
    for part in ("plain", "html"):
        body = found.get_body((part,))
        assert body is not None
        text = body.get_content()
        links.append({word.strip('"<>') for word in text.replace('"', " ").split() if word.startswith("https://")})
        assert conf.POSTAL_ADDRESS in text
        assert "{{" not in text
        assert "{%" not in text
    assert links[0] == links[1]
    assert found["Subject"]


def test_a_notice_keeps_its_message_id() -> None:
    notice = owe(make_reader())
    ids = {build_notice(notice, now=NOON + timedelta(minutes=n)).extra_headers["Message-ID"] for n in range(3)}
    other = build_notice(owe(make_reader()), now=NOON).extra_headers["Message-ID"]
    assert len(ids) == 1
    assert other not in ids


# --- sending --------------------------------------------------------------------------------------------------------


def test_a_notice_is_sent_once() -> None:
    notice = owe(make_reader("alice@example.net"))
    assert send_due_notices(now=NOON) == 1
    assert send_due_notices(now=NOON) == 0
    notice.refresh_from_db()
    assert (notice.state, notice.attempts, notice.settled_at) == ("sent", 1, NOON)
    assert [message.to for message in mail.outbox] == [["alice@example.net"]]


def test_a_limit_and_a_deadline_bound_the_work() -> None:
    for _ in range(3):
        owe(make_reader())
    assert send_due_notices(now=NOON, limit=2) == 2
    assert send_due_notices(now=NOON, deadline=NOON) == 0  # passed
    assert send_due_notices(now=NOON) == 1


def test_not_before_its_time() -> None:
    owe(make_reader())
    assert send_due_notices(now=NOON - timedelta(seconds=1)) == 0


def test_a_sender_that_died_leaves_unknown_and_nothing_is_sent_again() -> None:
    notice = owe(make_reader())
    Notice.objects.update(state="sending", lease_until=NOON, attempts=1)
    assert send_due_notices(now=NOON) == 0  # the lease still holds
    send_due_notices(now=NOON + timedelta(seconds=1))
    notice.refresh_from_db()
    assert notice.state == "unknown"
    assert not mail.outbox


def test_after_unknown_the_reader_may_ask_again(client: Client) -> None:
    owe(make_pending("bob@example.net"), "confirm")
    Notice.objects.update(state="unknown")
    client.post("/subscribe/", {"email": "bob@example.net"})
    assert sorted(notice.state for notice in Notice.objects.all()) == ["queued", "unknown"]


@pytest.mark.parametrize("reason", ["complaint", "admin"])
def test_who_complained_gets_no_mail_of_any_kind(reason: str) -> None:
    reader = make_reader()
    notices = [owe(reader), owe(reader, "confirm")]
    suppression.suppress(reader, reason=reason, source="test", now=NOON)
    send_due_notices(now=NOON)
    assert not mail.outbox
    assert {Notice.objects.get(pk=notice.pk).state for notice in notices} == {"skipped"}


def test_a_notice_that_lost_its_sense_is_skipped() -> None:
    confirmed, left = make_reader(), make_reader(state="unsubscribed", next_due_at=None)
    notices = [owe(confirmed, "confirm"), owe(left, "already")]
    send_due_notices(now=NOON)
    assert not mail.outbox
    assert [Notice.objects.get(pk=one.pk).error for one in notices] == ["Confirmed meanwhile.", "Left meanwhile."]


def test_a_dry_run_mails_its_list_only(settings: Settings) -> None:
    settings.MAIL_DRY_RUN_TO = ["alice@example.net"]
    owe(make_reader("alice@example.net"))
    owe(make_reader("bob@example.net"))
    send_due_notices(now=NOON)
    assert [message.to for message in mail.outbox] == [["alice@example.net"]]


def test_a_notice_that_cannot_be_built_fails_alone() -> None:
    broken = owe_notice(make_pending(), kind=Notice.Kind.CONFIRM, now=NOON, context={})
    owe(make_reader("alice@example.net"))
    assert send_due_notices(now=NOON) == 2
    broken.refresh_from_db()
    assert (broken.state, broken.error) == ("failed", "Cannot be built: KeyError")
    assert [message.to for message in mail.outbox] == [["alice@example.net"]]


@pytest.fixture
def relay(settings: Settings, inbox: Inbox) -> Inbox:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", inbox.port, 5
    return inbox


def answer(inbox: Inbox, **replies: str) -> None:
    """Let the relay answer so to RCPT or DATA; "drop" ends the connection."""
    for command, reply in replies.items():

        async def scripted(server: Any, *args: Any, reply: str = reply) -> str:
            if reply == "drop":
                server.transport.abort()
            return reply

        setattr(inbox, f"handle_{command}", scripted)


def test_over_smtp_it_arrives_with_its_headers(relay: Inbox) -> None:
    owe(make_reader("alice@example.net"))
    send_due_notices(now=NOON)
    (letter,) = relay.to("alice@example.net")
    assert letter.raw.isascii()
    assert letter.parsed["Subject"] == "Your preferences at Paperboy"


def test_a_greylisted_notice_waits_and_arrives(relay: Inbox) -> None:
    notice = owe(make_reader())
    answer(relay, DATA="451 4.7.1 Greylisted, try later")
    send_due_notices(now=NOON)
    notice.refresh_from_db()
    assert (notice.state, notice.attempts) == ("queued", 1)
    assert timedelta(seconds=60) <= notice.not_before - NOON <= timedelta(seconds=120)
    assert "451" in notice.error
    del relay.handle_DATA  # type: ignore[attr-defined]
    send_due_notices(now=notice.not_before)
    notice.refresh_from_db()
    assert (notice.state, notice.attempts) == ("sent", 2)


def test_a_refused_notice_fails_and_keeps_no_address(relay: Inbox) -> None:
    notice = owe(make_reader("alice@example.net"))

    async def refuse(*args: Any) -> str:
        return "550 5.1.1 <alice@example.net> unknown"

    relay.handle_RCPT = refuse  # type: ignore[attr-defined]
    send_due_notices(now=NOON)
    notice.refresh_from_db()
    assert notice.state == "failed"
    assert "5.1.1" in notice.error
    assert "alice" not in notice.error


@pytest.mark.parametrize(
    ("refusal", "state"),
    [
        ("552 5.2.2 mailbox full", "queued"),
        ("550 5.7.0 too many emails per second", "queued"),
        ("550 4.2.1 come back", "queued"),
        ("530 5.7.0 authenticate first", "queued"),
        ("550 5.1.1 no such user", "failed"),
        ("550 5.2.1 account disabled", "failed"),
        ("550 5.7.1 listed at zen.example", "failed"),
    ],
)
def test_a_refusal_means_the_same_for_a_notice_as_for_a_digest(relay: Inbox, refusal: str, state: str) -> None:
    notice = owe(make_reader())
    answer(relay, RCPT=refusal)
    send_due_notices(now=NOON)
    notice.refresh_from_db()
    assert notice.state == state


def test_a_connection_lost_in_the_middle_is_unknown_and_the_next_notice_still_goes(relay: Inbox) -> None:
    first, second = owe(make_reader()), owe(make_reader("alice@example.net"))
    answer(relay, DATA="drop")
    send_due_notices(now=NOON, limit=1)
    del relay.handle_DATA  # type: ignore[attr-defined]
    send_due_notices(now=NOON)
    assert [Notice.objects.get(pk=one.pk).state for one in (first, second)] == ["unknown", "sent"]
    assert len(relay.letters) == 1


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("manner", ["before", "reset"])
def test_a_relay_that_hangs_up_before_the_letter_left_is_tried_again(
    settings: Settings, step: str, manner: str
) -> None:
    notices = [owe(make_reader()), owe(make_reader())]
    with ScriptedServer() as relay:
        relay.on(step, drop=manner, times=1)
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", relay.port, 5
        send_due_notices(now=NOON)
        assert [Notice.objects.get(pk=one.pk).state for one in notices] == ["queued", "sent"]
        send_due_notices(now=NOON + timedelta(minutes=3))
        assert Notice.objects.filter(state="sent").count() == len(relay.mails) == 2


def test_a_paused_stream_keeps_what_is_owed_until_it_is_resumed() -> None:
    notice = owe(make_reader())
    assert delivery.pause_stream(delivery.CONFIRM_STREAM, reason="look", now=NOON)
    assert send_due_notices(now=NOON) == 0
    assert not mail.outbox
    notice.refresh_from_db()
    assert (notice.state, notice.attempts) == ("queued", 0)
    assert delivery.resume_stream(delivery.CONFIRM_STREAM)
    assert send_due_notices(now=NOON) == 1


def test_a_confirmation_is_signed_as_digests_are(relay: Inbox, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "dkim.pem").write_bytes(pem(KEY))
    settings.DKIM_KEY_FILE = str(tmp_path / "dkim.pem")
    settings.DKIM_SELECTOR, settings.DKIM_DOMAIN = "p2026", "papers.example.org"
    owe(make_reader("alice@example.net", language="de"), kind="manage")
    send_due_notices(now=NOON)
    (letter,) = relay.to("alice@example.net")
    assert is_valid(letter.raw)
    assert letter.raw.startswith(b"DKIM-Signature: ")
    assert not is_valid(letter.raw.replace(b"\r\nSubject:", b"\r\nSubject: not"))


class Provider(BaseEmailBackend):
    """A provider's interface that answers with an HTTP status, as anymail tells of it."""

    def send_messages(self, email_messages: Any) -> int:
        error = RuntimeError("the provider says no")
        error.status_code = int(self.username)  # type: ignore[attr-defined]
        raise error

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.username = conf.EMAIL_HOST_USER


@pytest.mark.parametrize(
    ("status", "state"),
    [("429", "queued"), ("401", "queued"), ("503", "queued"), ("422", "failed"), ("502", "unknown")],
)
def test_a_provider_that_says_not_now_is_asked_again(status: str, state: str, settings: Settings) -> None:
    settings.EMAIL_BACKEND = f"{__name__}.Provider"
    settings.EMAIL_HOST_USER = status
    notice = owe(make_reader())
    send_due_notices(now=NOON)
    notice.refresh_from_db()
    assert notice.state == state


def test_a_relay_that_wants_our_login_first_costs_nobody_their_mail(relay: Inbox) -> None:
    notice = owe(make_reader())

    async def refuse(*args: Any) -> str:
        return "530 5.7.0 Authentication required"

    relay.handle_MAIL = refuse  # type: ignore[attr-defined]
    send_due_notices(now=NOON)
    notice.refresh_from_db()
    assert notice.state == "queued"


def test_with_the_relay_away_nothing_is_lost_and_no_attempt_burned(relay: Inbox, settings: Settings) -> None:
    notice = owe(make_reader())
    settings.EMAIL_PORT = 1
    assert send_due_notices(now=NOON) == 0
    notice.refresh_from_db()
    assert (notice.state, notice.attempts) == ("queued", 0)
    assert notice.not_before > NOON


def test_retries_double_up_to_an_hour() -> None:
    assert [retry_delay(n, chance=1.0).total_seconds() for n in (1, 2, 3)] == [120, 240, 480]
    assert retry_delay(20, chance=0.0) == timedelta(minutes=30)
    assert retry_delay(20, chance=1.0) == timedelta(hours=1)


def test_a_notice_is_given_up_when_it_is_no_help_any_more(relay: Inbox) -> None:
    notice = owe(make_reader())
    answer(relay, DATA="451 4.3.0 Not now")
    send_due_notices(now=NOON + timedelta(hours=25))
    notice.refresh_from_db()
    assert notice.state == "failed"


def test_the_task_sends_all_that_is_owed() -> None:
    for _ in range(3):
        owe_notice(make_reader(), kind=Notice.Kind.MANAGE, now=NOON, context={})
    assert send_notices() == 3
    assert len(mail.outbox) == 3


# --- waking the sender ----------------------------------------------------------------------------------------------


@pytest.fixture
def silent_broker() -> Iterator[int]:
    """A port that accepts and then never says a word."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


def milliseconds_of(act: Any, times: int = 20) -> float:
    start = time.perf_counter()
    for _ in range(times):
        act()
    return (time.perf_counter() - start) * 1000 / times


def test_ringing_without_a_broker_starts_nothing(settings: Settings) -> None:
    settings.REDIS_URL = ""
    before = threading.active_count()
    wake_sender()
    assert threading.active_count() == before


def test_ringing_never_waits_for_a_broker_that_hangs(settings: Settings, silent_broker: int) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{silent_broker}/0"
    assert milliseconds_of(wake_sender) < 2000, "it waited for the broker"


def test_a_signup_answers_at_once_with_the_broker_hung_or_gone(settings: Settings, silent_broker: int) -> None:
    for port in (silent_broker, 1):
        settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
        start = time.perf_counter()
        assert Client().post("/subscribe/", {"email": f"a{port}@example.net"}).status_code == 303
        assert time.perf_counter() - start < 4, "it waited for the broker's sockets"
    assert Notice.objects.filter(state="queued").count() == 2


def test_calls_during_a_publication_are_one_more_not_many() -> None:
    published: list[int] = []
    go, begun = threading.Event(), threading.Event()

    class Slow(BackgroundPublisher):
        rest_seconds = rest_seconds_after_failure = 0.02

        def _publish(self) -> None:
            published.append(1)
            begun.set()
            go.wait(5)
            if len(published) == 1:
                raise smtplib.SMTPException("a broker that fails must not end the thread")

    publisher = Slow()
    publisher.publish_soon()
    assert begun.wait(5)
    for _ in range(50):
        publisher.publish_soon()
    go.set()
    deadline = time.monotonic() + 5
    while len(published) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(published) == 2
