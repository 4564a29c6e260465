"""Files that hold files: Mailchimp exports a zip of three. Workbooks are told from them.

In: an open file. Out: the names of the lists in it and how each is opened, or a sentence that says what to do. Pure.
"""

from __future__ import annotations

import zipfile
from typing import BinaryIO

from subscriptions.list_import.table import UnreadableFile

LISTS = (".csv", ".tsv", ".txt")
MOST_BYTES = 2**30  # unpacked
_OTHER_FILES = {b"\xd0\xcf\x11\xe0": "an Excel workbook", b"%PDF": "a PDF", b"{\\rt": "a text document"}


def lists_in(file: BinaryIO) -> list[str]:
    """Names of the lists in a zip; empty for a file that is none. Raises UnreadableFile for what holds no list."""
    file.seek(0)
    kind = _OTHER_FILES.get(file.read(4))
    if kind:
        raise UnreadableFile(_say_export(kind))
    if not zipfile.is_zipfile(file):
        return []
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(one.filename == "[Content_Types].xml" for one in members):
            raise UnreadableFile(_say_export("an Excel workbook"))
        found = [one for one in members if one.filename.casefold().endswith(LISTS) and not _is_of_a_mac(one.filename)]
    if not found:
        raise UnreadableFile("There is no .csv, .tsv or .txt file in this archive.")
    if sum(one.file_size for one in found) > MOST_BYTES:
        raise UnreadableFile("The lists in this archive are larger than 1 GB. Import them one by one.")
    return [one.filename for one in found]


def open_member(file: BinaryIO, name: str) -> BinaryIO:
    """The list of that name in a zip."""
    return zipfile.ZipFile(file).open(name)  # type: ignore[return-value]


def _is_of_a_mac(name: str) -> bool:
    return name.startswith("__MACOSX/")


def _say_export(kind: str) -> str:
    return f"This is {kind}, not a list. Export or save it as CSV (UTF-8) and import that."
