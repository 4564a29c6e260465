"""A list of identifiers, one a line, an arXiv listing, or a text such as a mail that names papers. Pure.

In a list a line without an identifier is refused; in a text only what is named counts, and nothing is refused.
"""

from __future__ import annotations

import base64
import quopri
import re
from datetime import date

from newsletter.interests.library import identifiers
from newsletter.interests.library.entries import (
    MOST_REFERENCES,
    Entry,
    Reading,
    Reference,
    Refusal,
    TooManyReferencesError,
    add,
    gettext_noop,
)

_SHARE_OF_A_LIST = 0.6  # so many of the lines hold one identifier and little else: it is a list
_WORDS_BESIDE = 3
_LINES_EACH = 5  # of a text, with what stands between two references
_ARXIVS_OWN_DOI = "10.48550/arxiv."
_ITEM = re.compile(r"(\\bibitem|\[\w{1,9}\](?!\()|[-*+•](?=\s)|\d{1,4}[.)](?=\s))")
_LONGEST_TEXT = 5_000_000  # characters; 20,000 references with their titles are fewer
_LONGEST_ITEM = 3_000
# One part of a mail: its fields, a blank line, and what stands there until the next part. RFC 2045.
_PACKED = re.compile(
    r"(?P<head>^Content-Transfer-Encoding:[ ]*(?P<how>base64|quoted-printable)[ ]*\n(?:[ \t!-9;-~][^\n]*\n){0,50}+)"
    r"\n(?P<body>(?:(?!--)[^\n]*(?:\n|\Z))*+)",
    re.IGNORECASE | re.MULTILINE,
)
_LISTED = re.compile(r"^\\\\\n(?=arXiv:)", re.MULTILINE)  # arXiv's mails: https://info.arxiv.org/help/subscribe.html
_LISTED_TITLE = re.compile(r"^Title: *(.+(?:\n  .+)*)", re.MULTILINE)


def read(text: str, today: date) -> Reading:
    reading = Reading()
    if len(text) > _LONGEST_TEXT:
        raise TooManyReferencesError
    text = _unpacked("\n".join(map(str.rstrip, text.split("\n"))))
    if _LISTED.search(text):
        return _read_listing(text, today)
    lines = _references(text)
    if len(lines) > _LINES_EACH * MOST_REFERENCES:
        raise TooManyReferencesError
    found = [(number, line, entries_of(line, number, today)) for number, line in lines]
    alone = sum(1 for _, line, entries in found if entries and len(line.split()) <= _WORDS_BESIDE)
    is_list = alone >= _SHARE_OF_A_LIST * len(found)
    seen: set[tuple[str | None, str | None]] = set()
    for number, _, entries in found:
        for entry in entries:
            if (entry.arxiv_id, entry.doi) not in seen:
                seen.add((entry.arxiv_id, entry.doi))
                reading.take(entry)
        if is_list and not entries:
            reading.take(Refusal(number, gettext_noop("This line holds no arXiv id and no DOI.")))
    if not reading.entries and not reading.refused:
        why = gettext_noop("No reference was found. Give BibTeX, RIS or CSL-JSON, or arXiv ids and DOIs, one a line.")
        reading.take(Refusal(1, why))
    return reading


def _unpacked(text: str) -> str:
    """The parts of a saved mail that were packed for the wire, readable again; any other text as it is."""

    def part(match: re.Match[str]) -> str:
        body = match["body"].encode("ascii", "ignore")
        try:
            plain = quopri.decodestring(body) if match["how"][0] in "qQ" else base64.b64decode(body)
        except ValueError:
            return match.group()
        return f"{match['head']}{plain.decode('utf-8', 'replace')}\n"

    return _PACKED.sub(part, text)


def _references(text: str) -> list[tuple[int, str]]:
    """Return (line number, text) of each reference. What goes on over lines, as LaTeX's \\bibitem does, is one."""
    lines: list[tuple[int, str]] = []
    goes_on = ""
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            goes_on = "" if goes_on != "\\bibitem" else goes_on
        elif marked := _ITEM.match(line):
            goes_on = marked[1]
            lines.append((number, line))
        elif goes_on and (raw[0].isspace() or goes_on[0] in "[\\") and len(lines[-1][1]) < _LONGEST_ITEM:
            lines[-1] = (lines[-1][0], f"{lines[-1][1]} {line}")
        else:
            goes_on = ""
            lines.append((number, line))
    return lines


def _read_listing(text: str, today: date) -> Reading:
    """Read the papers that an arXiv mail announces, not those that abstracts name."""
    reading = Reading()
    before, *papers = _LISTED.split(text)
    line = 1 + before.count("\n")
    for paper in papers:
        head, _, abstract = paper.partition("\n\\\\\n")
        title = _LISTED_TITLE.search(head)
        name = head.partition("\n")[0].split()[0]
        reference = Reference(
            title[1] if title else "", line + 1, eprint=(name,), abstract=abstract.partition("\n\\\\")[0]
        )
        add(reading, reference, today=today)
        line += 1 + paper.count("\n")
    return reading


def entries_of(line: str, number: int, today: date) -> list[Entry]:
    dois = [(doi, start) for doi, start in identifiers.dois(line) if not doi.casefold().startswith(_ARXIVS_OWN_DOI)]
    if not dois and (
        doi := identifiers.linked_doi(line) or identifiers.whole_doi(line) if len(line.split()) == 1 else None
    ):
        dois = [] if doi.casefold().startswith(_ARXIVS_OWN_DOI) else [(doi, 0)]
    named = [(start, Entry("", arxiv, None, number)) for arxiv, start in identifiers.arxiv_ids(line, today=today)]
    named += [(start, Entry("", None, doi, number)) for doi, start in dois]
    found = [entry for _, entry in sorted(named, key=lambda one: one[0])]
    both = {entry.arxiv_id for entry in found} - {None}, {entry.doi for entry in found} - {None}
    if _ITEM.match(line) and [len(names) for names in both] == [1, 1]:  # two names of one paper
        return [Entry("", both[0].pop(), both[1].pop(), number)]
    return found
