"""Plain text made fit for a mail: cleaned, shortened at a word, wrapped by columns; what an abstract comes down to.

In: text of papers and curators, whatever it holds. Out: text that can break neither a header nor a line.
Pure; every function may be applied twice without further change.
"""

from __future__ import annotations

import re
import unicodedata

# Control characters, line and paragraph separators, bidi overrides and isolates, lone surrogates (MF11).
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")
_SPACES = re.compile(r"\s+")
_ELLIPSIS = "…"
# A sentence ends at . ! ? before a space and a capital, figure or bracket, or at a full-width stop.
_SENTENCE_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"”’)]))\s+(?=[\"“‘(\[]?[^\Wa-z_])|(?<=[。！？])\s*")
_NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|al|resp|approx|Fig|Figs|Eq|Eqs|Sec|Tab|No|Dr|Prof|St|w\.r\.t)|\b[A-Z])\.$"
)
_CONTRIBUTION = re.compile(
    r"\b(?:we|this (?:paper|work|study|survey|report|article|technical report))\s+(?:\w+ly\s+)?"
    r"(?:then\s+|also\s+|first\s+)?"
    r"(?:present|propose|introduce|show|describe|develop|release|study|investigate|demonstrate|argue|prove|build|design|"
    r"train|report|find|explore|provide|revisit|address|tackle|offer|examine|analy[sz]e|formulate|evaluate|review|survey)",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"^(?:in this (?:paper|work|study|article|report)|to (?:this end|address (?:this|these)[^,]{0,60})|here|"
    r"therefore|thus|hence|in response|motivated by this|to (?:fill|bridge|close) this gap),\s+",
    re.IGNORECASE,
)


def one_line(text: str) -> str:
    """The text on one line, without a character that could end a header, reorder a line or hide."""
    return _SPACES.sub(" ", UNSAFE.sub(" ", text)).strip()


def paragraphs(text: str) -> list[str]:
    """Paragraphs parted by blank lines, each on one line."""
    return [line for part in re.split(r"\r?\n[ \t]*\r?\n", text) if (line := one_line(part))]


def columns(text: str) -> int:
    """Width in a fixed-width window: wide characters take two columns, combining and joining ones none."""
    return sum(map(_column, text))


def _column(char: str) -> int:
    if char < "\u0300":
        return 1
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def shorten(text: str, *, width: int) -> str:
    """At most ``width`` columns: cut between words where there are any, never inside a grapheme, then an ellipsis."""
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
    return text[: max(kept, 1)].rstrip(" ,;:.-–—([") + _ELLIPSIS


def wrap(text: str, *, width: int = 72, indent: str = "") -> str:
    """The text in lines of at most ``width`` columns; a word longer than that stays whole unless its script is wide."""
    lines: list[str] = []
    line, filled, empty = indent, columns(indent), True
    for word in one_line(text).split():
        for piece in _pieces(word, width=width - columns(indent)):
            gap = "" if empty or piece.glued else " "
            if not empty and filled + len(gap) + piece.columns > width:
                lines.append(line)
                line, filled, gap = indent, columns(indent), ""
            line += gap + piece.text
            filled += len(gap) + piece.columns
            empty = False
    return "" if empty else "\n".join([*lines, line])


class _Piece:
    __slots__ = ("columns", "glued", "text")

    def __init__(self, text: str, *, glued: bool) -> None:
        self.text, self.glued, self.columns = text, glued, columns(text)


def _pieces(word: str, *, width: int) -> list[_Piece]:
    """A word as it may be broken: whole, or between its characters when it is wide script longer than a line."""
    if columns(word) <= width or not any(_column(char) == 2 for char in word):
        return [_Piece(word, glued=False)]
    pieces: list[_Piece] = []
    for char in word:
        if pieces and (_column(char) == 0 or pieces[-1].text.endswith("\u200d")):
            pieces[-1] = _Piece(pieces[-1].text + char, glued=pieces[-1].glued)
        else:
            pieces.append(_Piece(char, glued=bool(pieces)))
    return pieces


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; "e.g.", "et al." and initials do not end one."""
    found: list[str] = []
    for part in _SENTENCE_END.split(one_line(text)):
        if found and _NO_END.search(found[-1]):
            found[-1] += " " + part
        elif part:
            found.append(part)
    return found


def gist(abstract: str, *, width: int = 230) -> str:
    """What a paper does, in two or three lines: the sentence that says it, with its neighbours when there is room.

    Abstracts open with the state of the world; the reader wants the contribution, so what leads up to the sentence
    that says "we present" (of the first six) is dropped unless all of it fits. Never cut inside a word.
    """
    found = sentences(abstract)
    if not found:
        return ""
    start = next((place for place, sentence in enumerate(found[:6]) if _CONTRIBUTION.search(sentence)), 0)
    chosen = " ".join(found[: start + 1])
    if columns(chosen) > width and (opening := _OPENING.match(found[start])):
        bare = found[start][opening.end() :]
        chosen = bare[:1].upper() + bare[1:]
    elif columns(chosen) > width:
        chosen = found[start]
    if columns(chosen) > width:
        return _cut_at_clause(chosen, width=width)
    for sentence in found[start + 1 :]:
        if columns(chosen) + 1 + columns(sentence) > width:
            return _cut_at_clause(f"{chosen} {sentence}", width=width) if columns(chosen) < width // 2 else chosen
        chosen += " " + sentence
    return chosen


def _cut_at_clause(text: str, *, width: int) -> str:
    """Shortened, at the end of a clause when one ends near by."""
    short = shorten(text, width=width)
    clause = max(short.rfind(mark) for mark in (", ", "; ", ": ", " – ", " — "))
    return short[:clause] + _ELLIPSIS if clause > len(short) * 2 // 3 else short


def singular(word: str) -> str:
    """An English word in lower case without the s of many; enough to make "agents" and "agent" one word."""
    if len(word) > 3 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
