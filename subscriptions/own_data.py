"""A reader's own data, as `gdpr.export` writes it, brought to another Paperboy or back to this one.

In: the bytes of such a file, and a reader. Out: their preferences made what the file says, what they told of papers
added, and a sentence for each part that this site cannot take. Bringing a file twice changes nothing the second time.
Consents, a pause and the history of another site stay there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from subscriptions import csv_related_rows, follows, lifecycle
from subscriptions.csv_preferences import Refused, muted_from, preferences_in, restore_muted, topic_words
from subscriptions.follows import MOST_FOLLOWS
from subscriptions.interests import checked
from subscriptions.models import Subscriber, Topic
from subscriptions.preferences import NamedInterest, Preferences, preferences_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from subscriptions.lifecycle import Origin

MOST_ROWS = 10_000  # of one kind and reader
# What the file calls rows -> the column of the readers' CSV that has the same.
TABLES = {"libraryentry": "library", "verdict": "verdicts", "profileremoval": "removals", "catchup": "catch_ups"}


@dataclass(slots=True)
class Brought:
    """What came of a file: rows added by column, and sentences on what was left out."""

    added: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def bring(reader: Subscriber, data: bytes, *, now: datetime, method: str, origin: Origin) -> Brought:
    """Take over what the file says. Raises ValueError, in a sentence for the reader, when it is no such file."""
    told, brought = _read(data), Brought()
    wishes = _Wishes(told, brought.left_out)
    with transaction.atomic():
        wanted = wishes.preferences(preferences_of(reader))
        lifecycle.change(reader, preferences=wanted, now=now, method=method, origin=origin)
        for interest, words in wishes.topic_words.items():
            restore_muted(reader, muted_from(words), interest=interest)
        before = _counts(reader)
        rows = {column: _rows(told, table, brought, room=MOST_ROWS - before[column], now=now)
                for table, column in TABLES.items()}  # fmt: skip
        unknown = csv_related_rows.store([(Subscriber.objects.get(pk=reader.pk), rows)])
        brought.added = {column: count - before[column] for column, count in _counts(reader).items()}
    if unknown:
        brought.left_out.append(
            ngettext(
                "%d verdict or removal names a paper that this site does not have.",
                "%d verdicts and removals name papers that this site does not have.",
                unknown,
            )
            % unknown
        )
    return brought


def _read(data: bytes) -> dict[str, Any]:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("subscriber"), dict):
        raise ValueError(_("This is not the file that “Download everything (JSON)” gives. Download it again there."))
    return told


def _listed(told: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = told.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


class _Wishes:
    """The preferences that a file holds, each part of them by itself: one that cannot be read costs the others nothing.

    ``topic_words``: name of an interest, empty for the first, -> its topics in the words of the readers' CSV.
    """

    def __init__(self, told: Mapping[str, Any], left_out: list[str]) -> None:
        self._told, self._left_out = told, left_out
        self._topics = dict(Topic.objects.values_list("slug", "pk"))
        self._follows = 0
        self.topic_words: dict[str, str] = {}

    def preferences(self, before: Preferences) -> Preferences:
        """What the reader wants from now on; ``before`` counts where the file says nothing."""
        wanted = before
        for name in before.columns.keys() & self._told["subscriber"].keys():
            value = str(self._told["subscriber"][name])
            try:
                read = preferences_in({name: value}, topics={}) if value.isprintable() else None
            except Refused:
                read = None
            if read is None:
                self._left_out.append(_("“%s” cannot be read, and stays as it is here.") % name)
            else:
                wanted = replace(wanted, **{name: getattr(read, name)})
        if "topicpreference" in self._told:
            wanted = replace(wanted, stances=self._stances("", _listed(self._told, "topicpreference")))
        if "follow" in self._told:
            wanted = replace(wanted, follows=self._followed(""))
        return replace(wanted, interests=self._interests()) if "interest" in self._told else wanted

    def _stances(self, interest: str, rows: Iterable[Mapping[str, Any]]) -> dict[str, str]:
        words = []
        for row in rows:
            word = topic_words(str(row.get("slug")), str(row.get("stance")), str(row.get("muted_from") or ""))
            try:
                muted_from(word)
                words += [word] if preferences_in({"topics": word}, topics=self._topics).stances else []
            except Refused:
                self._left_out.append(_("This site has no topic “%s”.") % (row.get("topic") or row.get("slug")))
        self.topic_words[interest] = " ".join(words)
        return dict(preferences_in({"topics": self.topic_words[interest]}, topics=self._topics).stances)

    def _followed(self, interest: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for row in _listed(self._told, "follow"):
            if str(row.get("interest") or "") != interest:
                continue
            try:
                query = follows.from_cell(json.dumps({str(row.get("text")): row.get("stance")}))
            except ValueError:
                query = {}
            self._follows += len(query)
            if not query or self._follows > MOST_FOLLOWS:
                self._left_out.append(_("“%s” cannot be followed here.") % row.get("text"))
            else:
                found |= query
        return found

    def _interests(self) -> tuple[NamedInterest, ...]:
        found = []
        for row in sorted(_listed(self._told, "interest"), key=lambda row: str(row.get("position")).zfill(9)):
            columns = {name: row[name] for name in NamedInterest("").columns if name in row}
            one = NamedInterest(**{"name": "", **columns})
            if not one.is_first:
                name = str(one.name)
                one = replace(one, stances=self._stances(name, _listed(row, "topics")), follows=self._followed(name))
            found.append(one)
        try:
            return checked(found)
        except ValueError as error:
            self._left_out.append(_("Your interests are not kept apart: %s") % error)
            return ()


def _rows(told: Mapping[str, Any], table: str, brought: Brought, *, room: int, now: datetime) -> list[Any]:
    """Rows of one kind that can be read and find room, in the shape of the readers' CSV."""
    shape, found, refused = csv_related_rows.shapes()[TABLES[table]], [], 0
    waiting = [row for row in _listed(told, table) if not row.get("local_on")]  # of catch-ups, those still owed
    for row in waiting:
        named = row | {"title": row.get("title") or row.get("paper") or "", "topic": row.get("topic_slug") or ""}
        cell = {name: named[name] for name in shape.model_fields if named.get(name) is not None}
        try:
            found.append(shape.model_validate(cell))
        except ValueError:
            refused += 1
    if refused or len(found) > room:
        number = refused + max(0, len(found) - room)
        words = _("%(number)d entries of “%(kind)s” cannot be read or find no room.")
        brought.left_out.append(words % {"number": number, "kind": table})
    for one in found:
        if hasattr(one, "at"):
            one.at = min(one.at, now)
    return found[: max(0, room)]


def _counts(reader: Subscriber) -> dict[str, int]:
    """Rows of the reader by column."""
    return {
        TABLES[name]: one.related_model._default_manager.filter(**{one.field.name: reader}).count()
        for one in Subscriber._meta.related_objects
        if (name := str(one.related_model._meta.model_name)) in TABLES
    }
