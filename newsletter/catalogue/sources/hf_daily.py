"""Hugging Face Daily Papers: the JSON of one day, with votes.

In: the bytes of `GET /api/daily_papers?date=…`. Out: one observation a paper, with its counters. A day fills up while
it lasts and votes go on for days after, so the last week is asked for again and again; every answer may be read twice.
A day with more papers than one answer holds is asked page by page. One item that cannot be read is left out; an answer
that is no list of papers is refused as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from newsletter.catalogue.sources import public_urls
from newsletter.catalogue.sources.clean_text import clean_abstract, clean_name, clean_title, source_text
from newsletter.catalogue.sources.observed_paper import Observation, Request, SourceError
from newsletter.catalogue.sources.paper_identifiers import arxiv_id

SOURCE = "hf_daily"
LABEL = "Hugging Face Daily Papers"
TEXT_AUTHORITY, LINK_AUTHORITY = 2, 3
OWN_VOTES: dict[str, int] = {"upvotes": 1}  # the submitter's own
SPACING = timedelta(seconds=1)
HOSTS = frozenset({"huggingface.co"})
CONTENT_TYPES = frozenset({"application/json"})
POLL_EVERY = timedelta(minutes=30)
QUIET_AFTER = timedelta(days=5)
_DAYS = 7  # votes of older papers hardly move
_PER_PAGE = 100  # the most that may be asked for
_FULL = 90  # read of a page: some of its items may not be readable
_PAGES = 5  # of a day
_COUNT_LIMIT = 2_000_000_000


def addresses(request: Request) -> list[str]:
    """Addresses to ask, today first: one page a day, and one more than were full when they were asked last."""
    today = request.now.astimezone(UTC).date()
    found = []
    for ago in range(_DAYS):
        for page in range(_PAGES):
            address = f"https://huggingface.co/api/daily_papers?date={today - timedelta(days=ago)}&limit={_PER_PAGE}"
            found.append(address + (f"&p={page}" if page else ""))
            if request.brought.get(found[-1], 0) < _FULL:
                break
    return found


def parse(data: bytes, *, seen_at: datetime) -> list[Observation]:
    """The papers of one answer in its order. Raises SourceError when it is not a list of papers."""
    items = json_of(data)
    if not isinstance(items, list):
        raise SourceError("a list of papers was expected")
    found = [_read(item, rank=rank, seen_at=seen_at) for rank, item in enumerate(items, start=1)]
    papers = [one for one in found if one is not None]
    if items and not papers:
        raise SourceError(f"none of {len(items)} items looks like a paper: has the format changed?")
    return papers


def why_empty(now: datetime) -> str:
    return "nobody has put a paper, or a further one, on this day's list yet"


def is_stale(*, first_seen_at: datetime, now: datetime) -> bool:
    return False  # lists of past days stay as they are


def json_of(data: bytes) -> Any:
    """The answer's JSON. Raises SourceError for anything else."""
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        raise SourceError(f"not JSON, or cut short: {error.msg}", line=error.lineno) from error
    except (ValueError, RecursionError) as error:  # bad bytes, too deep, a number too long
        raise SourceError("not JSON") from error


def stated_url(page: Any, name: str) -> str:
    """Return a URL given by people if it is safe to publish, else ""."""
    return public_urls.safe_url(_text(_mapping(page), name))


def _read(item: Any, *, rank: int, seen_at: datetime) -> Observation | None:
    # What is worth having sits in the nested object; the copies around it have other dates (New York time marked Z).
    return read_paper(_mapping(item).get("paper"), around=item, rank=rank, seen_at=seen_at)


def read_paper(raw: Any, *, seen_at: datetime, around: Any = None, rank: int | None = None) -> Observation | None:
    """One paper, with what the list around it adds; None when it cannot be read."""
    paper, item = _mapping(raw), _mapping(around)
    identifier = arxiv_id(_text(paper, "id"))
    title = clean_title(_text(paper, "title"))
    if identifier is None or not title:
        return None
    abstract = public_urls.without_proxies(clean_abstract(_text(paper, "summary")))
    organization = _mapping(paper.get("organization") or item.get("organization"))
    return Observation(
        source=SOURCE,
        key=identifier[0],
        rank=rank,
        arxiv_id=identifier[0],
        title=title,
        abstract=abstract,
        title_source=source_text(_text(paper, "title")),
        abstract_source=source_text(_text(paper, "summary")),
        authors=_authors(paper.get("authors")),
        published_on=_day(paper, "publishedAt"),
        listed_on=_day(paper, "submittedOnDailyAt"),
        code_url=stated_url(paper, "githubRepo") or public_urls.code_url(abstract),
        project_url=stated_url(paper, "projectPage") or public_urls.project_url(abstract),
        thumbnail_url=public_urls.safe_url(_text(item, "thumbnail")),
        organization=clean_name(_text(organization, "fullname") or _text(organization, "name")),
        withdrawn=bool(paper.get("withdrawnAt")),
        metrics=_counters(
            upvotes=paper.get("upvotes"), stars=paper.get("githubStars"), comments=item.get("numComments")
        ),
        seen_at=seen_at,
    )


def _authors(authors: Any) -> tuple[str, ...]:
    listed = authors if isinstance(authors, Sequence) and not isinstance(authors, str) else []
    names = [clean_name(_text(_mapping(one), "name")) for one in listed if not _mapping(one).get("hidden")]
    return tuple(name for name in names if name)


def _counters(**counters: Any) -> dict[str, int]:
    return {
        name: value
        for name, value in counters.items()
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _COUNT_LIMIT
    }


def _day(paper: Mapping[str, Any], name: str) -> date | None:
    match = re.match(r"\d{4}-\d{2}-\d{2}", _text(paper, name))
    try:
        return date.fromisoformat(match[0]) if match else None
    except ValueError:
        return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return value if isinstance(value, str) else ""
