"""References with a tag a line: RIS, PubMed's .nbib, EndNote's .enw, Web of Science's and RefWorks' text. Pure.

One reader for all: a line is a tag and a value, a line without a tag continues the value before, a record ends where
the next begins, whether or not its end is written.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date

from newsletter.interests.library.entries import Reading, Reference, add

# name -> how a line begins (tag, value), the tag that begins a record
_DIALECTS = (
    (re.compile(r"[ \t]*([A-Z][A-Z0-9])[ \t](?:[ \t]{1,2}-[ \t]*|-(?:[ \t]+|$))(.*)$"), "TY"),  # RIS
    (re.compile(r"([A-Z]{2,4})[ ]{0,2}-[ ](.*)$"), "PMID"),
    (re.compile(r"%([A-Z0-9@!$(><+])[ \t]+(.*)$"), "0"),  # EndNote, refer
    (re.compile(r"([A-Z][A-Z0-9])[ ](.*)$"), "PT"),  # Web of Science
    (re.compile(r"([A-Z][A-Z0-9])[ ](.*)$"), "RT"),  # RefWorks, Google Scholar
)
_TITLES = ("TI", "T1", "CT", "BT", "T")
_DOIS = ("DO", "DI", "R")
_LINKS = ("UR", "L1", "L2", "L3", "L4", "LK", "UL", "U", ">")
_VENUES = (
    "JO",
    "JF",
    "J2",
    "JA",
    "T2",
    "M1",
    "M2",
    "M3",
    "VL",
    "SP",
    "AR",
    "PB",
    "SE",
    "AN",
    "C1",
    "C7",
    "J",
    "B",
    "V",
    "I",
    "M",
    "@",
    "9",
    "SO",
)
_NOTES = ("N1", "Z", "O", "AV", "M3")
_PUBMED_IDS = ("LID", "AID")


def is_tagged(text: str) -> bool:
    return _dialect(text) is not None


def read(text: str, today: date) -> Reading:
    reading = Reading()
    dialect = _dialect(text)
    assert dialect is not None  # noqa: S101  (asked by is_tagged before)
    pattern, first = dialect
    fields: dict[str, list[str]] = defaultdict(list)
    line_of_record, last = 1, ""
    for number, line in enumerate(text.split("\n"), start=1):
        match = pattern.match(line)
        if match is None:
            if last and line.strip():
                fields[last][-1] += f" {line.strip()}"
            continue
        tag, value = match[1], (match[2] or "").strip()
        if tag in {first, "ER", "EF"}:
            if fields:
                _add(fields, line_of_record, reading, today)
            fields, line_of_record, last = defaultdict(list), number, ""
        if tag != "ER":
            fields[tag].append(value)
            last = tag
    if fields and set(fields) != {"EF"}:
        _add(fields, line_of_record, reading, today)
    return reading


def _dialect(text: str) -> tuple[re.Pattern[str], str] | None:
    """The first dialect that has a line which begins a record."""
    for pattern, first in _DIALECTS:
        begins = re.compile(rf"^(?=[ \t]*%?{first}\b|%{first}[ \t])", re.MULTILINE)
        for start in begins.finditer(text):
            match = pattern.match(text, start.start(), text.find("\n", start.start()) % (len(text) + 1))
            if match and match[1] == first and (first != "PT" or match[2].strip() in {"J", "B", "S", "P", "C"}):
                return pattern, first
    return None


def _add(fields: dict[str, list[str]], line: int, reading: Reading, today: date) -> None:
    def values(*tags: str) -> tuple[str, ...]:
        return tuple(value for tag in tags for value in fields.get(tag, ()) if value)

    if not set(fields) - {"EF", "FN", "VR"}:
        return
    marked = [re.fullmatch(r"(\S+) \[doi\]", value) for value in values(*_PUBMED_IDS)]
    dois = [match[1] for match in marked if match] or list(values(*_DOIS))
    venues = values(*_VENUES) if "PMID" not in fields else ()
    if "arxiv" in " ".join(venues).casefold():
        venues = (*venues, *(f"arXiv:{number}" for number in values("M1", "VL")))
    add(
        reading,
        Reference(
            title=next(iter(values(*_TITLES)), ""),
            line=line,
            doi=next(iter(dois), ""),
            eprint=tuple(value.partition(" [")[0] for value in values(*_PUBMED_IDS)),
            links=values(*_LINKS),
            venues=venues,
            notes=tuple(value for value in values(*_NOTES) if value.casefold().startswith(("arxiv", "doi"))),
            abstract=next(iter(values("AB", "N2", "X")), ""),
        ),
        today=today,
    )
