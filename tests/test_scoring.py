"""Trend scores on the papers' rows: who is scored, what is written, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import hf_daily
from newsletter.models import Paper, Sighting, Signal
from newsletter.ranking.explain_trend import why_trending
from newsletter.ranking.update_trend_scores import score_papers
from tests.builders import NOON, make_paper
from tests.test_hf_daily import answer, changed

pytestmark = pytest.mark.django_db


def measured(*values: int, metric: str = "upvotes", source: str = "hf_daily", **over: Any) -> Paper:
    """A paper seen 12 hours before NOON and measured at even steps since then."""
    paper = make_paper(**({"first_seen_at": NOON - timedelta(hours=12)} | over))
    measure(paper, values, metric=metric, source=source)
    return paper


def measure(paper: Paper, values: Sequence[int], *, metric: str = "upvotes", source: str = "hf_daily") -> None:
    step = timedelta(hours=12) / max(len(values) - 1, 1)
    Signal.objects.bulk_create(
        Signal(paper=paper, source=source, metric=metric, value=value, at=NOON - timedelta(hours=12) + number * step)
        for number, value in enumerate(values)
    )


def seen(paper: Paper, source: str) -> None:
    Sighting.objects.create(paper=paper, source=source, key=f"{source}-{paper.pk}", seen_at=NOON)


def test_papers_that_gain_more_score_higher_in_every_cadence_with_the_numbers_behind_it() -> None:
    slow, fast, still = measured(1, 2, 3), measured(1, 20, 42), measured(9, 9, 9)
    assert score_papers(now=NOON) == 3
    for paper in (slow, fast, still):
        paper.refresh_from_db()
    for cadence in ("daily", "weekly", "monthly"):
        assert getattr(fast, f"score_{cadence}") > getattr(slow, f"score_{cadence}") > 0
        assert getattr(still, f"score_{cadence}") == 0
    assert fast.score_parts["daily"]["upvotes_gain"] == 41
    assert why_trending(fast.score_parts["daily"], "cs.CL").startswith("Trending in cs.CL: +41 upvotes in 12 h (cohort")
    assert still.score_parts == {}
    assert {slow.scored_at, fast.scored_at, still.scored_at} == {NOON}


def test_a_muted_counter_counts_for_nothing_and_is_kept(settings: LazySettings) -> None:
    paper = measured(1, 20, 42)
    measure(paper, [1, 30, 90], metric="points", source="hacker_news")
    settings.MUTED_SIGNALS = ["points"]
    score_papers(now=NOON)
    paper.refresh_from_db()
    assert "points_gain" not in paper.score_parts["daily"]
    assert paper.score_parts["daily"]["upvotes_gain"] == 41
    settings.MUTED_SIGNALS = []
    score_papers(now=NOON)
    paper.refresh_from_db()
    assert paper.score_parts["daily"]["points_gain"] == 89


def test_papers_are_compared_within_their_field() -> None:
    for _ in range(12):
        measured(1, 20, 42, categories=["cs.LG"])
    papers = [measured(1, 2, 3 + number % 2, categories=["q-bio.NC"]) for number in range(12)]
    best = measured(1, 5, 9, categories=["biorxiv.neuroscience"])
    score_papers(now=NOON)
    best.refresh_from_db()
    papers[0].refresh_from_db()
    assert best.score_parts["daily"]["cohort_median"] == 3
    assert best.score_daily > 2 * papers[0].score_daily


def test_papers_known_from_listing_pages_only_never_trend_whatever_is_counted() -> None:
    page_only, also_daily = measured(1, 20, 42), measured(1, 20, 42)
    measure(page_only, [0, 30, 90], metric="verdicts", source="readers")
    for paper in (page_only, also_daily):
        seen(paper, "listing_page")
    seen(also_daily, "hf_daily")
    score_papers(now=NOON)
    page_only.refresh_from_db()
    also_daily.refresh_from_db()
    assert (page_only.score_daily, page_only.score_weekly, page_only.score_monthly) == (0, 0, 0)
    assert also_daily.score_daily > 0


def test_only_young_papers_are_scored_by_first_sight_or_by_the_list_they_were_on() -> None:
    long_ago = NOON - timedelta(days=40)
    relisted = measured(1, 42, first_seen_at=long_ago)
    old = measured(1, 42, first_seen_at=long_ago, listed_on=date(2026, 2, 1))
    assert score_papers(now=NOON) == 1
    assert set(Paper.objects.filter(score_daily__gt=0)) == {relisted}
    assert Paper.objects.get(pk=old.pk).scored_at is None


def test_a_paper_that_grew_old_or_was_merged_goes_back_to_zero() -> None:
    kept, merged = measured(1, 42), measured(1, 42)
    score_papers(now=NOON)
    Paper.objects.filter(pk=merged.pk).update(merged_into=kept)
    score_papers(now=NOON)
    assert set(Paper.objects.filter(score_monthly__gt=0)) == {kept}
    score_papers(now=NOON + timedelta(days=31))
    assert not Paper.objects.filter(score_monthly__gt=0).exists()
    assert [paper.score_parts for paper in Paper.objects.all()] == [{}, {}]


def test_signals_of_the_future_are_not_known_yet() -> None:
    paper = measured(1, 2, 42)
    score_papers(now=NOON - timedelta(hours=3))
    paper.refresh_from_db()
    assert paper.score_parts["daily"]["upvotes_gain"] == 1


def test_scoring_twice_writes_the_same() -> None:
    measured(1, 20, 42)
    measured(3, 4, 9)
    fields = ("pk", "score_daily", "score_weekly", "score_monthly", "score_parts")
    score_papers(now=NOON)
    once = list(Paper.objects.order_by("pk").values_list(*fields))
    score_papers(now=NOON)
    assert list(Paper.objects.order_by("pk").values_list(*fields)) == once


def test_an_empty_catalogue_is_fine() -> None:
    assert score_papers(now=NOON) == 0


def test_the_number_of_queries_does_not_grow_with_the_papers() -> None:
    def cost() -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            score_papers(now=NOON)
        return len(queries)

    for _ in range(3):
        measured(1, 5, 9)
    few = cost()
    for _ in range(60):
        measured(1, 5, 9)
    assert cost() == few
    assert few <= 8


def test_the_vote_that_comes_with_a_submission_is_no_gain_whoever_submitted() -> None:
    """Authors put their own papers on Hugging Face's list, and it counts the submitter's vote (§3.4.5)."""
    for turn, upvotes in enumerate((0, 1, 1, 2)):
        at = NOON - timedelta(hours=6 - 2 * turn)
        ingest(hf_daily.parse(answer(changed(upvotes=upvotes, githubStars=None)), seen_at=at), now=at)
    score_papers(now=NOON - timedelta(hours=2))
    assert Paper.objects.get().score_daily == 0
    score_papers(now=NOON)
    assert Paper.objects.get().score_parts["daily"]["upvotes_gain"] == 1
