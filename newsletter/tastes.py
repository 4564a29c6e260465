"""Readers' verdicts ("more / less like this") -> how relevant each candidate of an edition is to each of them.

In: the verdicts of a block of readers, the texts and topics of the papers judged and of the candidates. Out: arrays
for matching. Reads only; may run any number of times. Words are learnt once per edition, and only if some reader has
judged enough papers to be understood.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from newsletter import relevance
from newsletter.models import Paper, PaperTopic, Verdict
from subscriptions.models import Topic

BACKGROUND = 1000  # newest papers, from which the rarity of words is learnt
REMEMBERED = 100  # latest verdicts of each reader: interests move on
Taste = tuple[relevance.Floats, relevance.Floats] | tuple[None, None]


class Tastes:
    """What readers think of one edition's candidates. Keep it for all blocks of readers of that edition."""

    def __init__(self, papers: Sequence[int]) -> None:
        """``papers`` are the candidates, in the order in which matching knows them."""
        self._papers = list(papers)
        self._learnt: tuple[relevance.Words, Any, Any] | None = None

    def of(self, readers: Sequence[int]) -> Taste:
        """Relevance (readers x candidates) and trust (readers), or nothing when nobody here has judged five papers."""
        liked, disliked = self._verdicts(readers)
        if not self._papers or not (liked or disliked):
            return None, None
        words, candidates, background = self._words()
        judged = sorted({paper for lists in (liked, disliked) for papers in lists.values() for paper in papers})
        row_of = {paper: row for row, paper in enumerate(judged)}
        texts, topics = _texts_and_topics(judged)
        return relevance.personal_relevance(
            words.vectors(texts, topics),
            candidates,
            background,
            relevance.Judged(*_lists(liked, readers, row_of), *_lists(disliked, readers, row_of)),
        )

    def _verdicts(self, readers: Sequence[int]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """Reader -> papers liked and disliked, latest first, of readers who judged enough."""
        judged: dict[int, list[tuple[int, int]]] = defaultdict(list)
        rows = Verdict.objects.filter(subscriber__any_of=readers).order_by("-at", "-pk")
        for reader, paper, value in rows.values_list("subscriber_id", "paper_id", "value").iterator():
            if len(judged[reader]) < REMEMBERED:
                judged[reader].append((paper, value))
        known = {reader: pairs for reader, pairs in judged.items() if len(pairs) >= relevance.JUDGED_MIN}
        return (
            {reader: [paper for paper, value in pairs if value > 0] for reader, pairs in known.items()},
            {reader: [paper for paper, value in pairs if value < 0] for reader, pairs in known.items()},
        )

    def _words(self) -> tuple[relevance.Words, Any, Any]:
        if self._learnt is None:
            newest = Paper.objects.published().order_by("-first_seen_at").values_list("pk", flat=True)[:BACKGROUND]
            background, background_topics = _texts_and_topics(list(newest))
            texts, topics = _texts_and_topics(self._papers)
            words = relevance.Words([*texts, *background])
            self._learnt = (
                words,
                words.vectors(texts, topics),
                words.vectors([*texts, *background], np.concatenate([topics, background_topics])),
            )
        return self._learnt


def _texts_and_topics(papers: Sequence[int]) -> tuple[list[str], relevance.Floats]:
    """Texts and topic scores of those papers, in their order."""
    row_of = {paper: row for row, paper in enumerate(papers)}
    texts = [""] * len(papers)
    for paper, title, abstract in Paper.objects.filter(pk__any_of=papers).values_list("pk", "title", "abstract"):
        texts[row_of[paper]] = f"{title}\n{abstract}"
    column_of = {
        topic: column for column, topic in enumerate(Topic.objects.order_by("pk").values_list("pk", flat=True))
    }
    topics = np.zeros((len(papers), len(column_of)), dtype=np.float32)
    for paper, topic, score in PaperTopic.objects.filter(paper__any_of=papers).values_list(
        "paper_id", "topic_id", "score"
    ):
        topics[row_of[paper], column_of[topic]] = score
    return texts, topics


def _lists(
    papers_of: dict[int, list[int]], readers: Sequence[int], row_of: dict[int, int]
) -> tuple[relevance.Ints, relevance.Ints]:
    lists = [[row_of[paper] for paper in papers_of.get(reader, ())] for reader in readers]
    return (
        np.cumsum([0, *map(len, lists)], dtype=np.int64),
        np.array([row for rows in lists for row in rows], dtype=np.int64),
    )
