"""What the peers send: the same papers and readers as plain values, and templates made as long as our messages.

In: `digests.json`, written by delivery_peers. Out: contexts and template sources. Imports nothing of Paperboy, so that
a peer's own virtual environment can read it too.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SENDER = "Paperboy <digest@papers.example.org>"
LINE = "as long a comment as it takes, so that every peer sends just as many\n"


def load(path: Path) -> dict[str, Any]:
    digests: dict[str, Any] = json.loads(path.read_text())
    return digests


def context(digests: dict[str, Any], reader: dict[str, Any]) -> dict[str, Any]:
    """One reader's digest as a template wants it."""
    papers = [
        digests["papers"][str(item)] | {"number": number, "why": reason}
        for number, (item, reason) in enumerate(reader["picks"], start=1)
    ]
    return {"reader": {key: value for key, value in reader.items() if key != "picks"}, "papers": papers}


def subject(digests: dict[str, Any], reader: dict[str, Any]) -> str:
    first: str = digests["papers"][str(reader["picks"][0][0])]["title"]
    return f"{first} + {len(reader['picks']) - 1} more"


def headers(reader: dict[str, Any]) -> dict[str, str]:
    return {
        "List-Id": "Paperboy <digest.papers.example.org>",
        "List-Unsubscribe": f"<https://papers.example.org/unsubscribe/{reader['token']}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def template(suffix: str, *, padding: int = 0) -> str:
    """The source of the part, ``padding`` bytes longer."""
    source = source_of(suffix)
    filler = (LINE * (padding // len(LINE) + 1))[: max(0, padding)]
    return source.replace("PADDING", filler)


def source_of(suffix: str) -> str:
    return (FOLDER / f"digest.{suffix}").read_text()


def handlebars(source: str) -> str:
    """The same template in handlebars' language."""
    source = re.sub(r"{% for \w+ in (?:\w+\.)?(\w+) %}", r"{{#each \1}}", source).replace("{% endfor %}", "{{/each}}")
    return re.sub(r"{{ (?!reader\.)\w+\.(\w+) }}", r"{{\1}}", source).replace("{{ reader.", "{{ @root.reader.")
