"""Rows of a text file of unknown shape: delimiter, header, lines before it, damaged lines.

In: lines. Out: the layout, and rows with the number of their line. A quotation mark that is never closed spoils its own
line only; the lines after it are read. Pure.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from subscriptions.list_import.dates import is_date
from subscriptions.list_import.names import EMAIL, role_by_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

csv.field_size_limit(80_000_000)  # of the whole process: a library of 10,000 papers with their abstracts is one cell
DELIMITERS = (",", ";", "\t", "|")
NONE = "\x1f"  # the delimiter of a list with one column: stands in no text
SAMPLE = 100  # lines that the layout is found by
SAMPLE_HEADINGS = 10  # of them, one of which may be the header
LONGEST_RECORD = 50  # lines of one row, where a cell holds line breaks
ADDRESS = re.compile(r"[^\s@<>,;|\"]+@[^\s@<>,;|\"]+\.[^\s@<>,;|\".]+")
_LEADING = re.compile(rf"({ADDRESS.pattern})[\s,(][^@]*")
_NAMED = re.compile(rf"[^<>]*<\s*(?:mailto:)?({ADDRESS.pattern})\s*>\W*", re.IGNORECASE)
_OBFUSCATED = re.compile(r"(?<![^\s(<])([\w.+-]+) at ([\w-]+(?:\.[\w-]+)+)")  # as Mailman's pages show addresses
_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)


class UnreadableFile(Exception):
    """The file as a whole cannot be imported; the message says why."""


class Row(NamedTuple):
    """One row of the table. ``fault``: why its cells cannot be told apart."""

    line: int
    cells: list[str]
    fault: str = ""


@dataclass(frozen=True)
class Layout:
    """How the rows of a file are laid out. ``names`` are unique; ``skip``: lines before the first row of the body."""

    delimiter: str
    names: tuple[str, ...]
    has_header: bool
    skip: int
    escape: str | None = None
    is_wide: bool = False  # addresses side by side, as in the line of recipients of a mail


def address_in(cell: str) -> str:
    """The address of a cell such as ``ada@example.org``, ``Ada <ada@example.org>`` or ``mailto:…``; empty for none."""
    text = cell.strip().strip("'\"").removeprefix("mailto:")
    if ADDRESS.fullmatch(text):
        return text
    found = _NAMED.fullmatch(text) or _LEADING.fullmatch(text)
    return found[1] if found else ""


def find_layout(lines: Iterable[str]) -> Layout:
    """The layout of the file that begins with these lines, of which at most `SAMPLE` are read."""
    sample = [line for line, _number in zip(lines, range(SAMPLE), strict=False)]
    skip = next((number for number, line in enumerate(sample) if line.strip()), 0)
    told = _SEP.fullmatch(sample[skip].strip("\r\n ")) if sample else None
    skip += bool(told)
    escape = "\\" if any('\\"' in line for line in sample) and not any('""' in line for line in sample) else None
    layout = Layout(delimiter=told[1] if told else NONE, names=(), has_header=False, skip=skip, escape=escape)
    if not told:
        layout = max((replace(layout, delimiter=one) for one in (NONE, *DELIMITERS)), key=lambda one: _fit(sample, one))
    return _with_header(layout, list(rows(sample, layout)))


def _fit(sample: Sequence[str], layout: Layout) -> tuple[int, int, float, int]:
    """How well the lines split: addresses that stand alone, headings that are known, rows of one width, that width."""
    table = [row.cells for row in rows(sample, layout)]
    addresses = sum(any(address_in(cell) for cell in cells) for cells in table)
    headings = max((sum(map(bool, map(role_by_name, cells))) for cells in table[:SAMPLE_HEADINGS]), default=0)
    (width, agreeing) = Counter(map(len, table)).most_common(1)[0] if table else (0, 0)
    return addresses, headings, agreeing / max(len(table), 1), width


def _with_header(layout: Layout, table: list[Row]) -> Layout:
    at = _header_at(table)
    if at is None:
        first = next((place for place, row in enumerate(table) if any(map(address_in, row.cells))), 0)
        width = max((len(row.cells) for row in table), default=1)
        start = table[first].line - 1 if table else layout.skip
        widths = {len(row.cells) for row in table}
        filled = [cell for row in table for cell in row.cells if cell.strip()]
        if width > 1 and (len(table) == 1 or len(widths) > 1) and all(map(address_in, filled)):
            return replace(layout, names=("1",), skip=start, is_wide=True)
        return replace(layout, names=tuple(str(number) for number in range(1, width + 1)), skip=start)
    following = table[at + 1].line - 1 if at + 1 < len(table) else None
    skip = following if following is not None else table[at].line
    return replace(layout, names=unique_names(table[at].cells), has_header=True, skip=skip)


def _header_at(table: list[Row]) -> int | None:
    """Place of the header: the row that names a column of addresses, or the last one before the first address."""
    first = next((place for place, row in enumerate(table) if any(map(address_in, row.cells))), len(table))
    for place, row in enumerate(table[:first]):
        if any(role_by_name(cell) == EMAIL for cell in row.cells):
            return place
    if not 0 < first < len(table):
        return 0 if first and any(map(role_by_name, table[0].cells)) else None
    before = table[first - 1]
    return first - 1 if len(before.cells) == len(table[first].cells) else None


def unique_names(header: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns; a second one of the same name gets its number, an empty one its place."""
    names: list[str] = []
    for place, cell in enumerate(header, 1):
        name = " ".join(cell.replace("\ufeff", "").split())[:80] or str(place)
        same = sum(one.partition("\0")[0].casefold() == name.casefold() for one in names)
        names.append(f"{name}\0{same + 1}" if same else name)
    return tuple(name.replace("\0", " (") + ")" * ("\0" in name) for name in names)


def rows(lines: Iterable[str], layout: Layout) -> Iterator[Row]:
    """The rows of the body; blank ones and comments of a plain list are left out."""
    waiting: deque[tuple[int, str]] = deque()
    numbered = enumerate(lines, 1)
    width = len(layout.names)
    while True:
        number, line = waiting.popleft() if waiting else next(numbered, (0, ""))
        if not number:
            return
        if number <= layout.skip or not line.strip():
            continue
        if layout.delimiter == NONE:
            if line.lstrip().startswith("#"):
                continue
            line = line if "@" in line else _OBFUSCATED.sub(r"\1@\2", line)
        cells = _split(line, layout)
        if cells is None:
            more = _rest_of_record(line, layout, waiting, numbered, width)
            cells = _split("".join([line, *more]), layout) if more else None
            if cells is None:
                yield Row(number, [line.strip()], "quote")
                continue
        if layout.is_wide:
            yield from (Row(number, [cell]) for cell in cells if cell.strip())
        elif any(cell.strip() for cell in cells):
            yield Row(number, cells) if len(cells) <= width or not width else _fitted(number, cells, width)


def _fitted(number: int, cells: list[str], width: int) -> Row:
    """A row with more cells than columns: empty ones at its end go, a date that was cut at its comma is joined."""
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    place = 0
    while len(cells) > width and place + 1 < len(cells):
        joined = f"{cells[place]},{cells[place + 1]}"
        if is_date(joined):
            cells[place : place + 2] = [joined]
        place += 1
    return Row(number, cells) if len(cells) <= width else Row(number, cells, "wide")


def _split(line: str, layout: Layout) -> list[str] | None:
    """The cells of a record; None when a quotation mark in it is still open."""
    if '"' not in line:
        return line.rstrip("\n").split(layout.delimiter)
    options: Any = {"delimiter": layout.delimiter, "escapechar": layout.escape, "doublequote": layout.escape is None}
    lines = line.splitlines(keepends=True)
    try:
        return next(csv.reader(lines, strict=line.count('"') % 2 == 1 or layout.escape is not None, **options), [])
    except csv.Error as error:
        if "unexpected end of data" in str(error) or "field limit" in str(error):
            return None
        return next(csv.reader(lines, **options), [])


def _rest_of_record(
    line: str, layout: Layout, waiting: deque[tuple[int, str]], numbered: Iterator[tuple[int, str]], width: int
) -> list[str]:
    """Lines after this one up to the closing quotation mark; nothing is taken when it is nowhere near."""
    taken: list[tuple[int, str]] = []
    is_open = True
    while is_open and len(taken) < LONGEST_RECORD:
        number, text = waiting.popleft() if waiting else next(numbered, (0, ""))
        if not number:
            break
        taken.append((number, text))
        if _is_row_of_its_own(text, layout, width):
            break
        is_open = _split("".join([line, *(one for _n, one in taken)]), layout) is None
    if is_open:
        waiting.extendleft(reversed(taken))
        return []
    return [text for _number, text in taken]


def _is_row_of_its_own(line: str, layout: Layout, width: int) -> bool:
    cells = _split(line, layout) or []
    return len(cells) == max(width, 2) and any(map(address_in, cells))
