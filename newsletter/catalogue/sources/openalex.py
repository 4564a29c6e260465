"""OpenAlex: works of every field that fit the operator's filter, with how often they are cited.

In: the bytes of `api.openalex.org/works?filter=…`, page by page by its cursor. Out: one observation a work. Abstracts
come as an index of their words. A work may be indexed weeks after its day, so a month is asked for each time; works of
days to come are not. Metadata is CC0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from newsletter.catalogue.sources import paper_links, public_urls
from newsletter.catalogue.sources.clean_text import clean_abstract, clean_name, clean_title, without_markup
from newsletter.catalogue.sources.json_answers import counters, day_of, items_of, json_of, mapping, text
from newsletter.catalogue.sources.observed_paper import Observation, Request
from newsletter.catalogue.sources.paper_identifiers import arxiv_id, doi_name

SOURCE = "openalex"
LABEL = "OpenAlex"
SETTING, KEY_SETTING, KEY_PARAMETER = "OPENALEX_FILTER", "OPENALEX_KEY", "api_key"
TEXT_AUTHORITY, LINK_AUTHORITY = 1, 0
OWN_VOTES: dict[str, int] = {}
SPACING = timedelta(seconds=1)
HOSTS = frozenset({"api.openalex.org"})
CONTENT_TYPES = frozenset({"application/json"})
POLL_EVERY = timedelta(days=1)
QUIET_AFTER = timedelta(days=14)
_INDEXED_WITHIN = timedelta(days=30)
_PER_PAGE = 100
_FIELDS = (
    "id,doi,title,publication_date,type,authorships,primary_location,locations,cited_by_count,is_retracted,is_paratext,"
    "primary_topic,abstract_inverted_index"
)
_WORK = re.compile(r"https://openalex\.org/(W[0-9]{1,15})")
_WORDS = 3000  # of an abstract that are put in order


def addresses(request: Request) -> list[str]:
    first = request.since(overlap=_INDEXED_WITHIN).date()
    days = f"from_publication_date:{first},to_publication_date:{request.now.date()}"
    query = quote(",".join((*request.options, days)), safe=":,|!<>.-")
    return [works_address(query, cursor="*")] if request.options else []


def works_address(query: str, *, cursor: str) -> str:
    shown = f"select={_FIELDS}&per_page={_PER_PAGE}&cursor={quote(cursor, '*')}"
    return f"https://api.openalex.org/works?filter={query}&{shown}"


def next_address(data: bytes, *, after: str) -> str:
    answer = json_of(data)
    cursor = text(mapping(mapping(answer).get("meta")), "next_cursor")
    start, _, asked = after.rpartition("&cursor=")
    following = quote(cursor, "*")
    is_more = items_of(answer, "results", whose=LABEL) and following not in {"", asked}
    return f"{start}&cursor={following}" if is_more else ""


def parse(data: bytes, *, seen_at: datetime) -> list[Observation]:
    """The works of one page. Raises SourceError when it is none."""
    works = items_of(json_of(data), "results", whose=LABEL)
    found = (read_work(work, rank=rank, seen_at=seen_at) for rank, work in enumerate(works, start=1))
    return [one for one in found if one is not None]


def why_empty(now: datetime) -> str:
    return "no work fits OPENALEX_FILTER in the last month"


def is_stale(*, first_seen_at: datetime, now: datetime) -> bool:
    return False  # each question names its days


def read_work(work: Mapping[str, Any], *, rank: int, seen_at: datetime) -> Observation | None:
    """One work; None for what is no paper (a cover, an index) or cannot be read."""
    key, title = _WORK.fullmatch(text(work, "id")), clean_title(without_markup(text(work, "title")))
    if key is None or not title or work.get("is_paratext") is True:
        return None
    doi, pages = text(work, "doi"), list(_pages(work))
    identifiers = filter(None, (arxiv_id(url) for url in (doi, *pages)))
    arxiv = next(identifiers, None)
    abstract = public_urls.without_proxies(clean_abstract(without_markup(_abstract(work))))
    field = mapping(mapping(work.get("primary_topic")).get("field"))
    return Observation(
        source=SOURCE,
        key=key[1],
        rank=rank,
        arxiv_id=arxiv[0] if arxiv else None,
        identifiers=tuple(filter(None, (f"openalex:{key[1]}", None if arxiv_id(doi) else doi_name(doi)))),
        title=title,
        abstract=abstract,
        authors=_authors(work),
        published_on=day_of(text(work, "publication_date")),
        url=public_urls.safe_url(doi or next(iter(pages), "")),
        links=paper_links.links_in(abstract, place=paper_links.ABSTRACT),
        organization=_organization(work),
        categories=_category(text(field, "display_name")),
        withdrawn=work.get("is_retracted") is True,
        metrics=counters(citations=work.get("cited_by_count")),
        seen_at=seen_at,
    )


def _pages(work: Mapping[str, Any]) -> Iterator[str]:
    locations = work.get("locations")
    for location in (work.get("primary_location"), *(locations if isinstance(locations, list) else ())):
        if url := text(mapping(location), "landing_page_url"):
            yield url


def _authorships(work: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = work.get("authorships")
    return [mapping(one) for one in listed] if isinstance(listed, list) else []


def _authors(work: Mapping[str, Any]) -> tuple[str, ...]:
    names = (clean_name(text(mapping(one.get("author")), "display_name")) for one in _authorships(work))
    return tuple(name for name in names if name)


def _organization(work: Mapping[str, Any]) -> str:
    """The first author's first institution."""
    for one in _authorships(work)[:1]:
        institutions = one.get("institutions")
        for institution in institutions[:1] if isinstance(institutions, list) else ():
            return clean_name(text(mapping(institution), "display_name"))
    return ""


def _abstract(work: Mapping[str, Any]) -> str:
    places = [
        (place, word)
        for word, at in mapping(work.get("abstract_inverted_index")).items()
        for place in (at if isinstance(at, list) else ())
        if type(place) is int
    ]
    return " ".join(word for _, word in sorted(places)[:_WORDS])


def _category(field: str) -> tuple[str, ...]:
    """The field of science, as "openalex.economics-econometrics-and-finance"."""
    slug = re.sub(r"[^a-z]+", "-", field.lower()).strip("-")
    return (f"openalex.{slug[:60]}",) if slug else ()
