"""OpenAlex: works by filter, page by page, as its API gives them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from django.conf import LazySettings

from newsletter.catalogue.sources import openalex
from newsletter.models import Signal, SourceRun
from tests.builders import NOON
from tests.contract_sources import REQUEST, SourceContract
from tests.replay import Replay, Reply, replaying
from tests.test_polling import Moved, gather

WORK: dict[str, Any] = {
    "id": "https://openalex.org/W4400000001",
    "doi": "https://doi.org/10.1016/j.greens.2026.03.001",
    "title": "Prices of <i>Sphagnum</i> in wet years",
    "publication_date": "2026-03-14",
    "type": "article",
    "authorships": [
        {
            "author_position": "first",
            "author": {"id": "https://openalex.org/A1", "display_name": "Ada Fern", "orcid": None},
            "institutions": [{"id": "https://openalex.org/I1", "display_name": "University of Bog"}],
            "raw_author_name": "A. Fern",
        },
        {"author": {"id": "https://openalex.org/A2", "display_name": "Çağla Moss"}, "institutions": []},
    ],
    "primary_location": {
        "landing_page_url": "https://doi.org/10.1016/j.greens.2026.03.001",
        "source": {"type": "journal"},
    },
    "locations": [],
    "cited_by_count": 3,
    "is_retracted": False,
    "is_paratext": False,
    "primary_topic": {
        "display_name": "Agricultural markets",
        "field": {"id": "https://openalex.org/fields/20", "display_name": "Economics, Econometrics and Finance"},
    },
    "abstract_inverted_index": {"rain": [3, 6], "Moss": [0], "is": [1], "dear,": [2], "after": [5], "says": [4]},
}
ON_ARXIV = WORK | {
    "id": "https://openalex.org/W4400000002",
    "doi": "https://doi.org/10.48550/arxiv.2603.00001",
    "title": "Bogs as markets",
}


def page(*works: Any, following: str | None = None) -> bytes:
    meta = {"count": len(works), "db_response_time_ms": 9, "page": None, "per_page": 100, "next_cursor": following}
    return json.dumps({"meta": meta, "results": works, "group_by": []}).encode()


class TestPageOfWorks(SourceContract):
    source = openalex
    answer = page(WORK, ON_ARXIV)
    titles = ["Prices of Sphagnum in wet years", "Bogs as markets"]
    empty_answer = page()
    request = replace(REQUEST, options=("primary_topic.field.id:20|14", "language:en"))


@pytest.fixture
def web() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def read(**over: Any) -> Any:
    return openalex.parse(page(WORK | over), seen_at=NOON)[0]


def test_a_work_is_read_with_its_abstract_in_order() -> None:
    seen = read()
    assert seen.abstract == "Moss is dear, rain says after rain"
    assert (seen.authors, seen.organization) == (("Ada Fern", "Çağla Moss"), "University of Bog")
    assert (seen.published_on, seen.metrics) == (date(2026, 3, 14), {"citations": 3})
    assert seen.identifiers == ("openalex:W4400000001", "doi:10.1016/j.greens.2026.03.001")
    assert seen.url == "https://doi.org/10.1016/j.greens.2026.03.001"
    assert seen.categories == ("openalex.economics-econometrics-and-finance",)


@pytest.mark.parametrize(
    "over",
    [
        {"doi": "https://doi.org/10.48550/arxiv.2603.00001"},
        {"locations": [{"landing_page_url": "https://arxiv.org/abs/2603.00001"}]},
        {"primary_location": {"landing_page_url": "http://arxiv.org/abs/2603.00001v2"}},
    ],
)
def test_a_work_on_arxiv_is_that_paper(over: dict[str, Any]) -> None:
    assert read(**over).arxiv_id == "2603.00001"


def test_a_retracted_work_is_withdrawn() -> None:
    assert read(is_retracted=True).withdrawn


@pytest.mark.parametrize("broken", [{"id": "W1"}, {"title": None}, {"is_paratext": True}])
def test_what_is_no_paper_is_left_out(broken: dict[str, Any]) -> None:
    assert len(openalex.parse(page(WORK | broken, ON_ARXIV, 7), seen_at=NOON)) == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"abstract_inverted_index": {"far": [10**12], "near": [-1, "2"], "no": 3}},
        {"authorships": {"author": 1}},
        {"authorships": [1, {"author": "x", "institutions": [2]}]},
        {"locations": 5, "primary_location": "x"},
        {"primary_topic": None, "cited_by_count": "many", "doi": 4},
    ],
)
def test_an_odd_field_costs_no_paper(odd: dict[str, Any]) -> None:
    assert read(**odd).title == "Prices of Sphagnum in wet years"


def test_a_month_is_asked_for_and_nothing_of_days_to_come() -> None:
    [address] = openalex.addresses(replace(TestPageOfWorks.request, done_at=NOON))
    assert "filter=primary_topic.field.id:20|14,language:en,from_publication_date:2026-02-16," in address
    assert "to_publication_date:2026-03-18&" in address


@pytest.mark.django_db
def test_the_cursor_is_followed_to_the_end_and_the_key_is_kept_nowhere(web: Replay, settings: LazySettings) -> None:
    settings.OPENALEX_KEY = "s3cret"
    address = web.on("/works", Reply(page(WORK, following="Ab+/c=")), Reply(page(ON_ARXIV)), Reply(page()))
    runs = gather(Paged(openalex, [f"{address}?filter=x&cursor=*"], SPACING=timedelta(0)))
    assert [run.new for run in runs] == [1, 1]
    assert [path for path, _ in web.asked] == [
        "/works?filter=x&cursor=*&api_key=s3cret",
        "/works?filter=x&cursor=Ab%2B%2Fc%3D&api_key=s3cret",
    ]
    assert not any("s3cret" in f"{run.url}{run.detail}" for run in SourceRun.objects.all())
    assert Signal.objects.filter(source="openalex", metric="citations", value=3).count() == 2


@pytest.mark.django_db
def test_a_refusal_is_told_without_the_key(web: Replay, settings: LazySettings) -> None:
    settings.OPENALEX_KEY = "s3cret"
    [run] = gather(Paged(openalex, [web.on("/works", Reply(status=401)) + "?filter=x&cursor=*"]))
    assert (run.state, run.detail) == ("failed", "the host answered 401 Unauthorized")


@pytest.mark.django_db
def test_a_cursor_that_leads_to_itself_ends_the_reading(web: Replay) -> None:
    address = web.on("/works", Reply(page(WORK, following="again")))
    assert len(gather(Paged(openalex, [f"{address}?cursor=*"], SPACING=timedelta(0)))) == 2


class Paged(Moved):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.KEY_SETTING, self.KEY_PARAMETER = openalex.KEY_SETTING, openalex.KEY_PARAMETER

    def next_address(self, data: bytes, *, after: str) -> str:
        return openalex.next_address(data, after=after)
