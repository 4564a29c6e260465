"""Match each new paper with the standing queries when its words enter the search index, and again when they change.

In: papers whose words were just written. Out: QueryHit rows. Only queries whose rarest term the paper has are read. Run
in the transaction that writes the words; the same hit is stored once, and one that holds no longer is deleted, since a
digest would give it as the reason of the paper.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection

from newsletter.models import QueryHit, StandingQuery
from newsletter.search.query import Query
from newsletter.search.query_matching import from_json, is_meant, terms_of
from newsletter.search.searchable_fields import facts_of

_CHUNK = 10_000


def note_hits(papers: Sequence[int], *, now: datetime) -> int:
    """Match the papers, store the hits and delete what were hits before. Returns how many there are."""
    if not StandingQuery.objects.exists():
        return 0
    facts = facts_of(papers)
    terms = {paper.paper: terms_of(paper) for paper in facts}
    wanted = StandingQuery.objects.filter(rarest_term__any_of=sorted(set().union(*terms.values())))
    queries = defaultdict[str, list[tuple[int, Query]]](list)
    for pk, term, parsed in wanted.values_list("pk", "rarest_term", "parsed").iterator():
        queries[term].append((pk, from_json(parsed)))
    found = [
        (pk, paper.paper)
        for paper in facts
        for term in terms[paper.paper]
        for pk, query in queries.get(term, ())
        if is_meant(query, paper)
    ]
    _forget_others(papers, holding=set(found))
    return store_hits(found, now=now)


def _forget_others(papers: Sequence[int], *, holding: set[tuple[int, int]]) -> None:
    """Delete the hits of these papers that are not among those that hold."""
    known = QueryHit.objects.filter(paper__any_of=papers).values_list("pk", "query_id", "paper_id")
    if gone := [pk for pk, *hit in known if tuple(hit) not in holding]:
        QueryHit.objects.filter(pk__any_of=gone).delete()


def store_hits(found: Iterable[tuple[int, int]], *, now: datetime) -> int:
    """Write pairs of a query and a paper, one statement a chunk: the ORM takes ten times as long for a row."""
    pairs = list(found)
    table = QueryHit._meta.db_table
    is_array = connection.vendor == "postgresql"
    rows = "unnest(%s::bigint[], %s::bigint[]) AS hit (query, paper)" if is_array else "json_each(%s)"
    columns = "query, paper" if is_array else "json_extract(value, '$[0]'), json_extract(value, '$[1]')"
    statement = (
        f"INSERT INTO {table} (query_id, paper_id, at) SELECT {columns}, %s FROM {rows} "  # noqa: S608
        "WHERE true ON CONFLICT DO NOTHING"
    )
    with connection.cursor() as cursor:
        for start in range(0, len(pairs), _CHUNK):
            chunk = pairs[start : start + _CHUNK]
            values = [list(column) for column in zip(*chunk, strict=True)] if is_array else [json.dumps(chunk)]
            cursor.execute(statement, [connection.ops.adapt_datetimefield_value(now), *values])
    return len(pairs)
