"""Readable text out of what sources send: LaTeX to Unicode, no control or bidi characters, one line.

In: a raw title, abstract or name. Out: plain text (never HTML: `a<b` stays `a<b`, escaping is the templates' work).
Pure, and safe to run twice on what it gave.
"""

from __future__ import annotations

import html
import re
import unicodedata

from newsletter.catalogue.sources.latex.commands import to_text

_RAW_LENGTH = 12_000  # characters that are looked at, twice the longest text that is kept: normalising is quadratic
TITLE_LENGTH = 500
ABSTRACT_LENGTH = 6000
NAME_LENGTH = 200

# Format characters that can reorder or hide text. The zero-width (non-)joiner stays: some scripts need it.
_INVISIBLE = re.compile("[\u00ad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]")
_ENTITY = re.compile(r"&(?:amp;)*(#\d{1,6}|#[xX][0-9a-fA-F]{1,5}|[A-Za-z]{2,8}\d?);")
# Markup of journals and feeds (HTML, JATS, MathML). `<sub>` and `<sup>` are read with the LaTeX; `a<b` is no tag.
_BLOCK = re.compile(r"</?(?:jats:)?(?:p|br|div|sec|title|li|ul|ol|tr|td|h[1-6])(?:\s[^<>]{0,300})?/?>", re.IGNORECASE)
_TAG = re.compile(
    r"</?(?:(?:jats|mml):[a-z]{1,20}|a|abbr|b|bold|em|font|i|img|italic|sc|small|span|strong|u)(?:\s[^<>]{0,600})?/?>",
    re.IGNORECASE,
)


def without_markup(raw: str) -> str:
    """`raw` without the tags of HTML, JATS and MathML, for the functions below."""
    return _TAG.sub("", _BLOCK.sub(" ", unescape(raw[:_RAW_LENGTH])))


def clean_title(raw: str) -> str:
    return clean_line(raw)[:TITLE_LENGTH].rstrip()


def clean_abstract(raw: str) -> str:
    return clean_line(raw)[:ABSTRACT_LENGTH].rstrip()


def clean_name(raw: str) -> str:
    return clean_line(raw)[:NAME_LENGTH].rstrip()


def source_text(raw: str) -> str:
    """`raw` as it is kept beside the readable text: the LaTeX stays, what a database refuses or hides text goes."""
    return " ".join(strip_invisible(raw[:_RAW_LENGTH]).split())


def clean_line(raw: str) -> str:
    """One line of readable text: entities and LaTeX converted, invisible characters gone, white space collapsed."""
    return " ".join(to_text(strip_invisible(unescape(raw[:_RAW_LENGTH]))).split())


def unescape(raw: str) -> str:
    """`raw` with the entities of HTML as what they mean, also where they were escaped several times."""
    return _ENTITY.sub(lambda entity: html.unescape(f"&{entity[1]};"), raw)


def strip_invisible(raw: str) -> str:
    """`raw` without control, bidi and other invisible characters; line breaks and the like become spaces."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", raw))
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Zl", "Zp"} or character in "\t\n\v\f\r\x85":
        return " "
    return "" if category in {"Cc", "Cs"} else character
