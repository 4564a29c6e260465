"""The candidates put in order once: every number of the set, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from newsletter.interests import select
from newsletter.interests.select.candidate_set import FULL, trend_scale

NONE, SPEECH, VISION = -1, 0, 1
RULES = select.SelectionRules(trend_share=0.5, outside_pool=2)


def make_set(
    trend: list[float], topics: list[list[float]], primary: list[int], picks: list[int]
) -> select.CandidateSet:
    return select.CandidateSet(
        select.Candidates(
            item_ids=np.arange(len(trend), dtype=np.int64),
            trend=np.array(trend, dtype=np.float32),
            topics=np.array(topics, dtype=np.float32).reshape(len(trend), 2),
            primary=np.array(primary, dtype=np.int16),
            picks=np.isin(np.arange(len(trend)), picks),
        ),
        RULES,
    )


@pytest.fixture
def five() -> select.CandidateSet:
    """Columns: 0 vision, 1 speech, 2 no topic, 3 speech with vision, 4 speech. By trend: 0, 3, 1, 4, 2 (4 equals 1)."""
    trend = [1.0, 0.5, 0.0, 0.7, 0.5]
    topics = [[0, 1], [0.5, 0], [0, 0], [0.6, 0.8], [0.0001, 0]]
    return make_set(trend, topics, [VISION, SPEECH, NONE, SPEECH, SPEECH], [3])


def test_candidates_stand_by_primary_topic_and_then_by_trend(five: select.CandidateSet) -> None:
    assert five.order.tolist() == [2, 3, 1, 4, 0]
    assert five.place.tolist() == [4, 2, 0, 1, 3]
    assert five.rank.tolist() == [4, 1, 2, 3, 0]
    assert five.primary.tolist() == [NONE, SPEECH, SPEECH, SPEECH, VISION]
    assert five.by_trend.tolist() == [4, 1, 2, 3, 0]
    assert five.runs == [(NONE, 0, 1), (SPEECH, 1, 4), (VISION, 4, 5)]
    assert five.ends.tolist() == [1, 4, 5]


def test_picks_are_apart_from_the_best_of_the_others(five: select.CandidateSet) -> None:
    assert five.is_pick.tolist() == [False, True, False, False, False]
    assert five.picks.tolist() == [1]
    assert five.outside.tolist() == [4, 2]


def test_fits_are_whole_numbers_and_no_assigned_topic_is_rounded_away(five: select.CandidateSet) -> None:
    assert five.fit.dtype == np.float32
    speech, vision, listed = five.fit.tolist()
    assert speech == [0, round(0.6 * 0.85 * FULL), round(0.5 * 0.75 * FULL), 1, 0]
    assert vision == [0, round(0.8 * 0.85 * FULL), 0, 0, 4095]
    assert listed == [1, 1 + round(0.7 * 4094), 2048, 2048, 4095]
    assert five.assigned.tolist() == [[0, 0], [1, 1], [1, 0], [1, 0], [0, 1]]


def test_likeness_is_the_angle_between_topics_in_256_steps(five: select.CandidateSet) -> None:
    assert five.likeness.dtype == np.uint8
    assert five.likeness.tolist() == [
        [0, 0, 0, 0, 0],
        [0, 255, 153, 153, 204],
        [0, 153, 255, 255, 0],
        [0, 153, 255, 255, 0],
        [0, 204, 0, 0, 255],
    ]


def test_likeness_of_more_papers_than_one_block_holds() -> None:
    many = make_set([0.5] * 1100, [[1, 0], [0, 1]] * 550, [SPEECH, VISION] * 550, [])
    is_speech = many.primary == SPEECH
    assert (many.likeness == np.where(is_speech[:, None] == is_speech, 255, 0)).all()


def test_an_edition_without_papers_has_an_empty_set() -> None:
    nobody = make_set([], [], [], [])
    assert (nobody.runs, nobody.ends.tolist(), nobody.fit.shape) == ([], [], (3, 0))


@pytest.mark.parametrize(
    ("scores", "scaled"),
    [
        ([], []),
        ([3.0, 3.0], [0.5, 0.5]),
        ([2.0, 6.0], [1 / (1 + math.e), math.e / (1 + math.e)]),
        ([0.0, 0.0, 3.0], [1 / (1 + math.exp(0.5**0.5))] * 2 + [1 / (1 + math.exp(-(2**0.5)))]),
    ],
)
def test_trend_scores_are_scaled_by_their_own_spread(scores: list[float], scaled: list[float]) -> None:
    result = trend_scale(np.array(scores))
    assert result.dtype == np.float32
    assert result.tolist() == pytest.approx(scaled)
