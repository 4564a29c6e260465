"""`make drawing`: the rooms of docs/architecture.md as a Mermaid drawing, made from the imports (grimp).

In: the import graph of both packages. Out: the part of the page between its two marks, written anew. An arrow leads
from a room to one that it imports; one that follows from others is left out, so that the way can be seen.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import grimp

PAGE = Path(__file__).parent.parent / "docs/architecture.md"
MARKS = re.compile(r"(?<=<!-- made by `make drawing` -->\n).*?(?=<!-- end -->)", re.DOTALL)
EDGES_OF_THE_HOUSE = ("admin", "api", "views", "management", "tasks")
ROOMS = (
    "monitoring",
    "delivery",
    "planning",
    "editions",
    "interests",
    "mail",
    "search",
    "ranking",
    "catalogue",
    "models",
)


@cache
def imports_between_rooms() -> dict[str, set[str]]:
    """Room -> the rooms that any of its modules imports at run time."""
    graph = grimp.build_graph("newsletter", "subscriptions", cache_dir=None, exclude_type_checking_imports=True)
    found: dict[str, set[str]] = {room: set() for room in (*EDGES_OF_THE_HOUSE, *ROOMS, "subscriptions")}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            here, there = _room_of(module), _room_of(imported)
            if here in found and there in found and here != there:
                found[here].add(there)
    return found


def _room_of(module: str) -> str:
    package, _, rest = module.partition(".")
    return package if package == "subscriptions" else rest.partition(".")[0]


def drawing() -> str:
    """Without the arrows that a longer way implies."""
    arrows = imports_between_rooms()

    @cache
    def below(room: str) -> frozenset[str]:
        return frozenset().union(*(below(other) | {other} for other in arrows[room]))

    lines = ["```mermaid", "flowchart TD"]
    for room in arrows:
        for other in sorted(arrows[room]):
            if not any(other in below(between) for between in arrows[room]):
                lines.append(f"  {room} --> {other}")
    return "\n".join([*lines, "```", ""])


def main() -> None:
    PAGE.write_text(MARKS.sub(lambda _: drawing(), PAGE.read_text()))


if __name__ == "__main__":
    main()
