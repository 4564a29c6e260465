"""Papers that may be one: almost the same title, and the same people or much the same abstract.

In: some papers, as a rule the young ones. Out: pairs for a curator, who says what they are. What sources name alike is
joined by `ingest`; here is what it may not decide: two arXiv ids, a title written twice with other names. Reads by the
indexes of both ends of a title.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from django.db.models import Exists, OuterRef, Q

from newsletter.catalogue.same_work import agree, nearly, other_people
from newsletter.models import DistinctPapers, Paper

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import User

    from newsletter.models import PaperQuerySet

YOUNG = timedelta(days=30)
SHOWN = 50  # pairs; as many wait until these are decided
COMPARED = 2_000  # papers whose titles begin or end alike
_LENGTH = 0.1  # titles of lengths further apart are not nearly the same


class Pair(NamedTuple):
    """Two papers that may be one; ``kept`` is the row that would stay."""

    kept: Paper
    double: Paper


def young(*, now: datetime) -> PaperQuerySet:
    """Return the papers that came lately."""
    return Paper.objects.filter(first_seen_at__gt=now - YOUNG)


def suspected(papers: PaperQuerySet) -> list[Pair]:
    """Return the pairs of which one is among these papers, the newest first, without those a curator told apart."""
    others = Paper.objects.published()
    alike = others.exclude(pk=OuterRef("pk"))
    same_end = Exists(alike.filter(title_head=OuterRef("title_head"))) | Exists(
        alike.filter(title_tail=OuterRef("title_tail"))
    )
    asked = list(papers.published().filter(same_end).order_by("-pk")[:COMPARED])
    ends = {paper.title_head for paper in asked}, {paper.title_tail for paper in asked}
    near = list(others.filter(Q(title_head__in=ends[0]) | Q(title_tail__in=ends[1])).order_by("-pk")[:COMPARED])
    found = {(min(one.pk, other.pk), max(one.pk, other.pk)): (one, other) for one, other in _look_alike(asked, near)}
    told = DistinctPapers.objects.filter(first__in={first for first, _ in found}).values_list("first", "second")
    pairs = [pair for keys, pair in found.items() if keys not in set(told)]
    return [Pair(*sorted(pair, key=lambda paper: (not paper.arxiv_id, paper.pk))) for pair in pairs[:SHOWN]]


def tell_apart(one: int, other: int, *, by: User | None, now: datetime) -> None:
    """Record that two papers are not the same; may run twice."""
    first, second = sorted((one, other))
    DistinctPapers.objects.get_or_create(first_id=first, second_id=second, defaults={"by": by, "at": now})


def suspect_again(one: int, other: int) -> None:
    """Take that word back."""
    DistinctPapers.objects.filter(first=min(one, other), second=max(one, other)).delete()


def _look_alike(papers: Iterable[Paper], others: list[Paper]) -> Iterable[tuple[Paper, Paper]]:
    for one in papers:
        for other in others:
            if one.pk != other.pk and (one.title_head == other.title_head or one.title_tail == other.title_tail):
                longest = max(len(one.title_key), len(other.title_key))
                if abs(len(one.title_key) - len(other.title_key)) <= _LENGTH * longest and _may_be_one(one, other):
                    yield one, other


def _may_be_one(one: Paper, other: Paper) -> bool:
    if not nearly(one.title_key, other.title_key):
        return False
    return not other_people(one.authors, other.authors) or agree(one, other)
