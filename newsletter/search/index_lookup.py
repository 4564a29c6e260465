"""Candidates of a query: a bounded number of papers, found through each database's index of words.

In: stems, all or any of them. Out: ids, newest first. Reads only. The ids do not depend on the database: both look
up the same stems, and where more papers match than are wanted both give the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import F, Q
from django.db.models.lookups import GreaterThanOrEqual, LessThan

from newsletter.models import Heartbeat, Paper, PaperTopic, SearchEntry
from newsletter.models.papers import day_of
from newsletter.search.person_names import PARTICLES, Name, forms_of_family, words_of_persons
from newsletter.search.tokens import words_of

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from subscriptions.models import Topic


REWRITTEN, DONE = "search words", "done"  # the heartbeat of what rewrites entries of earlier versions


@dataclass(frozen=True, slots=True)
class Word:
    stem: str
    where: str = ""  # "title", "name"; else anywhere in the text
    begins: bool = False  # any word that begins so


@dataclass(frozen=True, slots=True)
class AllOf:
    of: Sequence[Word | AnyOf | AllOf]


@dataclass(frozen=True, slots=True)
class AnyOf:
    of: Sequence[Word | AnyOf | AllOf]


Sought = Word | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that the fields of a query set."""

    topics: tuple[Topic, ...] = ()
    authors: tuple[Name, ...] = ()
    has_code: bool = False
    after: date | None = None
    before: date | None = None
    organizations: tuple[tuple[str, ...], ...] = ()
    without: Without | None = None

    @property
    def is_open(self) -> bool:
        fields = (self.topics, self.authors, self.has_code, self.after, self.before, self.organizations, self.without)
        return not any(fields)


@dataclass(frozen=True, slots=True)
class Without:
    """What a paper must not have, as far as the databases can check it."""

    stems: tuple[str, ...] = ()
    topics: tuple[Topic, ...] = ()
    has_code: bool = False


def holding(sought: Sought, limits: Limits, *, most: int, is_usual: bool = False) -> list[int]:
    """Return public papers that have the words, within the limits, newest first.

    ``is_usual``: so many papers are that walking back from the newest soon finds enough. PostgreSQL cannot know that
    of a word that is not among its few hundred commonest, and would walk through the whole table for a rare one.
    """
    entries = _entries(AllOf([*_names(limits), sought]), limits)
    if is_usual and not limits.authors:
        entries = entries.order_by(*_newest_first(limits, "paper__"))
    else:  # no index has this sum: the words' index is read, and what it finds is sorted
        entries = entries.order_by((F("paper_id") + 0).desc())
    return list(entries.values_list("paper_id", flat=True)[:most])


def newest(limits: Limits, *, most: int) -> list[int]:
    """Return papers within the limits, newest first, whatever their words."""
    if names := _names(limits):
        return holding(AllOf(names), replace(limits, authors=()), most=most)
    papers = Paper.objects.filter(_limit(limits)).order_by(*_newest_first(limits))
    return list(papers.values_list("pk", flat=True)[:most])


def dated(sought: Sought) -> QuerySet[SearchEntry]:
    """Return the entries of public papers that have the words, by the day of the paper, the latest first."""
    return _entries(AllOf([sought]), Limits()).order_by(day_of("paper__").desc(nulls_last=True), "-pk")


def within(papers: Iterable[int], limits: Limits) -> set[int]:
    """Return those of the papers that are public and within the limits."""
    ids = list(papers)
    found: QuerySet[Paper] = Paper.objects.filter(_limit(limits), pk__any_of=ids)
    left = set(found.values_list("pk", flat=True))
    if left and (names := _names(limits)):
        entries = _entries(AllOf(names), limits).filter(paper__any_of=list(left))
        left = set(entries.values_list("paper_id", flat=True))
    return left


def arrived_since(moment: datetime, sought: Sequence[Sought], limits: Limits, *, most: int) -> list[int]:
    """Return papers first seen after the moment that have the words, within the limits, newest first."""
    if sought or limits.authors:
        entries = _entries(AllOf([*_names(limits), *sought]), limits).filter(paper__first_seen_at__gt=moment)
        return list(entries.order_by("-paper__first_seen_at", "-pk").values_list("paper_id", flat=True)[:most])
    papers = Paper.objects.filter(_limit(limits), first_seen_at__gt=moment)
    return list(papers.order_by("-first_seen_at", "-pk").values_list("pk", flat=True)[:most])


def _entries(sought: AllOf, limits: Limits) -> QuerySet[SearchEntry]:
    words = _in_the_databases_language(sought)
    if limits.without and limits.without.stems:
        unwanted = _in_the_databases_language(AnyOf([Word(stem) for stem in limits.without.stems]))
        words = f"{words} & !{unwanted}" if connection.vendor == "postgresql" else f"{words} NOT {unwanted}"
    return SearchEntry.objects.filter(paper__holds=words).filter(_limit(limits, "paper__"))


def _names(limits: Limits) -> list[Sought]:
    return [person(author) for author in limits.authors]


def person(author: Name) -> Sought:
    """Return a condition that papers of this author meet, and few others."""
    if len(author) == 1:
        return Word(author[0], "name")
    whole, beginnings = words_of_persons(author)
    ways: list[Sought] = [Word(word, "name") for word in sorted(whole)]
    ways += [Word(word, "name", begins=True) for word in sorted(beginnings)]
    parts = [AnyOf(forms) for forms in _ways_to_index(author) if forms]
    if parts and (author[0] in PARTICLES or not Heartbeat.objects.filter(name=REWRITTEN, detail=DONE).exists()):
        # A family name alone, or entries from before persons were in the index: all words of the name, of anybody.
        ways.append(AllOf(parts))
    return AnyOf(ways)


def _ways_to_index(author: Name) -> Iterator[list[Sought]]:
    """Return the forms of family and given name that the index may hold; it holds Latin letters only."""
    given = (author[:1], (author[0][:1],), author[:-1]) if len(author) > 1 and len(author[0]) > 1 else ()
    for forms in (forms_of_family(author), given):
        yield [
            AllOf([Word(word, "name") for part in form for word in words_of(part)])
            for form in forms
            if all(map(words_of, form))
        ]


def _limit(limits: Limits, to: str = "") -> Q:
    wanted = Q(**{f"{to}merged_into__isnull": True, f"{to}is_hidden": False})
    for topic in limits.topics:
        filed = PaperTopic.objects.filter(topic=topic, is_assigned=True).values("paper")
        wanted &= Q(**{f"{to}pk__in": filed})
    if limits.has_code:
        wanted &= ~Q(**{f"{to}code_url": ""})
    for words in limits.organizations:
        wanted &= Q(**{f"{to}organization__icontains": max(words, key=len)})
    if limits.without:
        filed = PaperTopic.objects.filter(topic__in=limits.without.topics, is_assigned=True).values("paper")
        wanted &= ~Q(**{f"{to}pk__in": filed}) if limits.without.topics else Q()
        wanted &= Q(**{f"{to}code_url": ""}) if limits.without.has_code else Q()
    if limits.after or limits.before:
        day = day_of(to)
        if limits.after:
            wanted &= Q(GreaterThanOrEqual(day, limits.after))
        if limits.before:
            wanted &= Q(LessThan(day, limits.before))
    return wanted


def _newest_first(limits: Limits, to: str = "") -> list[Any]:
    """Order by number, or by day where days are limited: a walk by number would pass all later papers."""
    return [day_of(to).desc(), f"-{to}pk"] if limits.after or limits.before else [f"-{to}pk"]


def _in_the_databases_language(sought: Sought) -> str:
    """Return the stems as a query of the database. They are letters, digits, + and #, so none needs quoting."""
    return _tsquery(sought) if connection.vendor == "postgresql" else _fts5(sought)


def _tsquery(sought: Sought) -> str:
    if isinstance(sought, Word):
        word = f"'{sought.where}:{sought.stem}'" if sought.where else f"'{sought.stem}'"
        return f"{word}:*" if sought.begins else word
    return f"({(' & ' if isinstance(sought, AllOf) else ' | ').join(map(_tsquery, sought.of))})"


def _fts5(sought: Sought) -> str:
    if isinstance(sought, Word):
        column = {"title": "title", "name": "names"}.get(sought.where, "{title body}")
        return f'{column}: "{sought.stem}"{"*" if sought.begins else ""}'
    return f"({(' AND ' if isinstance(sought, AllOf) else ' OR ').join(map(_fts5, sought.of))})"
