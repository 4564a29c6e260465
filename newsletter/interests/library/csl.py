"""CSL-JSON and the JSON of Zotero, Crossref and Semantic Scholar, also where a field has an unlikely type. Pure."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from newsletter.interests.library.entries import Reading, Reference, Refusal, add, gettext_noop

_TAG = re.compile(r"</?[a-z][^<>]{0,200}>", re.IGNORECASE)
_NO_REFERENCES = frozenset({"attachment", "note", "annotation"})  # Zotero lists them beside what they belong to
_LISTS = ("items", "references", "data", "message", "libraryentry")  # the last is of a reader's own export from here
_BEGIN = re.compile(r"\s*[\[{]\s*(?:[{\"\]}]|null)")


def is_csl(text: str) -> bool:
    return _BEGIN.match(text[:1000]) is not None


def read(text: str, today: date) -> Reading:
    reading = Reading()
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        why = gettext_noop("The JSON is broken here. Export the library again.")
        return Reading(refused=[Refusal(error.lineno, why)])
    except RecursionError:
        why = gettext_noop("The JSON is nested too deeply. Export the library again.")
        return Reading(refused=[Refusal(1, why)])
    lines = _lines(text)
    for item in _items(found):
        line = next(lines, 1) if isinstance(item, dict) else 1
        if isinstance(item, dict):
            data = item.get("data")  # Zotero's web interface wraps each item
            item = data if isinstance(data, dict) else item
            if item.get("itemType") not in _NO_REFERENCES:
                _read_item(item, line, reading, today)
        else:
            reading.take(Refusal(line, gettext_noop("This part of the list is no reference.")))
    return reading


def _items(found: Any) -> list[Any]:
    """The references of a list, of an object that wraps one, or the single one that the file is."""
    for _ in range(2):  # Crossref wraps its list twice
        if isinstance(found, dict) and "title" not in found:
            found = next((found[key] for key in _LISTS if isinstance(found.get(key), list | dict)), found)
    return found if isinstance(found, list) else [found]


def _lines(text: str) -> Iterator[int]:
    """The line on which each object of the list begins."""
    depth, line, quoted = 0, 1, False
    for match in re.finditer(r'\\.|["{}\[\]\n]', text):
        sign = match.group()
        if sign == "\n":
            line += 1
        elif sign == '"':
            quoted = not quoted
        elif not quoted and sign in "{[":
            depth += 1
            if sign == "{" and depth == 2:
                yield line
        elif not quoted and sign in "}]":
            depth -= 1


def _read_item(item: Mapping[str, Any], line: int, reading: Reading, today: date) -> None:
    def values(*keys: str) -> tuple[str, ...]:
        return tuple(text for key in keys if (text := _text(item.get(key))))

    outside = item.get("externalIds")  # Semantic Scholar's name for them
    outside = outside if isinstance(outside, dict) else {}
    archive = _text(item.get("archive")) + _text(item.get("publisher")) + _text(item.get("repository"))
    eprint = (
        values("archive_location", "archiveLocation", "archiveID", "number") if "arxiv" in archive.casefold() else ()
    )
    add(
        reading,
        Reference(
            title=html.unescape(_TAG.sub("", _text(item.get("title")))),
            line=line,
            doi=next(iter(values("DOI", "doi")), "") or _text(outside.get("DOI")),
            eprint=(*eprint, *values("arxiv_id", "arxivId", "arxiv"), _text(outside.get("ArXiv"))),
            links=values("URL", "url"),
            venues=values(
                "number", "container-title", "publicationTitle", "genre", "archive_location", "page", "volume"
            ),
            notes=values("note", "extra"),
            own_note=_text(item.get("note")) if "identity" in item else "",
            abstract=html.unescape(
                _TAG.sub("", _text(item.get("abstract") or item.get("abstractNote") or item.get("text")))
            ),
        ),
        today=today,
    )


def _text(value: Any) -> str:
    """A string as it is, the first string of a list (Crossref), a number as digits, else nothing."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()
