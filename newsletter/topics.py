"""Topics of a paper, from what a topic says about itself: its name, description and keywords. No labels are needed.

In: topics, a title and an abstract (and arXiv categories when known). Out: every topic with a score between 0 and 1,
best first, and whether the paper is filed under it. Pure: the same words always give the same scores.

A keyword counts by its length (a phrase says more than a word) and by its rarity in a background of ordinary papers
(idf); the title counts several times; repetition saturates. The sums become chances by a logistic curve fitted on
hand-labelled papers (tests/data/topic_labels.json).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log

_TITLE_WEIGHT = 6.0
_SATURATION = 0.2
_LENGTH_WEIGHT = (0.0, 1.0, 1.8, 2.4, 2.6)
_IDF_WEIGHT = 0.6
_LONGEST = 6  # words of a keyword
_FEW_KEYWORDS = 5
_FILED_AT_MOST = 3
_FILED_FROM = 0.35  # chance; half of the F1 reached is where F1 is best
# chance = 1 / (1 + e^-(bias + strength * sum + share * (sum / best sum)))
_BIAS, _STRENGTH, _SHARE = -3.6, 0.46, 3.6
_CATEGORY_WEIGHT = (2.0, 0.7)  # the primary category, each further one

_WORD = re.compile(r"[a-z0-9]+(?:\+\+)?")
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

_CATEGORIES = {
    "cs.CL": "language-models",
    "cs.CV": "vision",
    "eess.IV": "vision",
    "cs.SD": "speech-audio",
    "eess.AS": "speech-audio",
    "cs.GR": "3d-graphics",
    "cs.IR": "retrieval",
    "cs.MA": "rl-agents",
    "cs.RO": "robotics",
    "cs.SE": "code",
    "cs.PL": "code",
    "cs.LO": "code",
    "stat.ML": "learning-theory",
    "math.OC": "learning-theory",
    "math.ST": "learning-theory",
    "cs.DC": "systems",
    "cs.AR": "systems",
    "cs.PF": "systems",
    "cs.OS": "systems",
    "cs.CR": "security",
    "cs.CY": "security",
    "cs.SI": "graphs-tabular",
    "q-bio": "science",
    "physics": "science",
    "astro-ph": "science",
    "cond-mat": "science",
    "cs.CE": "science",
    "math.NA": "science",
    "cs.NE": "architectures",
}


@dataclass(frozen=True, slots=True)
class TopicProfile:
    slug: str
    name: str
    description: str
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TopicScore:
    slug: str
    score: float  # the chance that a person files the paper here
    assigned: bool


class Classifier:
    """Sorts papers into topics. Building it reads the background once; keep it for many papers."""

    def __init__(self, topics: Iterable[TopicProfile], *, background: Iterable[str] = ()) -> None:
        self._topics = list(topics)
        self._phrases: dict[tuple[str, ...], list[int]] = {}  # keyword -> topics that have it
        for place, topic in enumerate(self._topics):
            for phrase in dict.fromkeys(_phrases(topic)):
                self._phrases.setdefault(phrase, []).append(place)
        self._longest = max(map(len, self._phrases), default=0)
        self._rarity = self._rarities(background)

    def classify(self, title: str, abstract: str, *, categories: Sequence[str] = ()) -> list[TopicScore]:
        """Every topic, best first. The best is filed whenever there is any evidence; at most three are."""
        sums = self._sums(title, abstract)
        for rank, category in enumerate(categories):
            slug = _CATEGORIES.get(category) or _CATEGORIES.get(category.split(".")[0])
            for place, topic in enumerate(self._topics):
                if topic.slug == slug:
                    sums[place] += _CATEGORY_WEIGHT[0 if rank == 0 else 1]
        best = max(sums, default=0.0)
        order = sorted(range(len(sums)), key=lambda place: (-sums[place], place))
        scores = [_chance(sums[place], best) for place in order]
        return [
            TopicScore(
                slug=self._topics[place].slug,
                score=round(score, 4),
                assigned=sums[place] > 0 and (rank == 0 or (rank < _FILED_AT_MOST and score >= _FILED_FROM)),
            )
            for rank, (place, score) in enumerate(zip(order, scores, strict=True))
        ]

    def _sums(self, title: str, abstract: str) -> list[float]:
        found: list[Counter[tuple[str, ...]]] = [Counter() for _ in self._topics]
        for weight, words in ((_TITLE_WEIGHT, _words(title)), *((1.0, _words(text)) for text in _telling(abstract))):
            for place, phrase in self._matches(words):
                found[place][phrase] += weight  # type: ignore[assignment]
        return [
            sum(self._weight(phrase) * (1 - exp(-_SATURATION * times)) for phrase, times in counted.items())
            for counted in found
        ]

    def _matches(self, words: Sequence[str]) -> Iterable[tuple[int, tuple[str, ...]]]:
        """(topic, keyword) wherever one occurs. Within a topic the longest wins and none overlap."""
        free_from = [0] * len(self._topics)
        for start in range(len(words)):
            for length in range(min(self._longest, len(words) - start), 0, -1):
                phrase = tuple(words[start : start + length])
                for place in self._phrases.get(phrase, ()):
                    if start >= free_from[place]:
                        free_from[place] = start + length
                        yield place, phrase

    def _weight(self, phrase: tuple[str, ...]) -> float:
        return _LENGTH_WEIGHT[min(len(phrase), len(_LENGTH_WEIGHT) - 1)] + _IDF_WEIGHT * self._rarity.get(phrase, 0.0)

    def _rarities(self, background: Iterable[str]) -> dict[tuple[str, ...], float]:
        papers, seen_in = 0, Counter[tuple[str, ...]]()
        for text in background:
            papers += 1
            words = _words(text)
            seen_in.update({phrase for _, phrase in self._matches(words)})
        return {phrase: log((papers + 1) / (seen_in[phrase] + 1)) for phrase in self._phrases}


def _chance(total: float, best: float) -> float:
    if total <= 0:
        return 0.0
    return 1 / (1 + exp(-(_BIAS + _STRENGTH * total + _SHARE * total / best)))


def _phrases(topic: TopicProfile) -> Iterable[tuple[str, ...]]:
    # A description is written for readers: its phrases speak only for a topic that has few keywords.
    described = _CLAUSE_END.split(topic.description) if len(topic.keywords) < _FEW_KEYWORDS else []
    for text in (*topic.keywords, *_CLAUSE_END.split(topic.name), *described):
        words = _words(text)
        if 0 < len(words) <= _LONGEST and not _FILLER.intersection(words):
            yield tuple(words)


def _telling(abstract: str) -> list[str]:
    sentences = _SENTENCE_END.split(abstract)
    return [sentence for sentence in sentences if not _AVAILABILITY.search(sentence)] or sentences


def _words(text: str) -> list[str]:
    return [_singular(word) for word in _WORD.findall(text.lower())]


def _singular(word: str) -> str:
    if len(word) > 3 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
