"""Papers are filed under topics: by words at once, by meaning when it is known, and as curators corrected others.

In: papers. Out: their PaperTopic rows. What a curator decided stays; a topic a curator took away is kept as a row that
is not assigned, and the newest corrections teach the classifier. May run twice: the same papers get the same topics.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Count, Max, Sum

from newsletter.catalogue.sources import sample_papers
from newsletter.catalogue.topics import encoder as text_encoder
from newsletter.catalogue.topics.classifier import Classifier, Meanings, TopicProfile, TopicScore
from newsletter.catalogue.topics.labelled_examples import Example, made_up_examples
from newsletter.models import Paper, PaperTopic, PaperVector, SearchEntry
from subscriptions.models import Topic

if TYPE_CHECKING:
    from newsletter.catalogue.topics.encoder import Encoder, Floats

_WORTH_KEEPING = 0.1  # lower topic scores are not stored
_HEARD = 300  # corrected papers, the newest: what curators thought years ago is left behind


def reclassify(papers: Sequence[Paper]) -> None:
    """File papers by their words. Their vectors are forgotten: `embeddings` reads them anew, and refiles."""
    PaperVector.objects.filter(paper__in=papers).delete()
    classifier = current_classifier()
    _file(papers, lambda paper: classifier.classify(paper.title, paper.abstract, categories=paper.categories))


def assign_by_meaning(papers: Sequence[Paper], vectors: Iterable[Floats], *, classifier: Classifier) -> None:
    """File papers by their words and vectors, a row each; ``classifier`` knows an encoder."""
    vector_of = {paper.pk: vector for paper, vector in zip(papers, vectors, strict=True)}
    _file(
        papers,
        lambda paper: classifier.classify(
            paper.title, paper.abstract, categories=paper.categories, vector=vector_of[paper.pk]
        ),
    )


def take_topic_away(row: PaperTopic, *, at: datetime) -> None:
    """Remove a topic from a paper by a curator's decision. The row stays, so that the classifier learns from it."""
    row.is_assigned = row.is_primary = False
    row.score, row.origin, row.curated_at = 0.0, PaperTopic.Origin.CURATOR, at
    row.save()


def set_topic(paper: Paper, topic: Topic, *, at: datetime) -> None:
    """File a paper under a topic by a curator's decision; the first that it gets is its primary one."""
    is_first = not paper.paper_topics.filter(is_primary=True).exclude(topic=topic).exists()
    given = {"score": 1.0, "is_assigned": True, "is_primary": is_first, "origin": PaperTopic.Origin.CURATOR}
    PaperTopic.objects.update_or_create(paper=paper, topic=topic, defaults=given | {"curated_at": at})
    ask_queries_again([paper.pk])


def remove_topic(paper: Paper, topic: int, *, at: datetime) -> bool:
    """Remove one of a paper's topics; the next best becomes primary. False: the paper is not filed under it."""
    row = paper.paper_topics.filter(topic=topic, is_assigned=True).first()
    if row is None:
        return False
    take_topic_away(row, at=at)
    rest = paper.paper_topics.filter(is_assigned=True).order_by("-is_primary", "-score", "pk")
    if best := rest.first():
        PaperTopic.objects.filter(pk=best.pk).update(is_primary=True)
    ask_queries_again([paper.pk])
    return True


def current_classifier(encoder: Encoder | None = None) -> Classifier:
    """Return the classifier for the present topics and corrections; with an encoder it also uses vectors."""
    fields = ("slug", "name", "description", "keywords")
    topics = tuple(
        TopicProfile(slug=slug, name=name, description=description, keywords=tuple(keywords))
        for slug, name, description, keywords in Topic.objects.filter(is_active=True).values_list(*fields)
    )
    curated = PaperTopic.objects.filter(origin=PaperTopic.Origin.CURATOR, curated_at__isnull=False)
    stamp = curated.aggregate(rows=Count("pk"), latest=Max("curated_at"), papers=Sum("paper_id"), newest=Max("pk"))
    return _classifier(topics, tuple(stamp.values()), encoder)


def default_classifier(encoder: Encoder | None = None) -> Classifier:
    """The classifier of a new installation. Needs no database."""
    rows = json.loads((settings.BASE_DIR / "newsletter" / "data" / "topics.json").read_text(encoding="utf-8"))
    topics = [TopicProfile(row["slug"], row["name"], row["description"], tuple(row["keywords"])) for row in rows]
    return _build(topics, [], encoder)


def corrections() -> list[tuple[int, Example]]:
    """Curators' decisions as (paper, example), newest first. What a curator left standing counts as right too."""
    curated = PaperTopic.objects.filter(origin=PaperTopic.Origin.CURATOR, curated_at__isnull=False)
    newest = curated.values("paper").annotate(at=Max("curated_at")).order_by("-at", "-paper")[:_HEARD]
    papers = Paper.objects.in_bulk([row["paper"] for row in newest])
    topics: dict[int, list[str]] = {pk: [] for pk in papers}
    assigned = PaperTopic.objects.filter(paper__in=papers, is_assigned=True).order_by("-is_primary", "-score", "pk")
    for pk, slug in assigned.values_list("paper_id", "topic__slug"):
        topics[pk].append(slug)
    return [(pk, Example(papers[pk].title, papers[pk].abstract, tuple(topics[pk]))) for pk in papers]


def _file(papers: Sequence[Paper], classify: Callable[[Paper], list[TopicScore]]) -> None:
    topics = {topic.slug: topic for topic in Topic.objects.filter(is_active=True)}
    curated = set(
        PaperTopic.objects.filter(paper__in=papers, origin=PaperTopic.Origin.CURATOR).values_list("paper_id", flat=True)
    )
    open_papers = [paper for paper in papers if paper.pk not in curated]
    before = _assigned_to(open_papers)
    PaperTopic.objects.filter(paper__in=open_papers).delete()
    PaperTopic.objects.bulk_create(
        PaperTopic(
            paper=paper,
            topic=topics[found.slug],
            score=found.score,
            is_assigned=found.assigned,
            is_primary=found.assigned and place == 0,
        )
        for paper in open_papers
        for place, found in enumerate(classify(paper))
        if found.slug in topics and (found.assigned or found.score >= _WORTH_KEEPING)
    )
    ask_queries_again({paper for paper, _topic in before ^ _assigned_to(open_papers)})


def ask_queries_again(papers: Iterable[int]) -> None:
    """Have papers whose topics changed matched once more with the queries that readers follow."""
    SearchEntry.objects.filter(paper__in=papers).update(is_stale=True)


def _assigned_to(papers: Sequence[Paper]) -> set[tuple[int, int]]:
    rows = PaperTopic.objects.filter(paper__in=papers, is_assigned=True)
    return set(rows.values_list("paper_id", "topic_id"))


@lru_cache(maxsize=4)
def _classifier(topics: tuple[TopicProfile, ...], stamp: tuple[object, ...], encoder: Encoder | None) -> Classifier:
    """Build the classifier; cached while topics and ``stamp`` (all corrections) are unchanged."""
    return _build(topics, corrections(), encoder)


def _build(
    topics: Sequence[TopicProfile], corrected: Sequence[tuple[int, Example]], encoder: Encoder | None
) -> Classifier:
    return Classifier(
        topics,
        background=[f"{one.title}. {one.abstract}" for one in sample_papers.papers()],
        examples=made_up_examples(),
        corrections=[example for _, example in corrected],
        meanings=_meanings(topics, corrected, encoder) if encoder else None,
    )


def _meanings(topics: Sequence[TopicProfile], corrected: Sequence[tuple[int, Example]], encoder: Encoder) -> Meanings:
    corrections = encoder.encode([])
    if corrected:
        import numpy as np

        known, rows = PaperVector.objects.filter(model=text_encoder.MODEL).matrix(pk for pk, _ in corrected)
        vector_of = dict(zip(known, rows, strict=True))
        unread = [(pk, example.text) for pk, example in corrected if pk not in vector_of]
        vector_of |= zip((pk for pk, _ in unread), encoder.encode([text for _, text in unread]), strict=True)
        corrections = np.stack([vector_of[pk] for pk, _ in corrected])
    return Meanings(
        topics=encoder.encode([topic.text for topic in topics]),
        examples=_vectors_of_made_up_examples(encoder),
        corrections=corrections,
    )


@lru_cache(maxsize=1)
def _vectors_of_made_up_examples(encoder: Encoder) -> Floats:
    return encoder.encode([example.text for example in made_up_examples()])
