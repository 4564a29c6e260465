"""Plain text made fit for a mail: cleaned, shortened at a word, wrapped by columns.

In: text of papers and curators, whatever it holds. Out: text that can break neither a header nor a line.
Pure; every function may be applied twice without further change.
"""

from __future__ import annotations

import re
import unicodedata

# Control characters, line and paragraph separators, bidi overrides and isolates, lone surrogates.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")
_SPACES = re.compile(r"[^\S\u00a0\u202f]+")  # French keeps : and « with their word by a space that does not break
_ELLIPSIS = "…"
WIDTH = 72  # columns of the text part
# What may not begin a line, and what may not end one, where words are written without spaces (JIS X 4051).
_PAUSES = "\uff0c\u3001\u3002\uff1b\uff1a"
_OPENING = "([{\u2018\u201c\uff08\u3008\u300a\u300c\u300e\u3010"
_SMALL = "ぁぃぅぇぉっゃゅょァィゥェォッャュョ々ー"
_CLOSING = _PAUSES + _SMALL + ")]},.;:!?%…\u2019\u201d\uff01\uff09\uff1f\u3009\u300b\u300d\u300f\u3011\u30fb"


def one_line(text: str) -> str:
    """Return the text on one line, without characters that could end a header, reorder a line or hide."""
    return _SPACES.sub(" ", UNSAFE.sub(" ", text)).strip()


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs, separated by blank lines, each on one line."""
    return [line for part in re.split(r"\r?\n[ \t]*\r?\n", text) if (line := one_line(part))]


def columns(text: str) -> int:
    """Return the width in columns: wide characters take two, combining and joining ones none."""
    return sum(map(_column, text))


def _column(char: str) -> int:
    if char < "\u0300":
        return 1
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def shorten(text: str, *, width: int) -> str:
    """Shorten to ``width`` columns with an ellipsis: between words where possible, never inside a grapheme."""
    text = one_line(text)
    if columns(text) <= width:
        return text
    kept, used = 0, 1
    for char in text:
        used += _column(char)
        if used > width:
            break
        kept += 1
    while kept and _column(text[kept]) == 0:
        kept -= 1  # the mark belongs to the character before it
    while kept and text[kept - 1] == "\u200d":
        kept -= 2  # a joined emoji goes as a whole
    space = text.rfind(" ", 0, kept + 1)
    if space > kept // 2:
        kept = space
    return text[: max(kept, 1)].rstrip(" ,;:.-–—([" + _PAUSES + _OPENING) + _ELLIPSIS


def wrap(text: str, *, width: int = WIDTH, indent: str = "") -> str:
    """Wrap to lines of ``width`` columns; a longer word stays whole. Wide scripts need no spaces to be wrapped."""
    lines: list[str] = []
    line, filled, empty = indent, columns(indent), True
    for word in filter(None, one_line(text).split(" ")):
        for piece in _pieces(word, width=width - columns(indent)):
            gap = "" if empty or piece.glued else " "
            if not empty and filled + len(gap) + piece.columns > width:
                lines.append(line)
                line, filled, gap = indent, columns(indent), ""
            line += gap + piece.text
            filled += len(gap) + piece.columns
            empty = False
    return "" if empty else "\n".join([*lines, line])


def wrap_lines(text: str) -> str:
    """Wrap each line that is longer than WIDTH, and leave the others as they are."""
    return "".join(line if columns(line) <= WIDTH else wrap(line) + "\n" for line in text.splitlines(keepends=True))


def item(text: str) -> str:
    """Return the text as an item of a list, wrapped."""
    return wrap(text, indent="  ").replace("  ", "- ", 1)


class _Piece:
    __slots__ = ("columns", "glued", "text")

    def __init__(self, text: str, *, glued: bool) -> None:
        self.text, self.glued, self.columns = text, glued, columns(text)


def _pieces(word: str, *, width: int) -> list[_Piece]:
    """Split a word where a line may end: beside a wide character, but not before a closing or after an opening sign.

    Signs that go on for longer than a line are split all the same.
    """
    texts, text, used, before = [], "", 0, 0
    for char in word:
        size = _column(char)
        is_held = text[-1:] in _OPENING or char in _CLOSING
        if 2 in (size, before) and size and text[-1:] != "\u200d" and (not is_held or used + size > width):
            texts.append(text)
            text, used = "", 0
        text, used, before = text + char, used + size, size or before
    return [_Piece(text, glued=place > 0) for place, text in enumerate(filter(None, [*texts, text]))]
