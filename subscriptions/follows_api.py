"""A reader's follows, for a program of theirs: list, add, remove with the token of their preferences link.

In: JSON and `Authorization: Bearer TOKEN`, the last part of the link that was mailed to them; it works for a day. Out:
the list after the change. Anybody with the link can do the same by hand; an operator's API key cannot.
"""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Body, Router, Schema
from ninja.decorators import decorate_view
from ninja.errors import HttpError
from ninja.security import HttpBearer
from pydantic import BaseModel, ConfigDict

from subscriptions import interests, lifecycle
from subscriptions.follows import FollowForm
from subscriptions.models import Subscriber
from subscriptions.preferences import Preferences, preferences_of
from subscriptions.signup_api import Message, guarded
from subscriptions.views.guards import origin_of, reader_of

NO_LINK = "Send the token of a preferences link as 'Authorization: Bearer …'. It ends the link we mailed."
WHAT_TO_SEND = {
    "query": "query: give what somebody would type into our search box, at most 300 characters.",
    "stance": "stance: give follow, or not to leave papers out.",
    "interest": "interest: give the name of one that the reader keeps apart, or leave it out.",
    "": "Send a JSON object with query, optionally interest and, to add one, optionally stance; nothing else.",
}


class LinkAuth(HttpBearer):
    """The reader whose preferences link it is."""

    def __call__(self, request: HttpRequest) -> Subscriber:
        scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
        return self.authenticate(request, token.strip() if scheme.lower() == "bearer" else "")

    def authenticate(self, request: HttpRequest, token: str) -> Subscriber:
        reader = reader_of(token)
        if reader is None:
            raise HttpError(401, NO_LINK)
        return reader


class Query(BaseModel):
    """A query in the words of the search box."""

    model_config = ConfigDict(extra="forbid")

    query: str
    interest: str = ""


class NewFollow(Query):
    """A query to follow, or to leave out."""

    stance: Literal["follow", "not"] = "follow"


class OneFollow(Schema):
    query: str
    stance: str
    interest: str | None = None  # of readers who keep several apart


class Follows(Schema):
    follows: list[OneFollow]


router = Router(tags=["Readers"], auth=LinkAuth())
ANSWERS: dict[Any, Any] = {200: Follows, (400, 401, 413, 422, 500): Message}


@router.get("reader/follows/", response=ANSWERS, url_name="follows", summary="What a reader follows", exclude_none=True)
@decorate_view(guarded)
def list_follows(request: HttpRequest) -> dict[str, Any]:
    """Everything the reader of the link follows or leaves out, the oldest first."""
    return _told(request)


@router.post(
    "reader/follows/",
    response=ANSWERS,
    url_name="follows",
    summary="Follow a query, or leave it out",
    exclude_none=True,
)
@decorate_view(guarded)
def add_follow(request: HttpRequest, wanted: Body[NewFollow]) -> dict[str, Any]:
    """Add a query. Adding it twice changes nothing; another stance replaces the previous one."""
    before = preferences_of(reader_asking(request))
    form = FollowForm({"q": wanted.query}, known=interests.every_follow(before))
    if not form.is_valid():
        raise HttpError(422, str(form.errors["q"].as_data()[0].messages[0]))
    try:
        return _change(request, interests.follow(before, wanted.interest, form.cleaned_data["q"], wanted.stance))
    except ValueError:
        raise HttpError(422, WHAT_TO_SEND["interest"]) from None


@router.delete(
    "reader/follows/", response=ANSWERS, url_name="follows", summary="Follow a query no more", exclude_none=True
)
@decorate_view(guarded)
def remove_follow(request: HttpRequest, unwanted: Body[Query]) -> dict[str, Any]:
    """The query as the list has it, of the interest it is of; one that is not there changes nothing."""
    before = preferences_of(reader_asking(request))
    return _change(request, interests.unfollow(before, unwanted.interest, unwanted.query))


def _change(request: HttpRequest, wanted: Preferences) -> dict[str, Any]:
    reader = reader_asking(request)
    lifecycle.change(reader, preferences=wanted, now=timezone.now(), method="api", origin=origin_of(request))
    return _told(request)


def _told(request: HttpRequest) -> dict[str, Any]:
    reader = reader_asking(request)
    first = reader.interests.filter(is_first=True).first()
    rows = reader.follows.select_related("interest")
    names = [(row, row.interest or first) for row in rows]
    return {
        "follows": [
            {"query": row.text, "stance": row.stance} | ({"interest": name.name} if name else {}) for row, name in names
        ]
    }


def reader_asking(request: HttpRequest) -> Subscriber:
    """Return the reader whose token came with the request."""
    reader: Subscriber = request.auth  # type: ignore[attr-defined]  # set by ninja from LinkAuth
    return reader
