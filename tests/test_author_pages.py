"""The pages and feeds of one author and of one institution: whole persons, the latest first, a page at a time."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.db.models import Max
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter import search
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.models import Heartbeat, Paper, QueryHit, SearchEntry
from newsletter.search.index_lookup import DONE, REWRITTEN
from newsletter.search.person_names import name_of, words_of_person, words_of_persons
from newsletter.views.page_context import PAPERS_PER_PAGE
from tests.builders import NOON, make_paper
from tests.test_listing import hrefs, parsed, text_of, titles
from tests.test_person_names import SAME

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

NORA = "/author/nora-quist/"


def keep_up() -> None:
    search.keep_up(now=timezone.now(), deadline=timezone.now() + timedelta(minutes=1))


def make_written(*authors: str, **over: object) -> Paper:
    return make_paper(authors=list(authors), **over)


@pytest.mark.parametrize(("wanted", "author"), [pair for pair in SAME if len(name_of(pair[0])) > 1])
def test_every_way_to_write_a_name_shares_a_word_of_the_index(wanted: str, author: str) -> None:
    whole, beginnings = words_of_persons(name_of(wanted))
    held = words_of_person(author)
    is_family_alone = wanted == "van der Laan"  # looked for by the words of the name instead
    assert is_family_alone or not whole.isdisjoint(held) or any(h.startswith(b) for h in held for b in beginnings)


def test_a_persons_page_has_their_papers_alone_the_latest_first(client: Client) -> None:
    make_written("Nóra Quist", "Abel Stone", title="Old", published_on=date(2025, 1, 1))
    make_written("N. Quist", title="Latest", published_on=date(2026, 3, 18))
    make_written("Nora J. Quist", title="Middle", published_on=date(2026, 3, 1))
    make_written("Nora Stone", "Abel Quist", title="Two other people")
    make_written("Nils Quist", title="Another given name")
    make_written("Nora Quistgaard", title="Another family")
    make_written("Nora Quist", title="Hidden", is_hidden=True)
    keep_up()

    response = client.get(NORA)

    assert titles(response) == ["Latest", "Middle", "Old"]
    page = parsed(response)
    assert text_of(page.find(".//h1")) == "Nóra Quist"
    assert page.find(".//meta[@name='robots']") is None
    assert "/subscribe/?follow=author:%22N%C3%B3ra%20Quist%22" in hrefs(response)
    assert titles(client.get("/author/n-quist/")) == ["Another given name", "Latest", "Middle", "Old"]


def test_a_page_warns_of_initials_only_where_a_paper_is_signed_with_one(client: Client) -> None:
    make_written("Nora J. Quist", "芳 王", organization="B. Lab")
    make_written("N. Stone")
    make_written("Nils Stone")
    keep_up()
    warning = b"Papers signed with an initial"
    for address in (NORA, "/author/芳-王/", "/institution/b-lab/"):
        assert warning not in client.get(address).content, address
    for address in ("/author/n-stone/", "/author/nils-stone/"):
        assert warning in client.get(address).content, address


def test_names_on_papers_and_lists_lead_there_whatever_they_hold(client: Client) -> None:
    paper = make_written("Jun-Yan Øst", "王芳", "…", "</a><script>", organization="Institut für Öl & Gas")
    keep_up()
    for address in (paper.get_absolute_url(), "/"):
        links = hrefs(client.get(address))
        assert "/author/junyan-ost/" in links
        assert "/institution/institut-fur-ol-gas/" in links
        assert "<script>" not in text_of(
            parsed(client.get(address)).find(".//p[@class='paper-byline']/script")
            or parsed(client.get(address)).find(".//h1")
        )
    for link in ("/author/junyan-ost/", "/author/王芳/", "/institution/institut-fur-ol-gas/"):
        assert titles(client.get(link)) == [paper.title], link


def test_an_institution_has_its_papers_whoever_brought_it_later(client: Client) -> None:
    paper = make_paper(title="Of a laboratory", arxiv_id="2603.00009")
    make_paper(title="Of another", organization="Laboratory")
    keep_up()
    assert client.get("/institution/deep-laboratory/").status_code == 404
    seen = Observation(
        source="hf_daily", key="x", arxiv_id="2603.00009", title=paper.title, organization="Deep Laboratory"
    )
    ingest([seen], now=NOON)
    keep_up()
    response = client.get("/institution/deep-laboratory/")
    assert titles(response) == ["Of a laboratory"]
    assert text_of(parsed(response).find(".//h1")) == "Deep Laboratory"
    assert parsed(response).find(".//meta[@name='robots']").attrib["content"] == "noindex"


def test_addresses_written_otherwise_lead_to_the_one_and_nobody_is_a_404(client: Client) -> None:
    make_written("Nora Quist")
    keep_up()
    assert client.get("/author/N%C3%B3ra-QUIST/").headers["Location"] == NORA
    assert client.get("/institution/A%20%26%20B/").headers["Location"] == "/institution/a-b/"
    for address in (
        "/author/nobody-here/",
        "/author/---/",
        "/author/%00/",
        "/institution/nowhere/",
        f"{NORA}?page=2",
        f"{NORA}?page=x",
    ):
        assert client.get(address).status_code == 404, address


def test_pages_follow_each_other_without_a_gap(client: Client) -> None:
    written = [
        make_written("Nora Quist", published_on=date(2025, 1, 1) + timedelta(days=n))
        for n in range(PAPERS_PER_PAGE + 7)
    ]
    keep_up()
    first, second = client.get(NORA), client.get(f"{NORA}?page=2")
    assert titles(first) + titles(second) == [paper.title for paper in reversed(written)]
    assert f"{NORA}?page=2" in hrefs(first)
    assert parsed(second).find(".//meta[@name='robots']") is not None


@pytest.mark.parametrize("kind", ["atom", "json"])
def test_an_author_and_an_institution_have_feeds(client: Client, kind: str) -> None:
    make_written("Nora Quist", title="Of hers", organization="Deep Lab")
    keep_up()
    for address in (f"/feeds/author/nora-quist.{kind}", f"/feeds/institution/deep-lab.{kind}"):
        body = client.get(address).content.decode()
        assert "Of hers" in body
        assert client.get(address.replace("quist", "q").replace("deep", "d")).status_code == 404


def test_a_page_costs_the_same_few_queries_however_many_papers(client: Client) -> None:
    counts = []
    for papers in (2, 30):
        for _ in range(papers):
            make_written("Nora Quist", "Abel Stone")
        keep_up()
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(NORA).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 6


def test_entries_of_an_earlier_version_are_found_and_then_rewritten_without_a_word_to_followers(client: Client) -> None:
    """As after an upgrade: the index holds the words of names, not yet the persons."""
    make_written("Nora Quist", title="From before")
    make_written("Nora Stone", "Abel Quist", title="Two other people")
    keep_up()
    SearchEntry.objects.update(names="nora quist stone abel")
    Heartbeat.objects.filter(name=REWRITTEN).delete()
    assert titles(client.get(NORA)) == ["From before"]
    assert search.find('author:"Nora Quist"').papers

    hits = QueryHit.objects.aggregate(last=Max("pk"))
    keep_up()

    assert all("quist1" in names for names in SearchEntry.objects.values_list("names", flat=True))
    assert Heartbeat.objects.get(name=REWRITTEN).detail == DONE
    assert titles(client.get(NORA)) == ["From before"]
    assert QueryHit.objects.aggregate(last=Max("pk")) == hits
