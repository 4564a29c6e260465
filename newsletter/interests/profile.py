"""What a reader liked and disliked x candidate papers -> personal relevance between 0 and 1. Pure.

In: words, topics and (with the extra `semantic`) meanings of papers, and per reader the papers judged. Out: readers x
candidates, how far each row is to be trusted, and which liked papers a candidate is really like. A reader's model is
one direction among all of these: that of a logistic regression under strong regularisation, which is a difference of
weighted means and so one matrix product for any number of readers. Several interests need no models of their own: the
mean of what was liked stays close to each of them (`python -m tests.bench.bench_profile` compares).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
    removed: Removed | None = None


@dataclass(frozen=True, slots=True)
class Removed:
    """Readers x words and readers x the other columns, both sparse: 1 where a reader wants none of that to count."""

    words: Any
    rest: Any


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

        self._vectorizer = TfidfVectorizer(analyzer=_roots, sublinear_tf=True, dtype=np.float32)
        words = self._vectorizer.fit_transform([*texts, *fields])
        self._fields = words[len(texts) :] if fields else None
        self._rarity = np.log(1 / (topics.mean(axis=0) + _RARE)).astype(np.float32)
        self._usual_meaning = None if meanings is None else _mean_of_known(meanings)
        background = self._with_rest(words[: len(texts)], topics=topics, meanings=meanings)
        self.usual: Floats = background.rest.mean(axis=0)
        # What is common to all papers in words and profile is rare enough by itself: it need not be held against any.
        self.usual[: len(fields)] = 0

    def vectors(self, texts: Sequence[str], *, topics: Floats, meanings: Floats | None = None) -> Vectors:
        return self._with_rest(self._vectorizer.transform(texts), topics=topics, meanings=meanings)

    def _with_rest(self, words: Any, *, topics: Floats, meanings: Floats | None) -> Vectors:
        parts = [_of_length(topics * self._rarity, TOPIC_SHARE)]
        if self._fields is not None:
            parts.insert(0, _of_length(np.sqrt((words @ self._fields.T).toarray()), PROFILE_SHARE))
        if self._usual_meaning is not None:
            known = np.zeros((len(topics), len(self._usual_meaning)), np.float32) if meanings is None else meanings
            filled = np.where(known.any(axis=1, keepdims=True), known, self._usual_meaning)
            parts.append((filled * MEANING_SHARE**0.5).astype(np.float32))
        return Vectors(words, np.hstack(parts))

    @property
    def word_names(self) -> Sequence[str]:
        """The word of each column, as `root_of` has it."""
        names: Sequence[str] = self._vectorizer.get_feature_names_out()
        return names

    def topic_weights(self, rest: Floats) -> Floats:
        """How much a paper about nothing but one topic gains by it, per topic."""
        topics = len(self._rarity)
        weights: Floats = rest[-topics - self._meaning_width :][:topics] * TOPIC_SHARE**0.5
        if self._fields is not None:
            weights = weights + rest[:topics] * PROFILE_SHARE**0.5
        return weights

    def removed(self, terms: Sequence[tuple[Sequence[str], Sequence[int]]]) -> Removed:
        """Per reader the words and the columns of topics to leave out. Words of no paper are no matter."""
        topics, width = len(self._rarity), len(self.usual)
        starts = [width - self._meaning_width - topics, *([] if self._fields is None else [0])]
        known = self._vectorizer.vocabulary_
        roots = ((row, root) for row, (names, _) in enumerate(terms) for name in names for root in set(_roots(name)))
        words = [(row, known[root]) for row, root in roots if root in known]
        rest = [(row, start + topic) for row, (_, theirs) in enumerate(terms) for topic in theirs for start in starts]
        return Removed(_ones(words, (len(terms), len(known))), _ones(rest, (len(terms), width)))

    @property
    def _meaning_width(self) -> int:
        return 0 if self._usual_meaning is None else len(self._usual_meaning)


def personal_relevance(papers: Vectors, candidates: Vectors, judged: Judged, *, usual: Floats) -> tuple[Floats, Floats]:
    """Relevance (readers x candidates, 0 to 1) and trust (readers, 0 to .7). All vectors come from one ``TextModel``.

    ``papers`` are the rows that ``judged`` speaks of, ``usual`` is that of their ``TextModel``. Rows of readers
    with fewer than five judged papers are .5 and their trust is 0.
    """
    count = np.diff(judged.liked_indptr) + np.diff(judged.disliked_indptr)
    relevance = np.full((len(count), len(candidates)), 0.5, dtype=np.float32)
    known = np.flatnonzero(count >= JUDGED_MIN)
    for rows, (words, rest) in directions(papers, judged, known, usual=usual):
        margins = (candidates.words @ words.T.toarray()).T
        margins += rest @ candidates.rest.T
        spread = margins.std(axis=1, keepdims=True)
        steps = (margins - margins.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
        relevance[rows] = 1 / (1 + np.exp(-steps))
    return relevance, trust_of(count)


def trust_of(judged: Ints) -> Floats:
    """Trust in a profile of so many judged papers, from 0 to `TRUST_MAX`."""
    return np.where(judged >= JUDGED_MIN, np.minimum(TRUST_MAX, judged / FULL_TRUST), 0).astype(np.float32)


def directions(
    papers: Vectors, judged: Judged, readers: Ints, *, usual: Floats
) -> Iterator[tuple[Ints, tuple[Any, Floats]]]:
    """Yield some of those readers and where they are drawn to: readers x words (sparse), readers x other columns."""
    liked_of, disliked_of = np.diff(judged.liked_indptr), np.diff(judged.disliked_indptr)
    explicit, other = EXPLICIT * disliked_of, (1 - EXPLICIT) * BACKGROUND
    likes = _means(len(papers), judged.liked_indptr, judged.liked, of=np.ones(len(liked_of)), by=judged.liked_weights)
    against = _means(len(papers), judged.disliked_indptr, judged.disliked, of=RESTRAINT * explicit / (explicit + other))
    weights = (likes - against).tocsr()
    held = (RESTRAINT * other / (explicit + other)).astype(np.float32)
    for start in range(0, len(readers), _READERS):
        rows = readers[start : start + _READERS]
        taste = weights[rows]
        words, rest = taste @ papers.words, taste @ papers.rest - held[rows, None] * usual
        if judged.removed:
            words = words - words.multiply(judged.removed.words[rows])
            rest = rest * (1 - judged.removed.rest[rows].toarray())
        yield rows, (words, rest)


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


def _ones(at: Sequence[tuple[int, int]], shape: tuple[int, int]) -> Any:
    from scipy import sparse

    rows, columns = zip(*at, strict=True) if at else ((), ())
    found = sparse.csr_matrix((np.ones(len(at), np.float32), (rows, columns)), shape)
    found.data[:] = 1  # of a place named twice
    return found


def _of_length(rows: NDArray[np.floating], share: float) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Floats = (rows / np.where(lengths > 0, lengths, 1) * share**0.5).astype(np.float32)
    return scaled


def _mean_of_known(meanings: Floats) -> Floats:
    known = meanings[meanings.any(axis=1)]
    mean: Floats = known.mean(axis=0) if len(known) else np.zeros(meanings.shape[1], dtype=np.float32)
    return mean


def words_in(text: str) -> list[str]:
    """Lower-case words of a text that carry meaning."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return [word for word in _WORD.findall(text.casefold()) if word not in ENGLISH_STOP_WORDS]


def root_of(word: str) -> str:
    """Root under which forms of a word count as one: "agent" for "agents"."""
    return singular(word)


def _roots(text: str) -> list[str]:
    return [root_of(word) for word in words_in(text)]
