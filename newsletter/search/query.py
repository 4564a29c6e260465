"""What somebody typed becomes a query: words, phrases in quotes, and fields such as `topic:robotics after:2026-01`.

In: the text of a search box. Out: a Query, or a QueryError that says in one word what is wrong with which part (the
sentences are in search/query_errors.py). Pure. A colon that is followed by a blank is only a colon: titles have them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from newsletter.search.tokens import STOP_WORDS, stem, words_of

LONGEST = 300  # characters; no title is longer
MOST_WORDS = 40
FIELDS = ("topic", "author", "has", "after", "before")

_PART = re.compile(r'(?:(?P<field>[^\W\d_]+):(?=\S))?(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+))')
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?")
_ADDRESSES = ("http", "https", "arxiv")
_QUOTES = str.maketrans("“”„«»", '"""""')


class Problem(StrEnum):
    TOO_LONG = "too long"
    TOO_MANY_WORDS = "too many words"
    NO_SUCH_FIELD = "no such field"
    EMPTY_FIELD = "empty field"
    NO_SUCH_TOPIC = "no such topic"
    NOT_A_DATE = "not a date"
    ONLY_CODE = "only code"
    NO_LETTERS = "no letters"
    NO_TELLING_WORDS = "no telling words"
    ENDS_BEFORE_IT_BEGINS = "ends before it begins"


class QueryError(ValueError):
    """This cannot be searched for; ``problem`` says why, ``part`` what it is about."""

    def __init__(self, problem: Problem, part: str = "") -> None:
        super().__init__(f"{problem}: {part}" if part else str(problem))
        self.problem = problem
        self.part = part


@dataclass(frozen=True, slots=True)
class Query:
    words: tuple[str, ...] = ()  # folded, in the order typed, also the ones that tell nothing
    phrases: tuple[tuple[str, ...], ...] = ()  # stems that must stand in this order
    topics: tuple[str, ...] = ()  # as typed
    authors: tuple[tuple[str, ...], ...] = ()  # the names of one author each
    has_code: bool = False
    after: date | None = None  # from this day on
    before: date | None = None  # up to the day before

    @property
    def has_words(self) -> bool:
        return bool(self.words or self.phrases)

    @property
    def has_fields(self) -> bool:
        return bool(self.topics or self.authors or self.has_code or self.after or self.before)


def parse(text: str) -> Query:
    text = " ".join(text.translate(_QUOTES).replace("\x00", " ").split())
    if len(text) > LONGEST:
        raise QueryError(Problem.TOO_LONG)
    if text.count('"') % 2:
        text = text.replace('"', " ")  # a mark left open quotes nothing
    words: list[str] = []
    phrases: list[tuple[str, ...]] = []
    fields: dict[str, list[str]] = {name: [] for name in FIELDS}
    for part in _PART.finditer(text):
        field, quoted, bare = (part["field"] or "").casefold(), part["quoted"], part["bare"]
        if field and field not in _ADDRESSES:
            _fill(fields, field, (quoted if quoted is not None else bare).strip())
        elif quoted is not None:
            phrases.append(tuple(stem(word) for word in words_of(quoted) if word not in STOP_WORDS))
        elif bare.casefold() in {f"{name}:" for name in FIELDS}:
            raise QueryError(Problem.EMPTY_FIELD, bare.casefold())
        else:
            words += words_of(bare)
    query = Query(
        words=tuple(words),
        phrases=tuple(phrase for phrase in phrases if phrase),
        topics=tuple(fields["topic"]),
        authors=tuple(tuple(words_of(name)) for name in fields["author"]),
        has_code=_wants_code(fields["has"]),
        after=max(map(_day, fields["after"]), default=None),
        before=min(map(_day, fields["before"]), default=None),
    )
    _check(query, text)
    return query


def _fill(fields: dict[str, list[str]], field: str, value: str) -> None:
    if field not in fields:
        raise QueryError(Problem.NO_SUCH_FIELD, field)
    if not words_of(value):
        raise QueryError(Problem.EMPTY_FIELD, f"{field}:")
    fields[field].append(value)


def _wants_code(values: list[str]) -> bool:
    for value in values:
        if value.casefold() != "code":
            raise QueryError(Problem.ONLY_CODE, value)
    return bool(values)


def _day(text: str) -> date:
    """The first day of the year, month or day that is named."""
    found = _DATE.fullmatch(text)
    try:
        if found:
            return date(*(int(part or 1) for part in found.groups()))
    except ValueError:
        pass
    raise QueryError(Problem.NOT_A_DATE, text)


def _check(query: Query, text: str) -> None:
    if len(query.words) + sum(map(len, query.phrases)) > MOST_WORDS:
        raise QueryError(Problem.TOO_MANY_WORDS)
    if query.after and query.before and query.after >= query.before:
        raise QueryError(Problem.ENDS_BEFORE_IT_BEGINS)
    if text and not query.has_words and not query.has_fields:
        has_letters = any(letter.isascii() and letter.isalnum() for letter in text)
        raise QueryError(Problem.NO_TELLING_WORDS if has_letters else Problem.NO_LETTERS)
