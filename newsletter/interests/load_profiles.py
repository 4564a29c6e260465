"""Verdicts ("more / less like this") and libraries -> how relevant each candidate of an edition is to each reader.

In: verdicts and library entries of a block of readers, without what these took out of their profiles; texts, topics and
meanings of these and of the candidates. Out: arrays for `select`; once per edition, which papers somebody liked
resemble each candidate; and what one reader's profile holds. An entry counts as a like; a verdict on the same paper
outranks it. Reads only; may run any number of times. A TextModel is learned once per edition and process, and only if
some reader has judged enough papers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, TypeVar

import numpy as np
from django.db.models import F, Max, OuterRef, QuerySet, Subquery, Window
from django.db.models.functions import Coalesce, RowNumber

from newsletter.catalogue.topics import embeddings
from newsletter.interests import profile
from newsletter.models import LibraryEntry, Paper, PaperTopic, ProfileRemoval, Verdict
from subscriptions.in_long_list_lookup import Keys
from subscriptions.models import Topic

BACKGROUND = 1000  # newest papers, from which the rarity of words is learnt
REMEMBERED = 100  # latest verdicts of each reader, and as many entries of their library: interests move on
HALF_LIFE_DAYS = 180  # of an entry's weight, counted from the reader's newest one
LIKED_LATELY = (
    3000  # papers liked by anybody, latest first, among which the similar_liked of a candidate are looked for
)
TELLING = 100  # with fewer papers a rare word cannot be told from a common one, and nothing is called alike
SIMILAR_KEPT = 8  # of them are told apart for each candidate
LEARNED_KEPT = 2  # editions whose model a process keeps, some MB each: half a second of work for every page


Owner = TypeVar("Owner", bound=Hashable)
Relevance = tuple[profile.Floats, profile.Floats] | tuple[None, None]


@dataclass(frozen=True, slots=True)
class _Fitted:
    words: profile.TextModel
    candidates: profile.Vectors


@dataclass(slots=True)
class Opinion:
    """Papers that one reader liked and disliked, latest first; minus a key is an entry without a paper of ours."""

    liked: dict[int, float]  # paper -> weight
    disliked: dict[int, float]

    def __len__(self) -> int:
        return len(self.liked) + len(self.disliked)


@dataclass(frozen=True, slots=True)
class Portrait:
    """One reader's profile: the papers it is made of, how far it is trusted (0 to .7), and where it leads."""

    opinion: Opinion
    trust: float
    words: Mapping[str, float]  # root of a word -> weight; negative leads away
    topics: Mapping[int, float]  # topic -> weight against the mean of all topics


class ReaderProfiles:
    """What readers think of one edition's candidates. Keep it for all blocks of readers of that edition."""

    def __init__(self, papers: Sequence[int]) -> None:
        """Take the candidates in the order in which `select` has them."""
        self._papers = list(papers)
        self._fitted: _Fitted | None = None
        self._judged: profile.Vectors | None = None  # of every paper that a reader of this edition has judged
        self._row_of: dict[int, int] = {}

    def of(self, readers: Sequence[int]) -> Relevance:
        """Relevance (readers x candidates) and trust (readers), or nothing when nobody here has judged five papers."""
        return self.of_opinions(readers, opinions_of(readers))

    def of_opinions(self, readers: Sequence[int], opinions: Mapping[int, Opinion]) -> Relevance:
        """Relevance and trust as `of` gives them, from these opinions."""
        opinions = {reader: known for reader, known in opinions.items() if len(known) >= profile.JUDGED_MIN}
        if not self._papers or not opinions:
            return None, None
        fitted = self._learn()
        papers, judged = self._judged_by(readers, opinions)
        return profile.personal_relevance(papers, fitted.candidates, judged, usual=fitted.words.usual)

    def portrait(self, reader: int, *, opinion: Opinion | None = None) -> Portrait:
        """The portrait of one reader: their papers and the weights learnt from five or more of them.

        ``opinion``: of one of the interests that they keep apart, where it is to be of that alone.
        """
        opinions = opinions_of([reader]) if opinion is None else {reader: opinion}
        opinion = opinions.get(reader, Opinion({}, {}))
        if not self._papers or len(opinion) < profile.JUDGED_MIN:
            return Portrait(opinion, trust=0.0, words={}, topics={})
        model = self._learn().words
        papers, judged = self._judged_by([reader], opinions)
        only = np.zeros(1, dtype=np.int64)
        ((_, (words, rest)),) = profile.directions(papers, judged, only, usual=model.usual)
        names, row = model.word_names, words.tocoo()
        topics = dict(zip(_topics(), model.topic_weights(rest[0]).tolist(), strict=True))
        removed = ProfileRemoval.objects.filter(subscriber=reader, kind=ProfileRemoval.Kind.TOPIC)
        for topic in removed.values_list("topic_id", flat=True):
            topics.pop(topic)
        usual = sum(topics.values()) / max(1, len(topics))
        return Portrait(
            opinion,
            trust=float(profile.trust_of(np.array([len(opinion)]))[0]),
            words={names[column]: float(weight) for column, weight in zip(row.col, row.data, strict=True) if weight},
            topics={topic: weight - usual for topic, weight in topics.items()},
        )

    def _judged_by(
        self, readers: Sequence[int], opinions: Mapping[int, Opinion]
    ) -> tuple[profile.Vectors, profile.Judged]:
        """Vectors of the papers that these readers judged, and each reader's judgements."""
        liked = [opinions[reader].liked if reader in opinions else {} for reader in readers]
        disliked = [opinions[reader].disliked if reader in opinions else {} for reader in readers]
        papers, row_of = self._vectors_of_judged({paper for papers in (*liked, *disliked) for paper in papers})
        weights = np.array([weight for papers in liked for weight in papers.values()], dtype=np.float32)
        removed = self._removed(readers)
        return papers, profile.Judged(
            *_lists(liked, row_of), *_lists(disliked, row_of), liked_weights=weights, removed=removed
        )

    def _removed(self, readers: Sequence[int]) -> profile.Removed | None:
        rows = ProfileRemoval.objects.filter(subscriber__any_of=Keys(readers), kind__in=["word", "topic"])
        taken = list(rows.values_list("subscriber_id", "word", "topic_id"))
        if not taken:
            return None
        column_of = {topic: column for column, topic in enumerate(_topics())}
        words: dict[int, list[str]] = defaultdict(list)
        topics: dict[int, list[int]] = defaultdict(list)
        for reader, word, topic in taken:
            if topic is None:
                words[reader].append(word)
            else:
                topics[reader].append(column_of[topic])
        return self._learn().words.removed([(words[reader], topics[reader]) for reader in readers])

    def of_somebody(self, *, papers: Sequence[int], texts: Sequence[str]) -> Relevance:
        """Relevance for somebody who is no reader yet and likes these papers of ours and these texts."""
        count = len(papers) + len(texts)
        if not self._papers or count < profile.JUDGED_MIN:
            return None, None
        fitted, known, more = self._learn(), _Read(papers), len(texts)
        meanings = None if known.meanings is None else np.pad(known.meanings, ((0, more), (0, 0)))
        liked = fitted.words.vectors(
            [*known.texts, *texts], topics=np.pad(known.topics, ((0, more), (0, 0))), meanings=meanings
        )
        none = np.zeros(2, dtype=np.int64)
        judged = profile.Judged(np.array([0, count]), np.arange(count), none, none[:0])
        return profile.personal_relevance(liked, fitted.candidates, judged, usual=fitted.words.usual)

    def similar_liked(self) -> dict[int, list[int]]:
        """Map each candidate to the liked papers that it is really like, most alike first."""
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

    def _learn(self) -> _Fitted:
        if self._fitted is None:
            newest = Paper.objects.published().order_by("-first_seen_at").values_list("pk", flat=True)[:BACKGROUND]
            offered = _Read(self._papers)
            background = _Read(list(dict.fromkeys([*self._papers, *newest])))
            about = Topic.objects.order_by("pk").values_list("name", "description", "keywords")
            fields = [" ".join([name, description, *keywords]) for name, description, keywords in about]
            self._fitted = _fit(offered, background, fields)
        return self._fitted

    def _vectors_of_judged(self, met: set[int]) -> tuple[profile.Vectors, dict[int, int]]:
        """Return vectors of these papers and entries, and the row of each.

        Those of papers are kept: readers judge what they were sent, so blocks share most of them. Those of entries are
        not, as every reader has others.
        """
        words = self._learn().words
        if new := sorted(met - self._row_of.keys() - {paper for paper in met if paper < 0}):
            found = _Read(new).vectors(words)
            self._row_of |= {paper: row for row, paper in enumerate(new, start=len(self._row_of))}
            self._judged = found if self._judged is None else self._judged.and_more(found)
        if not (entries := sorted(paper for paper in met if paper < 0)):
            assert self._judged is not None  # noqa: S101 - somebody here judged five papers
            return self._judged, self._row_of
        unknown = _Read(entries).vectors(words)
        rows = {entry: row for row, entry in enumerate(entries, start=len(self._row_of))}
        return unknown if self._judged is None else self._judged.and_more(unknown), self._row_of | rows


def opinions_of(readers: Sequence[int]) -> dict[int, Opinion]:
    """Map each reader who has any opinions to the latest of them."""
    verdicts = _verdicts(readers).values_list("subscriber_id", "paper_id", "value")
    return _gathered(verdicts.iterator(), _latest_entries(readers, of=["subscriber_id"]))


def opinions_by_interest(readers: Sequence[int]) -> dict[tuple[int, int | None], Opinion]:
    """The same by reader and interest; None is a reader's only or first interest."""
    owner = ["subscriber_id", "interest_id"]
    verdicts = _verdicts(readers).values_list(*owner, "paper_id", "value").iterator()
    entries = _latest_entries(readers, of=owner)
    return _gathered(
        (((reader, interest), paper, value) for reader, interest, paper, value in verdicts),
        (((reader, interest), pk, known, at) for reader, interest, pk, known, at in entries),
    )


def _gathered(
    verdicts: Iterable[tuple[Owner, int, int]], entries: Iterable[tuple[Owner, int, int | None, datetime]]
) -> dict[Owner, Opinion]:
    found: dict[Owner, Opinion] = defaultdict(lambda: Opinion({}, {}))
    for owner, paper, value in verdicts:
        opinion = found[owner]
        if len(opinion) < REMEMBERED:
            (opinion.liked if value > 0 else opinion.disliked)[paper] = 1.0
    newest: dict[Owner, datetime] = {}
    for owner, entry, known, at in entries:
        opinion, key = found[owner], known or -entry
        age = (newest.setdefault(owner, at) - at).total_seconds() / 86_400
        if key not in opinion.disliked:
            opinion.liked.setdefault(key, 0.5 ** (age / HALF_LIFE_DAYS))
    return dict(found)


def _verdicts(readers: Sequence[int]) -> QuerySet[Verdict]:
    """Verdicts of these readers, latest first."""
    verdicts = Verdict.objects.filter(subscriber__any_of=Keys(readers)).exclude(ProfileRemoval.of_opinion())
    return verdicts.order_by("-at", "-pk")


def _latest_entries(readers: Sequence[int], *, of: Sequence[str]) -> Iterable[Any]:
    """The owner ``of`` an entry, the entry, its paper and moment: the latest of each owner's library, newest first."""
    place = Window(RowNumber(), partition_by=list(map(F, of)), order_by=[F("at").desc(), F("pk").desc()])
    came_since = Paper.objects.filter(arxiv_id=OuterRef("arxiv_id")).values("pk")
    entries = LibraryEntry.objects.filter(subscriber__any_of=Keys(readers))
    if not entries.exists():  # of most chunks; the query below costs as much as choosing for 200 readers
        return ()
    entries = entries.annotate(known=Coalesce(F("paper_id"), Subquery(came_since)))
    telling = entries.exclude(ProfileRemoval.of_opinion("known"))
    telling = telling.exclude(known=None, title="", text="")  # of a number alone we know nothing
    latest = telling.annotate(place=place).filter(place__lte=REMEMBERED)
    return latest.order_by("-at", "-pk").values_list(*of, "pk", "known", "at").iterator()


def _topics() -> list[int]:
    """The topics in the order of their columns."""
    return list(Topic.objects.order_by("pk").values_list("pk", flat=True))


def _lists(papers_of: Sequence[Mapping[int, float]], row_of: Mapping[int, int]) -> tuple[profile.Ints, profile.Ints]:
    return (
        np.cumsum([0, *map(len, papers_of)], dtype=np.int64),
        np.array([row_of[paper] for papers in papers_of for paper in papers], dtype=np.int64),
    )


def liked_by(readers: Sequence[int], *, among: Collection[int]) -> Iterable[tuple[int, int]]:
    """Yield (reader, paper) wherever a reader marked a paper “more like this”."""
    if not among:
        return ()
    liked = Verdict.objects.filter(subscriber__any_of=Keys(readers), paper__any_of=list(among), value__gt=0)
    return liked.exclude(ProfileRemoval.of_opinion()).values_list("subscriber_id", "paper_id").iterator()


class _Read:
    """Texts, topic scores and meanings of those papers, in their order. Minus a number is an entry of a library."""

    def __init__(self, papers: Sequence[int]) -> None:
        row_of = {paper: row for row, paper in enumerate(papers)}
        self.texts = [""] * len(papers)
        for paper, title, abstract in Paper.objects.filter(pk__any_of=papers).values_list("pk", "title", "abstract"):
            self.texts[row_of[paper]] = f"{title}\n{abstract}"
        entries = [-paper for paper in papers if paper < 0]
        if entries:
            for pk, title, text in LibraryEntry.objects.filter(pk__any_of=entries).values_list("pk", "title", "text"):
                self.texts[row_of[-pk]] = f"{title}\n{text}"
        column_of = {topic: column for column, topic in enumerate(_topics())}
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

    def content(self) -> bytes:
        """Return the same bytes for the same papers with the same content."""
        meanings = b"" if self.meanings is None else self.meanings.tobytes()
        return b"\0".join([*(text.encode() for text in self.texts), self.topics.tobytes(), meanings])


def _fit(offered: _Read, background: _Read, fields: Sequence[str]) -> _Fitted:
    """Learn from the background, or take what this process learned from the very same content lately."""
    mark = blake2b(repr((offered.texts, fields)).encode() + background.content()).digest()
    if (known := _learned.get(mark)) is None:
        words = profile.TextModel(
            background.texts, topics=background.topics, fields=fields, meanings=background.meanings
        )
        _learned[mark] = known = _Fitted(words, offered.vectors(words))
        for oldest in list(_learned)[:-LEARNED_KEPT]:
            _learned.pop(oldest, None)
    return known


_learned: dict[bytes, _Fitted] = {}
