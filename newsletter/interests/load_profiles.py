"""Readers' verdicts ("more / less like this") -> how relevant each candidate of an edition is to each of them.

In: the verdicts of a block of readers, the texts, topics and meanings of the papers judged and of the candidates. Out:
arrays for `select`; and, once per edition, which papers somebody liked resemble each candidate. Reads only; may
run any number of times. A TextModel is learned once per edition, and only if some reader has judged enough papers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Max

from newsletter.catalogue.topics import embeddings
from newsletter.interests import profile
from newsletter.models import Paper, PaperTopic, Verdict
from subscriptions.models import Topic

BACKGROUND = 1000  # newest papers, from which the rarity of words is learnt
REMEMBERED = 100  # latest verdicts of each reader: interests move on
LIKED_LATELY = (
    3000  # papers liked by anybody, latest first, among which the similar_liked of a candidate are looked for
)
TELLING = 100  # with fewer papers a rare word cannot be told from a common one, and nothing is called alike
SIMILAR_KEPT = 8  # of them are told apart for each candidate


Relevance = tuple[profile.Floats, profile.Floats] | tuple[None, None]


@dataclass(frozen=True, slots=True)
class _Fitted:
    words: profile.TextModel
    candidates: profile.Vectors


class ReaderProfiles:
    """What readers think of one edition's candidates. Keep it for all blocks of readers of that edition."""

    def __init__(self, papers: Sequence[int]) -> None:
        """``papers`` are the candidates, in the order in which matching knows them."""
        self._papers = list(papers)
        self._fitted: _Fitted | None = None
        self._judged: profile.Vectors | None = None  # of every paper that a reader of this edition has judged
        self._row_of: dict[int, int] = {}

    def of(self, readers: Sequence[int]) -> Relevance:
        """Relevance (readers x candidates) and trust (readers), or nothing when nobody here has judged five papers."""
        liked, disliked = self._verdicts(readers)
        if not self._papers or not (liked or disliked):
            return None, None
        fitted = self._learn()
        papers = self._vectors_of_judged([*liked.values(), *disliked.values()])
        judged = profile.Judged(*self._lists(liked, readers), *self._lists(disliked, readers))
        return profile.personal_relevance(papers, fitted.candidates, judged, usual=fitted.words.usual)

    def similar_liked(self) -> dict[int, list[int]]:
        """Candidate -> the papers liked by some reader that it is really like, the most alike first."""
        latest = Verdict.objects.filter(value__gt=0, paper__in=Paper.objects.published()).values("paper_id")
        liked = list(
            latest.annotate(last=Max("at"))
            .order_by("-last", "-paper_id")
            .values_list("paper_id", flat=True)[:LIKED_LATELY]
        )
        if not (liked and self._papers) or Paper.objects.published()[:TELLING].count() < TELLING:
            return {}
        fitted = self._learn()
        likeness = profile.similar_in_words(_Read(liked).vectors(fitted.words), fitted.candidates).tocsc()
        found: dict[int, list[int]] = {}
        for column, paper in enumerate(self._papers):
            entries = slice(likeness.indptr[column], likeness.indptr[column + 1])
            rows, values = likeness.indices[entries], likeness.data[entries]
            alike = [liked[row] for row in rows[np.lexsort((rows, -values))].tolist() if liked[row] != paper]
            if alike:
                found[paper] = alike[:SIMILAR_KEPT]
        return found

    def _verdicts(self, readers: Sequence[int]) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
        """Reader -> papers liked and disliked, latest first, of readers who judged enough."""
        judged: dict[int, list[tuple[int, int]]] = defaultdict(list)
        rows = Verdict.objects.filter(subscriber__any_of=readers).order_by("-at", "-pk")
        for reader, paper, value in rows.values_list("subscriber_id", "paper_id", "value").iterator():
            if len(judged[reader]) < REMEMBERED:
                judged[reader].append((paper, value))
        known = {reader: pairs for reader, pairs in judged.items() if len(pairs) >= profile.JUDGED_MIN}
        return (
            {reader: [paper for paper, value in pairs if value > 0] for reader, pairs in known.items()},
            {reader: [paper for paper, value in pairs if value < 0] for reader, pairs in known.items()},
        )

    def _learn(self) -> _Fitted:
        if self._fitted is None:
            newest = Paper.objects.published().order_by("-first_seen_at").values_list("pk", flat=True)[:BACKGROUND]
            offered = _Read(self._papers)
            background = _Read(list(dict.fromkeys([*self._papers, *newest])))
            fields = [
                " ".join([name, description, *keywords])
                for name, description, keywords in Topic.objects.order_by("pk").values_list(
                    "name", "description", "keywords"
                )
            ]
            words = profile.TextModel(
                background.texts, topics=background.topics, fields=fields, meanings=background.meanings
            )
            self._fitted = _Fitted(words, offered.vectors(words))
        return self._fitted

    def _vectors_of_judged(self, lists: Sequence[Sequence[int]]) -> profile.Vectors:
        """Vectors of all papers met so far: readers judge what they were sent, so blocks share most of them."""
        met = {paper for papers in lists for paper in papers}
        if new := sorted(met - self._row_of.keys()):
            found = _Read(new).vectors(self._learn().words)
            self._row_of |= {paper: row for row, paper in enumerate(new, start=len(self._row_of))}
            self._judged = found if self._judged is None else self._judged.and_more(found)
        assert self._judged is not None  # noqa: S101 - somebody here judged five papers
        return self._judged

    def _lists(
        self, papers_of: Mapping[int, Sequence[int]], readers: Sequence[int]
    ) -> tuple[profile.Ints, profile.Ints]:
        lists = [[self._row_of[paper] for paper in papers_of.get(reader, ())] for reader in readers]
        return (
            np.cumsum([0, *map(len, lists)], dtype=np.int64),
            np.array([row for rows in lists for row in rows], dtype=np.int64),
        )


def liked_by(readers: Sequence[int], *, among: Collection[int]) -> Iterable[tuple[int, int]]:
    """Yield (reader, paper) wherever a reader marked a paper “more like this”."""
    if not among:
        return ()
    liked = Verdict.objects.filter(subscriber__any_of=readers, paper__any_of=list(among), value__gt=0)
    return liked.values_list("subscriber_id", "paper_id").iterator()


class _Read:
    """Texts, topic scores and meanings of those papers, in their order."""

    def __init__(self, papers: Sequence[int]) -> None:
        row_of = {paper: row for row, paper in enumerate(papers)}
        self.texts = [""] * len(papers)
        for paper, title, abstract in Paper.objects.filter(pk__any_of=papers).values_list("pk", "title", "abstract"):
            self.texts[row_of[paper]] = f"{title}\n{abstract}"
        column_of = {
            topic: column for column, topic in enumerate(Topic.objects.order_by("pk").values_list("pk", flat=True))
        }
        self.topics = np.zeros((len(papers), len(column_of)), dtype=np.float32)
        for paper, topic, score in PaperTopic.objects.filter(paper__any_of=papers).values_list(
            "paper_id", "topic_id", "score"
        ):
            self.topics[row_of[paper], column_of[topic]] = score
        self.meanings: profile.Floats | None = None
        if embeddings.is_on():
            known, rows = embeddings.vectors_of(papers)
            self.meanings = np.zeros((len(papers), rows.shape[1]), dtype=np.float32)
            self.meanings[[row_of[paper] for paper in known]] = rows

    def vectors(self, words: profile.TextModel) -> profile.Vectors:
        return words.vectors(self.texts, topics=self.topics, meanings=self.meanings)
