"""Text with its formulas set: the readable text cut into words and formulas, and each formula as MathML. Pure.

In: a title or abstract as its source wrote it, and the readable text made of it. Out: parts that, read in order, say
the readable text; a formula that cannot be set stays readable. What comes out as markup is a few elements of MathML
Core with a few harmless attributes, whatever the text says, and the time grows with the text only.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml.ElementTree import fromstring

from newsletter.catalogue.sources.clean_text import strip_invisible, unescape
from newsletter.catalogue.sources.latex.commands import Reader, read_text
from newsletter.catalogue.sources.latex.layout import Piece

_LONGEST = 24  # characters that show; one formula of a hundred has more, and would not fit a phone
_LONGEST_TEX = 400  # characters of its source; in a thousand abstracts of arXiv the longest has 132
# The library goes down into each group on the stack, and tries each bracket that nobody closes both ways: twenty-eight
# took it half a minute. Of 1,913 formulas of arXiv none has more than ten commands and brackets.
_MOST_COMMANDS = 12
_MOST_GROUPS = 30
_HOLE = "\x00"  # where a formula stands: `strip_invisible` leaves none in a text
_SIGNS = "sub sup subsup under over underover row frac sqrt root text space style padded table tr td i n o"
_ELEMENTS = frozenset(["math", *(f"m{name}" for name in _SIGNS.split())])
_LENGTH = re.compile(r"-?[0-2](?:\.\d+)?(?:em)?")
_YES_OR_NO = re.compile("true|false")
_ATTRIBUTES = {
    "mathvariant": re.compile("normal"),
    "form": re.compile("prefix|infix|postfix"),
    "scriptlevel": re.compile("[0-2]"),
    "linethickness": re.compile("0"),
    **dict.fromkeys(("accent", "accentunder", "displaystyle", "movablelimits", "stretchy", "symmetric"), _YES_OR_NO),
    **dict.fromkeys(("lspace", "rspace", "width", "minsize", "maxsize"), _LENGTH),
}
_NAMED = re.compile(r"&(?!lt;|gt;|amp;|quot;|#)\w+;")
_INVISIBLE_OPERATORS = frozenset("\u2061\u2062\u2063\u2064")
_MACROS = {"widetilde": r"\tilde{#1}"}


@dataclass(frozen=True, slots=True)
class Formula:
    tex: str
    text: str  # as the readable text has it


Part = str | Formula


def parts_of(source: str, readable: str) -> list[Part]:
    """Cut `readable` into words and formulas; one part when `source` is not the text it was made of."""
    reader = _FormulaReader(strip_invisible(unescape(source)), {})
    holed = " ".join(read_text(reader).split()).split(_HOLE)
    parts: list[Part] = [holed[0]]
    for formula, words in zip(reader.formulas, holed[1:], strict=False):
        parts += [formula, words]
    is_whole = len(holed) == len(reader.formulas) + 1 and "".join(map(text_of, parts)) == readable
    return [part for part in parts if part] if is_whole else [readable]


def cut(parts: list[Part], start: int, stop: int) -> list[Part] | None:
    """Return the parts of the readable text from `start` to `stop`; None where that would cut a formula in two."""
    found: list[Part] = []
    place = 0
    for part in parts:
        begin, end = max(start - place, 0), min(stop - place, len(text_of(part)))
        if begin < end:
            if isinstance(part, str):
                found.append(part[begin:end])
            elif (begin, end) == (0, len(part.text)):
                found.append(part)
            else:
                return None
        place += len(text_of(part))
    return found


def text_of(part: Part) -> str:
    return part if isinstance(part, str) else part.text


class _FormulaReader(Reader):
    """Reads a text as `Reader` does, and leaves a hole where each formula of its prose stands."""

    def __init__(self, source: str, shared: dict[str, int], depth: int = 0) -> None:
        super().__init__(source, shared, depth)
        self.formulas: list[Formula] = []

    def inner(self, pieces: list[Piece], body: str) -> None:
        is_within, self.shared["formula"] = self.shared.get("formula", 0), 1
        before = len(pieces)
        super().inner(pieces, body)
        self.shared["formula"] = is_within
        if len(pieces) > before and not is_within and (text := " ".join(pieces[-1].text.split())):
            self.formulas.append(Formula(body.strip(), text))
            pieces[-1].text = _HOLE


def mathml(formula: Formula) -> str | None:
    """Return the formula as a `math` element, or None where it should stay readable text.

    That is: where it holds what the library does not know, and where it is long, as no browser breaks its lines.
    """
    if max(len(formula.tex) - _LONGEST_TEX, len(formula.text) - _LONGEST) > 0:
        return None
    if _commands(formula.tex) > _MOST_COMMANDS or formula.tex.count("{") > _MOST_GROUPS:
        return None
    import math_core  # not every run needs it

    try:
        written = _converter().convert_with_local_state(formula.tex, displaystyle=False)
        root = fromstring(_NAMED.sub(lambda named: html.unescape(named[0]), written))
    except (math_core.LatexError, ParseError):
        return None
    if not _is_safe(root):
        return None
    root.set("alttext", formula.text)
    return tostring(root, encoding="unicode", short_empty_elements=False)


def _commands(tex: str) -> int:
    """Count the commands and opening brackets of a formula, but not its groups."""
    return sum(sign != "{" and (sign == "\\" or unicodedata.category(sign) == "Ps") for sign in tex)


@lru_cache(maxsize=1)
def _converter() -> Any:
    import math_core

    return math_core.LatexToMathML(macros=_MACROS, fancy_error=False)


def _is_safe(root: Element) -> bool:
    """Take away every attribute that is not known to be harmless; say whether all elements and letters are."""
    for element in root.iter():
        if element.tag not in _ELEMENTS or any(map(_is_hidden, (element.text or "") + (element.tail or ""))):
            return False
        for name, value in list(element.attrib.items()):
            if not (name in _ATTRIBUTES and _ATTRIBUTES[name].fullmatch(value)):
                del element.attrib[name]
    return True


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf"} and character not in _INVISIBLE_OPERATORS
