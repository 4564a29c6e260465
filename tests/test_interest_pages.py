"""Naming, changing and removing interests on pages without scripts; who has one sees nothing of it."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from newsletter.models import LibraryEntry, Verdict
from newsletter.search.standing_queries import follow_key
from subscriptions import token_links
from subscriptions.models import Follow, Interest, Subscriber
from tests.builders import NOON, make_paper, make_reader, make_topic

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Subscriber:
    return make_reader("alice@lovelace.example", follows=("vision",))


def page_of(reader: Subscriber, interest: Interest | None = None) -> str:
    page = f"/preferences/{token_links.manage_token(reader, now=timezone.now())}/interests/"
    return f"{page}{interest.pk}/" if interest else page


def post(client: Client, page: str, **data: str) -> str:
    """The page that answers."""
    return client.post(page, data, follow=True).content.decode()


def divide(client: Client, reader: Subscriber) -> tuple[Interest, Interest]:
    post(client, page_of(reader), first="thesis", name="teaching")
    first, second = reader.interests.all()
    return first, second


def save(client: Client, reader: Subscriber, interest: Interest, **data: str) -> str:
    filled = {"action": "save", "name": interest.name, "unit": "percent", "place": "2", "is_on": "on"}
    return post(client, page_of(reader, interest), **(filled | data))


def test_a_reader_names_two_and_what_they_had_is_the_first(client: Client, alice: Subscriber) -> None:
    page = post(client, page_of(alice), first="  thesis ", name="teaching")
    assert "<h1" in page
    assert ">teaching</h1>" in page, "the page of the new one, to choose its topics"
    rows = alice.interests.values_list("name", "is_first", "is_on", "share", "position")
    assert list(rows) == [("thesis", True, True, None, 0), ("teaching", False, True, None, 1)]
    assert list(alice.preferences.values_list("topic__slug", flat=True)) == ["vision"]
    event = alice.consent_events.get(kind="changed")
    assert [one["name"] for one in event.detail["wishes"]["interests"]] == ["thesis", "teaching"]


def test_who_keeps_none_apart_sees_no_trace_of_the_word(client: Client, alice: Subscriber) -> None:
    page = client.get(page_of(alice).replace("interests/", "")).content.decode()
    assert "Keep subjects apart" in page
    assert "interest" not in page.replace("/interests/", "").lower()


def test_an_interest_gets_a_share_topics_and_queries_of_its_own(client: Client, alice: Subscriber) -> None:
    make_topic("robotics")
    _thesis, teaching = divide(client, alice)
    page = save(client, alice, teaching, share="40", place="1", **{"topic-robotics": "more", "topic-vision": "mute"})
    assert "Saved." in page
    teaching.refresh_from_db()
    assert (teaching.share, teaching.unit, teaching.position) == (40, "percent", 0)
    assert dict(teaching.topics.values_list("topic__slug", "stance")) == {"robotics": "more", "vision": "mute"}
    assert list(alice.preferences.values_list("topic__slug", "stance")) == [("vision", "follow")]
    page = post(client, page_of(alice, teaching), action="follow", q="lectures")
    assert "Saved: you follow this" in page
    assert alice.follows.get().interest == teaching
    assert "40 per cent of each digest." in client.get(page_of(alice)).content.decode()
    post(client, page_of(alice, teaching), action="unfollow", follow="lectures")
    assert not alice.follows.exists()


def test_a_query_followed_for_another_interest_moves_there(client: Client, alice: Subscriber) -> None:
    _thesis, teaching = divide(client, alice)
    alice.follows.create(text="lectures", key=follow_key("lectures"), stance="follow", at=NOON)
    post(client, page_of(alice, teaching), action="leave-out", q="lectures")
    row = Follow.objects.get()
    assert (row.interest, row.stance) == (teaching, "not")
    post(client, page_of(alice).replace("interests/", ""), action="follow", q="lectures")
    row = Follow.objects.get()
    assert (row.interest, row.stance) == (None, "follow")


def test_saving_the_preferences_leaves_the_other_interests_alone(client: Client, alice: Subscriber) -> None:
    _thesis, teaching = divide(client, alice)
    teaching.topics.create(topic=make_topic("vision"))
    alice.follows.create(text="lectures", key=follow_key("lectures"), at=NOON, interest=teaching)
    page = page_of(alice).replace("interests/", "")
    data = {"action": "save", "cadence": "weekly", "hour": "8", "time_zone": "UTC", "weekdays": "0"}
    data |= {"max_papers": "5", "thin_policy": "send", "mail_format": "html", "topic-vision": "mute"}
    assert "Saved." in post(client, page, **data)
    assert alice.preferences.get().stance == "mute"
    assert teaching.topics.get().stance == "follow"
    assert alice.follows.get().interest == teaching
    shown = client.get(page).content.decode()
    assert "are those of “thesis”" in shown
    assert "lectures" not in shown


def test_a_new_name_keeps_what_the_interest_has(client: Client, alice: Subscriber) -> None:
    thesis, teaching = divide(client, alice)
    Verdict.objects.create(subscriber=alice, paper=make_paper(), value=1, at=NOON, interest=teaching)
    save(client, alice, teaching, name="lectures")
    save(client, alice, thesis, name="Dissertation", place="1")
    assert list(alice.interests.values_list("pk", "name")) == [(thesis.pk, "Dissertation"), (teaching.pk, "lectures")]
    assert Verdict.objects.get().interest == teaching


def test_removing_the_last_other_leaves_nothing_apart_and_loses_no_paper(client: Client, alice: Subscriber) -> None:
    _thesis, teaching = divide(client, alice)
    teaching.topics.create(topic=make_topic("robotics"))
    alice.follows.create(text="lectures", key=follow_key("lectures"), at=NOON, interest=teaching)
    Verdict.objects.create(subscriber=alice, paper=make_paper(), value=1, at=NOON, interest=teaching)
    LibraryEntry.objects.create(
        subscriber=alice, identity="x", title="x", source="uploaded", at=NOON, interest=teaching
    )
    page = post(client, page_of(alice, teaching), action="remove")
    assert "Removed." in page
    assert not Interest.objects.exists()
    assert not Follow.objects.exists()
    assert Verdict.objects.get().interest is None
    assert LibraryEntry.objects.get().interest is None
    assert list(alice.preferences.values_list("topic__slug", flat=True)) == ["vision"]


def test_the_first_is_not_removed(client: Client, alice: Subscriber) -> None:
    thesis, _teaching = divide(client, alice)
    post(client, page_of(alice, thesis), action="remove")
    assert alice.interests.count() == 2


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"name": "THESIS"}, "Two have the same name. Choose another."),
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 61}, "at most 60 characters"),
        ({"share": "0"}, "greater than or equal to 1"),
        ({"share": "70"}, "The shares come to more than 100 per cent."),
        ({"unit": "pages"}, "Select a valid choice"),
        ({"topic-vision": "love"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_stored_is_told_and_nothing_changes(
    client: Client, alice: Subscriber, data: dict[str, str], sentence: str
) -> None:
    thesis, teaching = divide(client, alice)
    save(client, alice, thesis, share="60", place="1")
    before = list(Interest.objects.values())
    page = save(client, alice, teaching, **data)
    assert "Nothing was saved" in page
    assert sentence in page
    assert list(Interest.objects.values()) == before


def test_switching_the_last_one_off_is_refused(client: Client, alice: Subscriber) -> None:
    thesis, teaching = divide(client, alice)
    save(client, alice, thesis, is_on="", place="1")
    assert "Leave one switched on" in save(client, alice, teaching, is_on="")
    assert Interest.objects.filter(is_on=True).get() == teaching


def test_nobody_reaches_the_interests_of_another(client: Client, alice: Subscriber) -> None:
    _thesis, teaching = divide(client, alice)
    bob = make_reader("bob@example.net")
    response = client.post(page_of(bob, teaching), {"action": "remove"})
    assert response.status_code == 303
    assert alice.interests.count() == 2
    assert client.get("/preferences/stale/interests/").status_code == 410
    assert client.get(f"/preferences/stale/interests/{teaching.pk}/").status_code == 410


def test_eight_are_the_most(client: Client, alice: Subscriber) -> None:
    divide(client, alice)
    for number in range(9):
        post(client, page_of(alice), name=f"more {number}")
    assert alice.interests.count() == 8
    assert 'name="name"' not in client.get(page_of(alice)).content.decode()
