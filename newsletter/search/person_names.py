"""Names of persons, compared across accents, initials, middle names, particles, hyphens and order.

In: names as people and papers write them. Out: whether two are the same person's, and the words by which an index
finds a name. Pure. A given name and its initial are the same; two given names are not, and a given name never matches
a family name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from newsletter.search.tokens import fold, words_of

Name = tuple[str, ...]  # folded parts in order, given names first; Jun-Yan is one part

_NAME_PARTICLES = "al bin da das de del della den der di do dos du e el ibn la las le los ten ter van vom von y zu zur"
PARTICLES = frozenset(_NAME_PARTICLES.split())
_SUFFIXES = frozenset(["jr", "sr", "ii", "iii", "iv", "phd"])
_LONGEST = 60  # characters of a word in the index
_LONGEST_SLUG = 150  # characters of an address
_PART_ENDS = re.compile(r"[\s._·]+")
_NOT_IN_A_PART = re.compile(r"[\W_]+")
_GLUED = re.compile(r"(?:van(?:der|den|de)?|von|de(?:lla|la|l|r|n)?|du|di|la|le)(?=.{3})")
_TRANSCRIBED = re.compile(r"(?<=.)([aou])e(?=.{2})")  # Mueller for Müller


@lru_cache(maxsize=20_000)
def name_of(text: str) -> Name:
    """Return the parts of one name: "LeCun, Y." is y, lecun."""
    family, comma, given = fold(text).partition(",")
    if comma and _parts(given) and not _SUFFIXES.issuperset(_parts(given)):
        family = f"{given} {family}"
    parts = _parts(family)
    while len(parts) > 1 and parts[-1] in _SUFFIXES:
        parts.pop()
    return tuple(parts)


def _parts(text: str) -> list[str]:
    parts = (_NOT_IN_A_PART.sub("", part) for part in _PART_ENDS.split(text))
    return [part for part in parts if part]


def is_same_person(wanted: Name, text: str) -> bool:
    """Whether the author is `wanted`: a single word is any part of a name, several are one person's whole name."""
    if len(wanted) == 1:
        return wanted[0] in words_of_author(text)
    author = name_of(text)
    if not (wanted and author):
        return False
    if "".join(wanted) == "".join(author):
        return True
    if wanted[0] in PARTICLES and author[-len(wanted) :] == wanted:
        return True  # a family name with its particles, without the given name
    if {*map(_spelt, _family(wanted))}.isdisjoint(map(_spelt, _family(author))):
        return False
    here, there = _given(wanted), _given(author)
    if not there:
        return False
    if "".join(here) == "".join(there):
        return True
    return all(_is_same_given(one, other) for one, other in zip(here, there, strict=False))


def index_word(wanted: Name) -> str:
    """Return the word that every author matching `wanted` has among its `words_of_author`."""
    return wanted[0] if len(wanted) == 1 else _spelt(wanted[-1])


@lru_cache(maxsize=20_000)
def words_of_author(text: str) -> frozenset[str]:
    """Return every word by which a query may look for this author."""
    name = name_of(text)
    if not name:
        return frozenset()
    last, whole = _family(name)
    found = {*words_of(text), *name, last, whole, *_without_particle(last), "".join(name[-2:])}
    return frozenset(found.union(map(_spelt, found)))


def words_of_person(text: str) -> frozenset[str]:
    """Return the words by which an index finds this one person: quist1nora, and the whole name in one word."""
    name = name_of(text)
    words = _joined(name, {_given(name)[0], "".join(_given(name))}) if len(name) > 1 else set()
    return frozenset({*words, "".join(name)[:_LONGEST]} - {""})


def words_of_persons(wanted: Name) -> tuple[frozenset[str], frozenset[str]]:
    """Return what finds everybody who `is_same_person` as a name of several parts: words, and beginnings of words."""
    given = _given(wanted)
    whole = _joined(wanted, {given[0], "".join(given), given[0][0]})
    return frozenset({*whole, "".join(wanted)[:_LONGEST]}), frozenset(
        _joined(wanted, {given[0]}) if len(given[0]) == 1 else ()
    )


def institution_word(text: str) -> str:
    """Return the word by which an index finds an institution, however its words are parted; empty without letters."""
    joined = _NOT_IN_A_PART.sub("", fold(text))
    return f"1{joined}"[:_LONGEST] if joined else ""


def author_slug(name: str) -> str:
    """Return the part of an address that names a person: Jun-Yan Zhu is junyan-zhu. Empty without letters."""
    return "-".join(name_of(name))[:_LONGEST_SLUG]


def institution_slug(name: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in fold(name)).split()
    return "-".join(words)[:_LONGEST_SLUG]


def _joined(name: Name, given: set[str]) -> set[str]:
    return {f"{_spelt(family)}1{one}"[:_LONGEST] for family in _family(name) for one in given}


def forms_of_family(name: Name) -> list[Name]:
    """Return forms of the family name in an index of words: Le Cun is cun or lecun; LeCun is lecun, or le and cun."""
    last, whole = _family(name)
    forms: list[Name] = [(last,), (whole,), (_spelt(last),)]
    forms += [(last.removesuffix(rest), rest) for rest in _without_particle(last)] if len(name) > 1 else []
    return list(dict.fromkeys(forms))


def _family(name: Name) -> tuple[str, str]:
    """Return the family name without its particles, and with them in one word."""
    return name[-1], "".join(name[_first_of_family(name) :])


def _given(name: Name) -> Name:
    return name[: _first_of_family(name)]


def _first_of_family(name: Name) -> int:
    """Return the position where the family name with its particles begins. The first part is a given name: Di He."""
    first = len(name) - 1
    while first > 1 and name[first - 1] in PARTICLES:
        first -= 1
    return first


def _without_particle(word: str) -> Iterator[str]:
    for found in _GLUED.finditer(word):
        if found.start() == 0:
            yield word[found.end() :]


def _spelt(family: str) -> str:
    return _TRANSCRIBED.sub(r"\1", family) if len(family) >= 5 else family


def _is_same_given(one: str, other: str) -> bool:
    return one == other or (1 in (len(one), len(other)) and one[0] == other[0])
