"""Forgetting in time: each promise of the privacy page, on the day."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models.signals import pre_delete
from pytest_django import Settings

from subscriptions import lifecycle
from subscriptions.models import ConsentEvent, Notice, Subscriber, Suppression, TopicPreference
from subscriptions.retention import forget_old
from subscriptions.transactional_mails import owe_notice
from tests.builders import NOON, make_reader

pytestmark = pytest.mark.django_db


def days(number: float) -> Any:
    return NOON + timedelta(days=number)


def make_pending() -> Subscriber:
    reader = make_reader(state="pending", confirmed_at=None, next_due_at=None)
    Subscriber.objects.filter(pk=reader.pk).update(created_at=NOON)
    reader.consent_events.create(kind="requested", at=NOON, method="page", ip_address="192.0.2.1", user_agent="Browser")
    return reader


def test_an_address_that_never_confirmed_is_forgotten_without_a_trace(settings: Settings) -> None:
    settings.RETENTION_UNCONFIRMED_DAYS = 30
    make_pending()
    assert forget_old(now=days(29.9)) == 0
    assert forget_old(now=days(30)) == 1
    assert not Subscriber.objects.exists()
    assert not ConsentEvent.objects.exists()
    assert not Suppression.objects.exists()


def test_who_asked_again_lately_is_kept(settings: Settings) -> None:
    settings.RETENTION_UNCONFIRMED_DAYS = 30
    make_pending().consent_events.create(kind="requested", at=days(20), method="page")
    forget_old(now=days(31))
    assert Subscriber.objects.exists()


def test_who_left_is_erased_after_a_year_and_readers_are_kept(settings: Settings) -> None:
    settings.RETENTION_LEFT_DAYS = 365
    left = make_reader(state="unsubscribed", next_due_at=None, left_at=NOON)
    stays = make_reader()
    forget_old(now=days(364))
    assert Subscriber.objects.get(pk=left.pk).state == "unsubscribed"
    forget_old(now=days(365))
    assert Subscriber.objects.get(pk=left.pk).email is None
    assert Subscriber.objects.get(pk=stays.pk).state == "confirmed"


def test_one_reader_who_cannot_be_erased_or_resumed_holds_up_no_other() -> None:
    odd, gone = (make_reader(state="unsubscribed", next_due_at=None, left_at=NOON, follows=("vision",)) for _ in "12")

    def refuse(instance: TopicPreference, **_details: object) -> None:
        if instance.subscriber_id == odd.pk:
            raise RuntimeError("an odd row")

    pre_delete.connect(refuse, sender=TopicPreference)
    try:
        forget_old(now=days(4000))
    finally:
        pre_delete.disconnect(refuse, sender=TopicPreference)
    assert Subscriber.objects.get(pk=odd.pk).email
    assert Subscriber.objects.get(pk=gone.pk).email is None
    for cadence in ("never", "daily"):
        make_reader(state="paused", next_due_at=None, paused_until=NOON, cadence=cadence)
    assert lifecycle.resume_rested(now=NOON) == 1
    assert set(Subscriber.objects.filter(paused_until=NOON).values_list("cadence", flat=True)) == {"never"}


def test_where_a_consent_came_from_is_forgotten_and_the_consent_kept(settings: Settings) -> None:
    settings.RETENTION_ORIGIN_DAYS = 90
    reader = make_reader()
    reader.consent_events.create(
        kind="confirmed", at=NOON, method="page", ip_address="192.0.2.1", user_agent="Browser", detail={"words": "yes"}
    )
    forget_old(now=days(89))
    assert reader.consent_events.get().ip_address == "192.0.2.1"
    assert forget_old(now=days(90)) == 1
    assert forget_old(now=days(90)) == 0
    event = reader.consent_events.get()
    assert (event.ip_address, event.user_agent, event.detail) == (None, "", {"words": "yes"})


def test_settled_notices_go_and_owed_ones_stay(settings: Settings) -> None:
    settings.RETENTION_NOTICE_DAYS = 30
    reader = make_reader()
    for state in ("sent", "queued"):
        notice = owe_notice(reader, kind=Notice.Kind.MANAGE, now=NOON, context={})
        Notice.objects.filter(pk=notice.pk).update(state=state)
    forget_old(now=days(31))
    assert [notice.state for notice in Notice.objects.all()] == ["queued"]


def test_one_run_is_bounded_and_the_next_goes_on(settings: Settings) -> None:
    settings.RETENTION_UNCONFIRMED_DAYS = 30
    for _ in range(3):
        make_pending()
    assert [forget_old(now=days(31), limit=2) for _ in range(3)] == [2, 1, 0]
