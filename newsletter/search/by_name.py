"""Papers of one author or one institution, all of them, the latest first, a page at a time. Reads only.

In: a name. Out: ids. The index holds a word for each whole person and institution (person_names), so a page costs the
papers of that person, not those of everybody who shares a part of the name.
"""

from __future__ import annotations

from newsletter.search.index_lookup import Word, dated, person
from newsletter.search.person_names import Name, institution_word, is_same_person, name_of

_A_TIME = 500


def papers_by(author: Name, *, start: int, stop: int) -> list[int]:
    """Return papers of an author; a name of one part is that whole name."""
    rows = dated(person(author)).values_list("paper_id", "paper__authors")
    found: list[int] = []
    for place in range(0, _A_TIME * stop, _A_TIME):
        some = list(rows[place : place + _A_TIME])
        found += [paper for paper, authors in some if any(_is_by(author, str(name)) for name in authors)]
        if len(found) >= stop or len(some) < _A_TIME:
            break
    return found[start:stop]


def papers_from(institution: str, *, start: int, stop: int) -> list[int]:
    """Return papers of an institution."""
    word = institution_word(institution)
    return list(dated(Word(word, "name")).values_list("paper_id", flat=True)[start:stop]) if word else []


def _is_by(author: Name, name: str) -> bool:
    return is_same_person(author, name) if len(author) > 1 else name_of(name) == author
