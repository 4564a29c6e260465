"""What hangs on a reader, in cells of a CSV line: catch-ups that wait, and what they told of papers.

In: readers, or cells by the names of their columns. Out: JSON lists; rows. What is told of papers is known to the class
that CSV_ROWS names. Next: csv_export and list_import.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.module_loading import import_string
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from subscriptions.csv_preferences import Refused
from subscriptions.models import CatchUp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from subscriptions.models import Subscriber

log = logging.getLogger("subscriptions.audit")

PAPERS = ("library", "verdicts", "removals")
COLUMNS = ("catch_ups", *PAPERS)


class CatchUpCell(BaseModel, extra="forbid"):
    since: AwareDatetime
    until: AwareDatetime
    asked_at: AwareDatetime


def rows_in(cells: Mapping[str, str]) -> dict[str, list[Any]]:
    """Read the lists in the cells of one line, by column. Raises Refused with what is wrong."""
    return {name: _read(name, shapes()[name], cells[name]) for name in COLUMNS if cells.get(name)}


def shapes() -> dict[str, type[BaseModel]]:
    """Return column -> the model of one entry of its list."""
    return {"catch_ups": CatchUpCell, **import_string(settings.CSV_ROWS).shapes}


def _read(column: str, shape: type[BaseModel], cell: str) -> list[Any]:
    try:
        return TypeAdapter(list[shape]).validate_json(cell)  # type: ignore[valid-type]
    except ValidationError as error:
        first = error.errors()[0]
        where = " ".join(str(part) for part in first["loc"])
        raise Refused(f"{column}: {where} {first['msg']} (spreadsheets cut long cells)".replace("  ", " ")) from None


def cells_of(readers: Sequence[int]) -> dict[int, dict[str, str]]:
    """Return reader -> column -> cell, for `rows_in`. In ASCII, so that nothing in it is cleaned away."""
    told: dict[int, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    waiting = CatchUp.objects.filter(subscriber__in=readers, local_on=None).order_by("since")
    for row in waiting:
        cell = CatchUpCell(since=row.since, until=row.until, asked_at=row.asked_at)
        told[row.subscriber_id]["catch_ups"].append(cell)
    for reader, column, cell in import_string(settings.CSV_ROWS).of(readers):
        told[reader][column].append(cell)
    return {reader: {column: _written(cells) for column, cells in columns.items()} for reader, columns in told.items()}


def _written(cells: Sequence[BaseModel]) -> str:
    return json.dumps([cell.model_dump(mode="json", exclude_defaults=True) for cell in cells])


def store(told: Sequence[tuple[Subscriber, Mapping[str, Sequence[Any]]]]) -> int:
    """Write the rows that are not there. Those of papers or topics that are not here are left out, logged, counted."""
    CatchUp.objects.bulk_create(
        (
            CatchUp(subscriber=reader, **cell.model_dump())
            for reader, rows in told
            for cell in rows.get("catch_ups", ())
        ),
        ignore_conflicts=True,
    )
    papers = [(reader, rows) for reader, rows in told if not rows.keys().isdisjoint(PAPERS)]
    left_out: int = import_string(settings.CSV_ROWS).store(papers) if papers else 0
    if left_out:
        log.warning(
            "%d verdicts and removals name papers or topics that this site does not have, and are left out. To keep "
            "them, import the papers before the readers (manage.py import_papers)",
            left_out,
        )
    return left_out
