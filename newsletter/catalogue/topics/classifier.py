"""Topics of a paper, from the keywords of topics and from labelled papers.

In: topics, a title and an abstract; arXiv categories and a vector of the extra `semantic` when known. Out: every topic
with a score between 0 and 1, best first, and whether the paper is filed under it. Pure: the same gives the same.

Keywords: each counts by its length (a phrase says more than a word) and its rarity among ordinary papers; the title
counts several times; repetition saturates. Lessons: `labelled_examples`, on a sample that comes with Paperboy and on
what curators corrected. A topic of the operator's own, which no example names, goes by its keywords alone until
curators file papers there. `python -m tests.bench.bench_topics` measures all of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp, log, sqrt
from typing import TYPE_CHECKING

from newsletter.catalogue.topics.fields import topics_of
from newsletter.catalogue.topics.labelled_examples import (
    FURTHER,
    PRIMARY,
    Example,
    MeaningLessons,
    WordLessons,
    targets_of,
    words,
)

if TYPE_CHECKING:
    from newsletter.catalogue.topics.labelled_examples import Floats

_TITLE_WEIGHT = 6.0
_SATURATION = 0.2
_LENGTH_WEIGHT = (0.0, 1.0, 1.8, 2.4, 2.6)
_IDF_WEIGHT = 0.6
_LONGEST = 6  # words of a keyword
_FEW_KEYWORDS = 5
_FILED_AT_MOST = 3
# What keywords alone say: chance = 1 / (1 + e^-(bias + strength * sum + share * (sum / best sum)))
_BIAS, _STRENGTH, _SHARE = -3.6, 0.46, 3.6
_CATEGORY_WEIGHT = (2.0, 0.7)  # the primary category, each further one
# What all say: chance = 1 / (1 + e^-(bias + slope * (lessons + part * share of the keywords))); fitted on hand-labelled
# papers (tests/data), the same with meaning and without.
_KEYWORD_PART = 0.5
_FEW = 5.0  # keywords that sum up to less than this say little, even when they speak for one topic only
_CHANCE = (-4.8, 13.0)
_MEANING_SHARE = 0.5  # of meaning in the lessons
_FILED_FROM = 0.3  # chance; below half of the F1 reached: of unseen papers the keywords know less
_FIRST_FROM = 0.12  # the best topic is filed from here, or from any keyword
_ENOUGH_EXAMPLES = 3  # labelled papers at which the lessons weigh as much as the keywords alone
# A curator's word is believed this many times more than a made-up example; ten are heard over all else, one is not.
_CORRECTION_WEIGHT = 2.0
_EXPECTED = {PRIMARY: 0.62, FURTHER: 0.33, 0.0: 0.03}  # the usual share of the keywords where a topic is right, or not
# How near a paper's meaning is to a topic that no example names: cosine from, and what each step above it is worth.
_NEAR_FROM, _NEARNESS = 0.3, 14.0

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
# "Code is available at …" says nothing about the subject.
_AVAILABILITY = re.compile(
    r"https?://|github|\b(?:code|model|data|dataset|weight|checkpoint|demo)s?\b[^.]{0,60}\b(?:available|released)\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[,;:.&]|\band\b|\bor\b|\bsuch as\b")
_FILLER = frozenset(
    ["a", "an", "the", "of", "for", "in", "on", "to", "with", "by", "from", "their", "its", "how", "what"]
)


@dataclass(frozen=True, slots=True)
class TopicProfile:
    slug: str
    name: str
    description: str
    keywords: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.name}. {self.description}"


@dataclass(frozen=True, slots=True)
class TopicScore:
    slug: str
    score: float  # the chance that a person files the paper here
    assigned: bool


@dataclass(frozen=True, slots=True)
class Meanings:
    """Vectors of what a classifier learns from, row by row: its topics' texts, its examples, its corrections."""

    topics: Floats
    examples: Floats
    corrections: Floats


class Classifier:
    """Sorts papers into topics. It learns at the first paper, in a fraction of a second; keep it for many."""

    def __init__(
        self,
        topics: Iterable[TopicProfile],
        *,
        background: Iterable[str] = (),
        examples: Sequence[Example] = (),
        corrections: Sequence[Example] = (),
        meanings: Meanings | None = None,
    ) -> None:
        self._topics = list(topics)
        self._places = {topic.slug: place for place, topic in enumerate(self._topics)}
        self._phrases: dict[tuple[str, ...], list[int]] = {}  # keyword -> topics that have it
        for place, topic in enumerate(self._topics):
            for phrase in dict.fromkeys(_phrases(topic)):
                self._phrases.setdefault(phrase, []).append(place)
        self._longest = max(map(len, self._phrases), default=0)
        self._background = list(background)
        self._rarity = self._rarities(self._background)
        self._examples, self._corrections, self._meanings = list(examples), list(corrections), meanings
        counts = Counter(slug for one in (*examples, *corrections) for slug in one.topics)
        self._trust = [counts[one.slug] / (counts[one.slug] + _ENOUGH_EXAMPLES) for one in self._topics]

    def classify(
        self, title: str, abstract: str, *, categories: Sequence[str] = (), vector: Floats | None = None
    ) -> list[TopicScore]:
        """Every topic, best first. The best is filed whenever there is any evidence; at most three are.

        ``vector`` is heard by a classifier that was built with ``meanings``.
        """
        sums = self._sums(title, abstract)
        for rank, category in enumerate(categories):
            place = next((self._places[slug] for slug in topics_of(category) if slug in self._places), None)
            if place is not None:
                sums[place] += _CATEGORY_WEIGHT[0 if rank == 0 else 1]
        if vector is not None and self._meanings is not None:
            for place, near in enumerate(self._meanings.topics @ vector):
                if not self._trust[place]:
                    sums[place] += _NEARNESS * max(0.0, float(near) - _NEAR_FROM)
        scores = self._scores(title, abstract, sums, vector)
        order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
        return [
            TopicScore(
                slug=self._topics[place].slug,
                score=round(scores[place], 4),
                assigned=scores[place] >= _FILED_FROM if rank else scores[place] >= _FIRST_FROM or sums[place] > 0,
            )
            if rank < _FILED_AT_MOST
            else TopicScore(slug=self._topics[place].slug, score=round(scores[place], 4), assigned=False)
            for rank, place in enumerate(order)
        ]

    def _scores(self, title: str, abstract: str, sums: Sequence[float], vector: Floats | None) -> list[float]:
        by_keywords, shares = _chances(sums), _shares(sums)
        if not any(self._trust):
            return by_keywords
        lessons = self._by_words.scores(title, abstract)
        bias, slope = _CHANCE
        if vector is not None and self._by_meaning is not None:
            lessons = (1 - _MEANING_SHARE) * lessons + _MEANING_SHARE * self._by_meaning.scores(vector)
        return [
            trust / (1 + exp(-(bias + slope * (lesson + _KEYWORD_PART * share)))) + (1 - trust) * chance
            for trust, lesson, share, chance in zip(self._trust, lessons.tolist(), shares, by_keywords, strict=True)
        ]

    @cached_property
    def _by_words(self) -> WordLessons:
        targets, doubt, usual = self._taught
        background = [*self._background, *(topic.description for topic in self._topics)]
        learnt_from = [*self._examples, *self._corrections]
        return WordLessons(learnt_from, targets, doubt, usual=usual, background=background)

    @cached_property
    def _by_meaning(self) -> MeaningLessons | None:
        import numpy as np

        if self._meanings is None:
            return None
        targets, doubt, usual = self._taught
        vectors = np.vstack([self._meanings.examples, self._meanings.corrections])
        return MeaningLessons(vectors, targets, doubt, usual=usual)

    @cached_property
    def _taught(self) -> tuple[Floats, Floats, Floats]:
        """Training data: (examples x topics, how much each example may be missed, how common each topic is)."""
        import numpy as np

        slugs = [topic.slug for topic in self._topics]
        examples, corrections = targets_of(self._examples, slugs), targets_of(self._corrections, slugs)
        usual = examples.mean(axis=0) if self._examples else np.zeros(len(slugs), dtype=np.float32)
        # What the keywords get wrong about a corrected paper, the lessons have to put right.
        for row, one in enumerate(self._corrections):
            for place, share in enumerate(_shares(self._sums(one.title, one.abstract))):
                expected = _EXPECTED[round(float(corrections[row, place]), 2)]
                corrections[row, place] += _KEYWORD_PART * (expected - share)
        doubt = np.ones(len(examples) + len(corrections), dtype=np.float32)
        doubt[len(examples) :] /= _CORRECTION_WEIGHT
        return np.vstack([examples, corrections]), doubt, usual

    def _sums(self, title: str, abstract: str) -> list[float]:
        found: list[Counter[tuple[str, ...]]] = [Counter() for _ in self._topics]
        for weight, text in ((_TITLE_WEIGHT, title), *((1.0, sentence) for sentence in _telling(abstract))):
            for place, phrase in self._matches(words(text)):
                found[place][phrase] += weight  # type: ignore[assignment]
        return [
            sum(self._weight(phrase) * (1 - exp(-_SATURATION * times)) for phrase, times in counted.items())
            for counted in found
        ]

    def _matches(self, text: Sequence[str]) -> Iterable[tuple[int, tuple[str, ...]]]:
        """Yield (topic, keyword) wherever one occurs; within a topic the longest wins and none overlap."""
        free_from = [0] * len(self._topics)
        for start in range(len(text)):
            for length in range(min(self._longest, len(text) - start), 0, -1):
                phrase = tuple(text[start : start + length])
                for place in self._phrases.get(phrase, ()):
                    if start >= free_from[place]:
                        free_from[place] = start + length
                        yield place, phrase

    def _weight(self, phrase: tuple[str, ...]) -> float:
        return _LENGTH_WEIGHT[min(len(phrase), len(_LENGTH_WEIGHT) - 1)] + _IDF_WEIGHT * self._rarity.get(phrase, 0.0)

    def _rarities(self, background: Sequence[str]) -> dict[tuple[str, ...], float]:
        seen_in = Counter[tuple[str, ...]]()
        for text in background:
            seen_in.update({phrase for _, phrase in self._matches(words(text))})
        return {phrase: log((len(background) + 1) / (seen_in[phrase] + 1)) for phrase in self._phrases}


def _chances(sums: Sequence[float]) -> list[float]:
    """Score of each topic by its keywords alone."""
    best = max(sums, default=0.0)
    return [1 / (1 + exp(-(_BIAS + _STRENGTH * total + _SHARE * total / best))) if total > 0 else 0.0 for total in sums]


def _shares(sums: Sequence[float]) -> list[float]:
    length = sqrt(sum(total * total for total in sums) + _FEW**2)
    return [total / length for total in sums]


def _phrases(topic: TopicProfile) -> Iterable[tuple[str, ...]]:
    # A description is written for readers: its phrases speak only for a topic that has few keywords.
    described = _CLAUSE_END.split(topic.description) if len(topic.keywords) < _FEW_KEYWORDS else []
    for text in (*topic.keywords, *_CLAUSE_END.split(topic.name), *described):
        phrase = words(text)
        if 0 < len(phrase) <= _LONGEST and not _FILLER.intersection(phrase):
            yield tuple(phrase)


def _telling(abstract: str) -> list[str]:
    sentences = _SENTENCE_END.split(abstract)
    return [sentence for sentence in sentences if not _AVAILABILITY.search(sentence)] or sentences
