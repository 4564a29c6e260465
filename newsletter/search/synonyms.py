"""Synonyms: everyday words and the field's words for the same thing; "chatbot" is "language model" too.

In: the words of a query. Out: the phrases, as stems, that mean each of them. The list is newsletter/data/plain_words
.json, general knowledge written by hand; add to it freely, one way from plain words to the field's. Pure but for
reading that file once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from newsletter.search.tokens import stem, stems_of, words_of

_FILE = Path(__file__).resolve().parents[1] / "data" / "plain_words.json"
_LONGEST = 3  # words of an entry
Phrase = tuple[str, ...]


def meanings_of(words: Sequence[str]) -> list[tuple[Phrase, ...]]:
    """Return for each word the phrases it means, alone or as the beginning of an entry of several words."""
    book = _book()
    stems = [stem(word) for word in words]
    found: list[tuple[Phrase, ...]] = []
    for start in range(len(stems)):
        keys = (tuple(stems[start : start + length]) for length in range(_LONGEST, 0, -1))
        found.append(next((book[key] for key in keys if key in book), ()))
    return found


def is_known(word: str) -> bool:
    """Whether the list has this word anywhere: then it is not a typo."""
    return stem(word) in _stems()


@lru_cache(maxsize=1)
def _book() -> dict[Phrase, tuple[Phrase, ...]]:
    entries: dict[str, list[str]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return {
        tuple(stem(word) for word in words_of(plain)): tuple(dict.fromkeys(tuple(stems_of(phrase)) for phrase in field))
        for plain, field in entries.items()
        if not plain.startswith("_")
    }


@lru_cache(maxsize=1)
def _stems() -> frozenset[str]:
    return frozenset(one for plain, field in _book().items() for phrase in (plain, *field) for one in phrase)
