"""A reader's library, for a program of theirs: list, add, remove with the token of their preferences link.

In: JSON and `Authorization: Bearer TOKEN`, as for what the reader follows; no key of an operator opens this. Out: the
entries, newest first, a page at a time; what became of references that were added.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from django.utils import timezone
from ninja import Body, Query, Router, Schema, Status
from ninja.decorators import decorate_view
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field

from newsletter.interests.library import read_library
from newsletter.interests.library_entries import add_entries
from newsletter.models import LibraryEntry
from subscriptions.follows_api import LinkAuth, reader_asking
from subscriptions.signup_api import Message, with_body_limit

if TYPE_CHECKING:
    from django.http import HttpRequest

    from subscriptions.models import Interest

BYTES_MAX = 1_048_576
PAGE = 200  # entries
WHAT_TO_SEND = {
    "references": "references: give BibTeX, RIS or CSL-JSON as text, or arXiv ids and DOIs, one a line.",
    "interest": "interest: give the name of one that the reader keeps apart, or leave it out.",
    "id": "id: give the number that the list has for the entry.",
    "": "Send a JSON object with references, and optionally interest, to add; or with id to remove; nothing else.",
}


class References(BaseModel):
    """References in any form that the library's page reads."""

    model_config = ConfigDict(extra="forbid")

    references: str = Field(min_length=1)
    interest: str = ""


class OneEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: Annotated[int, Field(strict=True, ge=1, le=2**62)]


class Entry(Schema):
    id: int
    title: str
    arxiv_id: str
    doi: str
    url: str
    note: str
    source: str
    added_at: datetime
    interest: str | None = None  # of readers who keep several apart


class Library(Schema):
    total: int
    entries: list[Entry]
    next: int | None = None  # what to give as `before` for the page behind this one


class Refused(Schema):
    line: int
    why: str


class Brought(Schema):
    added: int
    known: int
    beyond: int
    refused: list[Refused]


router = Router(tags=["Readers"], auth=LinkAuth())
ERRORS: dict[Any, Any] = {(400, 401, 413, 422, 500): Message}
guarded = decorate_view(with_body_limit(BYTES_MAX))


@router.get(
    "reader/library/",
    response={200: Library} | ERRORS,
    url_name="library",
    summary="A reader's library",
    exclude_unset=True,
)
@guarded
def list_library(request: HttpRequest, before: Annotated[int | None, Query(ge=1, le=2**62)] = None) -> dict[str, Any]:
    """Two hundred entries, the newest first; `next` leads to those before them."""
    mine = LibraryEntry.objects.filter(subscriber=reader_asking(request))
    older = mine.filter(pk__lt=before) if before else mine
    rows = list(older.select_related("paper", "interest").order_by("-pk")[: PAGE + 1])
    first = reader_asking(request).interests.filter(is_first=True).first()
    more = rows[PAGE - 1].pk if len(rows) > PAGE else None
    return {"total": mine.count(), "entries": [_told(row, first) for row in rows[:PAGE]], "next": more}


@router.post("reader/library/", response={200: Brought} | ERRORS, url_name="library", summary="Add references")
@guarded
def add_to_library(request: HttpRequest, brought: Body[References]) -> dict[str, Any]:
    """Adding twice changes nothing. `beyond` found no room; `refused` says of each line why it could not be read."""
    now = timezone.now()
    reading = read_library(brought.references.encode("utf-8", "replace"), today=now.date())
    reader = reader_asking(request)
    interest = reader.interests.filter(name=brought.interest).first() if brought.interest else None
    if brought.interest and interest is None:
        raise HttpError(422, WHAT_TO_SEND["interest"])
    row = interest.own_rows if interest else None
    source = LibraryEntry.Source.UPLOADED
    added = add_entries(reader, reading.entries, source=source, now=now, interest=row)
    refused = [{"line": refusal.line, "why": refusal.why} for refusal in reading.refused]
    return {"added": added.new, "known": added.known, "beyond": added.beyond, "refused": refused}


@router.delete("reader/library/", response={204: None} | ERRORS, url_name="library", summary="Remove an entry")
@guarded
def remove_from_library(request: HttpRequest, unwanted: Body[OneEntry]) -> Status[None]:
    """An entry that is not there changes nothing."""
    LibraryEntry.objects.filter(subscriber=reader_asking(request), pk=unwanted.id).delete()
    return Status(204, None)


def _told(row: LibraryEntry, first: Interest | None) -> dict[str, Any]:
    of = row.interest or first
    return ({"interest": of.name} if of else {}) | {
        "id": row.pk,
        "title": row.shown_title,
        "arxiv_id": (row.paper.arxiv_id if row.paper else None) or row.arxiv_id,
        "doi": row.doi,
        "url": row.home_url,
        "note": row.note,
        "source": row.source,
        "added_at": row.at,
    }
