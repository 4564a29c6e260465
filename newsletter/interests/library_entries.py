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
from newsletter.interests.library.write_formats import Written
from newsletter.models import LibraryEntry, Paper, PaperIdentifier
from subscriptions.models import Interest, Subscriber

MOST_ENTRIES = 10_000  # of one reader
_TELLING_TITLE = 20  # characters of a title from which it names one paper


@dataclass(frozen=True, slots=True)
class Added:
    """Counts of references: added, there before, and left out beyond `MOST_ENTRIES`."""

    new: int
    known: int
    beyond: int


def add_entries(
    reader: Subscriber,
    entries: Sequence[Entry],
    *,
    source: LibraryEntry.Source,
    now: datetime,
    interest: Interest | None = None,
) -> Added:
    """Put the references into the reader's library, for one of the interests that they keep apart."""
    mine = LibraryEntry.objects.filter(subscriber=reader)
    before = mine.count()
    there = set(mine.values_list("identity", flat=True))
    distinct = {entry.identity: entry for entry in entries if entry.identity not in there}
    room = max(0, MOST_ENTRIES - before)
    wanted = list(distinct.values())[:room]
    paper_of = known_papers(wanted)
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
            interest=interest,
            at=now,
        )
        for entry in wanted
    ]
    LibraryEntry.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)
    new = mine.count() - before
    beyond = len(distinct) - len(wanted)
    return Added(new=new, known=len(entries) - new - beyond, beyond=beyond)


def known_papers(entries: Iterable[Entry]) -> dict[str, int]:
    """Map identities to our papers; a merged paper stands for the one that it was merged into."""
    entries = list(entries)
    by_arxiv = {entry.arxiv_id: entry.identity for entry in entries if entry.arxiv_id}
    keys = ((title_key(entry.title), entry) for entry in entries if entry.title)
    by_title = {key: entry.identity for key, entry in keys if len(key) >= _TELLING_TITLE and not entry.arxiv_id}
    found: dict[str, int] = {}
    same_title = Paper.objects.filter(title_key__any_of=list(by_title)).order_by("-pk")
    for pk, into, key in same_title.values_list("pk", "merged_into_id", "title_key"):
        found[by_title[key]] = into or pk
    by_doi = {f"doi:{entry.doi.lower()}": entry.identity for entry in entries if entry.doi}
    same_doi = PaperIdentifier.objects.filter(value__any_of=list(by_doi)) if by_doi else PaperIdentifier.objects.none()
    for name, paper, merged_into in same_doi.values_list("value", "paper_id", "paper__merged_into_id"):
        found[by_doi[name]] = merged_into or paper
    same_id = Paper.objects.filter(arxiv_id__any_of=list(by_arxiv))
    for pk, into, arxiv_id in same_id.values_list("pk", "merged_into_id", "arxiv_id"):
        found[by_arxiv[str(arxiv_id)]] = into or pk
    return found


def save_paper(reader: Subscriber, *, paper: Paper, now: datetime, interest: Interest | None = None) -> None:
    """Put a paper of ours into the library, for an interest. An entry of a file that named it becomes this paper's."""
    paper = paper.merged_into or paper
    mine = LibraryEntry.objects.filter(subscriber=reader)
    entry = Entry(paper.title, paper.arxiv_id, None, line=0)
    if mine.filter(paper=paper).exists() or mine.filter(identity=entry.identity).update(paper=paper):
        return
    row = LibraryEntry(
        subscriber=reader,
        paper=paper,
        identity=entry.identity,
        title=paper.title,
        arxiv_id=paper.arxiv_id or "",
        source=LibraryEntry.Source.SAVED,
        interest=interest,
        at=now,
    )
    LibraryEntry.objects.bulk_create([row], ignore_conflicts=True)


def remove_paper(reader: Subscriber, *, paper: Paper) -> None:
    LibraryEntry.objects.filter(subscriber=reader, paper=paper.merged_into or paper).delete()


def saved_by(reader: Subscriber, papers: Iterable[int]) -> set[int]:
    """Keys of those of the papers that are in the reader's library."""
    rows = LibraryEntry.objects.filter(subscriber=reader, paper__in=papers)
    return {paper for paper in rows.values_list("paper_id", flat=True) if paper}


def written_library(reader: Subscriber) -> list[Written]:
    """The library as references to write, oldest first; our facts of a paper count before those brought."""
    rows = LibraryEntry.objects.filter(subscriber=reader).select_related("paper").defer("text", "paper__abstract")
    return [
        Written(
            number=row.pk,
            title=row.shown_title,
            authors=[str(name) for name in row.paper.authors] if row.paper else [],
            on=row.paper.published_on if row.paper else None,
            arxiv_id=(row.paper.arxiv_id if row.paper else None) or row.arxiv_id,
            doi=row.doi,
            url=row.home_url,
            note=row.note,
        )
        for row in rows.order_by("pk")
    ]
