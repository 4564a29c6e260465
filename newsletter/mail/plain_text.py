"""Plain text made fit for a mail: cleaned, shortened at a word, wrapped by columns; what an abstract comes down to.

In: text of papers and curators, whatever it holds. Out: text that can break neither a header nor a line.
Pure; every function may be applied twice without further change.
"""

from __future__ import annotations

import re
import unicodedata

# Control characters, line and paragraph separators, bidi overrides and isolates, lone surrogates.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")
_SPACES = re.compile(r"\s+")
_ELLIPSIS = "…"
# A sentence ends at . ! ? before a space and a capital, figure or bracket, or at a full-width stop; or at a full stop
# between a word and a capitalised one that somebody forgot the space between.
_SENTENCE_END = re.compile(
    r"(?:(?<=[.!?])|(?<=[.!?][\"”’)]))\s+(?=[\"“‘(\[]?[^\Wa-z_])|(?<=[。！？])\s*|(?<=[a-z]{3}\.)(?=[A-Z][a-z]\w*\s)"
)
_NO_END = re.compile(
    r"(?:\b(?:e\.g|i\.e|cf|vs|etc|al|resp|approx|Fig|Figs|Eq|Eqs|Sec|Tab|No|Dr|Prof|St|w\.r\.t)|\b[A-Z])\.$"
)
_NO_END_LENGTH = 8  # characters: the longest of these and what stands before it
_SUBJECT = (
    r"\b(?:we|this (?:paper|work|study|survey|report|article|technical report))\s+(?:\w+ly\s+)?"
    r"(?:then\s+|also\s+|first\s+|further\s+|here\s+)?"
)
# What a paper brings, and, if no sentence says that, what it does.
_BRINGS = re.compile(
    _SUBJECT
    + r"(?:present|propose|introduce|describe|develop|release|build|design|train|offer|formulate|create|devise)"
    r"|\b(?:is|are) (?:proposed|presented|introduced)\b",
    re.IGNORECASE,
)
_DOES = re.compile(
    _SUBJECT + r"(?:show|stud|investigat|demonstrat|argue|prove|report|find|explor|provid|revisit|address|tackle|"
    r"examin|analy[sz]e|evaluat|review|survey|aim|focus|consider|adapt|extend|apply|compar|combin|establish|ask|rethink)",
    re.IGNORECASE,
)
_OPENING = re.compile(
    r"^(?:in this (?:paper|work|study|article|report)|here|therefore|thus|hence|in response|motivated by this|"
    r"however|moreover|furthermore|specifically|in particular|first|finally|additionally|to this end|"
    r"to (?:\w+ )?(?:address|tackle|solve|overcome|mitigate|resolve|alleviate|remedy|fill|bridge|close|handle|meet) "
    r"(?:this|these|those|that|such)\b[^,]{0,60}|addressing (?:this|these)\b[^,]{0,60}),\s+",
    re.IGNORECASE,
)
_LEANS_BACK = re.compile(
    r"\b(?:these|those|the (?:above|former|latter)|such (?:an?|methods?|models?))\b", re.IGNORECASE
)
# Where a sentence may be left: before what only adds to what is said.
_ADDITION = re.compile(
    r"(?:\s*[,;:]|\s+[–—]|\s+--?)\s+|\s+(?=\(|(?:which|while|whereas|because|although|where|when|so that|such that|"
    r"in order|thereby|by|with|without|through|via|using|including|but|based on|compared|leading to|allowing|enabling|"
    r"achieving|under|across|and)\b)"
)
# What must not stand last: a word that asks for another, an abbreviation, the beginning of a list.
_DANGLING = re.compile(
    r"(?:^|\s)(?:an?|the|its?|their|our|this|these|that|which|who|whose|of|for|to|from|in|on|at|by|with|without|as|and|"
    r"or|but|nor|both|either|between|into|onto|than|via|per|using|including|such|such as|e\.g\.?|i\.e\.?|etc|vs\.?|is|"
    r"are|was|were|be|been|has|have|had|can|could|may|might|will|would|not|not only|only|more|most|less|very|namely|"
    r"based|due|while|where|when|if|through|across|under|over|with respect|"
    r"in (?:conjunction|order|addition|terms|contrast|comparison)|according|compared|able|rather|followed|"
    r"the following(?: \w+)?|as follows)$",
    re.IGNORECASE,
)
# A clause begun in passing that has not come to its point: "…, in which the semantic".
_BEGUN = re.compile(r"\b(?:which|that|where|who|whose|while|because|although|when)(?:\s+\S+){0,3}$", re.IGNORECASE)
_ITEM = re.compile(r"\s*:?\s*\(?\b(?:i|1|a)\)\s")  # the first of a list of points
# A beginning that says nothing yet: what it belongs to comes after a comma.
_PRELUDE = re.compile(
    r"^(?:unlike|although|though|while|whereas|with|without|despite|inspired|motivated|by|to|in|on|at|when|if|as|since|"
    r"given|based|for|through|under|because|after|before|among|rather|instead|recently|however|moreover|\w+ing)\b",
    re.IGNORECASE,
)
_PRELUDE_REST = 30  # columns a sentence has to go on after its prelude to say something
# Columns; a shorter summary is filled up with the beginning of the next sentence; one that does not say what the paper
# brings already when it is shorter than half of what is allowed.
_SHORT = 70
_GIST_READS = 4000  # characters of an abstract; arXiv takes half of that


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
    graphemes: list[list[str]] = []
    for char in word:
        if graphemes and (_column(char) == 0 or graphemes[-1][-1] == "\u200d"):
            graphemes[-1].append(char)
        else:
            graphemes.append([char])
    return [_Piece("".join(grapheme), glued=place > 0) for place, grapheme in enumerate(graphemes)]


def sentences(text: str) -> list[str]:
    """The sentences of a paragraph; "e.g.", "et al." and initials do not end one."""
    found: list[list[str]] = []
    for part in _SENTENCE_END.split(one_line(text)):
        if found and _NO_END.search(found[-1][-1][-_NO_END_LENGTH:]):
            found[-1].append(part)
        elif part:
            found.append([part])
    return [" ".join(parts) for parts in found]


def gist(abstract: str, *, width: int = 230) -> str:
    """What a paper does, in two or three lines: the sentence that says it, with its neighbours when there is room.

    Abstracts open with the state of the world; the reader wants the contribution, so what leads up to the sentence
    that says "we present" (of the first six) is dropped unless all of it fits. Whole sentences where they fit; one
    that does not is left where a clause ends, never inside a word, and what is left says something by itself.
    """
    found = sentences(abstract[:_GIST_READS])
    if not found:
        return ""
    telling = _telling(found[:6])
    start = telling or 0
    chosen = " ".join(found[: start + 1])
    if columns(chosen) > width:
        chosen = found[start]
        if opening := _OPENING.match(chosen):
            bare = chosen[opening.end() :]
            chosen = bare[:1].upper() + bare[1:]
    if columns(chosen) > width:
        return _cut_at_clause(chosen, width=width)
    for sentence in found[start + 1 :]:
        if columns(chosen) + 1 + columns(sentence) > width:
            room = width - columns(chosen) - 1
            says_little = columns(chosen) < (_SHORT if telling is not None else width // 2)
            return f"{chosen} {_cut_at_clause(sentence, width=room)}" if says_little and room >= _SHORT else chosen
        chosen += " " + sentence
    return chosen


def _telling(found: list[str]) -> int | None:
    """Return the sentence that states the contribution: the first that does so without referring to the one before."""
    for says in (_BRINGS, _DOES):
        places = [place for place, sentence in enumerate(found) if says.search(sentence)]
        upright = [place for place in places if not _LEANS_BACK.search(_OPENING.sub("", found[place]))]
        if places:
            return (upright or places)[0]
    return None


def _cut_at_clause(text: str, *, width: int) -> str:
    """The beginning of a sentence that stands by itself and fits, with an ellipsis; else as many words as fit."""
    short = shorten(text, width=width).removesuffix(_ELLIPSIS)
    ends = [match.start() for match in _ADDITION.finditer(text) if match.start() <= len(short)]
    least = len(short) // 3
    if first := _ITEM.search(short):
        ends = [end for end in ends if end <= first.start()]
        least = min(least, first.start())
    if _PRELUDE.match(text):
        least = max(least, text.find(", ") + _PRELUDE_REST)
    for end in reversed(ends):
        if end >= least and _stands(text[:end]):
            return text[:end].rstrip(" ,;:–—-") + _ELLIPSIS
    words = short
    while " " in words and not _stands(words):
        words = words[: words.rstrip().rfind(" ")].rstrip(" ,;:–—-(")
    return (words if _stands(words) else short) + _ELLIPSIS


def _stands(text: str) -> bool:
    """Whether nothing is missing at the end: no word that asks for another, no bracket or quotation left open."""
    pairs = (("(", ")"), ("[", "]"), ("“", "”"), ("{", "}"))
    return (
        not _DANGLING.search(text.rstrip(" ,;:–—-"))
        and not _BEGUN.search(text)
        and all(text.count(one) <= text.count(other) for one, other in pairs)
        and text.count('"') % 2 == text.count("$") % 2 == 0
    )
