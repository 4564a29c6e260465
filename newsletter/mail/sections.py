"""A week's or month's digest in sections by topic: which paper stands under which heading, for mail and web alike.

In: picks as they are recorded, and each paper's first topic. Out: the same picks in the order they are shown. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FROM = 5  # papers; a shorter digest has no sections
LEAST = 2  # papers of a section
OTHERS = "others"
_TOPIC = "topic:"


def in_sections(picks: Sequence[Sequence[Any]], topic_of: Mapping[int, str]) -> list[list[Any]]:
    """Return the picks with the section of each as a fourth value: a topic's slug, `OTHERS`, or "" for none.

    The first stays first and above all sections: it is the subject. The others stand under the topic for which they
    were chosen, else under their own; those that are alone on it come last.
    """
    if len(picks) < FROM:
        return [[*pick[:3], ""] for pick in picks]
    first, *others = picks
    found: dict[str, list[list[Any]]] = defaultdict(list)
    for pick in others:
        slug = pick[2].removeprefix(_TOPIC) if pick[2].startswith(_TOPIC) else topic_of.get(pick[0], "")
        found[slug].append([*pick[:3], slug])
    large = [rows for slug, rows in found.items() if slug and len(rows) >= LEAST]
    if not large:
        return [[*pick[:3], ""] for pick in picks]
    alone = [[*pick[:3], OTHERS] for rows in found.values() if rows not in large for pick in rows]
    return [[*first[:3], ""], *(pick for rows in large for pick in rows), *alone]
