"""The personal model: what readers liked speaks for likenesses, what they disliked against, and how much it counts."""

from __future__ import annotations

import numpy as np
import pytest

from newsletter import relevance
from tests.bench import bench_relevance

WHALES = [
    f"Whales sing in the deep ocean, {word} pods answer" for word in ("humpback", "blue", "sperm", "grey", "right")
]
TRAINS = [
    f"Trains run on steel rails, {word} engines pull" for word in ("steam", "diesel", "electric", "heavy", "light")
]
OTHERS = [f"A {word} method improves {noun}" for word in ("novel", "simple") for noun in ("vision", "speech", "search")]
TEXTS = [*WHALES, *TRAINS, *OTHERS, "An ocean choir of whales", "A station for trains", "A method for nothing"]
WHALE, TRAIN, NOTHING = range(3)


def relevances(liked: list[list[int]], disliked: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    topics = np.zeros((len(TEXTS), 2), dtype=np.float32)
    vectors = relevance.Words(TEXTS).vectors(TEXTS, topics)
    lists = [
        array
        for rows in (liked, disliked)
        for array in (
            np.cumsum([0, *map(len, rows)], dtype=np.int64),
            np.array([row for reader in rows for row in reader], dtype=np.int64),
        )
    ]
    return relevance.personal_relevance(vectors, vectors[-3:], vectors, relevance.Judged(*lists))


def test_papers_like_the_liked_ones_are_relevant() -> None:
    found, _ = relevances([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], [[], []])
    assert found[0].argmax() == WHALE
    assert found[1].argmax() == TRAIN
    assert ((found > 0) & (found < 1)).all()


def test_a_dislike_pushes_its_likenesses_down() -> None:
    both = [0, 1, 2, 5, 6, 7]
    (without, against), _ = relevances([both, both], [[], [8, 9]])
    assert against[TRAIN] < without[TRAIN]
    assert against[WHALE] > against[TRAIN]


def test_trust_grows_with_the_number_of_verdicts_up_to_a_limit() -> None:
    found, trust = relevances([[0, 1, 2], [0, 1, 2, 3], list(range(10)), list(range(13)) * 3], [[], [5], [], []])
    assert trust.tolist() == pytest.approx([0, 5 / 30, 10 / 30, 0.7])
    assert found[0].tolist() == [0.5, 0.5, 0.5]


def test_topics_speak_where_words_do_not() -> None:
    texts = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"]
    topics = np.eye(2, dtype=np.float32)[[0, 0, 0, 0, 0, 0, 1]]
    vectors = relevance.Words(texts).vectors(texts, topics)
    none = np.zeros(2, dtype=np.int64)
    judged = relevance.Judged(np.array([0, 5]), np.arange(5), none, none[:0])
    found, _ = relevance.personal_relevance(vectors, vectors[5:], vectors, judged)
    assert found[0][0] > found[0][1]


def test_readers_are_scored_alike_alone_and_together() -> None:
    together, _ = relevances([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], [[5], [0]])
    alone, _ = relevances([[5, 6, 7, 8, 9]], [[0]])
    assert together[1] == pytest.approx(alone[0], abs=1e-6)


@pytest.mark.skipif(not bench_relevance.PAGES.is_dir(), reason="no saved listing pages beside the repository")
def test_five_liked_papers_tell_more_than_the_arxiv_sanity_method_on_saved_pages() -> None:
    corpus = bench_relevance.load()
    methods = bench_relevance.others(corpus) | {"ours": bench_relevance.ours(corpus)}
    for readers, repeats in (
        (bench_relevance.page_readers(corpus), 10),
        (bench_relevance.topic_readers(corpus, count=20), 1),
    ):
        by = {
            name: bench_relevance.precision(corpus, readers, methods[name], shown=5, repeats=repeats)
            for name in ("random", "arxiv-sanity SVM", "ours")
        }
        assert by["ours"] > by["arxiv-sanity SVM"] > by["random"]
    assert by["ours"] >= 0.68
