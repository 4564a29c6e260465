"""Atom and RSS feeds that an operator names: journals, blogs, lists of any field.

In: the bytes of one feed of any kind that feedparser reads. Out: one observation an entry that has a title. Whose work
it is tell its DOI, its arXiv id or the page of OpenReview that it names; else its title. A feed cut short is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any
from xml.sax import SAXException

from newsletter.catalogue.sources import paper_links, public_urls
from newsletter.catalogue.sources.clean_text import clean_abstract, clean_name, clean_title, without_markup
from newsletter.catalogue.sources.json_answers import day_of, mapping, text
from newsletter.catalogue.sources.observed_paper import Observation, Request, SourceError
from newsletter.catalogue.sources.paper_identifiers import arxiv_id, work_name

SOURCE = "feeds"
LABEL = "Feeds"
SETTING = "FEEDS"
TEXT_AUTHORITY, LINK_AUTHORITY = 1, 0
OWN_VOTES: dict[str, int] = {}
SPACING = timedelta(seconds=2)
HOSTS: frozenset[str] = frozenset()  # of each address its own
CONTENT_TYPES = frozenset(
    {"application/atom+xml", "application/rss+xml", "application/rdf+xml", "application/xml", "text/xml"}
)
POLL_EVERY = timedelta(hours=1)
QUIET_AFTER = timedelta(days=60)
_LONGEST = 4_000_000  # bytes: a second or two each million
_TAIL = 2000  # bytes in which a whole feed closes
_KEY = 128  # characters
_END = re.compile(rb"</(?:\w+:)?(?:feed|rss|RDF)\s*>\s*(?:<!--.*?-->\s*)*\Z", re.DOTALL)
_AND = re.compile(r",?\s+and\s+|\s*;\s*")


def addresses(request: Request) -> list[str]:
    return list(request.options)


def parse(data: bytes, *, seen_at: datetime) -> list[Observation]:
    """The entries of one feed. Raises SourceError for what is none, or was cut short."""
    import feedparser  # 20 ms and 3 MB that only the workers need

    if len(data) > _LONGEST:
        raise SourceError(f"the feed is longer than {_LONGEST:,} bytes: name one of fewer entries")
    try:
        feed = feedparser.parse(data, sanitize_html=False, resolve_relative_uris=False)
    except (ValueError, LookupError, RecursionError, AssertionError, SAXException) as error:
        raise SourceError("the feed cannot be read") from error
    if not feed.get("version"):
        raise SourceError("not an Atom or RSS feed: is the address that of a web page?")
    if feed.bozo and not _END.search(data[-_TAIL:]):
        raise SourceError("the feed was cut short")
    found = (_read(dict(entry), rank=rank, seen_at=seen_at) for rank, entry in enumerate(feed.entries, 1))
    return [one for one in found if one is not None]


def why_empty(now: datetime) -> str:
    return "the feed has no entries at present"


def is_stale(*, first_seen_at: datetime, now: datetime) -> bool:
    return False  # a feed may have nothing new for months


def _read(entry: Mapping[str, Any], *, rank: int, seen_at: datetime) -> Observation | None:
    title, names = clean_title(without_markup(text(entry, "title"))), list(_names(entry))
    key = text(entry, "id") or text(entry, "link") or title
    if not title:
        return None
    arxiv = next(filter(None, map(arxiv_id, names)), None)
    others = map(work_name, names)
    abstract = public_urls.without_proxies(clean_abstract(without_markup(text(entry, "summary"))))
    return Observation(
        source=SOURCE,
        key=key if len(key) <= _KEY and key.isprintable() else sha256(key.encode("utf-8", "replace")).hexdigest(),
        rank=rank,
        arxiv_id=arxiv[0] if arxiv else None,
        identifiers=() if arxiv else tuple(dict.fromkeys(filter(None, others))),
        title=title,
        abstract=abstract,
        authors=_authors(entry),
        published_on=_day(entry),
        url=public_urls.safe_url(text(entry, "link")),
        links=paper_links.links_in(abstract, place=paper_links.ABSTRACT),
        seen_at=seen_at,
    )


def _names(entry: Mapping[str, Any]) -> Iterator[str]:
    """What may name the work, the surest first."""
    for name in ("prism_doi", "dc_identifier", "id", "link"):
        if found := text(entry, name):
            yield found


def _authors(entry: Mapping[str, Any]) -> tuple[str, ...]:
    """One name an author: from one element each, or from one text that lists them."""
    listed = entry.get("authors")
    names = [text(mapping(one), "name") for one in listed] if isinstance(listed, list) else []
    if len(names) == 1:
        parts = _AND.sub("\n", names[0])
        # "Ada Fern, Bo Moss" lists two, "Fern, Ada" is one.
        is_list = "\n" in parts or all(" " in part.strip() for part in parts.split(","))
        names = re.split(r"[\n,]", parts) if is_list else names
    return tuple(name for name in map(clean_name, names) if name)


def _day(entry: Mapping[str, Any]) -> date | None:
    for name in ("prism_publicationdate", "dcterms_issued", "dc_date"):
        if day := day_of(text(entry, name)):
            return day
    for name in ("published_parsed", "updated_parsed"):
        if moment := entry.get(name):
            return date(*moment[:3])
    return None
