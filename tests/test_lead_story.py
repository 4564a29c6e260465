"""The lead story comes first in every digest, which is otherwise as without it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from newsletter import planning
from newsletter.models import Delivery, Edition, EditionItem
from newsletter.planning.reader_picks import EditionPlan
from newsletter.planning.why_not_chosen import Why, due_of, reasons_left_out
from subscriptions.models import Interest, Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader, make_topic

pytestmark = pytest.mark.django_db


@pytest.fixture
def edition() -> Edition:
    papers = [assign(make_paper(score_daily=20 - place), ("vision", "robotics")[place % 2]) for place in range(12)]
    papers.append(assign(make_paper(score_daily=0.1), "retrieval"))
    edition = make_edition(papers=papers)
    edition.items.filter(paper=papers[-1]).update(lane=EditionItem.Lane.LEAD)
    return edition


def picks(edition: Edition, *readers: Subscriber) -> list[list[Any]]:
    dues = [due_of(reader) for reader in readers]
    return [json.loads(stored.json) for stored in EditionPlan(edition).choose(dues)]


def test_it_is_first_for_everybody_and_takes_one_place_of_the_digest(edition: Edition) -> None:
    lead = edition.items.get(lane="lead").pk
    one, two, three = (
        make_reader(follows=("vision",), max_papers=5),
        make_reader(max_papers=3),
        make_reader(follows=("robotics",), max_papers=1),
    )
    apart = make_reader(follows=("vision",), max_papers=6)
    for name in ("a", "b"):
        Interest.objects.create(subscriber=apart, name=name, position=1)

    chosen = picks(edition, one, two, three, apart)

    assert [len(found) for found in chosen] == [5, 3, 1, 6]
    for found in chosen:
        assert found[0][:3] == [lead, "lead", "lead"]
        assert [pick[0] for pick in found].count(lead) == 1


def test_the_others_are_those_of_a_digest_of_one_less(edition: Edition) -> None:
    reader = make_reader(follows=("vision",), max_papers=5, wants_outside=False)
    with_lead = picks(edition, reader)[0][1:]
    edition.items.filter(lane="lead").update(lane="trending")
    Subscriber.objects.update(max_papers=4)

    assert picks(edition, reader)[0] == with_lead


def test_who_muted_its_topic_or_had_it_does_not_get_it(edition: Edition) -> None:
    lead = edition.items.get(lane="lead")
    muted, had = make_reader(follows=("vision",)), make_reader(follows=("vision",))
    muted.preferences.create(topic=make_topic("retrieval"), stance="mute")
    earlier = make_edition(papers=[lead.paper], cadence="weekly")
    Delivery.objects.create(
        edition=earlier,
        subscriber=had,
        picks=[[earlier.items.get().pk, "trending", "trending"]],
        state=Delivery.State.SENT,
        local_on=NOON.date(),
        due_at=NOON,
        expires_at=NOON,
    )

    for found in picks(edition, muted, had):
        assert found
        assert lead.pk not in [pick[0] for pick in found]


def test_it_costs_no_query(edition: Edition) -> None:
    """However many readers a chunk has: who had it and who muted it is in what the planner has read anyway."""
    plain, apart = make_reader(follows=("vision",)), make_reader(follows=("vision",))
    for name in ("a", "b"):
        Interest.objects.create(subscriber=apart, name=name, position=1)
    dues = [due_of(reader) for reader in (plain, apart)]
    numbers = []
    for lane in ("lead", "trending"):
        edition.items.filter(paper__paper_topics__topic__slug="retrieval").update(lane=lane)
        plan = EditionPlan(edition)
        with CaptureQueriesContext(connection) as asked:
            plan.choose(dues)
        numbers.append(len(asked))
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("is_apart", [False, True])
def test_the_paper_that_lost_its_place_to_it_says_so(edition: Edition, is_apart: bool) -> None:
    """Of two papers that are left out, one would be in without the lead; the other is too low all the same."""
    reader = make_reader(follows=("vision",), max_papers=3, wants_outside=False)
    for name in ("a", "b") if is_apart else ():
        Interest.objects.create(subscriber=reader, name=name, position=1)
    with_lead = [pick[0] for pick in picks(edition, reader)[0]]
    reasons = reasons_left_out(EditionPlan(edition), due_of(reader), before=None)
    edition.items.filter(lane="lead").update(lane="trending")
    displaced = {pick[0] for pick in picks(edition, reader)[0]} - set(with_lead)

    assert displaced
    assert {item for item, reason in reasons.items() if reason.why == Why.LEAD} == displaced
    assert with_lead[0] not in reasons


def test_a_preview_begins_with_it_too(edition: Edition) -> None:
    lead = edition.items.get(lane="lead").pk

    assert planning.picks_for(edition, follows=["vision"], mutes=[], limit=4)[0][0] == lead
    found = planning.picks_for(edition, follows=["vision"], mutes=["retrieval"], limit=4)
    assert lead not in [pick[0] for pick in found]
