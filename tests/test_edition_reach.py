"""What the desk says an edition would bring is what is then planned."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from statistics import median_low
from typing import Any

import pytest
from django.core.cache import cache
from django.db.models import F
from django.test import Client
from django.utils import timezone

from newsletter import planning
from newsletter.editions import lifecycle
from newsletter.models import Delivery, Edition, EditionItem
from newsletter.planning.edition_reach import Reach, reach_of
from subscriptions.models import Subscriber
from tests.bench import world
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.edition_form import form_of, url_of

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


def assert_planned(before: Reach, edition: Edition) -> None:
    """Every number that was said is that of the rows."""
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


def test_what_the_desk_says_is_what_is_then_planned(edition: Edition) -> None:
    before = reach_of(edition)
    assert not Delivery.objects.exists()
    assert (before.readers, before.asked) == (41, 41)

    lifecycle.freeze(edition, now=NOON - timedelta(hours=1))
    planning.plan_due(now=NOON)

    assert_planned(before, edition)


@pytest.mark.services
def test_of_ten_thousand_readers_it_says_what_is_then_planned() -> None:
    """Digests of one to ten papers, some without papers from outside, with a lead story and a pick."""
    edition = world.make_edition()
    edition.items.filter(position=30).update(lane=EditionItem.Lane.LEAD)
    edition.items.filter(position=40).update(lane=EditionItem.Lane.PICK)
    world.make_readers(10_000)
    Subscriber.objects.update(max_papers=F("pk") % 10 + 1)
    Subscriber.objects.annotate(third=F("pk") % 3).filter(third=0).update(wants_outside=False)
    before = reach_of(edition, most=10_000)
    assert (before.readers, before.asked) == (10_000, 10_000)

    planning.plan_due(now=timezone.now())

    assert before.first(edition.items.get(lane=EditionItem.Lane.LEAD).pk) > 9_000
    assert_planned(before, edition)


def test_of_many_readers_a_sample_is_asked_and_the_page_says_so(edition: Edition, admin_client: Client) -> None:
    reach = reach_of(edition, most=10)
    assert (reach.readers, reach.asked) == (41, 10)
    assert reach.digests + reach.nothing.total() == 10
    page = admin_client.get(f"/admin/newsletter/edition/{edition.pk}/change/").content.decode()
    assert "of 41 readers" in page
    assert "sample" not in page


def test_the_cost_of_the_last_change_is_said(edition: Edition, admin_client: Client) -> None:
    def said() -> list[str]:
        page = admin_client.get(url_of(edition)).content.decode()
        return re.findall(r"It gives (\d+) of 41 readers another first paper", page)

    def act(button: str) -> None:
        admin_client.post(url_of(edition), form_of(admin_client, edition) | {"act": button})

    assert said() == []
    before = reach_of(edition).firsts
    item = edition.items.get(position=12)
    act(f"lead:{item.pk}")
    moved = sum(before.get(reader) != first for reader, first in reach_of(edition).firsts.items())
    assert moved > 30
    assert said() == said() == [str(moved)]
    act(f"exclude:{edition.items.get(position=16).pk}")
    assert said() == ["0"]
    cache.clear()
    assert said() == []


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
