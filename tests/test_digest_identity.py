"""At most one digest per cadence and period, exactly one for each in which the reader was due: whatever they change.

Editions of a whole season stand ready; a reader lives through it at made-up moments, in any zone, and the planner runs
whenever they are due. The model is one line: the days served follow each other, none left out and none twice. (A day
that a reader leaps by moving east is no loss while the editions follow each other; one they live twice by moving west
has one digest.) What the reader's page says of the next digest, whenever they look at it, is what comes.
PAPERBOY_EXAMPLES=200 tries that many examples of each test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from newsletter import planning
from newsletter.editions.lifecycle import closing_of, cutoff_of, next_period, period_of
from newsletter.models import Compiled, Delivery, Edition, EditionItem, Miss
from newsletter.planning.next_digest import NextDigest, next_digest
from newsletter.planning.readers_due import PLAN_AHEAD
from subscriptions import lifecycle, schedule
from subscriptions.lifecycle import Origin
from subscriptions.models import EVERY_DAY, Subscriber
from subscriptions.preferences import Preferences, preferences_of
from tests.builders import make_paper, make_reader
from tests.environment import examples

pytestmark = pytest.mark.django_db
FIRST, LAST = date(2026, 11, 26), date(2027, 1, 31)
BEGIN = datetime(2026, 11, 28, 12, tzinfo=UTC)
TICK = timedelta(minutes=10)
ZONES = sorted(schedule.zone_names())


@pytest.fixture
def _season() -> None:
    """An edition of each day, week and month, frozen at its cut-off, each with a paper of its own."""
    editions = []
    for cadence in Subscriber.Cadence.values:
        period = period_of(cadence, FIRST)
        while period <= LAST:
            opens = cutoff_of(cadence, period)
            edition = Edition(cadence=cadence, period_on=period, cutoff_at=opens, window_start_at=opens)
            edition.state, edition.frozen_at, edition.closes_at = "frozen", opens, closing_of(edition)
            editions.append(edition)
            period = next_period(cadence, period)
    EditionItem.objects.bulk_create(
        EditionItem(edition=edition, paper=make_paper(), position=1, score=1.0)
        for edition in Edition.objects.bulk_create(editions)
    )


def act(**over: Any) -> dict[str, Any]:
    return {"method": "test", "origin": Origin()} | over


def label_of(reader: Subscriber) -> date:
    assert reader.next_due_at
    return reader.next_on or schedule.local_day(reader.next_due_at, reader.time_zone)


@dataclass
class Life:
    """One reader, the moment it is, and the days that were served: planned, or begun with the edition they had.

    ``told``: what the page said when it was looked at last.
    """

    reader: Subscriber
    now: datetime
    served: list[tuple[str, date]] = field(default_factory=list)
    told: NextDigest | None = None
    was_sent_now: bool = False

    def look(self) -> NextDigest | None:
        self.reader.refresh_from_db()
        return next_digest(self.reader, now=self.now)

    def run(self, until: datetime) -> None:
        """The ticks of the planner up to that moment; those at which nothing can happen are left out."""
        while True:
            self.reader.refresh_from_db()
            is_paused = self.reader.state == "paused"
            wakes = self.reader.paused_until if is_paused else self.reader.next_due_at
            assert wakes is not None
            wakes = max(wakes if is_paused else wakes - PLAN_AHEAD, self.now)
            if wakes >= until:
                break
            self.now = wakes
            if is_paused:
                lifecycle.resume_rested(now=self.now)
                self.told = None
            self.tick()
        self.now = until

    def tick(self) -> None:
        self.reader.refresh_from_db()
        before, due_at = label_of(self.reader), self.reader.next_due_at
        self.told = self.told or self.look()
        assert self.look() == self.told, "the page says the same until it comes"
        known = set(self.reader.deliveries.values_list("pk", flat=True))
        planning.plan_due(now=self.now)
        self.reader.refresh_from_db()
        if self.reader.next_due_at == due_at:
            self.now += TICK
            return
        self.served.append((self.reader.cadence, before))
        row = self.reader.deliveries.exclude(pk__in=known).first()
        if row is None:  # a day that begins so early that its edition is still the one of the day before
            miss = Miss.objects.filter(subscriber=self.reader).latest("pk")
            is_second = miss.why == Miss.Why.DAY_TAKEN and self.reader.deliveries.filter(local_on=before).exists()
            assert (miss.why, self.reader.cadence) == (Miss.Why.HAD_IT, "daily") or is_second or self.was_sent_now
        else:
            assert row.edition.cadence == self.reader.cadence
            assert (row.due_at, row.edition.period_on) == self.told
            self.told = None

    def change(self, **preferences: Any) -> None:
        self.reader.refresh_from_db()
        wanted = replace(preferences_of(self.reader), **preferences)
        lifecycle.change(self.reader, preferences=wanted, now=self.now, **act())
        self.told = self.look()


def born(**preferences: Any) -> Life:
    columns = Preferences(**({"weekdays": EVERY_DAY} | preferences)).columns
    reader = make_reader(confirmed_at=BEGIN, **columns)
    reader.next_due_at = lifecycle.next_due_of(reader, after=BEGIN)
    reader.save()
    return Life(reader, BEGIN)


def assert_none_lost_and_none_twice(life: Life, cadence: str) -> None:
    """That no period has two rows and no day two is held by the database and by the test of all rhythms below."""
    rows = Delivery.objects.filter(subscriber=life.reader, edition__cadence=cadence)
    had = [(period_of(cadence, day), edition) for day, edition in rows.values_list("local_on", "edition__period_on")]
    for before, after in pairwise(sorted({period_of(cadence, day) for its, day in life.served if its == cadence})):
        if after != next_period(cadence, before):
            last = max(edition for period, edition in had if period <= before)
            assert next_period(cadence, last) == min(edition for period, edition in had if period >= after)


hours = st.integers(0, 23)
zones = st.sampled_from(ZONES)
minutes = st.integers(0, 3 * 24 * 60)
rolled_back = settings(
    max_examples=examples(4),
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def world() -> Iterator[None]:
    """What an example wrote is gone after it."""
    with transaction.atomic():
        point = transaction.savepoint()
        yield
        transaction.savepoint_rollback(point)


@pytest.mark.usefixtures("_season")
@pytest.mark.parametrize("cadence", Subscriber.Cadence.values)
@pytest.mark.more_examples
@rolled_back
@given(zone=zones, hour=hours, changes=st.lists(st.tuples(minutes, st.none() | zones, hours), min_size=1, max_size=4))
def test_another_hour_or_zone_loses_no_digest_and_doubles_none(
    cadence: str, zone: str, hour: int, changes: list[tuple[int, str | None, int]]
) -> None:
    for _ in world():
        life = born(cadence=cadence, hour=hour, time_zone=zone)
        for wait, other_zone, other_hour in changes:
            life.run(life.now + timedelta(minutes=wait))
            life.change(hour=other_hour, time_zone=other_zone or life.reader.time_zone)
        life.run(life.now + timedelta(days=35 if cadence == "monthly" else 9))
        assert_none_lost_and_none_twice(life, cadence)


@pytest.mark.usefixtures("_season")
@pytest.mark.parametrize("cadence", Subscriber.Cadence.values)
@pytest.mark.more_examples
@rolled_back
@given(zone=zones, hour=hours, moves_to=st.none() | zones, days=st.integers(1, 20), late=st.integers(0, 90 * 60))
def test_a_pause_ends_with_the_digest_of_the_day_it_ends_on(
    cadence: str, zone: str, hour: int, moves_to: str | None, days: int, late: int
) -> None:
    for _ in world():
        life = born(cadence=cadence, hour=hour, time_zone=zone)
        day = schedule.local_day(life.now, zone) + timedelta(days=days)
        lifecycle.pause(life.reader, until=schedule.local_midnight(day, zone), now=life.now, **act())
        if moves_to:
            life.change(time_zone=moves_to)
        life.reader.refresh_from_db()
        assert life.reader.paused_until
        assert schedule.local_day(life.reader.paused_until, life.reader.time_zone) == day
        life.now = life.reader.paused_until + timedelta(seconds=late)
        lifecycle.resume_rested(now=life.now)
        life.run(life.now + timedelta(days=35 if cadence == "monthly" else 9))
        first = next(
            here
            for here in (day + timedelta(days=ahead) for ahead in range(40))
            if schedule._is_digest_day(here, cadence=cadence, weekdays=EVERY_DAY)
        )
        assert life.served[0] == (cadence, first)
        assert_none_lost_and_none_twice(life, cadence)


@pytest.mark.usefixtures("_season")
@pytest.mark.more_examples
@rolled_back
@given(
    zone=zones,
    rhythms=st.lists(
        st.tuples(minutes, st.sampled_from(Subscriber.Cadence.values), hours, st.integers(1, EVERY_DAY)), max_size=5
    ),
)
def test_whatever_the_rhythm_no_day_and_no_period_has_two(zone: str, rhythms: list[tuple[int, str, int, int]]) -> None:
    for _ in world():
        life = born(time_zone=zone)
        for wait, cadence, hour, weekdays in rhythms:
            life.run(life.now + timedelta(minutes=wait))
            life.change(cadence=cadence, hour=hour, weekdays=weekdays)
        life.run(life.now + timedelta(days=9))
        rows = Delivery.objects.filter(subscriber=life.reader)
        days = list(rows.values_list("local_on", flat=True))
        periods = [(row.edition.cadence, period_of(row.edition.cadence, row.local_on)) for row in rows]
        assert len(set(days)) == len(days)
        assert len(set(periods)) == len(periods)
        assert not Miss.objects.exclude(why=Miss.Why.HAD_IT).exists()


acts = st.one_of(
    st.tuples(st.just("change"), st.fixed_dictionaries({}, optional={"hour": hours, "time_zone": zones})),
    st.tuples(st.just("change"), st.fixed_dictionaries({"cadence": st.sampled_from(Subscriber.Cadence.values)})),
    st.tuples(st.just("change"), st.fixed_dictionaries({"weekdays": st.integers(1, EVERY_DAY)})),
    st.tuples(st.just("pause"), st.integers(1, 9)),
    st.tuples(st.just("resume"), st.none()),
    st.tuples(st.just("leave and undo"), st.integers(0, 9)),
    st.tuples(st.just("send now"), st.none()),
)


def do(life: Life, name: str, detail: Any) -> None:
    life.reader.refresh_from_db()
    if name == "change":
        life.change(**detail)
    elif name == "pause":
        day = schedule.local_day(life.now, life.reader.time_zone) + timedelta(days=detail)
        until = schedule.local_midnight(day, life.reader.time_zone)
        lifecycle.pause(life.reader, until=until, now=life.now, **act())
    elif name == "resume":
        lifecycle.resume(life.reader, now=life.now, **act())
    elif name == "leave and undo":
        lifecycle.unsubscribe(life.reader, now=life.now, **act())
        life.now += timedelta(minutes=detail)
        assert lifecycle.undo(life.reader, now=life.now, **act())
    elif edition := Edition.objects.open_at(life.now).newest(life.reader.cadence):
        planning.plan_now(edition, now=life.now)
        life.was_sent_now = True


@pytest.mark.usefixtures("_season")
@pytest.mark.parametrize("cadence", Subscriber.Cadence.values)
@pytest.mark.more_examples
@rolled_back
@given(zone=zones, hour=hours, lived=st.lists(st.tuples(minutes, acts), min_size=1, max_size=5))
def test_what_the_page_says_of_the_next_digest_is_what_comes(
    cadence: str, zone: str, hour: int, lived: list[tuple[int, tuple[str, Any]]]
) -> None:
    """`Life.tick` compares them at each tick, `told` being what the page said right after the last change."""
    for _ in world():
        life = born(cadence=cadence, hour=hour, time_zone=zone)
        for wait, (name, detail) in lived:
            life.run(life.now + timedelta(minutes=wait))
            do(life, name, detail)
            life.told = life.look()
        life.run(life.now + timedelta(days=40 if life.reader.cadence == "monthly" else 9))


@pytest.mark.usefixtures("_season")
@pytest.mark.parametrize("over", [Edition.State.CANCELLED, Edition.State.SKIPPED])
@pytest.mark.parametrize(("hour", "comes"), [(3, date(2026, 12, 1)), (9, date(2026, 12, 2))])
def test_the_page_names_no_edition_that_nobody_will_send(hour: int, comes: date, over: str) -> None:
    """The edition of 30 November is gone: at 03:00 the reader waits for that of 1 December, at 09:00 it is too far."""
    life = born(hour=hour)
    life.run(datetime(2026, 11, 30, 5 if hour == 3 else 8, tzinfo=UTC))
    gone = date(2026, 11, 30) if hour == 3 else date(2026, 12, 1)
    Edition.objects.filter(cadence="daily", period_on=gone).update(state=over)
    life.now = datetime(2026, 12, 1, hour - 1, tzinfo=UTC)
    told = life.look()
    for ahead in range(0, 34 * 60, 60):
        planning.plan_due(now=life.now + timedelta(minutes=ahead))
    row = Delivery.objects.filter(due_at__gte=life.now).earliest("due_at")
    assert (row.due_at, row.edition.period_on) == told
    assert row.edition.period_on == comes


@pytest.mark.usefixtures("_season")
@pytest.mark.parametrize(("at", "hour"), [(2, 8), (2, 3), (12, 20)])
def test_who_has_just_confirmed_is_told_what_comes_after_the_first_digest(at: int, hour: int) -> None:
    life = born(hour=hour)
    life.now = datetime(2026, 12, 1, at, 30, tzinfo=UTC)
    Subscriber.objects.update(welcome_due_at=life.now, next_due_at=lifecycle.next_due_of(life.reader, after=life.now))
    newest = Edition.objects.open_at(life.now).newest("daily")
    Compiled.objects.create(edition=newest, fragments={}, compiled_at=life.now)
    told = life.look()
    for ahead in range(0, 34 * 60, 60):
        planning.plan_due(now=life.now + timedelta(minutes=ahead))
    first, second = Delivery.objects.order_by("due_at")[:2]
    assert first.is_welcome
    assert (second.due_at, second.edition.period_on) == told


def monthly(**over: Any) -> Life:
    life = born(cadence="monthly", hour=20, **over)
    life.run(datetime(2026, 12, 1, 10, tzinfo=UTC))
    return life


@pytest.mark.usefixtures("_season")
@pytest.mark.parametrize("preferences", [{"hour": 9}, {"time_zone": "Pacific/Auckland"}])
def test_a_monthly_reader_who_moves_their_hour_before_now_gets_the_month_now(preferences: dict[str, Any]) -> None:
    life = monthly()
    life.change(**preferences)
    life.run(life.now + timedelta(hours=1))
    row = Delivery.objects.get()
    assert (row.edition.cadence, row.edition.period_on) == ("monthly", date(2026, 12, 1))


@pytest.mark.usefixtures("_season")
def test_a_day_that_is_over_in_the_new_zone_still_has_its_digest() -> None:
    """15:00 UTC is the second of December in Auckland; the digest of the first comes now and counts as that day's."""
    life = born(cadence="daily", hour=20)
    life.run(datetime(2026, 12, 1, 15, tzinfo=UTC))
    life.change(time_zone="Pacific/Auckland")
    life.run(life.now + timedelta(days=1))
    assert list(Delivery.objects.order_by("due_at").values_list("local_on", flat=True))[-2:] == [
        date(2026, 12, 1),
        date(2026, 12, 2),
    ]


@pytest.mark.usefixtures("_season")
def test_what_was_skipped_because_the_reader_paused_comes_when_they_are_back_that_day() -> None:
    life = born(cadence="weekly", hour=8)
    life.run(datetime(2026, 12, 7, 8, 5, tzinfo=UTC))
    lifecycle.pause(life.reader, until=life.now + timedelta(days=9), now=life.now, **act())
    Delivery.objects.filter(local_on=date(2026, 12, 7)).update(state="skipped", skip_reason="paused", not_before=None)
    lifecycle.resume(life.reader, now=life.now + timedelta(hours=1), **act())
    life.now += timedelta(hours=1)
    life.run(life.now + timedelta(hours=1))
    assert Delivery.objects.get(local_on=date(2026, 12, 7)).state == Delivery.State.QUEUED


@pytest.mark.usefixtures("_season")
def test_undo_takes_up_the_day_that_was_not_had_and_no_other() -> None:
    life = born(cadence="weekly", hour=8)
    life.run(datetime(2026, 12, 7, 7, 58, tzinfo=UTC))
    lifecycle.unsubscribe(life.reader, now=life.now, **act())
    Delivery.objects.update(state="skipped", skip_reason="unsubscribed", not_before=None)
    life.now += timedelta(minutes=5)
    assert lifecycle.undo(life.reader, now=life.now, **act())
    life.run(life.now + timedelta(days=8))
    assert [day for _, day in life.served][-2:] == [date(2026, 12, 7), date(2026, 12, 14)]


@pytest.mark.usefixtures("_season")
def test_four_weeks_off_end_with_the_digest_of_that_monday() -> None:
    life = born(cadence="weekly", hour=0, time_zone="Europe/Berlin")
    life.run(datetime(2026, 12, 7, 10, tzinfo=UTC))
    until = schedule.local_midnight(date(2027, 1, 4), "Europe/Berlin")
    lifecycle.pause(life.reader, until=until, now=life.now, **act())
    life.now = until + timedelta(seconds=37)
    lifecycle.resume_rested(now=life.now)
    life.run(life.now + timedelta(minutes=30))
    assert life.served[-1] == ("weekly", date(2027, 1, 4))
