"""OpenReview: the accepted papers of a venue, as its API gives them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import openreview
from newsletter.catalogue.sources.paper_identifiers import work_name
from newsletter.models import Paper
from tests.builders import NOON
from tests.contract_sources import REQUEST, SourceContract
from tests.replay import Replay, Reply, replaying
from tests.test_polling import Moved, gather

CONTENT: dict[str, Any] = {
    "title": {"value": "Counting $\\sqrt{n}$ Sheep with One Dog"},
    "authors": {"value": ["Ada Fern", "Çağla Moss"]},
    "authorids": {"value": ["~Ada_Fern1", "~Cagla_Moss1"]},
    "keywords": {"value": ["sheep", "counting"]},
    "abstract": {"value": "We count fewer sheep and sleep as well. Code: https://github.com/meadow/dog."},
    "venue": {"value": "ICLR 2026 Poster"},
    "venueid": {"value": "ICLR.cc/2026/Conference"},
    "pdf": {"value": "/pdf/0123456789abcdef.pdf"},
}
NOTE: dict[str, Any] = {
    "id": "aBcD123_-x",
    "forum": "aBcD123_-x",
    "number": 4711,
    "cdate": 1758326400000,
    "pdate": 1769385600000,
    "odate": 1759795200000,
    "mdate": 1770681600000,
    "invitations": ["ICLR.cc/2026/Conference/-/Submission", "ICLR.cc/2026/Conference/-/Edit"],
    "readers": ["everyone"],
    "content": CONTENT,
}


def note(number: int, **content: Any) -> dict[str, Any]:
    said = {name: {"value": value} for name, value in content.items()}
    return NOTE | {"id": f"note{number}", "content": CONTENT | {"title": {"value": f"Sheep {number}"}} | said}


def page(*notes: Any, **over: Any) -> bytes:
    return json.dumps({"notes": notes, "count": len(notes)} | over).encode()


class TestPageOfAVenue(SourceContract):
    source = openreview
    answer = page(NOTE, note(2))
    titles = ["Counting √n Sheep with One Dog", "Sheep 2"]
    empty_answer = page()
    request = replace(REQUEST, options=("ICLR.cc/2026/Conference", "TMLR"))


@pytest.fixture
def web() -> Iterator[Replay]:
    with replaying() as replay:
        yield replay


def test_a_note_is_read_with_its_source_text_day_and_page() -> None:
    [seen] = openreview.parse(page(NOTE), seen_at=NOON)
    assert seen.title_source == "Counting $\\sqrt{n}$ Sheep with One Dog"
    assert (seen.authors, seen.published_on) == (("Ada Fern", "Çağla Moss"), date(2026, 1, 26))
    assert seen.url == "https://openreview.net/forum?id=aBcD123_-x"
    assert seen.identifiers == ("openreview:aBcD123_-x",)
    assert seen.code_url == "https://github.com/meadow/dog"


def test_a_venue_is_asked_for_by_its_id() -> None:
    assert openreview.addresses(TestPageOfAVenue.request)[0].endswith(
        "?content.venueid=ICLR.cc%2F2026%2FConference&limit=500&offset=0"
    )


@pytest.mark.parametrize("broken", [{"id": 7}, {"id": "a b"}, {"content": []}, {"content": {"title": "x"}}, 3])
def test_a_note_that_cannot_be_read_is_left_out(broken: Any) -> None:
    odd = NOTE | broken if isinstance(broken, dict) else broken
    assert [one.title for one in openreview.parse(page(odd, note(2)), seen_at=NOON)] == ["Sheep 2"]


@pytest.mark.parametrize("moment", [None, "2026", -5, 10**30, True])
def test_an_odd_day_costs_no_paper(moment: Any) -> None:
    [seen] = openreview.parse(page(NOTE | dict.fromkeys(("pdate", "odate", "cdate"), moment)), seen_at=NOON)
    assert seen.published_on is None


def test_blind_authors_are_nobody() -> None:
    [seen] = openreview.parse(page(note(1, authors=["Anonymous Authors"])), seen_at=NOON)
    assert seen.authors == ()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://openreview.net/forum?id=aBcD123", "openreview:aBcD123"),
        ("https://www.openreview.net/pdf?id=aBcD123", "openreview:aBcD123"),
        ("https://openreview.net/group?id=ICLR.cc", None),
        ("https://example.org/forum?id=aBcD123", None),
        ("https://openreview.net/forum?id=a/../b", None),
    ],
)
def test_a_page_is_known_by_its_address(url: str, name: str | None) -> None:
    assert work_name(url) == name


@pytest.mark.django_db
def test_all_pages_of_a_venue_are_read(web: Replay) -> None:
    address = web.on("/notes", Reply(page(note(1), note(2), count=3)), Reply(page(note(3), count=3)))
    assert [run.new for run in gather(Paged(openreview, [f"{address}?offset=0"], SPACING=timedelta(0)))] == [2, 1]
    assert [path for path, _ in web.asked] == ["/notes?offset=0", "/notes?offset=2"]


@pytest.mark.django_db
def test_a_paper_of_arxiv_is_the_one_that_a_venue_accepted() -> None:
    on_arxiv = openreview.parse(page(note(1, html="https://arxiv.org/abs/2510.00001v2")), seen_at=NOON)
    ingest(on_arxiv, now=NOON)
    ingest(openreview.parse(page(note(1, title="Sheep, again")), seen_at=NOON), now=NOON)
    assert Paper.objects.get().arxiv_id == "2510.00001"


class Paged(Moved):
    def next_address(self, data: bytes, *, after: str) -> str:
        return openreview.next_address(data, after=after)
