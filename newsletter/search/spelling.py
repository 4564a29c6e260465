"""Spelling correction of words that no paper has: "transfomer" is "transformer".

In: the words of the catalogue with the number of papers that have each, and one word. Out: the nearest one or none.
Pure. At most two typos, one in shorter words; of equally near words the commonest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rapidfuzz import process
from rapidfuzz.distance import OSA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHORTEST = 5  # letters; too many shorter words are one typo away from another real word
_LONG = 8  # letters from which two typos still identify a word


class Speller:
    def __init__(self, words: Sequence[str], counts: NDArray[np.int64]) -> None:
        self._beginning_with: dict[str, list[str]] = {}  # the first letter is rarely wrong
        for word in words:
            self._beginning_with.setdefault(word[:1], []).append(word)
        self._counts = dict(zip(words, counts.tolist(), strict=True))

    def nearest(self, word: str) -> str | None:
        if len(word) < SHORTEST or not word.isalpha():
            return None
        near = process.extract(
            word,
            self._beginning_with.get(word[0], []),
            scorer=OSA.distance,  # letters missing, too many, wrong, or swapped with their neighbour
            score_cutoff=2 if len(word) >= _LONG else 1,
            limit=None,
        )
        return min(((slips, -self._counts[found], found) for found, slips, _ in near if slips), default=(0, 0, None))[2]
