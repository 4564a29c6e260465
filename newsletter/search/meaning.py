"""What words mean by the company they keep: latent semantic analysis (Deerwester et al., JASIS 41(6), 1990).

In: papers as stems. Out: a Memory: how rare each stem is, a place in a small space for each stem and for the newest
papers, and how words are spelt. Papers that share no word with a query are still near it. Pure; the same papers give
the same memory. Bounded: at most PAPERS papers are read, STEMS stems and WORDS words kept: about 40 MB while in use.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from newsletter.search.spelling import Speller

Floats = NDArray[np.float32]

PAPERS = 20_000
STEMS = 30_000
WORDS = 60_000
TITLE_WEIGHT = 3  # how many times a word of the title counts
_WIDEST = 128  # dimensions
_PAPERS_A_DIMENSION = 4  # fewer papers cannot tell more dimensions apart


@dataclass(frozen=True, slots=True)
class Read:
    """One paper as it is learnt from."""

    paper: int
    title: Sequence[str]  # stems in order
    body: Sequence[str]
    words: frozenset[str]  # as they are spelt


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
    def speller(self) -> Speller:
        return Speller(self.words, self.words_held_by)

    def held_share(self, stem: str) -> float:
        """The share of papers that have the stem; of one never met, that of half a paper."""
        row = self.row_of.get(stem)
        return (0.5 if row is None else float(self.held_by[row])) / max(1, self.papers)

    def rarity(self, stem: str) -> float:
        """BM25's weight of a word."""
        row = self.row_of.get(stem)
        return rarity(0 if row is None else int(self.held_by[row]), self.papers)

    def place(self, weights: Mapping[str, float]) -> Floats:
        """The direction of a bag of stems, of length one; zero when none of them is known."""
        known = [
            (row, weight * self.rarity(stem))
            for stem, weight in weights.items()
            if (row := self.row_of.get(stem)) is not None
        ]
        if not known:
            return np.zeros(self.places.shape[1], dtype=np.float32)
        rows, factors = zip(*known, strict=True)
        return _of_length_one(np.asarray(factors, dtype=np.float32) @ self.places[list(rows)])

    def place_of_paper(self, title: Sequence[str], body: Sequence[str]) -> Floats:
        return self.place({stem: 1 + math.log(count) for stem, count in bag_of(title, body).items()})

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
    """Some seconds for 20,000 papers."""
    from scipy import sparse
    from sklearn.decomposition import TruncatedSVD  # half a second to load; searching does not need it

    ids: list[int] = []
    bags: list[Counter[str]] = []
    held_by: Counter[str] = Counter()
    spelt: Counter[str] = Counter()
    for read in papers:
        ids.append(read.paper)
        bags.append(bag_of(read.title, read.body))
        held_by.update(bags[-1].keys())
        spelt.update(read.words)
    total = len(bags)
    # By count, then by the alphabet: the same papers in another order give the same memory.
    kept = [stem for stem, _ in sorted(held_by.items(), key=lambda one: (-one[1], one[0]))[:STEMS]]
    shared = sum(held_by[stem] > 1 for stem in kept)  # what only one paper has says nothing of others
    columns = {stem: column for column, stem in enumerate(kept[:shared])}
    weight = {stem: rarity(held_by[stem], total) for stem in columns}
    indptr, indices, values = [0], list[int](), list[float]()
    for bag in bags:
        row = [(columns[stem], (1 + math.log(count)) * weight[stem]) for stem, count in bag.items() if stem in columns]
        length = math.sqrt(sum(value * value for _, value in row)) or 1.0
        indices += [column for column, _ in row]
        values += [value / length for _, value in row]
        indptr.append(len(indices))
    rows = sparse.csr_matrix((values, indices, indptr), shape=(total, len(columns)), dtype=np.float32)
    width = min(_WIDEST, total // _PAPERS_A_DIMENSION, len(columns) - 1)
    if width < 2:
        places, papers_places = np.zeros((len(columns), 1)), np.zeros((total, 1))
    else:
        fitted = TruncatedSVD(width, n_iter=5, random_state=0).fit(rows)
        places = fitted.components_.T
        papers_places = rows @ places
    spellings = sorted(
        ((word, count) for word, count in spelt.items() if word.isalpha()), key=lambda one: (-one[1], one[0])
    )
    spellings = [one for one in spellings[:WORDS] if one[1] > 1 or total < _PAPERS_A_DIMENSION]
    return Memory(
        papers=total,
        mean_length=sum(sum(bag.values()) for bag in bags) / max(1, total),
        stems=tuple(kept),
        held_by=np.array([held_by[stem] for stem in kept], dtype=np.int64),
        places=np.vstack([places, np.zeros((len(kept) - len(columns), places.shape[1]))]).astype(np.float32),
        ids=np.array(ids, dtype=np.int64),
        papers_places=_of_length_one(papers_places).astype(np.float32),
        words=tuple(word for word, _ in spellings),
        words_held_by=np.array([count for _, count in spellings], dtype=np.int64),
    )


def _of_length_one(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    unit: Floats = rows / np.where(lengths > 0, lengths, 1)
    return unit


def _bytes_of(strings: Sequence[str]) -> NDArray[np.uint8]:
    return np.frombuffer("\n".join(strings).encode(), dtype=np.uint8)


def _strings_of(data: NDArray[np.uint8]) -> tuple[str, ...]:
    text = data.tobytes().decode()
    return tuple(text.split("\n")) if text else ()
