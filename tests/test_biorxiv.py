"""bioRxiv and medRxiv: the pages of some days, as their API gives them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from django.conf import LazySettings

from newsletter.catalogue import polling
from newsletter.catalogue.sources import biorxiv
from newsletter.catalogue.sources.observed_paper import SourceError
from newsletter.models import Paper, SourceHost, SourceRun
from tests.builders import NOON
from tests.contract_sources import REQUEST, SourceContract
from tests.replay import Replay, Reply, replaying
from tests.test_polling import LOCAL, Moved, gather

MOSS: dict[str, Any] = {
    "title": "Moss that remembers the <i>rain</i>: CO<sub>2</sub> uptake after drought",
    "authors": "Fern, A. B.; van der Moos, C.; ",
    "author_corresponding": "Ada Fern",
    "author_corresponding_institution": "Institute of Small Greens",
    "doi": "10.1101/2026.03.15.700001",
    "date": "2026-3-16",
    "version": "1",
    "type": "new results",
    "license": "cc_by",
    "category": "plant biology",
    "jatsxml": "https://www.biorxiv.org/content/early/2026/03/16/2026.03.15.700001.source.xml",
    "abstract": "We water moss twice. It takes up more CO<sub>2</sub> the second time (p &lt; 0.01).",
    "published": "NA",
    "server": "bioRxiv",
}
SLEEP = MOSS | {
    "title": "Naps on call",
    "authors": "Doze, E.",
    "doi": "10.1101/2026.03.15.26300002",
    "category": "occupational and environmental health",
    "abstract": "Nurses who nap make fewer slips.",
    "server": "medRxiv",
}


def page(*papers: dict[str, Any], **message: Any) -> bytes:
    stated = {"status": "ok", "interval": "2026-03-15:2026-03-17", "cursor": 0, "count": len(papers)} | message
    return json.dumps({"messages": [stated], "collection": papers}).encode()


class TestPageOfPosts(SourceContract):
    source = biorxiv
    answer = page(MOSS, SLEEP, total="2")
    titles = ["Moss that remembers the rain: CO₂ uptake after drought", "Naps on call"]
    empty_answer = page(status="no posts found")
    request = replace(REQUEST, options=("biorxiv", "medrxiv"))


@pytest.fixture
def web() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def read(**over: Any) -> Any:
    return biorxiv.parse(page(MOSS | over), seen_at=NOON)[0]


def test_a_post_is_read_with_names_day_and_markup_as_its_authors_meant() -> None:
    seen = read()
    assert seen.authors == ("A. B. Fern", "C. van der Moos")
    assert seen.published_on == date(2026, 3, 16)
    assert seen.abstract == "We water moss twice. It takes up more CO₂ the second time (p < 0.01)."
    assert seen.identifiers == ("doi:10.1101/2026.03.15.700001",)
    assert seen.url == "https://www.biorxiv.org/content/10.1101/2026.03.15.700001v1"
    assert seen.categories == ("biorxiv.plant-biology",)


def test_a_later_version_corrects_and_is_no_news() -> None:
    seen = read(version="3", published="10.1038/s41586-026-0001-x")
    assert (seen.only_if_known, seen.version, seen.published_on) == (True, 3, None)
    assert seen.identifiers[1] == "doi:10.1038/s41586-026-0001-x"


def test_a_withdrawal_keeps_the_title_and_leaves_the_abstract_alone() -> None:
    seen = read(title="WITHDRAWN: Moss that remembers", abstract="The authors have withdrawn this manuscript.")
    assert (seen.withdrawn, seen.title, seen.abstract) == (True, "Moss that remembers", "")


def test_an_error_of_the_api_is_told_in_its_words() -> None:
    with pytest.raises(SourceError, match="bioRxiv answers: Error : interval not valid"):
        biorxiv.parse(page(status="Error : interval not valid"), seen_at=NOON)


@pytest.mark.parametrize("broken", [{"doi": None}, {"doi": "none"}, {"title": ["a"]}, {"title": "<i></i>"}])
def test_one_item_that_cannot_be_read_is_left_out(broken: dict[str, Any]) -> None:
    assert len(biorxiv.parse(page(MOSS | broken, SLEEP), seen_at=NOON)) == 1


@pytest.mark.parametrize("broken", [{"version": [1]}, {"date": "soon"}, {"authors": 7}, {"server": None, "type": 3}])
def test_an_odd_field_costs_no_paper(broken: dict[str, Any]) -> None:
    assert read(**broken).title.startswith("Moss")


def test_it_asks_from_the_day_it_was_last_read_whole() -> None:
    days = [
        biorxiv.addresses(replace(TestPageOfPosts.request, done_at=NOON - timedelta(days=ago)))[1].split("/")[-3:-1]
        for ago in (0, 5, 400)
    ]
    assert days == [["2026-03-16", "2026-03-18"], ["2026-03-11", "2026-03-18"], ["2026-02-14", "2026-03-18"]]


@pytest.mark.django_db
def test_all_pages_are_read_and_the_day_of_a_whole_reading_is_kept(web: Replay) -> None:
    first = web.on("/details/biorxiv/a/b/0", Reply(page(MOSS, total="2")))
    web.on("/details/biorxiv/a/b/1", Reply(page(SLEEP, total=2, cursor="1")))
    assert [run.new for run in gather(moved(first))] == [1, 1]
    assert SourceHost.objects.get(host="biorxiv").done_at == NOON


@pytest.mark.django_db
@pytest.mark.parametrize(
    "second",
    [
        Reply(b"<html>gone</html>", kind="text/html"),
        Reply(page(SLEEP)[:80]),
        Reply(status=503),
        Reply(b"[]"),
        Reply(page(SLEEP), claims=100_000),
    ],
)
def test_a_page_that_fails_is_told_and_asked_for_again_with_all_its_days(web: Replay, second: Reply) -> None:
    first = web.on("/details/biorxiv/a/b/0", Reply(page(MOSS, total="2")))
    web.on("/details/biorxiv/a/b/1", second, Reply(page(SLEEP, total="2")))
    runs = gather(moved(first))
    assert [run.state for run in runs] == ["ok", "failed"]
    assert len(runs[1].detail) > 10
    assert SourceHost.objects.get(host="biorxiv").done_at is None
    gather(moved(first), now=NOON + timedelta(hours=7))
    assert Paper.objects.count() == 2
    assert SourceHost.objects.get(host="biorxiv").done_at == NOON + timedelta(hours=7)


@pytest.mark.django_db
def test_pages_without_end_are_stopped_with_a_sentence(web: Replay) -> None:
    for number in range(9):
        web.on(f"/details/biorxiv/a/b/{number}", Reply(page(MOSS, total="999999999")))
    source = moved(web.url("/details/biorxiv/a/b/0"))
    runs = polling.poll_due(now=NOON, sources=[source], rules=replace(LOCAL, pages=4), sleep=lambda seconds: None)
    assert len(runs) == 4
    assert SourceRun.objects.get(pk=runs[-1].pk).detail == "more than 4 pages: ask this source for less"


def test_it_is_off_until_a_server_is_named(settings: LazySettings) -> None:
    settings.SOURCES = ["biorxiv"]
    settings.PREPRINT_SERVERS = []
    assert polling.enabled_sources() == []
    settings.PREPRINT_SERVERS = ["medrxiv"]
    assert [source.SOURCE for source in polling.enabled_sources()] == ["biorxiv"]


class Paged(Moved):
    def next_address(self, data: bytes, *, after: str) -> str:
        return biorxiv.next_address(data, after=after)


def moved(address: str) -> Moved:
    return Paged(biorxiv, [address], SPACING=timedelta(0))
