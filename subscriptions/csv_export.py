"""Readers out as CSV, for operators who move to another Paperboy or leave for another system.

In: the states of readers. Out: lines that a spreadsheet can open safely, and that `import_readers` takes back as they
were: who left or complained comes in as that, and gets no mail; or lines that Mailchimp or listmonk takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import chain
from typing import TYPE_CHECKING, Any

from django.db.models import Prefetch

from subscriptions import csv_related_rows, follows
from subscriptions.csv_cells import safe_cell
from subscriptions.csv_preferences import interests_cell, topics_cell
from subscriptions.models import ConsentEvent, Subscriber, Suppression, TopicPreference
from subscriptions.preferences import Preferences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

CHUNK = 100  # readers, with their libraries
REQUIRED = ("email", "confirmed_at", "consent_source")
PREFERENCES = ("topics", "follows", "interests", *Preferences().columns)
HISTORY = ("state", "left_at", "paused_until", "clicks_agreed_at", "suppressed_for")
COLUMNS = (*REQUIRED, *PREFERENCES, *csv_related_rows.COLUMNS, *HISTORY)
_PLUS = re.compile(r"\+[\w.+-]+@[\w.-]+")


def export_lines(*, states: Iterable[str]) -> Iterator[list[str]]:
    """The header, then one row per reader in these states. Memory does not grow with the readers."""
    yield [*COLUMNS]
    for chunk in _chunks(states):
        barred = dict(
            Suppression.objects.in_force()
            .filter(address_hash__in=[reader.address_hash for reader in chunk])
            .values_list("address_hash", "reason")
        )
        rows = csv_related_rows.cells_of([reader.pk for reader in chunk])
        for reader in chunk:
            cells = _cells(reader, rows.get(reader.pk, {}), reason=barred.get(reader.address_hash, ""))
            yield [safe_cell(cell) for cell in cells]


def export_lines_for(program: str, *, states: Iterable[str]) -> Iterator[list[str]]:
    """The header that `PROGRAMS` names, then one row per reader. One list there is of one state: it is said on import.

    A reader whose address a spreadsheet would calculate is left out: an apostrophe would make it somebody else's.
    """
    columns = PROGRAMS[program]
    yield [*columns]
    for reader in chain.from_iterable(_chunks(states)):
        if reader.email == safe_cell(reader.email) or _PLUS.fullmatch(reader.email):
            yield [reader.email, *(safe_cell(read(reader)) for read in [*columns.values()][1:])]


def _chunks(states: Iterable[str]) -> Iterator[list[Any]]:
    """Readers in these states, some at a time, with what their lines are made of."""
    consents = ConsentEvent.objects.filter(kind__in=[ConsentEvent.Kind.CONFIRMED, ConsentEvent.Kind.IMPORTED])
    readers = (
        Subscriber.objects.filter(state__in=list(states), email__isnull=False)
        .order_by("pk")
        .prefetch_related(
            "preferences__topic",
            "follows",
            "interests__topics__topic",
            "interests__follows",
            Prefetch("consent_events", consents, to_attr="consents"),
        )
    )
    after = 0
    while chunk := list(readers.filter(pk__gt=after)[:CHUNK]):
        yield chunk
        after = chunk[-1].pk


def _cells(reader: Any, rows: Mapping[str, str], *, reason: str) -> Iterator[str]:
    yield reader.email
    yield _iso(reader.confirmed_at)
    yield _source(reader)
    yield topics_cell(reader.preferences.all())
    yield follows.as_cell({one.text: one.stance for one in reader.follows.all() if one.interest_id is None})
    yield interests_cell(reader)
    for name in Preferences().columns:
        yield str(getattr(reader, name))
    for name in csv_related_rows.COLUMNS:
        yield rows.get(name, "")
    yield reader.state
    for name in ("left_at", "paused_until", "clicks_agreed_at"):
        yield _iso(getattr(reader, name))
    yield reason


def _source(reader: Any) -> str:
    last = reader.consents[-1] if reader.consents else None
    return (last.source_url or last.method) if last else ""


def _followed(reader: Any) -> list[str]:
    return [one.topic.slug for one in reader.preferences.all() if one.stance != TopicPreference.Stance.MUTE]


def _attributes(reader: Any) -> str:
    """What listmonk keeps as JSON beside an address."""
    told = {"topics": _followed(reader), "cadence": reader.cadence, "time_zone": reader.time_zone}
    told |= {"language": reader.language, "confirmed_at": _iso(reader.confirmed_at), "consent_source": _source(reader)}
    return json.dumps(told, ensure_ascii=False)


# Program -> heading -> how the cell is read; the address comes first.
PROGRAMS: dict[str, dict[str, Callable[[Any], str]]] = {
    "mailchimp": {
        "Email Address": lambda reader: str(reader.email),
        "Tags": lambda reader: ",".join([*_followed(reader), reader.cadence]),
        "CONFIRM_TIME": lambda reader: _iso(reader.confirmed_at),
        "SOURCE": _source,
    },
    "listmonk": {
        "email": lambda reader: str(reader.email),
        "name": lambda reader: "",
        "attributes": _attributes,
    },
}


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
