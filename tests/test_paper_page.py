"""The page of one paper: what it gained, who saw it first, where it was sent, and how to cite it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import pytest
from django.conf import settings

from newsletter.interests.library.write_formats import write_bibtex
from newsletter.views.reading_list import reference_to
from tests.builders import NOON, make_edition, make_paper, make_topic
from tests.test_listing import HOSTILE, hrefs, parsed, text_of

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


def test_it_tells_what_the_paper_gained_in_each_window_once(client: Client) -> None:
    week = {"upvotes_gain": 60, "hours": 168.0, "cohort_median": 9}
    parts = {"daily": {"upvotes_gain": 41, "hours": 24.0, "cohort_median": 6}, "weekly": week, "monthly": week}

    page = parsed(client.get(make_paper(score_parts=parts).get_absolute_url()))

    assert [text_of(each) for each in page.iterfind(".//section[@class='why']/ul/li")] == [
        "+41 upvotes in 24 h (cohort median 6)",
        "+60 upvotes in 7 days (cohort median 9)",
    ]
    assert page.find(".//section[@class='why']/p") is not None, "which says what a cohort is"


def test_a_paper_that_gained_nothing_claims_no_attention(client: Client) -> None:
    assert "Attention" not in client.get(make_paper().get_absolute_url()).content.decode()


def test_it_names_each_source_by_its_first_sight_of_the_paper(client: Client) -> None:
    paper = make_paper()
    for source, key, hours in (
        ("hf_daily", "a", 30),
        ("arxiv_daily", "b", 2),
        ("arxiv_query", "c", 50),
        ("new", "d", 90),
    ):
        paper.sightings.create(source=source, key=key, seen_at=NOON + timedelta(hours=hours))

    facts = {
        text_of(each.find("dt")): text_of(each.find("dd"))
        for each in parsed(client.get(paper.get_absolute_url())).iterfind(".//dl/div")
    }

    assert facts["First seen"] == (
        "arXiv, 18 March 2026 Hugging Face Daily Papers, 19 March 2026 new, 22 March 2026"
    ).replace("2026 H", "2026H").replace("2026 n", "2026n")


def test_dates_are_written_as_the_language_does(client: Client) -> None:
    paper = make_paper(title="On sheep", published_on=date(2026, 3, 17), upvotes=1)

    page = client.get(paper.get_absolute_url(), headers={"accept-language": "de"}).content.decode()
    assert "Arbeiten vom 18. März 2026" in page
    assert ">17. März 2026</time>" in page
    day = client.get("/", headers={"accept-language": "de"}).content.decode()
    assert ">17. März 2026</time>" in day
    assert ">17 Mar 2026</time>" in client.get("/", headers={"accept-language": "en"}).content.decode()


def test_it_leads_to_the_editions_it_was_sent_in(client: Client) -> None:
    paper = make_paper()
    sent = make_edition(papers=[paper], state="done")

    assert sent.get_absolute_url() in hrefs(client.get(paper.get_absolute_url()))


def test_it_can_be_cited(client: Client) -> None:
    paper = make_paper(
        title="On {Engines} & 100% of their_users",
        authors=["Ada Lovelace", "Émile Borel"],
        arxiv_id="2603.00001",
        categories=["cs.CL", "cs.LG"],
    )

    page = client.get(paper.get_absolute_url())

    block = parsed(page).find(".//section[@class='cite']/details/pre/code")
    assert block.text.splitlines() == [
        f"@misc{{lovelace2026engines-{paper.pk},",
        r"  title = {{On {\textbraceleft}Engines{\textbraceright} {\&} 100{\%} of their{\_}users}},",
        r"  author = {Ada Lovelace and {\'E}mile Borel},",
        "  year = {2026},",
        "  eprint = {2603.00001},",
        "  archiveprefix = {arXiv},",
        "  primaryclass = {cs.CL},",
        "  url = {https://arxiv.org/abs/2603.00001},",
        "}",
    ]
    assert {f"/cite.{suffix}?papers={paper.pk}" for suffix in ("bib", "ris", "json")} <= set(hrefs(page))


@pytest.mark.parametrize("hostile", [*HOSTILE, "}, note = {gone", "\\end{x}", "a\nb = {c}", "{{{", ""])
def test_no_title_or_name_ends_a_field_of_a_citation_early(hostile: str) -> None:
    paper = make_paper(title=hostile, authors=[hostile], published_on=None, listed_on=None, arxiv_id=None)
    entry = write_bibtex([reference_to(paper)])

    depth = 0
    for letter in entry:
        depth += (letter == "{") - (letter == "}")
        assert depth >= 0
    assert depth == 0
    assert entry.startswith("@misc{")
    assert len(entry.splitlines()) <= 5, "a line each: its key, title, author, address, and the end"


def test_it_can_be_passed_on_by_plain_links_that_hold_title_and_address(client: Client) -> None:
    paper = make_paper(title="Bees & <flows>: 100% of " + "words " * 60)

    links = hrefs(client.get(paper.get_absolute_url()))

    address = quote(f"{settings.SITE_URL}/paper/{paper.pk}/", safe="")
    for start in (
        "https://share.joinmastodon.org/#text=Bees%20%26%20%3Cflows%3E%3A%20100%25%20of%20words",
        "https://bsky.app/intent/compose?text=Bees%20%26",
        "https://www.linkedin.com/sharing/share-offsite/?url=http",
        "mailto:?subject=Bees%20%26",
    ):
        (link,) = [each for each in links if each.startswith(start)]
        assert link.endswith(address)
        assert start.startswith("https://www.l") or len(unquote(link.partition("text=")[2])) < 300


def test_it_tells_its_versions_and_what_the_last_changed(client: Client) -> None:
    revision = {"now": ["It takes <two> hours."], "gone": ["It takes a day."]}
    paper = make_paper(
        arxiv_id="2603.00001", version=3, revision=revision, revised_at=NOON, accepted="NeurIPS 2026, oral"
    )

    page = client.get(paper.get_absolute_url())

    facts = [(text_of(each.find("dt")), text_of(each.find("dd"))) for each in parsed(page).iterfind(".//dl/div")]
    changed = [("Now", "It takes <two> hours."), ("No longer", "It takes a day."), ("Noticed", "18 March 2026")]
    assert facts[:3] == changed
    assert ("Venue, as its authors name it", "NeurIPS 2026, oral") in facts
    versions = [link for link in hrefs(page) if link.startswith("https://arxiv.org/abs/2603.00001v")]
    assert versions == [f"https://arxiv.org/abs/2603.00001v{number}" for number in (3, 2, 1)]
    assert "Versions" not in client.get(make_paper(version=1).get_absolute_url()).content.decode()


def test_authors_and_topics_of_a_paper_can_be_followed_from_it(client: Client) -> None:
    paper = make_paper(authors=["Ada Lovelace", "Jan van Eyck"])
    paper.paper_topics.create(topic=make_topic("vision"), score=0.9, is_primary=True)

    links = hrefs(client.get(paper.get_absolute_url()))

    assert "/subscribe/?follow=author:%22Jan%20van%20Eyck%22" in links
    assert "/subscribe/?topics=vision" in links


def test_reference_managers_read_whose_paper_it_is(client: Client) -> None:
    paper = make_paper(title="On <Engines>", authors=["Ada Lovelace", "Émile Borel"], arxiv_id="2603.00001")

    found = parsed(client.get(paper.get_absolute_url())).iterfind(".//head/meta")

    meta = [
        (each.get("name"), each.get("content")) for each in found if (each.get("name") or "").startswith("citation_")
    ]
    assert meta[:3] == [
        ("citation_title", "On <Engines>"),
        ("citation_author", "Ada Lovelace"),
        ("citation_author", "Émile Borel"),
    ]
    assert dict(meta)["citation_arxiv_id"] == "2603.00001"
    assert dict(meta)["citation_pdf_url"] == "https://arxiv.org/pdf/2603.00001"
    assert dict(meta)["citation_publication_date"] == f"{paper.published_on or paper.listed_on:%Y/%m/%d}"


@pytest.mark.parametrize(
    "address", ["/abs/2603.00001", "/abs/2603.00001v2", "/pdf/2603.00001.pdf", "/papers/2603.00001"]
)
def test_addresses_of_arxiv_lead_to_the_paper(client: Client, address: str) -> None:
    paper = make_paper(arxiv_id="2603.00001")

    assert client.get(address).url == paper.get_absolute_url()


def test_a_paper_that_is_not_here_is_said_to_be_missing(client: Client) -> None:
    answer = client.get("/abs/2603.00009")

    page = client.get(answer.url).content.decode()
    assert "We do not have the paper arXiv:2603.00009." in page
    assert "https://arxiv.org/abs/2603.00009" in page
    assert client.get("/abs/engines").status_code == 404
