"""What one source said about one paper, at one moment.

In: the fields a parser found, already cleaned. Out: an immutable value that `ingest` merges into the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol, runtime_checkable

from newsletter.catalogue.sources.paper_links import CODE, PAGE, Link, first_url

_FIRST_LOOK = timedelta(days=1)  # back, at a source that was never read
_LONGEST_LOOK = timedelta(days=30)  # back, after a long silence


class SourceError(ValueError):
    """A source's answer cannot be trusted: nothing of it may be stored. `line` is where a person should look."""

    def __init__(self, reason: str, *, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    source: str
    key: str  # the source's own name for what it showed: an id, or the content hash of a page
    title: str
    abstract: str = ""
    title_source: str = ""  # both as the source wrote them, LaTeX and all; empty when it gives readable text only
    abstract_source: str = ""
    rank: int | None = None
    arxiv_id: str | None = None  # without version
    identifiers: tuple[str, ...] = ()  # its other names, each with its kind: "doi:10.1101/…", "openreview:…"
    authors: tuple[str, ...] = ()
    published_on: date | None = None  # first version
    listed_on: date | None = None  # the daily list it was on
    url: str = ""
    code_url: str = ""  # unless given, the first of `links` of its kind; so is the next
    project_url: str = ""
    links: tuple[Link, ...] = ()
    thumbnail_url: str = ""
    organization: str = ""
    categories: tuple[str, ...] = ()  # arXiv's or "biorxiv.neuroscience", primary first
    withdrawn: bool = False
    version: int = 0  # of the paper; 0: the source does not say
    accepted: str | None = None  # what its authors say of a venue, word for word; None: the source does not tell
    metrics: Mapping[str, int] = field(default_factory=dict)  # counters at `seen_at`; empty when the source has none
    posted_by: str = ""  # whose post the counters are of; they count for nothing when an author posted it
    seen_at: datetime | None = None  # empty: the moment of ingestion
    only_if_known: bool = False  # corrects a paper that is there, never adds one
    api_key: int | None = None  # the key of the program that handed it in

    def __post_init__(self) -> None:
        for name, kind in (("code_url", CODE), ("project_url", PAGE)):
            object.__setattr__(self, name, getattr(self, name) or first_url(self.links, kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a source may need to know to say which addresses to ask."""

    now: datetime
    categories: tuple[str, ...] = ()  # of arXiv, that we follow
    wanted_ids: tuple[str, ...] = ()  # papers that arXiv is to be asked about
    linkless_ids: tuple[str, ...] = ()  # papers of the last daily lists whose code no list has named
    brought: Mapping[str, int] = field(default_factory=dict)  # papers that each address of a daily list held lately
    done_at: datetime | None = None  # when this source had last answered all it was asked
    watched_dois: tuple[str, ...] = ()  # of young papers whose citations nobody has counted lately
    options: tuple[str, ...] = ()  # what the source's SETTING names

    def since(self, *, overlap: timedelta) -> datetime:
        """Return from when on a source that lists by date is asked: what may have come since it was read whole."""
        begun = self.done_at or self.now - _FIRST_LOOK
        return max(begun, self.now - _LONGEST_LOOK) - overlap


class Origin(Protocol):
    """The declaration of every module here that brings papers, whether or not over the network."""

    SOURCE: str  # the name of its file and its name in rows: never changed
    LABEL: str  # what readers see it called; words are translated where they are shown
    # Who is believed when sources differ: the highest. 0 only fills gaps.
    TEXT_AUTHORITY: int  # title, abstract, authors, dates, categories
    LINK_AUTHORITY: int  # code, project, picture, organization
    OWN_VOTES: Mapping[str, int]  # by metric: votes that the authors give themselves; gains are counted from there


class Source(Origin, Protocol):
    """The declaration of a source that is asked over the network. See docs/adding-a-source.md."""

    HOSTS: frozenset[str]  # all it may be redirected to; empty: of each address its own
    CONTENT_TYPES: frozenset[str]
    SPACING: timedelta  # between two requests to its hosts, over all machines
    POLL_EVERY: timedelta
    QUIET_AFTER: timedelta | None  # without one new paper for so long, something is wrong; None: it brings none

    def addresses(self, request: Request) -> list[str]: ...

    def parse(self, data: bytes, *, seen_at: datetime) -> list[Observation]: ...

    def why_empty(self, now: datetime) -> str:
        """Explain to a person what an answer without papers means."""

    def is_stale(self, *, first_seen_at: datetime, now: datetime) -> bool:
        """Whether it is wrong that what is newest was the newest at `first_seen_at` already."""


@runtime_checkable
class ChosenSource(Protocol):
    """The further declaration of a source that is asked only for what an operator names."""

    SETTING: str  # whose value is the `options` of its requests; while that is empty, the source is off


@runtime_checkable
class KeyedSource(Protocol):
    """The further declaration of a source that knows its users by a key."""

    KEY_SETTING: str  # whose value is the key; while it is empty, none is sent
    KEY_PARAMETER: str  # of the address; added when it is asked, and written down nowhere


@runtime_checkable
class PagedSource(Protocol):
    """The further declaration of a source that answers page by page."""

    def next_address(self, data: bytes, *, after: str) -> str:
        """Return the address of the page after this answer to ``after``; "" when it was the last."""
