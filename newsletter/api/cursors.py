"""Pages that do not shift: the next one begins after the last row of this one, wherever that row stands by then.

In: a query, the columns of its order (the last one unique, all descending), what a client was given as cursor. Out: the
rows of one page and the cursor of the next. A page costs the same however deep it lies. Reads only.
"""

from __future__ import annotations

import base64
import json
import math
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

from django.db.models import Model, Q

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.db.models import QuerySet

    Row = TypeVar("Row", bound=Model)

_BIGGEST = 2**63 - 1


class CursorError(ValueError):
    """The text is not a cursor of this list."""


def page_of(
    rows: QuerySet[Row], *, name: str, order: Mapping[str, type], cursor: str, limit: int
) -> tuple[list[Row], str]:
    """Return one page by ``order`` (columns and their types) and the cursor after it, empty on the last page."""
    columns = list(order)
    if cursor:
        rows = rows.filter(_after(columns, _read(cursor, name=name, kinds=list(order.values()))))
    found = list(rows.order_by(*(f"-{column}" for column in columns))[: limit + 1])
    if len(found) <= limit:
        return found, ""
    return found[:limit], _write(name, [getattr(found[limit - 1], column) for column in columns])


def cursor_at(place: int, *, name: str) -> str:
    """Return the cursor of a list that is not read from rows: so many were given."""
    return _write(name, [place])


def place_of(cursor: str, *, name: str) -> int:
    """Return how many the list gave before. Raises CursorError."""
    return max(0, int(_read(cursor, name=name, kinds=[int])[0])) if cursor else 0


def _after(columns: Sequence[str], values: Sequence[Any]) -> Q:
    """Return the condition (a, b) < (x, y) in a form that an index on (a, b) serves."""
    column, value = columns[0], values[0]
    if len(columns) == 1:
        return Q(**{f"{column}__lt": value})
    return Q(**{f"{column}__lte": value}) & (Q(**{f"{column}__lt": value}) | _after(columns[1:], values[1:]))


def _write(name: str, values: Sequence[Any]) -> str:
    plain = [value.isoformat() if isinstance(value, date) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps([name, *plain], separators=(",", ":")).encode()).decode().rstrip("=")


def _read(cursor: str, *, name: str, kinds: Sequence[type]) -> list[Any]:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CursorError from error
    if not isinstance(found, list) or len(found) != len(kinds) + 1 or found[0] != name:
        raise CursorError
    return [_checked(value, kind) for value, kind in zip(found[1:], kinds, strict=True)]


def _checked(value: Any, kind: type) -> Any:
    """Return the value, converted for its column. Raises CursorError: anybody may have written the cursor."""
    try:
        if kind is date and isinstance(value, str):
            return date.fromisoformat(value)
        if kind is int and type(value) is int and abs(value) <= _BIGGEST:
            return value
        if kind is float and type(value) in {int, float} and math.isfinite(value):
            return float(value)
    except (ValueError, OverflowError) as error:
        raise CursorError from error
    raise CursorError
