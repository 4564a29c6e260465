"""A reader's preferences as one value: read from their rows, compared, stored.

In: a reader's rows, or what a form, a file or a consent record holds. Out: a frozen value, and rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.module_loading import import_string

from subscriptions.models import (
    WEEKDAYS,
    Follow,
    Interest,
    InterestTopic,
    Subscriber,
    Topic,
    TopicPreference,
    site_language,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


@dataclass(frozen=True)
class NamedInterest:
    """One of the several interests of a reader. The first has the stances and follows of the `Preferences` it is of."""

    name: str
    is_first: bool = False
    is_on: bool = True
    share: int | None = None  # None: as much as the others without one
    unit: str = Interest.Unit.PERCENT
    stances: Mapping[str, str] = field(default_factory=dict)
    follows: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in {"stances", "follows"}}


@dataclass(frozen=True)
class Preferences:
    """What a reader wants to get, and when.

    ``stances``: topic slug -> follow, more or mute. ``follows``: query as typed -> follow or not. ``interests``: in
    the order of the digest; empty for a reader who keeps none apart.
    """

    cadence: str = Subscriber.Cadence.DAILY
    weekdays: int = WEEKDAYS
    hour: int = 8
    time_zone: str = "UTC"
    max_papers: int = 10
    thin_policy: str = Subscriber.ThinPolicy.SEND
    wants_outside: bool = True
    wants_news: bool = True
    wants_also: bool = True
    wants_reasons: bool = False
    mail_format: str = Subscriber.MailFormat.HTML
    language: str = field(default_factory=site_language)
    stances: Mapping[str, str] = field(default_factory=dict)
    follows: Mapping[str, str] = field(default_factory=dict)
    interests: tuple[NamedInterest, ...] = ()

    @property
    def columns(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in ELSEWHERE}


ELSEWHERE = frozenset({"stances", "follows", "interests"})  # in rows of their own


def preferences_of(subscriber: Subscriber) -> Preferences:
    """The preferences that the reader's rows hold now."""
    stances = dict(subscriber.preferences.order_by("topic__slug").values_list("topic__slug", "stance"))
    follows = dict(subscriber.follows.filter(interest=None).values_list("text", "stance"))
    columns = {name: getattr(subscriber, name) for name in Preferences().columns}
    return Preferences(**columns, stances=stances, follows=follows, interests=_interests_of(subscriber))


def _interests_of(subscriber: Subscriber) -> tuple[NamedInterest, ...]:
    return tuple(
        NamedInterest(
            **{name: getattr(row, name) for name in NamedInterest("").columns},
            stances=dict(row.topics.order_by("topic__slug").values_list("topic__slug", "stance")),
            follows={one.text: one.stance for one in row.follows.all()},
        )
        for row in subscriber.interests.all()
    )


def mark_of(preferences: Preferences) -> str:
    """Short digest of preferences that changes when they do."""
    return hashlib.sha256(repr(sorted(asdict(preferences).items())).encode()).hexdigest()[:16]


def preferences_from(stored: Mapping[str, Any]) -> Preferences:
    """Preferences from what `asdict` wrote, also by an older or newer version: unknown names are ignored."""
    interests = tuple(_known(NamedInterest, one) for one in stored.get("interests", ()))
    found: Preferences = _known(Preferences, {**stored, "interests": interests})
    return found


def _known(kind: type[Any], stored: Mapping[str, Any]) -> Any:
    names = {one.name for one in fields(kind)}
    return kind(**{name: value for name, value in stored.items() if name in names})


def store_preferences(reader: Subscriber, preferences: Preferences, *, now: datetime) -> None:
    """Make the reader's rows say this. What an interest removed had collected counts for the first."""
    for name, value in preferences.columns.items():
        setattr(reader, name, value)
    reader.save(update_fields=list(preferences.columns))
    reader.preferences.exclude(topic__slug__in=preferences.stances).delete()
    _store_stances(TopicPreference, "subscriber", reader, preferences.stances)
    _store_follows(reader, preferences.follows, now=now)
    store_interests(reader, preferences.interests, now=now)


def _store_stances(model: type[Any], owner: str, row: Subscriber | Interest, stances: Mapping[str, str]) -> None:
    wanted = dict(Topic.objects.filter(slug__in=stances).values_list("pk", "slug")) if stances else {}
    model._default_manager.bulk_create(
        [model(**{owner: row, "topic_id": pk, "stance": stances[slug]}) for pk, slug in wanted.items()],
        update_conflicts=True,
        unique_fields=[owner, "topic"],
        update_fields=["stance"],
    )


def _store_follows(
    reader: Subscriber, follows: Mapping[str, str], *, interest: Interest | None = None, now: datetime
) -> None:
    """What cannot be read any more stays where it is there. A query followed for another interest is moved here."""
    rows = follow_rows(reader, follows, interest=interest, now=now)
    mine = reader.follows.filter(interest=interest)
    mine.exclude(key__in=[row.key for row in rows]).exclude(text__in=follows).delete()
    Follow.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["subscriber", "key"], update_fields=["stance", "interest"]
    )


def store_interests(reader: Subscriber, interests: Sequence[NamedInterest], *, now: datetime) -> None:
    """Make the reader's interests these, in this order. Where as many are wanted as are there, new names rename."""
    there = list(reader.interests.all())
    if not there and not interests:
        return
    row_of = _rows_by_wanted_name(there, interests)
    kept = [row.pk for row in row_of.values()]
    reader.interests.exclude(pk__in=kept).delete()
    reader.interests.update(is_first=False)
    for position, one in enumerate(interests):
        row = row_of.get(one.name) or Interest(subscriber=reader)
        for name, value in {**one.columns, "position": position}.items():
            setattr(row, name, value)
        row.save()
        row.topics.exclude(topic__slug__in=one.stances).delete()
        _store_stances(InterestTopic, "interest", row, one.stances)
        if not one.is_first:
            _store_follows(reader, one.follows, interest=row, now=now)


def _rows_by_wanted_name(there: Sequence[Interest], interests: Sequence[NamedInterest]) -> dict[str, Interest]:
    known, wanted = {row.name: row for row in there}, {one.name for one in interests}
    found = {name: row for name, row in known.items() if name in wanted}
    if len(there) == len(interests):
        new = (one.name for one in interests if one.name not in known)
        found |= zip(new, (row for row in there if row.name not in wanted), strict=True)
    return found


def follow_rows(
    reader: Subscriber, follows: Mapping[str, str], *, interest: Interest | None = None, now: datetime
) -> list[Follow]:
    """Unsaved rows of the queries that can be read; two texts that mean the same give one."""
    rows: dict[str, Follow] = {}
    for text, stance in follows.items():
        try:
            key = follow_key(text)
        except ValueError:
            continue  # it names a topic that is gone
        rows[key] = Follow(subscriber=reader, text=text, key=key, stance=stance, interest=interest, at=now)
    return list(rows.values())


def follow_key(text: str) -> str:
    """The key of a query to follow; ValueError with a sentence that says what is wrong with it."""
    key: str = import_string(settings.READ_FOLLOW)(text)
    return key
