"""What a reader liked and disliked x candidate papers -> personal relevance between 0 and 1. Pure.

In: texts and topic scores of papers, and per reader the papers judged. Out: readers x candidates, and how far each
row is to be trusted. A reader's model is one direction among the papers' words and topics: that of a logistic
regression on TF-IDF under strong regularisation, which is a difference of weighted means and so one matrix product
for any number of readers. `python -m tests.bench.bench_relevance` compares it with the full fit and with others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

JUDGED_MIN = 5  # below, what the reader declared is all we go by
FULL_TRUST = 30  # judged papers; the trust grows up to TRUST_MAX
TRUST_MAX = 0.7
TOPIC_SHARE = 0.15  # of likeness in topics to likeness in words
RESTRAINT = 0.5  # how much of what is not liked is held against a paper; 1 is the regression's own weighting
EXPLICIT = 0.8  # weight of a disliked paper against 0.2 of any other, as Scholar Inbox has it (arXiv 2504.08385)
BACKGROUND = 10  # how many other papers stand against the disliked ones; there they are 5,000


@dataclass(frozen=True, slots=True)
class Judged:
    """Per reader the rows of papers judged, as compressed lists."""

    liked_indptr: Ints
    liked: Ints
    disliked_indptr: Ints
    disliked: Ints


class Words:
    """A vocabulary and the rarity of its words, learnt from some hundred papers or more."""

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer  # half a second to load; not every run needs it

        self._vectorizer = TfidfVectorizer(sublinear_tf=True, stop_words="english", dtype=np.float32)
        self._vectorizer.fit(texts)

    def vectors(self, texts: Sequence[str], topics: Floats) -> Any:
        """One sparse row per paper: its words, then its topics; products of rows are likenesses."""
        from scipy import sparse

        lengths = np.linalg.norm(topics, axis=1, keepdims=True)
        of_topics = topics / np.where(lengths > 0, lengths, 1) * TOPIC_SHARE**0.5
        return sparse.hstack(
            [self._vectorizer.transform(texts), sparse.csr_matrix(of_topics.astype(np.float32))], format="csr"
        )


def personal_relevance(papers: Any, candidates: Any, background: Any, judged: Judged) -> tuple[Floats, Floats]:
    """Relevance (readers x candidates, 0 to 1) and trust (readers, 0 to .7). All vectors come from one ``Words``.

    ``papers`` are the rows that ``judged`` speaks of. Rows of readers with fewer than five judged papers are .5 and
    their trust is 0.
    """
    liked_of, disliked_of = np.diff(judged.liked_indptr), np.diff(judged.disliked_indptr)
    explicit = EXPLICIT * disliked_of
    other = (1 - EXPLICIT) * BACKGROUND
    likes = _means(papers.shape[0], judged.liked_indptr, judged.liked)
    dislikes = _means(papers.shape[0], judged.disliked_indptr, judged.disliked)
    kinship = (papers @ candidates.T).toarray()
    usual = np.asarray((background @ candidates.T).mean(axis=0)).reshape(1, -1)
    against = (explicit[:, None] * (dislikes @ kinship) + other * usual) / (explicit + other)[:, None]
    margins = likes @ kinship - RESTRAINT * against
    spread = margins.std(axis=1, keepdims=True)
    steps = (margins - margins.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    count = liked_of + disliked_of
    known = count >= JUDGED_MIN
    relevance = np.where(known[:, None], 1 / (1 + np.exp(-steps)), 0.5)
    trust = np.where(known, np.minimum(TRUST_MAX, count / FULL_TRUST), 0)
    return relevance.astype(np.float32), trust.astype(np.float32)


def _means(papers: int, indptr: Ints, indices: Ints) -> Any:
    """Readers x papers, each row the equal weights of its list."""
    from scipy import sparse

    counts = np.diff(indptr)
    weights = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
    return sparse.csr_matrix((weights, indices, indptr), shape=(len(counts), papers))
