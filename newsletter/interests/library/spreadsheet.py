"""A table with a heading line, such as the CSV of Zotero, Scopus, IEEE, OpenAlex or Web of Science. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from newsletter.interests.library.entries import Reading, Reference, Refusal, add, gettext_noop

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
# What a column is for -> headings, the best first; words of which a heading has one, and none of the others.
_ROLES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "title": (
        ("title", "document title", "article title", "display_name", "ti"),
        "title titel titre título titolo",
        "journal source publication book container series short conference proceedings page web site url",
    ),
    "doi": (("doi", "digital object identifier", "di"), "doi", ""),
    "eprint": (("arxiv", "arxiv id", "arxiv_id", "arxiv number", "eprint", "id"), "arxiv eprint", "title"),
    "link": (("url", "link", "pdf link", "urls", "link attachments"), "url urls link links pdf", "title"),
    "name": (("name",), "", ""),
}
_HEADING = re.compile(r"[^\d:@.;]{1,60}")
_NO_LETTERS = re.compile(r"[\W_]+")
_LONGEST_LINE = 5_000  # of the two lines that tell a table
_LONGEST_FIELD = 2_000_000


def is_spreadsheet(text: str) -> bool:
    first, _, rest = text.lstrip(" \n").partition("\n")
    heading = [cell.strip().casefold() for cell in _cells(first, _delimiter(first[:_LONGEST_LINE]))]
    columns = _columns(heading)
    found = [name for role in ("title", "doi", "eprint") for name in columns[role]]
    is_known = any(name in best for best, *_ in _ROLES.values() for name in found)
    second = _cells(rest.partition("\n")[0], _delimiter(first[:_LONGEST_LINE]))
    return len(heading) > 1 and bool(found) and (is_known or len(second) == len(heading))


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line[:_LONGEST_LINE]], delimiter=delimiter), [])


def _columns(heading: Iterable[str]) -> dict[str, list[str]]:
    """Role -> the columns that have it, the best first."""
    found: dict[str, list[str]] = {}
    for role, (best, some, none) in _ROLES.items():
        others = [
            name
            for name in heading
            if _HEADING.fullmatch(name) and (words := {*_NO_LETTERS.split(name)} & {*some.split(), *none.split()})
            and words.isdisjoint(none.split())
        ]  # fmt: skip
        found[role] = [*dict.fromkeys([*(name for name in best if name in heading), *others])]
    return found


def _delimiter(first: str) -> str:
    return max(",;\t", key=first.count)


def read(text: str, today: date) -> Reading:
    reading = Reading()
    blank = text[: len(text) - len(text.lstrip(" \n"))].count("\n")
    text = text.lstrip(" \n")
    csv.field_size_limit(_LONGEST_FIELD)
    rows = csv.DictReader(io.StringIO(text), delimiter=_delimiter(text.partition("\n")[0]))
    columns = _columns([name.strip().casefold() for name in rows.fieldnames or () if name])
    line = blank + 2
    try:
        for row in rows:
            fields = {key.strip().casefold(): value for key, value in row.items() if key and isinstance(value, str)}
            if any(value.strip() for value in fields.values()):
                _add(fields, columns, line, reading, today)
            line = blank + rows.line_num + 1
    except csv.Error:
        why = gettext_noop("The table is broken here. What stands before it was read.")
        reading.take(Refusal(line, why))
    return reading


def _add(
    fields: Mapping[str, str], columns: Mapping[str, Sequence[str]], line: int, reading: Reading, today: date
) -> None:
    def values(*keys: str) -> tuple[str, ...]:
        return tuple(fields[key] for key in keys if fields.get(key, "").strip())

    reference = Reference(
        title=next(iter(values(*columns["title"], *columns["name"])), ""),
        line=line,
        doi=next(iter(values(*columns["doi"])), ""),
        eprint=values(*columns["eprint"]),
        links=values(*columns["link"]),
        venues=values(*_VENUES),
        notes=values("extra"),
        abstract=next(iter(values("abstract note", "abstract", "ab")), ""),
    )
    add(reading, reference, today=today)
