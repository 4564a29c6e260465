"""A list of identifiers, one a line, or a text such as a mail that names papers. Pure.

In a list a line without an identifier is refused; in a text only what is named counts, and nothing is refused.
"""

from __future__ import annotations

from datetime import date

from newsletter.interests.library import identifiers
from newsletter.interests.library.entries import Entry, Reading, Refusal

_SHARE_OF_A_LIST = 0.6  # so many of the lines hold one identifier and little else: it is a list
_WORDS_BESIDE = 3
_ARXIVS_OWN_DOI = "10.48550/arxiv."


def read(text: str, today: date) -> Reading:
    reading = Reading()
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    found = [(number, line, _entries(line, number, today)) for number, line in lines]
    alone = sum(1 for _, line, entries in found if entries and len(line.split()) <= _WORDS_BESIDE)
    is_list = alone >= _SHARE_OF_A_LIST * len(found)
    seen: set[tuple[str | None, str | None]] = set()
    for number, _, entries in found:
        for entry in entries:
            if (entry.arxiv_id, entry.doi) not in seen:
                seen.add((entry.arxiv_id, entry.doi))
                reading.entries.append(entry)
        if is_list and not entries:
            reading.refused.append(Refusal(number, "This line holds no arXiv id and no DOI."))
    if not reading.entries and not reading.refused:
        why = "No reference was found. Give BibTeX, RIS or CSL-JSON, or arXiv ids and DOIs, one a line."
        reading.refused.append(Refusal(1, why))
    return reading


def _entries(line: str, number: int, today: date) -> list[Entry]:
    dois = [(doi, start) for doi, start in identifiers.dois(line) if not doi.casefold().startswith(_ARXIVS_OWN_DOI)]
    if not dois and (doi := identifiers.whole_doi(line) if len(line.split()) == 1 else None):
        dois = [] if doi.casefold().startswith(_ARXIVS_OWN_DOI) else [(doi, 0)]
    named = [(start, Entry("", arxiv, None, number)) for arxiv, start in identifiers.arxiv_ids(line, today=today)]
    named += [(start, Entry("", None, doi, number)) for doi, start in dois]
    return [entry for _, entry in sorted(named, key=lambda one: one[0])]
