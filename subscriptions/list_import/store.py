"""A batch of entries written: new readers with their consent, records of leaving, suppressions.

In: entries of one file. Out: rows, and what became of each entry. Readers we know stay as they are, unless the file
says that they left, bounced or complained since. One transaction; the same batch again adds nobody twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction

from subscriptions import csv_related_rows, lifecycle, schedule, suppression, token_links
from subscriptions.csv_preferences import muted_from, restore_muted
from subscriptions.lifecycle import ACTIVE, Origin
from subscriptions.list_import.bulk_rows import insert_rows
from subscriptions.list_import.entries import READERS, Entry
from subscriptions.list_import.states import Standing
from subscriptions.models import ConsentEvent, Follow, Subscriber, Suppression, TopicPreference
from subscriptions.preferences import Preferences, follow_rows, store_interests

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

METHOD = "import"
NEW, KNOWN, SUPPRESSED = "new", "known", "suppressed"


@dataclass(frozen=True)
class Batch:
    """Values that all entries of one batch share. ``proof``: of the file, into each consent record."""

    slugs: Mapping[str, int]
    proof: Mapping[str, Any]
    now: datetime
    are_welcomed: bool = False


@dataclass
class _Here:
    """Rows that are known here of the addresses of a batch."""

    readers: dict[str, Subscriber]
    self_confirmed: set[int]
    barred: set[str]


def store(entries: Sequence[Entry], batch: Batch) -> list[str]:
    """Write the entries; returns what each became: `NEW`, `KNOWN` or `SUPPRESSED`."""
    for attempt in (1, 2, 3):
        try:
            with transaction.atomic():
                here = _look_up(entries)
                outcomes = [_outcome(entry, here) for entry in entries]
                _write(entries, outcomes, here, batch)
        except IntegrityError:  # one of them signed up on the site this very moment: look again
            if attempt == 3:
                raise
        else:
            return outcomes
    raise AssertionError("unreachable")


def foresee(entries: Sequence[Entry]) -> list[str]:
    """Return what `store` would make of the entries. Writes nothing."""
    here = _look_up(entries)
    return [_outcome(entry, here) for entry in entries]


def _look_up(entries: Sequence[Entry]) -> _Here:
    found = Subscriber.objects.filter(address_key__in=[entry.address.key for entry in entries])
    readers = {str(reader.address_key): reader for reader in found}
    confirmed = ConsentEvent.objects.filter(
        subscriber__in=[reader.pk for reader in readers.values()], kind=ConsentEvent.Kind.CONFIRMED
    )
    barred = Suppression.objects.in_force().filter(address_hash__in=[entry.address_hash for entry in entries])
    return _Here(
        readers,
        set(confirmed.values_list("subscriber_id", flat=True)) if readers else set(),
        set(barred.values_list("address_hash", flat=True)),
    )


def _outcome(entry: Entry, here: _Here) -> str:
    known = here.readers.get(entry.address.key)
    if entry.standing not in READERS:
        return SUPPRESSED if known is None or known.state not in ACTIVE or _ended(entry, known, here) else KNOWN
    if entry.address_hash in here.barred:
        return SUPPRESSED
    if known is None:
        return NEW
    gone = (Subscriber.State.UNSUBSCRIBED, Subscriber.State.SUPPRESSED)
    return SUPPRESSED if known.state in gone else KNOWN


def _ended(entry: Entry, reader: Subscriber, here: _Here) -> bool:
    """Whether the line ends the subscription of a reader: not where they confirmed it here after that."""
    if entry.standing == Standing.BARRED:
        return True
    if entry.left_at is not None and reader.confirmed_at is not None:
        return entry.left_at >= reader.confirmed_at
    return entry.standing == Standing.COMPLAINED or reader.pk not in here.self_confirmed


def _write(entries: Sequence[Entry], outcomes: Sequence[str], here: _Here, batch: Batch) -> None:
    fresh = [
        entry
        for entry, outcome in zip(entries, outcomes, strict=True)
        if entry.state and entry.address.key not in here.readers and (outcome == NEW or entry.standing not in READERS)
    ]
    unique = {entry.address.key: entry for entry in fresh}
    _insert(list(unique.values()), batch)
    gone = [
        entry
        for entry, outcome in zip(entries, outcomes, strict=True)
        if outcome == SUPPRESSED and entry.standing not in READERS
    ]
    _end(gone, here, batch)
    _bar([entry for entry in gone if entry.reason], here, batch)


def _end(gone: Iterable[Entry], here: _Here, batch: Batch) -> None:
    """End the subscriptions of readers here whom the file knows as gone."""
    for entry in gone:
        reader = here.readers.get(entry.address.key)
        if reader is None or reader.state not in (*ACTIVE, Subscriber.State.PENDING):
            continue
        if entry.reason:
            suppression.suppress(reader, reason=entry.reason, source=METHOD, now=batch.now)
        else:
            lifecycle.unsubscribe(reader, now=batch.now, method=METHOD, origin=Origin())


def _bar(gone: Sequence[Entry], here: _Here, batch: Batch) -> None:
    """Put their addresses on the suppression list, all new ones at once."""
    listed = set(
        Suppression.objects.filter(address_hash__in=[entry.address_hash for entry in gone]).values_list(
            "address_hash", flat=True
        )
    )
    for entry in gone:
        if entry.address_hash in listed:
            suppression.bar_address(
                entry.address_hash, reason=entry.reason, source=METHOD, now=entry.left_at or batch.now
            )
    insert_rows(
        Suppression,
        (
            Suppression(
                address_hash=entry.address_hash,
                reason=entry.reason,
                source=METHOD,
                first_at=entry.left_at or batch.now,
                last_at=entry.left_at or batch.now,
            )
            for entry in {entry.address_hash: entry for entry in gone}.values()
            if entry.address_hash not in listed
        ),
    )


def _insert(entries: Sequence[Entry], batch: Batch) -> None:
    pairs = _insert_readers(entries, batch)
    insert_rows(
        TopicPreference,
        (
            TopicPreference(
                subscriber=reader,
                topic_id=batch.slugs[slug],
                stance=stance,
                muted_from=(entry.muted_from or {}).get(slug, ""),
            )
            for reader, entry in pairs
            for slug, stance in _preferences(entry).stances.items()
        ),
    )
    insert_rows(
        Follow,
        (one for reader, entry in pairs for one in follow_rows(reader, _preferences(entry).follows, now=batch.now)),
    )
    for reader, entry in pairs:
        if interests := _preferences(entry).interests:
            store_interests(reader, interests, now=batch.now)
            for one in entry.interests:
                restore_muted(reader, muted_from(one.get("topics", "")), interest=one["name"])
    csv_related_rows.store([(reader, entry.rows) for reader, entry in pairs if entry.rows])
    insert_rows(
        ConsentEvent,
        (
            ConsentEvent(
                subscriber=reader,
                kind=ConsentEvent.Kind.IMPORTED,
                at=batch.now,
                method=METHOD,
                source_url=entry.source,
                detail=_proof(entry, batch),
            )
            for reader, entry in pairs
        ),
    )


def _insert_readers(entries: Sequence[Entry], batch: Batch) -> list[tuple[Subscriber, Entry]]:
    """Rows of the readers with their keys, each with its entry."""
    readers = [_row(entry, batch) for entry in entries]
    insert_rows(Subscriber, readers)
    written = Subscriber.objects.filter(address_key__in=[reader.address_key for reader in readers])
    keys = dict(written.values_list("address_key", "pk"))
    for reader in readers:
        reader.pk = keys[reader.address_key]
    return list(zip(readers, entries, strict=True))


def _proof(entry: Entry, batch: Batch) -> dict[str, Any]:
    detail = {**batch.proof, "line": entry.line}
    detail["confirmed_at"] = entry.confirmed_at.isoformat() if entry.confirmed_at else ""
    if entry.written_source:
        detail["source"] = entry.written_source
    if entry.state != Subscriber.State.CONFIRMED:
        detail["state"] = entry.state
    return detail


def _preferences(entry: Entry) -> Preferences:
    return entry.preferences or Preferences()


def _row(entry: Entry, batch: Batch) -> Subscriber:
    token, token_hash = token_links.new_unsubscribe_token()
    is_confirmed = entry.state == Subscriber.State.CONFIRMED
    preferences = _preferences(entry)
    return Subscriber(
        email=entry.address.email,
        address_key=entry.address.key,
        address_hash=entry.address_hash,
        domain=entry.address.domain,
        state=entry.state,
        confirmed_at=entry.confirmed_at,
        left_at=None if entry.standing in READERS else entry.left_at or batch.now,
        paused_until=entry.paused_until,
        clicks_agreed_at=entry.clicks_agreed_at,
        welcome_due_at=batch.now if batch.are_welcomed and is_confirmed else None,
        next_due_at=_next_due(
            preferences.cadence, preferences.weekdays, preferences.hour, preferences.time_zone, batch.now
        )
        if is_confirmed
        else None,
        unsubscribe_token=token,
        unsubscribe_hash=token_hash,
        created_at=batch.now,
        **preferences.columns,
    )


@lru_cache(maxsize=4096)
def _next_due(cadence: str, weekdays: int, hour: int, zone: str, after: datetime) -> datetime:
    return schedule.next_due(cadence=cadence, weekdays=weekdays, hour=hour, zone=zone, after=after)
