"""Parse a search: words, phrases in quotes, and fields such as `topic:robotics after:2026-01`.
A hyphen before any of them excludes it: `diffusion -image -author:"Ada Lovelace"`.

In: the text of a search box. Out: a Query, or a QueryError that says in one word what is wrong with which part (the
sentences are in search/query_errors.py). Pure. A colon followed by a blank makes no field: titles have colons.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from newsletter.catalogue.sources.clean_text import clean_line
from newsletter.search.person_names import Name, name_of
from newsletter.search.tokens import STOP_WORDS, stem, words_of

LONGEST = 300  # characters; no title is longer
MOST_WORDS = 40
FIELDS = ("topic", "author", "org", "has", "after", "before")
DATES = ("after", "before")

_PART = re.compile(
    r'(?P<minus>(?<!\S)-(?=["\w]))?(?:(?P<field>[^\W\d_]+):(?=\S))?(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+))'
)
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?")
_LATEX = re.compile(r"\\[A-Za-z]|[\^_]\{|\$.*\$")
_OPERATORS = ("AND", "OR", "NOT", "NEAR")
_ADDRESSES = ("http", "https", "arxiv")
_QUOTES = str.maketrans("“”„«»", '"""""')


class Problem(StrEnum):
    TOO_LONG = "too long"
    TOO_MANY_WORDS = "too many words"
    NO_SUCH_FIELD = "no such field"
    NO_VENUES = "no venues"
    ONLY_EXCLUSIONS = "only exclusions"
    DATE_EXCLUDED = "date excluded"
    NOTHING_TO_FOLLOW = "nothing to follow"
    EMPTY_FIELD = "empty field"
    NO_SUCH_TOPIC = "no such topic"
    NOT_A_DATE = "not a date"
    ONLY_CODE = "only code"
    NO_LETTERS = "no letters"
    NO_TELLING_WORDS = "no telling words"
    ENDS_BEFORE_IT_BEGINS = "ends before it begins"


class QueryError(ValueError):
    """A search that is refused; ``problem`` says why, ``part`` names the words."""

    def __init__(self, problem: Problem, part: str = "") -> None:
        super().__init__(f"{problem}: {part}" if part else str(problem))
        self.problem = problem
        self.part = part


@dataclass(frozen=True, slots=True)
class Query:
    words: tuple[str, ...] = ()  # folded, in the order typed, stop words included
    phrases: tuple[tuple[str, ...], ...] = ()  # stems that must stand in this order
    topics: tuple[str, ...] = ()  # as typed
    authors: tuple[Name, ...] = ()
    organizations: tuple[tuple[str, ...], ...] = ()  # words that must stand in this order
    has_code: bool = False
    after: date | None = None  # from this day on
    before: date | None = None  # up to the day before
    without: Query | None = None  # a paper with any part of this is not found

    @property
    def has_words(self) -> bool:
        return bool(self.words or self.phrases)

    @property
    def has_fields(self) -> bool:
        return bool(self.topics or self.authors or self.organizations or self.has_code or self.after or self.before)


@dataclass(slots=True)
class _Typed:
    """The parts of a query as they were typed."""

    words: list[str] = field(default_factory=list)
    phrases: list[tuple[str, ...]] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in FIELDS})

    def query(self, *, without: Query | None = None) -> Query:
        return Query(
            words=tuple(self.words),
            phrases=tuple(phrase for phrase in self.phrases if phrase),
            topics=tuple(self.fields["topic"]),
            authors=tuple(map(name_of, self.fields["author"])),
            organizations=tuple(tuple(words_of(name)) for name in self.fields["org"]),
            has_code=_wants_code(self.fields["has"]),
            after=max(map(_day, self.fields["after"]), default=None),
            before=min(map(_day, self.fields["before"]), default=None),
            without=without,
        )


def parse(text: str) -> Query:
    text = _plain(text)
    if len(text) > LONGEST:
        raise QueryError(Problem.TOO_LONG)
    wanted, unwanted = _Typed(), _Typed()
    for part in _PART.finditer(text):
        _take(part, unwanted if part["minus"] else wanted)
    if any(unwanted.fields[name] for name in DATES):
        raise QueryError(Problem.DATE_EXCLUDED)
    without = unwanted.query()
    query = wanted.query(without=without if without.has_words or without.has_fields else None)
    _check(query, text)
    return query


def _plain(text: str) -> str:
    """Return the text on one line, its LaTeX readable, and no quotation mark left open."""
    if _LATEX.search(text):
        text = clean_line(text)
    text = " ".join(text.translate(_QUOTES).replace("\x00", " ").split())
    return text.replace('"', " ") if text.count('"') % 2 else text


def typed_words(text: str) -> list[str]:
    """Return the words as typed, without fields and exclusions; what is quoted is one word."""
    parts = (part for part in _PART.finditer(_plain(text)) if not part["minus"] and not part["field"])
    return [part["bare"] if part["quoted"] is None else part["quoted"] for part in parts]


def not_understood(text: str) -> list[str]:
    """Return the typed words that no search compares: operators of other search boxes, and scripts it cannot read."""
    words = [word for word in typed_words(text) if word in _OPERATORS or not words_of(word)]
    return [word for word in dict.fromkeys(words) if word in _OPERATORS or any(map(str.isalpha, word)) or "*" in word]


def _take(part: re.Match[str], typed: _Typed) -> None:
    name, quoted, bare = (part["field"] or "").casefold(), part["quoted"], part["bare"]
    if name and name not in _ADDRESSES:
        _fill(typed.fields, name, (quoted if quoted is not None else bare).strip())
    elif quoted is not None:
        typed.phrases.append(tuple(stem(word) for word in words_of(quoted) if word not in STOP_WORDS))
    elif bare.casefold() in {f"{name}:" for name in FIELDS}:
        raise QueryError(Problem.EMPTY_FIELD, bare.casefold())
    else:
        typed.words += words_of(bare)


def _fill(fields: dict[str, list[str]], name: str, value: str) -> None:
    if name == "venue":
        raise QueryError(Problem.NO_VENUES)
    if name not in fields:
        raise QueryError(Problem.NO_SUCH_FIELD, name)
    if not words_of(value):
        raise QueryError(Problem.EMPTY_FIELD, f"{name}:")
    fields[name].append(value)


def _wants_code(values: list[str]) -> bool:
    for value in values:
        if value.casefold() != "code":
            raise QueryError(Problem.ONLY_CODE, value)
    return bool(values)


def _day(text: str) -> date:
    """Return the first day of the named year, month or day."""
    found = _DATE.fullmatch(text)
    try:
        if found:
            return date(*(int(part or 1) for part in found.groups()))
    except ValueError:
        pass
    raise QueryError(Problem.NOT_A_DATE, text)


def _check(query: Query, text: str) -> None:
    typed = [query, query.without] if query.without else [query]
    if sum(len(part.words) + sum(map(len, part.phrases)) for part in typed) > MOST_WORDS:
        raise QueryError(Problem.TOO_MANY_WORDS)
    if query.after and query.before and query.after >= query.before:
        raise QueryError(Problem.ENDS_BEFORE_IT_BEGINS)
    if query.without and not query.has_words and not query.has_fields:
        raise QueryError(Problem.ONLY_EXCLUSIONS)
    if text and not query.has_words and not query.has_fields:
        has_letters = any(letter.isascii() and letter.isalnum() for letter in text)
        raise QueryError(Problem.NO_TELLING_WORDS if has_letters else Problem.NO_LETTERS)
