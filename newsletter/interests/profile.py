"""What a reader liked and disliked x candidate papers -> personal relevance between 0 and 1. Pure.

In: words, topics and (with the extra `semantic`) meanings of papers, and per reader the papers judged. Out: readers x
candidates, how far each row is to be trusted, and which liked papers a candidate is really like. A reader's model is
one direction among all of these: that of a logistic regression under strong regularisation, which is a difference of
weighted means and so one matrix product for any number of readers. Several interests need no models of their own: the
mean of what was liked stays close to each of them (`python -m tests.bench.bench_profile` compares).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newsletter.catalogue.topics.labelled_examples import singular

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

JUDGED_MIN = 5  # below, what the reader declared is all we go by
FULL_TRUST = 30  # judged papers; the trust grows up to TRUST_MAX
TRUST_MAX = 0.7
# How much likeness of other kinds counts against likeness in words. Each is about as far spread as the words are.
PROFILE_SHARE = 0.45  # closeness to what every topic is about
TOPIC_SHARE = 0.12  # topics assigned, the rarer the more telling
MEANING_SHARE = 0.28
RESTRAINT = 0.5  # how much of what is not liked is held against a paper; 1 is the regression's own weighting
EXPLICIT = 0.8  # weight of a disliked paper against 0.2 of any other, as Scholar Inbox has it (arXiv 2504.08385)
BACKGROUND = 10  # how many other papers stand against the disliked ones; there they are 5,000
LIKENESS_MIN = 0.2  # likeness in words from which a reader would say so too; two papers of one topic have .05 to .1
_READERS = 256  # at a time; changes memory and speed, never the result
_PAPERS = 512
_RARE = 0.02  # added to a topic's share of papers, so that one nobody writes about is not infinitely rare
_WORD = re.compile(r"\w\w+")


@dataclass(frozen=True, slots=True)
class Judged:
    """Per reader the rows of papers judged, as compressed lists."""

    liked_indptr: Ints
    liked: Ints
    disliked_indptr: Ints
    disliked: Ints
    liked_weights: Floats | None = None  # of each row of ``liked``; None: all weigh the same


@dataclass(frozen=True, slots=True)
class Vectors:
    """A row per paper; the product of two rows is how alike the papers are, the sum of that of the two parts."""

    words: Any  # sparse
    rest: Floats

    def __len__(self) -> int:
        return len(self.rest)

    def __getitem__(self, rows: slice) -> Vectors:
        return Vectors(self.words[rows], self.rest[rows])

    def and_more(self, more: Vectors) -> Vectors:
        from scipy import sparse

        return Vectors(sparse.vstack([self.words, more.words], format="csr"), np.concatenate([self.rest, more.rest]))


class TextModel:
    """A vocabulary, the rarity of its words and topics, and the usual paper, learnt from some hundred papers or more.

    ``fields`` says in words what each topic is about, in the order of the columns of ``topics``. ``meanings`` has a
    row of length one per paper; a row of zeros is a paper that has none yet and is taken for a usual one.
    """

    def __init__(
        self, texts: Sequence[str], *, topics: Floats, fields: Sequence[str], meanings: Floats | None = None
    ) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer  # half a second to load; not every run needs it

        self._vectorizer = TfidfVectorizer(analyzer=_words, sublinear_tf=True, dtype=np.float32).fit([*texts, *fields])
        self._fields = self._vectorizer.transform(fields) if fields else None
        self._rarity = np.log(1 / (topics.mean(axis=0) + _RARE)).astype(np.float32)
        self._usual_meaning = None if meanings is None else _mean_of_known(meanings)
        background = self.vectors(texts, topics=topics, meanings=meanings)
        self.usual: Floats = background.rest.mean(axis=0)
        # What is common to all papers in words and profile is rare enough by itself: it need not be held against any.
        self.usual[: len(fields)] = 0

    def vectors(self, texts: Sequence[str], *, topics: Floats, meanings: Floats | None = None) -> Vectors:
        words = self._vectorizer.transform(texts)
        parts = [_of_length(topics * self._rarity, TOPIC_SHARE)]
        if self._fields is not None:
            parts.insert(0, _of_length(np.sqrt((words @ self._fields.T).toarray()), PROFILE_SHARE))
        if self._usual_meaning is not None:
            known = np.zeros((len(texts), len(self._usual_meaning)), np.float32) if meanings is None else meanings
            filled = np.where(known.any(axis=1, keepdims=True), known, self._usual_meaning)
            parts.append((filled * MEANING_SHARE**0.5).astype(np.float32))
        return Vectors(words, np.hstack(parts))


def personal_relevance(papers: Vectors, candidates: Vectors, judged: Judged, *, usual: Floats) -> tuple[Floats, Floats]:
    """Relevance (readers x candidates, 0 to 1) and trust (readers, 0 to .7). All vectors come from one ``TextModel``.

    ``papers`` are the rows that ``judged`` speaks of, ``usual`` is that of their ``TextModel``. Rows of readers
    with fewer than five judged papers are .5 and their trust is 0.
    """
    liked_of, disliked_of = np.diff(judged.liked_indptr), np.diff(judged.disliked_indptr)
    count = liked_of + disliked_of
    explicit, other = EXPLICIT * disliked_of, (1 - EXPLICIT) * BACKGROUND
    likes = _means(len(papers), judged.liked_indptr, judged.liked, of=np.ones(len(count)), by=judged.liked_weights)
    against = _means(len(papers), judged.disliked_indptr, judged.disliked, of=RESTRAINT * explicit / (explicit + other))
    weights = (likes - against).tocsr()
    held = (RESTRAINT * other / (explicit + other)).astype(np.float32)
    relevance = np.full((len(count), len(candidates)), 0.5, dtype=np.float32)
    known = np.flatnonzero(count >= JUDGED_MIN)
    for start in range(0, len(known), _READERS):
        rows = known[start : start + _READERS]
        taste = weights[rows]
        margins = (candidates.words @ (taste @ papers.words).T.toarray()).T
        margins += (taste @ papers.rest - held[rows, None] * usual) @ candidates.rest.T
        spread = margins.std(axis=1, keepdims=True)
        steps = (margins - margins.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
        relevance[rows] = 1 / (1 + np.exp(-steps))
    trust = np.where(count >= JUDGED_MIN, np.minimum(TRUST_MAX, count / FULL_TRUST), 0)
    return relevance, trust.astype(np.float32)


def similar_in_words(papers: Vectors, candidates: Vectors) -> Any:
    """Return papers x candidates, sparse: likeness in words where it is high enough to mention to a reader."""
    from scipy import sparse

    blocks = []
    for start in range(0, len(papers), _PAPERS):
        block = (papers.words[start : start + _PAPERS] @ candidates.words.T).tocsr()
        block.data[block.data < LIKENESS_MIN] = 0
        block.eliminate_zeros()
        blocks.append(block)
    return sparse.vstack(blocks, format="csr") if blocks else sparse.csr_matrix((0, len(candidates)))


def _means(papers: int, indptr: Ints, indices: Ints, *, of: NDArray[np.float64], by: Floats | None = None) -> Any:
    """Readers x papers, each row the weights of its list, ``of`` in sum; equal ones unless ``by`` gives them."""
    from scipy import sparse

    counts = np.diff(indptr)
    weights = np.ones(len(indices)) if by is None else by.astype(np.float64)
    sums = np.diff(np.concatenate([[0.0], np.cumsum(weights)])[indptr])
    weights = (np.repeat(of / np.where(counts > 0, sums, 1), counts) * weights).astype(np.float32)
    return sparse.csr_matrix((weights, indices, indptr), shape=(len(counts), papers))


def _of_length(rows: NDArray[np.floating], share: float) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Floats = (rows / np.where(lengths > 0, lengths, 1) * share**0.5).astype(np.float32)
    return scaled


def _mean_of_known(meanings: Floats) -> Floats:
    known = meanings[meanings.any(axis=1)]
    mean: Floats = known.mean(axis=0) if len(known) else np.zeros(meanings.shape[1], dtype=np.float32)
    return mean


def _words(text: str) -> list[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return [singular(word) for word in _WORD.findall(text.casefold()) if word not in ENGLISH_STOP_WORDS]
