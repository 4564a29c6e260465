"""Charts as SVG, drawn on the server: readable without colour, for each column says its number.

In: labels and numbers. Out: markup without scripts or styles of its own; a table beside it says the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT, EDGE = 640, 150, 18  # units of the drawing; it scales to its place
LABELS = 7  # days that stand side by side on a phone


@dataclass(frozen=True)
class Column:
    """One column: what stands below it, its number, and whether it is the one the page is about."""

    label: str
    value: float
    is_this: bool = False
    below: float = 0  # drawn downwards from the line, outlined


def columns(rows: Sequence[Column], *, title: str, digits: int = 0) -> SafeString:
    """Draw columns side by side; the numbers of all stand above them while there is room, else the largest one's.

    Below stand the labels of at most LABELS of them, the last one's among them.
    """
    if not rows:
        return SafeString("")
    most, least = max((row.value for row in rows), default=0) or 1, max(row.below for row in rows)
    room = HEIGHT - 2 * EDGE
    scale, step = room / (most + least), WIDTH / len(rows)
    line = EDGE + most * scale
    every = -(-len(rows) // LABELS)
    parts = [
        _column(
            row, place * step, step, line, scale, digits, len(rows), most, is_named=(len(rows) - 1 - place) % every == 0
        )
        for place, row in enumerate(rows)
    ]
    return format_html(
        '<svg class="desk-chart" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<line x1="0" x2="{}" y1="{}" y2="{}"/>{}</svg>',
        *(WIDTH, HEIGHT, title, WIDTH, f"{line:.1f}", f"{line:.1f}"),
        format_html_join("", "{}", ((part,) for part in parts)),
    )


def _column(
    row: Column,
    left: float,
    step: float,
    line: float,
    scale: float,
    digits: int,
    number: int,
    most: float,
    *,
    is_named: bool,
) -> SafeString:
    """Draw one column with its number and label."""
    width, middle = step * 0.7, left + step / 2
    says = number <= 16 or row.value == most or row.is_this
    top, said = line - row.value * scale, _number(row.value, digits)
    down = (
        format_html(
            '<rect class="is-below" x="{}" y="{}" width="{}" height="{}"/>',
            *(f"{left + step * 0.15:.1f}", f"{line:.1f}", f"{width:.1f}", f"{row.below * scale:.1f}"),
        )
        if row.below
        else ""
    )
    return format_html(
        '<g{}><title>{}: {}{}</title><rect x="{}" y="{}" width="{}" height="{}"/>{}{}{}</g>',
        SafeString(' class="is-this"') if row.is_this else "",
        *(row.label, said, f" / -{_number(row.below, digits)}" if row.below else ""),
        *(f"{left + step * 0.15:.1f}", f"{top:.1f}", f"{width:.1f}", f"{row.value * scale:.1f}", down),
        _text(middle, top - 4, said) if says else "",
        _text(middle, HEIGHT - 4, row.label) if is_named else "",
    )


def _number(value: float, digits: int) -> str:
    return number_format(value, digits, force_grouping=True)


def _text(x: float, y: float, text: str) -> SafeString:
    return format_html('<text x="{}" y="{}">{}</text>', f"{x:.1f}", f"{y:.1f}", text)
