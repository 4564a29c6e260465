"""Latent semantic analysis: the meaning of words by what they occur with (Deerwester et al., JASIS 41(6), 1990).

In: papers as stems. Out: a Memory: how rare each stem is, a place in a small space for each stem and for the newest
papers, and how words are spelt. Papers that share no word with a query are still near it. Pure; the same papers give
the same memory. Bounded: at most PAPERS papers are read, STEMS stems and WORDS words kept: about 40 MB while in use.
"""

from __future__ import annotations

import io
import math
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newsletter.search.spelling import Speller

Floats = NDArray[np.float32]

PAPERS = 20_000
STEMS = 30_000
WORDS = 60_000
TITLE_WEIGHT = 3  # how many times a word of the title counts
_WIDEST = 128  # dimensions
_PAPERS_A_DIMENSION = 4  # papers a dimension; fewer cannot support more dimensions


@dataclass(frozen=True, slots=True)
class Read:
    """One paper as input of the analysis."""

    paper: int
    title: Sequence[str]  # stems in order
    body: Sequence[str]
    words: frozenset[str]  # as they are spelt


@dataclass(frozen=True, slots=True)
class Weighed:
    """Stems of several papers, as cells of a table that is mostly empty: owner by owner, column by column."""

    papers: int
    width: int
    owners: NDArray[np.int64]
    columns: NDArray[np.int64]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Memory:
    papers: int  # learnt from
    mean_length: float  # of a paper in stems, those of the title counted as often as they weigh
    stems: tuple[str, ...]
    held_by: NDArray[np.int64]  # papers that have the stem
    places: Floats  # stems x dimensions
    ids: NDArray[np.int64]  # papers that have a place of their own
    papers_places: Floats  # rows of length one
    words: tuple[str, ...]
    words_held_by: NDArray[np.int64]

    @cached_property
    def row_of(self) -> dict[str, int]:
        return {stem: row for row, stem in enumerate(self.stems)}

    @cached_property
    def rarities(self) -> NDArray[np.float64]:
        weights: NDArray[np.float64] = np.log(1 + (self.papers - self.held_by + 0.5) / (self.held_by + 0.5))
        return weights

    @cached_property
    def speller(self) -> Speller:
        return Speller(self.words, self.words_held_by)

    def held_share(self, stem: str) -> float:
        """Return the share of papers that have the stem; half a paper for an unknown stem."""
        row = self.row_of.get(stem)
        return (0.5 if row is None else float(self.held_by[row])) / max(1, self.papers)

    def rarity(self, stem: str) -> float:
        """Return the inverse document frequency of a stem, as BM25 has it."""
        row = self.row_of.get(stem)
        return rarity(0 if row is None else int(self.held_by[row]), self.papers)

    def place(self, weights: Mapping[str, float]) -> Floats:
        """Return the place of a bag of stems, a vector of length one; zero when no stem is known."""
        known = [
            (row, weight * self.rarity(stem))
            for stem, weight in weights.items()
            if (row := self.row_of.get(stem)) is not None
        ]
        if not known:
            return np.zeros(self.places.shape[1], dtype=np.float32)
        rows, factors = zip(*known, strict=True)
        return _of_length_one(np.asarray(factors, dtype=np.float32) @ self.places[list(rows)])

    def weigh(self, papers: Sequence[tuple[str, str]]) -> Weighed:
        """Return the TF-IDF weights of the stems of (title, body) pairs, unknown stems included."""
        known, unmet = self.row_of, dict[str, int]()
        columns, sizes = list[int | None](), list[int]()
        for title, body in papers:
            stems = title.split() * TITLE_WEIGHT + body.split()
            rows = list(map(known.get, stems))
            if None in rows:
                rows = [
                    len(known) + unmet.setdefault(stem, len(unmet)) if row is None else row
                    for stem, row in zip(stems, rows, strict=True)
                ]
            columns += rows
            sizes.append(len(rows))
        width = len(known) + len(unmet)
        rare = np.concatenate([self.rarities, np.full(len(unmet), rarity(0, self.papers))])
        owners = np.repeat(np.arange(len(papers)), sizes)
        cells, counts = np.unique(owners * max(1, width) + np.array(columns, dtype=np.int64), return_counts=True)
        owners, found = np.divmod(cells, max(1, width))
        return Weighed(len(papers), width, owners, found, (1 + np.log(counts)) * rare[found])

    def places_of(self, weighed: Weighed) -> Floats:
        """Return a row of length one a paper; zero when no stem of it has a place."""
        rows = np.zeros((weighed.papers, self.places.shape[1]), dtype=np.float32)
        has_place = weighed.columns < len(self.places)
        owners = weighed.owners[has_place]
        if len(owners):
            parts = self.places[weighed.columns[has_place]] * weighed.weights[has_place, None].astype(np.float32)
            starts = np.flatnonzero(np.diff(owners, prepend=-1))
            rows[owners[starts]] = np.add.reduceat(parts, starts)
        return _of_length_one(rows)

    def to_bytes(self) -> bytes:
        written = io.BytesIO()
        np.savez(
            written,
            numbers=np.array([self.papers, self.mean_length]),
            stems=_bytes_of(self.stems),
            held_by=self.held_by.astype(np.int32),
            places=self.places.astype(np.float16),
            ids=self.ids,
            papers_places=self.papers_places.astype(np.float16),
            words=_bytes_of(self.words),
            words_held_by=self.words_held_by.astype(np.int32),
        )
        return written.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Memory:
        read = np.load(io.BytesIO(data), allow_pickle=False)
        return cls(
            papers=int(read["numbers"][0]),
            mean_length=float(read["numbers"][1]),
            stems=_strings_of(read["stems"]),
            held_by=read["held_by"].astype(np.int64),
            places=read["places"].astype(np.float32),
            ids=read["ids"],
            papers_places=read["papers_places"].astype(np.float32),
            words=_strings_of(read["words"]),
            words_held_by=read["words_held_by"].astype(np.int64),
        )


NOTHING_LEARNT = Memory(
    papers=0,
    mean_length=150.0,
    stems=(),
    held_by=np.zeros(0, dtype=np.int64),
    places=np.zeros((0, 1), dtype=np.float32),
    ids=np.zeros(0, dtype=np.int64),
    papers_places=np.zeros((0, 1), dtype=np.float32),
    words=(),
    words_held_by=np.zeros(0, dtype=np.int64),
)


def rarity(held_by: int, papers: int) -> float:
    return math.log(1 + (papers - held_by + 0.5) / (held_by + 0.5))


def bag_of(title: Sequence[str], body: Sequence[str]) -> Counter[str]:
    bag = Counter(body)
    for stem in title:
        bag[stem] += TITLE_WEIGHT
    return bag


def learn(papers: Iterable[Read]) -> Memory:
    """Learn a Memory from the papers; takes some seconds for 20,000."""
    ids: list[int] = []
    numbers: dict[str, int] = {}  # of stems, as they are met
    spelt: Counter[str] = Counter()
    met, times, ends = array("i"), array("f"), array("i", [0])
    for read in papers:
        bag = bag_of(read.title, read.body)
        ids.append(read.paper)
        met.extend(numbers.setdefault(stem, len(numbers)) for stem in bag)
        times.extend(bag.values())
        ends.append(len(met))
        spelt.update(read.words)
    columns, counts = np.frombuffer(met, dtype=np.int32), np.frombuffer(times, dtype=np.float32)
    held_by = np.bincount(columns, minlength=len(numbers)) if len(columns) else np.zeros(0, dtype=np.int64)
    # By count, then by the alphabet: the same papers in another order give the same memory.
    kept = sorted(numbers, key=lambda stem: (-held_by[numbers[stem]], stem))[:STEMS]
    order = np.array([numbers[stem] for stem in kept], dtype=np.int64)
    places, papers_places = _spread(columns, counts, np.asarray(ends), order, held_by)
    spellings = sorted(
        (word for word in spelt if word.isalpha() and spelt[word] > 1), key=lambda one: (-spelt[one], one)
    )
    return Memory(
        papers=len(ids),
        mean_length=float(counts.sum()) / max(1, len(ids)),
        stems=tuple(kept),
        held_by=held_by[order],
        places=places,
        ids=np.array(ids, dtype=np.int64),
        papers_places=papers_places,
        words=tuple(spellings[:WORDS]),
        words_held_by=np.array([spelt[word] for word in spellings[:WORDS]], dtype=np.int64),
    )


def _spread(
    columns: NDArray[np.int32],
    counts: Floats,
    ends: NDArray[np.int32],
    order: NDArray[np.int64],
    held_by: NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """A place for each stem and a row of length one for each paper: the truncated SVD of their TF-IDF matrix."""
    papers = len(ends) - 1
    shared = int((held_by[order] > 1).sum())  # a stem of one paper alone relates it to no other
    width = min(_WIDEST, papers // _PAPERS_A_DIMENSION, shared - 1)
    if width < 2:
        return np.zeros((len(order), 1), dtype=np.float32), np.zeros((papers, 1), dtype=np.float32)
    from scipy import sparse
    from sklearn.decomposition import TruncatedSVD  # half a second to load; searching does not need it

    rare = np.log(1 + (papers - held_by + 0.5) / (held_by + 0.5)).astype(np.float32)
    weights = (1 + np.log(counts)) * rare[columns]
    rows = sparse.csr_matrix((weights, columns, ends), shape=(papers, len(held_by)))[:, order[:shared]]
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    rows = sparse.diags_array(1 / np.where(lengths > 0, lengths, 1)).astype(np.float32) @ rows
    with np.errstate(divide="ignore", invalid="ignore"):  # papers that are all alike have no variance to explain
        places = TruncatedSVD(width, n_iter=5, random_state=0).fit(rows).components_.T
    papers_places = _of_length_one(rows @ places)
    none = np.zeros((len(order) - shared, width))
    return np.vstack([places, none]).astype(np.float32), papers_places


def _of_length_one(rows: NDArray[Any]) -> Floats:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: Floats = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def _bytes_of(strings: Sequence[str]) -> NDArray[np.uint8]:
    return np.frombuffer("\n".join(strings).encode(), dtype=np.uint8)


def _strings_of(data: NDArray[np.uint8]) -> tuple[str, ...]:
    text = data.tobytes().decode()
    return tuple(text.split("\n")) if text else ()
