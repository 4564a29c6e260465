"""bioRxiv and medRxiv: what was posted since they were read last, in biology and medicine.

In: the bytes of `api.biorxiv.org/details/{server}/{from}/{to}/{cursor}`. Out: one observation a paper. Later versions
correct papers we have and never add one. Authors come as "Smith, J.; Doe, A. B.", dates as 2026-06-03 or 2026-6-3, and
the total as a number or as a text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from newsletter.catalogue.sources import paper_links, public_urls
from newsletter.catalogue.sources.clean_text import clean_abstract, clean_name, clean_title, without_markup
from newsletter.catalogue.sources.json_answers import day_of, items_of, json_of, mapping, text
from newsletter.catalogue.sources.observed_paper import Observation, Request, SourceError
from newsletter.catalogue.sources.paper_identifiers import doi_name

SOURCE = "biorxiv"
LABEL = "bioRxiv, medRxiv"
SETTING = "PREPRINT_SERVERS"
TEXT_AUTHORITY, LINK_AUTHORITY = 3, 1
OWN_VOTES: dict[str, int] = {}
SPACING = timedelta(seconds=1)
HOSTS = frozenset({"api.biorxiv.org"})
CONTENT_TYPES = frozenset({"application/json"})
POLL_EVERY = timedelta(hours=6)
QUIET_AFTER = timedelta(days=6)
_OVERLAP = timedelta(days=2)  # a paper may be listed under a day that has passed
_WITHDRAWN = re.compile(r"\W*withdrawn\b\W*", re.IGNORECASE)


def addresses(request: Request) -> list[str]:
    first, last = request.since(overlap=_OVERLAP).date(), request.now.date()
    return [f"https://api.biorxiv.org/details/{server}/{first}/{last}/0" for server in request.options]


def next_address(data: bytes, *, after: str) -> str:
    answer = json_of(data)
    start, _, cursor = after.rpartition("/")
    read = int(cursor) + len(items_of(answer, "collection", whose=LABEL))
    total = str(_message(answer).get("total", ""))
    return f"{start}/{read}" if total.isdecimal() and int(cursor) < read < int(total[:9]) else ""


def parse(data: bytes, *, seen_at: datetime) -> list[Observation]:
    """The papers of one page. Raises SourceError when it is none."""
    answer = json_of(data)
    items = items_of(answer, "collection", whose=LABEL)
    status = str(_message(answer).get("status", ""))
    if not items and status.lower() not in {"ok", "no posts found"}:
        raise SourceError(f"bioRxiv answers: {status[:200] or 'nothing'}")
    found = (_read(item, rank=rank, seen_at=seen_at) for rank, item in enumerate(items, start=1))
    return [one for one in found if one is not None]


def why_empty(now: datetime) -> str:
    return "nothing was posted on these days"


def is_stale(*, first_seen_at: datetime, now: datetime) -> bool:
    return False  # each question names its days


def _message(answer: Any) -> Mapping[str, Any]:
    messages = mapping(answer).get("messages")
    return mapping(messages[0]) if isinstance(messages, list) and messages else {}


def _read(item: Mapping[str, Any], *, rank: int, seen_at: datetime) -> Observation | None:
    name, title = doi_name(text(item, "doi")), clean_title(without_markup(text(item, "title")))
    if name is None or not title:
        return None
    doi, version = name.removeprefix("doi:"), _version(item.get("version"))
    server = "medrxiv" if text(item, "server").lower() == "medrxiv" else "biorxiv"
    published = doi_name(text(item, "published"))  # in a journal; "NA" before that
    abstract = public_urls.without_proxies(clean_abstract(without_markup(text(item, "abstract"))))
    is_withdrawn = _WITHDRAWN.match(title) is not None or "withdraw" in text(item, "type").lower()
    return Observation(
        source=SOURCE,
        key=doi[:128],
        rank=rank,
        identifiers=tuple(filter(None, (name, published))),
        title=_WITHDRAWN.sub("", title, count=1) or title if is_withdrawn else title,
        abstract="" if is_withdrawn else abstract,  # the notice is no abstract: the one we have stays
        authors=_authors(text(item, "authors")),
        published_on=day_of(text(item, "date")) if version == 1 else None,
        url=public_urls.safe_url(f"https://www.{server}.org/content/{doi}v{version}"),
        links=paper_links.links_in(abstract, place=paper_links.ABSTRACT),
        categories=_category(server, text(item, "category")),
        withdrawn=is_withdrawn,
        version=version,
        only_if_known=version > 1,
        seen_at=seen_at,
    )


def _version(raw: Any) -> int:
    return int(str(raw)) if re.fullmatch(r"[0-9]{1,3}", str(raw)) else 1


def _authors(joined: str) -> tuple[str, ...]:
    """ "Smith, J. R.; Doe, A." as names that begin with the given ones."""
    pairs = (part.partition(",") for part in joined.split(";"))
    names = (clean_name(f"{given} {family}") for family, _, given in pairs)
    return tuple(name for name in names if name)


def _category(server: str, raw: str) -> tuple[str, ...]:
    slug = re.sub(r"[^a-z]+", "-", raw.lower()).strip("-")
    return (f"{server}.{slug[:60]}",) if slug else ()
