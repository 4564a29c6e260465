"""A reader's library as rows: what a file named, or what was saved here, added once and removed on request.

In: a reader and references. Out: LibraryEntry rows; adding twice changes nothing. A paper that we know is found by its
arXiv id, else by its title.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from newsletter.catalogue.sources.paper_identifiers import title_key
from newsletter.interests.library import Entry
from newsletter.models import LibraryEntry, Paper
from subscriptions.models import Subscriber

MOST_ENTRIES = 10_000  # of one reader
_TELLING_TITLE = 20  # characters of a title from which it names one paper


@dataclass(frozen=True, slots=True)
class Added:
    """What became of references: new entries, those that were there before, and those beyond `MOST_ENTRIES`."""

    new: int
    known: int
    beyond: int


def add_entries(reader: Subscriber, entries: Sequence[Entry], *, source: LibraryEntry.Source, now: datetime) -> Added:
    """Put the references into the reader's library."""
    mine = LibraryEntry.objects.filter(subscriber=reader)
    before = mine.count()
    there = set(mine.values_list("identity", flat=True))
    distinct = {entry.identity: entry for entry in entries if entry.identity not in there}
    room = max(0, MOST_ENTRIES - before)
    wanted = list(distinct.values())[:room]
    paper_of = _known_papers(wanted)
    rows = [
        LibraryEntry(
            subscriber=reader,
            paper_id=paper_of.get(entry.identity),
            identity=entry.identity,
            title=entry.title,
            arxiv_id=entry.arxiv_id or "",
            doi=entry.doi or "",
            text=entry.abstract,
            source=source,
            note=entry.note,
            at=now,
        )
        for entry in wanted
    ]
    LibraryEntry.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)
    new = mine.count() - before
    beyond = len(distinct) - len(wanted)
    return Added(new=new, known=len(entries) - new - beyond, beyond=beyond)


def _known_papers(entries: Iterable[Entry]) -> dict[str, int]:
    """Identity -> the paper of ours that it is; of papers merged, the one that stayed."""
    by_arxiv = {entry.arxiv_id: entry.identity for entry in entries if entry.arxiv_id}
    keys = ((title_key(entry.title), entry) for entry in entries if entry.title)
    by_title = {key: entry.identity for key, entry in keys if len(key) >= _TELLING_TITLE and not entry.arxiv_id}
    found: dict[str, int] = {}
    same_title = Paper.objects.filter(title_key__any_of=list(by_title)).order_by("-pk")
    for pk, into, key in same_title.values_list("pk", "merged_into_id", "title_key"):
        found[by_title[key]] = into or pk
    same_id = Paper.objects.filter(arxiv_id__any_of=list(by_arxiv))
    for pk, into, arxiv_id in same_id.values_list("pk", "merged_into_id", "arxiv_id"):
        found[by_arxiv[str(arxiv_id)]] = into or pk
    return found
