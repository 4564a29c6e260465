"""Vectors of the newest papers, held in this process: finds papers near a query that share no word with it.

In: what was learnt (search.latent_semantics) and, with the extra `semantic`, the papers' vectors. Out: the nearest
papers, and the numbers of any paper. Papers that came after the last learning are placed as they are met. At most
latent_semantics.PAPERS + _FRESH papers: 10 MB, 45 MB with vectors. Reads only; a newer memory makes a new index.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from newsletter.catalogue.topics import embeddings
from newsletter.models import SearchEntry
from newsletter.models.embeddings import WIDTH
from newsletter.search import update_index
from newsletter.search.latent_semantics import NOTHING_LEARNT, PAPERS, Floats, Memory
from newsletter.search.relevance import PaperWords, Scores

_FRESH = 5_000
_LOOK_EVERY = 60.0  # seconds until missing vectors are looked up again
_A_TIME = 500


@dataclass
class VectorIndex:
    memory: Memory
    ids: NDArray[np.int64]
    places: Floats
    _rows: dict[int, int] = field(default_factory=dict)
    _vectors: Floats | None = None
    _looked_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def catalogue(self) -> int:
        """Return about how many papers there are, without counting them."""
        if self.memory.papers < PAPERS:
            return len(self.ids)
        return SearchEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0

    def nearest_places(self, place: Floats, *, most: int) -> list[int]:
        if not place.any():
            return []
        return self._best(self.places @ place, most=most)

    def nearest_vectors(self, vector: Floats, *, most: int) -> list[int]:
        known = self.vectors
        return [] if known is None else self._best(known @ vector, most=most)

    def _best(self, scores: Floats, *, most: int) -> list[int]:
        count = min(most, len(scores))
        best = np.argpartition(-scores, count - 1)[:count] if count else np.zeros(0, dtype=np.int64)
        best = best[scores[best] > 0]
        return [int(pk) for pk in self.ids[best[np.lexsort((best, -scores[best]))]]]

    def places_of(self, papers: Sequence[PaperWords]) -> Floats:
        """Return a row a paper: from the index, else made from its words."""
        rows = [self._rows.get(paper.paper, -1) for paper in papers]
        found: Floats = np.zeros((len(papers), self.memory.places.shape[1]), dtype=np.float32)
        here = [place for place, row in enumerate(rows) if row >= 0]
        elsewhere = [place for place, row in enumerate(rows) if row < 0]
        found[here] = self.places[[rows[place] for place in here]]
        if elsewhere:
            texts = [(papers[place].title, papers[place].body) for place in elsewhere]
            found[elsewhere] = self.memory.places_of(self.memory.weigh(texts))
        return found

    def vector_of(self, paper: int) -> Floats | None:
        known = self.vectors
        if known is None:
            return None
        place = self._rows.get(paper)
        if place is not None and place < len(known) and known[place].any():
            row: Floats = known[place]
            return row
        found, rows = embeddings.vectors_of([paper])
        return rows[0] if found else None

    def likeness_of(self, papers: Sequence[PaperWords], vector: Floats) -> Scores | None:
        """Return the product of each paper's vector with this one, NaN where there is none; None without the extra."""
        known = self.vectors
        if known is None:
            return None
        scores = np.full(len(papers), np.nan)
        elsewhere: dict[int, int] = {}
        for row, paper in enumerate(papers):
            place = self._rows.get(paper.paper)
            if place is None or place >= len(known):
                elsewhere[paper.paper] = row
            elif known[place].any():
                scores[row] = known[place] @ vector
        found, rows = embeddings.vectors_of(elsewhere)
        if found:
            scores[[elsewhere[pk] for pk in found]] = rows @ vector
        return scores

    @property
    def vectors(self) -> Floats | None:
        """Return a row a paper of the index, zero where none is known; None without the extra."""
        if not embeddings.is_on():
            return None
        if self._vectors is None or time.monotonic() - self._looked_at > _LOOK_EVERY:
            with self._lock:
                self._look()
        return self._vectors

    def _look(self) -> None:
        known = np.zeros((len(self.ids), WIDTH), dtype=np.float32)
        if self._vectors is not None:
            known[: len(self._vectors)] = self._vectors
        missing = self.ids[~known.any(axis=1)]
        found, rows = embeddings.vectors_of(int(pk) for pk in missing)
        if found:
            known[[self._rows[pk] for pk in found]] = rows
        self._vectors, self._looked_at = known, time.monotonic()

    def take_in_fresh(self) -> None:
        """Add papers whose entries were written since."""
        with self._lock:
            last = int(self.ids.max(initial=0))
            room = len(self.memory.ids) + _FRESH - len(self.ids)
            fresh = SearchEntry.objects.filter(pk__gt=last).order_by("pk").values_list("pk", "title", "body")
            papers = [PaperWords(*row) for row in fresh[: min(_A_TIME, max(0, room))]]
            if papers:
                places = self.places_of(papers)
                # In this order: another thread may read in between, and never finds a row that is not there yet.
                known = len(self.ids)
                self.ids = np.concatenate([self.ids, np.array([paper.paper for paper in papers], dtype=np.int64)])
                self.places = np.vstack([self.places, places])
                self._rows |= {paper.paper: row for row, paper in enumerate(papers, start=known)}
                self._looked_at = 0.0


_shelf: VectorIndex | None = None
_EMPTY = VectorIndex(NOTHING_LEARNT, NOTHING_LEARNT.ids, NOTHING_LEARNT.papers_places)


def current() -> VectorIndex:
    """Return the index of the latest memory, with the papers that came since."""
    global _shelf
    memory = update_index.recall()
    if memory is None:
        return _EMPTY
    if _shelf is None or _shelf.memory is not memory:
        _shelf = VectorIndex(
            memory, memory.ids, memory.papers_places, {int(pk): row for row, pk in enumerate(memory.ids)}
        )
    _shelf.take_in_fresh()
    return _shelf
