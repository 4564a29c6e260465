import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.catalogue.topics import assignment, embeddings
from newsletter.catalogue.topics import encoder as text_encoder
from newsletter.models import Heartbeat, Lease, Paper, PaperTopic, PaperVector
from newsletter.models.embeddings import WIDTH, text_of
from tests.builders import NOON, make_paper, make_topic

# The vectors of all examples take seconds.
pytestmark = [pytest.mark.django_db, pytest.mark.model, pytest.mark.any_database]


@pytest.fixture(autouse=True)
def extra_is_on(settings: Any) -> None:
    settings.SEMANTIC = "auto"


def embed(*, seconds: float = 600, should_stop: Callable[[], bool] = lambda: False) -> int:
    deadline = timezone.now() + timedelta(seconds=seconds)
    return embeddings.embed_due(now=NOON, deadline=deadline, should_stop=should_stop)


def stop_when_asked(times: int) -> Callable[[], bool]:
    """Says stop from that question on. Each batch asks twice: before the model is loaded and after."""
    questions = itertools.count(1)
    return lambda: next(questions) >= times


def test_every_paper_gets_the_vector_of_its_words_once() -> None:
    papers = [make_paper(), make_paper(title="Speech")]
    assert embed() == 2
    assert embed() == 0
    ids, rows = embeddings.vectors_of([papers[1].pk, 10_000_000, papers[0].pk])
    assert ids == [papers[1].pk, papers[0].pk]
    assert rows.dtype == np.float32
    encoder = text_encoder.encoder()
    assert encoder is not None
    assert np.allclose(rows, encoder.encode([text_of(papers[1]), text_of(papers[0])]), atol=1e-3)


def test_the_newest_come_first_and_the_deadline_holds() -> None:
    papers = [make_paper() for _ in range(20)]
    assert embed(seconds=-1) == 0
    assert embed(should_stop=stop_when_asked(2)) == 0, "loading the model counts: nothing is read after the deadline"
    assert embed(should_stop=stop_when_asked(3)) == 16
    assert embeddings.vectors_of([papers[0].pk, papers[-1].pk])[0] == [papers[-1].pk]


def test_two_workers_do_not_read_the_same_papers() -> None:
    make_paper()
    now = timezone.now()
    assert Lease.take("read papers", holder="another worker", now=now, seconds=300)
    assert embed() == 0
    Lease.objects.update(until=now - timedelta(seconds=1))  # it died: its lease ran out
    assert embed() == 1
    assert not Lease.objects.exists(), "given back at once, not after five minutes"


def test_a_paper_that_is_another_has_none() -> None:
    make_paper(merged_into=make_paper())
    assert embed() == 1


def test_other_words_or_another_model_mean_a_new_vector() -> None:
    ingest(
        [Observation(source="hf_daily", key="1", title="On birds", abstract="They fly.", arxiv_id="2603.1")], now=NOON
    )
    paper = Paper.objects.get()
    embed()
    before = embeddings.vectors_of([paper.pk])[1]
    ingest([Observation(source="arxiv_query", key="1", title="On fish", abstract="Swim.", arxiv_id="2603.1")], now=NOON)
    assert embeddings.vectors_of([paper.pk])[0] == []
    assert embed() == 1
    assert not np.allclose(before, embeddings.vectors_of([paper.pk])[1], atol=1e-2)
    PaperVector.objects.update(model="another")
    assert embeddings.vectors_of([paper.pk])[0] == []
    Heartbeat.objects.all().delete()
    assert embed() == 1


def test_switched_off_nothing_is_read(settings: Any) -> None:
    settings.SEMANTIC = "off"
    make_paper()
    assert embed() == 0
    assert embeddings.vectors_of([1])[1].shape == (0, WIDTH)


def test_old_papers_are_looked_for_once_an_hour() -> None:
    old = make_paper(pk=1)
    make_paper(pk=10_000)
    assert embed() == 2
    PaperVector.objects.filter(paper=old).delete()
    assert embed() == 0
    assert embeddings.embed_due(now=NOON + timedelta(hours=1), deadline=timezone.now() + timedelta(seconds=60)) == 1


def test_what_a_paper_means_files_it_too() -> None:
    paper = make_paper(title="A pianist's left hand", abstract="Chords and melodies are taken down by ear.")
    assignment.reclassify([paper])
    assert not paper.paper_topics.filter(is_assigned=True).exists()
    embed()
    assert paper.paper_topics.get(is_primary=True).topic.slug == "speech-audio"


def test_what_a_curator_decided_is_not_filed_again() -> None:
    paper = make_paper(title="Protein folding", abstract="Proteins.")
    row = PaperTopic.objects.create(paper=paper, topic=make_topic("code"), score=1, is_primary=True)
    assignment.take_topic_away(row, at=NOON)
    PaperTopic.objects.create(paper=paper, topic=make_topic("vision"), score=1, origin="curator", curated_at=NOON)
    embed()
    kept = paper.paper_topics.order_by("topic__slug").values_list("topic__slug", "is_assigned", "is_primary")
    assert list(kept) == [("code", False, False), ("vision", True, False)]


def test_ten_corrections_of_curators_reach_the_next_papers() -> None:
    texts = [(f"Hive {n}", f"Acoustic recordings of colony {n}: the sound of bees warns of swarms.") for n in range(11)]
    papers = [make_paper(title=title, abstract=abstract) for title, abstract in texts]
    unseen = papers.pop()
    assignment.reclassify([unseen, *papers])
    assert unseen.paper_topics.get(is_primary=True).topic.slug == "speech-audio"
    for paper in papers:
        paper.paper_topics.all().delete()
        wrong = PaperTopic.objects.create(paper=paper, topic=make_topic("speech-audio"), score=0.9, is_primary=True)
        assignment.take_topic_away(wrong, at=timezone.now())
        right = {"topic": make_topic("science"), "score": 1, "is_primary": True}
        PaperTopic.objects.create(paper=paper, origin="curator", curated_at=timezone.now(), **right)
    assignment.reclassify([unseen])
    assert unseen.paper_topics.get(is_primary=True).topic.slug == "science"
    assert not unseen.paper_topics.filter(topic__slug="speech-audio", is_assigned=True).exists()
    embed()
    assert unseen.paper_topics.get(is_primary=True).topic.slug == "science"


def test_corrections_cost_the_same_queries_however_many_there_are(django_assert_max_num_queries: Any) -> None:
    for number in range(30):
        topic = {"topic": make_topic("science"), "origin": "curator", "curated_at": NOON, "score": 1}
        PaperTopic.objects.create(paper=make_paper(), **topic)
        if number == 3:
            with django_assert_max_num_queries(5):
                assignment.current_classifier()
    with django_assert_max_num_queries(5):
        assignment.current_classifier()
    with django_assert_max_num_queries(2):
        assignment.current_classifier()
