"""The personal model: what readers liked speaks for likenesses, what they disliked against, and how much it counts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from newsletter.interests import profile
from tests.bench import bench_profile

WHALES = [
    f"Whales sing in the deep ocean, {word} pods answer" for word in ("humpback", "blue", "sperm", "grey", "right")
]
TRAINS = [
    f"Trains run on steel rails, {word} engines pull" for word in ("steam", "diesel", "electric", "heavy", "light")
]
OTHERS = [f"A {word} method improves {noun}" for word in ("novel", "simple") for noun in ("vision", "speech", "search")]
TEXTS = [*WHALES, *TRAINS, *OTHERS, "An ocean choir of whales", "A station for trains", "A method for nothing"]
WHALE, TRAIN, NOTHING = range(3)
FIELDS = ["Ocean life: whales, dolphins", "Railways: trains, engines"]


def relevances(liked: list[list[int]], disliked: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    topics = np.zeros((len(TEXTS), 2), dtype=np.float32)
    words = profile.TextModel(TEXTS, topics=topics, fields=FIELDS)
    vectors = words.vectors(TEXTS, topics=topics)
    lists = [
        array
        for rows in (liked, disliked)
        for array in (
            np.cumsum([0, *map(len, rows)], dtype=np.int64),
            np.array([row for reader in rows for row in reader], dtype=np.int64),
        )
    ]
    return profile.personal_relevance(vectors, vectors[-3:], profile.Judged(*lists), usual=words.usual)


def liking(rows: Iterable[int]) -> profile.Judged:
    liked, none = np.array(list(rows), dtype=np.int64), np.zeros(2, dtype=np.int64)
    return profile.Judged(np.array([0, len(liked)]), liked, none, none[:0])


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
    words = profile.TextModel(texts, topics=topics, fields=["one", "two"])
    vectors = words.vectors(texts, topics=topics)
    found, _ = profile.personal_relevance(vectors, vectors[5:], liking(range(5)), usual=words.usual)
    assert found[0][0] > found[0][1]


def test_what_a_topic_is_about_joins_papers_that_share_no_word() -> None:
    texts = ["whales", "ocean", "life", "whales ocean", "ocean life", "dolphins", "engines"]
    topics = np.zeros((len(texts), 2), dtype=np.float32)
    words = profile.TextModel(texts, topics=topics, fields=FIELDS)
    vectors = words.vectors(texts, topics=topics)
    assert (profile.similar_in_words(vectors[:5], vectors[5:]).toarray() == 0).all()
    found, _ = profile.personal_relevance(vectors, vectors[5:], liking(range(5)), usual=words.usual)
    assert found[0][0] > found[0][1]


def test_meanings_speak_where_words_do_not_and_a_paper_without_one_counts_as_usual() -> None:
    texts = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]
    topics = np.zeros((len(texts), 1), dtype=np.float32)
    meanings = np.eye(2, dtype=np.float32)[[0, 0, 0, 0, 0, 0, 1, 1]]
    meanings[7] = 0
    words = profile.TextModel(texts, topics=topics, fields=["omega"], meanings=meanings)
    vectors = words.vectors(texts, topics=topics, meanings=meanings)
    found, _ = profile.personal_relevance(vectors, vectors[5:], liking(range(5)), usual=words.usual)
    alike, other, unknown = found[0].tolist()
    assert alike > unknown > other


def test_only_papers_that_a_reader_would_call_alike_are_told_as_such() -> None:
    topics = np.zeros((len(TEXTS), 2), dtype=np.float32)
    words = profile.TextModel(TEXTS, topics=topics, fields=FIELDS)
    vectors = words.vectors(TEXTS, topics=topics)
    alike = profile.similar_in_words(vectors[:10], vectors[-3:]).toarray()
    assert (alike[:5, WHALE] >= profile.LIKENESS_MIN).all()
    assert (alike[5:, WHALE] == 0).all()
    assert (alike[:, NOTHING] == 0).all()
    assert profile.similar_in_words(vectors[:0], vectors).shape == (0, len(TEXTS))


def test_readers_are_scored_alike_alone_and_together() -> None:
    together, _ = relevances([[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]], [[5], [0]])
    alone, _ = relevances([[5, 6, 7, 8, 9]], [[0]])
    assert together[1] == pytest.approx(alone[0], abs=1e-6)


@pytest.mark.skipif(not bench_profile.PAGES.is_dir(), reason="no saved listing pages beside the repository")
def test_five_liked_papers_tell_more_than_an_svm_with_topic_profiles_on_saved_pages() -> None:
    corpus = bench_profile.load()
    methods = bench_profile.others(corpus) | {"ours": bench_profile.ours(corpus)}
    reached = []
    for readers, repeats in (
        (bench_profile.page_readers(corpus), 20),
        (bench_profile.topic_readers(corpus, count=20), 1),
        (bench_profile.topic_readers(corpus, count=20, fickle=0.2), 2),
    ):
        by = {
            name: bench_profile.precision(corpus, readers, methods[name], shown=5, repeats=repeats)
            for name in ("random", bench_profile.SVM, "SVM + topic texts", "ours")
        }
        assert by["ours"] > by["SVM + topic texts"] > by[bench_profile.SVM] > by["random"]
        reached.append(by["ours"])
    assert sum(reached) / 3 >= 0.68
