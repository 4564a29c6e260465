"""BibTeX and BibLaTeX as reference managers write it. Pure.

bibtexparser cuts the file into blocks, also a broken one; values stay as written, and `#` and macros are put together
here within a budget (a chain of macros can be written to grow without end).
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from newsletter.catalogue.sources.clean_text import clean_title
from newsletter.interests.library.entries import (
    MOST_REFERENCES,
    Reading,
    Reference,
    Refusal,
    TooManyReferencesError,
    add,
    gettext_noop,
)

if TYPE_CHECKING:
    from bibtexparser import model
    from bibtexparser.library import Library

_BLOCK = re.compile(r"^[ \t]*@[ \t]*[a-z]+[ \t]*[{(]", re.IGNORECASE | re.MULTILINE)
_COMMENTED_OUT = re.compile(r"^([ \t]*%[% \t]*)@", re.MULTILINE)
_NO_KEY = re.compile(
    r"(@[ \t]*(?!string|preamble|comment)[a-z]+[ \t]*[{(])(?=\s*(?:author|title|year|doi|url|editor)\s*=)",
    re.IGNORECASE,
)
_NO_COMMA = re.compile(r'([}"])([ \t]*\n\s*[A-Za-z-]+[ \t]*=[ \t]*[{"])')
_PART = re.compile(r'\s*(?:(?P<word>[^\s#{}"]+)|(?P<open>["{]))')
_FIELD = re.compile(r'[,{]\s*([A-Za-z_-]+)\s*=\s*(\{(?:[^{}]|\{[^{}]*\})*\}|"[^"{}]*"|\w+)')
_LINE_OF_FIELD = re.compile(r"^\s*([A-Za-z_-]+)\s*=\s*(.+?)\s*,?\s*$", re.MULTILINE)
_AND = re.compile(r"\s*#")
_CLOSING = re.compile(r'\\.|["{}]', re.DOTALL)
_MACROS_DEEP, _LONGEST_MACRO, _LONGEST_VALUE = 20, 2_000, 50_000
_LONGEST_TITLE = 2_000
_PRINTED_BRACES = (("\\textbraceleft", "\ue000"), ("\\textbraceright", "\ue001"), ("\\{", "\ue000"), ("\\}", "\ue001"))
_NOT_ENTRIES = frozenset({"comment", "preamble", "string", "control", "ieeetranbstctl", "set", "xdata"})
_LINKS = ("url", "ee", "link", "pdf", "howpublished", "bdsk-url-1", "bdsk-url-2", "opturl")
_VENUES = ("journal", "journaltitle", "eid", "pages", "number", "volume", "booktitle", "publisher", "series", "type")
_ARXIV = re.compile(r"\barxiv\b", re.IGNORECASE)


def is_bibtex(text: str) -> bool:
    return _BLOCK.search(text) is not None


def read(text: str, today: date) -> Reading:
    from bibtexparser import model, splitter  # here alone: planning reads no file and is 2 MB smaller without

    reading = Reading()
    if sum(1 for _ in _BLOCK.finditer(text)) > MOST_REFERENCES:
        raise TooManyReferencesError  # before half a minute of reading
    library = splitter.Splitter(_mended(text)).split()
    macros = _Macros(library)
    for block in library.blocks:
        line = (block.start_line or 0) + 1
        if isinstance(block, model.ParsingFailedBlock):
            _read_failed(block, line, reading, macros, today)
        elif isinstance(block, model.Entry) and block.entry_type.casefold() not in _NOT_ENTRIES:
            _read_entry(_values(block, macros), line, reading, today)
    return reading


def _mended(text: str) -> str:
    """Add missing keys and commas, and remove comments, without moving any line."""
    text = _COMMENTED_OUT.sub(r"\1 ", text)
    text = _NO_KEY.sub(r"\1no-key,", text)
    return _NO_COMMA.sub(r"\1,\2", text)


def _read_failed(block: model.ParsingFailedBlock, line: int, reading: Reading, macros: _Macros, today: date) -> None:
    """A key or field that stands twice costs nothing; of a broken entry what stands on lines of its own is kept."""
    from bibtexparser import model

    inner = block.ignore_error_block
    if isinstance(inner, model.Entry):
        _read_entry(_values(inner, macros), line, reading, today)
        return
    raw = (block.raw or "")[:20_000]
    kind = re.match(r"\s*@\s*([A-Za-z]+)", raw)
    if kind is None or kind[1].casefold() in _NOT_ENTRIES:
        return
    found = sorted((*_FIELD.findall(raw), *_LINE_OF_FIELD.findall(raw)), key=lambda one: len(one[1]), reverse=True)
    fields = {key.casefold(): macros.join(value) for key, value in found}  # the shorter did not swallow the next
    if fields.get("title"):
        _read_entry(fields, line, reading, today)
    else:
        reading.take(Refusal(line, gettext_noop("This entry is broken. Look for a missing brace, quote or comma.")))


def _values(entry: model.Entry, macros: _Macros) -> dict[str, str]:
    values: dict[str, str] = {}
    for field in entry.fields:
        values.setdefault(field.key.casefold(), macros.join(str(field.value)))
    return values


def _read_entry(fields: dict[str, str], line: int, reading: Reading, today: date) -> None:
    def several(*keys: str) -> tuple[str, ...]:
        return tuple(fields[key] for key in keys if fields.get(key))

    venues = several(*_VENUES)
    number = fields.get("number", "")
    if _ARXIV.search(" ".join(several("institution", "publisher", "journal", "journaltitle", "archive", "type"))):
        venues = (*venues, f"arXiv:{number}")
    title = fields.get("title", "")
    if fields.get("subtitle"):
        title = f"{title}: {fields['subtitle']}"
    add(
        reading,
        Reference(
            title=_without_braces(title),
            line=line,
            doi=fields.get("doi", ""),
            eprint=_eprints(fields),
            links=several(*_LINKS),
            venues=venues,
            notes=several("note", "addendum", "pubstate", "extra"),
            abstract=fields.get("abstract", ""),
        ),
        today=today,
    )


def _without_braces(title: str) -> str:
    """The title as printed: without braces that only protect capitals."""
    for printed, sign in _PRINTED_BRACES:
        title = title.replace(printed, sign)
    title = clean_title(title[:_LONGEST_TITLE]).replace("{", "").replace("}", "")
    return title.replace("\ue000", "{").replace("\ue001", "}")


def _eprints(fields: dict[str, str]) -> tuple[str, ...]:
    """The preprint's number; old numbers get the archive that stands in a field of its own."""
    archive = (fields.get("archiveprefix") or fields.get("eprinttype") or "").strip().casefold()
    subject = (fields.get("primaryclass") or fields.get("eprintclass") or "").strip()
    found = []
    for key in ("eprint", "arxivid", "arxiv", "arxiv-id"):
        value = fields.get(key, "").strip(" \n\t{}")
        if not value or (key == "eprint" and archive and archive != "arxiv" and not re.fullmatch(r"\d{7}", value)):
            continue
        if re.fullmatch(r"\d{7}(?:v\d+)?", value):
            value = f"{archive if archive not in {'', 'arxiv'} else subject.partition('.')[0]}/{value}"
        found.append(value)
    return tuple(found)


class _Macros:
    """`@string` definitions, each put together once. What is not defined stands for its name, as months do."""

    def __init__(self, library: Library) -> None:
        self._values = {string.key.casefold(): string.value for string in library.strings}
        self._known: dict[str, str] = {}

    def join(self, value: str, depth: int = 0, most: int = _LONGEST_VALUE) -> str:
        """The text of ``{…} # "…" # macro``, cut at ``most`` characters."""
        parts: list[str] = []
        length = place = 0
        while length < most and (match := _PART.match(value, place)):
            if match["word"]:
                part, place = self._macro(match["word"], depth), match.end()
            else:
                end = _end_of(value, match.start("open"))
                part, place = value[match.end() : end], end + 1
            parts.append(part)
            length += len(part)
            rest = _AND.match(value, place)
            if rest is None:
                break
            place = rest.end()
        return "".join(parts)[:most]

    def _macro(self, word: str, depth: int) -> str:
        key = word.casefold()
        if key not in self._known and key in self._values and depth < _MACROS_DEEP:
            self._known[key] = word  # while it is put together, so that one that names itself ends
            self._known[key] = self.join(self._values[key], depth + 1, _LONGEST_MACRO)
        return self._known.get(key, word)


def _end_of(value: str, start: int) -> int:
    """Index at which what opens at ``start`` closes; the end of the text when it never does."""
    closing, depth = ('"', 0) if value[start] == '"' else ("}", 1)
    for match in _CLOSING.finditer(value, start + 1):
        sign = match.group()
        if sign == closing and depth == (0 if closing == '"' else 1):
            return match.start()
        depth += {"{": 1, "}": -1}.get(sign, 0)
    return len(value)
