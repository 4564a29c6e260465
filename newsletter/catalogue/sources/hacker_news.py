"""Hacker News: the points that stories about papers have.

In: the bytes of Algolia's search for stories whose address is on a site of papers. Out: one observation a story, which
corrects a paper we have and never adds one; nothing but its points is taken. A story that its author posted counts for
nothing: \"Show HN\" is left out here, a poster with an author's name where papers are merged (`same_work.is_author`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from newsletter.catalogue.sources.json_answers import counters, items_of, json_of, text
from newsletter.catalogue.sources.observed_paper import Observation, Request
from newsletter.catalogue.sources.paper_identifiers import arxiv_id, work_name

SOURCE = "hacker_news"
LABEL = "Hacker News"
SETTING = "HACKER_NEWS"
TEXT_AUTHORITY, LINK_AUTHORITY = 0, 0
OWN_VOTES: dict[str, int] = {"points": 1}  # a story begins with its poster's own
SPACING = timedelta(seconds=1)
HOSTS = frozenset({"hn.algolia.com"})
CONTENT_TYPES = frozenset({"application/json"})
POLL_EVERY = timedelta(hours=1)
QUIET_AFTER = None  # it adds no paper
_SITES = ("arxiv.org", "biorxiv.org", "doi.org", "huggingface.co/papers", "medrxiv.org", "openreview.net")
_DAYS = 14  # hardly any story gains points for longer
_AT_ONCE = 1000  # the most that may be asked for
_OWN = re.compile(r"\s*show\s+hn\b", re.IGNORECASE)


def addresses(request: Request) -> list[str]:
    day = request.now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=_DAYS)
    return [
        f"https://hn.algolia.com/api/v1/search_by_date?query={site}&restrictSearchableAttributes=url&tags=story"
        f"&hitsPerPage={_AT_ONCE}&numericFilters=created_at_i>{int(day.timestamp())}"
        for site in _SITES
        if request.options
    ]


def parse(data: bytes, *, seen_at: datetime) -> list[Observation]:
    """The stories about papers. Raises SourceError when it is no answer of the search."""
    hits = items_of(json_of(data), "hits", whose=LABEL)
    return [one for hit in hits if (one := _read(hit, seen_at=seen_at)) is not None]


def why_empty(now: datetime) -> str:
    return "nobody has posted a paper of this site in two weeks"


def is_stale(*, first_seen_at: datetime, now: datetime) -> bool:
    return False  # what is newest may stay so for days


def _read(hit: Mapping[str, Any], *, seen_at: datetime) -> Observation | None:
    key, url, points = text(hit, "objectID"), text(hit, "url"), counters(points=hit.get("points"))
    arxiv, name = arxiv_id(url), work_name(url)
    if not (key.isdecimal() and len(key) < 20 and points and (arxiv or name)) or _OWN.match(text(hit, "title")):
        return None
    return Observation(
        source=SOURCE,
        key=key,
        arxiv_id=arxiv[0] if arxiv else None,
        identifiers=() if arxiv or name is None else (name,),
        title="",
        metrics=points,
        posted_by=text(hit, "author")[:100],
        only_if_known=True,
        seen_at=seen_at,
    )
