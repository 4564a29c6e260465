"""A word that no paper has becomes the word that was probably meant: "transfomer" is "transformer".

In: the words of the catalogue with the number of papers that have each, and one word. Out: the nearest one or none.
Pure. Two slips of the keyboard at most, one in shorter words; of equally near words the commonest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rapidfuzz import process
from rapidfuzz.distance import OSA

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHORTEST = 5  # letters; of shorter words too many are one slip away from another real word
_LONG = 8  # from here on two slips are still told from another word


class Speller:
    def __init__(self, words: Sequence[str], counts: NDArray[np.int64]) -> None:
        self._beginning_with: dict[str, list[str]] = {}  # nobody slips on the first letter
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
