"""Too few papers for a mail: each reader's wish says whether they get it, get it filled up, skip it or wait."""

from __future__ import annotations

from datetime import timedelta

import pytest

from newsletter import planning
from newsletter.editions import lifecycle
from newsletter.models import Delivery, Edition, Paper, Sighting
from subscriptions.models import Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NIGHT = timedelta(hours=8)  # a day's edition is closed this long before its readers' noon


def paper(title: str, topic: str = "speech", *, days: int = 0, score: float = 1.0) -> Paper:
    made = make_paper(title=title, score_daily=score, first_seen_at=NOON + days * DAY - NIGHT - timedelta(hours=1))
    Sighting.objects.create(paper=made, source="hf_daily", key=title, seen_at=made.first_seen_at)
    return assign(made, topic)


def first_day(*, papers: int = 2) -> Edition:
    """Papers of one topic, too few for a mail, and one of another."""
    offered = [paper(f"Speech {number}", score=9 - number) for number in range(papers)]
    offered.append(paper("Robots", "robotics", score=5))
    return make_edition(papers=offered, state=Edition.State.FROZEN, cutoff_at=NOON - NIGHT)


def next_day(days: int = 1) -> Edition:
    """The edition that the ranking of that day makes by itself."""
    at = NOON + days * DAY
    edition = lifecycle.draft(cadence="daily", period_on=at.date(), now=at - NIGHT)
    lifecycle.approve(edition, by=None, now=at - NIGHT)
    lifecycle.freeze(edition, now=at - NIGHT)
    return edition


def planned(reader: Subscriber, *, days: int = 0) -> tuple[str, list[str]]:
    """What becomes of the reader's digest of that day, and its titles."""
    Subscriber.objects.filter(pk=reader.pk).update(next_due_at=NOON + days * DAY)
    planning.plan_due(now=NOON + days * DAY)
    row = Delivery.objects.filter(subscriber=reader).latest("pk")
    assert row.due_at == NOON + days * DAY
    titles = dict(row.edition.items.values_list("pk", "paper__title"))
    return row.skip_reason or "sent", sorted(titles[item] for item, *_ in row.picks)


def wishing(policy: str) -> Subscriber:
    return make_reader(follows=("speech",), thin_policy=policy, wants_outside=False)


def test_each_wish_is_followed() -> None:
    first_day()
    got = {policy: planned(wishing(policy)) for policy in Subscriber.ThinPolicy.values}
    two = ["Speech 0", "Speech 1"]
    assert got == {
        "send": ("sent", two),
        "skip": ("thin", two),
        "widen": ("sent", ["Robots", *two]),
        "hold": ("thin", two),
    }


def test_held_papers_come_with_the_next_ones_and_only_once() -> None:
    first_day()
    reader = wishing("hold")
    planned(reader)
    paper("Speech new", days=1)
    next_day()
    assert planned(reader, days=1) == ("sent", ["Speech 0", "Speech 1", "Speech new"])
    for number in range(3):
        paper(f"Speech later {number}", days=2)
    next_day(2)
    assert planned(reader, days=2) == ("sent", [f"Speech later {number}" for number in range(3)])


def test_skipped_papers_do_not_come_back() -> None:
    first_day()
    reader = wishing("skip")
    planned(reader)
    for number in range(3):
        paper(f"Speech new {number}", days=1)
    next_day()
    assert planned(reader, days=1) == ("sent", [f"Speech new {number}" for number in range(3)])


def test_held_papers_stay_in_the_edition_when_others_push_them_off_its_list(settings: object) -> None:
    settings.EDITION_SIZE = 3  # type: ignore[attr-defined]
    first_day()
    holder, sender = wishing("hold"), wishing("send")
    planned(holder)
    planned(sender)
    for number in range(3):
        paper(f"Robots {number}", "robotics", days=1, score=99)
    edition = next_day()
    titles = list(edition.items.listed().order_by("position").values_list("paper__title", flat=True))
    assert titles == ["Robots 2", "Robots 1", "Robots 0", "Speech 0", "Speech 1"]
    assert planned(holder, days=1) == ("thin", ["Speech 0", "Speech 1"])
    assert planned(sender, days=1) == ("empty", [])


def test_without_anybody_waiting_an_edition_lists_its_candidates_only(settings: object) -> None:
    settings.EDITION_SIZE = 3  # type: ignore[attr-defined]
    first_day()
    planned(wishing("skip"))
    for number in range(3):
        paper(f"Robots {number}", "robotics", days=1, score=99)
    assert next_day().items.listed().count() == 3


def test_what_is_too_old_or_withdrawn_is_not_held_any_longer() -> None:
    first_day()
    reader = wishing("hold")
    planned(reader)
    Paper.objects.filter(title="Speech 0").update(withdrawn_at=NOON)
    draft = Edition.objects.create(
        cadence="daily", period_on=(NOON + DAY).date(), window_start_at=NOON, cutoff_at=NOON + DAY
    )
    assert [held.title for held in lifecycle.held_back(draft)] == ["Speech 1"]
    draft.cutoff_at = NOON + 15 * DAY
    assert lifecycle.held_back(draft) == []
