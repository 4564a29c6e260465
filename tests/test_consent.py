"""Consent that can be proved, and forgetting that is complete."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.utils import timezone

from newsletter.models import Delivery, DeliveryEvent, Edition, Verdict
from subscriptions import address_change, gdpr, lifecycle, preferences_link, suppression, token_links
from subscriptions.addresses import parse_address
from subscriptions.forms import FORM_VERSION
from subscriptions.lifecycle import Origin
from subscriptions.models import ConsentEvent, Subscriber, Suppression
from subscriptions.preferences import Preferences
from tests.builders import NOON, make_paper, make_reader, make_topic

pytestmark = pytest.mark.django_db

ADDRESS = "alice.example+papers@example.net"
ELSEWHERE = Origin(ip="192.0.2.1", user_agent="Browser", source_url="https://papers.example.org/", form_version="1")


def test_a_request_records_what_was_agreed_to_and_how(client: Client) -> None:
    make_topic("vision")
    with time_machine.travel(NOON, tick=False):
        client.post(
            "/subscribe/",
            {"email": ADDRESS, "topics": ["vision"], "cadence": "weekly"},
            headers={"user-agent": "Browser\x00 1.0", "referer": "https://papers.example.org/2026-03-18/"},
        )
    event = ConsentEvent.objects.get()
    assert (event.kind, event.at, event.method) == ("requested", NOON, "banner")
    assert event.form_version == FORM_VERSION
    assert event.source_url == "https://papers.example.org/2026-03-18/"
    assert (event.ip_address, event.user_agent) == ("127.0.0.1", "Browser 1.0")
    assert event.detail["wishes"]["stances"] == {"vision": "follow"}
    assert event.detail["wishes"]["cadence"] == "weekly"
    page = client.get("/subscribe/").content.decode()
    assert event.detail["words"] in page  # word for word what the form says


def test_a_confirmation_names_the_request_it_answers() -> None:
    reader = make_reader(state="pending", confirmed_at=None, next_due_at=None)
    asked = reader.consent_events.create(kind="requested", at=NOON, method="page")
    lifecycle.confirm(asked, preferences=None, now=NOON + timedelta(minutes=1), method="confirm page", origin=ELSEWHERE)
    event = reader.consent_events.get(kind="confirmed")
    assert event.detail["request"] == asked.pk
    assert event.ip_address == "192.0.2.1"


def test_every_step_of_a_readers_life_is_on_record() -> None:
    reader = make_reader()
    act: dict[str, Any] = {"now": NOON, "method": "test", "origin": ELSEWHERE}
    lifecycle.change(reader, preferences=Preferences(hour=9), **act)
    lifecycle.pause(reader, until=NOON + timedelta(days=3), **act)
    lifecycle.resume(reader, **act)
    lifecycle.unsubscribe(reader, **act)
    lifecycle.undo(reader, **act)
    gdpr.export(reader, **act)
    suppression.suppress(reader, reason="complaint", source="arf", now=NOON)
    gdpr.erase(reader, now=NOON, method="test")
    kinds = [event.kind for event in reader.consent_events.all()]
    assert kinds == [
        *("changed", "paused", "resumed", "unsubscribed", "resumed", "exported", "complained", "erased"),
    ]


@pytest.mark.parametrize("state", ["pending", "confirmed", "paused", "unsubscribed", "suppressed"])
def test_repeating_a_step_changes_and_records_it_once(state: str) -> None:
    over: dict[str, Any] = {"state": state, "next_due_at": NOON if state == "confirmed" else None}
    reader = make_reader(**over)
    act: dict[str, Any] = {"now": NOON, "method": "test", "origin": Origin()}
    steps = [
        lambda: lifecycle.pause(reader, until=NOON + timedelta(days=3), **act),
        lambda: lifecycle.resume(reader, **act),
        lambda: lifecycle.unsubscribe(reader, **act),
        lambda: suppression.suppress(reader, reason="bounce", source="dsn", now=NOON),
        lambda: gdpr.erase(reader, now=NOON, method="test"),
    ]
    for step in steps:
        step()
        rows = (Subscriber.objects.values().get(), ConsentEvent.objects.count())
        assert step() is False
        assert (Subscriber.objects.values().get(), ConsentEvent.objects.count()) == rows


def test_nobody_but_the_confirmed_has_a_next_digest() -> None:
    reader = make_reader()
    act: dict[str, Any] = {"now": NOON, "method": "test", "origin": Origin()}
    for step in (
        lambda: lifecycle.pause(reader, until=NOON + timedelta(days=3), **act),
        lambda: lifecycle.resume(reader, **act),
        lambda: lifecycle.unsubscribe(reader, **act),
        lambda: lifecycle.undo(reader, **act),
        lambda: suppression.suppress(reader, reason="bounce", source="dsn", now=NOON),
        lambda: gdpr.erase(reader, now=NOON, method="test"),
    ):
        assert step()
        reader.refresh_from_db()
        assert (reader.next_due_at is not None) == (reader.state == "confirmed")


def test_a_suppression_is_a_hash_and_is_kept_up_to_date() -> None:
    reader = make_reader(ADDRESS)
    assert suppression.suppress(reader, reason="bounce", source="dsn", now=NOON)
    assert not suppression.suppress(reader, reason="complaint", source="arf", now=NOON + timedelta(days=1))
    assert not suppression.suppress(reader, reason="bounce", source="dsn", now=NOON + timedelta(hours=1))
    row = Suppression.objects.get()
    assert (row.reason, row.source) == ("complaint", "arf")  # the graver reason stays
    assert (row.first_at, row.last_at) == (NOON, NOON + timedelta(days=1))
    assert ADDRESS not in str(list(Suppression.objects.values()))
    assert not Subscriber.objects.mailable().exists()


def test_an_erased_address_may_come_back_by_its_own_confirmation_only(client: Client) -> None:
    reader = make_reader(ADDRESS)
    gdpr.erase(reader, now=NOON, method="test")
    assert Suppression.objects.in_force().get().reason == "erased"
    client.post("/subscribe/", {"email": ADDRESS})
    fresh = Subscriber.objects.get(email=ADDRESS)
    assert fresh.pk != reader.pk
    asked = fresh.consent_events.get()
    assert lifecycle.confirm(asked, preferences=None, now=timezone.now(), method="test", origin=Origin())
    assert list(Subscriber.objects.mailable()) == [fresh]


def everything_stored() -> dict[str, str]:
    """Every row of every table, as text."""
    tables = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            tables[model._meta.db_table] = str(cursor.fetchall())
    return tables


def make_life(client: Client) -> Subscriber:
    """A reader who left a trace in every table that can hold one."""
    make_topic("vision")
    client.post("/subscribe/", {"email": ADDRESS, "topics": ["vision"]}, headers={"user-agent": f"Browser {ADDRESS}"})
    reader = Subscriber.objects.get()
    asked = reader.consent_events.get()
    lifecycle.confirm(asked, preferences=None, now=timezone.now(), method="test", origin=ELSEWHERE)
    preferences_link.ask_link(parse_address(ADDRESS), now=timezone.now(), origin=ELSEWHERE)
    edition = Edition.objects.create(
        cadence="daily", period_on=NOON.date(), window_start_at=NOON - timedelta(days=1), cutoff_at=NOON
    )
    delivery = Delivery.objects.create(
        edition=edition,
        subscriber=reader,
        state="sent",
        local_on=NOON.date(),
        due_at=NOON,
        expires_at=NOON + timedelta(hours=6),
        domain="example.net",
        reply=f"250 queued for {ADDRESS.upper()}",
        sent_at=NOON,
    )
    DeliveryEvent.objects.create(delivery=delivery, kind="bounced", at=NOON, source="dsn", text=f"<{ADDRESS}> unknown")
    Verdict.objects.create(subscriber=reader, paper=make_paper(), value=1, at=NOON)
    return reader


def test_after_erasure_no_table_holds_the_address_or_where_it_came_from(client: Client) -> None:
    reader = make_life(client)
    token, hashed = reader.unsubscribe_token, reader.address_hash
    assert sum(ADDRESS in rows.lower() for rows in everything_stored().values()) >= 4
    gdpr.erase(reader, now=timezone.now(), method="test")
    for table, rows in everything_stored().items():
        for trace in (ADDRESS, "alice.example", "192.0.2.1", "Browser", token):
            assert trace.lower() not in rows.lower(), (table, trace)
        assert (hashed in rows) == (table == "subscriptions_suppression"), table


def test_after_erasure_nobody_elses_row_holds_the_address_nor_any_row_a_domain_of_ones_own() -> None:
    reader = make_reader("ex@lovelace.example.org")
    edition = Edition.objects.create(
        cadence="daily", period_on=NOON.date(), window_start_at=NOON - timedelta(days=1), cutoff_at=NOON
    )
    row = {"edition": edition, "due_at": NOON, "expires_at": NOON, "state": "sent", "local_on": NOON.date()}
    delivery = Delivery.objects.create(subscriber=reader, domain="lovelace.example.org", reply="250 ok", **row)
    text = "450 <mx.lovelace.example.org> greylisted"
    DeliveryEvent.objects.create(delivery=delivery, kind="deferred", at=NOON, source="smtp", text=text)
    other = make_reader("other@example.net")
    address_change.ask_move(other, to=parse_address("ex@lovelace.example.org"), now=NOON, origin=ELSEWHERE)
    to = parse_address("ex@lovelace.example.org")
    context = {"to": to.email, "hash": reader.address_hash, "from_hash": other.address_hash}
    other.notices.create(kind="move", created_at=NOON, not_before=NOON, context=context)
    operator = get_user_model().objects.create_user("operator")
    LogEntry.objects.create(user=operator, object_id=str(reader.pk), object_repr=str(reader), action_flag=2)
    mine = "lovelace"
    assert sum(mine in rows for rows in everything_stored().values()) >= 4
    gdpr.erase(reader, now=NOON, method="test")
    assert [table for table, rows in everything_stored().items() if mine in rows.lower()] == []


def test_the_export_has_what_was_reported_and_papers_by_title(client: Client) -> None:
    reader = make_life(client)
    paper = make_paper(title="On computable numbers")
    delivery = Delivery.objects.get()
    item = delivery.edition.items.create(paper=paper, position=1)
    Delivery.objects.update(picks=[[item.pk, "topic", "vision"]])
    Verdict.objects.create(subscriber=reader, paper=paper, value=1, at=NOON)
    suppression.suppress(reader, reason="bounce", source="dsn", now=NOON)
    data = gdpr.export(reader, now=NOON, method="test", origin=ELSEWHERE)
    (row,) = data["delivery"]
    assert row["picks"] == [{"title": "On computable numbers", "lane": "topic", "reason": "vision"}]
    assert [event["text"] for event in row["events"]] == [f"<{ADDRESS}> unknown"]
    assert "On computable numbers" in [one["paper"] for one in data["verdict"]]
    assert [(one["reason"], one["source"]) for one in data["suppression"]] == [("bounce", "dsn")]
    assert {one["kind"] for one in data["notice"]} == {"confirm", "manage"}


def test_erasure_keeps_the_numbers(client: Client) -> None:
    reader = make_life(client)
    gdpr.erase(reader, now=timezone.now(), method="test")
    assert Delivery.objects.get().state == "sent"
    assert DeliveryEvent.objects.get().kind == "bounced"
    assert not Verdict.objects.exists()
    assert not reader.preferences.exists()
    assert not reader.notices.exists()
    assert [event.kind for event in reader.consent_events.all()] == ["requested", "confirmed", "erased"]


def test_erasing_does_not_lift_a_complaint() -> None:
    reader = make_reader(ADDRESS)
    suppression.suppress(reader, reason="complaint", source="arf", now=NOON)
    gdpr.erase(reader, now=NOON + timedelta(days=1), method="test")
    assert Suppression.objects.in_force().get().reason == "complaint"


def test_the_unsubscribe_link_of_the_erased_is_nobodys() -> None:
    reader = make_reader()
    old = reader.unsubscribe_token
    gdpr.erase(reader, now=NOON, method="test")
    assert not Subscriber.objects.filter(unsubscribe_hash=token_links.unsubscribe_hash(old)).exists()
