"""The interests that a reader keeps apart, for a program of theirs: read and set with the token of their link.

In: JSON and `Authorization: Bearer TOKEN`, as for what they follow. Out: all of them, in the order of the digest; an
empty list for a reader who keeps none apart.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Body, Router, Schema
from ninja.decorators import decorate_view
from ninja.errors import HttpError
from pydantic import BaseModel, ConfigDict, Field

from subscriptions import lifecycle
from subscriptions.follows import MOST_FOLLOWS
from subscriptions.follows_api import LinkAuth, reader_asking
from subscriptions.interests import MOST, checked, every_follow
from subscriptions.models import Follow, Interest, Subscriber, Topic
from subscriptions.preferences import NamedInterest, Preferences, follow_key, preferences_of
from subscriptions.signup_api import Message, guarded
from subscriptions.views.guards import origin_of

WHAT_TO_SEND = {
    "name": f"name: give a name of at most {Interest.LONGEST_NAME} characters.",
    "share": "share: give a whole number from 1 to 100, or null for as much as the others without a share.",
    "unit": "unit: give percent or papers.",
    "is_first": "is_first: give true for the one that has what the reader had before, false for the others.",
    "is_on": "is_on: give true or false.",
    "topics": "topics: give an object of slugs of our topics, each with follow, more or mute.",
    "follows": f"follows: give an object of at most {MOST_FOLLOWS} queries in all, each with follow or not.",
    "": f"Send a JSON object with interests: a list of two to {MOST}, one of them the first, or an empty one.",
}


class OneInterest(BaseModel):
    """One interest. Topics and follows that are left out stay as they are."""

    model_config = ConfigDict(extra="forbid")

    name: str
    is_first: Annotated[bool, Field(strict=True)] = False
    is_on: Annotated[bool, Field(strict=True)] = True
    share: Annotated[int, Field(strict=True)] | None = None
    unit: Literal["percent", "papers"] = "percent"
    topics: dict[str, Literal["follow", "more", "mute"]] | None = None
    follows: dict[str, Literal["follow", "not"]] | None = None


class Interests(BaseModel):
    """All interests that a reader keeps apart, in the order of the digest."""

    model_config = ConfigDict(extra="forbid")

    interests: list[OneInterest]


class Told(Schema):
    interests: list[OneInterest]


router = Router(tags=["Readers"], auth=LinkAuth())
ANSWERS: dict[Any, Any] = {200: Told, (400, 401, 413, 422, 500): Message}


@router.get("reader/interests/", response=ANSWERS, url_name="interests", summary="The interests a reader keeps apart")
@decorate_view(guarded)
def list_interests(request: HttpRequest) -> dict[str, Any]:
    """List the interests, each with its share, topics and queries; none for a reader who keeps none apart."""
    return _told(reader_asking(request))


@router.put("reader/interests/", response=ANSWERS, url_name="interests", summary="Set the interests of a reader")
@decorate_view(guarded)
def set_interests(request: HttpRequest, wanted: Body[Interests]) -> dict[str, Any]:
    """Make the reader's interests these. Where one of as many names differs, it is renamed; the first stays."""
    reader = reader_asking(request)
    preferences = _preferences(preferences_of(reader), wanted.interests)
    lifecycle.change(reader, preferences=preferences, now=timezone.now(), method="api", origin=origin_of(request))
    return _told(reader)


def _preferences(before: Preferences, wanted: list[OneInterest]) -> Preferences:
    there = {one.name: one for one in before.interests}
    first = next((one for one in wanted if one.is_first), None)
    named = [_interest(one, there.get(one.name, NamedInterest(one.name))) for one in wanted]
    try:
        changed = replace(before, interests=checked(named))
    except ValueError as error:
        raise HttpError(422, str(error)) from None
    if first is not None and first.topics is not None:
        changed = replace(changed, stances=_topics(first.topics))
    if first is not None and first.follows is not None:
        changed = replace(changed, follows=_follows(first.follows))
    if len(every_follow(changed)) > MOST_FOLLOWS:
        raise HttpError(422, WHAT_TO_SEND["follows"])
    return changed


def _interest(one: OneInterest, before: NamedInterest) -> NamedInterest:
    columns = one.model_dump(include={"name", "is_first", "is_on", "share", "unit"})
    if one.is_first:
        return NamedInterest(**columns)
    stances = before.stances if one.topics is None else _topics(one.topics)
    follows = before.follows if one.follows is None else _follows(one.follows)
    return NamedInterest(**columns, stances=stances, follows=follows)


def _topics(topics: dict[str, Any]) -> dict[str, str]:
    if Topic.objects.filter(slug__in=topics).count() < len(topics):
        raise HttpError(422, WHAT_TO_SEND["topics"])
    return dict(topics)


def _follows(follows: dict[str, Any]) -> dict[str, str]:
    if any(len(query) > Follow.LONGEST for query in follows):
        raise HttpError(422, WHAT_TO_SEND["follows"])
    try:
        return {query: stance for query, stance in follows.items() if follow_key(query)}
    except ValueError as error:
        raise HttpError(422, str(error)) from None


def _told(reader: Subscriber) -> dict[str, Any]:
    preferences = preferences_of(reader)
    return {
        "interests": [
            {
                **one.columns,
                "topics": preferences.stances if one.is_first else one.stances,
                "follows": preferences.follows if one.is_first else one.follows,
            }
            for one in preferences.interests
        ]
    }
