"""A file, from its bytes to its tally: planned, tried without writing, or imported batch by batch.

In: a file that can be opened again, and answers. Out: counts of its lines, each refused one with its reason. An import
that was broken off goes on after its last batch: rows and tally are written in one transaction.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections import Counter
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from django.db import transaction
from django.utils import timezone

from subscriptions.list_import import store
from subscriptions.list_import.archives import lists_in, open_member
from subscriptions.list_import.encodings import open_text
from subscriptions.list_import.entries import READERS, Entry, Refusal, entries_of
from subscriptions.list_import.reading_plan import Answers, Plan, make_plan
from subscriptions.list_import.seen_addresses import SeenAddresses
from subscriptions.list_import.table import find_layout, rows
from subscriptions.models import ListImport, Topic, TopicTranslation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from subscriptions.list_import.table import Row

BATCH = 2000
TICK = timedelta(seconds=10)  # of one tick
REMEMBERED = ("columns", "zone", "dates", "words", "tags")  # of a file, for the next one with the same headings


@dataclass(frozen=True)
class Source:
    """A file: its name, and how it is opened from its start."""

    name: str
    open: Callable[[], BinaryIO]

    def lines(self) -> Iterator[str]:
        with self.open() as file, open_text(file) as text:
            yield from text

    def digest(self) -> str:
        with self.open() as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def sources_in(source: Source) -> list[Source]:
    """The lists in the file: those of a zip, or itself."""

    def member(name: str) -> Source:
        return Source(name.rpartition("/")[2], lambda: open_member(source.open(), name))

    with source.open() as file:
        inside = lists_in(file)
    return [member(name) for name in inside] or [source]


@dataclass
class Tally:
    """What became of the lines. Their sum is ``read``."""

    read: int = 0
    new: int = 0
    known: int = 0
    suppressed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def refused(self) -> int:
        return self.reasons.total()

    def count(self, outcomes: Iterable[str], refusals: Iterable[Refusal]) -> None:
        for outcome, number in Counter(outcomes).items():
            setattr(self, outcome, getattr(self, outcome) + number)
            self.read += number
        for refusal in refusals:
            self.reasons[refusal.reason.partition(":")[0]] += 1
            self.read += 1


def content_of(file: BinaryIO) -> bytes:
    """Return the bytes of a file as its row keeps them."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed:
        for block in iter(lambda: file.read(1 << 20), b""):
            packed.write(block)
    return out.getvalue()


def source_of(row: ListImport) -> Source:
    """Return the file that a row keeps."""
    packed = bytes(row.content or b"")
    return Source(row.file_name, lambda: gzip.GzipFile(fileobj=io.BytesIO(packed)))  # type: ignore[arg-type,return-value]


def plan_file(source: Source, answers: Answers) -> Plan:
    """Make the plan of a file. Answers about an earlier file with the same headings count until they are given anew."""
    return plan_by(source, recall(source, answers))


def plan_by(source: Source, answers: Answers) -> Plan:
    """Make the plan of a file by these answers alone."""
    known, hints = topic_words()
    return make_plan(source.lines, file_name=source.name, known_topics=known, hints=hints, answers=answers)


def recall(source: Source, answers: Answers) -> Answers:
    """Return the answers, completed by those about an earlier file with the same headings."""
    earlier = ListImport.objects.filter(headings=headings_of(source), state=ListImport.State.DONE).exclude(headings="")
    before = earlier.values_list("answers", flat=True).first() or {}
    given = asdict(answers)
    for name in REMEMBERED:
        old = before.get(name) or type(given[name])()
        given[name] = {**old, **given[name]} if isinstance(old, dict) else given[name] or old
    return Answers(**given)


def headings_of(source: Source) -> str:
    """Return a text that files with the same headings share; empty when the file has none."""
    layout = find_layout(source.lines())
    return hashlib.sha256("\n".join(layout.names).encode()).hexdigest() if layout.has_header else ""


def topic_words() -> tuple[dict[str, str], dict[str, str]]:
    """Slugs and names of topics in any language, and their keywords, in lower case -> slug."""
    known: dict[str, str] = {}
    hints: dict[str, str] = {}
    for slug, name, keywords in Topic.objects.values_list("slug", "name", "keywords"):
        known |= {slug.casefold(): slug, name.casefold(): slug}
        hints |= {str(word).casefold(): slug for word in keywords}
    for name, slug in TopicTranslation.objects.values_list("name", "topic__slug"):
        known.setdefault(name.casefold(), slug)
    return known, hints


def preview(
    source: Source,
    plan: Plan,
    *,
    now: datetime,
    on_refusal: Callable[[Refusal], None] = lambda refusal: None,
    most: int | None = None,
) -> Tally:
    """Tell what an import would do, line by line, of the first ``most`` lines when that is given. Writes nothing."""
    tally, seen = Tally(), SeenAddresses()
    for batch in _batches(islice(rows(source.lines(), plan.layout), most)):
        entries, refusals = _read(batch, plan, now=now)
        chosen, outcomes = _one_each(entries)
        for entry, outcome in zip(chosen, store.foresee(chosen), strict=True):
            was_reader = seen.note(entry.address_hash, is_reader=entry.standing in READERS)
            if was_reader is not None and outcome == store.NEW:
                outcome = store.KNOWN if was_reader else store.SUPPRESSED
            outcomes.append(outcome)
        tally.count(outcomes, refusals)
        for refusal in refusals:
            on_refusal(refusal)
    return tally


def begin(source: Source, plan: Plan, *, by: str, now: datetime, are_welcomed: bool) -> ListImport:
    """Make the row of an import of this file, or find that of an earlier one which was broken off."""
    digest = source.digest()
    broken_off = ListImport.objects.filter(digest=digest, state=ListImport.State.RUNNING).first()
    return broken_off or ListImport.objects.create(
        file_name=source.name[:200],
        digest=digest,
        headings=headings_of(source),
        program=plan.program,
        answers=asdict(plan.answers),
        are_welcomed=are_welcomed,
        state=ListImport.State.RUNNING,
        by=by[:150],
        at=now,
    )


def go_on(
    row: ListImport,
    source: Source,
    plan: Plan,
    *,
    now: datetime,
    deadline: datetime | None = None,
    on_refusal: Callable[[Refusal], None] = lambda refusal: None,
    on_batch: Callable[[int], None] = lambda lines: None,
) -> bool:
    """Import the lines that are left, until the deadline. True when none is left. Two at once share no batch."""
    slugs = dict(Topic.objects.values_list("slug", "pk"))
    proof = {"file": row.file_name, "list": row.pk}
    shared = store.Batch(slugs, proof, now, are_welcomed=row.are_welcomed)
    done = row.line
    for batch in _batches(one for one in rows(source.lines(), plan.layout) if one.line > done):
        if deadline is not None and timezone.now() >= deadline:
            return False
        entries, refusals = _read(batch, plan, now=now, slugs=slugs)
        with transaction.atomic():
            held = ListImport.objects.select_for_update().defer("content").get(pk=row.pk)
            if held.line != row.line or held.state != ListImport.State.RUNNING:
                return False  # somebody else goes on with it
            chosen, outcomes = _one_each(entries)
            _note(row, batch, [*outcomes, *store.store(chosen, shared)], refusals)
        for refusal in refusals:
            on_refusal(refusal)
        on_batch(len(batch))
    return bool(
        ListImport.objects.filter(pk=row.pk, line=row.line).update(
            state=ListImport.State.DONE, finished_at=now, content=None
        )
    )


def go_on_due(*, now: datetime) -> int:
    """Go on for some seconds with an import that the desk began; returns how many lines were read. For the tick."""
    row = ListImport.objects.filter(state=ListImport.State.RUNNING, content__isnull=False).order_by("pk").first()
    if row is None:
        return 0
    source, before = source_of(row), row.read
    plan = plan_by(source, Answers(**row.answers))
    go_on(row, source, plan, now=now, deadline=timezone.now() + TICK)
    return row.read - before


def _note(row: ListImport, batch: list[Row], outcomes: list[str], refusals: list[Refusal]) -> None:
    tally = Tally(row.read, row.new, row.known, row.suppressed, Counter(row.reasons))
    tally.count(outcomes, refusals)
    row.line = batch[-1].line
    row.read, row.new, row.known, row.suppressed = tally.read, tally.new, tally.known, tally.suppressed
    row.refused, row.reasons = tally.refused, dict(tally.reasons)
    row.refusals = [*row.refusals, *([one.line, one.reason] for one in refusals)][: ListImport.MOST_REFUSALS]
    row.save(update_fields=["line", *row.tally, "reasons", "refusals"])


def _read(
    batch: list[Row], plan: Plan, *, now: datetime, slugs: dict[str, int] | None = None
) -> tuple[list[Entry], list[Refusal]]:
    known = slugs if slugs is not None else dict.fromkeys(plan.topics.values(), 0)
    entries: list[Entry] = []
    refusals: list[Refusal] = []
    for one in entries_of(batch, plan, slugs=known, now=now):
        if isinstance(one, Entry):
            entries.append(one)
        else:
            refusals.append(one)
    return entries, refusals


def _one_each(entries: list[Entry]) -> tuple[list[Entry], list[str]]:
    """Return one entry for each address, who left before a reader, and the outcome that each other line counts as."""
    chosen: dict[str, Entry] = {}
    for entry in entries:
        held = chosen.get(entry.address_hash)
        if held is None or (held.standing in READERS and entry.standing not in READERS):
            chosen[entry.address_hash] = entry
    return list(chosen.values()), [store.KNOWN] * (len(entries) - len(chosen))


def _batches(found: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in batches that end where a line does: an import goes on with the next one."""
    batch: list[Row] = []
    for one in found:
        if len(batch) >= BATCH and one.line != batch[-1].line:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch
