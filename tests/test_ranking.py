"""The trend score: only gains count, small samples are not believed, and every number can be explained."""

from __future__ import annotations

import pytest

from newsletter import ranking


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
        ({"upvotes_gain": 1, "hours": 3.4}, None, "Trending: +1 upvote in 3 h"),
    ],
)
def test_the_line_says_what_was_gained_in_which_time(parts: dict[str, object], topic: str | None, line: str) -> None:
    assert ranking.why_trending(parts, topic) == line


def test_a_paper_below_its_cohort_is_not_called_trending() -> None:
    parts = {"upvotes_gain": 3, "hours": 24, "cohort_median": 6.0, "stars_gain": 0}
    assert ranking.why_trending(parts, "cs.CL") == "+3 upvotes in 24 h (cohort median 6)"


@pytest.mark.parametrize("parts", [{}, {"upvotes_gain": 0, "stars_gain": 0, "hours": 24, "cohort_median": 2.0}])
def test_a_paper_that_gained_nothing_has_no_line(parts: dict[str, object]) -> None:
    assert ranking.why_trending(parts, "cs.CL") == ""
