"""Hugging Face Daily Papers: the JSON of one day, with votes.

In: the bytes of `GET /api/daily_papers?date=…`. Out: one observation a paper, with its counters. A day fills up while
it lasts and votes go on for days after, so the last week is asked for again and again; every answer may be read twice.
A day with more papers than one answer holds is asked page by page. One item that cannot be read is left out; an answer
that is no list of papers is refused as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from newsletter.catalogue.sources import paper_links, public_urls
from newsletter.catalogue.sources.clean_text import clean_abstract, clean_name, clean_title, source_text
from newsletter.catalogue.sources.json_answers import counters, day_of, json_of, mapping, text
from newsletter.catalogue.sources.observed_paper import Observation, Request, SourceError
from newsletter.catalogue.sources.paper_identifiers import arxiv_id

SOURCE = "hf_daily"
LABEL = "Hugging Face Daily Papers"
TEXT_AUTHORITY, LINK_AUTHORITY = 2, 3
OWN_VOTES: dict[str, int] = {"upvotes": 1}  # the submitter's own
SPACING = timedelta(seconds=1)
HOSTS = frozenset({"huggingface.co"})
PICTURE_HOSTS = frozenset({"cdn-thumbnails.huggingface.co"})
CONTENT_TYPES = frozenset({"application/json"})
POLL_EVERY = timedelta(minutes=30)
QUIET_AFTER = timedelta(days=5)
_DAYS = 7  # votes of older papers hardly move
_PER_PAGE = 100  # the most that may be asked for
_FULL = 90  # read of a page: some of its items may not be readable
_PAGES = 5  # of a day
_ON_THE_HUB = {"linkedModels": "", "linkedDatasets": "datasets/", "linkedSpaces": "spaces/"}
_HUB_LINKS = 2  # of each kind


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


def stated_links(page: Any) -> list[paper_links.Link]:
    """Links in fields of their own: the repository, the project page, and what the hub itself has of the paper.

    A project page that is a repository is code. The hub lists everything that mentions a paper, what is liked most
    first: further down stand other people's.
    """
    paper = mapping(page)
    addresses = [text(paper, name) for name in ("githubRepo", "projectPage")]
    for name, path in _ON_THE_HUB.items():
        listed = paper.get(name)
        rows = listed[:_HUB_LINKS] if isinstance(listed, list) else []
        addresses += [
            f"https://huggingface.co/{path}{text(mapping(row), 'id')}" for row in rows if text(mapping(row), "id")
        ]
    return [link for address in addresses if address and (link := paper_links.stated_link(address))]


def _read(item: Any, *, rank: int, seen_at: datetime) -> Observation | None:
    # What is worth having sits in the nested object; the copies around it have other dates (New York time marked Z).
    return read_paper(mapping(item).get("paper"), around=item, rank=rank, seen_at=seen_at)


def read_paper(raw: Any, *, seen_at: datetime, around: Any = None, rank: int | None = None) -> Observation | None:
    """One paper, with what the list around it adds; None when it cannot be read."""
    paper, item = mapping(raw), mapping(around)
    identifier = arxiv_id(text(paper, "id"))
    title = clean_title(text(paper, "title"))
    if identifier is None or not title:
        return None
    abstract = public_urls.without_proxies(clean_abstract(text(paper, "summary")))
    links = paper_links.distinct([*stated_links(paper), *paper_links.links_in(abstract, place=paper_links.ABSTRACT)])
    organization = mapping(paper.get("organization") or item.get("organization"))
    return Observation(
        source=SOURCE,
        key=identifier[0],
        rank=rank,
        arxiv_id=identifier[0],
        title=title,
        abstract=abstract,
        title_source=source_text(text(paper, "title")),
        abstract_source=source_text(text(paper, "summary")),
        authors=_authors(paper.get("authors")),
        published_on=day_of(text(paper, "publishedAt")),
        listed_on=day_of(text(paper, "submittedOnDailyAt")),
        links=links,
        thumbnail_url=public_urls.safe_url(text(item, "thumbnail")),
        organization=clean_name(text(organization, "fullname") or text(organization, "name")),
        withdrawn=bool(paper.get("withdrawnAt")),
        metrics=counters(
            upvotes=paper.get("upvotes"), stars=paper.get("githubStars"), comments=item.get("numComments")
        ),
        seen_at=seen_at,
    )


def _authors(authors: Any) -> tuple[str, ...]:
    listed = authors if isinstance(authors, Sequence) and not isinstance(authors, str) else []
    names = [clean_name(text(mapping(one), "name")) for one in listed if not mapping(one).get("hidden")]
    return tuple(name for name in names if name)
