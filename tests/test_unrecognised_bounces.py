"""Letters that no program can place: kept, counted, read by an operator, and done with what they say."""

from __future__ import annotations

import base64
import mailbox
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as site
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.urls import reverse

from newsletter import delivery
from newsletter.delivery.bounces import act_on_report, unrecognised
from newsletter.delivery.compose_message import bounce_address, message_id
from newsletter.models import Delivery, DeliveryEvent, DomainHold, Letter
from newsletter.monitoring.reader_history import history_of
from subscriptions import gdpr
from subscriptions.models import Subscriber, Suppression
from tests.builders import NOON, make_reader
from tests.test_admin import HOSTILE, member
from tests.test_feedback import sent

pytestmark = pytest.mark.django_db
State = Subscriber.State


def a_bounce(to: str = "someone@papers.example.org", *, returned: str = "", number: int = 1) -> bytes:
    return (
        f"From: MAILER-DAEMON@mx.example\r\nTo: {to}\r\nSubject: Undelivered\r\nMIME-Version: 1.0\r\n"
        f"Message-ID: <r{number}@mx.example>\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nNo such user.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        "Final-Recipient: rfc822; nobody@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 user unknown\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{returned}\r\n\r\n--b--\r\n"
    ).encode()


def a_complaint(returned: str) -> bytes:
    return (
        "From: fbl@provider.example\r\nTo: fbl@papers.example.org\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\n{returned}\r\nSubject: Your papers\r\n\r\nText\r\n\r\n--b--\r\n"
    ).encode()


A_PERSON = b"From: friend@example.net\r\nTo: hello@papers.example.org\r\nSubject: Nice digest\r\n\r\nThank you!\r\n"
AWAY = b"From: r@example.net\r\nSubject: Away\r\nAuto-Submitted: auto-replied\r\n\r\nBack on Monday.\r\n"


@pytest.fixture
def box(tmp_path: Path, settings: Any) -> mailbox.Maildir:
    settings.BOUNCE_MAILBOX_URL = f"maildir://{tmp_path / 'bounces'}"
    return mailbox.Maildir(tmp_path / "bounces", create=True)


def read(box: mailbox.Maildir, *contents: bytes) -> int:
    for content in contents:
        box.add(content)
    taken = act_on_report.read_mailbox(now=NOON)
    act_on_report.act_on_events(now=NOON)
    return taken


def test_a_bounce_that_cannot_be_tied_is_kept_and_counted(box: mailbox.Maildir) -> None:
    sent()
    assert unrecognised.waiting_letters() == (0, None)
    assert read(box, a_bounce()) == 0
    assert unrecognised.waiting_letters() == (1, NOON)
    letter = Letter.objects.get()
    assert (letter.why, letter.taken_for, letter.subject) == ("untied", "hard", "Undelivered")
    assert len(list(box)) == 1
    assert act_on_report.read_mailbox(now=NOON + timedelta(hours=1)) == 0
    assert Letter.objects.count() == 1


def test_a_letter_that_nobody_understands_is_kept_and_an_answer_from_a_machine_is_not(box: mailbox.Maildir) -> None:
    sent()
    assert read(box, A_PERSON, AWAY) == 0
    assert [letter.why for letter in Letter.objects.all()] == ["unread"]
    assert len(list(box)) == 2


def test_the_same_letter_twice_is_one(box: mailbox.Maildir) -> None:
    read(box, A_PERSON, A_PERSON)
    assert unrecognised.waiting_letters().number == 1


def test_a_letter_with_our_proof_is_done_and_gone(box: mailbox.Maildir) -> None:
    row = sent()[0]
    assert read(box, a_bounce(bounce_address(row.pk))) == 1
    assert not list(box)
    assert not Letter.objects.exists()
    assert Subscriber.objects.get().state == State.SUPPRESSED


@pytest.mark.parametrize("write", [a_complaint, lambda returned: a_bounce(returned=returned)])
def test_a_message_id_alone_waits_for_a_person_and_stands_in_the_history(write: Any, box: mailbox.Maildir) -> None:
    row = sent()[0]
    read(box, write(f"Message-ID: <{message_id(row.pk)}>"))
    assert Subscriber.objects.get().state == State.CONFIRMED
    assert not Suppression.objects.exists()
    letter = Letter.objects.get()
    assert (letter.why, letter.delivery) == ("unproven", row)
    assert any("by a Message-ID alone" in line.detail for line in history_of(row.subscriber))


FORGED = Path(__file__).parents[2] / "shared/cases/security/forged-complaint.eml"


@pytest.mark.parametrize("case", [FORGED] if FORGED.exists() else [])
def test_the_reported_forgery_suppresses_nobody(case: Path, box: mailbox.Maildir) -> None:
    row = sent()[0]
    forged = case.read_text().replace("MESSAGE_ID_OF_ANOTHER_READERS_DIGEST", message_id(row.pk))
    read(box, forged.encode())
    assert DeliveryEvent.objects.get().kind == "complained"
    assert Subscriber.objects.get().state == State.CONFIRMED
    assert not Suppression.objects.exists()


def test_a_flood_fills_the_mailbox_and_not_the_database(box: mailbox.Maildir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unrecognised, "KEPT_LETTERS", 2)
    read(box, *(a_bounce(number=number) for number in range(4)))
    assert Letter.objects.count() == 2
    assert len(list(box)) == 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"Subject: =?utf-8?q?caf=C3=A9?=\n\nx",
        b"Subject: =?nonsense?x?y?=\nFrom: \xff\xfe <a@b>\n\n\xff",
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n" * 3000,
    ],
)
def test_whatever_a_stranger_writes_can_be_kept_and_read(data: bytes) -> None:
    assert unrecognised.keep(data, why=Letter.Why.UNREAD, now=NOON)
    headers, text = unrecognised.readable(Letter.objects.get())
    assert f"{headers}{text}".encode()[:0] == b""


# --- the desk ---------------------------------------------------------------------------------------------------------


def a_letter(**over: Any) -> Letter:
    fields: dict[str, Any] = {
        "received_at": NOON,
        "fingerprint": f"f{Letter.objects.count()}",
        "subject": HOSTILE,
        "sender": HOSTILE,
        "why": Letter.Why.UNTIED,
        "data": f"Subject: {HOSTILE}\nTo: reader0@example.net\n\n{HOSTILE} {site.SITE_NAME}".encode(),
    }
    return Letter.objects.create(**fields | over)


def say(letter: Letter, verb: str, address: str = "", *, client: Any = None) -> str:
    client = client or member("Operators")
    url = reverse("admin:newsletter_letter_act", args=[letter.pk, verb])
    assert client.get(url).status_code == 200
    page = client.post(url, {"key": uuid.uuid4().hex, "address": address}, follow=True)
    return str(page.content.decode())


def test_an_operator_reads_a_letter_and_its_text_is_escaped() -> None:
    sent()
    letter, operator = a_letter(), member("Operators")
    page = operator.get(reverse("admin:newsletter_letter_change", args=[letter.pk])).content.decode()
    assert HOSTILE not in page
    assert "&lt;script&gt;alert(1)" in page
    assert operator.get(reverse("admin:newsletter_letter_changelist")).status_code == 200
    asked = operator.get(reverse("admin:newsletter_letter_act", args=[letter.pk, "hard"])).content.decode()
    assert 'value="reader0@example.net"' in asked


def test_only_those_who_see_readers_read_letters() -> None:
    letter = a_letter()
    for client in (member("Curators"),):
        for name, args in (("change", [letter.pk]), ("changelist", []), ("act", [letter.pk, "hard"])):
            assert client.get(reverse(f"admin:newsletter_letter_{name}", args=args)).status_code in {403, 404}


@pytest.mark.parametrize(
    ("verb", "state", "kind"),
    [
        ("hard", State.SUPPRESSED, "bounced"),
        ("complaint", State.SUPPRESSED, "complained"),
        ("leave", State.UNSUBSCRIBED, "unsubscribed"),
        ("soft", State.CONFIRMED, "soft"),
        ("nothing", State.CONFIRMED, None),
    ],
)
def test_what_a_person_says_is_done_once_and_bears_their_name(verb: str, state: str, kind: str | None) -> None:
    row = sent()[0]
    letter = a_letter()
    say(letter, verb, "Reader0@example.net")
    act_on_report.act_on_events(now=NOON)
    letter.refresh_from_db()
    assert Subscriber.objects.get().state == state
    assert (letter.judgement, letter.judged_by) == (verb, User.objects.get())
    assert LogEntry.objects.filter(object_id=str(letter.pk)).count() == 1
    assert [event.kind for event in row.events.all()] == ([kind] if kind else [])
    if kind:
        assert any(f"letter {letter.pk}, judged by operators-0" in line.detail for line in history_of(row.subscriber))
    assert unrecognised.waiting_letters().number == 0
    assert "already decided" in say(letter, "complaint", "reader0@example.net")


def test_a_letter_about_the_old_address_bars_the_old_one() -> None:
    row = sent()[0]
    old = row.address_hash
    Subscriber.objects.update(email="new@example.org", address_key="new@example.org", address_hash="new")
    say(a_letter(delivery=row, why=Letter.Why.UNPROVEN), "complaint")
    assert Subscriber.objects.get().state == State.CONFIRMED
    assert Suppression.objects.get().address_hash == old


@pytest.mark.parametrize(
    ("verb", "address", "says"),
    [
        ("hard", "", "Say which address"),
        ("hard", "stranger@example.net", "No reader has this address"),
        ("hard", "no address", "This is no mail address"),
        ("soft", "late@example.net", "No digest was ever sent"),
    ],
)
def test_a_word_that_cannot_be_followed_changes_nothing(verb: str, address: str, says: str) -> None:
    sent()
    make_reader("late@example.net")
    letter = a_letter()
    assert says in say(letter, verb, address)
    letter.refresh_from_db()
    assert letter.judged_at is None
    assert not Suppression.objects.exists()


def test_an_erased_reader_is_named_in_no_letter(box: mailbox.Maildir) -> None:
    row = sent()[0]
    reader = row.subscriber
    hidden = base64.b64encode(b"to reader0@example.net").decode()
    read(
        box,
        a_bounce(returned="To: Reader0@Example.net"),
        a_complaint(f"Message-ID: <{message_id(row.pk)}>\r\nTo: reader0@example.net"),
        a_bounce(number=3),  # about somebody else
        f"Subject: reader0@example.net\nContent-Transfer-Encoding: base64\n\n{hidden}\n".encode(),
    )
    assert Letter.objects.count() == 4
    gdpr.erase(reader, now=NOON, method="test")
    for letter in Letter.objects.all():
        stored = f"{bytes(letter.data)!r} {letter.sender} {letter.subject} {unrecognised.readable(letter)}".lower()
        assert "reader0" not in stored
        assert ("example.net" in stored) is ("r3@mx.example" in stored)


def test_judged_letters_are_forgotten_in_time_and_waiting_ones_are_not() -> None:
    a_letter()
    a_letter(judgement="nothing", judged_at=NOON)
    delivery.forget_details(now=NOON + timedelta(days=site.RETENTION_DELIVERY_DAYS))
    assert [letter.judged_at for letter in Letter.objects.all()] == [None]


@pytest.mark.parametrize(("verb", "state"), [("resume", State.CONFIRMED), ("believe", State.SUPPRESSED)])
def test_an_operator_decides_about_a_domain_on_hold(verb: str, state: str) -> None:
    rows = sent(6)
    for row in rows:
        DeliveryEvent.objects.create(delivery=row, kind="bounced", at=NOON, source="dsn", tied_by="verp")
    act_on_report.act_on_events(now=NOON)
    held, operator = DomainHold.objects.get(), member("Operators")
    page = operator.get(reverse("admin:newsletter_domainhold_changelist")).content.decode()
    assert "6 of 6 addresses at example.net failed" in page
    url = reverse("admin:newsletter_domainhold_act", args=[held.pk, verb])
    assert operator.get(url).status_code == 200
    operator.post(url, {"key": "k"})
    assert set(Subscriber.objects.values_list("state", flat=True)) == {state}
    assert not DomainHold.objects.in_force().exists()
    assert LogEntry.objects.get().user.username.startswith("operators")
    assert Delivery.objects.count() == 6
