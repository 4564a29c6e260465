"""OpenAlex: how often papers we have are cited.

In: the bytes of `api.openalex.org/works?filter=doi:…`. Out: one observation a work, which corrects a paper we have and
never adds one; nothing but its citations and names is taken.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import quote, unquote

from newsletter.catalogue.sources import openalex
from newsletter.catalogue.sources.json_answers import items_of, json_of
from newsletter.catalogue.sources.observed_paper import Observation, Request

SOURCE = "openalex_citations"
LABEL = openalex.LABEL
SETTING, KEY_SETTING, KEY_PARAMETER = "OPENALEX_CITATIONS", openalex.KEY_SETTING, openalex.KEY_PARAMETER
TEXT_AUTHORITY, LINK_AUTHORITY = 0, 0
OWN_VOTES: dict[str, int] = {}
SPACING = openalex.SPACING
HOSTS = openalex.HOSTS
CONTENT_TYPES = openalex.CONTENT_TYPES
POLL_EVERY = timedelta(hours=6)
QUIET_AFTER = None  # it adds no paper
_AT_ONCE = 40
_LONGEST = 40  # characters of a DOI: forty of them are an address that every server takes


def addresses(request: Request) -> list[str]:
    """Addresses that ask for the watched papers, forty each; one whose DOI is very long is left out."""
    dois = [one for one in request.watched_dois if len(one) <= _LONGEST and not {"|", ","}.intersection(one)]
    parts = [dois[start : start + _AT_ONCE] for start in range(0, len(dois), _AT_ONCE)]
    return [openalex.works_address(quote(f"doi:{'|'.join(part)}", safe=":|/"), cursor="*") for part in parts]


def dois_asked(address: str) -> list[str]:
    """The papers that one of our addresses asks about."""
    return unquote(address.partition("filter=doi:")[2].partition("&")[0]).split("|")


def parse(data: bytes, *, seen_at: datetime) -> list[Observation]:
    """The works of one page. Raises SourceError when it is none."""
    works = items_of(json_of(data), "results", whose=LABEL)
    found = (openalex.read_work(work, rank=rank, seen_at=seen_at) for rank, work in enumerate(works, start=1))
    return [
        Observation(
            source=SOURCE,
            key=one.key,
            arxiv_id=one.arxiv_id,
            identifiers=one.identifiers,
            title=one.title,
            metrics=one.metrics,
            only_if_known=True,
            seen_at=seen_at,
        )
        for one in found
        if one is not None
    ]


def why_empty(now: datetime) -> str:
    return "OpenAlex knows none of these papers yet"


def is_stale(*, first_seen_at: datetime, now: datetime) -> bool:
    return False  # each question is about other papers
