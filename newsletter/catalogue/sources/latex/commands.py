"""What each command of LaTeX shows: symbols, fractions, accents, environments, links, citations, quantities. Pure.

A command nobody knows stays as its name, so nothing vanishes.
"""

from __future__ import annotations

import re
import unicodedata

from newsletter.catalogue.sources.latex import tables
from newsletter.catalogue.sources.latex.layout import Piece, attach, divided, join, marked, root, script
from newsletter.catalogue.sources.latex.scanner import COMMAND, DEEPEST, SPACE, Scanner

_EMPTY_BRACKETS = re.compile(r"\s*\((?:see|cf\.?|eq\.?|Eq\.?)?[\s,]*\)")
_CHEMISTRY = re.compile(r"(?<=[A-Za-z)\]])(\d+)|\^\{?([^{}\s]*[+-]|\d+)\}?|(?<=[A-Za-z\d)\]])([+-])(?=$|\s)")
_REACTIONS = (("<=>", " ⇌ "), ("<->", " ↔ "), ("->", " → "), ("<-", " ← "))
_SMALL_NUMERAL = re.compile(r"\{([ivx]+)\}|([ivx]+)(?=\})")
_VERBATIM = re.compile(r"\*?([|!+/@=\"'])(.{0,100}?)\1")
_TAG = re.compile(r"<(sub|sup)>([^<>]{1,40})</\1>", re.IGNORECASE)


def to_text(source: str) -> str:
    """The text a reader of the typeset page would see, in plain characters; white space is not collapsed."""
    return read_text(Reader(source, {}))


def read_text(reader: Reader) -> str:
    reader.source = _TAG.sub(lambda tag: script("^" if tag[1].lower() == "sup" else "_", tag[2])[0], reader.source)
    readable = join(reader.sequence(maths=False))
    return _EMPTY_BRACKETS.sub("", readable) if reader.shared.get("dropped") else readable


class Reader(Scanner):
    """A scanner that knows the commands."""

    def command(self, pieces: list[Piece], *, maths: bool) -> None:
        match = COMMAND.match(self.source, self.place)
        if match is None:
            self.place += 1
            return
        name, sign = match[1] or "", match[2] or ""
        is_spaced = self.source[self.place - 1 : self.place].isspace()
        self.place = match.end()
        self.has_commands = True
        if sign:
            self.sign(pieces, sign, maths=maths)
            return
        if maths or name in tables.LETTERS or name in tables.DECLARATIONS or name in tables.ACCENTS:
            self.skip_space(name, maths=maths)
        if not self.structure(pieces, name, maths=maths) and not self.named(pieces, name, maths=maths):
            self.symbol(pieces, name, maths=maths, is_spaced=is_spaced)
            if self.source.startswith("{}", self.place):
                self.place += len("{}")  # it only ended the name

    def skip_space(self, name: str, *, maths: bool) -> None:
        """Read the blank that only ends the command's name."""
        following = SPACE.match(self.source, self.place)
        if following and (maths or name not in tables.ACCENTS or self.accented(following.end())):
            self.place = following.end()

    def accented(self, place: int) -> bool:
        return re.match(r"\\?[A-Za-z]|\{", self.source[place : place + 3]) is not None

    def sign(self, pieces: list[Piece], sign: str, *, maths: bool) -> None:
        if sign in "([":
            closing = {"(": r"\)", "[": r"\]"}[sign]
            close = self.source.find(closing, self.place) if not self.shared.get(closing) else -1
            if close >= 0 and not maths:
                body, self.place = self.source[self.place : close], close + 2
                self.inner(pieces, body)
                return
            self.shared[closing] = 1  # none is left: the search is not made again
        if sign in tables.ACCENTS and not (maths and sign in "=.`"):
            if not self.accent(pieces, tables.ACCENTS[sign]):
                pieces.append(Piece(sign if sign in "~^'`\"" else ""))
        elif sign == "\\":
            self.raw("[", "]")
            if self.tables:
                attach(pieces, "; ")
            else:
                pieces.append(Piece(" ", "space"))
        elif sign in tables.SIGNS:
            pieces.append(Piece(tables.SIGNS[sign], "space" if tables.SIGNS[sign] == " " else ""))
        else:
            pieces.append(Piece(sign))

    def accent(self, pieces: list[Piece], mark: str) -> bool:
        """Put the mark on the next letter; say whether there was one."""
        letters = join(self.argument(maths=False)).strip() if self.source[self.place : self.place + 1] != " " else ""
        if not letters:
            return False
        first = tables.DOTLESS.get(letters[0], letters[0])
        pieces.append(Piece(unicodedata.normalize("NFC", first + mark) + letters[1:]))
        return True

    def structure(self, pieces: list[Piece], name: str, *, maths: bool) -> bool:
        """Read a command that takes its arguments apart; say whether it was one."""
        if name.endswith("frac") and name in {"frac", "tfrac", "dfrac", "cfrac", "nicefrac", "sfrac"}:
            above, below = self.argument(maths=True), self.argument(maths=True)
            pieces.append(divided(above, below, "over"))
        elif name in {"binom", "tbinom", "dbinom"}:
            above, below = self.argument(maths=True), self.argument(maths=True)
            pieces.append(divided(above, below, "choose"))
        elif name == "sqrt":
            index = self.option().strip()
            pieces.append(Piece(root(join(self.argument(maths=True)).strip(), index), "root"))
        elif name in {"sp", "sb"} and maths:
            self.script(pieces, "^" if name == "sp" else "_")
        elif name in tables.MARKS and (maths or tables.MARKS[name] not in {"\u0332", "\u0338"}):
            body = self.argument(maths=maths)
            blank = " " if name == "not" and pieces and pieces[-1].kind == "space" else ""
            pieces.append(Piece(marked(join(body).strip(), name) + blank, body[-1].kind if body else ""))
        elif name in {"overset", "stackrel", "underset"}:
            mark, base = join(self.argument(maths=True)).strip(), self.argument(maths=True)
            pieces.extend(base)
            if mark:
                attach(pieces, *script("_" if name == "underset" else "^", mark))
        elif name in tables.ARROWS_WITH_LABELS:
            labels = (("_", self.option().strip()), ("^", join(self.argument(maths=True)).strip()))
            pieces.append(Piece(tables.ARROWS_WITH_LABELS[name]))
            for sign, label in labels:
                if label:
                    attach(pieces, *script(sign, label))
            pieces.append(Piece(" ", "space"))
        elif name == "begin":
            self.environment(pieces, maths=maths)
        elif name == "end":
            self.raw()
        else:
            return self.reference(pieces, name, maths=maths)
        return True

    def environment(self, pieces: list[Piece], *, maths: bool) -> None:
        name = self.raw()
        if self.depth >= DEEPEST:
            return
        fence = tables.FENCES.get(name.rstrip("*"))
        if fence and name in {"array", "tabular"}:
            self.raw("[", "]")
            self.raw()
        self.tables, outer = int(fence is not None), self.tables
        inner = join(self.sequence(maths=maths or bool(fence or tables.FORMULAS.match(name)), end="end")).strip()
        self.tables = outer
        pieces.append(Piece(inner.join(fence) if fence else f" {inner} "))

    def reference(self, pieces: list[Piece], name: str, *, maths: bool) -> bool:
        """Read a citation, a link or a quantity; say whether it was one."""
        if name.lower().startswith("cite") or name in {"citep", "citet", "parencite", "textcite", "autocite"}:
            note = self.raw("[", "]") or self.raw("[", "]")
            self.raw("[", "]")
            pieces.append(Piece(self.citation(self.raw(), note.replace("~", " "))))
        elif name in {"ref", "eqref", "cref", "Cref", "autoref", "pageref", "hyperref"}:
            self.raw()
            self.shared["dropped"] = 1
            while pieces and pieces[-1].text.isspace():
                pieces.pop()
            if pieces:
                pieces[-1].text = pieces[-1].text.rstrip()
        elif name in {"url", "path", "nolinkurl"}:
            pieces.append(Piece(_address(self.raw())))
        elif name == "href":
            address, shown = _address(self.raw()), join(self.argument(maths=False)).strip()
            pieces.append(Piece(f"{shown} ({address})" if address and address not in shown else shown))
        elif name == "ce":
            pieces.append(Piece(_chemical(self.raw())))
        elif name in {"SI", "qty", "si", "unit", "num", "ang", "SIrange", "numrange", "qtyrange"}:
            self.quantity(pieces, name)
        else:
            return False
        return True

    def citation(self, keys: str, note: str) -> str:
        cited = [key.strip() for key in keys.split(",") if key.strip()]
        if not all(key.isdigit() for key in cited):
            cited = [str(self.shared.setdefault(f"cite {key}", self.cited() + 1)) for key in cited]
        return "[" + ", ".join([*cited, note] if note else cited) + "]" if cited else ""

    def cited(self) -> int:
        return sum(key.startswith("cite ") for key in self.shared)

    def quantity(self, pieces: list[Piece], name: str) -> None:
        if self.source[self.place : self.place + 1] not in {"{", "["}:
            return
        self.raw("[", "]")
        ends = []
        if name not in {"si", "unit"}:
            ends = [join(self.argument(maths=True)).strip() for _ in range(1 + name.endswith("range"))]
        numbers = "–".join(re.sub(r"(?<=\d)e([-+]?\d+)$", lambda e: "×10" + script("^", e[1])[0], end) for end in ends)
        unit = "°" if name == "ang" else ""
        if name in {"SI", "qty", "si", "unit", "SIrange", "qtyrange"}:
            self.units = True
            unit = join(self.argument(maths=True)).strip().replace(".", " ")
            self.units = False
        pieces.append(Piece(numbers + (" " if numbers and unit and unit[0] not in "°%′″" else "") + unit, "roman"))

    def named(self, pieces: list[Piece], name: str, *, maths: bool) -> bool:
        """Read a command that shows its argument in some way; say whether it was one."""
        if self.units and name in tables.UNITS:
            pieces.append(Piece(tables.UNITS[name]))
        elif name in tables.ALPHABETS:
            self.alphabet(pieces, tables.ALPHABETS[name])
        elif name in {"sc", "scshape", "textsc"} and (numeral := _SMALL_NUMERAL.match(self.source, self.place)):
            self.place = numeral.end()
            pieces.append(Piece((numeral[1] or numeral[2]).upper()))  # a stage of ionisation: [C II]
        elif name == "ion":
            element, stage = join(self.argument(maths=False)), join(self.argument(maths=False))
            pieces.append(Piece(f"{element} {stage.upper()}"))
        elif name == "verb" and (verbatim := _VERBATIM.match(self.source, self.place)):
            self.place = verbatim.end()
            pieces.append(Piece(verbatim[2]))
        elif name == "operatorname":
            self.skip_star()
            pieces.append(Piece(join(self.argument(maths=True)).strip(), "word"))
        elif name in tables.TEXTS or (name in tables.STYLES and not maths):
            self.styled(pieces, name, maths=False)
        elif name in tables.STYLES:
            self.styled(pieces, name, maths=True)
        elif name in tables.BRACKETS:
            self.bracketed(pieces, name, maths=maths)
        elif name in tables.DECLARATIONS:
            if maths and name == "rm":
                run = re.compile(r"[A-Za-z]+").match(self.source, self.place)
                if run:
                    self.place = run.end()
                    pieces.append(Piece(run[0], "roman" if len(run[0]) > 1 else ""))
        elif name in tables.DROPPED:
            for _ in range(tables.DROPPED[name]):
                self.raw()
            if name in {"left", "right"} and self.source[self.place : self.place + 1] == ".":
                self.place += 1
            elif name in {"newline", "par", "linebreak", "hspace", "hfill"} or (not maths and name == "xspace"):
                pieces.append(Piece(" ", "space"))
        elif not maths and name in tables.ACCENTS and self.accented(self.place):
            return self.accent(pieces, tables.ACCENTS[name])
        else:
            return False
        return True

    def skip_star(self) -> None:
        if self.source[self.place : self.place + 1] == "*":
            self.place += 1

    def styled(self, pieces: list[Piece], name: str, *, maths: bool) -> None:
        if name == "textcolor":
            self.raw()
        body = self.argument(maths=maths)
        text, kind = join(body), body[0].kind if len(body) == 1 else ""
        if name == "texorpdfstring":
            self.raw()
        if name in tables.ROMAN and len(text) > 1:
            kind = kind or "roman"
        pieces.append(Piece(text, kind))

    def alphabet(self, pieces: list[Piece], alphabet: int) -> None:
        """Letters in an alphabet of their own: those of the next group, or the next letter."""
        text = join(self.argument(maths=True)).strip()
        letters = sum(char.isalpha() and char.isascii() for char in text)
        if letters <= tables.LONGEST_IN_ALPHABET:
            text = tables.in_alphabet(text, alphabet)
        pieces.append(Piece(text))

    def bracketed(self, pieces: list[Piece], name: str, *, maths: bool) -> None:
        opening, closing = tables.BRACKETS[name]
        if name == "item":
            self.raw("[", "]")
            pieces.append(Piece(opening))
            return
        text = join(self.argument(maths=maths)).strip()
        if opening in {"^", "_"}:
            attach(pieces, *script(opening, text))
            return
        if name == "braket" and self.source[self.place : self.place + 1] == "{":
            text = f"{text}|{join(self.argument(maths=maths)).strip()}"
        pieces.append(Piece(opening + text + closing))

    def symbol(self, pieces: list[Piece], name: str, *, maths: bool, is_spaced: bool) -> None:
        """A sign, the name of a function, or a name nobody knows with its arguments."""
        if maths and name in tables.FUNCTIONS:
            pieces.append(Piece(tables.SHOWN_AS.get(name, name), "word"))
            return
        sign = tables.BLACKBOARD_NAMES.get(name) if maths else None
        sign = tables.symbols().get(name) if sign is None else sign
        if sign is None:
            self.unknown(pieces, name, maths=maths)
        elif maths and name == "colon":
            pieces.append(Piece(": "))
        elif maths and is_spaced and _is_operator(sign):
            pieces.append(Piece(f" {sign} "))
        else:
            pieces.append(Piece(sign, "word" if len(sign) > 1 and sign.isalpha() else ""))

    def unknown(self, pieces: list[Piece], name: str, *, maths: bool) -> None:
        arguments = []
        while self.source[self.place : self.place + 1] == "{" and self.depth < DEEPEST:
            if text := join(self.argument(maths=maths)).strip():
                arguments.append(text)
        if maths and arguments:
            pieces.append(Piece(f"{name}({', '.join(arguments)})", "word"))
        else:
            pieces.append(Piece(" ".join([name, *arguments]), "word"))


def _is_operator(sign: str) -> bool:
    return sign in {"·", "|", "*", "•", ":=", "=:"} or (
        len(sign) == 1 and unicodedata.category(sign) in {"Sm", "So"} and sign not in tables.PREFIXES
    )


def _address(raw: str) -> str:
    return re.sub(r"\\([_%#&~{}-])", r"\1", raw.strip())


def _chemical(raw: str) -> str:
    """A formula as mhchem writes it: H2O, SO4^2-, 2 H2 + O2 -> 2 H2O."""
    for arrow, sign in _REACTIONS:
        raw = raw.replace(arrow, sign)
    text = _CHEMISTRY.sub(lambda part: script("_", part[1])[0] if part[1] else script("^", part[2] or part[3])[0], raw)
    return re.sub(r"[{}$\\_]", "", text)
