"""What following a query would have brought, told on the readers' pages. For FOLLOW_PREVIEW.

In: a query as typed. Out: a sentence, a warning when it is none or a flood, and the newest titles. Read-only.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import ngettext

from newsletter.mail.reasons import grouped
from newsletter.models import Paper
from newsletter.search.query import QueryError
from newsletter.search.query_errors import sentence_of
from newsletter.search.standing_queries import preview, warning_of

TITLES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ToldPreview:
    """For a page: what a query would have brought before it was followed."""

    sentence: str
    warning: str
    titles: tuple[str, ...]  # the newest first


def told(text: str) -> ToldPreview:
    """What the query would have brought; ValueError with a sentence for its reader when it makes none."""
    try:
        found = preview(text, now=timezone.now())
    except QueryError as error:
        raise ValueError(str(sentence_of(error))) from error
    papers = Paper.objects.published().only("title").in_bulk(found.papers[:TITLES_SHOWN])
    titles = tuple(papers[pk].title for pk in found.papers if pk in papers)
    sentence = ngettext(
        "%(papers)d paper in the last %(days)d days, about %(rate)s a week.",
        "%(papers)d papers in the last %(days)d days, about %(rate)s a week.",
        len(found.papers),
    ) % {"papers": len(found.papers), "days": found.days, "rate": grouped(found.per_week)}
    return ToldPreview(sentence if found.papers else "", warning_of(found), titles)
