"""What arXiv says of the papers that wait for a curator, kept beside them: no paper is made of it before they accept.

In: observations of one answer of arXiv. Out: those that are to be stored as papers. May run twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.catalogue.topics import assignment
from newsletter.models import Paper, Submission


def describe(observations: Sequence[Observation], *, asked: Collection[str]) -> list[Observation]:
    """Keep what arXiv says of papers that wait for a curator, with their submissions. Returns the others, to be stored.

    ``asked``: the ids arXiv was asked about; those that it left out are noted as unknown to it.
    """
    seen = {one.arxiv_id: one for one in observations if one.arxiv_id}
    rows = Submission.objects.filter(state=Submission.State.WAITING, arxiv_id__in=[*asked, *seen])
    waiting = {row.arxiv_id: row for row in rows}
    for paper in Paper.objects.filter(arxiv_id__in=waiting).values_list("arxiv_id", flat=True):
        del waiting[str(paper)]
    for identifier, row in waiting.items():
        Submission.objects.filter(pk=row.pk).update(found=_described(seen[identifier]) if identifier in seen else {})
    return [one for one in observations if one.arxiv_id not in waiting]


def _described(seen: Observation) -> dict[str, Any]:
    classify = assignment.current_classifier().classify
    return {
        "title": seen.title,
        "authors": list(seen.authors),
        "abstract": seen.abstract,
        "published_on": seen.published_on.isoformat() if seen.published_on else "",
        "topics": [
            topic.slug
            for topic in classify(seen.title, seen.abstract, categories=list(seen.categories))
            if topic.assigned
        ],
    }
