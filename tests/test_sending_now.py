"""The operator's ten seconds: what the desk's first page says of now, and what empty lists say of themselves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from newsletter.admin import empty_states
from newsletter.models import Delivery, DomainHold, Edition, PaceBucket, Stream, Submission
from newsletter.monitoring import sending_now
from tests.builders import NOON, make_edition, make_paper, make_reader

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def deliver(edition: Edition, number: int, state: str, *, domain: str = "a.example") -> None:
    for _ in range(number):
        Delivery.objects.create(
            edition=edition,
            subscriber=make_reader(),
            state=state,
            local_on=edition.period_on,
            due_at=NOON - MINUTE,
            not_before=NOON - 2 * MINUTE if state == "queued" else None,
            expires_at=NOON + timedelta(days=1),
            sent_at=NOON - MINUTE if state == "sent" else None,
            domain=domain,
        )


@pytest.fixture
def edition() -> Edition:
    return make_edition(papers=[make_paper()], state="sending")


def test_the_rate_says_when_it_will_be_done(edition: Edition) -> None:
    deliver(edition, 10, "sent")
    deliver(edition, 4, "queued")
    rate = sending_now.rate(now=NOON)
    assert (rate.a_minute, rate.waiting, rate.done_at) == (2, 4, NOON + 2 * MINUTE)
    later = sending_now.rate(now=NOON + timedelta(minutes=10))
    assert (later.a_minute, later.waiting, later.done_at) == (0, 4, None)
    Edition.objects.update(paused_at=NOON)
    assert sending_now.rate(now=NOON).waiting == 0


def test_each_queue_tells_its_oldest(edition: Edition) -> None:
    deliver(edition, 3, "queued")
    Submission.objects.create(link="x", arxiv_id="2403.01234", at=NOON - timedelta(days=2))
    found = {queue.name: (queue.waiting, queue.oldest) for queue in sending_now.queues(now=NOON)}
    assert found == {
        "digests": (3, NOON - 2 * MINUTE),
        "notices": (0, None),
        "webhooks": (0, None),
        "submissions": (1, NOON - timedelta(days=2)),
    }


def test_readers_without_their_mail_and_providers_in_trouble_are_counted(edition: Edition) -> None:
    deliver(edition, 5, "sent")
    deliver(edition, 2, "failed", domain="full.example")
    DomainHold.objects.create(domain="held.example", since=NOON, reason="12 of 40 failed")
    PaceBucket.objects.create(
        scope="slow.example", tokens=0, refilled_at=NOON, day_on=NOON.date(), held_until=NOON + MINUTE
    )
    assert sending_now.without_mail(now=NOON) == (2, 7)
    assert sending_now.providers(now=NOON) == [
        ("held.example", "held", 0),
        ("slow.example", "limited", 0),
        ("full.example", "failing", 2),
    ]


def test_the_first_page_says_so_and_an_alarm_leads_to_where_it_is_answered(admin_client: Client) -> None:
    now = timezone.now()
    edition = make_edition(papers=[make_paper()], state="sending", frozen_at=now)
    deliver(edition, 2, "failed", domain="full.example")
    Delivery.objects.update(due_at=now - MINUTE)
    cache.clear()
    page = admin_client.get("/admin/").content.decode()
    assert "2 of 2 readers due within a day are without mail" in page
    assert "full.example: failed within a day (2)" in page
    assert "Nothing waits to be sent; 0 a minute" in page
    assert 'href="/admin/newsletter/heartbeat/">Open the heartbeats</a>' in page, "no tick ran yet"


def test_the_page_of_streams_lists_both_before_anything_was_sent(admin_client: Client) -> None:
    page = admin_client.get("/admin/newsletter/stream/").content.decode()
    assert page.count("running") == 2
    assert not Stream.objects.exists(), "looking changes nothing"
    Stream.objects.create(name="digest", paused_at=NOON)
    page = admin_client.get("/admin/newsletter/stream/").content.decode()
    assert page.count("running") == 1
    assert "/admin/newsletter/stream/confirm/act/pause/" in page


def test_every_list_says_what_it_is_for_while_it_is_empty(admin_client: Client) -> None:
    assert {model._meta.label_lower for model in admin.site._registry} == set(empty_states.WORDS)
    page = admin_client.get("/admin/newsletter/submission/").content.decode()
    assert "wait here for a curator" in page
    page = admin_client.get("/admin/subscriptions/subscriber/?q=nobody").content.decode()
    assert "Nothing here matches your search" in page
    assert "Show all" in page
