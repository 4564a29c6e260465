"""Papers are filed under topics: by the topics' words, by what curators corrected, by meaning where it is known.

In: papers. Out: their PaperTopic rows. What a curator decided stays. Reads no text of a model and loads none: vectors
are taken from the rows that newsletter/vectors.py leaves. May run twice: the same papers get the same topics.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from newsletter.models import Paper, PaperTopic, PaperVector
from newsletter.models.vectors import hash_of, text_of
from newsletter.sources import sample
from newsletter.topics import Classifier, TopicProfile
from subscriptions.models import Topic

_WORTH_KEEPING = 0.1  # lower topic scores are not stored


def reclassify(papers: Sequence[Paper]) -> None:
    """Give papers the topics that the topics' present words say. What a curator decided stays."""
    _forget_other_words(papers)
    topics = {topic.slug: topic for topic in Topic.objects.filter(is_active=True)}
    curated = set(
        PaperTopic.objects.filter(paper__in=papers, origin=PaperTopic.Origin.CURATOR).values_list("paper_id", flat=True)
    )
    open_papers = [paper for paper in papers if paper.pk not in curated]
    PaperTopic.objects.filter(paper__in=open_papers).delete()
    classifier = current_classifier()
    PaperTopic.objects.bulk_create(
        PaperTopic(
            paper=paper,
            topic=topics[found.slug],
            score=found.score,
            is_assigned=found.assigned,
            is_primary=found.assigned and place == 0,
        )
        for paper in open_papers
        for place, found in enumerate(classifier.classify(paper.title, paper.abstract, categories=paper.categories))
        if found.assigned or found.score >= _WORTH_KEEPING
    )


def _forget_other_words(papers: Sequence[Paper]) -> None:
    """A vector of what a paper said before is worse than none; the next round of vectors.py reads it anew."""
    read = PaperVector.objects.filter(paper__in=papers).values_list("paper_id", "text_hash")
    said = {paper.pk: hash_of(text_of(paper)) for paper in papers}
    if changed := [pk for pk, text_hash in read if bytes(text_hash) != said[pk]]:
        PaperVector.objects.filter(pk__in=changed).delete()


def current_classifier() -> Classifier:
    """The classifier of the topics as they stand."""
    return _classifier(
        tuple(
            TopicProfile(slug=slug, name=name, description=description, keywords=tuple(keywords))
            for slug, name, description, keywords in Topic.objects.filter(is_active=True).values_list(
                "slug", "name", "description", "keywords"
            )
        )
    )


@lru_cache(maxsize=2)
def _classifier(topics: tuple[TopicProfile, ...]) -> Classifier:
    return Classifier(topics, background=[f"{one.title}. {one.abstract}" for one in sample.papers()])
