"""Hugging Face's page of one paper: where its code is, for papers whose daily list does not say.

In: the bytes of `GET /api/papers/{id}`. Out: one observation that corrects a paper we have, with its repository, stars,
project page, and the hub's models, data sets and Spaces; none when the page names nothing. The lists have these
fields at some times and leave them out at others; nothing else is taken from here.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from newsletter.catalogue.sources import hf_daily, paper_links
from newsletter.catalogue.sources.json_answers import json_of
from newsletter.catalogue.sources.observed_paper import Observation, Request, SourceError

SOURCE = "hf_paper"
LABEL = "Hugging Face"
TEXT_AUTHORITY, LINK_AUTHORITY = 0, 4
OWN_VOTES: dict[str, int] = {}
SPACING = timedelta(seconds=1)
HOSTS = frozenset({"huggingface.co"})
CONTENT_TYPES = frozenset({"application/json"})
POLL_EVERY = timedelta(hours=1)
QUIET_AFTER = None  # it adds no paper
_AT_ONCE = 20


def addresses(request: Request) -> list[str]:
    return [f"https://huggingface.co/api/papers/{one}" for one in request.linkless_ids[:_AT_ONCE]]


def id_asked(address: str) -> str:
    """The paper that one of our addresses asks about."""
    return address.partition("/api/papers/")[2]


def parse(data: bytes, *, seen_at: datetime) -> list[Observation]:
    """What the page adds. Raises SourceError when it is not the page of a paper."""
    page = json_of(data)
    seen = hf_daily.read_paper(page, seen_at=seen_at)
    if seen is None:
        raise SourceError("not the page of a paper")
    stars = {name: value for name, value in seen.metrics.items() if name == "stars"}
    links = paper_links.distinct(hf_daily.stated_links(page))
    if not (links or stars):
        return []
    return [
        Observation(
            source=SOURCE,
            key=seen.key,
            arxiv_id=seen.arxiv_id,
            title=seen.title,
            links=links,
            metrics=stars,
            seen_at=seen_at,
            only_if_known=True,
        )
    ]


def why_empty(now: datetime) -> str:
    return "the page of this paper names no code"


def is_stale(*, first_seen_at: datetime, now: datetime) -> bool:
    return False  # each question is about another paper
