"""Confirming an address: a press of a button, once, and only for the request it answers."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from newsletter.search.standing_queries import follow_key
from subscriptions import lifecycle, suppression, token_links
from subscriptions.lifecycle import Origin
from subscriptions.models import ConsentEvent, Notice, Subscriber, Suppression
from subscriptions.preferences import preferences_of
from subscriptions.transactional_mails import send_due_notices
from tests.builders import NOON, make_reader, make_topic

pytestmark = pytest.mark.django_db


def ask_and_open_mail(client: Client, email: str = "bob@example.net", **over: Any) -> str:
    """Sign up and return the path of the link in the mail that comes."""
    client.post("/subscribe/", {"email": email} | over)
    send_due_notices(now=timezone.now())
    return link_in(mail.outbox[-1].body)


def link_in(text: str) -> str:
    found = re.search(r"https://papers\.example\.org(/confirm/\S+)", text)
    assert found is not None
    return found[1]


def test_the_button_confirms_and_the_next_digest_has_a_time(client: Client) -> None:
    with time_machine.travel(NOON, tick=False):  # a Wednesday
        path = ask_and_open_mail(client, time_zone="Europe/Berlin", hour="7")
        answer = client.post(path)
    assert answer.status_code == 200
    assert "You are subscribed" in answer.content.decode()
    reader = Subscriber.objects.get()
    assert (reader.state, reader.confirmed_at) == ("confirmed", NOON)
    assert reader.next_due_at == datetime(2026, 3, 19, 6, tzinfo=UTC)
    assert "Thursday, 19 March, 07:00 (Europe/Berlin), the edition of 19 March" in answer.content.decode()
    assert "Your first digest arrives within minutes" in answer.content.decode()
    assert reader in Subscriber.objects.mailable()


def test_looking_at_the_link_changes_nothing(client: Client) -> None:
    path = ask_and_open_mail(client)
    before = (Subscriber.objects.values().get(), ConsentEvent.objects.count(), Notice.objects.count())
    for _ in range(3):  # test_links_of_a_mail does it fifty times
        assert client.get(path).status_code == 200
        assert client.head(path).status_code == 200
        client.options(path)
    assert (Subscriber.objects.values().get(), ConsentEvent.objects.count(), Notice.objects.count()) == before


def test_a_second_press_shows_success_and_has_no_second_effect(client: Client) -> None:
    path = ask_and_open_mail(client)
    client.post(path)
    first = Subscriber.objects.values().get()
    for press in (client.post, client.get):
        answer = press(path)
        assert answer.status_code == 200
        assert "You are subscribed" in answer.content.decode()
    assert Subscriber.objects.values().get() == first
    assert ConsentEvent.objects.filter(kind="confirmed").count() == 1


def test_an_old_link_is_refused_after_72_hours(client: Client) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        path = ask_and_open_mail(client)
        clock.shift(timedelta(hours=73))
        for press in (client.get, client.post):
            answer = press(path)
            assert answer.status_code == 410
            assert "/subscribe/" in answer.content.decode()
    assert Subscriber.objects.get().state == "pending"


@pytest.mark.parametrize("path", ["/confirm/junk/", "/confirm/1.0~AAAA/", "/confirm/é/"])
def test_junk_is_refused_without_an_error(client: Client, path: str) -> None:
    assert client.get(path).status_code == 410
    assert client.post(path).status_code == 410


def test_a_link_of_another_scope_does_not_confirm(client: Client) -> None:
    reader = make_reader(state="pending", confirmed_at=None, next_due_at=None)
    reader.consent_events.create(pk=reader.pk, kind="requested", at=timezone.now(), method="page")
    for token in (token_links.manage_token(reader, now=timezone.now()), reader.unsubscribe_token):
        assert client.post(f"/confirm/{token}/").status_code == 410
    reader.refresh_from_db()
    assert reader.state == "pending"


def test_a_link_cannot_bring_back_who_left_after_it_was_asked_for(client: Client) -> None:
    path = ask_and_open_mail(client)
    client.post(path)
    lifecycle.unsubscribe(Subscriber.objects.get(), now=timezone.now(), method="test", origin=Origin())
    assert client.get(path).status_code == 200  # a button, as for anybody
    assert client.post(path).status_code == 410
    assert Subscriber.objects.get().state == "unsubscribed"


def test_who_left_comes_back_by_a_fresh_confirmation(client: Client) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        client.post(ask_and_open_mail(client))
        lifecycle.unsubscribe(Subscriber.objects.get(), now=timezone.now(), method="test", origin=Origin())
        clock.shift(timedelta(hours=2))
        path = ask_and_open_mail(client)
        assert Subscriber.objects.get().state == "unsubscribed"  # nothing before the press
        client.post(path)
    reader = Subscriber.objects.get()
    assert (reader.state, reader.left_at) == ("confirmed", None)


def returning(client: Client, **over: Any) -> tuple[Subscriber, str]:
    """A reader who kept interests apart, left, and asked again with these fields; and the link they were sent."""
    reader = make_reader("bob@example.net", follows=("speech",))
    reader.preferences.create(topic=make_topic("robotics"), stance="mute")
    reader.preferences.create(topic=make_topic("security"), stance="more")
    for text, stance in (("whale", "follow"), ("shark", "not")):
        reader.follows.create(text=text, key=follow_key(text), stance=stance, at=NOON)
    reader.interests.create(name="thesis", is_first=True, share=60)
    teaching = reader.interests.create(name="teaching", position=1, is_on=False)
    teaching.topics.create(topic=make_topic("vision"), stance="more")
    reader.follows.create(text="lecture", key=follow_key("lecture"), interest=teaching, at=NOON)
    lifecycle.unsubscribe(reader, now=NOON, method="test", origin=Origin())
    return reader, ask_and_open_mail(client, **over)


def ticked(page: str) -> list[tuple[str, str]]:
    return re.findall(r'name="(topics|follows|interests)" value="([^"]*)"[^>]* checked', page)


@pytest.mark.parametrize("has_seen_page", [True, False])
def test_who_comes_back_has_their_interests_queries_and_topics_again(client: Client, has_seen_page: bool) -> None:
    reader, path = returning(client)
    before = preferences_of(reader)
    page = client.get(path).content.decode()
    assert "thesis" in page
    assert "teaching" in page
    assert "left out of your digests" in page
    shown = ticked(page)
    assert sorted(value for name, value in shown if name == "topics") == ["security", "speech"]
    seen: dict[str, Any] = {"topics_shown": "1", "cadence": "daily", "hour": "8", "time_zone": "UTC"}
    for name, value in shown:
        seen.setdefault(name, []).append(value)
    client.post(path, seen if has_seen_page else {})
    reader.refresh_from_db()
    assert reader.state == "confirmed"
    after = preferences_of(reader)
    assert after.interests == before.interests
    assert after.follows == before.follows
    assert after.stances == before.stances


def test_who_comes_back_may_ask_for_other_topics_and_leave_the_rest_behind(client: Client) -> None:
    reader, path = returning(client, topics=["vision"], follow="kelp")
    assert ticked(client.get(path).content.decode()) == [
        ("follows", "whale"), ("follows", "shark"), ("follows", "kelp"), ("interests", "1"), ("topics", "vision"),
    ]  # fmt: skip
    client.post(path, {"topics_shown": "1", "follows": ["kelp"], "topics": ["vision"]})
    reader.refresh_from_db()
    after = preferences_of(reader)
    assert (after.stances, after.follows, after.interests) == ({"vision": "follow"}, {"kelp": "follow"}, ())


def test_a_bounced_address_may_confirm_again_and_the_suppression_ends(client: Client) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        suppression.suppress(make_reader("bob@example.net"), reason="bounce", source="dsn", now=NOON)
        clock.shift(timedelta(days=1))
        client.post(ask_and_open_mail(client))
    assert Subscriber.objects.mailable().get().email == "bob@example.net"
    assert Suppression.objects.get().lifted_at is not None


def test_a_complaint_stands_until_an_operator_lifts_it_and_a_fresh_confirmation_follows(client: Client) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        old_path = ask_and_open_mail(client)
        client.post(old_path)
        clock.shift(timedelta(hours=2))
        suppression.suppress(Subscriber.objects.get(), reason="complaint", source="arf", now=timezone.now())
        mail.outbox.clear()
        client.post("/subscribe/", {"email": "bob@example.net"})
        send_due_notices(now=timezone.now())
        assert not mail.outbox  # not even the mail that asks
        clock.shift(timedelta(hours=2))
        suppression.lift(Suppression.objects.get(), now=timezone.now())
        assert client.post(old_path).status_code == 410
        assert not Subscriber.objects.mailable().exists()
        client.post(ask_and_open_mail(client))
    assert Subscriber.objects.mailable().exists()


def test_a_link_asked_for_before_the_complaint_confirms_nothing(client: Client) -> None:
    path = ask_and_open_mail(client)
    suppression.suppress(Subscriber.objects.get(), reason="complaint", source="arf", now=timezone.now())
    assert client.post(path).status_code == 410
    assert Subscriber.objects.get().state == "suppressed"


def test_who_came_by_the_banner_chooses_topics_while_confirming(client: Client) -> None:
    make_topic("vision")
    path = ask_and_open_mail(client)
    assert 'value="vision"' in client.get(path).content.decode()
    client.post(path, {"topics_shown": "1", "topics": ["vision"], "cadence": "weekly", "hour": "9", "time_zone": "UTC"})
    reader = Subscriber.objects.get()
    assert (reader.state, reader.cadence, reader.hour) == ("confirmed", "weekly", 9)
    assert [one.topic.slug for one in reader.preferences.all()] == ["vision"]


def test_the_page_shows_what_was_asked_and_lets_it_be_changed_right_there(client: Client) -> None:
    make_topic("vision")
    make_topic("robotics")
    path = ask_and_open_mail(client, topics=["robotics"], hour="3", cadence="monthly", time_zone="Asia/Tokyo")
    page = client.get(path).content.decode()
    assert re.search(r'value="robotics"[^>]* checked', page)
    assert not re.search(r'value="vision"[^>]* checked', page)
    for chosen in ("monthly", "3", "Asia/Tokyo"):
        assert f'<option value="{chosen}" selected>' in page
    client.post(path, {"topics_shown": "1", "topics": ["vision"], "cadence": "daily", "hour": "9", "time_zone": "UTC"})
    reader = Subscriber.objects.get()
    assert (reader.cadence, reader.hour, reader.time_zone) == ("daily", 9, "UTC")
    assert [one.topic.slug for one in reader.preferences.all()] == ["vision"]


def test_one_press_takes_what_was_asked(client: Client) -> None:
    make_topic("vision")
    path = ask_and_open_mail(client, topics=["vision"], hour="3")
    client.post(path)
    reader = Subscriber.objects.get()
    assert (reader.state, reader.hour) == ("confirmed", 3)
    assert [one.topic.slug for one in reader.preferences.all()] == ["vision"]


def test_what_cannot_be_is_said_and_nothing_is_confirmed(client: Client) -> None:
    path = ask_and_open_mail(client)
    page = client.post(path, {"topics_shown": "1", "cadence": "hourly", "hour": "25"}).content.decode()
    assert "<title>Error: " in page
    assert '<a href="#id_cadence">' in page
    assert '<a href="#id_hour">' in page
    assert Subscriber.objects.get().state == "pending"


def test_who_leaves_and_comes_back_within_the_hour_gets_the_mail(client: Client) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        client.post(ask_and_open_mail(client))
        reader = Subscriber.objects.get()
        lifecycle.unsubscribe(reader, now=NOON, method="test", origin=Origin())
        clock.shift(timedelta(minutes=11))
        client.post(ask_and_open_mail(client))
    reader.refresh_from_db()
    assert reader.state == "confirmed"


def test_the_page_of_a_secret_link_does_not_leak_it(client: Client) -> None:
    path = ask_and_open_mail(client)
    for answer in (client.get(path), client.post(path), client.get("/confirm/junk/")):
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["Cache-Control"] == "no-store"
        assert answer["X-Robots-Tag"] == "noindex"
        assert "script-src" in answer["Content-Security-Policy"]
        assert not answer.cookies


def test_confirming_needs_no_cookie() -> None:
    client = Client(enforce_csrf_checks=True)
    client.post(ask_and_open_mail(client))
    assert Subscriber.objects.get().state == "confirmed"
