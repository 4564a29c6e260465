"""arXiv's query API: what arXiv itself says of papers that other sources named.

In: the bytes of `export.arxiv.org/api/query?id_list=…`. Out: one observation a paper, with the date of its first
version, UTF-8 names, the primary category, what its authors say of a venue, and whether it was withdrawn. Thank you to
arXiv for use of its open access interoperability.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from newsletter.catalogue.paper_updates import acceptance
from newsletter.catalogue.sources import arxiv_atom, paper_links, public_urls
from newsletter.catalogue.sources.clean_text import clean_abstract, clean_title, source_text
from newsletter.catalogue.sources.observed_paper import Observation, Request, SourceError
from newsletter.catalogue.sources.paper_identifiers import arxiv_id, could_exist

SOURCE = "arxiv_query"
LABEL = "arXiv"
TEXT_AUTHORITY, LINK_AUTHORITY = 4, 2
OWN_VOTES: dict[str, int] = {}
SPACING = arxiv_atom.ARXIV_SPACING
HOSTS = frozenset({"export.arxiv.org"})
CONTENT_TYPES = frozenset({"application/atom+xml", "application/xml", "text/xml"})
POLL_EVERY = timedelta(minutes=30)
QUIET_AFTER = None  # it is asked about papers that others named
_IDS_AT_ONCE = 100
_WITHDRAWN = re.compile(
    r"\W*(?:this\s+(?:paper|submission|article|manuscript|work|preprint)\s+(?:has\s+been|is|was)\s+)?"
    r"(?:temporarily\s+)?withdrawn\b",
    re.IGNORECASE,
)


def addresses(request: Request) -> list[str]:
    """Addresses that ask for the wanted papers, a hundred each; impossible identifiers are left out."""
    tomorrow = request.now.date() + timedelta(days=1)  # arXiv's month has begun somewhere
    wanted = [one for one in request.wanted_ids if could_exist(one, on=tomorrow)]
    return [
        f"https://export.arxiv.org/api/query?id_list={','.join(wanted[start : start + _IDS_AT_ONCE])}"
        f"&max_results={_IDS_AT_ONCE}"
        for start in range(0, len(wanted), _IDS_AT_ONCE)
    ]


def ids_asked(address: str) -> list[str]:
    """The papers that one of our addresses asks about."""
    return address.partition("id_list=")[2].partition("&")[0].split(",")


def parse(data: bytes, *, seen_at: datetime) -> list[Observation]:
    """The papers of one answer. Raises SourceError when it is not arXiv's feed, or reports an error."""
    found = []
    for entry in arxiv_atom.entries(arxiv_atom.feed(data)):
        raw_id = arxiv_atom.text(entry, "atom:id")
        identifier = arxiv_id(raw_id)
        title = clean_title(arxiv_atom.text(entry, "atom:title"))
        if "/api/errors" in raw_id:
            raise SourceError(f"arXiv answers: {arxiv_atom.text(entry, 'atom:summary')[:200]}")
        if identifier is None or not title:
            continue
        summary = arxiv_atom.text(entry, "atom:summary")
        abstract = public_urls.without_proxies(clean_abstract(summary))
        comment = arxiv_atom.text(entry, "arxiv:comment")
        is_withdrawn = any(map(_WITHDRAWN.match, (comment, abstract)))
        found.append(
            Observation(
                source=SOURCE,
                key=identifier[0],
                arxiv_id=identifier[0],
                title=title,
                # The notice of a withdrawal is not an abstract: the one we have stays.
                abstract="" if _WITHDRAWN.match(abstract) else abstract,
                title_source=source_text(arxiv_atom.text(entry, "atom:title")),
                abstract_source=source_text(summary),
                authors=arxiv_atom.authors(entry),
                published_on=_first_version_on(entry_date=arxiv_atom.text(entry, "atom:published")),
                links=_links(abstract, comment),
                categories=arxiv_atom.categories(entry),
                withdrawn=is_withdrawn,
                version=identifier[1] or 0,
                accepted=acceptance(comment),
                seen_at=seen_at,
            )
        )
    return found


def why_empty(now: datetime) -> str:
    return "arXiv knows none of these papers"


def is_stale(*, first_seen_at: datetime, now: datetime) -> bool:
    return False  # each question is about other papers


def _links(abstract: str, comment: str) -> tuple[paper_links.Link, ...]:
    said = public_urls.without_proxies(clean_abstract(comment))
    return paper_links.distinct(
        [
            *paper_links.links_in(abstract, place=paper_links.ABSTRACT),
            *paper_links.links_in(said, place=paper_links.COMMENT),
        ]
    )


def _first_version_on(*, entry_date: str) -> date | None:
    try:
        return date.fromisoformat(entry_date[:10])
    except ValueError:
        return None
