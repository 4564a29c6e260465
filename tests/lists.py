"""Import a list that a test wrote."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from subscriptions.list_import import import_file
from subscriptions.list_import.reading_plan import Answers
from tests.builders import NOON

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from subscriptions.list_import.entries import Refusal
    from subscriptions.models import ListImport


def source_of(text: str | bytes, name: str = "old.csv") -> import_file.Source:
    data = text.encode() if isinstance(text, str) else text
    return import_file.Source(name, lambda: io.BytesIO(data))


def import_list(
    text: str | bytes, *, name: str = "old.csv", now: datetime = NOON, are_welcomed: bool = False, **answers: Any
) -> tuple[ListImport, list[Refusal]]:
    """The import of the file, done, and the refused lines."""
    source, refusals = source_of(text, name), list[Any]()
    plan = import_file.plan_file(source, Answers(**answers))
    assert not plan.is_open, plan.questions
    row = import_file.begin(source, plan, by="test", now=now, are_welcomed=are_welcomed)
    assert import_file.go_on(row, source, plan, now=now, on_refusal=refusals.append)
    row.refresh_from_db()
    return row, refusals


def csv_of(rows: Iterable[list[str]]) -> str:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue()
