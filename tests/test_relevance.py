"""Scores of papers for a query and for likeness, without a database."""

from __future__ import annotations

import numpy as np
import pytest

from newsletter.search.latent_semantics import NOTHING_LEARNT
from newsletter.search.relevance import Group, PaperWords, rank

PAPERS = [
    PaperWords(often, "", " ".join([*["whisper", "rain"] * often, *["storm"] * (60 - often)])) for often in range(10)
]
NOWHERE = np.zeros((len(PAPERS), NOTHING_LEARNT.places.shape[1]), dtype=np.float32)


def ranked(likeness: np.ndarray | None) -> list[int]:
    scores = rank([Group("whisper")], PAPERS, NOTHING_LEARNT, places=NOWHERE, likeness=likeness)
    return [PAPERS[place].paper for place in np.argsort(-scores, kind="stable")]


@pytest.mark.parametrize("unread", [[9], [0, 9], [1, 3, 5, 7, 9], [0, 2, 4, 6, 8], range(5), range(5, 10)])
def test_papers_without_a_vector_stand_among_those_with_one_as_if_all_were_read(unread: list[int]) -> None:
    """The more words of the query, the nearer in meaning: then who was read moves a paper by two places at most."""
    likeness = 0.1 + 0.5 * rank([Group("whisper")], PAPERS, NOTHING_LEARNT, places=NOWHERE)
    whole = ranked(likeness)
    half = likeness.copy()
    half[list(unread)] = np.nan
    assert whole == ranked(None)
    assert max(abs(place - ranked(half).index(paper)) for place, paper in enumerate(whole)) <= 2


def test_one_paper_with_a_vector_does_not_pass_those_without() -> None:
    likeness = np.full(len(PAPERS), np.nan)
    likeness[0] = 0.9
    assert ranked(likeness) == ranked(None)
