"""OpenReview: the papers that venues accepted.

In: the bytes of `api2.openreview.net/notes?content.venueid=…`, whose contents are objects with a `value`. Out: one
observation a paper. A venue is read whole each time: a paper may come to it, or leave it, at any moment. Submissions
under review and rejected ones have venue ids of their own and are not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from newsletter.catalogue.sources import paper_links, public_urls
from newsletter.catalogue.sources.clean_text import clean_abstract, clean_name, clean_title, source_text
from newsletter.catalogue.sources.json_answers import items_of, json_of, mapping, text, texts
from newsletter.catalogue.sources.observed_paper import Observation, Request
from newsletter.catalogue.sources.paper_identifiers import arxiv_id

SOURCE = "openreview"
LABEL = "OpenReview"
SETTING = "OPENREVIEW_VENUES"
TEXT_AUTHORITY, LINK_AUTHORITY = 1, 1
OWN_VOTES: dict[str, int] = {}
SPACING = timedelta(seconds=2)
HOSTS = frozenset({"api2.openreview.net"})
CONTENT_TYPES = frozenset({"application/json"})
POLL_EVERY = timedelta(hours=12)
QUIET_AFTER = timedelta(days=400)  # a conference a year
_PER_PAGE = 500  # of a thousand that may be asked for: abstracts are long
_ID = re.compile(r"[\w-]{4,40}", re.ASCII)
_MILLISECONDS = 1000
_UNTIL = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


def addresses(request: Request) -> list[str]:
    return [
        f"https://api2.openreview.net/notes?content.venueid={quote(venue, safe='')}&limit={_PER_PAGE}&offset=0"
        for venue in request.options
    ]


def next_address(data: bytes, *, after: str) -> str:
    answer = json_of(data)
    notes, count = items_of(answer, "notes", whose=LABEL), mapping(answer).get("count")
    start, _, offset = after.rpartition("=")
    read = int(offset) + len(notes)
    is_more = read < count if isinstance(count, int) else len(notes) == _PER_PAGE
    return f"{start}={read}" if notes and is_more else ""


def parse(data: bytes, *, seen_at: datetime) -> list[Observation]:
    """The papers of one page. Raises SourceError when it is none."""
    notes = items_of(json_of(data), "notes", whose=LABEL)
    found = (_read(note, rank=rank, seen_at=seen_at) for rank, note in enumerate(notes, start=1))
    return [one for one in found if one is not None]


def why_empty(now: datetime) -> str:
    return "the venue shows no accepted paper yet, or its name has changed: see OPENREVIEW_VENUES"


def is_stale(*, first_seen_at: datetime, now: datetime) -> bool:
    return False  # a venue stays as it is


def _read(note: Mapping[str, Any], *, rank: int, seen_at: datetime) -> Observation | None:
    key, content = text(note, "id"), mapping(note.get("content"))
    title = clean_title(_said(content, "title"))
    if not _ID.fullmatch(key) or not title:
        return None
    arxiv = arxiv_id(_said(content, "html")) or arxiv_id(_said(content, "pdf"))
    abstract = public_urls.without_proxies(clean_abstract(_said(content, "abstract")))
    return Observation(
        source=SOURCE,
        key=key,
        rank=rank,
        arxiv_id=arxiv[0] if arxiv else None,
        identifiers=(f"openreview:{key}",),
        title=title,
        abstract=abstract,
        title_source=source_text(_said(content, "title")),
        abstract_source=source_text(_said(content, "abstract")),
        authors=_authors(content),
        published_on=_day(note),
        url=public_urls.safe_url(f"https://openreview.net/forum?id={key}"),
        links=paper_links.distinct(
            [
                *paper_links.links_in(f"Code: {_said(content, 'code')}", place=paper_links.STATED),
                *paper_links.links_in(abstract, place=paper_links.ABSTRACT),
            ]
        ),
        seen_at=seen_at,
    )


def _said(content: Mapping[str, Any], name: str) -> str:
    return text(mapping(content.get(name)), "value")


def _authors(content: Mapping[str, Any]) -> tuple[str, ...]:
    """The names; none while the reviewing is blind."""
    names = map(clean_name, texts(mapping(content.get("authors")).get("value")))
    return tuple(name for name in names if name and not name.lower().startswith("anonymous"))


def _day(note: Mapping[str, Any]) -> date | None:
    """The day it was published, else shown, else handed in; times are in milliseconds."""
    for name in ("pdate", "odate", "cdate"):
        moment = note.get(name)
        if type(moment) is int and 0 < moment < _UNTIL * _MILLISECONDS:
            return datetime.fromtimestamp(moment / _MILLISECONDS, tz=UTC).date()
    return None
