"""Verdicts become relevance: who has said enough, what it costs, and that the next digest changes."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from newsletter.models import Edition, EditionItem, Paper, PaperTopic, Verdict
from newsletter.planning import EditionPlan
from newsletter.planning.due import Due
from newsletter.tastes import Tastes
from subscriptions.models import Subscriber
from tests.builders import NOON, make_paper, make_reader, make_topic

pytestmark = pytest.mark.django_db


def about(subject: str, number: int) -> Paper:
    return make_paper(title=f"{subject} study {number}", abstract=f"We look at {subject} in case {number}.")


def judge(reader: Subscriber, papers: list[Paper], value: int) -> None:
    Verdict.objects.bulk_create(
        Verdict(subscriber=reader, paper=paper, value=value, at=NOON + timedelta(minutes=number))
        for number, paper in enumerate(papers)
    )


def test_verdicts_raise_what_is_like_the_liked_and_lower_what_is_like_the_disliked() -> None:
    whales, trains = [about("whales", n) for n in range(6)], [about("trains", n) for n in range(6)]
    candidates = [about("whales", 90), about("trains", 91), about("bread", 92)]
    reader = make_reader()
    judge(reader, whales[:4], 1)
    judge(reader, trains[:2], -1)
    found, trust = Tastes([paper.pk for paper in candidates]).of([reader.pk])
    assert found is not None
    assert trust is not None
    whale, train, bread = found[0].tolist()
    assert whale > bread > train
    assert trust.tolist() == pytest.approx([6 / 30])


def test_readers_who_judged_fewer_than_five_papers_are_left_to_their_topics() -> None:
    papers = [about("whales", n) for n in range(9)]
    new, known = make_reader(), make_reader()
    judge(new, papers[:4], 1)
    tastes = Tastes([papers[8].pk])
    assert tastes.of([new.pk]) == (None, None)
    judge(known, papers[:5], 1)
    found, trust = tastes.of([new.pk, known.pk])
    assert found is not None
    assert trust is not None
    assert found.shape == (2, 1)
    assert trust[0] == 0
    assert trust[1] == pytest.approx(5 / 30)


def test_the_number_of_queries_does_not_grow_with_readers_or_verdicts() -> None:
    papers = [about("whales", n) for n in range(20)]
    readers = [make_reader() for _ in range(12)]
    for reader in readers:
        judge(reader, papers[:10], 1)
    tastes = Tastes([paper.pk for paper in papers[10:]])
    tastes.of([readers[0].pk])
    with CaptureQueriesContext(connection) as one:
        tastes.of([readers[0].pk])
    with CaptureQueriesContext(connection) as many:
        found, _ = tastes.of([reader.pk for reader in readers])
    assert len(one) == len(many) <= 4
    assert found is not None
    assert np.ptp(found, axis=0).max() < 1e-6


def test_verdicts_change_the_next_digest_of_that_reader_only() -> None:
    topic = make_topic("speech")
    candidates = [about("whales", 80), *(about("bread", 81 + n) for n in range(3)), about("trains", 90)]
    edition = Edition.objects.create(cadence="daily", period_on=NOON.date(), window_start_at=NOON, cutoff_at=NOON)
    for position, paper in enumerate(candidates):
        PaperTopic.objects.create(paper=paper, topic=topic, score=0.9, is_primary=True)
        EditionItem.objects.create(edition=edition, paper=paper, position=position, score=1 - position / 100)
    judging, other = make_reader(follows=("speech",)), make_reader(follows=("speech",))
    before = digest_of(judging, edition)
    judge(judging, [about("trains", n) for n in range(8)], 1)
    judge(judging, [about("whales", n) for n in range(4)], -1)
    after = digest_of(judging, edition)
    whale, train = (EditionItem.objects.get(paper=paper).pk for paper in (candidates[0], candidates[-1]))
    assert (before.index(whale), before.index(train)) == (0, 4)
    assert after.index(train) == 0
    assert after.index(whale) >= 2
    assert digest_of(other, edition) == before


def digest_of(reader: Subscriber, edition: Edition) -> list[int]:
    due = Due(*Subscriber.objects.filter(pk=reader.pk).values_list(*Due._fields).get())
    return [item for item, _, _ in json.loads(EditionPlan(edition).choose([due])[0])]
