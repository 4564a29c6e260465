"""Papers of one author or one institution, all of them, the latest first, a page at a time. Reads only.

In: a name. Out: ids. The index holds a word for each whole person and institution (person_names), so a page costs the
papers of that person, not those of everybody who shares a part of the name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from newsletter.models import Paper
from newsletter.search.index_lookup import AnyOf, Limits, Word, dated, holding, person
from newsletter.search.person_names import Name, institution_word, is_same_person, name_of, words_of_persons

_A_TIME = 500
_MOST = 200  # papers that come first for a name typed without `author:`
_LONGEST = 4  # parts of such a name


def papers_by(author: Name, *, start: int, stop: int) -> list[int]:
    """Return ids of an author's papers, the latest first; a name of one part is that whole name."""
    rows = dated(person(author)).values_list("paper_id", "paper__authors")
    found: list[int] = []
    for place in range(0, _A_TIME * stop, _A_TIME):
        some = list(rows[place : place + _A_TIME])
        found += [paper for paper, authors in some if any(_is_by(author, str(name)) for name in authors)]
        if len(found) >= stop or len(some) < _A_TIME:
            break
    return found[start:stop]


def papers_from(institution: str, *, start: int, stop: int) -> list[int]:
    """Return ids of an institution's papers, the latest first."""
    word = institution_word(institution)
    return list(dated(Word(word, "name")).values_list("paper_id", flat=True)[start:stop]) if word else []


def papers_named(typed: Sequence[str], limits: Limits, *, is_word: Callable[[str], bool]) -> list[int]:
    """Return papers by the person whom these words name, newest first; none when they name nobody.

    Only given names written in full count, or "fast lane" would be F. Lane; a single word only when it ``is_word`` of
    no paper and no list; of two words the family name may come first.
    """
    name = name_of(" ".join(typed))
    if not 1 <= len(name) <= _LONGEST or (len(name) == 1 and is_word(name[0])):
        return []
    return _written_by(name, limits) or (_written_by(name[::-1], limits) if len(name) == 2 else [])


def _written_by(name: Name, limits: Limits) -> list[int]:
    near = holding(AnyOf([Word(word, "name") for word in _whole_words(name)]), limits, most=_MOST)
    rows = Paper.objects.filter(pk__any_of=near).values_list("pk", "authors")
    by = {paper for paper, authors in rows if any(is_same_person(name, str(author)) for author in authors)}
    return [paper for paper in near if paper in by]


def _whole_words(name: Name) -> list[str]:
    if len(name) == 1:
        return [name[0]]
    whole, _beginnings = words_of_persons(name)
    initial = name[0][0]
    return sorted(word for word in whole if len(name[0]) == 1 or not word.endswith(f"1{initial}"))


def _is_by(author: Name, name: str) -> bool:
    return is_same_person(author, name) if len(author) > 1 else name_of(name) == author
