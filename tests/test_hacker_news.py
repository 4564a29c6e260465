"""Hacker News: stories about papers, as Algolia's search gives them."""

import json
from dataclasses import replace
from typing import Any

import pytest
from django.conf import LazySettings

from newsletter.catalogue import polling
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import hacker_news
from newsletter.models import Paper, Signal
from tests.builders import NOON, make_paper
from tests.contract_sources import REQUEST, SourceContract

HIT: dict[str, Any] = {
    "objectID": "47000001",
    "title": "Sheep that count themselves",
    "url": "https://arxiv.org/abs/2603.00001",
    "author": "insomniac",
    "points": 41,
    "num_comments": 12,
    "created_at": "2026-03-17T09:00:00Z",
    "created_at_i": 1773738000,
    "story_text": None,
    "_tags": ["story", "author_insomniac", "story_47000001"],
}


def stories(*hits: Any) -> bytes:
    return json.dumps({"hits": hits, "nbHits": len(hits), "page": 0, "nbPages": 1, "hitsPerPage": 1000}).encode()


def read(**over: Any) -> Any:
    [seen] = hacker_news.parse(stories(HIT | over), seen_at=NOON)
    return seen


class TestStories(SourceContract):
    source = hacker_news
    answer = stories(HIT, HIT | {"objectID": "47000002", "url": "https://arxiv.org/pdf/2603.00002v3"})
    titles = ["", ""]
    empty_answer = stories()
    request = replace(REQUEST, options=("on",))


@pytest.mark.parametrize(
    ("url", "arxiv", "names"),
    [
        ("https://arxiv.org/pdf/2603.00001v2.pdf", "2603.00001", ()),
        ("https://huggingface.co/papers/2603.00001", "2603.00001", ()),
        ("https://www.biorxiv.org/content/10.1101/2026.03.15.700001v1.full", None, ("doi:10.1101/2026.03.15.700001",)),
        ("https://www.medrxiv.org/content/10.64898/2026.03.15.26300002v2", None, ("doi:10.64898/2026.03.15.26300002",)),
        ("https://doi.org/10.1038/S41586-026-1", None, ("doi:10.1038/s41586-026-1",)),
        ("https://openreview.net/forum?id=aBcD12", None, ("openreview:aBcD12",)),
    ],
)
def test_a_story_is_about_the_paper_that_its_address_names(url: str, arxiv: str | None, names: tuple[str, ...]) -> None:
    seen = read(url=url)
    assert (seen.arxiv_id, seen.identifiers, seen.metrics) == (arxiv, names, {"points": 41})
    assert seen.only_if_known


@pytest.mark.parametrize(
    "odd",
    [
        {"url": "https://arxiv.org/list/cs.AI/new"},
        {"url": None},
        {"points": "41"},
        {"points": None},
        {"objectID": 47},
        {"objectID": "x"},
        {"title": "Show HN: My paper on sheep"},
    ],
)
def test_what_is_no_story_about_a_paper_is_left_out(odd: dict[str, Any]) -> None:
    assert hacker_news.parse(stories(HIT | odd, "hit"), seen_at=NOON) == []


@pytest.mark.django_db
@pytest.mark.parametrize("poster", ["adafern", "ada_fern", "fern_ada", "AFern", "adaf"])
def test_what_an_author_posts_counts_for_nothing(poster: str) -> None:
    make_paper(arxiv_id="2603.00001", authors=["Çağla Moss", "Ada B. Fern"])
    ingest([read(author=poster)], now=NOON)
    assert not Signal.objects.exists()
    ingest([read(objectID="47000009")], now=NOON)
    assert Signal.objects.get().value == 41


@pytest.mark.django_db
def test_of_two_stories_the_one_with_more_points_counts_and_no_text_is_taken() -> None:
    paper = make_paper(arxiv_id="2603.00001", title="Counting sheep")
    few = HIT | {"objectID": "47000002", "points": 3}
    ingest(hacker_news.parse(stories(few, HIT, few | {"objectID": "47000003"}), seen_at=NOON), now=NOON)
    assert Signal.objects.get(source="hacker_news", metric="points").value == 41
    paper.refresh_from_db()
    assert (paper.title, Paper.objects.count()) == ("Counting sheep", 1)


def test_it_is_off_until_it_is_switched_on(settings: LazySettings) -> None:
    settings.SOURCES = ["hacker_news"]
    assert polling.enabled_sources() == []
    settings.HACKER_NEWS = True
    assert [source.SOURCE for source in polling.enabled_sources()] == ["hacker_news"]
