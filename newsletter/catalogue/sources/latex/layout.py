"""How the pieces of a formula stand side by side: scripts, fractions, roots, marks, blanks. Pure.

Unicode's own characters where there are some; else `x^(n+1)`, with brackets wherever another formula would be read.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from newsletter.catalogue.sources.latex import tables

_SCRIPT_RUN = re.compile(r"(?:[\^_](?:\([^()]*\)|\w))+$")


@dataclass(slots=True)
class Piece:
    """Text and how it joins its neighbours: word, roman, fraction, root, open (ends in a bare script), space."""

    text: str
    kind: str = ""


def join(pieces: list[Piece]) -> str:
    """The pieces side by side, with the blanks and brackets without which they would say something else."""
    parts: list[str] = []
    last, kind = "", ""
    solid = [piece for piece in pieces if piece.text]
    for place, piece in enumerate(solid):
        following = next((other.text[0] for other in solid[place + 1 : place + 3] if other.kind != "space"), "")
        text = piece.text
        if piece.kind == "fraction" and (
            is_word(last) or (last in ")]}" and last) or is_word(following) or following == "("
        ):
            text = f"({text})"
        elif piece.kind == "root" and is_word(following) and not text.endswith(")"):
            place_of_sign = text.index("√") + 1
            text = f"{text[:place_of_sign]}({text[place_of_sign:]})"
        first = text[0]
        needs_blank = (
            (piece.kind == "word" and (is_word(last) or last == ")"))
            or (piece.kind == "roman" and last.isalnum() and last not in tables.RAISED)
            or (kind in {"word", "open"} and is_word(first))
            or (kind == "roman" and first.isalnum())
        )
        parts.append(f" {text}" if needs_blank else text)
        last, kind = text[-1], piece.kind
    return "".join(parts)


def is_word(char: str) -> bool:
    return bool(char) and (char.isalnum() or unicodedata.combining(char) > 0 or char == "′")


def attach(pieces: list[Piece], script: str, is_open: bool = False) -> None:
    """Put a script to what stands before it."""
    while pieces and pieces[-1].kind == "space":
        pieces.pop()
    if not pieces:
        pieces.append(Piece(""))
    base = pieces[-1]
    if base.kind in {"fraction", "root"}:
        base.text, base.kind = f"({base.text})", ""
    base.text = base.text.rstrip() + script
    if is_open:
        base.kind = "open"
    elif base.kind != "word":
        base.kind = ""


def script(sign: str, text: str) -> tuple[str, bool]:
    """The text raised or lowered, and whether it needs a blank before a letter that follows."""
    plain = "".join(text.split())
    table = tables.SCRIPTS[sign]
    if all(ord(char) in table for char in plain):
        return plain.translate(table), False
    if len(unicodedata.normalize("NFC", text)) == 1:
        return sign + text, True
    if text[0] == "(" and _closes_at_end(text):
        return sign + text, False
    return f"{sign}({text})", False


def _closes_at_end(text: str) -> bool:
    level = 0
    for place, char in enumerate(text):
        level += (char == "(") - (char == ")")
        if level == 0:
            return place == len(text) - 1
    return False


def divided(above: list[Piece], below: list[Piece], how: str) -> Piece:
    one, other = join(above).strip(), join(below).strip()
    if how == "choose":
        return Piece(f"({one} choose {other})")
    if not other or not one:
        return Piece(one or other)
    if not _is_product(one):
        one = f"({one})"
    if not (_is_single(other) or (len(below) == 1 and below[0].kind in {"word", "roman"})):
        other = f"({other})"
    return Piece(f"{one}/{other}", "fraction")


def _is_product(text: str) -> bool:
    return _is_single(text) or all(is_word(char) or char in "∂∇√" for char in text)


def _is_single(text: str) -> bool:
    """Whether the text is one number, one letter with its scripts, or one bracket."""
    if text[0] == "(":
        return _closes_at_end(text)
    bare = _SCRIPT_RUN.sub("", text)
    bare = bare.lstrip("∂√")
    letters = [char for char in bare if char not in tables.RAISED and not unicodedata.combining(char) and char != "′"]
    return "".join(letters).isdigit() or (len(letters) == 1 and is_word(letters[0]))


def root(text: str, index: str) -> str:
    sign = "√" if index in {"", "2"} else _root_index(index) + "√"
    simple = (
        len(unicodedata.normalize("NFC", text)) == 1 or text.isdigit() or (text[:1] == "(" and _closes_at_end(text))
    )
    return sign + (text if simple else f"({text})")


def _root_index(index: str) -> str:
    raised, _is_open = script("^", index)
    return f"({index})" if raised[0] == "^" else raised


def marked(text: str, name: str) -> str:
    """The text with a mark on each of its letters, or the mark's name before more than three letters or a formula."""
    mark = tables.MARKS[name]
    bases = [char for char in text if not unicodedata.combining(char) and char not in tables.RAISED]
    if not text:
        return ""
    if len(bases) == 1 or (_SCRIPT_RUN.search(text) and _is_single(text)):
        return unicodedata.normalize("NFC", tables.DOTLESS.get(text[0], text[0]) + mark) + text[1:]
    if all(map(is_word, bases)) and (mark in tables.LINES or len(bases) <= 3):
        marked = "".join(char if char in tables.RAISED or unicodedata.combining(char) else char + mark for char in text)
        return unicodedata.normalize("NFC", marked)
    return f"{name.removeprefix('wide').replace('overline', 'bar')}({text})"
