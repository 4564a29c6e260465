from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from newsletter.editions import curation, lifecycle
from newsletter.mail.compile_edition import CompileError
from newsletter.models import Edition, EditionItem, Paper, Sighting
from subscriptions.schedule import local_day, next_due
from tests.builders import NOON, make_edition, make_paper

pytestmark = pytest.mark.django_db
DAILY = Edition.Cadence.DAILY
TODAY = NOON.date()


def trending(score: float, **over: object) -> Paper:
    paper = make_paper(score_daily=score, first_seen_at=NOON - timedelta(hours=20), **over)
    Sighting.objects.create(paper=paper, source="hf_daily", key=str(paper.pk), seen_at=NOON)
    return paper


def titles(edition: Edition) -> list[str]:
    return [item.paper.title for item in lifecycle.listed_items(edition)]


@pytest.mark.parametrize(
    ("cadence", "day", "period"),
    [
        ("daily", date(2026, 3, 18), date(2026, 3, 18)),
        ("weekly", date(2026, 3, 18), date(2026, 3, 16)),
        ("weekly", date(2027, 1, 1), date(2026, 12, 28)),
        ("monthly", date(2028, 2, 29), date(2028, 2, 1)),
    ],
)
def test_a_period_is_the_day_its_monday_or_the_first(cadence: str, day: date, period: date) -> None:
    assert lifecycle.period_of(cadence, day) == period


@pytest.mark.parametrize(
    ("cadence", "period", "after"),
    [
        ("daily", date(2026, 2, 28), date(2026, 3, 1)),
        ("weekly", date(2026, 12, 28), date(2027, 1, 4)),
        ("monthly", date(2027, 1, 1), date(2027, 2, 1)),
        ("monthly", date(2026, 12, 1), date(2027, 1, 1)),
    ],
)
def test_the_next_period_follows_without_gap(cadence: str, period: date, after: date) -> None:
    assert lifecycle.next_period(cadence, period) == after


def test_weekly_editions_close_before_monday_begins_anywhere() -> None:
    assert lifecycle.cutoff_of("weekly", date(2026, 3, 16)) == datetime(2026, 3, 15, 10, tzinfo=UTC)


def test_a_draft_lists_the_best_trending_first() -> None:
    low, high = trending(1.0), trending(3.0)
    edition = lifecycle.draft(cadence=DAILY, period_on=TODAY, now=NOON)
    assert titles(edition) == [high.title, low.title]


def test_papers_seen_only_on_saved_pages_are_never_counted_as_trending() -> None:
    paper = make_paper(first_seen_at=NOON - timedelta(hours=2))
    Sighting.objects.create(paper=paper, source="listing_page", key="hash", seen_at=NOON)
    assert titles(lifecycle.draft(cadence=DAILY, period_on=TODAY, now=NOON)) == []


def test_withdrawn_hidden_and_merged_papers_are_left_out() -> None:
    kept = trending(1.0)
    trending(9.0, withdrawn_at=NOON)
    trending(9.0, is_hidden=True)
    trending(9.0, merged_into=kept)
    assert titles(lifecycle.draft(cadence=DAILY, period_on=TODAY, now=NOON)) == [kept.title]


def test_drafting_twice_makes_one_edition() -> None:
    trending(1.0)
    lifecycle.draft(cadence=DAILY, period_on=TODAY, now=NOON)
    lifecycle.draft(cadence=DAILY, period_on=TODAY, now=NOON)
    assert Edition.objects.count() == 1
    assert EditionItem.objects.count() == 1


def test_the_window_starts_where_the_last_edition_that_went_out_ended() -> None:
    day = timedelta(days=1)
    sent = make_edition(papers=[make_paper()], state="done", period_on=TODAY - 2 * day, cutoff_at=NOON - 2 * day)
    before = lifecycle.draft(cadence=DAILY, period_on=TODAY - day, now=NOON - day)
    assert before.window_start_at == sent.cutoff_at
    Edition.objects.filter(pk=before.pk).update(state="skipped")
    assert lifecycle.draft(cadence=DAILY, period_on=TODAY, now=NOON).window_start_at == sent.cutoff_at


def test_a_day_that_was_skipped_loses_no_paper_even_when_the_next_was_drafted_before() -> None:
    """Approved too late: what was new on that day, and measured by nobody, is in the next edition."""
    morning = NOON.replace(hour=4)
    day = timedelta(days=1)
    make_edition(papers=[make_paper()], state="done", period_on=TODAY - day, cutoff_at=morning - day)
    unmeasured = make_paper(title="Nobody voted yet", first_seen_at=morning - timedelta(hours=2))
    Sighting.objects.create(paper=unmeasured, source="arxiv_daily", key="x", seen_at=unmeasured.first_seen_at)
    today = lifecycle.draft(cadence=DAILY, period_on=TODAY, now=morning - timedelta(hours=1))
    assert titles(today) == [unmeasured.title]
    lifecycle.draft(cadence=DAILY, period_on=TODAY + day, now=morning + timedelta(hours=18))
    assert lifecycle.skip_stale(now=morning + day) == 1
    tomorrow = lifecycle.draft(cadence=DAILY, period_on=TODAY + day, now=morning + day)
    assert titles(tomorrow) == [unmeasured.title]


def of_the_week(title: str, score: float, *, age: timedelta, **gains: int) -> Paper:
    """Measured by a source; first seen that long before the weekly cut-off of NOON's week."""
    at = lifecycle.cutoff_of("weekly", date(2026, 3, 16)) - age
    parts = {"weekly": {"hours": 168} | gains, "daily": {"hours": 24}}
    paper = make_paper(title=title, score_weekly=score, score_monthly=score, first_seen_at=at, score_parts=parts)
    Sighting.objects.create(paper=paper, source="hf_daily", key=title, seen_at=at)
    return paper


def test_a_week_is_the_top_of_the_week_whatever_the_days_had() -> None:
    """Not five daily lists in a row: one list, by the score of the week; and nothing that merely has not faded yet."""
    monday, day = date(2026, 3, 16), timedelta(days=1)
    slow = of_the_week("Rose all week", 5.0, age=6 * day, upvotes_gain=90)
    flash = of_the_week("One day's wonder", 3.0, age=2 * day, upvotes_gain=60)
    back = of_the_week("Older, found this week", 4.0, age=15 * day, stars_gain=300)
    of_the_week("Last week's hit", 9.0, age=12 * day, upvotes_gain=0)
    of_the_week("Too old", 9.0, age=30 * day, upvotes_gain=50)
    of_the_week("After the cut-off", 9.0, age=-day / 24, upvotes_gain=50)
    for number, paper in enumerate((flash, slow)):
        make_edition(papers=[paper], period_on=monday - (5 - number) * day)
    edition = lifecycle.draft(cadence="weekly", period_on=monday, now=lifecycle.cutoff_of("weekly", monday))
    assert titles(edition) == [slow.title, back.title, flash.title]
    assert edition.items.first().parts["upvotes_gain"] == 90, "told by the week's numbers, not a day's"


def test_weeks_and_months_follow_each_other_without_gap_over_the_year_and_the_clocks() -> None:
    """2026 has 53 ISO weeks; cut-offs are in UTC, so that a change of clocks neither opens nor doubles an hour."""
    for cadence, first, count in (("weekly", date(2026, 3, 16), 60), ("monthly", date(2026, 1, 1), 26)):
        period = first
        for _ in range(count):
            after = lifecycle.next_period(cadence, period)
            assert lifecycle.period_of(cadence, after) == after
            assert lifecycle.period_of(cadence, after - timedelta(days=1)) == period
            closing = lifecycle.cutoff_of(cadence, after)
            assert lifecycle.latest_period(cadence, closing - lifecycle.DRAFT_LEAD) == after
            assert lifecycle.latest_period(cadence, closing - lifecycle.DRAFT_LEAD - timedelta(seconds=1)) == period
            period = after
    assert lifecycle.next_period("weekly", date(2026, 12, 28)) == date(2027, 1, 4), "week 53, then week 1"


@pytest.mark.parametrize("cadence", ["weekly", "monthly"])
@pytest.mark.parametrize("hour", [0, 8, 23])
def test_wherever_a_reader_lives_the_edition_of_their_day_is_the_open_one_at_their_hour(
    cadence: str, hour: int
) -> None:
    zones = (
        *("Pacific/Kiritimati", "Pacific/Auckland", "Australia/Lord_Howe", "Asia/Kathmandu", "Europe/Berlin"),
        *("Africa/Casablanca", "America/New_York", "America/St_Johns", "Pacific/Pago_Pago"),
    )
    for zone in zones:
        due = datetime(2026, 2, 1, tzinfo=UTC)
        while due < datetime(2027, 4, 20, tzinfo=UTC):  # over a year's end with week 53 and three changes of clocks
            due = next_due(cadence=cadence, weekdays=0, hour=hour, zone=zone, after=due)
            period = local_day(due, zone)
            assert lifecycle.cutoff_of(cadence, period) <= due, f"{zone}: closed before it is due"
            assert due < lifecycle.cutoff_of(cadence, lifecycle.next_period(cadence, period)), f"{zone}: still open"


def test_a_refresh_follows_the_ranking_but_keeps_what_the_curator_decided() -> None:
    first, second, third = trending(3.0), trending(2.0), trending(1.0)
    edition = lifecycle.draft(cadence=DAILY, period_on=TODAY, now=NOON)
    edition.items.filter(paper=third).update(standing=EditionItem.Standing.PINNED, position=1)
    edition.items.filter(paper=second).update(standing=EditionItem.Standing.EXCLUDED)
    newcomer = trending(9.0)
    lifecycle.refresh(edition)
    assert titles(edition)[0] == third.title
    assert set(titles(edition)) == {third.title, newcomer.title, first.title}


def test_an_editors_pick_stands_first_in_its_own_lane() -> None:
    trending(3.0)
    edition = lifecycle.draft(cadence=DAILY, period_on=TODAY, now=NOON)
    pick = make_paper(title="Chosen by hand")
    lifecycle.add_pick(edition, paper=pick)
    lifecycle.refresh(edition)
    assert titles(edition)[0] == "Chosen by hand"
    assert edition.items.get(paper=pick).lane == EditionItem.Lane.PICK


def test_an_empty_draft_cannot_be_approved() -> None:
    edition = lifecycle.draft(cadence=DAILY, period_on=TODAY, now=NOON)
    with pytest.raises(lifecycle.EditionStateError, match="no papers"):
        lifecycle.approve(edition, by=None, now=NOON)


def test_an_edition_is_approved_once() -> None:
    trending(1.0)
    edition = lifecycle.draft(cadence=DAILY, period_on=TODAY, now=NOON)
    curator = User.objects.create_user("curator")
    lifecycle.approve(edition, by=curator, now=NOON)
    assert (edition.state, edition.approved_by) == (Edition.State.APPROVED, curator)
    with pytest.raises(lifecycle.EditionStateError):
        lifecycle.approve(edition, by=curator, now=NOON)


def test_an_approved_edition_waits_for_its_cutoff() -> None:
    trending(1.0)
    edition = make_edition(state=Edition.State.APPROVED, cutoff_at=NOON + timedelta(hours=1))
    assert lifecycle.freeze_due(now=NOON) == []
    assert lifecycle.freeze_due(now=NOON + timedelta(hours=1)) == [edition]


def test_nothing_goes_out_by_itself_unless_the_operator_says_so(settings: pytest.FixtureRequest) -> None:
    trending(1.0)
    edition = lifecycle.draft(cadence=DAILY, period_on=TODAY, now=NOON)
    settings.EDITION_AUTO_APPROVE = False
    assert lifecycle.approve_due(now=NOON) == 0
    settings.EDITION_AUTO_APPROVE = True
    assert lifecycle.approve_due(now=NOON) == 1
    edition.refresh_from_db()
    assert edition.state == Edition.State.APPROVED


def test_freezing_twice_changes_nothing() -> None:
    edition = make_edition(papers=[trending(1.0)], state=Edition.State.APPROVED)
    assert lifecycle.freeze(edition, now=NOON)
    frozen_at, fragments = edition.frozen_at, edition.compiled.fragments
    assert not lifecycle.freeze(edition, now=NOON + timedelta(hours=1))
    edition.refresh_from_db()
    assert (edition.frozen_at, edition.compiled.fragments) == (frozen_at, fragments)


def test_a_frozen_edition_cannot_be_changed() -> None:
    edition = make_edition(state=Edition.State.FROZEN)
    with pytest.raises(lifecycle.EditionStateError, match="readers may have it"):
        lifecycle.add_pick(edition, paper=make_paper())
    with pytest.raises(lifecycle.EditionStateError):
        curation.act(edition, "top", [0], by=None)


def test_a_draft_overtaken_by_the_next_period_is_skipped() -> None:
    edition = make_edition(state=Edition.State.DRAFT, period_on=TODAY - timedelta(days=2))
    lifecycle.skip_stale(now=NOON)
    edition.refresh_from_db()
    assert edition.state == Edition.State.SKIPPED


def test_a_cancelled_edition_can_not_be_cancelled_again() -> None:
    edition = make_edition(state=Edition.State.FROZEN)
    lifecycle.cancel(edition, now=NOON)
    with pytest.raises(lifecycle.EditionStateError, match="already finished"):
        lifecycle.cancel(edition, now=NOON)


def test_an_edition_that_cannot_be_rendered_holds_up_no_other() -> None:
    bad = make_edition(papers=[trending(1.0, title="Broken")], state=Edition.State.APPROVED)
    weekly = make_edition(
        papers=[trending(1.0)], state=Edition.State.APPROVED, cadence="weekly", period_on=date(2026, 3, 16)
    )
    Paper.objects.filter(title="Broken").update(authors=7)
    with pytest.raises(CompileError):
        lifecycle.freeze_due(now=NOON)
    bad.refresh_from_db()
    weekly.refresh_from_db()
    assert (bad.state, weekly.state) == (Edition.State.APPROVED, Edition.State.FROZEN)


def test_a_curator_whose_page_is_older_than_the_freezing_changes_nothing() -> None:
    edition = make_edition(papers=[trending(1.0)], state=Edition.State.APPROVED)
    lifecycle.freeze(Edition.objects.get(), now=NOON)
    with pytest.raises(lifecycle.EditionStateError):
        lifecycle.add_pick(edition, paper=trending(2.0))
    with pytest.raises(lifecycle.EditionStateError):
        curation.act(edition, "top", [0], by=None)
    assert edition.items.count() == 1
