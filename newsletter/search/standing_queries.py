"""Standing queries: one for all readers who follow the same, matched at first against the papers of the weeks before.

In: the texts of follows. Out: StandingQuery and QueryHit rows; before following, what a query would have brought. What
comes in later is matched by `query_hits`. May run twice and at once: keys and hits are unique, and what writes hits
holds the lock of those who write papers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter.models import Heartbeat, StandingQuery
from newsletter.models.write_lock import wait_for_other_writers
from newsletter.search.index_lookup import AllOf, Sought, Word, arrived_since
from newsletter.search.query import Problem, Query, QueryError, parse
from newsletter.search.query_errors import sentence_of
from newsletter.search.query_hits import store_hits
from newsletter.search.query_matching import as_json, from_json, is_meant, key_of, normalised, rarest_term
from newsletter.search.search_papers import limits_of, topic_named
from newsletter.search.searchable_fields import facts_of
from newsletter.search.update_index import recall
from subscriptions.models import Follow

LOOK_BACK = timedelta(days=62)  # papers no older can be in an edition
FLOOD = 30  # papers a week that are more than a reader wants of one query
_MOST = 20_000  # papers a new query is matched against
_CHUNK = 1_000
_A_RUN = 500  # new queries matched in one run
_NEWEST = 5_000  # follows looked through each time
_LOOK_BACK_EVERY = timedelta(hours=1)


def read(text: str) -> Query:
    """Return the normalised query of a text, topics by slug. Raises QueryError when it cannot be followed."""
    typed = parse(text)

    def with_slugs(query: Query) -> Query:
        return replace(query, topics=tuple(topic_named(name).slug for name in query.topics))

    query = with_slugs(typed)
    query = normalised(replace(query, without=with_slugs(query.without)) if query.without else query)
    if not rarest_term(query, share_of=lambda stem: 0.0):
        raise QueryError(Problem.NOTHING_TO_FOLLOW)
    return query


def follow_key(text: str) -> str:
    """Return the key of a query to follow. Raises ValueError with a sentence for the reader. For READ_FOLLOW."""
    try:
        return key_of(read(text))
    except QueryError as error:
        raise ValueError(str(sentence_of(error))) from error


# --- new queries ------------------------------------------------------------------------------------------------------


def keep_queries(*, now: datetime, deadline: datetime, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Make a query of every follow that has none, and match it. Returns how many were made.

    The newest follows are looked through each time; all of them once an hour, and then what nobody follows any more is
    deleted. Bounded; what is left waits for the next call.
    """

    def is_late() -> bool:
        return timezone.now() >= deadline or should_stop()

    newest = Follow.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    made = _make_missing(above=newest - _NEWEST, now=now, is_late=is_late)
    looked = Heartbeat.objects.filter(name="follows").values_list("at", flat=True).first()
    if not is_late() and (looked is None or abs(now - looked) >= _LOOK_BACK_EVERY):
        StandingQuery.objects.filter(~Exists(Follow.objects.filter(key=OuterRef("key")))).delete()
        made += _make_missing(above=0, now=now, is_late=is_late)
        if not is_late():
            Heartbeat.objects.update_or_create(name="follows", defaults={"at": now, "detail": "all have their query"})
    for query in StandingQuery.objects.filter(backfilled_at=None).order_by("pk")[:_A_RUN]:
        if is_late():
            break
        backfill(query, now=now)
    return made


def _make_missing(*, above: int, now: datetime, is_late: Callable[[], bool]) -> int:
    known = StandingQuery.objects.filter(key=OuterRef("key"))
    missing = Follow.objects.filter(~Exists(known)).order_by("pk")
    made = 0
    while not is_late() and (chunk := list(missing.filter(pk__gt=above).values_list("pk", "text")[:_A_RUN])):
        made += add_queries((text for _pk, text in chunk), now=now)
        above = chunk[-1][0]
    return made


def add_queries(texts: Iterable[str], *, now: datetime) -> int:
    """Add a row, not matched yet, for each text that is a valid query. Returns how many are new."""
    memory = recall()
    rows: dict[str, StandingQuery] = {}
    for text in texts:
        try:
            query = read(text)
        except QueryError:
            continue
        key = key_of(query)
        term = rarest_term(query, share_of=memory.held_share if memory else lambda stem: 0.0)
        row = StandingQuery(key=key, text=text, parsed=as_json(query), rarest_term=term, created_at=now)
        rows.setdefault(key, row)
    known = set(StandingQuery.objects.filter(key__any_of=list(rows)).values_list("key", flat=True))
    fresh = [row for key, row in rows.items() if key not in known]
    StandingQuery.objects.bulk_create(fresh, batch_size=_CHUNK, ignore_conflicts=True)
    return len(fresh)


@transaction.atomic
def backfill(query: StandingQuery, *, now: datetime) -> None:
    """Match the papers of the weeks before with the query. New papers wait meanwhile, so none is missed."""
    wait_for_other_writers()
    found = _papers_meant(from_json(query.parsed), since=now - LOOK_BACK)
    store_hits(((query.pk, paper) for paper in found), now=now)
    StandingQuery.objects.filter(pk=query.pk).update(backfilled_at=now)


def _papers_meant(query: Query, *, since: datetime) -> list[int]:
    """Return papers first seen since then that match the query, newest first."""
    stems = [*query.words, *(one for phrase in query.phrases for one in phrase)]
    sought: list[Sought] = [AllOf([Word(one) for one in stems])] if stems else []
    near = arrived_since(since, sought, limits_of(query), most=_MOST)
    meant: set[int] = set()
    for start in range(0, len(near), _CHUNK):
        meant |= {paper.paper for paper in facts_of(near[start : start + _CHUNK]) if is_meant(query, paper)}
    return [paper for paper in near if paper in meant]


# --- before following -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Preview:
    """What a query would have found in the last days."""

    days: int
    papers: tuple[int, ...]  # newest first

    @property
    def per_week(self) -> float:
        return round(len(self.papers) * 7 / self.days, 1)

    @property
    def is_flood(self) -> bool:
        return self.per_week > FLOOD


def preview(text: str, *, days: int = 30, now: datetime) -> Preview:
    """Return what the query would have found. Read-only. Raises QueryError when it cannot be followed."""
    found = _papers_meant(read(text), since=now - timedelta(days=days))
    return Preview(days, tuple(found))


def warning_of(found: Preview) -> str:
    """Return a warning when the query finds nothing or too much; else an empty text."""
    if not found.papers:
        return _("This found no paper in the last %(days)d days. Use fewer words, or check the spelling.") % {
            "days": found.days
        }
    if found.is_flood:
        return _("This finds very many papers. Add a word, a topic or an author to find fewer.")
    return ""
