"""Whether two titles, abstracts or groups of authors are one work's. Pure.

In: what two sources said. Out: yes or no. Identifiers come first (`ingest`); this decides where they say nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Protocol

_NEAR = 0.95  # titles of distinct papers reach .73
_SAME_ABSTRACT = 0.5  # share of common words; abstracts of other papers in the same field stay far below
_ROMAN = frozenset(["i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x"])
_NAME = re.compile(r"[^\W\d_]{2,}")  # no initials
_COMMON = 4  # letters of a family name that many accounts bear
_PEOPLE = 8000  # characters of names that are compared


class _Described(Protocol):
    @property
    def abstract(self) -> str: ...

    @property
    def authors(self) -> Sequence[str]: ...


def nearly(one: str, other: str) -> bool:
    """Whether two keys of titles have almost the same words and the same numbers: part 1 and part 2 are two papers."""
    if _numbers(one) != _numbers(other):
        return False
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.real_quick_ratio() >= _NEAR and matcher.quick_ratio() >= _NEAR and matcher.ratio() >= _NEAR


def agree(one: _Described, other: _Described) -> bool:
    """Whether the abstracts have half of their words in common, or the family names where an abstract is missing."""
    if one.abstract and other.abstract:
        return _overlap(one.abstract.casefold().split(), other.abstract.casefold().split()) >= _SAME_ABSTRACT
    ours, theirs = ([name.casefold().split()[-1] for name in paper.authors if name.strip()] for paper in (one, other))
    return _overlap(ours, theirs) >= _SAME_ABSTRACT


def other_people(ours: Iterable[str], theirs: Iterable[str]) -> bool:
    """Whether both name authors, and no name of theirs is one of ours, in whichever order and spelling of accents."""
    here, there = _names_of(ours), _names_of(theirs)
    return bool(here and there) and here.isdisjoint(there)


def is_author(handle: str, authors: Iterable[str]) -> bool:
    """Whether the name of an account is an author's: adafern, a_fern, FernA, ada.f for Ada Fern; fern alone, too."""
    account = "".join(filter(str.isalpha, _plain(handle)))
    for words in (_plain(author).split() for author in authors):
        if len(words) < 2:
            continue
        given, family = words[0], words[-1]
        known = {given + family, family + given, given[0] + family, family + given[0], given + family[0]}
        if account in known or (account == family and len(family) > _COMMON):
            return True
    return False


def _plain(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text[:_PEOPLE]).casefold()
    return "".join(one for one in letters if not unicodedata.combining(one))


def _names_of(people: Iterable[str]) -> set[str]:
    return {*_NAME.findall(_plain(" ".join(people)))}


def _numbers(key: str) -> list[str]:
    return [word for word in key.split() if word in _ROMAN or any(character.isdigit() for character in word)]


def _overlap(one: Sequence[str], other: Sequence[str]) -> float:
    """Jaccard similarity of two bags of words; 0 when either is empty."""
    ours, theirs = set(one), set(other)
    return len(ours & theirs) / len(ours | theirs) if ours and theirs else 0.0
