"""Writing planned deliveries in bulk: COPY on PostgreSQL, one INSERT elsewhere.

In: rows as tuples in the order of COLUMNS. Out: Delivery rows. A reader who has a digest of that local day already is
left out; the caller's transaction has the readers to itself, and the unique constraints stand behind it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from django.db import IntegrityError, connection

from newsletter.models import Delivery
from newsletter.planning.readers_due import Raced
from subscriptions.in_long_list_lookup import Keys

_CONSTANT = {"claim": "", "attempts": 0, "size": 0, "reply": ""}


class Row(NamedTuple):
    """One delivery to be written."""

    edition_id: int
    subscriber_id: int
    state: str
    skip_reason: str
    local_on: date
    due_at: datetime
    not_before: datetime | None
    expires_at: datetime
    domain: str
    address_hash: str
    picks: str  # JSON
    news: str = "[]"  # JSON
    also: str = "{}"  # JSON
    is_welcome: bool = False


def store(rows: Sequence[Row]) -> Sequence[Row]:
    """Write the rows, except for readers who have a digest of that local day. Returns those written.

    Raises Raced when "send now" and the planner met at a reader: the caller rolls back and asks again who is left.
    """
    days = {(row.subscriber_id, row.local_on) for row in rows}
    taken = set(
        Delivery.objects.filter(
            subscriber__any_of=Keys(row.subscriber_id for row in rows), local_on__in={day for _, day in days}
        ).values_list("subscriber_id", "local_on")
    )
    fresh = [row for row in rows if (row.subscriber_id, row.local_on) not in taken] if taken else rows
    try:
        if connection.vendor == "postgresql":
            _copy(fresh)
        else:
            columns = [{name: json.loads(getattr(row, name)) for name in ("picks", "news", "also")} for row in fresh]
            Delivery.objects.bulk_create(
                Delivery(**row._asdict() | each) for row, each in zip(fresh, columns, strict=True)
            )
    except IntegrityError as error:
        if "unique" in str(error).lower():
            raise Raced from error
        raise  # a row that violates another constraint: a bug of ours, not a race
    return fresh


def _copy(rows: Sequence[Row]) -> None:
    """Write the rows by COPY, as fast as the disk is; an INSERT by Django spends most of its time on parameters.

    The few moments and days that a chunk shares are written out once: psycopg would do it for each row.
    """
    columns = ", ".join([*Row._fields, *_CONSTANT])
    statement = f"COPY {Delivery._meta.db_table} ({columns}) FROM STDIN"
    constants = tuple(_CONSTANT.values())
    text = lru_cache(maxsize=None)(str)
    # Django does not translate errors of COPY, so a database that is away would not be recognised.
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for edition, reader, state, why, local_on, due_at, not_before, expires_at, *rest in rows:
            moments = text(local_on), text(due_at), not_before and text(not_before), text(expires_at)
            copy.write_row((edition, reader, state, why, *moments, *rest, *constants))
