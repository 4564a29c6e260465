"""Request and response schemas of the API. A new field: its value in `editions.public_serializers`, its shape here.

In: nothing. Out: classes for the OpenAPI document, and what a request may ask. Tests hold every answer against them.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

LIMIT = 100
CURSOR_LENGTH = 200

Sort = Literal["newest", "trending-day", "trending-week", "trending-month", "votes"]
Window = Literal["day", "week", "month"]
Cadence = Literal["daily", "weekly", "monthly"]


def _written_out(value: Any) -> Any:
    """Pydantic would read a number as seconds since 1970."""
    if not isinstance(value, str) or len(value) != len("2026-03-18"):
        raise ValueError("not a day")
    return value


Day = Annotated[date, BeforeValidator(_written_out)]


class Error(Schema):
    """What every error looks like."""

    message: str = Field(description="One sentence that says what to do.")


class Topic(Schema):
    slug: str
    name: str
    description: str
    page_url: str


class Topics(Schema):
    topics: list[Topic]


class PaperTopic(Schema):
    slug: str
    name: str
    is_primary: bool


class Trend(Schema):
    """The recorded components of a trend score: why a paper stands where it stands."""

    score: float
    why: str = Field(description="The sentence our pages show; empty when nothing was gained in the window.")
    hours: int | None = Field(description="The hours that the gains are counted over.")
    gains: dict[str, int] = Field(description="Counts gained: upvotes, stars, votes, verdicts, comments.")
    cohort_median: float | None = Field(description="Upvotes that the median paper of the same age gained.")
    cohort_size: int | None
    shares: dict[str, float] = Field(description="How much of the score each source gave.")


class Trends(Schema):
    day: Trend | None
    week: Trend | None
    month: Trend | None


class Link(Schema):
    kind: Literal["code", "model", "data", "demo", "page"]
    url: str
    place: Literal["abstract", "comment", "stated", "linked"] = Field(
        description="Where it was found: the abstract, arXiv's comment, a field of its source, or its project page."
    )
    answered_at: datetime | None = Field(description="When it was asked and answered; null: it was not, or not yet.")
    licence: str = Field(description="As its forge names it; empty where that is not known.")
    stars: int | None = Field(description="Stars or likes at that moment.")


class Paper(Schema):
    id: int
    arxiv_id: str | None = Field(description="Without version.")
    title: str = Field(description="Text, as all texts here: escape it before you put it into a page.")
    abstract: str
    authors: list[str]
    organization: str
    categories: list[str] = Field(description="arXiv's, else such as biorxiv.neuroscience; primary first.")
    published_on: date | None
    listed_on: date | None = Field(description="The daily list it appeared on.")
    first_seen_at: datetime
    is_withdrawn: bool
    page_url: str
    source_url: str
    pdf_url: str
    code_url: str = Field(description="The first of its code in `links`.")
    project_url: str
    links: list[Link] = Field(description="By kind. Links that are gone are left out.")
    thumbnail_url: str
    topics: list[PaperTopic] = Field(description="Primary first.")
    upvotes: int
    github_stars: int
    trend: Trends


class Papers(Schema):
    papers: list[Paper]
    next: str | None = Field(description="The address of the next page; null on the last.")


class Scored(Schema):
    score: float = Field(description="To compare within one answer only.")
    paper: Paper


class FoundSimilar(Schema):
    papers: list[Scored] = Field(description="Most similar first.")


class Ranked(Schema):
    rank: int
    trend: Trend
    paper: Paper


class Trending(Schema):
    window: Window
    items: list[Ranked]


class Corrected(Schema):
    typed: str
    read: str


class FoundPapers(Schema):
    query: str
    corrected: list[Corrected] = Field(description="Words that no paper has, and what they were read as.")
    author: str = Field(description="The person whom the words name, whose papers come first; empty when nobody.")
    ignored: list[str] = Field(description="What was not understood and is not searched for, such as OR.")
    found: int = Field(description="How many papers were found; the best 400 at most.")
    papers: list[Scored] = Field(description="Best first.")
    next: str | None = Field(description="Address of the next page; null on the last.")


class Edition(Schema):
    id: int
    cadence: Cadence
    period_on: date = Field(description="The day; the Monday of the week; the first of the month.")
    began_at: datetime | None
    done_at: datetime | None = Field(description="Null while digests of it still go out.")
    headline: str = Field(description="The editor's title; empty: none but its date.")
    editor_note: str = Field(description="In Markdown; plain text in older editions.")
    correction: str = Field(description="What was wrong in it, in Markdown; empty: nothing is known to be.")
    corrected_at: datetime | None = Field(description="When the correction was made, or taken back.")
    papers: int
    page_url: str


class Editions(Schema):
    editions: list[Edition]
    next: str | None


class Item(Schema):
    position: int
    lane: Literal["trending", "pick", "lead"] = Field(
        description="pick: chosen by an editor, whatever its score; lead: first in every digest."
    )
    note: str = Field(description="An editor's line, in Markdown.")
    trend: Trend | None = Field(description="As recorded when the edition was drafted.")
    paper: Paper


class WholeEdition(Edition):
    items: list[Item]


class Submitted(Schema):
    state: Literal["known", "added", "waiting", "declined"] = Field(
        description="known: already in the catalogue. added: now in the catalogue; it appears in trends and digests "
        "once another source lists it, or an editor picks it. waiting: an editor will review the arXiv id. declined: "
        "an editor declined it within the last 30 days."
    )
    message: str
    paper: Paper | None


class PapersParams(Schema):
    """Which papers, in which order."""

    topic: str = Field("", max_length=50, pattern=r"^[-a-zA-Z0-9_]*$", description="Slug of a topic.")
    listed_on: Day | None = Field(None, description="Only the list of this day.")
    since: Day | None = Field(None, alias="from", description="Listed on this day or later.")
    until: Day | None = Field(None, alias="to", description="Listed on this day or earlier.")
    has_code: bool | None = Field(None, description="true: with a link to code; false: without.")
    sort: Sort = Field(
        "newest",
        description="newest: last come first; within days, the latest day first. trending-…: only those that trend.",
    )
    limit: int = Field(50, ge=1, le=LIMIT)
    cursor: str = Field("", max_length=CURSOR_LENGTH, description="From `next`; nothing to build yourself.")


class TrendingParams(Schema):
    window: Window = "day"
    topic: str = Field("", max_length=50, pattern=r"^[-a-zA-Z0-9_]*$", description="Slug of a topic.")
    limit: int = Field(50, ge=1, le=LIMIT)


class SearchParams(Schema):
    q: str = Field(
        min_length=1,
        max_length=300,
        description='Words, "phrases", and topic: author: has:code after: before: to narrow.',
    )
    limit: int = Field(20, ge=1, le=LIMIT)
    cursor: str = Field("", max_length=CURSOR_LENGTH, description="From `next`; nothing to build yourself.")


class EditionsParams(Schema):
    cadence: Literal["", "daily", "weekly", "monthly"] = ""
    limit: int = Field(50, ge=1, le=LIMIT)
    cursor: str = Field("", max_length=CURSOR_LENGTH, description="From `next`; nothing to build yourself.")


class Submission(BaseModel):
    """A paper: its arXiv id alone, or a title, an abstract and an address (and, where it has one, the id as well)."""

    model_config = ConfigDict(extra="forbid")

    arxiv_id: str = Field("", max_length=120, description="2603.01234, or an address of arXiv that names one.")
    title: str = Field("", max_length=500)
    abstract: str = Field("", max_length=10_000)
    authors: list[str] = Field(default=[], max_length=200)
    url: str = Field("", max_length=300, pattern=r"^(https?://\S+)?$", description="Where it can be read.")
    code_url: str = Field("", max_length=300, pattern=r"^(https?://\S+)?$")
    published_on: Day | None = None
