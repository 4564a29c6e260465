"""What the desk says an edition would bring is what is then planned."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from statistics import median_low
from typing import Any

import pytest
from django.test import Client

from newsletter import planning
from newsletter.editions import lifecycle
from newsletter.models import Delivery, Edition, EditionItem
from newsletter.planning.edition_reach import reach_of
from subscriptions.models import Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader

pytestmark = pytest.mark.django_db
TOPICS = ("vision", "robotics", "retrieval", "efficiency")


@pytest.fixture
def edition() -> Edition:
    papers = [make_paper(score_daily=20 - place) for place in range(16)]
    for place, paper in enumerate(papers):
        assign(paper, TOPICS[place % 3])
    for place in range(40):
        wishes: dict[str, Any] = {"max_papers": 3 + place % 8, "wants_outside": bool(place % 2)}
        make_reader(follows=tuple({TOPICS[place % 4], TOPICS[(place // 4) % 4]}), **wishes)
    make_reader(follows=("efficiency",), wants_outside=False, thin_policy="skip")
    make_reader(cadence="weekly")
    made = make_edition(papers=papers, state=Edition.State.APPROVED)
    made.items.filter(position=9).update(lane=EditionItem.Lane.PICK, standing=EditionItem.Standing.PINNED)
    return made


def test_what_the_desk_says_is_what_is_then_planned(edition: Edition) -> None:
    before = reach_of(edition)
    assert not Delivery.objects.exists()
    assert (before.readers, before.asked) == (41, 41)

    lifecycle.freeze(edition, now=NOON - timedelta(hours=1))
    planning.plan_due(now=NOON)

    rows = list(Delivery.objects.values_list("skip_reason", "picks"))
    assert before.nothing == Counter(why for why, _picks in rows if why)
    assert before.digests == sum(not why for why, _picks in rows)
    places: dict[int, list[int]] = {}
    for picks in (picks for why, picks in rows if not why):
        for place, (item, *_why) in enumerate(picks, start=1):
            places.setdefault(item, []).append(place)
    for item in edition.items.all():
        had = places.get(item.pk, [])
        assert before.of(item.pk) == len(had)
        assert before.first(item.pk) == had.count(1)
        assert before.usual_place(item.pk) == (median_low(had) if had else 0)


def test_of_many_readers_a_sample_is_asked_and_the_page_says_so(edition: Edition, admin_client: Client) -> None:
    reach = reach_of(edition, most=10)
    assert (reach.readers, reach.asked) == (41, 10)
    assert reach.digests + reach.nothing.total() == 10
    page = admin_client.get(f"/admin/newsletter/edition/{edition.pk}/change/").content.decode()
    assert "of 41 readers" in page
    assert "sample" not in page


def test_who_has_the_edition_already_is_not_counted_again(edition: Edition) -> None:
    reader = Subscriber.objects.order_by("pk").first()
    Delivery.objects.create(
        edition=edition, subscriber=reader, local_on=NOON.date(), due_at=NOON, expires_at=NOON, not_before=NOON
    )
    assert reach_of(edition).readers == 40


def test_the_desk_shows_whom_each_paper_reaches_and_warns_of_too_many_picks(
    edition: Edition, admin_client: Client
) -> None:
    address = f"/admin/newsletter/edition/{edition.pk}/change/"
    page = admin_client.get(address).content.decode()
    reach = reach_of(edition)
    first = edition.items.get(position=1)
    assert f"<b>{reach.of(first.pk)}</b> readers, usually no. {reach.usual_place(first.pk)}" in page
    assert "at most 2" not in page
    edition.items.filter(position__lte=2).update(lane=EditionItem.Lane.PICK)
    assert "A digest takes at most 2 editor" in admin_client.get(address).content.decode()


def test_an_approval_can_be_taken_back_until_the_freeze(edition: Edition, admin_client: Client) -> None:
    address = f"/admin/newsletter/edition/{edition.pk}/act/back-to-draft/"
    assert "approval is taken back" in admin_client.get(address).content.decode()
    assert admin_client.post(address).status_code == 302
    edition.refresh_from_db()
    assert (edition.state, edition.approved_by, edition.approved_at) == (Edition.State.DRAFT, None, None)
    with pytest.raises(lifecycle.EditionStateError):
        lifecycle.back_to_draft(edition)
