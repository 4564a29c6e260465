"""A word that no paper has becomes the word that was probably meant: "transfomer" is "transformer".

In: the words of the catalogue with the number of papers that have each, and one word. Out: the nearest one or none.
Pure. Two slips of the keyboard at most, one in shorter words; of equally near words the commonest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHORTEST = 5  # letters; of shorter words too many are one slip away from another real word
_LONG = 8  # from here on two slips are still told from another word
_BIT = {letter: 1 << place for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz0123456789")}


class Speller:
    """Words as bits of the letters they have: a slip changes few of them, so most words need no closer look."""

    def __init__(self, words: Sequence[str], counts: NDArray[np.int64]) -> None:
        self._words = words
        self._counts = counts
        self._letters = np.array([_letters(word) for word in words], dtype=np.int64)
        self._lengths = np.array([len(word) for word in words], dtype=np.int64)
        self._first = np.array([ord(word[0]) if word else 0 for word in words], dtype=np.int64)

    def nearest(self, word: str) -> str | None:
        if len(word) < SHORTEST or not word.isalpha():
            return None
        slips = 2 if len(word) >= _LONG else 1
        other = np.bitwise_count(self._letters ^ _letters(word))
        near = np.flatnonzero(
            (np.abs(self._lengths - len(word)) <= slips) & (other <= 2 * slips) & (self._first == ord(word[0]))
        )
        best: tuple[int, int, str] | None = None
        for place in near.tolist():
            distance = slips_between(word, self._words[place], most=slips)
            if 0 < distance <= slips:
                found = (distance, -int(self._counts[place]), self._words[place])
                best = min(best, found) if best else found
        return best[2] if best else None


def slips_between(one: str, other: str, *, most: int) -> int:
    """Letters missing, too many, wrong, or swapped with their neighbour; ``most + 1`` stands for any more."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, start=1):
        earlier, before, row = before, row, [place]
        for column, against in enumerate(other, start=1):
            cost = min(before[column] + 1, row[column - 1] + 1, before[column - 1] + (letter != against))
            if place > 1 and column > 1 and letter == other[column - 2] and one[place - 2] == against:
                cost = min(cost, earlier[column - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def _letters(word: str) -> int:
    bits = 0
    for letter in word:
        bits |= _BIT.get(letter, 0)
    return bits
