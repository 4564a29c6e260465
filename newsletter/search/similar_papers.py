"""Papers like a given one: the most alike of those that share its rarest words or are near it, led by its topics.

In: one paper. Out: papers with their likeness, best first. Reads only, a bounded number of papers whatever the size of
the catalogue; the answer is kept for a while in each process.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from django.core.cache import cache

from newsletter.models import Paper, PaperTopic, SearchEntry
from newsletter.search import nearest_neighbours
from newsletter.search.index_lookup import AnyOf, Limits, Word, holding, within
from newsletter.search.relevance import PaperWords, Scores, like
from newsletter.search.update_index import entry_of

MOST = 50
_KEEP_SECONDS = 1800
_NEAREST = 80
_BY_WORDS = 100
_WORDS = 10  # of the paper, the rarest first
_RARE = 2_000  # papers that all of those words together may be in


def similar_to(paper: Paper, *, limit: int) -> list[tuple[int, float]]:
    """Return ids and likenesses of at most ``limit`` papers, the most alike first; cached for a while."""
    key = f"similar:{paper.pk}"
    found: list[tuple[int, float]] | None = cache.get(key)
    if found is None:
        found = _similar_to(paper)
        cache.set(key, found, _KEEP_SECONDS)
    return found[:limit]


def _similar_to(paper: Paper) -> list[tuple[int, float]]:
    here = nearest_neighbours.current()
    entry = SearchEntry.objects.filter(pk=paper.pk).first() or entry_of(paper)
    words = PaperWords(paper.pk, entry.title, entry.body)
    place = here.places_of([words])[0]
    vector = here.vector_of(paper.pk)
    near = here.nearest_places(place, most=_NEAREST)
    if vector is not None:
        near += here.nearest_vectors(vector, most=_NEAREST)
    found = within(near, Limits())
    if rare := _rare_words(words, here):
        found.update(holding(AnyOf(rare), Limits(), most=_BY_WORDS))
    found.discard(paper.pk)
    rows = SearchEntry.objects.filter(paper__any_of=sorted(found)).order_by("-pk")
    others = [PaperWords(*row) for row in rows.values_list("paper_id", "title", "body")]
    scores = like(
        words,
        others,
        here.memory,
        place=place,
        places=here.places_of(others),
        topics=_shared_topics(paper.pk, [other.paper for other in others]),
        likeness=None if vector is None else here.likeness_of(others, vector),
    )
    best = sorted(zip((-scores).tolist(), (-other.paper for other in others), strict=True))[:MOST]
    return [(-pk, round(-score, 4)) for score, pk in best if score]


def _shared_topics(paper: int, others: Sequence[int]) -> Scores:
    """Return the cosine of the paper's scores in the topics with those of each other one; 0 where one has none."""
    row_of = {pk: row for row, pk in enumerate([paper, *others])}
    found = list(PaperTopic.objects.filter(paper__any_of=sorted(row_of)).values_list("paper_id", "topic_id", "score"))
    topics, columns = np.unique([topic for _, topic, _ in found], return_inverse=True)
    scores = np.zeros((len(row_of), len(topics)))
    scores[[row_of[pk] for pk, _, _ in found], columns] = [score for _, _, score in found]
    scores /= np.maximum(np.linalg.norm(scores, axis=1, keepdims=True), 1e-9)
    cosines: Scores = scores[1:] @ scores[0]
    return cosines


def _rare_words(paper: PaperWords, here: nearest_neighbours.VectorIndex) -> list[Word]:
    memory, catalogue = here.memory, here.catalogue
    stems = dict.fromkeys([*paper.title.split(), *paper.body.split()])
    # A word of no other paper finds nothing.
    shares = sorted((memory.held_share(stem), stem) for stem in stems if memory.held_share(stem) * memory.papers > 1)
    chosen: list[Word] = []
    expected = 0.0
    for share, stem in shares[:_WORDS]:
        expected += share * catalogue
        if expected > _RARE:
            break
        chosen.append(Word(stem))
    return chosen or [Word(stem) for stem in paper.title.split()[:_WORDS]]
