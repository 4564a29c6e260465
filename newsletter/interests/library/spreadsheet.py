"""A table with a heading line, such as the CSV of Zotero, Scopus, IEEE, OpenAlex or Web of Science. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import date

from newsletter.interests.library.entries import Reading, Reference, Refusal, add, gettext_noop

_TITLES = ("title", "document title", "article title", "titel", "titre", "display_name", "ti")
_DOIS = ("doi", "digital object identifier", "di")
_EPRINTS = ("arxiv", "arxiv id", "arxiv_id", "arxiv number", "eprint", "id")
_LINKS = ("url", "link", "pdf link", "urls", "link attachments")
_VENUES = (
    "publication title",
    "number",
    "journal abbreviation",
    "series",
    "archive location",
    "publication",
    "journal",
    "type",
)
_LONGEST_FIELD = 2_000_000


def is_spreadsheet(text: str) -> bool:
    heading = _heading(text)
    return len(heading) > 1 and bool(heading & {*_TITLES, *_DOIS, *_EPRINTS})


def _heading(text: str) -> set[str]:
    first = text.lstrip(" \n").partition("\n")[0][:5000]
    return {cell.strip().casefold() for cell in next(csv.reader([first], delimiter=_delimiter(first)), [])}


def _delimiter(first: str) -> str:
    return max(",;\t", key=first.count)


def read(text: str, today: date) -> Reading:
    reading = Reading()
    blank = text[: len(text) - len(text.lstrip(" \n"))].count("\n")
    text = text.lstrip(" \n")
    csv.field_size_limit(_LONGEST_FIELD)
    rows = csv.DictReader(io.StringIO(text), delimiter=_delimiter(text.partition("\n")[0]))
    line = blank + 2
    try:
        for row in rows:
            fields = {key.strip().casefold(): value for key, value in row.items() if key and isinstance(value, str)}
            if any(value.strip() for value in fields.values()):
                _add(fields, line, reading, today)
            line = blank + rows.line_num + 1
    except csv.Error:
        why = gettext_noop("The table is broken here. What stands before it was read.")
        reading.take(Refusal(line, why))
    return reading


def _add(fields: Mapping[str, str], line: int, reading: Reading, today: date) -> None:
    def values(*keys: str) -> tuple[str, ...]:
        return tuple(fields[key] for key in keys if fields.get(key, "").strip())

    reference = Reference(
        title=next(iter(values(*_TITLES)), ""),
        line=line,
        doi=next(iter(values(*_DOIS)), ""),
        eprint=values(*_EPRINTS),
        links=values(*_LINKS),
        venues=values(*_VENUES),
        notes=values("extra"),
        abstract=next(iter(values("abstract note", "abstract", "ab")), ""),
    )
    add(reading, reference, today=today)
