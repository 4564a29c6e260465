"""Which of some papers read most like a given one: TF-IDF over the words, cosine, the rarer the word the heavier.

In: one text and the candidates' texts by key. Out: keys, most similar first. Pure; meant for hundreds of candidates.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORD = re.compile(r"[^\W\d_][\w-]{2,}")
LEAST = 0.04  # below this two papers share only the words that all papers share


def most_similar(text: str, among: Mapping[int, str], *, limit: int) -> list[int]:
    wanted = Counter(_WORD.findall(text.casefold()))
    bags = {key: Counter(_WORD.findall(other.casefold())) for key, other in among.items()}
    held_by = Counter(word for bag in bags.values() for word in bag)
    rarity = {word: math.log((1 + len(bags)) / (1 + held_by[word])) for word in held_by.keys() | wanted.keys()}

    def weight(word: str, count: int) -> float:
        return (1 + math.log(count)) * rarity[word]

    def length(bag: Counter[str]) -> float:
        return math.sqrt(sum(weight(word, count) ** 2 for word, count in bag.items())) or 1.0

    target = {word: weight(word, count) for word, count in wanted.items()}
    norm = length(wanted)
    scores = {
        key: sum(target[word] * weight(word, count) for word, count in bag.items() if word in target)
        / (norm * length(bag))
        for key, bag in bags.items()
    }
    best = sorted((key for key in scores if scores[key] >= LEAST), key=lambda key: (-scores[key], key))
    return best[:limit]
