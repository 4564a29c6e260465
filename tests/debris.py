"""Counts what is left of LaTeX, and what is lost, in readable titles and abstracts.

`manage.py readable_text --jsonl FILE > OUT; python -m tests.debris FILE OUT [--show KIND]` prints a line a kind, for
computer science and for physics and mathematics: in how many papers it stands. The records are arXiv's: {"id",
"title", "summary", "categories"}.
"""

from __future__ import annotations

import argparse
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from newsletter.catalogue.sources.latex.tables import symbols

LEFT = {
    "backslash": re.compile(r"\\"),
    "dollar": re.compile(r"\$(?!\s?\d)(?<![A-Z]\$)"),
    "placeholder": re.compile(r"<cit\.>|<[rR]ef>|%s"),
    "brace": re.compile(r"[_^]\{|\{[,.;:-]?\}|\{(?:em|it|bf|rm|tt|sf|sc|cal)\b|\{[A-Z][\w-]+\}"),
    "command name": re.compile(
        r"\b(?:math(?:bb|bf|cal|frak|it|rm|sf|scr)|text(?:bf|it|rm|sc|tt)|emph|operatorname|[dt]?frac|widehat|"
        r"widetilde|ensuremath|boldsymbol|eqref|texorpdfstring)(?![a-z])"
    ),
    "quote": re.compile(r"(?<!`)``(?!`)"),
    "tie": re.compile(r"[a-zA-Z.)]~[a-zA-Z0-9(]"),
    "script not closed": re.compile(r"\^[^\s(][A-Za-z0-9]"),
    "sign twice": re.compile(r"[\^_]{2}|[\^_]$"),
}
# What TeX reads and a reader does not see: keys, environments, colours; and accents, which fold into their letters.
_UNSEEN = re.compile(
    r"\\(?:cite\w*|ref|eqref|label|begin|end|color|textcolor|cref)\s*(?:\[[^\]]*\])?\{[^{}]*\}"
    r"|(?<=\$\})\{[^{}]*\}|\^\s*\{?\\circ"
)
_COMMAND = re.compile(r"\\([A-Za-z]+)|\\.", re.DOTALL)
_SHOWN = re.compile(r"[\w]")
_BARE = {"ı": "i", "ȷ": "j"}
_ALIKE = str.maketrans("ϕφϵεϑθϱρ∗−", "φφεεθθρρ*-")


def debris(source: str, readable: str) -> Iterator[str]:
    """The kinds of fault in what readers get for a source text."""
    for kind, pattern in LEFT.items():
        if any(match[0] not in source or kind != "script not closed" for match in pattern.finditer(readable)):
            yield kind
    seen = _UNSEEN.sub(" ", source)
    if _letters(_COMMAND.sub(" ", seen)) - _letters(readable):
        yield "lost letter"
    signs = Counter(sign for name in _COMMAND.findall(seen) if (sign := _sign(name)))
    shown = Counter(_folded(readable))
    if any(count > shown[sign] for sign, count in signs.items()):
        yield "lost sign"


def _sign(name: str) -> str:
    sign = symbols().get(name, "")
    return _folded(sign) if len(sign) == 1 and ord(sign) > 127 and len(_folded(sign)) == 1 else ""


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKD", text).translate(_ALIKE).casefold()


def _letters(text: str) -> Counter[str]:
    return Counter(_BARE.get(char, char) for char in _folded(text) if _SHOWN.match(char) and char != "_")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources")
    parser.add_argument("readable")
    parser.add_argument("--show", default="", help="print the texts with this kind of fault")
    options = parser.parse_args()
    totals: Counter[str] = Counter()
    faulty: Counter[tuple[str, str]] = Counter()
    with open(options.sources, encoding="utf-8") as sources, open(options.readable, encoding="utf-8") as results:
        for line, result in zip(sources, results, strict=True):
            record, shown = json.loads(line), json.loads(result)
            field = "computer science" if record["categories"][0].startswith("cs.") else "physics and mathematics"
            totals[field] += 1
            pairs = ((record["title"], shown["title"]), (record["summary"], shown["abstract"]))
            found = {kind: pair for pair in pairs for kind in debris(*pair)}
            for kind in [*found, *(["any"] if found else [])]:
                faulty[field, kind] += 1
            if options.show in found:
                print(record["id"], *found[options.show], sep="\n    ")
    for field, total in sorted(totals.items()):
        kinds = [*LEFT, "lost letter", "lost sign", "any"]
        print(f"{field}, {total} papers: " + ", ".join(f"{kind} {faulty[field, kind]}" for kind in kinds))
        print(f"  {faulty[field, 'any'] / total:.2%}")


if __name__ == "__main__":
    main()
