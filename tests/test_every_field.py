"""Every field of a reader is exported, imported, shown and erased, or says why not: a new one fails here first."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.serializers.json import DjangoJSONEncoder

from newsletter.monitoring.reader_history import history_of
from subscriptions import csv_export, csv_related_rows, gdpr, lifecycle
from subscriptions.lifecycle import Origin
from subscriptions.models import Follow, Interest, InterestTopic, Subscriber, TopicPreference
from subscriptions.preferences import ELSEWHERE, NamedInterest, Preferences, preferences_of
from tests.builders import NOON, make_reader, make_topic

pytestmark = pytest.mark.django_db

READER = [field.name for field in Subscriber._meta.concrete_fields]
STANCE = [field.name for field in TopicPreference._meta.concrete_fields]
# Field of a reader -> why the file for another Paperboy does not carry it.
NOT_IN_CSV = {
    "id": "a number of this database",
    "address_key": "made of the address",
    "address_hash": "made of the address, with the key of this site",
    "domain": "made of the address",
    "next_due_at": "made of the rhythm",
    "next_on": "made of the rhythm",
    "welcome_due_at": "asked for by import_readers --welcome",
    "unsubscribe_token": "the links of this site",
    "unsubscribe_hash": "the links of this site",
    "created_at": "when the row came to this database",
}
# Rows that hang on a reader -> their column in the file for another Paperboy, or why it does not carry them.
ROWS = {
    "topicpreference": "topics",
    "follow": "follows",
    "interest": "interests",
    "libraryentry": "library",
    "verdict": "verdicts",
    "profileremoval": "removals",
    "catchup": "catch_ups",
}
NOT_CARRIED = {
    "consentevent": "the proof is carried: when and where they agreed",
    "notice": "mails of this site",
    "delivery": "what this site sent",
    "miss": "what this site did not send",
    "click": "papers of this site that were opened, with its consent",
    "librarylink": "a secret address of this site",
    "digestfeed": "a secret address of this site",
    "vote": "a vote among the readers of this site",
    "submission": "handed in to this site",
}
SECRET = {"unsubscribe_token": "whoever has it can unsubscribe", "unsubscribe_hash": "finds the token"}
# Field -> why it stays when the reader is erased.
KEPT = {
    "id": "a number without a name, which the accounts refer to",
    "state": "says that the row is erased",
    "unsubscribe_hash": "unique, and of a token that nobody was told",
    "created_at": "a moment without a name",
    "confirmed_at": "a moment without a name, of the consent record",
    "left_at": "a moment without a name, of the consent record",
}
OTHER: dict[str, Any] = {
    "cadence": "weekly", "weekdays": 1, "hour": 3, "time_zone": "Asia/Tokyo", "max_papers": 3, "thin_policy": "hold",
    "wants_outside": False, "wants_news": False, "wants_also": False, "wants_reasons": True, "mail_format": "text",
    "language": "de",
    "stances": {"vision": "more"},
    "follows": {"planners": "not"},
    "interests": (
        NamedInterest("thesis", is_first=True, share=60),
        NamedInterest("teaching", is_on=False, share=4, unit="papers", stances={"vision": "more"},
                      follows={"lectures": "follow"}),
    ),
}  # fmt: skip
NAMED = [field.name for field in Interest._meta.concrete_fields]
NOT_TOLD = {"id", "subscriber", "position"}  # keys, and the order of the list


def told(wish: Any) -> Any:
    """A wish as the consent record holds it."""
    return [asdict(one) for one in wish] if isinstance(wish, tuple) else wish


def full_reader() -> Subscriber:
    over: dict[str, Any] = {name: value for name, value in OTHER.items() if name not in ELSEWHERE}
    over |= {"clicks_agreed_at": NOON, "welcome_due_at": NOON, "paused_until": NOON + timedelta(days=3)}
    over |= {"next_on": NOON.date(), "left_at": NOON}
    reader = make_reader("alice@lovelace.example", **over)
    reader.preferences.create(topic=make_topic("vision"), stance="mute", muted_from="more")
    reader.follows.create(text="planners", key="k", stance="not", at=NOON)
    reader.interests.create(name="thesis", is_first=True, share=60)
    named = reader.interests.create(name="teaching", position=1, is_on=False, share=4, unit="papers")
    named.topics.create(topic=make_topic("vision"), stance="mute", muted_from="more")
    reader.follows.create(text="lectures", key="l", stance="follow", at=NOON, interest=named)
    return reader


def test_every_wish_is_a_column_of_the_reader_and_in_this_list() -> None:
    names = {one.name for one in fields(Preferences)}
    assert names == set(OTHER)
    assert names - ELSEWHERE <= set(READER)
    assert {one.name for one in fields(NamedInterest)} == {*NAMED, "stances", "follows"} - NOT_TOLD


@pytest.mark.parametrize("field", READER)
def test_every_field_is_in_the_file_for_another_site_or_says_why_not(field: str) -> None:
    assert (field in csv_export.COLUMNS) != (field in NOT_IN_CSV)


def test_every_row_of_a_reader_is_in_the_file_for_another_site_or_says_why_not() -> None:
    hanging = {one.related_model._meta.model_name for one in Subscriber._meta.related_objects}
    assert hanging == {*ROWS, *NOT_CARRIED}
    assert set(ROWS.values()) <= set(csv_export.COLUMNS)


def test_no_reason_is_of_a_field_that_is_gone() -> None:
    assert {*NOT_IN_CSV, *SECRET, *KEPT} <= set(READER)


def test_every_column_of_the_file_is_written_and_read() -> None:
    reader = full_reader()
    reader.consent_events.create(kind="confirmed", at=NOON, method="page")
    header, cells = csv_export.export_lines(states=["confirmed"])
    row = dict(zip(header, cells, strict=True))
    empty = {name for name, cell in row.items() if not cell}
    assert empty == {"suppressed_for", *csv_related_rows.COLUMNS}, "of the suppressed, and of rows this reader has not"
    assert row["topics"] == "vision:mute:more", "every field of a stance that is not a key"
    assert set(STANCE) == {"id", "subscriber", "topic", "stance", "muted_from"}
    assert json.loads(row["follows"]) == {"planners": "not"}
    told = json.loads(row["interests"])
    assert [one["name"] for one in told] == ["thesis", "teaching"]
    assert set(told[1]) == {*NAMED, "topics", "follows"} - NOT_TOLD
    assert told[1]["topics"] == "vision:mute:more"
    assert {one.name for one in InterestTopic._meta.concrete_fields} == {"interest"} | set(STANCE) - {"subscriber"}
    assert told[1]["follows"] == {"lectures": "follow"}


@pytest.mark.parametrize("field", READER)
def test_every_field_is_in_the_readers_own_export_or_is_a_key(field: str) -> None:
    data = gdpr.export(full_reader(), now=NOON, method="test", origin=Origin())
    column = Subscriber._meta.get_field(field).attname  # type: ignore[union-attr]
    assert (column in data["subscriber"]) != (field in SECRET)
    (stance,) = data["topicpreference"]
    assert (stance["topic"], stance["stance"], stance["muted_from"]) == (make_topic("vision").name, "mute", "more")
    follow, other = data["follow"]
    assert (follow["text"], follow["stance"], follow["at"]) == ("planners", "not", NOON)
    assert (other["text"], other["interest"]) == ("lectures", "teaching")
    _first, named = data["interest"]
    assert (named["name"], named["share"], named["unit"], named["is_on"]) == ("teaching", 4, "papers", False)
    assert named["topics"] == [
        {"topic": make_topic("vision").name, "slug": "vision", "stance": "mute", "muted_from": "more"}
    ]
    json.dumps(data, cls=DjangoJSONEncoder)


@pytest.mark.parametrize("field", READER)
def test_every_field_is_erased_or_says_why_it_stays(field: str) -> None:
    reader = full_reader()
    before = getattr(reader, field)
    gdpr.erase(reader, now=NOON + timedelta(days=1), method="test")
    reader.refresh_from_db()
    default = getattr(Subscriber(), field)
    if field in KEPT:
        assert getattr(reader, field) is not None
    else:
        assert getattr(reader, field) in (None, "", default)
        assert before not in (None, ""), "the reader of this test had it"
    assert not reader.preferences.exists()
    assert not reader.follows.exists()
    assert not Interest.objects.exists()
    assert not InterestTopic.objects.exists()
    assert not Follow.objects.exists()


@pytest.mark.parametrize("wish", sorted(OTHER))
def test_every_wish_that_changes_is_on_record_and_in_the_history(wish: str) -> None:
    make_topic("vision")
    reader = make_reader()
    preferences = replace(preferences_of(reader), **{wish: OTHER[wish]})
    assert lifecycle.change(reader, preferences=preferences, now=NOON, method="test", origin=Origin())
    assert reader.consent_events.get().detail["wishes"][wish] == told(OTHER[wish])
    reader.refresh_from_db()
    assert getattr(preferences_of(reader), wish) == OTHER[wish]
    (line,) = [line for line in history_of(reader) if line.subject == "consent"]
    assert line.what == "changed preferences"
