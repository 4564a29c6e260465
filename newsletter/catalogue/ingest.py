"""Papers in: observations become papers, sightings and signals, and every new paper gets its topics.

In: observations of any source, in any order, any number of times. Out: rows. One transaction: all of a call is stored
or nothing. Safe to run twice and at the same time: a paper is one row, a sighting is kept once, a counter's value at
one moment is kept once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from django.db import transaction
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber

from newsletter.catalogue import merging
from newsletter.catalogue.paper_updates import what_changed
from newsletter.catalogue.same_work import agree, is_author, nearly, other_people
from newsletter.catalogue.sources import registry
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.catalogue.sources.paper_identifiers import title_key
from newsletter.catalogue.store_links import KIND_OF, KnownLinks, store_links
from newsletter.catalogue.topics import assignment
from newsletter.models import Paper, PaperIdentifier, PaperLink, SearchEntry, Sighting, Signal
from newsletter.models.write_lock import wait_for_other_writers

_BATCH = 500
_END = 24  # characters of Paper.title_head and title_tail

_TEXT_FIELDS = ("title", "abstract", "authors", "published_on", "categories")
_LINK_FIELDS = ("url", "code_url", "project_url", "thumbnail_url", "organization")
_SOURCES = {"title": "title_source", "abstract": "abstract_source"}
_COUNTERS = {"upvotes": "upvotes", "stars": "github_stars"}
_UPDATED = (
    *("arxiv_id", "title_key", "title_head", "title_tail", *_TEXT_FIELDS, *_LINK_FIELDS, *_SOURCES.values()),
    *("listed_on", "first_seen_at", "reworded_at", "key_sentence", "withdrawn_at", "coded_at", "said_by"),
    *("version", "revised_at", "revision", "accepted", "accepted_at"),
    *_COUNTERS.values(),
)


@dataclass(frozen=True, slots=True)
class IngestResult:
    read: int = 0
    new: int = 0
    merged: int = 0  # observations of a paper that was there already, or came before in the same call
    # What is neither was a correction of a paper we do not have.

    def __add__(self, other: IngestResult) -> IngestResult:
        return IngestResult(self.read + other.read, self.new + other.new, self.merged + other.merged)


def ingest(observations: Iterable[Observation], *, now: datetime) -> IngestResult:
    """Merge observations into the catalogue, all of them or none."""
    result = IngestResult()
    remaining = iter(observations)
    with transaction.atomic():
        wait_for_other_writers()
        while batch := list(islice(remaining, _BATCH)):
            result += _ingest_batch(batch, now=now)
    return result


@dataclass(slots=True, eq=False)
class _Entry:
    """A paper, and what is known of it while a batch is merged."""

    paper: Paper
    sources: set[str] = field(default_factory=set)
    keys: set[int | None] = field(default_factory=set)  # of the programs that brought it; None: others did
    observations: list[Observation] = field(default_factory=list)
    is_changed: bool = False
    is_reworded: bool = False
    has_new_facts: bool = False  # that queries ask for beside its words: the institution, code
    links: KnownLinks = field(default_factory=KnownLinks)


class _Catalogue:
    """The papers that a batch may touch, by every name it may use for them. Bounded by the batch, not by the table."""

    def __init__(self) -> None:
        self.entries: dict[int, _Entry] = {}  # by primary key
        self._by_id: dict[str, _Entry] = {}
        self._by_title: dict[str, list[_Entry]] = defaultdict(list)
        self._by_end: dict[str, list[_Entry]] = defaultdict(list)

    def load(self, batch: Sequence[Observation]) -> None:
        keys = {title_key(one.title) for one in batch}
        candidates = Paper.objects.select_related("merged_into").filter(
            Q(arxiv_id__in={one.arxiv_id for one in batch if one.arxiv_id})
            | Q(title_key__in=keys)
            | Q(title_head__in={_head(key) for key in keys if len(key) >= _END})
            | Q(title_tail__in={_tail(key) for key in keys if len(key) >= _END})
        )
        named = PaperIdentifier.objects.filter(value__in={name for one in batch for name in one.identifiers})
        found = {row.value: row.paper for row in named.select_related("paper__merged_into")}
        for paper in [*candidates, *found.values()]:
            target = paper.merged_into or paper
            entry = self.entries.setdefault(target.pk, _Entry(target))
            self.index(entry)
            self._index(entry, arxiv_id=paper.arxiv_id, key=paper.title_key)
        for name, paper in found.items():
            self._by_id[name] = self.entries[(paper.merged_into or paper).pk]
        sightings = Sighting.objects.filter(paper__in=self.entries).distinct()
        for paper_id, source, key in sightings.values_list("paper_id", "source", "api_key"):
            self.entries[paper_id].sources.add(source)
            self.entries[paper_id].keys.add(key)
        for row in PaperLink.objects.filter(paper__in=self.entries):
            self.entries[row.paper_id].links.know(row)

    def index(self, entry: _Entry) -> None:
        for name in (name for seen in entry.observations for name in seen.identifiers):
            self._by_id.setdefault(name, entry)
        self._index(entry, arxiv_id=entry.paper.arxiv_id, key=entry.paper.title_key)

    def _index(self, entry: _Entry, *, arxiv_id: str | None, key: str) -> None:
        if arxiv_id:
            self._by_id[arxiv_id] = entry
        for names, name in ((self._by_title, key), (self._by_end, _head(key)), (self._by_end, _tail(key))):
            if entry not in names[name]:
                names[name].append(entry)

    def known_as(self, names: Iterable[str | None]) -> set[_Entry]:
        return {self._by_id[name] for name in names if name in self._by_id}

    def find(self, seen: Observation) -> _Entry | None:
        """Find the paper by identifier, by title, or by almost the same title with the same authors or abstract.

        Of a title alone two papers may be ("Introduction"), but not if nobody wrote both.
        """
        if seen.arxiv_id and seen.arxiv_id in self._by_id:
            return self._by_id[seen.arxiv_id]
        for name in seen.identifiers:
            if name in self._by_id and not _other_identifier(self._by_id[name].paper, seen):
                return self._by_id[name]
        key = title_key(seen.title)
        for entry in self._by_title.get(key, []):
            if not _other_identifier(entry.paper, seen) and not other_people(entry.paper.authors, seen.authors):
                return entry
        if len(key) < _END:
            return None
        neighbours: list[_Entry] = [*self._by_end.get(_head(key), []), *self._by_end.get(_tail(key), [])]
        for paper, entry in ((entry.paper, entry) for entry in neighbours):
            if not _other_identifier(paper, seen) and nearly(paper.title_key, key) and agree(paper, seen):
                return entry
        return None


def _ingest_batch(batch: Sequence[Observation], *, now: datetime) -> IngestResult:
    catalogue = _Catalogue()
    catalogue.load(batch)
    fresh: list[_Entry] = []
    met: dict[int, _Entry] = {}
    merged = 0
    for seen in batch:
        entry = catalogue.find(seen)
        if entry is None and seen.only_if_known:
            continue
        merged += entry is not None
        if entry is None:
            entry = _Entry(Paper(first_seen_at=seen.seen_at or now))
            fresh.append(entry)
        elif entry.paper.pk:
            met[entry.paper.pk] = entry
        _merge(entry, seen, now=now)
        catalogue.index(entry)
    _count([*fresh, *met.values()], now=now)
    Paper.objects.bulk_create([entry.paper for entry in fresh])
    _store_changes([entry.paper for entry in met.values() if entry.is_changed])
    _store_identifiers([*fresh, *met.values()])
    _store_sightings([*fresh, *met.values()], now=now)
    _store_signals([*fresh, *met.values()], now=now)
    store_links([(entry.paper, entry.links) for entry in (*fresh, *met.values())], now=now)
    if reworded := [entry.paper for entry in (*fresh, *met.values()) if entry.is_reworded]:
        assignment.reclassify(reworded)
    if stale := [entry.paper for entry in met.values() if entry.is_reworded or entry.has_new_facts]:
        SearchEntry.objects.filter(paper__in=stale).update(is_stale=True)
    _join_doubles(catalogue, [*fresh, *met.values()], now=now)
    return IngestResult(read=len(batch), new=len(fresh), merged=merged)


def _text_authority(source: str) -> int:
    """How far a source is believed; 0 for those that have no file of their own, such as readers and programs."""
    origin = registry.origins().get(source)
    return origin.TEXT_AUTHORITY if origin else 0


def _link_authority(source: str) -> int:
    origin = registry.origins().get(source)
    return origin.LINK_AUTHORITY if origin else 0


def _merge(entry: _Entry, seen: Observation, *, now: datetime) -> None:
    """Take from `seen` what the paper lacks, and what this source knows better than those heard so far.

    A program's key changes nothing of a paper that another key or a source brought as well.
    """
    paper, at = entry.paper, seen.seen_at or now
    if seen.posted_by and is_author(seen.posted_by, paper.authors):
        seen = replace(seen, metrics={})
    if seen.api_key is not None and (paper.pk or entry.keys) and entry.keys != {seen.api_key}:
        entry.observations.append(seen)
        return
    before = {name: getattr(paper, name) for name in _UPDATED}
    said_by = dict(paper.said_by)
    if seen.api_key is None and seen.title and entry.keys and None not in entry.keys:
        entry.links.are_doubted |= _doubt_programs(paper, seen, said_by)
    for names, authority in ((_TEXT_FIELDS, _text_authority), (_LINK_FIELDS, _link_authority)):
        rank = authority(seen.source)
        is_better = rank > 0 and rank >= max(map(authority, entry.sources), default=0)
        is_outdated = 0 < seen.version < paper.version
        for name in names:
            if name == "url" and seen.api_key is None and (paper.arxiv_id or seen.arxiv_id):
                continue  # arXiv's page is where it is read
            value = getattr(seen, name)
            value = list(value) if isinstance(value, tuple) else value
            if name in KIND_OF and isinstance(value, str) and value:
                value = entry.links.usable(value, seen, instead_of=getattr(paper, name))
            if value and ((is_better and not is_outdated) or not getattr(paper, name)):
                if getattr(paper, name) != value or name not in said_by:
                    said_by[name] = _sayer(seen)
                setattr(paper, name, value)
                if name in _SOURCES:
                    setattr(paper, _SOURCES[name], getattr(seen, _SOURCES[name]))
    if seen.arxiv_id and (not paper.arxiv_id or (seen.api_key is None and said_by.get("arxiv_id", "")[:4] == "api:")):
        said_by["arxiv_id"] = _sayer(seen)  # a source bears out what a program said
    paper.said_by = said_by
    paper.arxiv_id = paper.arxiv_id or seen.arxiv_id
    paper.title_key = title_key(paper.title)
    paper.title_head, paper.title_tail = _head(paper.title_key), _tail(paper.title_key)
    paper.listed_on = min(filter(None, (paper.listed_on, seen.listed_on)), default=None)
    paper.first_seen_at = min(paper.first_seen_at, at)
    if seen.withdrawn and paper.withdrawn_at is None:
        paper.withdrawn_at = at
    if paper.pk and paper.code_url and not before["code_url"] and paper.coded_at is None:
        paper.coded_at = at
    _note_update(paper, seen, abstract=before["abstract"], at=at)
    if any(getattr(paper, name) != before[name] for name in ("title", "abstract")):
        paper.key_sentence = None
        if paper.pk:
            paper.reworded_at = at
    after = {name: getattr(paper, name) for name in _UPDATED}
    entry.is_changed |= after != before
    entry.is_reworded |= any(after[name] != before[name] for name in ("title", "abstract", "authors", "categories"))
    entry.has_new_facts |= after["organization"] != before["organization"]
    entry.has_new_facts |= bool(after["code_url"]) != bool(before["code_url"])
    entry.links.add(seen, sayer=_sayer(seen))
    entry.sources.add(seen.source)
    entry.keys.add(seen.api_key)
    entry.observations.append(seen)


def _note_update(paper: Paper, seen: Observation, *, abstract: str, at: datetime) -> None:
    """Note a new version with another abstract than ``abstract``, and a venue named where there was none before."""
    if seen.api_key is not None or (paper.arxiv_id and not seen.arxiv_id):
        return  # arXiv and others count their versions each by itself
    if 0 < paper.version < seen.version and (changed := what_changed(abstract, paper.abstract)):
        paper.revised_at, paper.revision = at, changed
    paper.version = max(paper.version, seen.version)
    if seen.accepted is not None:
        if not seen.accepted:
            paper.accepted_at = None  # taken back
        elif paper.accepted == "":
            paper.accepted_at = at
        paper.accepted = seen.accepted


def _sayer(seen: Observation) -> str:
    return seen.source if seen.api_key is None else f"{seen.source}:{seen.api_key}"


def _doubt_programs(paper: Paper, seen: Observation, said_by: dict[str, str]) -> bool:
    """Clear what programs said of a paper when a source that knows it gives another title: they meant another one.

    Returns whether that is so.

    Identifiers can be guessed before arXiv gives them out, so what such a program said goes, above all its links.
    """
    if nearly(paper.title_key, title_key(seen.title)):
        return False
    for name in (*_TEXT_FIELDS, *_LINK_FIELDS):
        if name in said_by:
            setattr(paper, name, getattr(Paper(), name))
            if name in _SOURCES:
                setattr(paper, _SOURCES[name], "")
            del said_by[name]
    return True


def _count(entries: Sequence[_Entry], *, now: datetime) -> None:
    """Drop counter values that say nothing new, and show the latest one on the paper."""
    known = _latest_signals([entry for entry in entries if any(seen.metrics for seen in entry.observations)])
    for entry in entries:
        for seen in sorted(entry.observations, key=lambda one: one.seen_at or now):
            at = seen.seen_at or now
            for metric, value in seen.metrics.items():
                name = (entry.paper.pk, seen.source, metric)
                last_at, _ = known.get(name, (None, 0))
                if last_at is None or at >= last_at:
                    known[name] = (at, value)
                    counter = _COUNTERS.get(metric)
                    if counter and getattr(entry.paper, counter) != value:
                        setattr(entry.paper, counter, value)
                        entry.is_changed = True


def _latest_signals(entries: Sequence[_Entry]) -> dict[tuple[int | None, str, str], tuple[datetime | None, int]]:
    stored = [entry.paper.pk for entry in entries if entry.paper.pk]
    if not stored:
        return {}
    newest_first = Window(RowNumber(), partition_by=[F("paper_id"), F("source"), F("metric")], order_by=F("at").desc())
    rows = Signal.objects.filter(paper__in=stored).annotate(age=newest_first).filter(age=1)
    return {
        (paper, source, metric): (at, value)
        for paper, source, metric, at, value in rows.values_list("paper_id", "source", "metric", "at", "value")
    }


def _store_changes(papers: Sequence[Paper]) -> None:
    # One INSERT … ON CONFLICT per batch: bulk_update would send a CASE per row and field.
    if papers:
        Paper.objects.bulk_create(papers, update_conflicts=True, unique_fields=["id"], update_fields=_UPDATED)


def _join_doubles(catalogue: _Catalogue, entries: Sequence[_Entry], *, now: datetime) -> None:
    """Merge two papers that a source gives one name each of: a preprint and its article. A curator can undo it."""
    for entry in entries:
        names = {name for seen in entry.observations if seen.api_key is None for name in seen.identifiers}
        for other in catalogue.known_as({entry.paper.arxiv_id, *names}) - {entry}:
            ours, theirs = sorted((entry.paper, other.paper), key=lambda paper: (not paper.arxiv_id, paper.pk))
            if not (theirs.arxiv_id or theirs.merged_into_id or other_people(ours.authors, theirs.authors)):
                merging.merge(theirs, into=ours, by=None, now=now)
                theirs.merged_into = ours


def _store_identifiers(entries: Sequence[_Entry]) -> None:
    names = {name: entry.paper for entry in entries for seen in entry.observations for name in seen.identifiers}
    PaperIdentifier.objects.bulk_create(
        [PaperIdentifier(paper=paper, value=name) for name, paper in names.items()], ignore_conflicts=True
    )


def _store_sightings(entries: Sequence[_Entry], *, now: datetime) -> None:
    Sighting.objects.bulk_create(
        [
            Sighting(
                paper=entry.paper,
                source=seen.source,
                key=seen.key,
                rank=seen.rank,
                api_key_id=seen.api_key,
                seen_at=seen.seen_at or now,
            )
            for entry in entries
            for seen in entry.observations
        ],
        ignore_conflicts=True,
    )


def _store_signals(entries: Sequence[_Entry], *, now: datetime) -> None:
    values: dict[tuple[int, str, str, datetime], int] = {}
    for entry in entries:
        for seen in entry.observations:
            for metric, value in seen.metrics.items():
                name = (entry.paper.pk, seen.source, metric, seen.seen_at or now)
                values[name] = max(value, values.get(name, 0))  # of several stories on one paper, the best known
    Signal.objects.bulk_create(
        [
            Signal(paper_id=paper, source=source, metric=metric, value=value, at=at)
            for (paper, source, metric, at), value in values.items()
        ],
        ignore_conflicts=True,
    )


def _head(key: str) -> str:
    return key[:_END]


def _tail(key: str) -> str:
    return key[-_END:]


def _other_identifier(paper: Paper, seen: Observation) -> bool:
    return bool(paper.arxiv_id and seen.arxiv_id and paper.arxiv_id != seen.arxiv_id)
