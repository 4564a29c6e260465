"""Readable text out of what sources send: LaTeX to Unicode, no control or bidi characters, one line.

In: a raw title, abstract or name. Out: plain text (never HTML: `a<b` stays `a<b`, escaping is the templates' work).
Pure, and safe to run twice on what it gave.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

_LATEX_LIMIT = 4000  # longer input is left as it is: the converter is recursive
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
    return " ".join(latex_to_text(strip_invisible(raw)).split())


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
        text = _LATEX.sub(_converted, text)
    return _SCRIPT_GROUP.sub(r"\1\2", text)


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Zl", "Zp"} or character in "\t\n\v\f\r\x85":
        return " "
    return "" if category in {"Cc", "Cs"} else character


def _converted(match: re.Match[str]) -> str:
    raw = match[0]
    if raw in _STANDS_FOR_ITSELF:
        return _STANDS_FOR_ITSELF[raw]
    if _READS_FILES.search(raw):
        return raw
    if raw.startswith((r"\url{", r"\href{")):
        return _bare(raw.replace("}{", " "))
    try:
        text = str(_converter().latex_to_text(raw.replace("%", r"\%").replace(r"\\%", r"\%")))
    except Exception:  # the converter fails in many ways (RecursionError among them), and raw text is always readable
        return raw
    text = _MATH_ALPHABET.sub(lambda letter: unicodedata.normalize("NFKC", letter[0]), " ".join(text.split()))
    return text or _bare(raw)


def _bare(raw: str) -> str:
    """An unknown macro as a reader would say it: its name and arguments without the markup."""
    return " ".join(re.sub(r"\\(?:text|math|url|href)[a-z]*|[\\{}$]+", " ", raw).split())


@lru_cache(maxsize=1)
def _converter() -> Any:
    from pylatexenc.latex2text import LatexNodes2Text

    return LatexNodes2Text(math_mode="text", keep_comments=True, strict_latex_spaces=False)
