"""Which papers are worth ranking: a bounded number of them, found through each database's index of words.

In: stems, all or any of them. Out: ids, newest first. Reads only. The ids do not depend on the database: both look
up the same stems, and where more papers match than are wanted both give the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import F, Q
from django.db.models.lookups import GreaterThanOrEqual, LessThan

from newsletter.models import Paper, PaperTopic, SearchEntry
from newsletter.models.papers import day_of

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from subscriptions.models import Topic


@dataclass(frozen=True, slots=True)
class Word:
    stem: str
    where: str = ""  # "title", "name"; else anywhere in the text


@dataclass(frozen=True, slots=True)
class AllOf:
    of: Sequence[Word | AnyOf | AllOf]


@dataclass(frozen=True, slots=True)
class AnyOf:
    of: Sequence[Word | AnyOf | AllOf]


Sought = Word | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Limits:
    """What the fields of a query leave."""

    topics: tuple[Topic, ...] = ()
    authors: tuple[tuple[str, ...], ...] = ()
    has_code: bool = False
    after: date | None = None
    before: date | None = None

    @property
    def is_open(self) -> bool:
        return not (self.topics or self.authors or self.has_code or self.after or self.before)


def holding(sought: Sought, limits: Limits, *, most: int, is_usual: bool = False) -> list[int]:
    """Papers the public may see whose words are as sought, within the limits, newest first.

    ``is_usual``: so many papers are that walking back from the newest soon finds enough. PostgreSQL cannot know that
    of a word that is not among its few hundred commonest, and would walk through the whole table for a rare one.
    """
    names = [Word(name, "name") for author in limits.authors for name in author]
    whole = AllOf([*names, sought]) if names else sought
    entries = SearchEntry.objects.filter(paper__holds=_in_the_databases_language(whole)).filter(
        _limit(limits, "paper__")
    )
    if is_usual and not limits.authors:
        entries = entries.order_by(*_newest_first(limits, "paper__"))
    else:  # no index has this sum: the words' index is read, and what it finds is sorted
        entries = entries.order_by((F("paper_id") + 0).desc())
    return list(entries.values_list("paper_id", flat=True)[:most])


def newest(limits: Limits, *, most: int) -> list[int]:
    """Papers within the limits, whatever their words."""
    if limits.authors:
        names = [Word(name, "name") for author in limits.authors for name in author]
        return holding(AllOf(names), Limits(limits.topics, (), limits.has_code, limits.after, limits.before), most=most)
    papers = Paper.objects.filter(_limit(limits)).order_by(*_newest_first(limits))
    return list(papers.values_list("pk", flat=True)[:most])


def within(papers: Iterable[int], limits: Limits) -> set[int]:
    """Those of the papers that the public may see and the limits leave."""
    ids = list(papers)
    found: QuerySet[Paper] = Paper.objects.filter(_limit(limits), pk__any_of=ids)
    left = set(found.values_list("pk", flat=True))
    if limits.authors and left:
        names = AllOf([Word(name, "name") for author in limits.authors for name in author])
        entries = SearchEntry.objects.filter(paper__holds=_in_the_databases_language(names), paper__any_of=list(left))
        left = set(entries.values_list("paper_id", flat=True))
    return left


def _limit(limits: Limits, to: str = "") -> Q:
    wanted = Q(**{f"{to}merged_into__isnull": True, f"{to}is_hidden": False})
    for topic in limits.topics:
        filed = PaperTopic.objects.filter(topic=topic, is_assigned=True).values("paper")
        wanted &= Q(**{f"{to}pk__in": filed})
    if limits.has_code:
        wanted &= ~Q(**{f"{to}code_url": ""})
    if limits.after or limits.before:
        day = day_of(to)
        if limits.after:
            wanted &= Q(GreaterThanOrEqual(day, limits.after))
        if limits.before:
            wanted &= Q(LessThan(day, limits.before))
    return wanted


def _newest_first(limits: Limits, to: str = "") -> list[Any]:
    """By number, or where days are limited by day: a walk by number would pass all the papers that came since."""
    return [day_of(to).desc(), f"-{to}pk"] if limits.after or limits.before else [f"-{to}pk"]


def _in_the_databases_language(sought: Sought) -> str:
    """Stems are letters, digits, + and #: there is nothing in them to quote."""
    return _tsquery(sought) if connection.vendor == "postgresql" else _fts5(sought)


def _tsquery(sought: Sought) -> str:
    if isinstance(sought, Word):
        return f"'{sought.where}:{sought.stem}'" if sought.where else f"'{sought.stem}'"
    return f"({(' & ' if isinstance(sought, AllOf) else ' | ').join(map(_tsquery, sought.of))})"


def _fts5(sought: Sought) -> str:
    if isinstance(sought, Word):
        column = {"title": "title", "name": "names"}.get(sought.where, "{title body}")
        return f'{column}: "{sought.stem}"'
    return f"({(' AND ' if isinstance(sought, AllOf) else ' OR ').join(map(_fts5, sought.of))})"
