"""Papers that readers follow: which of them an edition has, and which of these each reader asked for.

In: an edition about to be frozen, and what its standing queries found; later, the follows of a chunk of readers. Out:
on each item the queries that found it, and `also` items for the papers that nobody but their followers gets. Adding
twice adds nothing new.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db.models import Exists, Max, OuterRef

from newsletter.models import Edition, EditionItem, Paper, PaperTopic, QueryHit
from subscriptions.models import Follow

log = logging.getLogger(__name__)
ALSO_MOST = 2_000  # papers of one edition for followers alone, the newest first
_CHUNK = 1_000

Found = list[list[str]]  # [key, text] of each query that found a paper


def add_followed(edition: Edition, *, since: datetime) -> None:
    """Write down which followed queries found each item, and add what else they found since then as `also` items."""
    placed = list(edition.items.all())
    found = _found_by([item.paper_id for item in placed], stances=Follow.Stance.values)
    for item in placed:
        item.found_by = found.get(item.paper_id, [])
    EditionItem.objects.bulk_update([item for item in placed if item.found_by], ["found_by"], batch_size=_CHUNK)
    new = Paper.objects.published().filter(
        withdrawn_at__isnull=True, first_seen_at__gt=since, first_seen_at__lte=edition.cutoff_at
    )
    newest = new.order_by("-first_seen_at", "-pk").values_list("pk", flat=True)
    others = list(newest.exclude(pk__in=edition.items.values("paper")))
    _add_also(edition, others)


def _add_also(edition: Edition, papers: Sequence[int]) -> None:
    wanted = _found_by(papers, stances=[Follow.Stance.FOLLOW])
    also = [paper for paper in papers if paper in wanted][:ALSO_MOST]
    if len(wanted) > ALSO_MOST:
        log.warning("Edition %s takes %d of %d papers that are followed, the newest", edition, ALSO_MOST, len(wanted))
    place_also(edition, also)


def place_also(edition: Edition, also: Sequence[int]) -> None:
    """Put these papers behind the others, for some readers only, with the queries that found them."""
    if not also:
        return
    found = _found_by(also, stances=Follow.Stance.values)
    scores = dict(Paper.objects.filter(pk__any_of=also).values_list("pk", f"score_{edition.cadence}"))
    topics = PaperTopic.objects.filter(paper__any_of=also, is_primary=True)
    primary = dict(topics.values_list("paper_id", "topic__slug"))
    last = edition.items.aggregate(last=Max("position"))["last"] or 0
    EditionItem.objects.bulk_create(
        [
            EditionItem(
                edition=edition,
                paper_id=paper,
                position=place,
                standing=EditionItem.Standing.ALSO,
                score=scores[paper],
                parts={"topic": primary.get(paper, "")},
                found_by=found.get(paper, []),
            )
            for place, paper in enumerate(also, start=last + 1)
        ],
        batch_size=_CHUNK,
    )


def _found_by(papers: Sequence[int], *, stances: Iterable[str]) -> dict[int, Found]:
    """Map each paper to the queries that found it and that somebody follows or excludes."""
    found: dict[int, Found] = defaultdict(list)
    if not papers:
        return found
    somebody = Follow.objects.filter(key=OuterRef("query__key"), stance__in=stances)
    hits = QueryHit.objects.filter(Exists(somebody), paper__any_of=papers).order_by("query_id")
    for paper, key, text in hits.values_list("paper_id", "query__key", "query__text").iterator():
        found[paper].append([key, text])
    return found
