"""A reader's own library: a file of references becomes entries with title, arXiv id and DOI. Pure.

In: the bytes of a BibTeX, RIS, PubMed, EndNote, Web of Science, CSL-JSON or CSV export, a list of identifiers, or a
mail that names papers. Out: entries, and the line of each part that could not be read with the reason. What the file
holds tells its format, never its name. Every reader is linear in the size of the file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from datetime import date

from newsletter.interests.library import bibtex, csl, plain_text, spreadsheet, tagged_formats
from newsletter.interests.library.entries import (
    MOST_REFERENCES,
    Entry,
    Reading,
    Refusal,
    TooManyReferencesError,
    gettext_noop,
)

__all__ = ["LARGEST_FILE", "Entry", "Reading", "Refusal", "read_library"]

_TOO_MUCH = gettext_noop("The file holds more references or lines than we read at once. Split it and read the parts.")
LARGEST_FILE = 20 * 1024 * 1024  # bytes; a library of 20,000 entries with abstracts is a third of that
_MOST_ATS, _MOST_LINES = 5 * MOST_REFERENCES, 500_000
_SIGNS, _MOST_SIGNS = '{}[]",=\n@', 1_500_000  # what the readers stop at; 15,000 references with abstracts have as many
_BINARY = (
    b"%PDF",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"BZh",
    b"\xfd7zXZ",
    b"7z\xbc\xaf",
    b"\x1f\x8b",
    b"\x89PNG",
    b"\xd0\xcf\x11\xe0",
    b"{\\rtf",
    b"SQLite format",
)
_MARKUP = re.compile(
    r"(?:\s*<!--(?:[^-]|-(?!->))*-->)*\s*<(?:\?xml|!doctype|html|xml|rdf:RDF|modsCollection)\b", re.IGNORECASE
)
_LETTERS_OF_MAC, _LETTERS_OF_LATIN = re.compile(rb"[\x80-\x84\x86-\x90\x98-\x9f]"), re.compile(rb"[\xc0-\xff]")
_NO_TEXT = gettext_noop("This is not a text file. Export it as BibTeX, RIS or CSL-JSON and try again.")
_FORMATS: tuple[tuple[Callable[[str], bool], Callable[[str, date], Reading]], ...] = (
    (csl.is_csl, csl.read),
    (bibtex.is_bibtex, bibtex.read),
    (tagged_formats.is_tagged, tagged_formats.read),
    (spreadsheet.is_spreadsheet, spreadsheet.read),
)


def read_library(data: bytes, *, today: date) -> Reading:
    """Every entry of the file in its order. ``today``: no arXiv id of a later month is believed.

    A file that cannot be read at all gives no entry and one refusal at line 1.
    """
    if len(data) > LARGEST_FILE:
        return _refused(gettext_noop("The file is too large. Split it and read the parts."))
    if data.startswith(_BINARY):
        return _refused(_NO_TEXT)
    text = decoded(data)
    if "\0" in text:
        return _refused(_NO_TEXT)
    if not text.strip():
        return _refused(gettext_noop("The file is empty."))
    if _MARKUP.match(text[:5000]):
        return _refused(gettext_noop("XML and HTML are not read. Export it as BibTeX, RIS or CSL-JSON and try again."))
    if sum(map(text.count, _SIGNS)) > _MOST_SIGNS or text.count("@") > _MOST_ATS:
        return _refused(_TOO_MUCH)
    read = next((read for is_it, read in _FORMATS if is_it(text)), plain_text.read)
    try:
        return read(text, today)
    except TooManyReferencesError:
        return _refused(_TOO_MUCH)


def decoded(data: bytes) -> str:
    """The text with ``\\n`` line ends: UTF-32 or UTF-16 by mark or zeros, else UTF-8, else each line for itself."""
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        text = data.decode("utf-32", "replace")
    elif data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = data.decode("utf-16", "replace")
    elif len(data) > 3 and not any(data[1:80:2]) and all(data[:80:2]):
        text = data.decode("utf-16-le", "replace")
    elif len(data) > 3 and not any(data[:80:2]) and all(data[1:80:2]):
        text = data.decode("utf-16-be", "replace")
    else:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = _decoded_by_line(data) if data.count(b"\n") < _MOST_LINES else data.decode("cp1252", "replace")
    text = text.lstrip("\ufeff").rstrip("\x1a\r\n")  # DOS ended files with a sign
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ")


def _decoded_by_line(data: bytes) -> str:
    """Files that were put together hold several encodings. Old ones of a Mac have most of their letters below 0xA0."""
    lines: list[bytes | str] = []
    for line in data.splitlines(keepends=True):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            lines.append(line)
    old = b"".join(line for line in lines if isinstance(line, bytes))
    name = "mac-roman" if len(_LETTERS_OF_MAC.findall(old)) > len(_LETTERS_OF_LATIN.findall(old)) else "cp1252"
    return "".join(line if isinstance(line, str) else line.decode(name, "replace") for line in lines)


def _refused(why: str) -> Reading:
    return Reading(entries=[], refused=[Refusal(1, why)])
