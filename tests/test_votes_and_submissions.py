"""What readers do for everybody: one vote each, papers handed in, and a signal that no brigade can make."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from newsletter import tasks
from newsletter.catalogue import merging, polling, submissions
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import arxiv_query
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.catalogue.submissions import SubmissionResult
from newsletter.models import Paper, Sighting, Signal, SourceHost, SourceRun, Submission, Vote
from newsletter.ranking import votes
from newsletter.ranking.explain_trend import why_trending
from newsletter.ranking.update_trend_scores import score_papers
from subscriptions import gdpr
from subscriptions.lifecycle import Origin
from subscriptions.models import Subscriber
from tests.bench import bench_trends
from tests.builders import NOON, make_paper, make_reader

pytestmark = pytest.mark.django_db
LONG_AGO = NOON - timedelta(days=60)
LINK = "https://arxiv.org/abs/2602.04242v2"


def make_voter(number: int = 0, **over: Any) -> Subscriber:
    """A reader of long standing; each confirmed in another hour."""
    return make_reader(**({"confirmed_at": LONG_AGO - timedelta(hours=3 * number)} | over))


def vote(paper: Paper, *readers: Subscriber, at: datetime = NOON) -> None:
    Vote.objects.bulk_create(Vote(subscriber=reader, paper=paper, at=at) for reader in readers)


def signals(paper: Paper) -> list[tuple[datetime, int]]:
    rows = Signal.objects.filter(paper=paper, source="readers", metric="votes").order_by("at")
    return list(rows.values_list("at", "value"))


def fresh(paper: Paper) -> Paper:
    return Paper.objects.get(pk=paper.pk)


# --- one vote -------------------------------------------------------------------------------------------------------


def test_a_reader_has_one_vote_for_a_paper_and_may_take_it_back() -> None:
    reader, paper = make_voter(), make_paper()
    assert [votes.vote(reader, paper=paper, now=NOON) for _ in range(2)] == [True, True]
    assert votes.voted_by(reader, [paper.pk]) == {paper.pk}
    assert Vote.objects.count() == 1
    votes.take_back_vote(reader, paper=paper)
    votes.take_back_vote(reader, paper=paper)
    assert not Vote.objects.exists()


@pytest.mark.parametrize("state", ["pending", "unsubscribed", "suppressed"])
def test_only_who_confirmed_and_stayed_may_vote_or_hand_in(state: str) -> None:
    reader = make_reader(state=state)
    assert not votes.vote(reader, paper=make_paper(), now=NOON)
    assert submissions.submit(reader, link=LINK, now=NOON).answer == SubmissionResult.REFUSED
    assert not Vote.objects.exists()
    assert not Submission.objects.exists()


def test_who_pauses_may_still_vote_and_hand_in() -> None:
    reader = make_reader(state="paused")
    assert votes.vote(reader, paper=make_paper(), now=NOON)
    assert submissions.submit(reader, link=LINK, now=NOON).answer == SubmissionResult.TAKEN


def test_a_vote_for_another_name_of_a_paper_is_a_vote_for_the_paper() -> None:
    reader, kept = make_voter(), make_paper()
    double = make_paper(merged_into=kept)
    votes.vote(reader, paper=double, now=NOON)
    assert Vote.objects.get().paper == kept
    vote(double, reader)
    votes.take_back_vote(reader, paper=kept)
    assert not Vote.objects.exists()


def test_a_hidden_paper_takes_no_votes() -> None:
    assert not votes.vote(make_voter(), paper=make_paper(is_hidden=True), now=NOON)


def test_nobody_votes_without_end() -> None:
    reader = make_voter()
    for _ in range(votes.VOTES_A_DAY):
        vote(make_paper(), reader)
    assert not votes.vote(reader, paper=make_paper(), now=NOON + timedelta(hours=1))
    assert votes.vote(reader, paper=make_paper(), now=NOON + timedelta(hours=25))


def test_the_database_itself_allows_one_vote() -> None:
    reader, paper = make_voter(), make_paper()
    vote(paper, reader)
    with pytest.raises(IntegrityError), transaction.atomic():
        vote(paper, reader)


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_two_taps_at_once_are_one_vote() -> None:
    reader, paper = make_voter(), make_paper()
    start, answers = threading.Barrier(4), []

    def tap() -> None:
        start.wait()
        answers.append(votes.vote(reader, paper=paper, now=NOON))
        connections.close_all()

    threads = [threading.Thread(target=tap) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (answers, Vote.objects.count()) == ([True] * 4, 1)


# --- votes as a signal ----------------------------------------------------------------------------------------------


def test_first_votes_are_a_gain_in_the_hour_they_came() -> None:
    paper = make_paper(first_seen_at=NOON - timedelta(days=5))
    vote(paper, *(make_voter(number) for number in range(3)))
    now = NOON + timedelta(minutes=7)
    assert votes.count_votes(now=now) == 1
    before = NOON - timedelta(seconds=1)
    assert signals(paper) == [(paper.first_seen_at, 0), (before, 0), (now, 3)]
    assert fresh(paper).reader_votes == 3
    score_papers(now=now)
    parts = fresh(paper).score_parts["daily"]
    assert parts["votes_gain"] == 3
    assert why_trending(parts, None).startswith("+3 readers' votes in ")


def test_nothing_is_written_while_nothing_changes() -> None:
    paper = make_paper()
    vote(paper, make_voter())
    votes.count_votes(now=NOON + timedelta(minutes=15))
    before = signals(paper)
    for quarter in range(2, 6):
        assert votes.count_votes(now=NOON + timedelta(minutes=15 * quarter)) == 0
    assert signals(paper) == before


def test_later_votes_are_placed_in_their_hour_and_an_hour_of_several_counts_keeps_its_start() -> None:
    paper = make_paper(first_seen_at=NOON - timedelta(days=2))
    vote(paper, make_voter(0))
    votes.count_votes(now=NOON)
    vote(paper, make_voter(1))
    later = NOON + timedelta(hours=30, minutes=15)
    votes.count_votes(now=later)
    vote(paper, make_voter(2))
    votes.count_votes(now=later + timedelta(minutes=15))
    hour = NOON + timedelta(hours=30)
    assert signals(paper)[-4:] == [
        (NOON, 1),
        (hour - timedelta(seconds=1), 1),
        (later, 2),
        (later + timedelta(minutes=15), 3),
    ]


def test_a_vote_taken_back_lowers_the_count_and_gives_no_gain_when_given_again() -> None:
    paper, readers = make_paper(first_seen_at=NOON - timedelta(days=1)), [make_voter(n) for n in range(4)]
    vote(paper, *readers)
    votes.count_votes(now=NOON)
    score_papers(now=NOON)
    once = fresh(paper).score_parts["daily"]["votes_gain"]
    for turn in range(1, 5):
        now = NOON + timedelta(hours=turn)
        if turn % 2:
            votes.take_back_vote(readers[0], paper=paper)
        else:
            votes.vote(readers[0], paper=paper, now=now)
        votes.count_votes(now=now)
        assert fresh(paper).reader_votes == 4 - turn % 2
    score_papers(now=NOON + timedelta(hours=4))
    assert fresh(paper).score_parts["daily"]["votes_gain"] == once == 4


def test_the_last_vote_taken_back_shows_none() -> None:
    paper, reader = make_paper(), make_voter()
    vote(paper, reader)
    votes.count_votes(now=NOON)
    votes.take_back_vote(reader, paper=paper)
    votes.count_votes(now=NOON + timedelta(minutes=15))
    assert fresh(paper).reader_votes == 0


def test_new_readers_votes_count_after_a_day() -> None:
    paper = make_paper()
    vote(paper, make_reader(confirmed_at=NOON))
    assert votes.count_votes(now=NOON + timedelta(hours=23)) == 0
    assert votes.count_votes(now=NOON + timedelta(hours=24)) == 1


@pytest.mark.parametrize(("state", "counts"), [("paused", 1), ("unsubscribed", 1), ("suppressed", 0)])
def test_votes_of_those_who_left_stay_and_of_those_who_were_barred_do_not(state: str, counts: int) -> None:
    paper = make_paper()
    vote(paper, make_voter(state=state))
    votes.count_votes(now=NOON)
    assert fresh(paper).reader_votes == counts


def test_readers_who_confirmed_in_the_same_hour_are_a_few_voices_only() -> None:
    paper, hour = make_paper(), LONG_AGO.replace(minute=0)
    vote(paper, *(make_reader(confirmed_at=hour + timedelta(minutes=n)) for n in range(40)))
    vote(paper, make_voter(7))
    votes.count_votes(now=NOON)
    assert fresh(paper).reader_votes == votes.SAME_HOUR + 1


def test_a_list_that_was_imported_in_one_hour_is_not_silenced() -> None:
    paper = make_paper()
    readers = [make_reader(confirmed_at=LONG_AGO) for _ in range(200)]
    vote(paper, *readers[:8])
    votes.count_votes(now=NOON)
    assert fresh(paper).reader_votes == 8


def test_old_and_merged_papers_are_not_counted() -> None:
    kept = make_paper()
    old = make_paper(first_seen_at=NOON - timedelta(days=40), listed_on=NOON.date() - timedelta(days=40))
    for paper in (old, make_paper(merged_into=kept)):
        vote(paper, make_voter())
    assert votes.count_votes(now=NOON) == 0


def test_one_run_is_bounded_and_the_next_goes_on() -> None:
    reader = make_voter()
    for _ in range(5):
        vote(make_paper(), reader)
    assert [votes.count_votes(now=NOON + timedelta(minutes=n), limit=2) for n in range(4)] == [2, 2, 1, 0]


def test_counting_costs_the_same_however_many_vote() -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            votes.count_votes(now=NOON)
        return len(queries)

    vote(make_paper(), make_voter())
    few = cost()
    readers = [make_voter(number) for number in range(10)]
    for _ in range(10):
        vote(make_paper(), *readers)
    assert cost() == few


def test_scoring_counts_first_and_the_tick_settles_what_was_handed_in() -> None:
    paper = make_paper(first_seen_at=NOON - timedelta(days=1), arxiv_id="2602.04242")
    vote(paper, make_voter())
    assert tasks.score_if_due(now=NOON)
    assert fresh(paper).score_parts["daily"]["votes_gain"] == 1
    Submission.objects.create(arxiv_id="2602.04242", link=LINK, at=NOON)
    tasks.keep_house(now=NOON)
    assert Submission.objects.get().paper == paper


# --- a brigade ------------------------------------------------------------------------------------------------------


def upvoted(per_hour: float, **over: Any) -> Paper:
    """A paper that Hugging Face has measured every two hours for twenty hours."""
    paper = make_paper(first_seen_at=NOON - timedelta(hours=20), **over)
    Signal.objects.bulk_create(
        Signal(
            paper=paper,
            source="hf_daily",
            metric="upvotes",
            value=1 + round(per_hour * hours),
            at=NOON - timedelta(hours=20 - hours),
        )
        for hours in range(0, 21, 2)
    )
    return paper


def best(count: int) -> list[int]:
    return list(Paper.objects.order_by("-score_daily", "pk").values_list("pk", flat=True)[:count])


def test_a_brigade_does_not_surface_and_many_readers_do() -> None:
    """Forty papers; forty accounts made within two hours for one of them, thirty readers of old for another."""
    ordinary = [upvoted(0.1 + number / 20) for number in range(40)]
    bought = make_paper(first_seen_at=NOON - timedelta(hours=20))
    loved = make_paper(first_seen_at=NOON - timedelta(hours=20))
    made = NOON - timedelta(hours=50)
    brigade = [make_reader(confirmed_at=made + timedelta(minutes=3 * number)) for number in range(40)]
    regulars = [make_voter(number) for number in range(30)]
    vote(bought, *brigade)
    for number, paper in enumerate(ordinary):
        vote(paper, *regulars[: number // 10])  # nought to three readers like an ordinary paper
    for hour in range(12):
        vote(loved, *regulars[hour * 2 : hour * 2 + 2])
        votes.count_votes(now=NOON - timedelta(hours=12 - hour))
    votes.count_votes(now=NOON)
    score_papers(now=NOON)
    assert fresh(bought).reader_votes == 2 * votes.SAME_HOUR == bench_trends.BRIGADE
    assert loved.pk in best(10)
    assert bought.pk not in best(10)


def test_a_brigade_for_a_paper_that_others_measure_lifts_it_little() -> None:
    ordinary = [upvoted(0.1 + number / 20) for number in range(40)]
    score_papers(now=NOON)
    before = best(41)
    target = ordinary[10]
    place = before.index(target.pk)
    made = NOON - timedelta(hours=50)
    vote(target, *(make_reader(confirmed_at=made + timedelta(minutes=number)) for number in range(50)))
    votes.count_votes(now=NOON - timedelta(hours=1))
    score_papers(now=NOON)
    assert place >= 20
    assert best(41).index(target.pk) >= 10


def test_no_vote_lowers_a_score() -> None:
    papers = [upvoted(0.1 + number / 20) for number in range(30)]
    score_papers(now=NOON)
    before = {paper.pk: fresh(paper).score_daily for paper in papers}
    regulars = [make_voter(number) for number in range(12)]
    for paper in papers[10:]:
        vote(paper, regulars[0])
    for hour in range(12):
        vote(papers[5], regulars[hour])
        votes.count_votes(now=NOON - timedelta(hours=12 - hour))
    votes.count_votes(now=NOON)
    score_papers(now=NOON)
    assert all(fresh(paper).score_daily >= before[paper.pk] - 1e-9 for paper in papers)
    assert fresh(papers[5]).score_daily > before[papers[5].pk]


# --- papers handed in -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "identifier"),
    [
        (LINK, "2602.04242"),
        ("arxiv.org/pdf/2602.04242", "2602.04242"),
        ("  arXiv:2602.04242v1 [cs.LG] 3 Feb 2026 ", "2602.04242"),
        ("https://huggingface.co/papers/2602.04242", "2602.04242"),
        ("math.GT/0309136", "math/0309136"),
    ],
)
def test_a_link_in_any_spelling_waits_for_a_curator(link: str, identifier: str) -> None:
    handed = submissions.submit(make_voter(), link=link, now=NOON)
    assert handed.answer == SubmissionResult.TAKEN
    assert list(Submission.objects.values_list("arxiv_id", "state")) == [(identifier, "waiting")]
    assert not Vote.objects.exists()


@pytest.mark.parametrize("link", ["", "   ", "hello", "https://example.org/abs/2602.04242", "\0", "x" * 5000])
def test_what_is_no_link_to_arxiv_is_said_to_be_none(link: str) -> None:
    assert submissions.submit(make_voter(), link=link, now=NOON).answer == SubmissionResult.UNREADABLE


@pytest.mark.parametrize("identifier", ["2613.00001", "2604.00001", "2602.0001", "foo/0309136", "math/0709136"])
def test_an_identifier_that_arxiv_cannot_have_given_out_is_refused(identifier: str) -> None:
    assert submissions.submit(make_voter(), link=identifier, now=NOON).answer == SubmissionResult.IMPOSSIBLE


def test_a_paper_we_have_is_shown_instead_by_the_name_that_lives_on() -> None:
    kept = make_paper()
    make_paper(arxiv_id="2602.04242", merged_into=kept)
    handed = submissions.submit(make_voter(), link=LINK, now=NOON)
    assert (handed.answer, handed.paper) == (SubmissionResult.LISTED, kept)
    make_paper(arxiv_id="2602.05555", is_hidden=True)
    assert submissions.submit(make_voter(), link="2602.05555", now=NOON).answer == SubmissionResult.HIDDEN
    assert not Submission.objects.exists()


def test_a_second_reader_is_told_that_it_waits_already() -> None:
    submissions.submit(make_voter(), link=LINK, now=NOON)
    assert submissions.submit(make_voter(), link="2602.04242", now=NOON).answer == SubmissionResult.WAITING
    assert Submission.objects.count() == 1


def test_what_was_declined_may_be_handed_in_again_after_a_month() -> None:
    reader = make_voter()
    taken = submissions.submit(reader, link=LINK, now=NOON).submission
    assert taken
    submissions.decline([taken.pk], reason="Not about our topics.", by=None, now=NOON)
    again = submissions.submit(make_voter(), link=LINK, now=NOON + timedelta(days=29))
    assert again.answer == SubmissionResult.DECLINED
    assert again.submission
    assert again.submission.note == "Not about our topics."
    assert submissions.submit(reader, link=LINK, now=NOON + timedelta(days=31)).answer == SubmissionResult.TAKEN


def test_a_reader_hands_in_a_few_at_a_time_and_a_few_a_day() -> None:
    reader = make_voter()

    def hand_in(number: int, *, hours: int = 0) -> SubmissionResult:
        link = f"2602.{number:05d}"
        return submissions.submit(reader, link=link, now=NOON + timedelta(hours=hours)).answer

    assert [hand_in(number) for number in range(4)] == [*[SubmissionResult.TAKEN] * 3, SubmissionResult.TOO_MANY]
    submissions.accept(Submission.objects.values_list("pk", flat=True), by=None, now=NOON)
    assert [hand_in(number) for number in range(4, 7)] == [*[SubmissionResult.TAKEN] * 2, SubmissionResult.ENOUGH]
    assert hand_in(7, hours=25) == SubmissionResult.TAKEN


def test_a_curators_word_is_given_once() -> None:
    curator = User.objects.create(username="curator")
    taken = submissions.submit(make_voter(), link=LINK, now=NOON).submission
    assert taken
    assert submissions.accept([taken.pk], by=curator, now=NOON) == 1
    assert submissions.accept([taken.pk], by=curator, now=NOON) == 0
    assert submissions.decline([taken.pk], reason="Too late.", by=curator, now=NOON) == 0
    taken.refresh_from_db()
    assert (taken.state, taken.decided_by, taken.note) == ("accepted", curator, "")


def test_nobody_is_declined_without_a_reason() -> None:
    taken = submissions.submit(make_voter(), link=LINK, now=NOON).submission
    assert taken
    with pytest.raises(ValueError, match="told why"):
        submissions.decline([taken.pk], reason="  ", by=None, now=NOON)


def accepted(identifier: str = "2602.04242") -> Submission:
    taken = submissions.submit(make_voter(), link=identifier, now=NOON).submission
    assert taken
    submissions.accept([taken.pk], by=None, now=NOON)
    return taken


def test_what_is_accepted_is_asked_for_at_the_next_tick_and_comes_in() -> None:
    SourceHost.objects.create(host="arxiv_query", free_at=NOON + timedelta(minutes=25))
    submission = accepted()
    assert SourceHost.objects.get().free_at == NOON
    assert polling.wanted_ids(NOON) == ["2602.04242"]
    seen = Observation(source="arxiv_query", key="2602.04242", arxiv_id="2602.04242", title="A find", seen_at=NOON)
    ingest([seen], now=NOON)
    assert submissions.settle(now=NOON) == 1
    assert submissions.settle(now=NOON) == 0
    submission.refresh_from_db()
    paper = Paper.objects.get()
    assert (submission.state, submission.paper, paper.listed_on) == ("accepted", paper, NOON.date())
    assert set(Sighting.objects.values_list("source", flat=True)) == {"arxiv_query", "readers"}
    assert polling.wanted_ids(NOON) == []
    assert not Vote.objects.exists()


def test_a_paper_that_came_in_by_itself_ends_the_waiting() -> None:
    submissions.submit(make_voter(), link=LINK, now=NOON)
    paper = make_paper(arxiv_id="2602.04242", listed_on=None)
    submissions.settle(now=NOON)
    submission = Submission.objects.get()
    assert (submission.state, submission.paper, fresh(paper).listed_on) == ("duplicate", paper, None)


def test_what_arxiv_does_not_have_after_some_asking_is_given_up() -> None:
    submission = accepted()
    url = arxiv_query.addresses(polling.request_of(arxiv_query, NOON))[0]
    for hours in (-1, 1, 2):
        SourceRun.objects.create(source="arxiv_query", url=url, state="ok", started_at=NOON + timedelta(hours=hours))
    SourceRun.objects.create(source="arxiv_query", url=url, state="failed", started_at=NOON + timedelta(hours=3))
    assert submissions.settle(now=NOON + timedelta(hours=3)) == 0
    assert polling.wanted_ids(NOON + timedelta(hours=3)) == ["2602.04242"]
    SourceRun.objects.create(source="arxiv_query", url=url, state="empty", started_at=NOON + timedelta(hours=4))
    assert submissions.settle(now=NOON + timedelta(hours=4)) == 1
    submission.refresh_from_db()
    assert (submission.state, submission.note, submission.decided_by) == ("declined", "", None)


def test_without_arxiv_among_the_sources_nothing_is_taken(settings: Settings) -> None:
    settings.SOURCES = ["hf_daily"]
    assert not submissions.accepts_submissions()
    settings.SOURCES = ["hf_daily", "arxiv_query"]
    assert submissions.accepts_submissions()


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_two_readers_at_once_hand_in_one_paper_once() -> None:
    readers = [make_voter(number) for number in range(4)]
    start, answers = threading.Barrier(4), []

    def hand_in(reader: Subscriber) -> None:
        start.wait()
        answers.append(submissions.submit(reader, link=LINK, now=NOON).answer)
        connections.close_all()

    threads = [threading.Thread(target=hand_in, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [SubmissionResult.TAKEN, *[SubmissionResult.WAITING] * 3]


# --- merging and rights ---------------------------------------------------------------------------------------------


def test_a_merge_keeps_one_vote_a_reader_and_can_be_taken_back() -> None:
    both, first, second = (make_voter(number) for number in range(3))
    kept, double = make_paper(), make_paper()
    vote(kept, both, first)
    vote(double, both, second)
    votes.count_votes(now=NOON)
    merging.merge(double, into=kept, by=None, now=NOON)
    votes.count_votes(now=NOON + timedelta(minutes=15))
    assert fresh(kept).reader_votes == kept.votes.count() == 3
    merging.split(fresh(double))
    votes.count_votes(now=NOON + timedelta(minutes=30))
    assert [sorted(paper.votes.values_list("subscriber", flat=True)) for paper in (kept, double)] == [
        sorted([both.pk, first.pk]),
        sorted([both.pk, second.pk]),
    ]
    assert (fresh(kept).reader_votes, fresh(double).reader_votes) == (2, 2)


def test_a_readers_votes_and_submissions_are_in_their_export() -> None:
    reader, paper = make_voter(), make_paper()
    vote(paper, reader)
    submissions.submit(reader, link=LINK, now=NOON)
    everything = gdpr.export(reader, now=NOON, method="test", origin=Origin())
    assert [row["paper_id"] for row in everything["vote"]] == [paper.pk]
    assert [row["link"] for row in everything["submission"]] == [LINK]


def test_of_the_erased_no_vote_stays_and_no_name_on_what_they_handed_in() -> None:
    reader, paper = make_voter(), make_paper()
    vote(paper, reader)
    submissions.submit(reader, link=LINK, now=NOON)
    Submission.objects.update(note=f"Please, {reader.email}, read the rules.", state="declined", decided_at=NOON)
    gdpr.erase(reader, now=NOON, method="test")
    assert not Vote.objects.exists()
    submission = Submission.objects.get()
    assert (submission.subscriber, submission.note, submission.arxiv_id) == (None, "", "2602.04242")


def test_the_month_of_an_identifier_is_that_of_arxivs_calendar() -> None:
    last = datetime(2026, 3, 31, 23, tzinfo=UTC)
    assert submissions.submit(make_voter(), link="2604.00001", now=last).answer == SubmissionResult.TAKEN
