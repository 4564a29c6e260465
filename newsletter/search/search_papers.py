"""Search papers: parse and correct the query, gather a bounded number of papers, rank them.

In: what was typed. Out: ids with scores, best first, and which words were corrected. Reads only; the same
question gets the same answer on both databases. Whatever is asked, at most MOST papers are ranked and a handful of
bounded lookups made, so one visitor costs no more than another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db.models.functions import Coalesce
from django.utils import timezone

from newsletter.catalogue.sources.paper_identifiers import meant_arxiv_id, work_name
from newsletter.catalogue.topics import embeddings
from newsletter.models import Paper, PaperIdentifier, SearchEntry
from newsletter.search import nearest_neighbours, synonyms
from newsletter.search.by_name import papers_named
from newsletter.search.index_lookup import AllOf, AnyOf, Limits, Sought, Without, Word, holding, newest, within
from newsletter.search.latent_semantics import Floats, Memory
from newsletter.search.query import Problem, Query, QueryError, not_understood, parse, typed_words
from newsletter.search.query_matching import is_meant, normalised
from newsletter.search.relevance import Group, PaperWords, rank, weights_of
from newsletter.search.searchable_fields import facts_of
from newsletter.search.tokens import STOP_WORDS, stem
from subscriptions.models import Topic

if TYPE_CHECKING:
    from newsletter.search.nearest_neighbours import VectorIndex

MOST = 600  # papers ranked for one query
SHOWN = 400  # of them kept
_RARE = 3_000  # papers: of words that more have, only papers with several of them are looked at
_IN_TITLE = 0.1  # of the papers that have a word, about so many have it in the title
_FEW = 50  # papers: then the newest with any of the words are looked at too
_WITHIN_LIMITS = 0.05  # and about so many are left by the fields of a query
_WITH_PHRASE = 1_000  # papers with all of a phrase's words, in which the phrase itself is looked for
# Sorted by date or votes, papers that are only near would come first.
_WORTH_SORTING = 0.48


@dataclass(frozen=True, slots=True)
class Found:
    query: Query
    papers: tuple[tuple[int, float], ...] = ()  # id and score, best first
    corrected: tuple[tuple[str, str], ...] = ()  # word typed, word read
    author: str = ""  # the person whom the typed words name, whose papers come first
    ignored: tuple[str, ...] = ()  # words that were not understood
    missing: str = ""  # arXiv identifier of the one paper that was meant and is not here

    @property
    def fitting(self) -> list[int]:
        """Return the papers that fit well enough to be sorted by date or votes."""
        best = self.papers[0][1] if self.papers else 0.0
        return [paper for paper, score in self.papers if score >= _WORTH_SORTING * best]


def find(text: str) -> Found:
    """Find papers for a typed search. Raises QueryError when it is refused."""
    if identifier := meant_arxiv_id(text, on=timezone.now().date()):
        named = Paper.objects.published().filter(arxiv_id=identifier).values_list("pk", flat=True).first()
        return Found(Query(), ((named, 1.0),)) if named else Found(Query(), missing=identifier)
    if found := _known_as(work_name(text)):
        return Found(Query(), ((found, 1.0),))
    query = parse(text)
    ignored = not_understood(text)
    typed = [word for word in typed_words(text) if word not in ignored]
    return replace(_find(query, typed), ignored=tuple(ignored))


def _known_as(name: str | None) -> int | None:
    """Return the paper that is known by a DOI or an id of OpenReview."""
    if name is None:
        return None
    known = PaperIdentifier.objects.filter(value=name).values(pk=Coalesce("paper__merged_into", "paper"))
    return Paper.objects.published().filter(pk__in=known).values_list("pk", flat=True).first()


def _find(query: Query, typed: Sequence[str]) -> Found:
    limits = limits_of(query)
    if not query.has_words:
        papers = newest(limits, most=MOST) if query.has_fields else []
        return Found(query, tuple((paper, 1.0) for paper in _checked(papers, query))[:SHOWN])
    here = nearest_neighbours.current()
    named = _checked(papers_named(typed, limits, is_word=lambda word: _is_known(word, here.memory)), query)
    words, corrected = (list(query.words), ()) if named else _corrected(query.words, here.memory)
    groups = _groups(words)
    if not groups and not query.phrases and not named:
        raise QueryError(Problem.NO_TELLING_WORDS)
    kept = _ranked(groups, words, query, limits, here)
    author = " ".join(typed) if named else ""
    return Found(replace(query, words=tuple(words)), _led_by(named, kept), corrected, author)


def _ranked(
    groups: list[Group], words: Sequence[str], query: Query, limits: Limits, here: VectorIndex
) -> tuple[tuple[int, float], ...]:
    """Return the papers that have the words, or are near in meaning, and their scores, best first."""
    if not groups and not query.phrases:
        return ()
    groups += [Group(one) for phrase in query.phrases for one in phrase]
    vector = _vector_of(" ".join([*words, *(word for phrase in query.phrases for word in phrase)]))
    papers = _checked(_gathered(groups, query, limits, here, vector), query)
    read = _read(papers, query.phrases)
    scores = rank(
        groups,
        read,
        here.memory,
        places=here.places_of(read),
        likeness=None if vector is None else here.likeness_of(read, vector),
    )
    ranked = sorted(zip((-scores).tolist(), (-paper.paper for paper in read), strict=True))[:SHOWN]
    return tuple((-paper, round(-score, 4)) for score, paper in ranked if score < 0)


def _led_by(named: Sequence[int], ranked: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
    """Return the papers of a person before all others, each as good as the best of those."""
    best = ranked[0][1] if ranked else 1.0
    others = [one for one in ranked if one[0] not in set(named)]
    return tuple([*((paper, best) for paper in named), *others][:SHOWN])


def limits_of(query: Query) -> Limits:
    """Return the limits that the fields of a query set."""
    unwanted = query.without
    return Limits(
        topics=tuple(topic_named(name) for name in query.topics),
        authors=query.authors,
        has_code=query.has_code,
        after=query.after,
        before=query.before,
        organizations=query.organizations,
        without=Without(
            stems=normalised(unwanted).words,
            topics=tuple(topic_named(name) for name in unwanted.topics),
            has_code=unwanted.has_code,
        )
        if unwanted
        else None,
    )


def _checked(papers: Sequence[int], query: Query) -> list[int]:
    """Return the papers that match fields an index of words cannot check: whole names and exclusions."""
    fields = normalised(Query(authors=query.authors, organizations=query.organizations, without=query.without))
    # Topics are checked by `limits_of`: in a query they are as typed.
    fields = replace(fields, without=replace(fields.without, topics=())) if fields.without else fields
    if fields == Query():
        return list(papers)
    meant = {paper.paper for paper in facts_of(papers) if is_meant(fields, paper)}
    return [paper for paper in papers if paper in meant]


def topic_named(name: str) -> Topic:
    """Return the topic with this slug or name, or the only one that begins so; None without any."""
    wanted = " ".join(name.casefold().replace("-", " ").split())
    topics = list(Topic.objects.filter(is_active=True))
    named = {topic: (topic.slug.replace("-", " "), topic.name.casefold().replace("-", " ")) for topic in topics}
    exact = [topic for topic, names in named.items() if wanted in names]
    begun = [topic for topic, names in named.items() if any(one.startswith(wanted) for one in names)]
    if not exact and len(begun) != 1:
        raise QueryError(Problem.NO_SUCH_TOPIC, name)
    return (exact or begun)[0]


def _corrected(words: Sequence[str], memory: Memory) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    """Return corrections: words that neither a paper nor the list of plain words has, and their nearest known word."""
    read: list[str] = []
    corrected: list[tuple[str, str]] = []
    for word in words:
        meant = None if _is_known(word, memory) else memory.speller.nearest(word)
        if meant and not holding(Word(stem(word)), Limits(), most=1):
            corrected.append((word, meant))
            word = meant
        read.append(word)
    return read, tuple(corrected)


def _is_known(word: str, memory: Memory) -> bool:
    return word in STOP_WORDS or stem(word) in memory.row_of or synonyms.is_known(word)


def _groups(words: Sequence[str]) -> list[Group]:
    meanings = synonyms.meanings_of(words)
    groups = [
        Group("" if word in STOP_WORDS else stem(word), phrases) for word, phrases in zip(words, meanings, strict=True)
    ]
    return [group for group in groups if group.stem or group.meanings]


def _vector_of(text: str) -> Floats | None:
    encoder = embeddings.current_encoder()
    return encoder.encode([text])[0] if encoder else None


def _gathered(
    groups: Sequence[Group], query: Query, limits: Limits, here: VectorIndex, vector: Floats | None
) -> list[int]:
    """Gather at most MOST papers: with all words, with most of the rare ones, and near in meaning."""
    own = [Word(group.stem) for group in groups if group.stem]
    by_rarity = sorted(dict.fromkeys(own), key=lambda word: here.memory.held_share(word.stem))
    found: dict[int, None] = {}

    def take(sought: Sought, most: int) -> None:
        if len(found) < MOST:
            share = _share(sought, here.memory) * (1.0 if limits.is_open else _WITHIN_LIMITS)
            is_usual = share * _share(sought, here.memory) * here.catalogue > most
            found.update(dict.fromkeys(holding(sought, limits, most=most, is_usual=is_usual)))

    if query.phrases:
        take(AllOf([Word(one) for phrase in query.phrases for one in phrase]), _WITH_PHRASE)
        return list(found)
    if own:
        take(AllOf([Word(word.stem, "title") for word in by_rarity]), 100)
        take(AllOf(by_rarity), 150)
    near = here.nearest_places(here.memory.place(weights_of(groups)), most=150)
    if vector is not None:
        near += here.nearest_vectors(vector, most=150)
    allowed = within(near, limits)
    found.update({paper: None for paper in near if paper in allowed})
    if rare := _rare(groups, here):
        take(AnyOf(rare), 200)
    for fewer in (3, 2):
        if len(by_rarity) > fewer:
            take(AllOf(by_rarity[:fewer]), 100)
    if any(group.meanings for group in groups):
        take(AllOf([AnyOf(_ways(group)) for group in groups]), 100)
    if own and len(found) < _FEW:
        take(AnyOf(by_rarity), 200)
    return list(found)[:MOST]


def _ways(group: Group) -> list[Sought]:
    """Return a word and each phrase that means the same."""
    phrases: list[Sought] = [AllOf([Word(one) for one in phrase]) for phrase in group.meanings]
    return [*([Word(group.stem)] if group.stem else []), *phrases]


def _rare(groups: Sequence[Group], here: VectorIndex) -> list[Sought]:
    """Return ways to say any of the words, rarest first, while all together hold few papers."""
    catalogue = here.catalogue
    ways = {way: _most(way, here.memory) * catalogue for group in groups for way in map(_hashable, _ways(group))}
    chosen: list[Sought] = []
    expected = 0.0
    for way, papers in sorted(ways.items(), key=lambda one: one[1]):
        expected += papers
        if expected > _RARE:
            break
        chosen.append(way)
    return chosen


def _hashable(way: Sought) -> Sought:
    return way if isinstance(way, Word) else AllOf(tuple(way.of))


def _most(way: Sought, memory: Memory) -> float:
    """Return the share of papers with the rarest word: words of a phrase occur together."""
    return min(_most(one, memory) for one in way.of) if isinstance(way, AllOf) else _share(way, memory)


def _share(sought: Sought, memory: Memory) -> float:
    """Estimate the share of all papers that this finds, as if words were independent."""
    if isinstance(sought, Word):
        return memory.held_share(sought.stem) * (_IN_TITLE if sought.where == "title" else 1.0)
    parts = [_share(one, memory) for one in sought.of]
    return math.prod(parts) if isinstance(sought, AllOf) else min(1.0, sum(parts))


def _read(papers: Sequence[int], phrases: Sequence[tuple[str, ...]]) -> list[PaperWords]:
    """Read the words of the papers; with phrases, only of papers that have each as quoted."""
    rows = SearchEntry.objects.filter(paper__any_of=papers).order_by("-pk").values_list("paper_id", "title", "body")
    read = [PaperWords(*row) for row in rows]
    if phrases:
        sought = [f" {' '.join(phrase)} " for phrase in phrases]
        read = [one for one in read if all(s in f" {one.title} " or s in f" {one.body} " for s in sought)][:MOST]
    return read
