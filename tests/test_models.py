from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError

from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.models import Paper, PaperTopic
from newsletter.models.papers import UNLISTED
from subscriptions.models import Subscriber
from tests.builders import NOON, assign, make_paper, make_reader, make_topic

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_an_address_can_exist_once_only() -> None:
    make_reader("alice@example.net")
    with pytest.raises(IntegrityError):
        make_reader("alice@example.net")


def test_a_reader_state_outside_the_list_is_refused_by_the_database() -> None:
    reader = make_reader()
    with pytest.raises(IntegrityError):
        Subscriber.objects.filter(pk=reader.pk).update(state="asleep")


def sort_keys(paper: Paper) -> tuple[date, int, bool]:
    keys: tuple[date, int, bool] = paper.paper_topics.values_list("listed_on", "upvotes", "has_code").get()
    return keys


def test_a_topic_knows_its_papers_by_their_day_votes_and_code() -> None:
    listed = assign(make_paper(listed_on=date(2026, 3, 2), upvotes=7, code_url="https://github.com/a/b"), "vision")
    published = assign(make_paper(listed_on=None, published_on=date(2026, 3, 1)), "vision")
    unlisted = assign(make_paper(listed_on=None, published_on=None), "vision")

    assert sort_keys(listed) == (date(2026, 3, 2), 7, True)
    assert sort_keys(published) == (date(2026, 3, 1), 0, False)
    assert sort_keys(unlisted) == (UNLISTED, 0, False)


def save(paper: Paper) -> None:
    paper.upvotes, paper.listed_on, paper.code_url = 9, date(2026, 3, 3), "https://github.com/a/c"
    paper.save(update_fields=["upvotes", "listed_on", "code_url"])


def update(paper: Paper) -> None:
    Paper.objects.filter(upvotes=0).update(upvotes=9, listed_on=date(2026, 3, 3), code_url="https://github.com/a/c")


def update_in_bulk(paper: Paper) -> None:
    paper.upvotes, paper.listed_on, paper.code_url = 9, date(2026, 3, 3), "https://github.com/a/c"
    Paper.objects.bulk_update([paper], ["upvotes", "listed_on", "code_url"])


def upsert(paper: Paper) -> None:
    paper.upvotes, paper.listed_on, paper.code_url = 9, date(2026, 3, 3), "https://github.com/a/c"
    names = ["upvotes", "listed_on", "code_url"]
    Paper.objects.bulk_create([paper], update_conflicts=True, unique_fields=["id"], update_fields=names)


def sight_again(paper: Paper) -> None:
    seen = Observation(
        source="hf_daily",
        key=str(paper.arxiv_id),
        title=paper.title,
        arxiv_id=paper.arxiv_id,
        listed_on=date(2026, 3, 3),
        code_url="https://github.com/a/c",
        metrics={"upvotes": 9},
    )
    ingest([seen], now=NOON)


@pytest.mark.parametrize("write", [save, update, update_in_bulk, upsert, sight_again])
def test_whoever_writes_a_paper_its_topics_keep_up(write: Callable[[Paper], None]) -> None:
    paper = assign(make_paper(listed_on=date(2026, 3, 4)), "vision")
    Paper.objects.filter(pk=make_paper(upvotes=5).pk).update(upvotes=6)
    PaperTopic.objects.filter(paper=paper).update(origin=PaperTopic.Origin.CURATOR)

    write(paper)

    assert sort_keys(paper) == (date(2026, 3, 3), 9, True)


def test_topics_given_in_bulk_know_their_papers_too() -> None:
    paper = make_paper(upvotes=4)

    PaperTopic.objects.bulk_create([PaperTopic(paper=paper, topic=make_topic("vision"), score=1)])

    assert sort_keys(paper) == (paper.listed_on, 4, False)
