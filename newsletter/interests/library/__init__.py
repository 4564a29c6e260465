"""A reader's own library: a file of references becomes entries with title, arXiv id and DOI. Pure.

In: the bytes of a BibTeX, RIS, PubMed, EndNote, Web of Science, CSL-JSON or CSV export, a list of identifiers, or a
mail that names papers. Out: entries, and the line of each part that could not be read with the reason. What the file
holds tells its format, never its name. Every reader is linear in the size of the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date

from newsletter.interests.library import bibtex, csl, plain_text, spreadsheet, tagged_formats
from newsletter.interests.library.entries import Entry, Reading, Refusal, TooManyReferencesError, gettext_noop

__all__ = ["LARGEST_FILE", "Entry", "Reading", "Refusal", "read_library"]

_TOO_MUCH = gettext_noop("The file holds more references or lines than we read at once. Split it and read the parts.")
LARGEST_FILE = 20 * 1024 * 1024  # bytes; a library of 20,000 entries with abstracts is a third of that
_SIGNS, _MOST_SIGNS = '{}[]",=\n@', 1_500_000  # what the readers stop at; 15,000 references with abstracts have as many
_BINARY = (b"%PDF", b"PK\x03\x04", b"\x1f\x8b", b"\x89PNG", b"\xd0\xcf\x11\xe0", b"{\\rtf", b"SQLite format")
_MARKUP = re.compile(r"\s*<(?:\?xml|!doctype|html|xml|rdf:RDF|modsCollection)\b", re.IGNORECASE)
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
    if _MARKUP.match(text):
        return _refused(gettext_noop("XML and HTML are not read. Export it as BibTeX, RIS or CSL-JSON and try again."))
    if sum(map(text.count, _SIGNS)) > _MOST_SIGNS:
        return _refused(_TOO_MUCH)
    read = next((read for is_it, read in _FORMATS if is_it(text)), plain_text.read)
    try:
        return read(text, today)
    except TooManyReferencesError:
        return _refused(_TOO_MUCH)


def decoded(data: bytes) -> str:
    """The text with ``\\n`` line ends: UTF-16 by its mark or its zeros, else UTF-8, else Windows-1252."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", "replace")
    elif len(data) > 3 and not any(data[1:80:2]) and all(data[:80:2]):
        text = data.decode("utf-16-le", "replace")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = data.decode("cp1252", "replace")
    return text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _refused(why: str) -> Reading:
    return Reading(entries=[], refused=[Refusal(1, why)])
