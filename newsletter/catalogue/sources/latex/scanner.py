"""Reads LaTeX from left to right: groups, arguments, formulas, and prose with its quotes, dashes and money. Pure.

One pass without a step back, and at most `DEEPEST` groups within each other, so the time grows with the length only.
"""

from __future__ import annotations

import re

from newsletter.catalogue.sources.latex.layout import Piece, attach, divided, join, script

DEEPEST = 30
_LONGEST_RAW = 600  # characters of an address or a list of keys
COMMAND = re.compile(r"\\(?:([A-Za-z]+)\*?|(.)|$)", re.DOTALL)
SPACE = re.compile(r"\s+")
_MATHS = re.compile(r"[^\\{}$^_~&'\s\]]+")
_URL = re.compile(r"https?://[^\s{}$\\<>]+(?:\\[_%#&~-][^\s{}$\\<>]*)*")
_WORDS = re.compile(r"(?:[^\\{}$^_~&'`\"\-h\]]|h(?!ttps?://))+")
_POWER = re.compile(r"\^([-+−]?\d+)(?![\w.])")
_SINGLE_QUOTED = re.compile(r"`(?=[^\s`'][^`']{0,80}'(?!\w))")
_BRACED_WORD = re.compile(r"(?=\w*[A-Z])\w[\w.+-]+$|[,.;:\-–/]$|$")
_MONEY = re.compile(r"\s?\d[\d.,]*\s*(?:[kKMBT]\b|[A-Za-z]{2,}|[-–/&+,;.)]|$)")
_MARKED_UP = re.compile(r"\\[A-Za-z ]|[\^_{]")
_PLAIN_WORD = re.compile(r"(?<![A-Za-z])[A-Za-z]{3,}(?![A-Za-z])")


class Scanner:
    """Reads one text or formula from its beginning to its end; what a command means is the subclass's to say."""

    def __init__(self, source: str, shared: dict[str, int], depth: int = 0) -> None:
        self.source, self.place, self.depth = source, 0, depth
        self.shared = shared  # citations by key, and whether a reference was dropped
        self.units = self.has_commands = False
        self.tables = 0
        self.quotes: list[str] = []

    def sequence(self, *, maths: bool, end: str = "") -> list[Piece]:
        """The pieces up to `end`, which is read too, or to the end of the text."""
        pieces: list[Piece] = []
        over: tuple[str, list[Piece]] | None = None
        self.depth += 1
        while self.place < len(self.source):
            char = self.source[self.place]
            if char == end or (end == "end" and self.source.startswith(r"\end{", self.place)):
                self.place += 1
                if end == "end":
                    self.place += len("end")
                    self.raw()
                break
            command = COMMAND.match(self.source, self.place)
            if over is None and maths and command and command[1] in {"over", "choose", "atop"}:
                self.place = command.end()
                over, pieces = (command[1], pieces), []
                continue
            if char == "\\":
                self.command(pieces, maths=maths)
            elif maths:
                self.formula(pieces, char)
            else:
                self.prose(pieces, char)
        self.depth -= 1
        return [divided(over[1], pieces, over[0])] if over else pieces

    # Formulas

    def formula(self, pieces: list[Piece], char: str) -> None:
        if char in "^_":
            self.place += 1
            self.script(pieces, char)
        elif char == "{":
            pieces.append(self.group(maths=True))
        elif char == "'":
            self.place += 1
            attach(pieces, "′")
        elif char == "&" and self.tables:
            self.place += 1
            attach(pieces, ", ")
        elif char in "~&" or char.isspace():
            self.place += 1
            pieces.append(Piece(" ", "space"))
        elif run := _MATHS.match(self.source, self.place):
            self.place = run.end()
            pieces.append(Piece(run[0]))
        else:  # a bracket or dollar sign without its partner
            self.place += 1
            if char == "]":
                pieces.append(Piece(char))

    def script(self, pieces: list[Piece], sign: str) -> None:
        text = join(self.argument(maths=True)).strip()
        if text:
            attach(pieces, *script(sign, text))

    def group(self, *, maths: bool) -> Piece:
        """The next group as one piece; without its braces, which only TeX reads."""
        self.place += 1
        if self.depth >= DEEPEST:
            return Piece("")
        pieces = self.sequence(maths=maths, end="}")
        solid = [piece for piece in pieces if piece.text.strip()]
        return Piece(join(pieces), solid[0].kind if len(solid) == 1 and len(pieces) == 1 else "")

    def argument(self, *, maths: bool) -> list[Piece]:
        """The next group, command or character."""
        if space := SPACE.match(self.source, self.place):
            self.place = space.end()
        if self.depth >= DEEPEST or self.place >= len(self.source):
            return []
        char = self.source[self.place]
        if char == "{":
            return [self.group(maths=maths)]
        pieces: list[Piece] = []
        if char == "\\":
            self.depth += 1
            self.command(pieces, maths=maths)
            self.depth -= 1
        elif char not in "}$&":
            self.place += 1
            pieces.append(Piece("′" if char == "'" else char))
        return pieces

    def option(self) -> str:
        """What stands in square brackets next, if anything does."""
        if self.source[self.place : self.place + 1] != "[" or self.depth >= DEEPEST:
            return ""
        self.place += 1
        return join(self.sequence(maths=True, end="]"))

    def raw(self, opening: str = "{", closing: str = "}") -> str:
        """The next group as it is written: an address, a key. Nothing when it does not close soon."""
        start = self.place
        while start < len(self.source) and self.source[start] == " ":
            start += 1
        if self.source[start : start + 1] != opening:
            return ""
        level = 0
        for place in range(start, min(start + _LONGEST_RAW, len(self.source))):
            char = self.source[place]
            level += (char == opening) - (char == closing)
            if level == 0:
                self.place = place + 1
                return self.source[start + 1 : place]
        return ""

    # Prose

    def prose(self, pieces: list[Piece], char: str) -> None:
        if char == "$":
            self.dollar(pieces)
        elif char == "}" and self.source[self.place + 1 : self.place + 2] in {" ", "{"}:
            self.place += 1  # what it closed is gone
            pieces.append(Piece(" ", "space"))
        elif char == "{":
            self.braces(pieces)
        elif char in "^_" and self.source[self.place + 1 : self.place + 2] in {"{", "\\"}:
            self.place += 1
            self.script(pieces, char)
        elif char == "^" and (power := _POWER.match(self.source, self.place)):
            self.place = power.end()
            pieces.append(Piece(script("^", power[1])[0]))
        elif word := _URL.match(self.source, self.place) or _WORDS.match(self.source, self.place):
            self.place = word.end()
            is_url = word.re is _URL
            pieces.append(Piece(re.sub(r"\\([_%#&~-])", r"\1", word[0]) if is_url else word[0]))
        else:
            self.punctuation(pieces, char)

    def punctuation(self, pieces: list[Piece], char: str) -> None:
        """Quotes, dashes and ties as TeX writes them."""
        rest = self.source[self.place : self.place + 4]
        before = self.source[self.place - 1 : self.place]
        text, length = char, 1
        if rest.startswith("```"):
            text, length = "```", 3
        elif rest.startswith("``"):
            text, length = "“", 2
            self.quotes.append("”")
        elif char == "`" and not (before.isalnum() and before.isascii()) and self.is_single_quote():
            text = "‘"
            self.quotes.append("’")
        elif rest.startswith("''") and self.quotes[-1:] == ["”"]:
            text, length = self.quotes.pop(), 2
        elif (char == '"' and self.quotes[-1:] == ["”"]) or (
            char == "'" and self.quotes[-1:] == ["’"] and not rest[1:2].isalnum()
        ):
            text = self.quotes.pop()
        elif char == "-":
            text, length = _dash(rest, before)
        elif char == "~" and _is_tie(before, rest[1:2]):
            text = " "
        self.place += length
        pieces.append(Piece(text))

    def is_single_quote(self) -> bool:
        return _SINGLE_QUOTED.match(self.source, self.place) is not None

    def braces(self, pieces: list[Piece]) -> None:
        """A group in prose: braces without a command in them were meant to be seen, unless they guard a name."""
        if self.depth >= DEEPEST:
            self.place += 1
            pieces.append(Piece("{"))
            return
        start, had_commands, self.has_commands = self.place, self.has_commands, False
        self.place += 1
        text = join(self.sequence(maths=False, end="}"))
        is_closed = self.source[self.place - 1] == "}" and self.place > start + 1
        is_markup = self.has_commands or (is_closed and _BRACED_WORD.match(text))
        self.has_commands = self.has_commands or had_commands
        if is_closed and text == "" and not _is_guard(self.source, start):
            is_markup = False
        pieces.append(Piece(text if is_markup else "{" + text + ("}" if is_closed else "")))

    def dollar(self, pieces: list[Piece]) -> None:
        """A formula between dollar signs, or the sign itself where it is money or stands alone."""
        sign = "$$" if self.source.startswith("$$", self.place) else "$"
        start = self.place + len(sign)
        close = self.closing_dollar(start, sign)
        body = self.source[start:close] if close >= 0 else ""
        if close < 0 or (sign == "$" and _is_money(body, self.source[close + 1 : close + 2])):
            self.place += len(sign)
            pieces.append(Piece(sign))
        else:
            self.place = close + len(sign)
            self.inner(pieces, body)

    def closing_dollar(self, start: int, sign: str) -> int:
        """Where the formula ends; a dollar sign within braces, two at most, belongs to a text in the formula."""
        close = start - 1
        for _ in range(3):
            close = _unescaped(self.source, sign, close + 1)
            body = self.source[start : min(close, start + _LONGEST_RAW)] if close >= 0 else ""
            if close < 0 or body.count("{") <= body.count("}") or r"\text" not in body:
                break
        return close

    def inner(self, pieces: list[Piece], body: str) -> None:
        self.has_commands = True
        if self.depth < DEEPEST:
            body = body.lstrip() if body.endswith("\\ ") else body.strip()
            reader = type(self)(body, self.shared, self.depth)
            pieces.append(Piece(join(reader.sequence(maths=True))))

    def command(self, pieces: list[Piece], *, maths: bool) -> None:
        """Read the command that begins here."""
        raise NotImplementedError


def _is_money(body: str, following: str) -> bool:
    """Whether the two dollar signs around the text are amounts: "$5 and $6", "US$ 20 to US$ 30"."""
    has_markup = _MARKED_UP.search(body) is not None
    is_tight = bool(body) and not body[0].isspace() and not body[-1].isspace() and not following.isdigit()
    if not body.strip():
        return True
    if _MONEY.match(body) and not is_tight:
        return not has_markup or body[-1].isspace() or body[-1] in "(-–"
    if has_markup:
        return False
    if len(_PLAIN_WORD.findall(body)) >= 2:
        return True
    return not is_tight and (" " in body.strip() or (body.strip()[0].isdigit() and following.isdigit()))


def _unescaped(text: str, sign: str, start: int) -> int:
    """Where the sign stands next without a backslash before it; -1 when it does not."""
    place = text.find(sign, start)
    while place > 0 and text[place - 1] == "\\" and not text.endswith("\\\\", start, place):
        place = text.find(sign, place + 1)
    return place


def _dash(rest: str, before: str) -> tuple[str, int]:
    length = len(rest) - len(rest.lstrip("-"))
    following = rest[length : length + 1]
    if length == 3:
        return "—", 3
    if length == 2 and not (following.isalpha() and not before.isalnum() and before not in list(")]}”'.,;:$%")):
        return "–", 2
    return "-" * length, length


def _is_tie(before: str, after: str) -> bool:
    """Whether a tilde is TeX's blank: not "~5 %", not "/~user", not a range of numbers."""
    if not before or not after or before.isspace() or after.isspace() or before in "/([<>~":
        return False
    return not (before.isdigit() and after.isdigit())


def _is_guard(source: str, start: int) -> bool:
    """Whether an empty group stands to keep two characters apart, or before a script that has no letter."""
    return source[start + 2 : start + 3] in {"^", "_"}
