"""Leaving: one click, at once, from any mail program, and never by looking."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from subscriptions import gdpr, lifecycle, token_links
from subscriptions.models import ConsentEvent, Notice, Subscriber
from subscriptions.transactional_mails import send_due_notices
from tests.builders import NOON, make_reader

pytestmark = pytest.mark.django_db

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def path_of(reader: Subscriber) -> str:
    return f"/u/{reader.unsubscribe_token}"


def state_of(reader: Subscriber) -> str:
    reader.refresh_from_db()
    return reader.state


@pytest.mark.parametrize("content", ["form", "multipart"])
def test_one_click_leaves_without_redirect_cookie_or_session(content: str) -> None:
    reader = make_reader()
    client = Client(enforce_csrf_checks=True)
    if content == "form":
        answer = client.post(
            path_of(reader), "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded"
        )
    else:
        answer = client.post(path_of(reader), ONE_CLICK)
    assert answer.status_code == 200
    assert not answer.cookies
    assert state_of(reader) == "unsubscribed"
    assert reader.next_due_at is None
    assert reader not in Subscriber.objects.mailable()
    assert reader.consent_events.get().method == "one-click"


@pytest.mark.parametrize("ending", ["", "/"])
def test_both_spellings_of_the_address_answer_directly(client: Client, ending: str) -> None:
    reader = make_reader()
    assert client.get(path_of(reader) + ending).status_code == 200
    assert client.post(path_of(reader) + ending, ONE_CLICK).status_code == 200
    assert state_of(reader) == "unsubscribed"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"no boundary", "multipart/form-data"),
        (b"no boundary", "multipart/form-data; boundary="),
        (b"{}", "application/json"),
        (b"List-Unsubscribe=One-Click", "text/plain"),
        (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded; charset=iso-8859-1"),
        (b"&".join(b"%d=" % number for number in range(2000)), "application/x-www-form-urlencoded"),
        (b"reason=a%00b", "application/x-www-form-urlencoded"),
    ],
)
def test_leaving_works_whatever_a_mail_program_sends(client: Client, body: bytes, kind: str) -> None:
    reader = make_reader()
    assert client.post(path_of(reader), body, content_type=kind).status_code == 200
    assert state_of(reader) == "unsubscribed"


def test_looking_fifty_times_changes_nothing(client: Client) -> None:
    reader = make_reader()
    before = Subscriber.objects.values().get()
    for _ in range(50):
        assert client.get(path_of(reader)).status_code == 200
        assert client.head(path_of(reader)).status_code == 200
        assert client.options(path_of(reader)).status_code == 405
    assert Subscriber.objects.values().get() == before
    assert not ConsentEvent.objects.exists()
    assert not Notice.objects.exists()


def test_the_page_shows_a_button_and_the_button_leaves(client: Client) -> None:
    reader = make_reader()
    assert 'name="action" value="leave"' in client.get(path_of(reader)).content.decode()
    answer = client.post(path_of(reader), {"action": "leave", "reason": "too many mails"})
    assert "You are unsubscribed" in answer.content.decode()
    event = reader.consent_events.get()
    assert (event.method, event.detail["reason"]) == ("unsubscribe page", "too many mails")


def test_who_has_left_is_shown_the_way_back_and_no_other_topics(client: Client) -> None:
    path = path_of(make_reader())
    client.post(path, ONE_CLICK)
    page = client.get(path).content.decode()
    assert 'href="/subscribe/">Subscribe again' in page
    assert "Other topics" not in page


def test_leaving_twice_is_the_same_as_once(client: Client) -> None:
    reader = make_reader()
    pages = {client.post(path_of(reader), ONE_CLICK).content for _ in range(3)}
    assert len(pages) == 1
    assert reader.consent_events.count() == 1


@pytest.mark.parametrize("over", [{}, {"state": "paused", "next_due_at": None}])
def test_the_confirmed_and_the_paused_can_leave(client: Client, over: dict[str, Any]) -> None:
    reader = make_reader(**over)
    client.post(path_of(reader), ONE_CLICK)
    assert state_of(reader) == "unsubscribed"


def test_a_well_formed_token_nobody_has_gets_the_answers_of_a_real_one(client: Client) -> None:
    unknown, _hash = token_links.new_unsubscribe_token()
    reader = make_reader()
    for send in (client.get, lambda path: client.post(path, ONE_CLICK)):
        known, other = send(path_of(reader)), send(f"/u/{unknown}")
        assert (known.status_code, known.content) == (other.status_code, other.content)


def test_an_erased_readers_old_link_still_says_unsubscribed(client: Client) -> None:
    reader = make_reader()
    path = path_of(reader)
    gdpr.erase(reader, now=NOON, method="test")
    answer = client.post(path, ONE_CLICK)
    assert answer.status_code == 200
    assert "You are unsubscribed" in answer.content.decode()


@pytest.mark.parametrize("token", ["short", "x" * 23, "x" * 25, "%2e" * 8])
def test_what_cannot_be_a_token_is_not_found(client: Client, token: str) -> None:
    assert client.post(f"/u/{token}").status_code == 404


def test_the_link_never_expires(client: Client) -> None:
    reader = make_reader()
    with time_machine.travel(NOON + timedelta(days=3650), tick=False):
        client.post(path_of(reader), ONE_CLICK)
    assert state_of(reader) == "unsubscribed"


def test_a_slip_can_be_undone_for_ten_minutes_only(client: Client) -> None:
    reader = make_reader(cadence="weekly")
    with time_machine.travel(NOON, tick=False) as clock:
        client.post(path_of(reader), ONE_CLICK)
        clock.shift(timedelta(minutes=9))
        assert "Welcome back" in client.post(path_of(reader), {"action": "undo"}).content.decode()
        assert state_of(reader) == "confirmed"
        assert reader.next_due_at is not None
        client.post(path_of(reader), ONE_CLICK)
        clock.shift(timedelta(minutes=11))
        assert "Welcome back" not in client.post(path_of(reader), {"action": "undo"}).content.decode()
        assert state_of(reader) == "unsubscribed"
    assert [event.kind for event in reader.consent_events.all()] == ["unsubscribed", "resumed", "unsubscribed"]


def test_undoing_gives_a_paused_reader_their_pause_back(client: Client) -> None:
    reader = make_reader()
    with time_machine.travel(NOON, tick=False) as clock:
        until = NOON + timedelta(days=7)
        lifecycle.pause(reader, until=until, now=NOON, method="test", origin=lifecycle.Origin())
        client.post(path_of(reader), ONE_CLICK)
        clock.shift(timedelta(minutes=5))
        client.post(path_of(reader), {"action": "undo"})
        reader.refresh_from_db()
        assert (reader.state, reader.paused_until, reader.next_due_at) == ("paused", until, None)
        client.post(path_of(reader), ONE_CLICK)
        Subscriber.objects.update(paused_until=NOON)
        client.post(path_of(reader), {"action": "undo"})  # the pause is over meanwhile
        reader.refresh_from_db()
        assert (reader.state, reader.paused_until) == ("confirmed", None)
        assert reader.next_due_at is not None


def test_undo_brings_back_what_was_although_a_stranger_signed_the_address_up(client: Client) -> None:
    reader = make_reader(follows=("vision",), hour=7)
    with time_machine.travel(NOON, tick=False):
        client.post(path_of(reader), ONE_CLICK)
        client.post("/subscribe/", {"email": reader.email, "topics": ["robotics"], "hour": "3", "cadence": "monthly"})
        assert "Welcome back" in client.post(path_of(reader), {"action": "undo"}).content.decode()
    reader.refresh_from_db()
    assert (reader.state, reader.cadence, reader.hour) == ("confirmed", "daily", 7)
    assert [one.topic.slug for one in reader.preferences.all()] == ["vision"]


def test_undo_does_not_confirm_who_never_confirmed(client: Client) -> None:
    reader = make_reader(state="pending", confirmed_at=None, next_due_at=None)
    client.post(path_of(reader), ONE_CLICK)
    client.post(path_of(reader), {"action": "undo"})
    assert state_of(reader) == "unsubscribed"


def test_a_forwarded_digest_gives_no_preferences_only_a_mail_to_the_reader(client: Client) -> None:
    reader = make_reader("alice@example.net")
    answer = client.post(path_of(reader), {"action": "link"})
    assert answer["Location"] == "/subscribe/sent/?about=link"
    assert "preferences/" not in client.get(path_of(reader)).content.decode().replace('href="/preferences/"', "")
    send_due_notices(now=timezone.now())
    (message,) = mail.outbox
    assert message.to == ["alice@example.net"]
    assert "/preferences/" in message.body
    assert state_of(reader) == "confirmed"
    client.post(path_of(reader), {"action": "link"})
    assert Notice.objects.count() == 1  # one an hour


def test_asking_for_the_link_with_a_token_nobody_has_looks_the_same(client: Client) -> None:
    unknown, _hash = token_links.new_unsubscribe_token()
    reader = make_reader()
    known, other = (client.post(path, {"action": "link"}) for path in (path_of(reader), f"/u/{unknown}"))
    assert (known.status_code, known["Location"]) == (other.status_code, other["Location"])


def test_the_secret_of_the_link_does_not_leak(client: Client) -> None:
    reader = make_reader()
    for answer in (client.get(path_of(reader)), client.post(path_of(reader), ONE_CLICK)):
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Cache-Control"] == "no-store"
        assert answer["X-Robots-Tag"] == "noindex"
    assert reader.unsubscribe_token not in str(list(reader.consent_events.values()))
