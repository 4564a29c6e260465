"""Verdicts become relevance: who has said enough, what it costs, and that the next digest changes."""

from __future__ import annotations

import json
from datetime import timedelta
from html import unescape
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter import planning
from newsletter.catalogue.topics import encoder
from newsletter.delivery.compose_message import SCOPE
from newsletter.interests.load_profiles import ReaderProfiles
from newsletter.mail.assemble import Composer
from newsletter.models import Delivery, Edition, EditionItem, Paper, PaperTopic, PaperVector, Verdict
from newsletter.models.embeddings import WIDTH
from newsletter.planning import EditionPlan
from newsletter.planning.readers_due import Due
from subscriptions import token_links
from subscriptions.models import Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader, make_topic
from tests.mail_lint import bodies
from tests.mail_samples import IDENTITY, make_recipient

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def about(subject: str, number: int) -> Paper:
    return make_paper(title=f"{subject} study {number}", abstract=f"We look at {subject} in case {number}.")


@pytest.fixture
def library() -> None:
    """Enough papers for words to be rare or common."""
    Paper.objects.bulk_create(
        Paper(
            title=f"subject{number} study {number}",
            title_key=f"subject{number} study {number}",
            abstract=f"We look at subject{number} in case {number}.",
            first_seen_at=NOON - timedelta(days=90),
        )
        for number in range(100, 210)
    )


def test_nothing_is_called_alike_before_rare_words_are_known() -> None:
    reader, offered = make_reader(follows=("speech",)), assign(about("whales", 90), "speech")
    judge(reader, [about("whales", 1)], 1)
    edition = make_edition(papers=[offered], state=Edition.State.FROZEN)
    assert "akin" not in edition.items.get().parts
    assert set(reasons_of(reader, edition).values()) == {"topic:speech"}


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
    found, trust = ReaderProfiles([paper.pk for paper in candidates]).of([reader.pk])
    assert found is not None
    assert trust is not None
    whale, train, bread = found[0].tolist()
    assert whale > bread > train
    assert trust.tolist() == pytest.approx([6 / 30])


def test_readers_who_judged_fewer_than_five_papers_are_left_to_their_topics() -> None:
    papers = [about("whales", n) for n in range(9)]
    new, known = make_reader(), make_reader()
    judge(new, papers[:4], 1)
    profiles = ReaderProfiles([papers[8].pk])
    assert profiles.of([new.pk]) == (None, None)
    judge(known, papers[:5], 1)
    found, trust = profiles.of([new.pk, known.pk])
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
    profiles = ReaderProfiles([paper.pk for paper in papers[10:]])
    profiles.of([readers[0].pk])
    with CaptureQueriesContext(connection) as one:
        profiles.of([readers[0].pk])
    with CaptureQueriesContext(connection) as many:
        found, _ = profiles.of([reader.pk for reader in readers])
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
    return [item for item, _, _ in json.loads(EditionPlan(edition).choose([due])[0].json)]


@pytest.mark.usefixtures("library")
def test_a_paper_like_a_liked_one_says_so_to_the_reader_who_liked_it_and_to_nobody_else() -> None:
    whales, trains = about("whales", 1), about("trains", 1)
    offered = [assign(about("whales", 90), "speech"), assign(about("bread", 91), "speech")]
    fan, other = make_reader(follows=("speech",)), make_reader(follows=("speech",))
    judge(fan, [whales], 1)
    judge(fan, [trains], -1)
    edition = make_edition(papers=offered, state=Edition.State.FROZEN)
    whale, bread = edition.items.order_by("position")
    assert whale.parts["akin"] == [[whales.pk, "whales study 1"]]
    assert "akin" not in bread.parts
    assert reasons_of(fan, edition) == {whale.pk: f"like:{whales.pk}", bread.pk: "topic:speech"}
    assert reasons_of(other, edition) == {whale.pk: "topic:speech", bread.pk: "topic:speech"}


@pytest.mark.usefixtures("library")
def test_the_most_alike_of_the_liked_papers_is_named_and_never_the_paper_itself() -> None:
    far = make_paper(
        title="whales and bread", abstract="We look at whales and at bread, which a baker bakes in an oven."
    )
    near, candidate = about("whales", 1), assign(about("whales", 2), "speech")
    reader = make_reader(follows=("speech",))
    judge(reader, [far, near, candidate], 1)
    edition = make_edition(papers=[candidate, assign(about("bread", 3), "speech")], state=Edition.State.FROZEN)
    assert next(liked for liked, _ in edition.items.get(paper=candidate).parts["akin"]) == near.pk
    assert reasons_of(reader, edition)[edition.items.get(paper=candidate).pk] == f"like:{near.pk}"
    assert candidate.pk not in {pk for item in edition.items.all() for pk, _ in item.parts.get("akin", ())}


@pytest.mark.usefixtures("library")
def test_the_named_paper_stands_in_the_mail_and_on_the_web_page(client: Client) -> None:
    liked = about("whales", 1)
    offered = [assign(about("whales", 90), "speech"), assign(about("bread", 91), "speech")]
    reader = make_reader(follows=("speech",))
    judge(reader, [liked], 1)
    edition = make_edition(papers=offered, state=Edition.State.FROZEN)
    row = sent_to(reader)
    composer = Composer(edition.compiled.fragments, IDENTITY)
    mail = bodies(composer.compose(make_recipient(edition, picks=row.picks)))
    page = client.get(address_of(row)).content.decode()
    for text in (mail["plain"], unescape(mail["html"]), page):
        line = " ".join(text.replace("\xa0", " ").split())
        assert line.count("like “whales study 1”, which you liked") == 1


def test_five_words_against_a_topics_papers_lower_their_share_of_the_next_digest(client: Client) -> None:
    """Through the pages a reader presses on, and the planner; what each reader then gets is what the rows say."""
    reader, silent = (make_reader(follows=("speech", "vision"), wants_outside=False, max_papers=5) for _ in range(2))
    day_edition(0, trains=5, whales=1)
    first = sent_to(reader)
    for item in trains_of(first):
        client.post(f"{address_of(first)}/{item.pk}", {"word": "less"})
    assert Verdict.objects.filter(subscriber=reader, value=-1).count() == len(trains_of(first)) == 3
    day_edition(1, trains=5, whales=1)
    second = sent_to(reader, days=1)
    for item in trains_of(second)[:2]:
        client.post(f"{address_of(second)}/{item.pk}", {"word": "less"})
    day_edition(2, trains=8, whales=8)
    asked_for_less, as_before = sent_to(reader, days=2), Delivery.objects.filter(subscriber=silent).latest("pk")
    assert len(asked_for_less.picks) == len(as_before.picks) == 5
    assert len(trains_of(asked_for_less)) < len(trains_of(as_before))


def test_one_mute_removes_a_topics_papers_from_the_next_digest_and_an_undo_brings_them_back(client: Client) -> None:
    reader = make_reader(follows=("speech", "vision"), wants_outside=False)
    day_edition(0, trains=3, whales=3)
    first = sent_to(reader)
    assert len(trains_of(first)) == 3
    press = f"{address_of(first)}/{trains_of(first)[0].pk}"
    client.post(press, {"word": "mute", "topic": "speech"})
    day_edition(1, trains=3, whales=3)
    second = sent_to(reader, days=1)
    assert trains_of(second) == []
    assert len(second.picks) == 3
    client.post(press, {"word": "unmute", "topic": "speech"})
    day_edition(2, trains=3, whales=3)
    assert len(trains_of(sent_to(reader, days=2))) == 3


def test_meanings_count_where_papers_have_them(settings: Any) -> None:
    pytest.importorskip("onnxruntime")
    liked = [make_paper(title=f"Alpha{n}", abstract=f"Beta{n}.") for n in range(5)]
    near, far = make_paper(title="Gamma", abstract="Delta."), make_paper(title="Epsilon", abstract="Zeta.")
    others = [make_paper(title=f"Eta{n}", abstract=f"Theta{n}.") for n in range(5)]
    for paper, place in [*((paper, 0) for paper in (*liked, near)), *((paper, 1) for paper in (*others, far))]:
        values = np.eye(WIDTH, dtype="<f2")[place].tobytes()
        PaperVector.objects.create(paper=paper, model=encoder.MODEL, values=values)
    reader = make_reader()
    judge(reader, liked, 1)
    settings.SEMANTIC = "auto"
    found, _ = ReaderProfiles([near.pk, far.pk]).of([reader.pk])
    assert found is not None
    assert found[0][0] > 0.6 > 0.4 > found[0][1]
    settings.SEMANTIC = "off"
    blind, _ = ReaderProfiles([near.pk, far.pk]).of([reader.pk])
    assert blind is not None
    assert abs(blind[0][0] - blind[0][1]) < abs(found[0][0] - found[0][1])


def reasons_of(reader: Subscriber, edition: Edition) -> dict[int, str]:
    due = Due(*Subscriber.objects.filter(pk=reader.pk).values_list(*Due._fields).get())
    return {item: reason for item, _, reason in json.loads(EditionPlan(edition).choose([due])[0].json)}


def day_edition(days: int, *, trains: int, whales: int) -> Edition:
    """Papers about trains (speech) and whales (vision) in turn by trend, all new."""
    offered = [
        assign(about(subject, 100 * days + number), topic)
        for number in range(max(trains, whales))
        for subject, topic, count in (("trains", "speech", trains), ("whales", "vision", whales))
        if number < count
    ]
    at = NOON + timedelta(days=days)
    return make_edition(
        papers=offered,
        state=Edition.State.FROZEN,
        period_on=at.date(),
        window_start_at=at - timedelta(days=1),
        cutoff_at=at - timedelta(hours=1),
        frozen_at=at - timedelta(minutes=30),
    )


def sent_to(reader: Subscriber, *, days: int = 0) -> Delivery:
    """What the planner writes down on that day; the pages take it for a digest of today."""
    now = NOON + timedelta(days=days)
    Subscriber.objects.update(next_due_at=now)
    planning.plan_due(now=now)
    row = Delivery.objects.filter(subscriber=reader).latest("pk")
    assert row.due_at == now
    Delivery.objects.filter(pk=row.pk).update(due_at=timezone.now())
    return row


def trains_of(row: Delivery) -> list[EditionItem]:
    items = EditionItem.objects.filter(pk__in=[pk for pk, *_ in row.picks], paper__title__startswith="trains")
    return list(items.order_by("position"))


def address_of(row: Delivery) -> str:
    return f"/d/{token_links.row_token(SCOPE, row.pk)}"


def test_what_was_learnt_serves_every_page_until_a_paper_or_a_topic_changes(library: None) -> None:
    paper = about("whales", 1)
    first = ReaderProfiles([paper.pk])._learn()
    assert ReaderProfiles([paper.pk])._learn() is first
    assert ReaderProfiles([about("bread", 1).pk, paper.pk])._learn() is not first, "other candidates"
    Paper.objects.filter(pk=paper.pk).update(abstract="We look at wrens.")
    changed = ReaderProfiles([paper.pk])._learn()
    assert "wren" in changed.words.word_names
    assert "wren" not in first.words.word_names
    assign(paper, "speech")
    assert ReaderProfiles([paper.pk])._learn() is not changed
