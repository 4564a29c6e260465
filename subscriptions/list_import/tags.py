"""Tags of other programs, and which of our topics they may mean.

In: a cell, or a tag. Out: its tags; the topic of the same name, or one to suggest. Pure.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from rapidfuzz import fuzz, process

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORTEST_LIKE = 4  # characters: of shorter ones any two are alike
LIKE = 75  # of 100: how alike a tag and a name must be for a suggestion
_PARTS = re.compile(r"[,;|\n]")


def split_tags(cell: str) -> list[str]:
    """The tags of a cell: a JSON list, or parted by commas, semicolons or bars, each with quotes or without."""
    text = cell.strip()
    if text.startswith("[") and text.endswith("]"):
        try:
            listed = json.loads(text)
        except ValueError:
            text = text[1:-1]
        else:
            return [str(one).strip() for one in listed if str(one).strip()]
    parts = (part.strip().strip("\"'").strip() for part in _PARTS.split(text))
    return [part for part in parts if part]


def stances_in(cell: str, topics: Mapping[str, str]) -> list[str]:
    """The words of our own column, each a topic or ``slug:stance``, parted by commas or, as we export them, blanks."""
    found: list[str] = []
    for part in split_tags(cell):
        found += [part] if part.casefold() in topics else part.split()
    return found


def suggest(tag: str, known: Mapping[str, str]) -> str:
    """The slug of the topic that the tag may mean, of names and words in lower case; empty for none."""
    text = " ".join(tag.casefold().replace("_", " ").replace("-", " ").split())
    if text in known or text.replace(" ", "-") in known:
        return known.get(text) or known[text.replace(" ", "-")]
    initials = {"".join(word[0] for word in re.findall(r"\w+", name)): slug for name, slug in known.items()}
    if len(text) < SHORTEST_LIKE:
        return initials.get(text, "") if len(text) > 1 else ""
    best = process.extractOne(text, known.keys(), scorer=fuzz.ratio, score_cutoff=LIKE)
    return known[best[0]] if best else ""
