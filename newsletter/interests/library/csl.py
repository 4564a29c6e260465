"""CSL-JSON and the JSON of Zotero, Crossref and Semantic Scholar, also where a field has an unlikely type. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from newsletter.interests.library import plain_text
from newsletter.interests.library.entries import Reading, Reference, Refusal, add, gettext_noop

_NO_REFERENCES = frozenset({"attachment", "note", "annotation"})  # Zotero lists them beside what they belong to
_LISTS = ("items", "references", "data", "message", "results", "hits", "papers", "libraryentry")  # last: our own export
_WRAPPERS = ("data", "metadata", "paper", "citedPaper", "citingPaper")  # Zotero, INSPIRE and Semantic Scholar wrap each
_WRAPPED = 3  # Crossref and INSPIRE wrap their list twice
_BEGIN = re.compile(r"\s*(?:\[\s*(?:[{\"\]]|null)|\{\s*[\"}])")
_SALVAGED = 20_000_000  # characters that may be tried in vain for the parts of a broken file


def is_csl(text: str) -> bool:
    return _BEGIN.match(text[:1000]) is not None


def read(text: str, today: date) -> Reading:
    reading = Reading()
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        return _read_parts(text, error.lineno, today)
    except RecursionError:
        why = gettext_noop("The JSON is nested too deeply. Export the library again.")
        return Reading(refused=[Refusal(1, why)])
    items, depth = _items(found)
    lines = _lines(text, depth)
    for item in items:
        line = next(lines, 1) if isinstance(item, dict) else 1
        if isinstance(item, dict):
            _read_item(item, line, reading, today)
        elif isinstance(item, str) and (named := plain_text.entries_of(item, line, today)):
            reading.take(named[0])
        else:
            reading.take(Refusal(line, gettext_noop("This part of the list is no reference.")))
    return reading


def _read_parts(text: str, line_of_error: int, today: date) -> Reading:
    """The whole references of a list that is cut off or broken at a place; also one object a line."""
    reading, decoder = Reading(), json.JSONDecoder()
    place, line, tried, is_broken = text.find("{"), 1, 0, False
    while place >= 0 and tried < _SALVAGED:
        try:
            item, end = decoder.raw_decode(text, place)
        except json.JSONDecodeError as error:
            tried += error.pos - place + error.pos // 20  # the error counts the lines before it
            end, is_broken = place + 1, True
        except RecursionError:
            break
        else:
            for one in _items(item)[0]:
                if isinstance(one, dict) and (not is_broken or {"title", "DOI", "doi", *_WRAPPERS} & one.keys()):
                    _read_item(one, line, reading, today)
        following = text.find("{", end)
        line += text.count("\n", place, following)
        place = following
    if is_broken or not reading.entries:
        reading.take(Refusal(line_of_error, gettext_noop("The JSON is broken here. Export the library again.")))
    return reading


def _items(found: Any) -> tuple[list[Any], int]:
    """Return the references of a list, of an object around one, or the single one; and their depth."""
    depth = 1
    while isinstance(found, dict) and "title" not in found and depth < _WRAPPED:
        inner = next((found[key] for key in _LISTS if isinstance(found.get(key), list | dict)), None)
        if inner is None:
            break
        found, depth = inner, depth + 1
    return (found, depth + 1) if isinstance(found, list) else ([found], depth)


def _lines(text: str, at_depth: int) -> Iterator[int]:
    """The line on which each object of this depth begins."""
    depth, line, quoted = 0, 1, False
    for match in re.finditer(r'\\.|["{}\[\]\n]', text):
        sign = match.group()
        if sign == "\n":
            line += 1
        elif sign == '"':
            quoted = not quoted
        elif not quoted and sign in "{[":
            depth += 1
            if sign == "{" and depth == at_depth:
                yield line
        elif not quoted and sign in "}]":
            depth -= 1


def _read_item(item: Mapping[str, Any], line: int, reading: Reading, today: date) -> None:
    item = next((item[key] for key in _WRAPPERS if isinstance(item.get(key), dict)), item)
    if item.get("itemType") in _NO_REFERENCES:
        return

    def values(*keys: str) -> tuple[str, ...]:
        return tuple(text for key in keys if (text := _text(item.get(key))))

    outside = item.get("externalIds") or item.get("identifiers")  # Semantic Scholar's name for them, and Mendeley's
    outside = outside if isinstance(outside, dict) else {}
    outside = {key.casefold(): value for key, value in outside.items()}
    kind = _text(item.get("eprinttype") or item.get("archivePrefix")).casefold()
    archive = _text(item.get("archive")) + _text(item.get("publisher")) + _text(item.get("repository"))
    eprint = (
        values("archive_location", "archiveLocation", "archiveID", "number") if "arxiv" in archive.casefold() else ()
    )
    add(
        reading,
        Reference(
            title=_text(item.get("title") or item.get("titles")),
            line=line,
            doi=next(iter(values("DOI", "doi", "dois")), "") or _text(outside.get("doi")),
            eprint=(
                *eprint,
                *(values("eprint") if kind in {"", "arxiv"} else ()),
                *values("arxiv_id", "arxivId", "arxiv", "arXiv", "arxiv_eprints", "id"),
                _text(outside.get("arxiv")),
            ),
            links=values("URL", "url"),
            venues=values(
                "number", "container-title", "publicationTitle", "genre", "archive_location", "page", "volume"
            ),
            notes=values("note", "extra"),
            own_note=_text(item.get("note")) if "identity" in item else "",
            abstract=next(iter(values("abstract", "abstractNote", "text")), ""),
        ),
        today=today,
    )


def _text(value: Any) -> str:
    """A string, the first one of a list (Crossref) or of its objects (INSPIRE), a number as digits, else nothing."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("title") or value.get("value")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()
