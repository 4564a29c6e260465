"""Readers out as CSV, for operators who move to another Paperboy or leave for another system.

In: the states of readers. Out: lines that a spreadsheet can open safely, and that `import_readers` takes back as they
were: who left or complained comes in as that, and gets no mail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Prefetch

from subscriptions import csv_rows, follows
from subscriptions.csv_cells import safe_cell
from subscriptions.csv_preferences import interests_cell, topics_cell
from subscriptions.models import ConsentEvent, Subscriber, Suppression
from subscriptions.preferences import Preferences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

CHUNK = 100  # readers, with their libraries
REQUIRED = ("email", "confirmed_at", "consent_source")
PREFERENCES = ("topics", "follows", "interests", *Preferences().columns)
HISTORY = ("state", "left_at", "paused_until", "clicks_agreed_at", "suppressed_for")
COLUMNS = (*REQUIRED, *PREFERENCES, *csv_rows.COLUMNS, *HISTORY)


def export_lines(*, states: Iterable[str]) -> Iterator[list[str]]:
    """The header, then one row per reader in these states. Memory does not grow with the readers."""
    yield [*COLUMNS]
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
        barred = dict(
            Suppression.objects.in_force()
            .filter(address_hash__in=[reader.address_hash for reader in chunk])
            .values_list("address_hash", "reason")
        )
        rows = csv_rows.cells_of([reader.pk for reader in chunk])
        for reader in chunk:
            cells = _cells(reader, rows.get(reader.pk, {}), reason=barred.get(reader.address_hash, ""))
            yield [safe_cell(cell) for cell in cells]
        after = chunk[-1].pk


def _cells(reader: Any, rows: Mapping[str, str], *, reason: str) -> Iterator[str]:
    last = reader.consents[-1] if reader.consents else None
    yield reader.email
    yield _iso(reader.confirmed_at)
    yield (last.source_url or last.method) if last else ""
    yield topics_cell(reader.preferences.all())
    yield follows.as_cell({one.text: one.stance for one in reader.follows.all() if one.interest_id is None})
    yield interests_cell(reader)
    for name in Preferences().columns:
        yield str(getattr(reader, name))
    for name in csv_rows.COLUMNS:
        yield rows.get(name, "")
    yield reader.state
    for name in ("left_at", "paused_until", "clicks_agreed_at"):
        yield _iso(getattr(reader, name))
    yield reason


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
