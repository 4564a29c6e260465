"""The trend score: only gains count, small samples are not believed, and every number can be explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from newsletter.ranking import trend_formula
from newsletter.ranking.explain_trend import why_trending
from tests.bench import bench_trends

UPVOTES, STARS, COMMENTS = ("hf_daily", "upvotes"), ("hf_daily", "stars"), ("hf_daily", "comments")
NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)  # a Wednesday
History = Mapping[tuple[str, str], Sequence[tuple[float, int]]]


def snapshots(papers: Mapping[int, History]) -> trend_formula.Snapshots:
    """Counters given as (hours ago, value)."""
    names = sorted({name for history in papers.values() for name in history})
    rows = [
        (paper, names.index(name), value, (NOW - timedelta(hours=ago)).timestamp())
        for paper, history in papers.items()
        for name, values in history.items()
        for ago, value in values
    ]
    flat = np.array(rows, dtype=np.float64).reshape(-1, 4)
    papers_, counters, values_ = (flat[:, column].astype(np.int64) for column in range(3))
    return trend_formula.Snapshots(papers=papers_, counters=counters, values=values_, at=flat[:, 3], names=names)


def scores(
    papers: Mapping[int, History],
    *,
    born: Mapping[int, float] | None = None,
    cadence: str = "daily",
    fields: Mapping[int, str] | None = None,
) -> dict[int, trend_formula.TrendScore]:
    """Scores of papers that are, unless said otherwise, 20 hours old."""
    born_at = {paper: (NOW - timedelta(hours=(born or {}).get(paper, 20))).timestamp() for paper in papers}
    gains = trend_formula.gains_of(snapshots(papers))
    return trend_formula.score_papers(gains, born_at, now=NOW, field_of=fields)[cadence]


def steady(rate: float, *, hours: int = 20, start: int = 1, every: int = 1) -> list[tuple[float, int]]:
    return [(hours - hour, start + round(rate * hour)) for hour in range(0, hours + 1, every)]


def crowd(count: int = 30, *, rate: float = 0.25, first: int = 1000) -> dict[int, History]:
    """Ordinary papers around ``rate`` upvotes an hour: the cohort that others are compared with."""
    return {first + n: {UPVOTES: steady(rate * (0.5 + n / count))} for n in range(count)}


@pytest.mark.parametrize(
    ("gained", "hours", "rate"),
    [(3, 1, 0.30), (60, 24, 1.56), (6, 24, 0.18)],
)
def test_few_votes_in_little_time_are_not_believed(gained: float, hours: float, rate: float) -> None:
    smoothed = trend_formula.smoothed_rate(np.array([gained]), np.array([hours]), np.array([0.25]))
    assert smoothed[0] == pytest.approx(rate, abs=0.006)


def test_the_smoothed_rate_is_the_quantile_of_the_posterior() -> None:
    from scipy import stats

    gained, hours, prior = np.array([0.0, 2.5, 40.0]), np.array([1.0, 7.0, 30.0]), np.array([0.1, 0.25, 0.5])
    posterior = stats.gamma(a=prior * 12 + gained, scale=1 / (12 + hours))
    assert trend_formula.smoothed_rate(gained, hours, prior) == pytest.approx(posterior.ppf(0.2))


def test_the_first_snapshot_is_a_baseline_and_never_a_gain() -> None:
    found = scores(crowd() | {1: {STARS: [(10, 40_000)]}, 2: {STARS: [(10, 40_000), (1, 40_003)]}})
    assert 1 not in found
    assert found[2].parts["stars_gain"] == 3


def test_a_counter_that_falls_and_climbs_back_gained_nothing() -> None:
    gains = trend_formula.gains_of(
        snapshots({1: {UPVOTES: [(9, 50), (6, 0), (3, 50), (1, 52)]}, 2: {UPVOTES: [(9, 5)]}})
    )
    assert gains.step_gains.tolist() == [2.0]
    assert (gains.papers[gains.step_rows].tolist(), len(gains.papers)) == ([1], 2)


def test_the_submitters_own_vote_is_dropped_where_the_source_counts_it() -> None:
    gains = trend_formula.gains_of(snapshots({1: {UPVOTES: [(9, 0), (6, 1)], STARS: [(9, 0), (6, 1)]}}))
    assert [gains.names[counter] for counter in gains.counters[gains.step_rows].tolist()] == [STARS]


def test_of_several_snapshots_in_one_hour_the_last_counts() -> None:
    gains = trend_formula.gains_of(snapshots({1: {UPVOTES: [(3, 1), (1.9, 2), (1.6, 5), (1.2, 9), (0.5, 12)]}}))
    assert gains.step_gains.tolist() == [8.0, 3.0]


def test_how_often_a_source_is_polled_does_not_change_the_score() -> None:
    often = {1: {UPVOTES: steady(1.5, every=1)}, 2: {UPVOTES: steady(1.5, every=2)}, 3: {UPVOTES: steady(1.5, every=5)}}
    found = scores(crowd() | often)
    assert found[2].score == pytest.approx(found[1].score, rel=0.02)
    assert found[3].score == pytest.approx(found[1].score, rel=0.02)


def test_recent_gains_count_more_than_old_ones_and_fade_slower_in_slower_cadences() -> None:
    early, late = [(20.0, 1), (16.0, 17), (0.0, 17)], [(20.0, 1), (4.0, 1), (0.0, 17)]
    papers = crowd() | {1: {UPVOTES: early}, 2: {UPVOTES: late}}
    daily, monthly = scores(papers), scores(papers, cadence="monthly")
    assert daily[2].score > daily[1].score
    assert daily[2].score / daily[1].score > monthly[2].score / monthly[1].score > 1


def test_a_burst_of_bought_votes_ranks_below_the_same_votes_earned_over_the_day() -> None:
    bought = [(20 - hour, 1 + (60 if hour >= 15 else 0)) for hour in range(21)]
    found = scores(crowd() | {1: {UPVOTES: steady(3)}, 2: {UPVOTES: bought}})
    ranks = sorted(found, key=lambda paper: found[paper].score, reverse=True)
    assert ranks[0] == 1
    assert ranks.index(2) > 5
    assert found[2].parts["upvotes_gain"] == 60


def test_papers_are_compared_with_their_own_weekday() -> None:
    weekend = {2000 + n: {UPVOTES: steady(0.1 * (0.5 + n / 30), hours=80)} for n in range(30)}
    busy = {3000 + n: {UPVOTES: steady(1.0 * (0.5 + n / 30), hours=80)} for n in range(30)}
    papers = weekend | busy | {1: {UPVOTES: steady(1.2, hours=80)}, 2: {UPVOTES: steady(1.2, hours=80)}}
    saturday, monday = 4 * 24 - 5, 2 * 24 + 5
    born = {paper: saturday if paper in weekend or paper == 1 else monday for paper in papers}
    found = scores(papers, born=born)
    assert found[1].parts["cohort_median"] < found[2].parts["cohort_median"]
    assert found[1].score > found[2].score


def test_biology_is_not_judged_by_votes_on_ai() -> None:
    papers = crowd(60, rate=4) | crowd(12, rate=0.25, first=2000) | {1: {UPVOTES: steady(0.6)}}
    fields = dict.fromkeys(range(2000, 2012), "biology-medicine") | {1: "biology-medicine"}
    alike = scores(papers)
    apart = scores(papers, fields=fields | dict.fromkeys(range(1000, 1060), "computer-science"))
    assert alike[1].score < np.median([alike[number].score for number in range(1000, 1060)])
    assert apart[1].score > max(apart[number].score for number in range(1000, 1060))
    assert (apart[1].parts["cohort_median"], apart[1].parts["cohort_size"]) == (5, 13)


def test_a_field_with_hardly_any_papers_is_compared_with_all() -> None:
    papers = crowd(60) | {1: {UPVOTES: steady(3)}, 2: {UPVOTES: steady(0.1)}}
    few = scores(papers, fields={1: "economics", 2: "economics"})
    assert few[1].parts["cohort_size"] > 50
    assert few[1].score > max(few[number].score for number in range(1000, 1060))


def test_points_and_citations_are_witnesses_each_against_its_cohort() -> None:
    points, citations = ("hacker_news", "points"), ("openalex_citations", "citations")
    papers: dict[int, History] = {**crowd()}
    for number in range(12):
        papers |= {
            100 + number: {points: steady(1 + number / 12)},
            200 + number: {citations: steady(0.05 + number / 99)},
        }
    papers |= {1: {points: steady(20)}, 2: {citations: steady(0.9)}, 3: {UPVOTES: steady(0.25), points: steady(20)}}
    found = scores(papers)
    assert why_trending(found[1].parts, None) == "Trending: +400 points on Hacker News in 20 h (cohort median 30)"
    assert why_trending(found[2].parts, None) == "Trending: +18 citations in 20 h (cohort median 2)"
    assert found[1].score > found[111].score > found[100].score
    assert found[2].score > found[200].score
    assert set(found[3].parts["sources"]) == {"hacker_news", "hf_daily"}


def test_a_citation_or_two_are_no_trend() -> None:
    parts = {"hours": 20, "citations_gain": 2, "citations_median": 0.0}
    assert why_trending(parts, None) == "+2 citations in 20 h (cohort median 0)"


def test_one_vote_for_an_old_paper_among_sleeping_ones_is_no_trend() -> None:
    asleep = {2000 + n: {UPVOTES: [(600.0, 5), (0.0, 5 + (n == 0))]} for n in range(30)}
    found = scores(crowd() | asleep | {1: {UPVOTES: steady(0.6)}}, born=dict.fromkeys(asleep, 600))
    assert found[2000].score < 0.1 * found[1].score


def test_no_source_has_more_than_its_share_where_several_speak_and_agreement_is_rewarded() -> None:
    stars = {n: {UPVOTES: history[UPVOTES], STARS: steady(0.5, start=10)} for n, history in crowd().items()}
    found = scores(stars | {1: {UPVOTES: steady(6)}, 2: {UPVOTES: steady(6), STARS: steady(6, start=10)}})
    one, both = found[1], found[2]
    assert set(one.parts["sources"]) == {"hf_daily"}
    assert set(both.parts["sources"]) == {"hf_daily", "github"}
    alone, together = one.parts["sources"]["hf_daily"], both.parts["sources"]
    assert one.score == pytest.approx(alone, abs=1e-3)
    assert together["hf_daily"] == pytest.approx(0.6 * alone, abs=1e-3)
    assert both.score == pytest.approx(sum(together.values()) + trend_formula.AGREEMENT, abs=2e-3)
    assert both.score > one.score


def test_votes_that_the_stars_do_not_confirm_count_for_less() -> None:
    stars = {n: {UPVOTES: history[UPVOTES], STARS: steady(0.5, start=10)} for n, history in crowd().items()}
    silent = [(20.0, 10), (0.0, 10)]
    found = scores(stars | {1: {UPVOTES: steady(6)}, 2: {UPVOTES: steady(6), STARS: silent}})
    assert found[2].score == pytest.approx(0.6 * found[1].score, rel=0.01)


def test_counters_of_one_crowd_never_add_up() -> None:
    found = scores(crowd() | {1: {UPVOTES: steady(3)}, 2: {UPVOTES: steady(3), COMMENTS: steady(0.1)}})
    assert found[2].score == pytest.approx(found[1].score)


def test_a_paper_that_gained_nothing_has_no_score() -> None:
    found = scores(crowd() | {1: {UPVOTES: [(20, 7), (1, 7)]}})
    assert 1 not in found
    assert scores({1: {UPVOTES: [(20, 7)]}}) == {}
    assert scores({}) == {}


def test_the_parts_hold_whole_counts_the_hours_and_the_cohorts_median() -> None:
    papers = crowd() | {1: {UPVOTES: steady(2, hours=60), STARS: steady(5, hours=20, start=900)}}
    daily = scores(papers, born={1: 60})[1].parts
    weekly = scores(papers, born={1: 60}, cadence="weekly")[1].parts
    assert (daily["upvotes_gain"], daily["stars_gain"], daily["hours"]) == (48, 100, 24)
    assert (weekly["upvotes_gain"], weekly["hours"]) == (120, 60)
    ordinary = scores(papers)[1029].parts
    assert ordinary["cohort_median"] == pytest.approx(0.25 * 20, abs=1)
    assert why_trending(daily, "Speech").startswith("Trending in Speech: +48 upvotes in 24 h (cohort median ")


def test_a_gain_between_two_distant_snapshots_is_told_with_the_time_it_took() -> None:
    parts = scores(crowd() | {1: {UPVOTES: [(90, 3), (40, 10), (2, 50)]}}, born={1: 90})[1].parts
    assert (parts["upvotes_gain"], parts["hours"]) == (40, 40)


@pytest.mark.parametrize("cadence", ["daily", "weekly"])
def test_every_rank_has_a_reason_also_long_after_the_last_gain(cadence: str) -> None:
    papers = crowd() | {1: {UPVOTES: [(300, 1), (240, 41), (200, 41), (1, 41)]}}
    late = scores(papers, born={1: 300}, cadence=cadence)[1]
    assert late.score > 0
    assert why_trending(late.parts, None) == "Trending: +40 upvotes in 12 days"
    assert late.parts["is_past"]
    everything = scores(papers, born={1: 300}, cadence=cadence)
    assert all(why_trending(one.parts, None) for one in everything.values())


def test_chunks_of_papers_joined_score_as_the_whole() -> None:
    papers = crowd(40) | {1: {UPVOTES: steady(3), STARS: steady(2)}}
    born_at = dict.fromkeys(papers, (NOW - timedelta(hours=20)).timestamp())
    whole = snapshots(papers)
    halves = []
    for mine in (whole.papers < 1020, whole.papers >= 1020):
        arrays = (whole.papers[mine], whole.counters[mine], whole.values[mine], whole.at[mine])
        halves.append(trend_formula.gains_of(trend_formula.Snapshots(*arrays, names=whole.names)))
    joined = trend_formula.score_papers(trend_formula.join(halves), born_at, now=NOW)
    assert joined == trend_formula.score_papers(trend_formula.gains_of(whole), born_at, now=NOW)


@pytest.mark.parametrize(
    ("parts", "topic", "line"),
    [
        (
            {"upvotes_gain": 41, "hours": 24, "cohort_median": 6.0, "stars_gain": 0, "sources": {}},
            "cs.CL",
            "Trending in cs.CL: +41 upvotes in 24 h (cohort median 6)",
        ),
        (
            {"upvotes_gain": 1204, "hours": 168, "cohort_median": 6.5, "stars_gain": 1, "sources": {}},
            None,
            "Trending: +1,204 upvotes in 7 days (cohort median 6.5), +1 GitHub star",
        ),
        ({"stars_gain": 120, "hours": 24}, "Vision", "Trending in Vision: +120 GitHub stars in 24 h"),
        ({"upvotes_gain": 1, "hours": 3.4}, None, "+1 upvote in 3 h"),
    ],
)
def test_the_line_says_what_was_gained_in_which_time(parts: dict[str, object], topic: str | None, line: str) -> None:
    assert why_trending(parts, topic) == line


def test_a_paper_below_its_cohort_is_not_called_trending() -> None:
    parts = {"upvotes_gain": 3, "hours": 24, "cohort_median": 6.0, "stars_gain": 0}
    assert why_trending(parts, "cs.CL") == "+3 upvotes in 24 h (cohort median 6)"


@pytest.mark.parametrize("parts", [{}, {"upvotes_gain": 0, "stars_gain": 0, "hours": 24, "cohort_median": 2.0}])
def test_a_paper_that_gained_nothing_has_no_line(parts: dict[str, object]) -> None:
    assert why_trending(parts, "cs.CL") == ""


def test_planted_trends_surface_and_planted_gaming_does_not() -> None:
    world = bench_trends.make_world(11, days=14, papers_a_day=40)
    found = bench_trends.replay(world, hours=range(96, 7 * 24, 12))
    ours, others = found["trend score"], {name: found[name] for name in found if name != "trend score"}
    assert ours.ndcg > max(figures.ndcg for figures in others.values())
    assert ours.trends > 3 * world.trending.mean()
    assert ours.gamed < 0.05
    assert ours.brigaded < world.brigaded.mean()  # a brigade does not even reach its share
    assert found["total votes"].gamed > 4 * ours.gamed


@pytest.mark.parametrize(
    ("points", "hours", "score"),
    [(2, 1, 0.1384), (6, 6, 0.0858), (20, 12, 0.0912), (60, 24, 0.0741), (140, 48, 0.0453)],
)
def test_the_hacker_news_baseline_is_the_published_formula(points: float, hours: float, score: float) -> None:
    found = bench_trends.hacker_news(np.array([points]), np.array([hours]))
    assert found[0] == pytest.approx(score, abs=5e-5)


def test_the_reddit_baselines_are_the_published_formulas() -> None:
    assert bench_trends.reddit_hot(10, 1767225600) == pytest.approx(14072.0577111, abs=1e-7)
    assert bench_trends.reddit_hot(100, 1767225600) == bench_trends.reddit_hot(10, 1767225600 + 45_000)
    wilsons = [bench_trends.wilson(*votes) for votes in ((1, 0), (10, 1), (100, 20), (209, 50), (118, 25))]
    assert wilsons == pytest.approx([0.3784, 0.7395, 0.7853, 0.7736, 0.7808], abs=5e-5)
