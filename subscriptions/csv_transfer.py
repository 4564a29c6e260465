"""Readers in and out as CSV, for operators who come from another system or leave for one.

In: lines of a file with one reader each and the proof of their consent; or nothing. Out: readers in the state they had
and a reason for every line refused; or lines that a spreadsheet can open safely. Importing the same file twice adds
nobody twice, and what was exported comes back as it was: who left or complained comes in as that, and gets no mail.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import Prefetch

from subscriptions import follows, lifecycle, suppression, token_links
from subscriptions.addresses import Address, parse_address
from subscriptions.csv_cells import plain_cell, safe_cell
from subscriptions.csv_preferences import (
    Refused,
    interests_cell,
    muted_from,
    preferences_in,
    told_interests,
    topics_cell,
)
from subscriptions.lifecycle import ACTIVE
from subscriptions.models import ConsentEvent, Follow, InterestTopic, Subscriber, Suppression, Topic, TopicPreference
from subscriptions.preferences import Preferences, follow_rows, store_interests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

CHUNK = 1000
REQUIRED = ("email", "confirmed_at", "consent_source")
PREFERENCES = ("topics", "follows", "interests", *Preferences().columns)
HISTORY = ("state", "left_at", "paused_until", "clicks_agreed_at", "suppressed_for")
STATES = frozenset(Subscriber.State.values) - {Subscriber.State.PENDING, Subscriber.State.ERASED}
COLUMNS = (*REQUIRED, *PREFERENCES, *HISTORY)


class UnreadableFile(Exception):
    """The file as a whole cannot be imported; the message says why."""


@dataclass(frozen=True)
class Refusal:
    line: int
    email: str
    reason: str


@dataclass
class Tally:
    read: int = 0
    imported: int = 0
    refused: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Row:
    line: int
    address: Address
    address_hash: str
    confirmed_at: datetime | None
    source: str
    preferences: Preferences
    muted_from: dict[str, str]
    interests: list[dict[str, Any]]  # as told
    state: str
    left_at: datetime | None
    paused_until: datetime | None
    clicks_agreed_at: datetime | None
    suppressed_for: str


def import_readers(
    lines: Iterable[str],
    *,
    file_name: str,
    now: datetime,
    is_dry_run: bool = False,
    are_welcomed: bool = False,
    on_refusal: Callable[[Refusal], None] = lambda refusal: None,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> Tally:
    """Add the readers of a CSV file. Each must have confirmed elsewhere, and the file must say when and where.

    Readers we know stay as they are, whatever their state: who left here does not come back by a file. Their first
    digest is the regular one, at their hour; ``are_welcomed``: all of them get one at once.
    """
    tally, seen = Tally(), set[int]()
    topics = dict(Topic.objects.values_list("slug", "pk"))
    for chunk in _chunks(lines):
        rows: list[_Row] = []
        for line, cells in chunk:
            tally.read += 1
            try:
                row = _parse(cells, line=line, topics=topics, now=now)
                mark = int(row.address_hash[:16], 16)  # 8 bytes instead of an address: a million lines fit in memory
                if mark in seen:
                    raise Refused("twice in this file")
                seen.add(mark)
                rows.append(row)
            except Refused as refused:
                _refuse(tally, on_refusal, line=line, email=cells.get("email", ""), reason=str(refused))
        welcome_due_at = now if are_welcomed else None
        refused_rows = _store(
            rows, file_name=file_name, topics=topics, now=now, is_dry_run=is_dry_run, welcome_due_at=welcome_due_at
        )
        for row, reason in refused_rows:
            _refuse(tally, on_refusal, line=row.line, email=row.address.email, reason=reason)
        tally.imported += len(rows) - len(refused_rows)
        on_progress(len(chunk))
    return tally


def _chunks(lines: Iterable[str]) -> Iterator[list[tuple[int, dict[str, str]]]]:
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip().casefold() for name in next(reader, [])]
        missing = [name for name in REQUIRED if name not in header]
        if missing:
            raise UnreadableFile(f"The first line must name the columns; missing: {', '.join(missing)}.")
        unknown = [name for name in header if name not in COLUMNS]
        if unknown:
            raise UnreadableFile(f"Unknown columns: {', '.join(unknown)}. Known: {', '.join(COLUMNS)}.")
        chunk: list[tuple[int, dict[str, str]]] = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            chunk.append((reader.line_num, {name: plain_cell(cell) for name, cell in zip(header, cells, strict=False)}))
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk
    except (csv.Error, UnicodeDecodeError) as error:
        raise UnreadableFile(f"Line {reader.line_num}: {error}") from None


def _parse(cells: dict[str, str], *, line: int, topics: dict[str, int], now: datetime) -> _Row:
    try:
        address = parse_address(cells.get("email", ""))
    except ValueError as error:
        raise Refused(f"address: {error}") from None
    state = cells.get("state") or Subscriber.State.CONFIRMED
    if state not in STATES:
        raise Refused("state: not a reader there, nor somebody who left")
    is_reader = state in ACTIVE
    if is_reader and not cells.get("consent_source"):
        raise Refused("consent_source is empty: where did they agree?")
    confirmed_at = _moment(cells, "confirmed_at", now=now) if is_reader or cells.get("confirmed_at") else None
    reason = cells.get("suppressed_for", "") or (Suppression.Reason.ADMIN if state == "suppressed" else "")
    if reason and reason not in Suppression.Reason.values:
        raise Refused(f"suppressed_for: not one of {', '.join(Suppression.Reason.values)}")
    if state == Subscriber.State.PAUSED and not cells.get("paused_until"):
        raise Refused("paused_until is empty: until when?")
    left_at = _moment(cells, "left_at", now=now) if cells.get("left_at") else now
    return _Row(
        line=line,
        address=address,
        address_hash=token_links.address_hash(address.key),
        confirmed_at=confirmed_at,
        source=cells.get("consent_source", "")[:300],
        preferences=preferences_in(cells, topics=topics),
        muted_from=muted_from(cells.get("topics", "")),
        interests=told_interests(cells.get("interests", "")),
        state=state,
        left_at=None if is_reader else left_at,
        paused_until=_moment(cells, "paused_until", now=None) if cells.get("paused_until") else None,
        clicks_agreed_at=_moment(cells, "clicks_agreed_at", now=now) if cells.get("clicks_agreed_at") else None,
        suppressed_for="" if is_reader else reason,
    )


def _moment(cells: dict[str, str], name: str, *, now: datetime | None) -> datetime:
    """The instant in a cell; with ``now`` it must not lie ahead."""
    try:
        moment = datetime.fromisoformat(cells.get(name, ""))
    except ValueError:
        raise Refused(f"{name} is not a date and time such as 2026-03-18T09:30:00+01:00") from None
    if moment.tzinfo is None:
        raise Refused(f"{name} has no time zone")
    if moment.year < 1970:
        raise Refused(f"{name} lies before 1970")
    if now is not None and moment > now:
        raise Refused(f"{name} lies in the future")
    return moment


def _store(
    rows: list[_Row],
    *,
    file_name: str,
    topics: dict[str, int],
    now: datetime,
    is_dry_run: bool,
    welcome_due_at: datetime | None,
) -> list[tuple[_Row, str]]:
    """Insert a chunk in one transaction; returns the refused rows, each with the reason."""
    for attempt in (1, 2, 3):
        known = dict(
            Subscriber.objects.filter(address_key__in=[row.address.key for row in rows]).values_list(
                "address_key", "state"
            )
        )
        barred = set(
            Suppression.objects.in_force()
            .filter(address_hash__in=[row.address_hash for row in rows])
            .values_list("address_hash", flat=True)
        )
        refused = [
            (row, f"known already, {known[row.address.key]}" if row.address.key in known else "on the suppression list")
            for row in rows
            if row.address.key in known or row.address_hash in barred
        ]
        fresh = [row for row in rows if row.address.key not in known and row.address_hash not in barred]
        if is_dry_run:
            return refused
        try:
            _insert(fresh, file_name=file_name, topics=topics, now=now, welcome_due_at=welcome_due_at)
        except IntegrityError:  # one of them signed up on the site this very moment: look again
            if attempt == 3:
                raise
        else:
            return refused
    raise AssertionError("unreachable")


@transaction.atomic
def _insert(
    rows: list[_Row], *, file_name: str, topics: dict[str, int], now: datetime, welcome_due_at: datetime | None
) -> None:
    readers = Subscriber.objects.bulk_create([_reader(row, now=now, welcome_due_at=welcome_due_at) for row in rows])
    TopicPreference.objects.bulk_create(
        TopicPreference(
            subscriber=reader, topic_id=topics[slug], stance=stance, muted_from=row.muted_from.get(slug, "")
        )
        for reader, row in zip(readers, rows, strict=True)
        for slug, stance in row.preferences.stances.items()
    )
    Follow.objects.bulk_create(
        one
        for reader, row in zip(readers, rows, strict=True)
        for one in follow_rows(reader, row.preferences.follows, now=now)
    )
    for reader, row in zip(readers, rows, strict=True):
        if row.preferences.interests:
            store_interests(reader, row.preferences.interests, now=now)
            _restore_muted(reader, row.interests)
    ConsentEvent.objects.bulk_create(
        ConsentEvent(
            subscriber=reader,
            kind=ConsentEvent.Kind.IMPORTED,
            at=now,
            method="import",
            source_url=row.source,
            detail={"confirmed_at": _iso(row.confirmed_at), "file": file_name, "line": row.line}
            | ({} if row.state == Subscriber.State.CONFIRMED else {"state": row.state}),
        )
        for reader, row in zip(readers, rows, strict=True)
    )
    for row in rows:
        if row.suppressed_for:
            suppression.bar_address(
                row.address_hash, reason=row.suppressed_for, source="import", now=row.left_at or now
            )


def _restore_muted(reader: Subscriber, interests: Iterable[dict[str, Any]]) -> None:
    for one in interests:
        for slug, before in muted_from(one.get("topics", "")).items():
            rows = InterestTopic.objects.filter(interest__subscriber=reader, interest__name=one["name"])
            rows.filter(topic__slug=slug).update(muted_from=before)


def _reader(row: _Row, *, now: datetime, welcome_due_at: datetime | None) -> Subscriber:
    token, token_hash = token_links.new_unsubscribe_token()
    reader = Subscriber(
        email=row.address.email,
        address_key=row.address.key,
        address_hash=row.address_hash,
        domain=row.address.domain,
        state=row.state,
        confirmed_at=row.confirmed_at,
        left_at=row.left_at,
        paused_until=row.paused_until,
        clicks_agreed_at=row.clicks_agreed_at,
        welcome_due_at=welcome_due_at if row.state == Subscriber.State.CONFIRMED else None,
        unsubscribe_token=token,
        unsubscribe_hash=token_hash,
        **row.preferences.columns,
    )
    if reader.state == Subscriber.State.CONFIRMED:
        reader.next_due_at = lifecycle.next_due_of(reader, after=now)
    return reader


def _refuse(tally: Tally, on_refusal: Callable[[Refusal], None], *, line: int, email: str, reason: str) -> None:
    tally.refused[reason.partition(":")[0]] += 1
    on_refusal(Refusal(line, email, reason))


# --- out ------------------------------------------------------------------------------------------------------------


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
        for reader in chunk:
            yield [safe_cell(cell) for cell in _cells(reader, reason=barred.get(reader.address_hash, ""))]
        after = chunk[-1].pk


def _cells(reader: Any, *, reason: str) -> Iterator[str]:
    last = reader.consents[-1] if reader.consents else None
    yield reader.email
    yield _iso(reader.confirmed_at)
    yield (last.source_url or last.method) if last else ""
    yield topics_cell(reader.preferences.all())
    yield follows.as_cell({one.text: one.stance for one in reader.follows.all() if one.interest_id is None})
    yield interests_cell(reader)
    for name in Preferences().columns:
        yield str(getattr(reader, name))
    yield reader.state
    for name in ("left_at", "paused_until", "clicks_agreed_at"):
        yield _iso(getattr(reader, name))
    yield reason


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
