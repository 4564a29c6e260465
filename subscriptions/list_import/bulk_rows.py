"""Many new rows at once: COPY on PostgreSQL, INSERT elsewhere.

In: rows of one model without keys. Out: the same in the database, in the caller's transaction.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import JSONField
from django.db.models.expressions import DatabaseDefault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model


def insert_rows(model: type[Model], rows: Iterable[Model]) -> None:
    """Write the rows. Their keys are not set. An INSERT by Django spends most of its time on parameters."""
    listed = list(rows)
    if connection.vendor != "postgresql":
        model._default_manager.bulk_create(listed)
    elif listed:
        _copy(model, listed)


def _copy(model: type[Model], rows: list[Model]) -> None:
    columns = [
        column
        for column in model._meta.concrete_fields
        if not column.primary_key and not isinstance(getattr(rows[0], column.attname), DatabaseDefault)
    ]
    names = ", ".join(connection.ops.quote_name(str(column.column)) for column in columns)
    table = connection.ops.quote_name(model._meta.db_table)
    readers = [(column.attname, json.dumps if isinstance(column, JSONField) else _as_it_is) for column in columns]
    # Django does not translate errors of COPY, so a race would not be recognised.
    statement = f"COPY {table} ({names}) FROM STDIN"
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row([read(getattr(row, name)) for name, read in readers])


def _as_it_is(value: Any) -> Any:
    return value
