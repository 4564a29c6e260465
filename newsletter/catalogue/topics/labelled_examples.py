"""What labelled papers teach about others: each example pulls what reads like it towards its topics. Pure.

In: examples (a title, an abstract, the topics it belongs to) and texts. Out: how much each text belongs to each topic,
by its words (TF-IDF of words and pairs) or by its meaning (vectors of the extra `semantic`). It is ridge regression in
its dual form, which is the mean of a Gaussian process: far from all examples a text gets the usual share of a topic,
ten examples that agree outweigh one that does not, and the same examples always teach the same.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

PRIMARY, FURTHER = 1.0, 0.2  # what an example says of its first topic, and of each other one; 0 of all that it lacks
_TITLE_TIMES = 2
_LITTLE = 20.0  # a text whose words weigh less than this together says little, however it is put
_NOISE_OF_WORDS, _NOISE_OF_MEANINGS = 0.4, 1.0  # how far examples may be missed; more of it trusts each one less
_WORD = re.compile(r"[a-z0-9]+(?:\+\+)?")


@dataclass(frozen=True, slots=True)
class Example:
    title: str
    abstract: str
    topics: tuple[str, ...]  # slugs, the primary first; none: it belongs nowhere

    @property
    def text(self) -> str:
        return f"{self.title}. {self.abstract}"


class WordLessons:
    """Topic scores by the words of a text. ``doubt`` is by how much more than others each example may be missed."""

    def __init__(
        self, examples: Sequence[Example], targets: Floats, doubt: Floats, *, usual: Floats, background: Iterable[str]
    ) -> None:
        import numpy as np
        from scipy import sparse

        bags = [_bag(one.title, one.abstract) for one in examples]
        held_by = Counter(gram for bag in bags for gram in bag)
        others = [_bag("", text).keys() for text in background]
        for grams in others:
            held_by.update(gram for gram in grams if gram in held_by)
        papers = len(bags) + len(others)
        self._place = {gram: place for place, gram in enumerate(sorted(held_by))}
        self._rarity = [log((papers + 1) / (held_by[gram] + 1)) for gram in sorted(held_by)]
        rows = [self._row(bag) for bag in bags]
        indptr = np.cumsum([0, *(len(places) for places, _ in rows)])
        matrix = sparse.csr_matrix(
            (
                np.array([value for _, values in rows for value in values], dtype=np.float32),
                np.array([place for places, _ in rows for place in places], dtype=np.int32),
                indptr,
            ),
            shape=(len(rows), len(self._place)),
        )
        pulls = _pulls((matrix @ matrix.T).toarray(), targets - usual, _NOISE_OF_WORDS * doubt)
        self._weights = (matrix.T @ pulls).astype(np.float32)
        self._usual = usual

    def scores(self, title: str, abstract: str) -> Floats:
        import numpy as np

        places, values = self._row(_bag(title, abstract))
        scores: Floats = (self._usual + np.array(values, dtype=np.float32) @ self._weights[places]).astype(np.float32)
        return scores

    def _row(self, bag: Counter[str]) -> tuple[list[int], list[float]]:
        places, values = [], []
        for gram, times in bag.items():
            if (place := self._place.get(gram)) is not None:
                places.append(place)
                values.append((1 + log(times)) * self._rarity[place])
        length = sqrt(sum(value * value for value in values) + _LITTLE**2)
        return places, [value / length for value in values]


class MeaningLessons:
    """Topic scores by the vector of a text."""

    def __init__(self, vectors: Floats, targets: Floats, doubt: Floats, *, usual: Floats) -> None:
        self._middle = vectors.mean(axis=0)
        centred = vectors - self._middle
        pulls = _pulls(centred @ centred.T, targets - usual, _NOISE_OF_MEANINGS * doubt)
        self._weights = centred.T @ pulls
        self._usual = usual

    def scores(self, vector: Floats) -> Floats:
        import numpy as np

        scores: Floats = (self._usual + (vector - self._middle) @ self._weights).astype(np.float32)
        return scores


@lru_cache(maxsize=1)
def made_up_examples() -> tuple[Example, ...]:
    """Return the made-up example papers that ship with Paperboy for the default topics."""
    rows = json.loads(
        (Path(__file__).resolve().parents[2] / "data" / "topic_examples.json").read_text(encoding="utf-8")
    )
    return tuple(Example(row["title"], row["abstract"], tuple(row["topics"])) for row in rows)


def targets_of(examples: Sequence[Example], slugs: Sequence[str]) -> Floats:
    """Target matrix, examples x topics: 1 for the primary topic, less for further ones, else 0."""
    import numpy as np

    place = {slug: column for column, slug in enumerate(slugs)}
    targets = np.zeros((len(examples), len(slugs)), dtype=np.float32)
    for row, example in enumerate(examples):
        for rank, slug in enumerate(example.topics):
            if slug in place:
                targets[row, place[slug]] = PRIMARY if rank == 0 else FURTHER
    return targets


def _pulls(kinship: Any, residues: Floats, doubt: Floats) -> Floats:
    import numpy as np

    solved = np.linalg.solve(kinship.astype(np.float64) + np.diag(doubt), residues.astype(np.float64))
    return solved.astype(np.float32)


def _bag(title: str, abstract: str) -> Counter[str]:
    """Words and pairs of neighbours, in the singular, with their counts; those of the title count twice."""
    bag: Counter[str] = Counter()
    for times, text in ((_TITLE_TIMES, title), (1, abstract)):
        text_words = words(text)
        for gram in text_words:
            bag[gram] += times
        for pair in itertools.pairwise(text_words):
            bag[" ".join(pair)] += times
    return bag


def words(text: str) -> list[str]:
    return [singular(word) for word in _WORD.findall(text.lower())]


def singular(word: str) -> str:
    """An English word in lower case without the s of many; enough to make "agents" and "agent" one word."""
    if len(word) > 3 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
