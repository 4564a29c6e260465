"""Naming, changing and removing interests on pages without scripts; who has one sees nothing of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from newsletter.models import LibraryEntry, Verdict
from newsletter.search.standing_queries import follow_key
from subscriptions import token_links
from subscriptions.models import Follow, Interest, Subscriber
from subscriptions.preferences import preferences_of
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
    shown = client.get(page + "queries/").content.decode()
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


OLD = timedelta(hours=25)


def behind_an_old_link(client: Client, page: Callable[[], str], data: dict[str, Any]) -> tuple[str, str]:
    """Post the form when the link is too old; what the preferences and the page say behind the new link."""
    with time_machine.travel(timezone.now() - OLD, tick=False):
        old = page()
    answer = client.post(old, data)
    assert answer["Location"] == "/subscribe/sent/?about=kept"
    assert client.get(old).status_code == 410
    preferences = f"/preferences/{token_links.manage_token(Subscriber.objects.get(), now=timezone.now())}/"
    told = client.get(preferences).content.decode()
    link = re.search(r'<a href="([^"]*)">Go back to what you had filled in</a>', told)
    assert link
    return link[1], client.get(link[1]).content.decode()


@pytest.mark.parametrize(
    ("which", "data", "shown"),
    [
        (None, {"action": "add", "first": "thesis & co", "name": "teaching"}, ['value="thesis &amp; co"', "teaching"]),
        (1, {"name": "lectures", "share": "45", "unit": "papers", "place": "1"}, ["lectures", 'value="45"']),
        (1, {"action": "follow", "q": 'author:"A. Čech"'}, ['value="author:&quot;A. Čech&quot;"']),
    ],
)
def test_what_was_typed_behind_an_old_link_waits_on_its_page(
    client: Client, alice: Subscriber, which: int | None, data: dict[str, Any], shown: list[str]
) -> None:
    row = divide(client, alice)[which] if which is not None else None
    before = preferences_of(alice)
    page, text = behind_an_old_link(client, lambda: page_of(alice, row), data)
    assert "Your changes are not saved yet." in text
    assert all(one in text for one in shown)
    assert preferences_of(alice) == before
    client.post(page, data)
    assert preferences_of(alice) != before
    assert "not saved yet" not in client.get(page_of(alice)).content.decode()
    assert "not saved yet" not in client.get(page).content.decode()


@pytest.mark.parametrize(
    "data",
    [
        {"action": "add", "references": "2401.00001\n10.1000/5"},
        {"action": "add", "file": SimpleUploadedFile("my.bib", b"@misc{a,\n title={Whale song}}")},
        {"action": "zotero", "library": "4711", "key": "secret"},
        {"action": "orcid", "orcid": "0000-0002-1825-0097"},
        {"action": "note", "entry": "1", "note": "Read\nagain"},
        {"action": "submit", "link": "arxiv.org/abs/2401.00001"},
    ],
)
def test_what_was_typed_on_the_pages_of_papers_waits_there_without_the_key(
    client: Client, alice: Subscriber, settings: Any, data: dict[str, Any]
) -> None:
    settings.SOURCES = ["arxiv_query"]

    def page() -> str:
        name = "reader_papers" if data["action"] == "submit" else "library"
        return reverse(f"newsletter:{name}", args=[token_links.manage_token(alice, now=timezone.now())])

    path, text = behind_an_old_link(client, page, data)
    if "file" in data:
        wanted = "@misc{a,\n title={Whale song}}"
    else:
        wanted = next(value for name, value in data.items() if name not in {"action", "entry"})
    assert wanted in unescape(text)
    assert "secret" not in str(alice.notices.get().context)
    assert not alice.library.exists()
    client.post(path, {"action": data["action"], "link": "x"})
    assert "not saved yet" not in client.get(path).content.decode()


def test_a_list_too_long_to_be_kept_is_given_back_on_the_spot(client: Client, alice: Subscriber) -> None:
    with time_machine.travel(timezone.now() - OLD, tick=False):
        old = f"/r/{token_links.manage_token(alice, now=timezone.now())}/library/"
    long = "2401.00001\n" * 100_000
    answer = client.post(old, {"action": "add", "references": long})
    assert answer.status_code == 410
    assert long.strip() in answer.content.decode()
    assert not alice.notices.exists()
