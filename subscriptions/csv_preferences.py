"""The preferences of one reader in the cells of a CSV line, read and written.

In: cells by the names of their columns. Out: preferences, or Refused with what is wrong. Next: list_import, csv_export.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from subscriptions import follows, schedule
from subscriptions.interests import checked
from subscriptions.models import InterestTopic, Subscriber, TopicPreference
from subscriptions.preferences import NamedInterest, Preferences

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from django.db.models import QuerySet


class Refused(Exception):
    """A line that is not imported; the message says why."""


def preferences_in(cells: dict[str, str], *, topics: dict[str, int]) -> Preferences:
    """Read the preferences of one line; ``topics`` has the slugs there are. Raises Refused with what is wrong."""
    base = Preferences()
    preferences = Preferences(
        cadence=cells.get("cadence") or base.cadence,
        time_zone=cells.get("time_zone") or base.time_zone,
        language=(cells.get("language") or base.language)[:8],
        hour=_number(cells, "hour", base.hour, (0, 23)),
        weekdays=_number(cells, "weekdays", base.weekdays, (1, 127)),
        max_papers=_number(cells, "max_papers", base.max_papers, (1, 50)),
        thin_policy=_choice(cells, "thin_policy", base.thin_policy, Subscriber.ThinPolicy.values),
        mail_format=_choice(cells, "mail_format", base.mail_format, Subscriber.MailFormat.values),
        wants_outside=_choice(cells, "wants_outside", str(base.wants_outside), ["True", "False"]) == "True",
        wants_news=_choice(cells, "wants_news", str(base.wants_news), ["True", "False"]) == "True",
        wants_also=_choice(cells, "wants_also", str(base.wants_also), ["True", "False"]) == "True",
        wants_reasons=_choice(cells, "wants_reasons", str(base.wants_reasons), ["True", "False"]) == "True",
        stances=_stances(cells.get("topics", ""), known=topics),
        follows=_follows(cells.get("follows", "")),
        interests=_interests(cells.get("interests", ""), known=topics),
    )
    if preferences.cadence not in Subscriber.Cadence.values:
        raise Refused(f"cadence: not one of {', '.join(Subscriber.Cadence.values)}")
    if not schedule.is_zone(preferences.time_zone):
        raise Refused("time_zone is not an IANA name such as Europe/Berlin")
    return preferences


def _follows(cell: str) -> dict[str, str]:
    try:
        return follows.from_cell(cell)
    except ValueError as error:
        raise Refused(f"follows: {error}") from None


def _stances(cell: str, *, known: Collection[str]) -> dict[str, str]:
    stances = {}
    for word in cell.split():
        slug, stance, *_rest = [*word.split(":"), ""]
        stances[slug] = stance or TopicPreference.Stance.FOLLOW.value
        if slug not in known:
            raise Refused(f"topics: no topic {slug!r}")
        if stances[slug] not in TopicPreference.Stance.values:
            raise Refused(f"topics: {stance!r} is not one of {', '.join(TopicPreference.Stance.values)}")
    return stances


def muted_from(cell: str) -> dict[str, str]:
    """Topic -> the stance to restore when a one-tap mute is undone: the third part of ``slug:mute:follow``."""
    found = {}
    for word in cell.split():
        slug, _stance, before, *_rest = [*word.split(":"), "", ""]
        if before and before not in TopicPreference.Stance.values:
            raise Refused(f"topics: {before!r} is not one of {', '.join(TopicPreference.Stance.values)}")
        found[slug] = before
    return found


def topics_cell(rows: Iterable[TopicPreference | InterestTopic]) -> str:
    """Return the cell of these topics, for `preferences_in` and `muted_from`."""
    return " ".join(topic_words(one.topic.slug, one.stance, one.muted_from) for one in rows)


def topic_words(slug: str, stance: str, muted_from: str) -> str:
    """Return one topic as `topics_cell` writes it: ``slug:mute:follow``."""
    return f"{slug}:{stance}" + (f":{muted_from}" if muted_from else "")


def restore_muted(reader: Subscriber, before: Mapping[str, str], *, interest: str = "") -> None:
    """Write the stances that undoing a mute restores, of the interest of that name or of the first; by topic."""
    rows: QuerySet[Any] = TopicPreference.objects.filter(subscriber=reader)
    if interest:
        rows = InterestTopic.objects.filter(interest__subscriber=reader, interest__name=interest)
    for slug, stance in before.items():
        rows.filter(topic__slug=slug).update(muted_from=stance)


def interests_cell(reader: Subscriber) -> str:
    """The reader's interests, where they keep several apart, as JSON; their topics in the words of `topics_cell`."""
    told = [
        {name: getattr(row, name) for name in NamedInterest("").columns}
        | {"topics": topics_cell(row.topics.all()), "follows": {one.text: one.stance for one in row.follows.all()}}
        for row in reader.interests.all()
    ]
    return json.dumps(told, ensure_ascii=False) if told else ""


def told_interests(cell: str) -> list[dict[str, Any]]:
    """The objects of a cell that `interests_cell` wrote."""
    try:
        found = json.loads(cell) if cell else []
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Refused('interests: not a JSON list such as [{"name": "thesis", "is_first": true}, {"name": "teaching"}]')
    return found


def _interests(cell: str, *, known: Collection[str]) -> tuple[NamedInterest, ...]:
    found = []
    for one in told_interests(cell):
        stances = _stances(_text(one, "topics"), known=known)
        follows = _follows(json.dumps(one.get("follows") or {}))
        columns = {name: one[name] for name in NamedInterest("").columns if name in one}
        found.append(NamedInterest(**{"name": "", **columns}, stances=stances, follows=follows))
    try:
        return checked(found)
    except ValueError as error:
        raise Refused(f"interests: {error}") from None


def _text(told: dict[str, Any], name: str) -> str:
    value = told.get(name, "")
    if not isinstance(value, str):
        raise Refused(f"interests: {name} is not text")
    return value


def _choice(cells: dict[str, str], name: str, default: str, choices: Sequence[str]) -> str:
    chosen = cells.get(name) or default
    if chosen not in choices:
        raise Refused(f"{name}: not one of {', '.join(choices)}")
    return chosen


def _number(cells: dict[str, str], name: str, default: int, bounds: tuple[int, int]) -> int:
    text = cells.get(name, "")
    if not text:
        return default
    low, high = bounds
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and low <= int(text) <= high):
        raise Refused(f"{name} is not a number from {low} to {high}")
    return int(text)
