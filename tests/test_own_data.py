"""A reader brings what they downloaded, here or on another site: every field comes back, or says why not."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.models import LibraryEntry, Paper, ProfileRemoval, Verdict
from newsletter.search.standing_queries import follow_key
from subscriptions import gdpr, own_data, token_links
from subscriptions.lifecycle import Origin
from subscriptions.models import CatchUp, Follow, Interest, InterestTopic, Subscriber, TopicPreference
from subscriptions.preferences import Preferences, preferences_of
from tests.builders import NOON, make_reader, make_topic
from tests.environment import examples
from tests.test_every_field import READER, ROWS
from tests.test_import_readers import tell_of_papers

pytestmark = pytest.mark.django_db

# Column of a reader that is no wish -> why a file does not bring it.
NOT_BROUGHT = {
    **dict.fromkeys(["id", "created_at"], "of the row"),
    **dict.fromkeys(["email", "address_key", "address_hash", "domain"], "whoever brings it has an address here"),
    **dict.fromkeys(["state", "confirmed_at", "left_at", "clicks_agreed_at"], "what was agreed to was agreed there"),
    **dict.fromkeys(["next_due_at", "next_on", "welcome_due_at", "paused_until"], "what this site owes the reader"),
    **dict.fromkeys(["unsubscribe_token", "unsubscribe_hash"], "the links of a site"),
}
OF_ROWS = {"id": "of the row", "subscriber": "who brings it", "interest": "compared by name"}
MODELS: list[type[Model]] = [
    TopicPreference, Follow, Interest, InterestTopic, LibraryEntry, Verdict, ProfileRemoval, CatchUp,
]  # fmt: skip


def my_data(reader: Subscriber) -> bytes:
    told = gdpr.export(reader, now=NOON, method="test", origin=Origin())
    return json.dumps(told, cls=DjangoJSONEncoder).encode()


def bring(reader: Subscriber, data: bytes) -> own_data.Brought:
    brought = own_data.bring(reader, data, now=NOON, method="test", origin=Origin())
    reader.refresh_from_db()
    return brought


def rows_of(model: type[Any], reader: Subscriber) -> list[dict[str, Any]]:
    owner = "interest__subscriber" if model is InterestTopic else "subscriber"
    names = [column.name for column in model._meta.concrete_fields if column.name not in OF_ROWS]
    names += ["interest__name"] if any(column.name == "interest" for column in model._meta.concrete_fields) else []
    return sorted(model.objects.filter(**{owner: reader}).values(*names), key=str)


def everything(reader: Subscriber) -> dict[str, Any]:
    wishes = {name: getattr(reader, name) for name in READER if name not in NOT_BROUGHT}
    return {"wishes": wishes, "all": preferences_of(reader), **{str(one): rows_of(one, reader) for one in MODELS}}


def full_reader() -> Subscriber:
    reader = make_reader(
        cadence="monthly", weekdays=0b1000001, hour=0, time_zone="Asia/Kathmandu", max_papers=7, thin_policy="hold",
        wants_outside=False, wants_news=False, wants_also=False, wants_reasons=True, mail_format="text", language="de",
    )  # fmt: skip
    reader.preferences.create(topic=make_topic("vision"), stance="mute", muted_from="more")
    reader.preferences.create(topic=make_topic("robotics"), stance="more")
    for query, stance in (('author:"Nora Quist"', "follow"), ("-image planners", "follow"), ("gripper", "not")):
        reader.follows.create(text=query, key=follow_key(query), stance=stance, at=NOON)
    reader.interests.create(name="Thèse, 2e partie", is_first=True, share=60, position=1)
    named = reader.interests.create(name='"Lehre": =1+1', position=0, is_on=False, share=3, unit="papers")
    named.topics.create(topic=make_topic("vision"), stance="mute", muted_from="follow")
    named.topics.create(topic=make_topic("speech-audio"), stance="more")
    reader.follows.create(text="lectures", key=follow_key("lectures"), at=NOON, interest=named)
    tell_of_papers(reader, interest=named)
    return reader


def test_every_column_and_row_of_a_reader_is_brought_or_says_why_not() -> None:
    assert {*NOT_BROUGHT, *Preferences().columns} == set(READER)
    assert set(NOT_BROUGHT).isdisjoint(Preferences().columns)
    hanging = {str(model._meta.model_name) for model in MODELS if model is not InterestTopic}
    assert hanging == set(ROWS), "test_every_field says why the others are not carried"
    assert {*own_data.TABLES, "topicpreference", "follow", "interest"} == hanging


def test_what_was_downloaded_and_brought_is_all_there_again_and_nothing_twice() -> None:
    reader, other = full_reader(), make_reader(follows=("nlp",))
    other.follows.create(text="cats", key=follow_key("cats"), at=NOON)
    brought = bring(other, my_data(reader))
    assert brought.left_out == []
    assert brought.added == {"library": 3, "verdicts": 2, "removals": 4, "catch_ups": 1}
    assert everything(other) == everything(reader)
    for name in (one.name for one in fields(Preferences)):
        assert getattr(preferences_of(other), name) != getattr(Preferences(), name), f"{name} is put to the test"
    events = other.consent_events.count()
    again = bring(other, my_data(other))
    assert (again.left_out, set(again.added.values())) == ([], {0})
    assert everything(other) == everything(reader)
    assert list(other.consent_events.values_list("kind", flat=True)[events:]) == ["exported"]


def test_a_site_that_lacks_a_topic_and_the_papers_says_so_and_takes_the_rest() -> None:
    reader, other = full_reader(), make_reader()
    data = my_data(reader)
    Paper.objects.all().delete()
    make_topic("robotics").delete()
    brought = bring(other, data)
    assert sorted(brought.left_out) == [
        "3 verdicts and removals name papers that this site does not have.",
        "This site has no topic “Robotics & autonomous driving”.",
    ]
    assert other.library.count() == 3
    assert preferences_of(other).stances == {"vision": "mute"}
    assert len(preferences_of(other).interests) == 2


def test_what_was_here_stays_where_the_file_says_nothing() -> None:
    reader = full_reader()
    before = everything(reader)
    bring(reader, b'{"subscriber": {"hour": 5}}')
    assert reader.hour == 5
    before["wishes"]["hour"] = 5
    assert everything(reader) | {"all": 0} == before | {"all": 0}


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"subscriber": {"hour": 99}}, "“hour” cannot be read"),
        ({"subscriber": {"language": "d\0"}}, "“language” cannot be read"),
        ({"topicpreference": [{"slug": "vision", "stance": "love"}]}, "no topic “vision”"),
        ({"follow": [{"text": "author:", "stance": "follow"}]}, "“author:” cannot be followed"),
        ({"follow": [{"text": "a\0b", "stance": "follow"}]}, "cannot be followed"),
        ({"follow": [{"text": "word " * 80, "stance": "follow"}]}, "cannot be followed"),
        ({"follow": [{"text": f"w{n}", "stance": "follow"} for n in range(101)]}, "“w100” cannot be followed"),
        ({"interest": [{"name": "one", "is_first": True}]}, "Name two at least"),
        ({"interest": [{"name": [], "is_first": 1}, {"name": {}, "share": "x"}]}, "not kept apart"),
        ({"libraryentry": [{"title": "Of nobody"}, {"arxiv_id": "<>"}, 3]}, "2 entries of “libraryentry”"),
        ({"verdict": [{"paper": "x", "value": 7, "at": "2026-03-01T00:00:00Z"}]}, "1 entries of “verdict”"),
    ],
)
def test_a_part_that_cannot_be_read_costs_the_others_nothing(told: dict[str, Any], sentence: str) -> None:
    make_topic("vision")
    reader = make_reader()
    whole = {"subscriber": {"max_papers": 4}} | told
    whole["subscriber"] = {"max_papers": 4} | whole["subscriber"]
    brought = bring(reader, json.dumps(whole).encode())
    assert any(sentence in one for one in brought.left_out), brought.left_out
    assert reader.max_papers == 4
    assert preferences_of(reader).interests == ()


def test_nothing_grows_without_end_and_nothing_is_of_tomorrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_data, "MOST_ROWS", 2)
    reader = make_reader()
    rows = [{"title": f"Paper {n}", "at": "9999-01-01T00:00:00Z", "source": "saved"} for n in range(3)]
    for _ in range(2):
        brought = bring(reader, json.dumps({"subscriber": {}, "libraryentry": rows}).encode())
    assert brought.left_out == ["3 entries of “libraryentry” cannot be read or find no room."]
    assert [entry.at for entry in reader.library.all()] == [NOON, NOON]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["subscriber", "follow", "interest", "topics", "libraryentry", "verdict", "catchup", "name",
                         "topicpreference", "slug", "stance", "text", "title", "at", "since", "position", "hour"])
        | st.text(max_size=3), inner, max_size=5),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.more_examples
@given(told=_JSON, subscriber=_JSON)
@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_file_whatever_breaks_it(told: Any, subscriber: Any) -> None:
    reader = make_reader()
    whole = (told if isinstance(told, dict) else {}) | {"subscriber": subscriber}
    for data in (json.dumps(told).encode(), json.dumps(whole).encode(), b"\xff\xfe", b"[" * 100_000):
        with suppress(ValueError):
            assert bring(reader, data).added
        reader.refresh_from_db()
        assert preferences_of(reader)


def test_the_page_takes_the_file_says_what_came_and_refuses_another(client: Client) -> None:
    reader, other = full_reader(), make_reader()
    page = f"/preferences/{token_links.manage_token(other, now=timezone.now())}/"
    assert 'name="action" value="bring"' in client.get(f"{page}data/").content.decode()
    file = SimpleUploadedFile("my-data.json", my_data(reader))
    told = client.post(page, {"action": "bring", "file": file}).content.decode()
    assert "Your preferences are those of the file now." in told
    assert "3 papers were added. 2 verdicts were added." in told
    assert other.consent_events.filter(kind="changed", method="preferences").exists()
    refused = SimpleUploadedFile("a.bib", b"@misc{a}")
    for data in ({"file": refused}, {}):
        answer = client.post(page, {"action": "bring", **data}).content.decode()
        assert "This is not the file that “Download everything (JSON)” gives." in answer


def test_what_was_left_out_is_told_in_german_too(client: Client) -> None:
    reader = make_reader(language="de")
    page = f"/preferences/{token_links.manage_token(reader, now=timezone.now() - timedelta(hours=1))}/"
    data = {"action": "bring", "file": SimpleUploadedFile("x", b'{"subscriber": {"hour": "x"}}')}
    answer = client.post(page, data, headers={"accept-language": "de"}).content.decode()
    assert "„hour“ ist nicht lesbar und bleibt, wie es hier ist." in answer
