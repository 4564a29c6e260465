"""A rehearsal on real readers: with MAIL_DRY_RUN_TO set nobody else gets anything, and the rows say why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from newsletter import delivery, planning
from newsletter.models import Delivery, Edition
from subscriptions.models import Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.fakes import MemoryTransport

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=30)


def send_to(*addresses: str) -> MemoryTransport:
    make_edition(papers=[assign(make_paper(score_daily=1.0), "vision")], state=Edition.State.FROZEN)
    for address in addresses:
        make_reader(address, follows=("vision",))
    planning.plan_due(now=NOON)
    transport = MemoryTransport()
    delivery.deliver(transport=transport, deadline=LATER + timedelta(minutes=1), clock=lambda: LATER)
    return transport


def test_in_a_rehearsal_only_the_named_addresses_get_their_digest(settings: Settings) -> None:
    settings.MAIL_DRY_RUN_TO = ["alice@example.net"]
    transport = send_to("alice@example.net", "bob@example.net")
    assert [message.recipient for message in transport.sent] == ["alice@example.net"]
    others = Delivery.objects.exclude(subscriber__email="alice@example.net")
    assert set(others.values_list("state", "skip_reason")) == {("skipped", "rehearsal")}


def test_what_was_held_back_in_a_rehearsal_may_come_in_a_later_digest(settings: Settings) -> None:
    settings.MAIL_DRY_RUN_TO = ["alice@example.net"]
    send_to("bob@example.net")
    assert not Delivery.objects.remembered().exists()


def test_a_reader_who_left_is_skipped_for_that_and_not_for_the_rehearsal(settings: Settings) -> None:
    settings.MAIL_DRY_RUN_TO = ["alice@example.net"]
    make_edition(papers=[assign(make_paper(score_daily=1.0), "vision")], state=Edition.State.FROZEN)
    make_reader("bob@example.net", follows=("vision",))
    planning.plan_due(now=NOON)
    Subscriber.objects.update(state=Subscriber.State.UNSUBSCRIBED)
    delivery.deliver(transport=MemoryTransport(), deadline=LATER + timedelta(minutes=1), clock=lambda: LATER)
    assert set(Delivery.objects.values_list("skip_reason", flat=True)) == {"unsubscribed"}
