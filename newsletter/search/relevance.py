"""Relevance: words (BM25), latent semantics and embeddings, in one sum.

In: a query as groups (a word and what else it may mean), papers as stems, what was learnt, likenesses by vectors where
there are any. Out: a score per paper. Pure: both databases rank alike. `python -m tests.bench.bench_search` measures
every part; the weights were chosen on the tuning half of tests/data/search_judgments.json.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newsletter.search.latent_semantics import TITLE_WEIGHT, Floats, Memory
from newsletter.search.synonyms import Phrase

Scores = NDArray[np.float64]

# BM25 (Robertson & Zaragoza, The Probabilistic Relevance Framework, 2009)
_K1, _B = 1.5, 0.6
_OTHER_WORDS = 0.85  # most that synonyms count for a word; the word itself counts 1
_ONE_OTHER = 0.6  # of each synonym before that; a paper may have several
_OTHER_IN_PLACE = 0.4  # their weight in the query's place in the latent space
_PLACE = 0.6
_LIKE_THE_FIRST = 0.5
_FIRST = 3
_VECTORS = 2.5
_RESTRAINT = 0.1  # on what the likeness of papers without a vector is guessed from
# The least likeness at which a paper without any of the words is shown.
NEAR_BY_PLACE, NEAR_BY_VECTORS = 0.35, 0.35


@dataclass(frozen=True, slots=True)
class Group:
    """A word of the query: its stem, unless it is a stop word, and the phrases that mean the same."""

    stem: str
    meanings: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True)
class PaperWords:
    """A paper for ranking: stems between blanks."""

    paper: int
    title: str
    body: str


def rank(
    groups: Sequence[Group],
    papers: Sequence[PaperWords],
    memory: Memory,
    *,
    places: Floats,
    likeness: Scores | None = None,
) -> Scores:
    """Return a score a paper: 0 is unrelated, about 1 has every word often.

    ``places`` are the papers' rows in the memory's space; ``likeness`` is their product with the query's vector, NaN
    where a paper has none.
    """
    by_words = _by_words(groups, papers, memory)
    by_place = _products(places, memory.place(weights_of(groups)))
    scores: Scores = by_words + _PLACE * by_place
    near = (by_words > 0) | (by_place >= NEAR_BY_PLACE)
    if likeness is not None and not np.isnan(likeness).all():
        scores += _VECTORS * _by_meaning(likeness, by_words, by_place)
        near |= likeness >= NEAR_BY_VECTORS  # NaN is not
    scores += _like_the_first(_FIRST, scores, places)
    return np.where(near, np.maximum(scores, 1e-6), 0.0)


def _by_meaning(likeness: Scores, *seen: Scores) -> Scores:
    """Return what the vectors add, so that papers with and without one stand on one footing.

    A missing likeness is what papers with the same in ``seen`` have (ridge regression); all count by the share of the
    papers that have a vector, so that a catalogue half read is never worse than one not read.
    """
    known, columns = ~np.isnan(likeness), np.column_stack(seen)
    middle, mean = columns[known].mean(axis=0), likeness[known].mean()
    spread = columns[known] - middle
    slopes = np.linalg.solve(spread.T @ spread + _RESTRAINT * np.eye(len(seen)), spread.T @ (likeness[known] - mean))
    filled: Scores = np.where(known, likeness, mean + (columns - middle) @ slopes)
    return float(known.mean()) * filled


def _like_the_first(count: int, scores: Scores, places: Floats) -> Scores:
    """Return how much more each paper scores for being near those that score best: pseudo relevance feedback."""
    if not len(scores):
        return scores
    first = np.argsort(-scores, kind="stable")[:count]
    centre = np.maximum(scores[first], 0) @ places[first]
    return _LIKE_THE_FIRST * _products(places, centre / (np.linalg.norm(centre) or 1.0))


def _products(places: Floats, place: NDArray[np.floating[Any]]) -> Scores:
    return (places @ place).astype(np.float64) if len(places) else np.zeros(0)


def _by_words(groups: Sequence[Group], papers: Sequence[PaperWords], memory: Memory) -> Scores:
    titles = [f" {paper.title} " for paper in papers]
    bodies = [f" {paper.body} " for paper in papers]
    lengths = np.array(
        [TITLE_WEIGHT * title.count(" ") + body.count(" ") for title, body in zip(titles, bodies, strict=True)]
    )
    damping = _K1 * (1 - _B + _B * lengths / (memory.mean_length or 1.0))

    def weight(phrase: Phrase) -> Scores:
        sought = f" {' '.join(phrase)} "
        times = np.array(
            [
                TITLE_WEIGHT * title.count(sought) + body.count(sought)
                for title, body in zip(titles, bodies, strict=True)
            ],
            dtype=np.float64,
        )
        rarest: float = max(memory.rarity(stem) for stem in phrase)
        return rarest * times * (_K1 + 1) / (times + damping)

    total = np.zeros(len(papers))
    most = 0.0
    for group in groups:
        own = np.zeros(len(papers))
        if group.stem:
            own = weight((group.stem,))
            most += memory.rarity(group.stem) * (_K1 + 1)
        elif group.meanings:
            most += _K1 + 1
        if group.meanings:
            others = sum((_ONE_OTHER * weight(phrase) for phrase in group.meanings), np.zeros(len(papers)))
            own = np.maximum(own, _OTHER_WORDS * others)
        total += own
    return total / (most or 1.0)


def weights_of(groups: Sequence[Group]) -> dict[str, float]:
    """Return the weight of each stem in the query's place: the words, and less for their synonyms."""
    weights: defaultdict[str, float] = defaultdict(float)
    for group in groups:
        if group.stem:
            weights[group.stem] += 1
        for phrase in group.meanings:
            for stem in phrase:
                weights[stem] += _OTHER_IN_PLACE
    return weights


# --- papers like one paper --------------------------------------------------------------------------------------------

_LIKE_IN_TITLE, _LIKE_IN_PLACE, _LIKE_BY_VECTORS = 0.3, 0.5, 1.5
_LIKE_IN_TOPICS = 0.6
_FIRST_ALIKE = 5
_LEAST_ALIKE = 0.22  # topics aside; below, two papers have no more in common than any two


def like(
    paper: PaperWords,
    others: Sequence[PaperWords],
    memory: Memory,
    *,
    place: Floats,
    places: Floats,
    topics: Scores,
    likeness: Scores | None = None,
) -> Scores:
    """Return how much each of the others reads like the paper, 0 where no more than any two papers do.

    ``topics`` are the cosines of their scores in the topics with the paper's; the other arguments are as for ``rank``.
    """
    whole = _cosines([(paper.title, paper.body), *((other.title, other.body) for other in others)], memory)
    titles = _cosines([(paper.title, ""), *((other.title, "") for other in others)], memory)
    by_place = _products(places, place)
    scores: Scores = whole + _LIKE_IN_TITLE * titles + _LIKE_IN_PLACE * by_place + _LIKE_IN_TOPICS * topics
    if likeness is not None and not np.isnan(likeness).all():
        scores += _LIKE_BY_VECTORS * _by_meaning(likeness, whole, titles, by_place)
    scores += _like_the_first(_FIRST_ALIKE, scores, places)
    return np.where(scores - _LIKE_IN_TOPICS * topics >= _LEAST_ALIKE, scores, 0.0)


def _cosines(papers: Sequence[tuple[str, str]], memory: Memory) -> Scores:
    """Return the cosines of the first row with each of the others."""
    weighed = memory.weigh(papers)
    lengths = np.sqrt(np.bincount(weighed.owners, weighed.weights**2, minlength=weighed.papers))
    wanted = np.zeros(weighed.width)
    is_first = weighed.owners == 0
    wanted[weighed.columns[is_first]] = weighed.weights[is_first]
    shared = np.bincount(weighed.owners, weighed.weights * wanted[weighed.columns], minlength=weighed.papers)
    cosines: Scores = shared / np.maximum(lengths * lengths[0], 1e-9)
    return cosines[1:]
