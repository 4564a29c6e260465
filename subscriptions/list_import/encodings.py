"""Characters of a file of unknown encoding.

In: a binary file. Out: its text. UTF-8 and UTF-16 with or without a byte order mark are told apart by their bytes; in a
file of UTF-8 each byte that is none is read as Windows-1252, what Excel writes in western Europe. Nothing is refused:
addresses are ASCII in all of them. Pure.
"""

from __future__ import annotations

import codecs
import io
from typing import BinaryIO, TextIO

HEAD = 4096
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_AS_WINDOWS_1252 = "list_import.windows-1252"


def open_text(file: BinaryIO) -> TextIO:
    """Text of the file, from its start. Line ends of Unix, Windows and the old Mac all become ``\\n``."""
    file.seek(0)
    encoding = encoding_of(file.read(HEAD))
    file.seek(0)
    errors = _AS_WINDOWS_1252 if encoding.startswith("utf-8") else "replace"
    return io.TextIOWrapper(file, encoding=encoding, errors=errors, newline=None)


def encoding_of(head: bytes) -> str:
    """Name of the encoding of a file that begins with these bytes."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    nulls = [head[parity::2].count(0) for parity in (0, 1)]
    most = len(head) // 4  # every second byte of ASCII in UTF-16 is NUL
    if head and max(nulls) > most and min(nulls) <= most // 2:
        return "utf-16-be" if nulls[0] > nulls[1] else "utf-16-le"
    return "utf-8"


def _read_as_windows_1252(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    try:
        return wrong.decode("cp1252"), error.end
    except UnicodeDecodeError:  # five bytes that it does not have
        return wrong.decode("latin-1"), error.end


codecs.register_error(_AS_WINDOWS_1252, _read_as_windows_1252)
