"""Readable text out of what sources send: LaTeX to Unicode, no control or bidi characters, one line.

In: a raw title, abstract or name. Out: plain text (never HTML: `a<b` stays `a<b`, escaping is the templates' work).
Pure, and safe to run twice on what it gave. The time is bounded by the length of the text, however it nests: the
converter reads an open argument again and again, twice as often with each level, so its steps are counted.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

_LATEX_LIMIT = 4000  # longer input is left as it is: the converter is recursive
_STEPS_PER_CHARACTER = 1  # tokens the converter may read; of 1,000 abstracts of arXiv none needed 0.4
_STEPS_OF_ANY_TEXT = 200
_RAW_LENGTH = 12_000  # characters that are looked at, twice the longest text that is kept: normalising is quadratic
TITLE_LENGTH = 500
ABSTRACT_LENGTH = 6000
NAME_LENGTH = 200

# Format characters that can reorder or hide text. The zero-width (non-)joiner stays: some scripts need it.
_INVISIBLE = re.compile("[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]")
# Dollar signs are mathematics as pandoc reads them: "$5 and $6" is money.
_MATH = r"\$\$?(?![\s$])(?:[^$\\]|\\.){1,600}?(?<!\s)\$?\$(?!\d)"
_GROUP = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
_ACCENT = r"\\[\"'`^~=.](?:\{\\?[A-Za-z]\}|\\?[A-Za-z])|\\[Hcdbkruvt](?:\{\\?[A-Za-z]{1,2}\}|\s+[A-Za-z](?![A-Za-z]))"
_MACRO = rf"\\[A-Za-z]+\*?(?:{_GROUP})*|\\[^A-Za-z\s]"
_LATEX = re.compile(rf"{_MATH}|\{{(?:{_ACCENT}|\\[A-Za-z]+)\s*\}}|{_ACCENT}|{_MACRO}", re.DOTALL)
_QUOTED = re.compile(r"``(.{1,200}?)(?:''|”|\")", re.DOTALL)
_SCRIPT_GROUP = re.compile(r"([_^])\{([^{}\\]{1,40})\}")
_LINE_BREAK = re.compile(r"\\\\(?:\[[^\]]{0,20}\])?(?=\s|$)")
_READS_FILES = re.compile(r"\\(?:input|include|includegraphics|usepackage)\b")
_MATH_ALPHABET = re.compile("[\U0001d400-\U0001d7ff]")
_STANDS_FOR_ITSELF = {"\\" + sign: sign for sign in "%&$#_{}"} | {
    "\\,": " ",
    "\\;": " ",
    "\\:": " ",
    "\\!": "",
    "\\ ": " ",
}


def clean_title(raw: str) -> str:
    return clean_line(raw)[:TITLE_LENGTH].rstrip()


def clean_abstract(raw: str) -> str:
    return clean_line(raw)[:ABSTRACT_LENGTH].rstrip()


def clean_name(raw: str) -> str:
    return clean_line(raw)[:NAME_LENGTH].rstrip()


def clean_line(raw: str) -> str:
    """One line of readable text: LaTeX converted, invisible characters gone, white space collapsed."""
    return " ".join(latex_to_text(strip_invisible(raw[:_RAW_LENGTH])).split())


def strip_invisible(raw: str) -> str:
    """`raw` without control, bidi and other invisible characters; line breaks and the like become spaces."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", raw))
    return "".join(_visible(character) for character in text)


def latex_to_text(text: str) -> str:
    """LaTeX markup as Unicode; text that is not LaTeX, or cannot be read as such, stays as it is."""
    if len(text) > _LATEX_LIMIT:
        return text
    text = _QUOTED.sub(r"“\1”", _LINE_BREAK.sub(" ", text))
    if "\\" in text or "$" in text:
        budget = _Budget(_STEPS_PER_CHARACTER * len(text) + _STEPS_OF_ANY_TEXT)
        text = _LATEX.sub(lambda match: _converted(match[0], budget), text)
    return _SCRIPT_GROUP.sub(r"\1\2", text)


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Zl", "Zp"} or character in "\t\n\v\f\r\x85":
        return " "
    return "" if category in {"Cc", "Cs"} else character


class _Budget:
    """The steps that are left for one text. What needs more is not converted."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def spend(self) -> None:
        self.steps -= 1
        if self.steps < 0:
            raise ValueError("The text nests too deeply to be converted.")


def _converted(raw: str, budget: _Budget) -> str:
    if raw in _STANDS_FOR_ITSELF:
        return _STANDS_FOR_ITSELF[raw]
    if budget.steps <= 0 or _READS_FILES.search(raw):
        return raw
    if raw.startswith((r"\url{", r"\href{")):
        return _bare(raw.replace("}{", " "))
    converter, walker, failures = _converter()
    try:
        nodes = walker(raw.replace("%", r"\%").replace(r"\\%", r"\%"), budget).get_latex_nodes()[0]
        text = str(converter.nodelist_to_text(nodes))
    except failures:  # raw text is always readable
        return raw
    text = _MATH_ALPHABET.sub(lambda letter: unicodedata.normalize("NFKC", letter[0]), " ".join(text.split()))
    return text or _bare(raw)


def _bare(raw: str) -> str:
    """An unknown macro as a reader would say it: its name and arguments without the markup."""
    return " ".join(re.sub(r"\\(?:text|math|url|href)[a-z]*|[\\{}$]+", " ", raw).split())


@lru_cache(maxsize=1)
def _converter() -> tuple[Any, Any, tuple[type[Exception], ...]]:
    """The converter, the parser that spends a budget, and the ways in which they fail: a time limit is none of them."""
    from pylatexenc.latex2text import LatexNodes2Text
    from pylatexenc.latexwalker import LatexWalker, LatexWalkerError, get_default_latex_context_db

    known = get_default_latex_context_db()  # made once: it costs more than most formulas

    class Walker(LatexWalker):  # type: ignore[misc]
        def __init__(self, text: str, budget: _Budget) -> None:
            super().__init__(text, latex_context=known)
            self._budget = budget

        def get_token(self, *args: Any, **kwargs: Any) -> Any:
            self._budget.spend()
            return super().get_token(*args, **kwargs)

    failures = (LatexWalkerError, ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError)
    converter = LatexNodes2Text(math_mode="text", keep_comments=True, strict_latex_spaces=False)
    return converter, Walker, (*failures, TypeError, ValueError)
