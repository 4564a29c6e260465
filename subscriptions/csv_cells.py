"""Cells of a CSV file that a spreadsheet may open: made safe when written, and read back as they were."""

from __future__ import annotations

LONGEST_CELL = 40_000  # a hundred followed queries
# What a spreadsheet takes for the start of a formula, or for one after it trimmed the cell (ASVS 5.0, 1.2.10).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")


def safe_cell(text: str) -> str:
    """With an apostrophe before what a spreadsheet would calculate. Import takes it off again."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def plain_cell(cell: str) -> str:
    """The text of a cell as it was before `safe_cell`, cut to its longest."""
    cell = cell[:LONGEST_CELL].strip()
    if cell.startswith("'") and cell[1:].startswith(FORMULA_STARTS):
        cell = cell[1:]
    if cell.isprintable():
        return cell.strip()
    # What the database cannot store, and what would steer the terminal that refused lines are shown on, goes.
    return "".join(char if char.isprintable() else " " * char.isspace() for char in cell).strip()
