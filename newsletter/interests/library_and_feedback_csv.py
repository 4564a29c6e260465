"""What readers told of papers, in the readers' CSV: their library, their verdicts, what they took out of their profile.

In: readers, or cells of a file from another Paperboy. Out: cells; rows. Papers are named by arXiv id and title, as
another site has other numbers. The readers' package knows this by the setting CSV_ROWS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, model_validator

from newsletter.interests.library import Entry
from newsletter.interests.library.entries import NOTE_LENGTH, storable
from newsletter.interests.library_entries import known_papers
from newsletter.models import LibraryEntry, Paper, ProfileRemoval, Verdict
from subscriptions.models import Interest, Subscriber, Topic

_Text = Annotated[str, AfterValidator(storable)]
_ArxivId = Annotated[str, Field(max_length=32, pattern=r"^[A-Za-z0-9./-]*$")]


class _OfPaper(BaseModel, extra="forbid"):
    """One entry of a list, which names a paper."""

    title: _Text = Field("", max_length=1000)
    arxiv_id: _ArxivId = ""
    at: AwareDatetime

    @property
    def entry(self) -> Entry:
        return Entry(self.title, self.arxiv_id or None, None, line=0)


class LibraryCell(_OfPaper):
    doi: _Text = Field("", max_length=300)
    text: _Text = Field("", max_length=20_000)
    note: _Text = Field("", max_length=NOTE_LENGTH)
    source: LibraryEntry.Source
    interest: str = ""

    @property
    def entry(self) -> Entry:
        return Entry(self.title, self.arxiv_id or None, self.doi or None, line=0)

    @model_validator(mode="after")
    def names_a_paper(self) -> Self:
        if not (self.title or self.arxiv_id or self.doi):
            raise ValueError("has neither a title nor an arXiv id nor a DOI")
        return self


class VerdictCell(_OfPaper):
    value: Literal[1, -1]
    interest: str = ""


class RemovalCell(_OfPaper):
    kind: ProfileRemoval.Kind
    word: _Text = Field("", max_length=ProfileRemoval.LONGEST_WORD)
    topic: str = ""

    @model_validator(mode="after")
    def names_what_is_removed(self) -> Self:
        named = {"word": bool(self.word), "topic": bool(self.topic), "paper": bool(self.title or self.arxiv_id)}
        if [kind for kind, is_named in named.items() if is_named] != [self.kind] * (self.kind != "all"):
            raise ValueError("names something else than its kind")
        return self


class CsvRows:
    """Lists of papers in the CSV, as `subscriptions.csv_related_rows` asks for them."""

    shapes: Mapping[str, type[BaseModel]] = {
        "library": LibraryCell, "verdicts": VerdictCell, "removals": RemovalCell,
    }  # fmt: skip

    @staticmethod
    def of(readers: Sequence[int]) -> Iterator[tuple[int, str, BaseModel]]:
        """Yield reader, column and cell, each reader's rows in the order they came."""
        for entry in LibraryEntry.objects.filter(subscriber__in=readers).select_related("interest").order_by("pk"):
            names = ("title", "arxiv_id", "doi", "text", "note", "source", "at")
            values = {name: getattr(entry, name) for name in names}
            yield entry.subscriber_id, "library", LibraryCell(**values, interest=_name(entry.interest))
        verdicts = Verdict.objects.filter(subscriber__in=readers).select_related("paper", "interest")
        for row in verdicts.order_by("at", "pk"):
            value: Literal[1, -1] = 1 if row.value > 0 else -1
            cell = VerdictCell(**_named(row.paper), value=value, at=row.at, interest=_name(row.interest))
            yield row.subscriber_id, "verdicts", cell
        removals = ProfileRemoval.objects.filter(subscriber__in=readers).select_related("paper", "topic")
        for removal in removals.order_by("at", "pk"):
            of_what = {"word": removal.word, "topic": removal.topic.slug if removal.topic else ""}
            told = RemovalCell(
                kind=ProfileRemoval.Kind(removal.kind), at=removal.at, **of_what, **_named(removal.paper)
            )
            yield removal.subscriber_id, "removals", told

    @staticmethod
    def store(told: Sequence[tuple[Subscriber, Mapping[str, Sequence[Any]]]]) -> int:
        """Write the rows that are not there. Returns how many name a paper or topic that this site does not have."""
        papers = known_papers(cell.entry for column in CsvRows.shapes for _, cell in _cells(told, column))
        topics = dict(Topic.objects.values_list("slug", "pk"))
        mine = Interest.objects.filter(subscriber__in=[reader for reader, _ in told], is_first=False)
        interests = {(reader, name): pk for reader, name, pk in mine.values_list("subscriber_id", "name", "pk")}
        entries = [
            LibraryEntry(
                subscriber=reader,
                paper_id=papers.get(cell.entry.identity),
                identity=cell.entry.identity,
                interest_id=interests.get((reader.pk, cell.interest)),
                **cell.model_dump(exclude={"interest"}),
            )
            for reader, cell in _cells(told, "library")
        ]
        verdicts = [
            Verdict(
                subscriber=reader,
                paper_id=papers[cell.entry.identity],
                interest_id=interests.get((reader.pk, cell.interest)),
                **cell.model_dump(include={"value", "at"}),
            )
            for reader, cell in _cells(told, "verdicts")
            if cell.entry.identity in papers
        ]
        removals = [
            ProfileRemoval(
                subscriber=reader,
                paper_id=papers.get(cell.entry.identity),
                topic_id=topics.get(cell.topic),
                **cell.model_dump(include={"kind", "word", "at"}),
            )
            for reader, cell in _cells(told, "removals")
            if cell.kind in {"word", "all"} or cell.topic in topics or cell.entry.identity in papers
        ]
        LibraryEntry.objects.bulk_create(entries, batch_size=500, ignore_conflicts=True)
        Verdict.objects.bulk_create(verdicts, batch_size=500, ignore_conflicts=True)
        ProfileRemoval.objects.bulk_create(removals, batch_size=500, ignore_conflicts=True)
        named = sum(1 for column in ("verdicts", "removals") for _ in _cells(told, column))
        return named - len(verdicts) - len(removals)


def _cells(
    told: Sequence[tuple[Subscriber, Mapping[str, Sequence[Any]]]], column: str
) -> Iterator[tuple[Subscriber, Any]]:
    return ((reader, cell) for reader, rows in told for cell in rows.get(column, ()))


def _named(paper: Paper | None) -> dict[str, str]:
    return {"title": paper.title, "arxiv_id": paper.arxiv_id or ""} if paper else {}


def _name(interest: Interest | None) -> str:
    return interest.name if interest else ""
