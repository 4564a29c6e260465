"""Hugging Face's page of one paper: its code and stars, when the list did not name them."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from newsletter.catalogue import polling
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import hf_daily, hf_paper
from newsletter.catalogue.sources.observed_paper import Request
from newsletter.models import Paper, Signal, SourceRun
from tests.builders import NOON
from tests.contract_sources import SourceContract
from tests.replay import Replay, Reply, replaying
from tests.test_hf_daily import PAPER, PLAIN, answer, changed
from tests.test_polling import Moved, gather

PAGE: dict[str, Any] = PAPER["paper"] | {"linkedModels": [], "numTotalModels": 3}
NOTHING = {"githubRepo": None, "githubStars": None, "projectPage": None}


def page(**over: Any) -> bytes:
    return json.dumps(PAGE | over).encode()


class TestPageOfAPaper(SourceContract):
    source = hf_paper
    answer = page()
    titles = ["Sheep at Scale: Counting without Sleeping"]
    empty_answer = page(**NOTHING)


@pytest.fixture
def web() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def test_only_what_the_list_may_lack_is_taken_and_no_paper_added() -> None:
    [seen] = hf_paper.parse(page(), seen_at=NOON)
    assert (seen.code_url, seen.project_url) == ("https://github.com/meadow/sheep", "https://meadow.github.io/sheep/")
    assert seen.metrics == {"stars": 120}
    assert (seen.abstract, seen.authors, seen.only_if_known) == ("", (), True)


def test_a_repository_that_the_abstract_names_is_not_news() -> None:
    assert hf_paper.parse(page(**NOTHING), seen_at=NOON) == []


@pytest.mark.parametrize("repository", ["javascript:alert(1)", "https://10.0.0.1/x", 7])
def test_a_hostile_repository_is_not_published(repository: Any) -> None:
    assert hf_paper.parse(page(**NOTHING | {"githubRepo": repository}), seen_at=NOON) == []


def test_a_few_papers_are_asked_about_at_once() -> None:
    ids = tuple(f"2603.{number:05d}" for number in range(50))
    addresses = hf_paper.addresses(Request(now=NOON, linkless_ids=ids))
    assert [hf_paper.id_asked(address) for address in addresses] == list(ids[:20])


@pytest.mark.django_db
def test_papers_that_came_without_stars_are_asked_about_once_a_day_for_three_days() -> None:
    ingest(hf_daily.parse(answer(PAPER, PLAIN), seen_at=NOON), now=NOON)
    assert polling.linkless_ids(NOON) == ["2603.00002"]
    url = hf_paper.addresses(polling.request_of(hf_paper, NOON))[0]
    run = SourceRun.objects.create(source="hf_paper", url=url, state="empty", started_at=NOON)
    assert polling.linkless_ids(NOON + timedelta(hours=19)) == []
    assert polling.linkless_ids(NOON + timedelta(hours=21)) == ["2603.00002"]
    SourceRun.objects.filter(pk=run.pk).update(state="failed")
    assert polling.linkless_ids(NOON + timedelta(hours=1)) == ["2603.00002"]
    assert polling.linkless_ids(NOON + timedelta(days=3)) == []


@pytest.mark.django_db
def test_the_page_names_the_code_that_the_list_left_out_and_the_list_does_not_undo_it(web: Replay) -> None:
    bare = changed(**NOTHING)
    gather(Moved(hf_daily, [web.on("/hf", Reply(answer(bare)))]))
    assert Paper.objects.get().code_url == "https://github.com/other/mention"
    source = Moved(hf_paper, [web.on("/gone", Reply(status=404)), web.on("/page", Reply(page()))])
    states = [run.state for run in gather(source, now=NOON + timedelta(minutes=1))]
    assert states == ["failed", "ok"]
    assert source.requests[0].linkless_ids == ("2603.00001",)
    ingest(hf_daily.parse(answer(bare), seen_at=NOON), now=NOON + timedelta(hours=1))
    paper = Paper.objects.get()
    assert (paper.code_url, paper.github_stars) == ("https://github.com/meadow/sheep", 120)
    assert Signal.objects.get(metric="stars").source == "hf_paper"


@pytest.mark.django_db
def test_the_page_of_a_paper_we_do_not_have_adds_none() -> None:
    ingest(hf_paper.parse(page(), seen_at=NOON), now=NOON)
    assert not Paper.objects.exists()
