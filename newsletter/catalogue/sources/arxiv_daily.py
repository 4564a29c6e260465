"""arXiv's daily feed: what was announced at midnight, New York time, in the categories we follow.

In: the bytes of `rss.arxiv.org/atom/…` (never /rss, whose abstracts are mangled by readers that take them for HTML).
Out: one observation an entry. Replacements correct papers we have and never add one: only a first version is news.
The feed bears no date of the first version; `arxiv_query` adds it.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from newsletter.catalogue.sources import arxiv_atom, paper_links, public_urls
from newsletter.catalogue.sources.clean_text import clean_abstract, clean_title, source_text
from newsletter.catalogue.sources.observed_paper import Observation, Request
from newsletter.catalogue.sources.paper_identifiers import arxiv_id

SOURCE = "arxiv_daily"
LABEL = "arXiv"
TEXT_AUTHORITY, LINK_AUTHORITY = 3, 2
OWN_VOTES: dict[str, int] = {}
SPACING = arxiv_atom.ARXIV_SPACING
HOSTS = frozenset({"rss.arxiv.org"})
CONTENT_TYPES = frozenset({"application/atom+xml", "application/xml", "text/xml"})
POLL_EVERY = timedelta(hours=2)
QUIET_AFTER = timedelta(days=6)  # the longest of its holidays and a weekend
_NEWS = frozenset({"new", "cross"})
_SUMMARY_HEAD = re.compile(r"^\s*arXiv:\S+\s+Announce Type:\s*\S+\s*(?:Abstract:\s*)?", re.IGNORECASE)
_WEEKEND = 5  # Saturday
_NEW_YORK = timedelta(hours=5)  # behind UTC; an hour more or less does not matter here
_A_DAY_AND_SOME = timedelta(hours=25)


def addresses(request: Request) -> list[str]:
    return [f"https://rss.arxiv.org/atom/{'+'.join(request.categories)}"] if request.categories else []


def parse(data: bytes, *, seen_at: datetime) -> list[Observation]:
    """The entries of one feed. Raises SourceError when it is not arXiv's feed."""
    found = []
    for rank, entry in enumerate(arxiv_atom.entries(arxiv_atom.feed(data)), start=1):
        identifier = arxiv_id(arxiv_atom.text(entry, "atom:id"))
        title = clean_title(arxiv_atom.text(entry, "atom:title"))
        if identifier is None or not title:
            continue
        summary = _SUMMARY_HEAD.sub("", arxiv_atom.text(entry, "atom:summary"))
        abstract = public_urls.without_proxies(clean_abstract(summary))
        found.append(
            Observation(
                source=SOURCE,
                key=identifier[0],
                rank=rank,
                arxiv_id=identifier[0],
                title=title,
                abstract=abstract,
                title_source=source_text(arxiv_atom.text(entry, "atom:title")),
                abstract_source=source_text(summary),
                authors=arxiv_atom.authors(entry),
                links=paper_links.links_in(abstract, place=paper_links.ABSTRACT),
                categories=arxiv_atom.categories(entry),
                version=identifier[1] or 0,
                only_if_known=arxiv_atom.text(entry, "arxiv:announce_type").lower() not in _NEWS,
                seen_at=seen_at,
            )
        )
    return found


def why_empty(now: datetime) -> str:
    """What an empty feed means at `now`: arXiv announces on Monday to Friday, New York time."""
    if _is_weekend(now):
        return "arXiv announces nothing on weekends"
    return "arXiv announced nothing: a holiday, or the feed is late"


def is_stale(*, first_seen_at: datetime, now: datetime) -> bool:
    """The feed can serve yesterday's batch under today's date: the same newest paper for more than a day."""
    return now - first_seen_at > _A_DAY_AND_SOME and not _is_weekend(now)


def _is_weekend(now: datetime) -> bool:
    return (now - _NEW_YORK).weekday() >= _WEEKEND
