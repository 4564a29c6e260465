from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from newsletter import planning
from newsletter.editions import lifecycle
from newsletter.models import Delivery, Edition, Miss, Paper
from newsletter.monitoring.reader_history import history_of
from newsletter.planning import readers_due
from subscriptions.models import Subscriber, TopicPreference
from tests.builders import NOON, assign, make_edition, make_paper, make_reader, make_topic

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
FROZEN = Edition.State.FROZEN
TOMORROW = NOON + timedelta(days=1)


def papers_of(delivery: Delivery) -> list[str]:
    items = {item.pk: item.paper.title for item in delivery.edition.items.all()}
    return [items[item] for item, *_ in delivery.picks]


def shelf(**over: Any) -> Edition:
    """A frozen edition with two speech papers and two robotics papers."""
    papers = [
        assign(make_paper(title=title, score_daily=score), topic)
        for title, topic, score in (
            ("Speech one", "speech-audio", 4.0),
            ("Robots one", "robotics", 3.0),
            ("Speech two", "speech-audio", 2.0),
            ("Robots two", "robotics", 1.0),
        )
    ]
    return make_edition(papers=papers, state=FROZEN, **over)


def test_a_reader_gets_the_papers_of_the_topics_they_follow() -> None:
    shelf()
    make_reader(follows=("speech-audio",), wants_outside=False)
    planning.plan_due(now=NOON)
    delivery = Delivery.objects.get()
    assert delivery.state == Delivery.State.QUEUED
    assert papers_of(delivery) == ["Speech one", "Speech two"]
    assert {reason for *_, reason in delivery.picks} == {"topic:speech-audio"}


def test_a_reader_who_follows_nothing_gets_what_is_trending() -> None:
    shelf()
    make_reader()
    planning.plan_due(now=NOON)
    assert papers_of(Delivery.objects.get())[0] == "Speech one"


def test_the_curators_order_and_pins_are_the_readers_order() -> None:
    edition = shelf()
    order = ["Robots two", "Robots one", "Speech two", "Speech one"]
    for place, title in enumerate(order, start=1):
        edition.items.filter(paper__title=title).update(position=place)
    edition.items.filter(paper__title="Speech one").update(standing="pinned")
    make_reader(follows=("speech-audio",), wants_outside=False)
    make_reader(follows=("robotics",), wants_outside=False)
    planning.plan_due(now=NOON)
    speech, robots = Delivery.objects.order_by("pk")
    assert papers_of(speech) == ["Speech one", "Speech two"]
    assert papers_of(robots) == ["Robots two", "Robots one"]


def test_a_reader_with_nothing_new_is_recorded_with_the_reason() -> None:
    shelf()
    make_topic("security")
    make_reader(follows=("security",))
    planning.plan_due(now=NOON)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.skip_reason) == (Delivery.State.SKIPPED, Delivery.Skip.EMPTY)


def test_a_muted_topic_never_comes() -> None:
    shelf()
    reader = make_reader()
    reader.preferences.create(topic=make_topic("speech-audio"), stance=TopicPreference.Stance.MUTE)
    planning.plan_due(now=NOON)
    assert set(papers_of(Delivery.objects.get())) == {"Robots one", "Robots two"}


@pytest.mark.parametrize("state", ["pending", "paused", "unsubscribed", "suppressed"])
def test_only_confirmed_readers_are_planned(state: str) -> None:
    shelf()
    make_reader(state=state)
    planning.plan_due(now=NOON)
    assert not Delivery.objects.exists()


def test_nobody_is_planned_before_their_hour() -> None:
    shelf()
    make_reader(next_due_at=NOON + timedelta(hours=1))
    assert planning.plan_due(now=NOON).readers == 0


def test_planning_moves_the_reader_on_to_the_next_hour() -> None:
    shelf()
    reader = make_reader(hour=12, time_zone="UTC")
    planning.plan_due(now=NOON)
    reader.refresh_from_db()
    assert reader.next_due_at == TOMORROW


def test_planning_twice_makes_one_delivery() -> None:
    shelf()
    reader = make_reader()
    planning.plan_due(now=NOON)
    Subscriber.objects.filter(pk=reader.pk).update(next_due_at=NOON)
    planning.plan_due(now=NOON)
    assert Delivery.objects.count() == 1


def test_the_same_paper_is_never_planned_twice_for_a_reader() -> None:
    first = shelf()
    reader = make_reader(follows=("speech-audio",), wants_outside=False)
    planning.plan_due(now=NOON)
    again = list(Paper.objects.order_by("pk"))
    fresh = assign(make_paper(title="Speech three", score_daily=1.5), "speech-audio")
    make_edition(
        papers=[*again, fresh], state=FROZEN, period_on=TOMORROW.date(), frozen_at=TOMORROW, cutoff_at=TOMORROW
    )
    Subscriber.objects.filter(pk=reader.pk).update(next_due_at=TOMORROW)
    planning.plan_due(now=TOMORROW)
    second = Delivery.objects.exclude(edition=first).get()
    assert papers_of(second) == ["Speech three"]


def test_what_a_daily_reader_had_never_comes_in_a_weekly_edition_after_they_changed() -> None:
    shelf()
    reader = make_reader(follows=("speech-audio",), wants_outside=False)
    planning.plan_due(now=NOON)
    again = list(Paper.objects.order_by("pk"))
    fresh = assign(make_paper(title="Speech of the week", score_weekly=1.5), "speech-audio")
    monday = NOON + timedelta(days=5)
    make_edition(
        papers=[*again, fresh],
        cadence="weekly",
        state=FROZEN,
        period_on=monday.date(),
        frozen_at=monday,
        cutoff_at=monday,
    )
    Subscriber.objects.filter(pk=reader.pk).update(cadence="weekly", next_due_at=monday)
    planning.plan_due(now=monday)
    assert papers_of(Delivery.objects.get(edition__cadence="weekly")) == ["Speech of the week"]


def test_a_cadence_that_cannot_be_planned_holds_up_no_other() -> None:
    shelf()
    make_reader()
    planning.plan_due(now=NOON)
    Delivery.objects.update(picks=[7])  # no pick: the reader's memory cannot be read
    Subscriber.objects.update(next_due_at=TOMORROW)
    papers = list(Paper.objects.order_by("pk"))
    make_edition(papers=papers, state=FROZEN, period_on=TOMORROW.date(), frozen_at=TOMORROW, cutoff_at=TOMORROW)
    make_edition(papers=papers, state=FROZEN, cadence="weekly", frozen_at=TOMORROW, cutoff_at=TOMORROW)
    weekly = make_reader(cadence="weekly", next_due_at=TOMORROW)
    with pytest.raises(TypeError):
        planning.plan_due(now=TOMORROW)
    assert Delivery.objects.get(edition__cadence="weekly").subscriber == weekly


def test_a_paper_merged_into_another_since_counts_as_had() -> None:
    shelf()
    reader = make_reader(follows=("speech-audio",), wants_outside=False)
    planning.plan_due(now=NOON)
    merged = Paper.objects.get(title="Speech one")
    came = NOON - timedelta(hours=2)  # before the first digest's cut-off: merging keeps the earlier moment
    second = make_paper(title="Speech one, second version", score_daily=9.0, first_seen_at=came)
    canonical = assign(second, "speech-audio")
    Paper.objects.filter(pk=merged.pk).update(merged_into=canonical)
    make_edition(papers=[canonical], state=FROZEN, period_on=TOMORROW.date(), frozen_at=TOMORROW, cutoff_at=TOMORROW)
    Subscriber.objects.filter(pk=reader.pk).update(next_due_at=TOMORROW)
    planning.plan_due(now=TOMORROW)
    assert Delivery.objects.get(edition__period_on=TOMORROW.date()).skip_reason == Delivery.Skip.EMPTY


def test_a_failed_digest_does_not_count_as_had() -> None:
    shelf()
    reader = make_reader(follows=("speech-audio",), wants_outside=False)
    planning.plan_due(now=NOON)
    Delivery.objects.update(state=Delivery.State.FAILED, not_before=None)
    papers = list(Paper.objects.filter(title__startswith="Speech").order_by("pk"))
    make_edition(papers=papers, state=FROZEN, period_on=TOMORROW.date(), frozen_at=TOMORROW, cutoff_at=TOMORROW)
    Subscriber.objects.filter(pk=reader.pk).update(next_due_at=TOMORROW)
    planning.plan_due(now=TOMORROW)
    assert len(Delivery.objects.get(edition__period_on=TOMORROW.date()).picks) == 2


def test_a_change_of_zone_cannot_give_two_digests_on_one_local_day() -> None:
    shelf()
    reader = make_reader(hour=12, time_zone="Pacific/Auckland")
    planning.plan_due(now=NOON)
    make_edition(
        papers=[assign(make_paper(), "vision")],
        state=FROZEN,
        period_on=TOMORROW.date(),
        frozen_at=NOON + timedelta(hours=2),
        cutoff_at=NOON + timedelta(hours=2),
    )
    Subscriber.objects.filter(pk=reader.pk).update(next_due_at=NOON + timedelta(hours=10))
    planning.plan_due(now=NOON + timedelta(hours=10))
    assert Delivery.objects.filter(subscriber=reader).count() == 1


def test_an_edition_frozen_late_still_reaches_readers_within_the_grace() -> None:
    reader = make_reader(next_due_at=NOON - timedelta(hours=3))
    assert planning.plan_due(now=NOON).readers == 0
    shelf()
    planning.plan_due(now=NOON)
    assert Delivery.objects.get().subscriber == reader


def test_an_hour_missed_beyond_the_grace_is_skipped_and_collapses_into_the_next() -> None:
    shelf()
    reader = make_reader(next_due_at=NOON - timedelta(days=3), hour=8, time_zone="UTC")
    assert planning.plan_due(now=NOON).missed == 1
    reader.refresh_from_db()
    assert not Delivery.objects.exists()
    assert reader.next_due_at == NOON.replace(hour=8), "today's hour is within the grace and still served"
    planning.plan_due(now=NOON)
    reader.refresh_from_db()
    assert Delivery.objects.get().local_on == NOON.date()
    assert reader.next_due_at == TOMORROW.replace(hour=8)


def test_moving_on_those_who_missed_their_hour_ends_with_the_run_and_goes_on_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readers_due, "CHUNK", 2)
    for _ in range(4):
        make_reader(next_due_at=NOON - timedelta(days=3))
    shelf()
    late = NOON + timedelta(minutes=1)
    assert planning.plan_due(now=NOON, deadline=late, clock=lambda: late).missed == 0
    assert planning.plan_due(now=NOON, deadline=late, clock=lambda: NOON).missed == 4


def test_who_got_an_edition_early_is_back_at_their_own_hour_the_day_after() -> None:
    """A reader of the evening who once got the next day's edition must not get each later one at night."""
    evening = NOON.replace(hour=23)
    shelf(frozen_at=evening - timedelta(minutes=30), cutoff_at=evening, period_on=TOMORROW.date())
    reader = make_reader(hour=23, next_due_at=evening)
    planning.plan_due(now=evening)
    planning.plan_due(now=evening + timedelta(days=1, minutes=30))
    reader.refresh_from_db()
    assert reader.next_due_at == evening + timedelta(days=1), "the next edition may be a little late"
    planning.plan_due(now=evening + timedelta(days=1, hours=1, minutes=1))
    reader.refresh_from_db()
    assert reader.next_due_at == evening + timedelta(days=2)
    assert Delivery.objects.count() == 1


def test_a_paused_edition_is_not_planned() -> None:
    shelf(paused_at=NOON)
    make_reader()
    assert planning.plan_due(now=NOON).readers == 0


def test_send_now_reaches_every_reader_of_the_cadence_once() -> None:
    edition = shelf()
    make_reader(next_due_at=NOON + timedelta(hours=9))
    make_reader(cadence="weekly")
    assert planning.plan_now(edition, now=NOON).readers == 1
    assert planning.plan_now(edition, now=NOON).readers == 0
    assert Delivery.objects.get().not_before == NOON


def wished(**over: Any) -> Edition:
    """An edition that a curator wants sent now, with a reader whose own hour is far."""
    make_reader(next_due_at=NOON + timedelta(hours=9), **over)
    edition = shelf()
    assert planning.wish_now(edition, now=NOON) == 1
    return edition


def test_a_wish_to_send_now_is_done_by_the_planner_and_then_gone() -> None:
    edition = wished()
    assert planning.plan_due(now=NOON).queued == 1
    edition.refresh_from_db()
    assert edition.send_now_at is None
    assert planning.plan_due(now=NOON).readers == 0


def test_a_wish_waits_through_a_pause_and_ends_with_the_edition() -> None:
    edition = wished()
    lifecycle.pause(edition, reason="look", now=NOON)
    assert planning.plan_due(now=NOON).readers == 0
    edition.refresh_from_db()
    assert edition.send_now_at == NOON
    lifecycle.resume(edition, now=NOON)
    assert edition.closes_at
    assert planning.wish_now(edition, now=edition.closes_at) is None
    assert planning.plan_due(now=edition.closes_at).readers == 0
    edition.refresh_from_db()
    assert edition.send_now_at is None


def test_a_wish_that_comes_while_another_is_done_is_done_by_the_next_run() -> None:
    edition = shelf()
    planning.wish_now(edition, now=NOON)
    again = NOON + timedelta(seconds=20)

    def clock() -> datetime:
        planning.wish_now(edition, now=again)
        return again

    planning.plan_due(now=NOON, deadline=NOON + timedelta(minutes=1), clock=clock)
    edition.refresh_from_db()
    assert edition.send_now_at == again


def test_a_wish_that_takes_longer_than_a_run_goes_on_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers_due, "CHUNK", 2)
    for _ in range(4):
        make_reader(next_due_at=NOON + timedelta(hours=9))
    edition = shelf()
    assert planning.wish_now(edition, now=NOON) == 4
    moments = iter([NOON, NOON + timedelta(seconds=1)] + [NOON + timedelta(minutes=5)] * 20)
    late = NOON + timedelta(minutes=1)
    assert planning.plan_due(now=NOON, deadline=late, clock=lambda: next(moments)).queued in {2, 4}
    edition.refresh_from_db()
    assert edition.send_now_at == NOON
    planning.plan_due(now=NOON)
    assert Delivery.objects.count() == 4
    edition.refresh_from_db()
    assert edition.send_now_at is None


@pytest.mark.parametrize("act", ["pause", "cancel"])
def test_an_edition_stopped_under_the_planner_gets_no_further_row(act: str) -> None:
    edition = shelf()
    reader = make_reader()
    plan = planning.EditionPlan(edition)  # chosen from while it was open
    readers = readers_due.due_readers(edition, after=None, now=NOON)
    assert plan.choose(readers)
    lifecycle.pause(edition, reason="look", now=NOON) if act == "pause" else lifecycle.cancel(edition, now=NOON)
    with pytest.raises(readers_due.Stopped), transaction.atomic():
        readers_due.hold(edition)
    assert planning.plan_now(edition, now=NOON).readers == 0
    reader.refresh_from_db()
    assert reader.next_due_at == NOON


def test_why_there_was_no_digest_is_on_record() -> None:
    late = make_reader(next_due_at=NOON - timedelta(days=3))
    planning.plan_due(now=NOON)  # nobody made an edition
    early = make_reader(hour=23, next_due_at=NOON + timedelta(hours=9))
    edition = shelf()
    planning.plan_now(edition, now=NOON)
    planning.plan_due(now=NOON + timedelta(hours=10, minutes=1))
    taken = make_reader(cadence="weekly")
    Delivery.objects.create(
        edition=edition, subscriber=taken, local_on=NOON.date(), due_at=NOON, expires_at=NOON, state="sent"
    )
    weekly = make_edition(papers=[assign(make_paper(), "vision")], state=FROZEN, cadence="weekly")
    planning.plan_due(now=NOON)
    assert not weekly.deliveries.exists()
    whys = dict(Miss.objects.values_list("subscriber", "why"))
    assert whys == {late.pk: Miss.Why.NOTHING, early.pk: Miss.Why.HAD_IT, taken.pk: Miss.Why.DAY_TAKEN}
    (line,) = [line for line in history_of(taken) if line.subject == "no digest"]
    assert (line.at, line.what) == (NOON, "had another digest on that day")


def test_a_thin_digest_is_held_back_for_those_who_wish_so() -> None:
    make_edition(papers=[assign(make_paper(score_daily=1.0), "vision")], state=FROZEN)
    make_reader(thin_policy="hold", wants_outside=False)
    planning.plan_due(now=NOON)
    assert Delivery.objects.get().skip_reason == Delivery.Skip.THIN


def test_sends_are_spread_over_the_first_minutes_of_the_hour_the_same_way_every_day() -> None:
    shelf()
    for _ in range(20):
        make_reader()
    planning.plan_due(now=NOON)
    waits = {delivery.not_before - delivery.due_at for delivery in Delivery.objects.all()}
    assert len(waits) > 5
    assert all(timedelta(0) <= wait < timedelta(minutes=10) for wait in waits)


def test_the_number_of_queries_does_not_grow_with_the_readers() -> None:
    shelf()

    def queries_for(readers: int) -> int:
        Delivery.objects.all().delete()
        for _ in range(readers):
            make_reader(follows=("speech-audio",))
        Subscriber.objects.update(next_due_at=NOON)
        with CaptureQueriesContext(connection) as queries:
            planning.plan_due(now=NOON)
        assert Delivery.objects.count() == Subscriber.objects.count()
        return len(queries)

    assert queries_for(3) == queries_for(40)
