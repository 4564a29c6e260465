"""What the privacy page says of deliveries holds: their details go in time, the memory of what was sent stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.conf import settings

from newsletter import delivery, planning
from newsletter.delivery.transports import Outcome, OutcomeKind, Phase
from newsletter.models import Delivery, DeliveryEvent, Edition
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.fakes import MemoryTransport

pytestmark = pytest.mark.django_db
KEPT = timedelta(days=settings.RETENTION_DELIVERY_DAYS)


def sent_with_trouble() -> Edition:
    """Two readers; the relay takes one message and refuses the other."""
    edition = make_edition(papers=[assign(make_paper(score_daily=1.0), "vision")], state=Edition.State.FROZEN)
    first, _ = (make_reader(follows=("vision",)) for _ in range(2))
    planning.plan_due(now=NOON)
    later = NOON + timedelta(minutes=30)
    transport = MemoryTransport(
        lambda message: (
            Outcome(message.key, OutcomeKind.SENT, Phase.DOT, 250, "", "Ok: 4F1B")
            if message.recipient == first.email
            else Outcome(message.key, OutcomeKind.REJECTED, Phase.RCPT, 550, "", "No.")
        )
    )
    delivery.deliver(transport=transport, deadline=later + timedelta(minutes=1), clock=lambda: later)
    return edition


def details() -> tuple[int, int]:
    return DeliveryEvent.objects.count(), Delivery.objects.exclude(reply="").count()


def test_the_details_of_a_delivery_go_when_the_privacy_page_says_so() -> None:
    edition = sent_with_trouble()
    assert edition.closes_at
    before = details()
    assert before == (1, 2)
    assert delivery.forget_details(now=edition.closes_at + KEPT - timedelta(seconds=1)) == 0
    assert details() == before
    assert delivery.forget_details(now=edition.closes_at + KEPT) == 3
    assert details() == (0, 0)


def test_that_the_papers_were_sent_is_never_forgotten() -> None:
    edition = sent_with_trouble()
    assert edition.closes_at
    memory = list(Delivery.objects.order_by("pk").values_list("subscriber", "state", "picks", "local_on"))
    delivery.forget_details(now=edition.closes_at + KEPT)
    assert list(Delivery.objects.order_by("pk").values_list("subscriber", "state", "picks", "local_on")) == memory


def test_forgetting_is_bounded_and_goes_on_where_it_stopped() -> None:
    edition = sent_with_trouble()
    assert edition.closes_at
    now = edition.closes_at + KEPT
    assert [delivery.forget_details(now=now, limit=1) for _ in range(4)] == [2, 1, 0, 0]
    edition.refresh_from_db()
    assert edition.forgotten_at == now
