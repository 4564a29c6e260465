"""Match one paper with one standing query: every word, phrase and field, and nothing that it excludes.

In: a parsed query, and a paper's words as the search index holds them. Out: whether the paper is meant; the query's
normalised form, its key, and the one term that every paper it means must have, by which an index finds it. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import cached_property
from typing import Any

from newsletter.search.person_names import index_word, is_same_person, words_of_author
from newsletter.search.query import Query
from newsletter.search.tokens import STOP_WORDS, stem, words_of

LONGEST_TERM = 64  # characters


@dataclass(frozen=True)
class PaperFacts:
    """Facts of a paper that a query can ask for. Title and body are stems between blanks."""

    paper: int
    title: str
    body: str
    authors: tuple[str, ...] = ()
    organization: str = ""
    topics: frozenset[str] = frozenset()  # slugs
    has_code: bool = False
    day: date | None = None

    @cached_property
    def stems(self) -> frozenset[str]:
        return frozenset([*self.title.split(), *self.body.split()])

    @cached_property
    def institution(self) -> str:
        return f" {' '.join(words_of(self.organization))} "

    def holds(self, phrase: tuple[str, ...]) -> bool:
        sought = f" {' '.join(phrase)} "
        return sought in f" {self.title} " or sought in f" {self.body} "

    def names(self, author: tuple[str, ...]) -> bool:
        return any(is_same_person(author, name) for name in self.authors)


def normalised(query: Query) -> Query:
    """Return the normalised query: stems instead of words, sorted where order does not matter."""
    return replace(
        query,
        words=tuple(sorted(set(_telling_stems(query.words)))),
        phrases=_ordered(query.phrases),
        topics=_ordered(query.topics),
        authors=_ordered(query.authors),
        organizations=_ordered(query.organizations),
        without=normalised(query.without) if query.without else None,
    )


def _telling_stems(words: tuple[str, ...]) -> Iterator[str]:
    """Return the stems without parts of a compound: of pre-training (pre, training, pretraining) the last."""
    place = 0
    while place < len(words):
        if words[place] + "".join(words[place + 1 : place + 2]) == "".join(words[place + 2 : place + 3]):
            place += 2
        if words[place] not in STOP_WORDS:
            yield stem(words[place])
        place += 1


def _ordered(parts: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(set(parts)))


def as_json(query: Query) -> dict[str, Any]:
    """Return the normalised query without empty fields, for a JSON column."""
    plain: dict[str, Any] = {}
    for part in fields(query):
        value = getattr(query, part.name)
        if isinstance(value, Query):
            value = as_json(value)
        elif isinstance(value, date):
            value = value.isoformat()
        if value:
            plain[part.name] = value
    return plain


def from_json(plain: Mapping[str, Any]) -> Query:
    def read(name: str, value: Any) -> Any:
        if name == "without":
            return from_json(value)
        if name in {"after", "before"}:
            return date.fromisoformat(value)
        return tuple(tuple(one) if isinstance(one, list) else one for one in value) if name != "has_code" else value

    return Query(**{name: read(name, value) for name, value in plain.items()})


def key_of(query: Query) -> str:
    """Return 32 characters, the same for equal normalised queries."""
    return hashlib.blake2b(json.dumps(as_json(query), sort_keys=True).encode(), digest_size=16).hexdigest()


def rarest_term(query: Query, *, share_of: Callable[[str], float]) -> str:
    """Return the term by which papers find this query; empty when it names nothing that a paper must have.

    ``share_of``: the share of papers that have a stem.
    """
    stems = [*query.words, *(one for phrase in query.phrases for one in phrase)]
    if query.authors:
        return _term("author", max(map(index_word, query.authors), key=len))
    if stems:
        return _term("word", min(stems, key=lambda one: (share_of(one), -len(one), one)))
    if query.organizations:
        return _term("org", max(query.organizations[0], key=len))
    if query.topics:
        return _term("topic", query.topics[0])
    return _term("has", "code") if query.has_code else ""


def terms_of(paper: PaperFacts) -> set[str]:
    """Return every term by which this paper may find a query."""
    terms = {_term("word", one) for one in paper.stems}
    terms |= {_term("author", word) for name in paper.authors for word in words_of_author(name)}
    terms |= {_term("org", word) for word in paper.institution.split()}
    terms |= {_term("topic", slug) for slug in paper.topics}
    return terms | ({_term("has", "code")} if paper.has_code else set())


def _term(kind: str, word: str) -> str:
    return f"{kind}:{word}"[:LONGEST_TERM]


def is_meant(query: Query, paper: PaperFacts) -> bool:
    """Whether the paper matches a normalised query."""
    return (
        all(one in paper.stems for one in query.words)
        and all(topic in paper.topics for topic in query.topics)
        and (paper.has_code or not query.has_code)
        and all(map(paper.names, query.authors))
        and all(map(paper.holds, query.phrases))
        and all(f" {' '.join(words)} " in paper.institution for words in query.organizations)
        and (query.after is None or (paper.day is not None and paper.day >= query.after))
        and (query.before is None or (paper.day is not None and paper.day < query.before))
        and not (query.without and has_any_part(query.without, paper))
    )


def has_any_part(query: Query, paper: PaperFacts) -> bool:
    """Whether the paper has any part that a query excludes."""
    return (
        any(one in paper.stems for one in query.words)
        or any(topic in paper.topics for topic in query.topics)
        or (paper.has_code and query.has_code)
        or any(map(paper.names, query.authors))
        or any(map(paper.holds, query.phrases))
        or any(f" {' '.join(words)} " in paper.institution for words in query.organizations)
    )
