"""A reader's preferences as one value: read from their rows, compared, stored.

In: a reader's rows, or what a form, a file or a consent record holds. Out: a frozen value, and rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.module_loading import import_string

from subscriptions.models import WEEKDAYS, Follow, Subscriber, Topic, TopicPreference, site_language

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True)
class Preferences:
    """What a reader wants to get, and when.

    ``stances``: topic slug -> follow, more or mute. ``follows``: query as typed -> follow or not.
    """

    cadence: str = Subscriber.Cadence.DAILY
    weekdays: int = WEEKDAYS
    hour: int = 8
    time_zone: str = "UTC"
    max_papers: int = 10
    thin_policy: str = Subscriber.ThinPolicy.SEND
    wants_outside: bool = True
    wants_news: bool = True
    mail_format: str = Subscriber.MailFormat.HTML
    language: str = field(default_factory=site_language)
    stances: Mapping[str, str] = field(default_factory=dict)
    follows: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in {"stances", "follows"}}


def preferences_of(subscriber: Subscriber) -> Preferences:
    """The preferences that the reader's rows hold now."""
    stances = dict(subscriber.preferences.order_by("topic__slug").values_list("topic__slug", "stance"))
    columns = {name: getattr(subscriber, name) for name in Preferences().columns}
    return Preferences(**columns, stances=stances, follows=dict(subscriber.follows.values_list("text", "stance")))


def mark_of(preferences: Preferences) -> str:
    """A short mark that is another for other preferences."""
    return hashlib.sha256(repr(sorted(asdict(preferences).items())).encode()).hexdigest()[:16]


def preferences_from(stored: Mapping[str, Any]) -> Preferences:
    """Preferences from what `asdict` wrote, also by an older or newer version: unknown names are ignored."""
    known = {one.name for one in fields(Preferences)}
    return Preferences(**{name: value for name, value in stored.items() if name in known})


def store_preferences(reader: Subscriber, preferences: Preferences, *, now: datetime) -> None:
    for name, value in preferences.columns.items():
        setattr(reader, name, value)
    reader.save(update_fields=list(preferences.columns))
    reader.preferences.exclude(topic__slug__in=preferences.stances).delete()
    _store_stances(reader, preferences)
    _store_follows(reader, preferences, now=now)


def _store_stances(reader: Subscriber, preferences: Preferences) -> None:
    wanted = (
        dict(Topic.objects.filter(slug__in=preferences.stances).values_list("pk", "slug"))
        if preferences.stances
        else {}
    )
    TopicPreference.objects.bulk_create(
        [
            TopicPreference(subscriber=reader, topic_id=pk, stance=preferences.stances[slug])
            for pk, slug in wanted.items()
        ],
        update_conflicts=True,
        unique_fields=["subscriber", "topic"],
        update_fields=["stance"],
    )


def _store_follows(reader: Subscriber, preferences: Preferences, *, now: datetime) -> None:
    """What cannot be read any more stays where it is there."""
    rows = follow_rows(reader, preferences.follows, now=now)
    reader.follows.exclude(key__in=[row.key for row in rows]).exclude(text__in=preferences.follows).delete()
    Follow.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["subscriber", "key"], update_fields=["stance"]
    )


def follow_rows(reader: Subscriber, follows: Mapping[str, str], *, now: datetime) -> list[Follow]:
    """Rows, not stored, of the queries that can be read; two texts that mean the same are one."""
    rows: dict[str, Follow] = {}
    for text, stance in follows.items():
        try:
            key = follow_key(text)
        except ValueError:
            continue  # it names a topic that is gone
        rows[key] = Follow(subscriber=reader, text=text, key=key, stance=stance, at=now)
    return list(rows.values())


def follow_key(text: str) -> str:
    """The key of a query to follow; ValueError with a sentence that says what is wrong with it."""
    key: str = import_string(settings.READ_FOLLOW)(text)
    return key
