"""The archive as a visitor's browser and a feed reader get it: editions that went out, as they were sent."""

from __future__ import annotations

import io
import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image

from newsletter.models import Edition, EditionItem, Paper
from tests.builders import NOON, assign, make_edition, make_paper
from tests.test_listing import HOSTILE, hrefs, parsed, text_of, titles

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db

SITE = "https://papers.example.org"
ATOM = "{http://www.w3.org/2005/Atom}"
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
TODAY = NOON.date()
DAY = timedelta(days=1)
PAGE = f"/edition/daily/{TODAY}/"


def issue(*papers: Paper | str, **over: Any) -> Edition:
    """An edition that went out, of the papers given or of papers so called."""
    made = [paper if isinstance(paper, Paper) else assign(make_paper(title=paper), "vision") for paper in papers]
    return make_edition(papers=made or [make_paper()], **{"state": "done"} | over)


def locations(answer: Any) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(answer.content).iter(f"{MAP}loc")]


def json_ld(page: Any) -> dict[str, Any]:
    block = parsed(page).find(".//script[@type='application/ld+json']")
    assert block is not None
    facts: dict[str, Any] = json.loads(block.text or "")
    return facts


def headlines_in(page: Any) -> list[str]:
    return [text_of(each) for each in parsed(page).iterfind(".//h3[@class='edition-title']")]


def meta(page: Any, name: str) -> str:
    found = parsed(page).find(f".//meta[@property='{name}']")
    assert found is not None, name
    return str(found.get("content"))


# --- the list -------------------------------------------------------------------------------------------------------


def test_the_list_has_what_went_out_by_the_month_it_tells_of(client: Client) -> None:
    issue("Daily one", period_on=date(2026, 3, 2))
    issue("Weekly one", cadence="weekly", period_on=date(2026, 3, 2))
    issue("Monthly one", cadence="monthly", period_on=date(2026, 3, 1))
    issue("Over the year", cadence="weekly", period_on=date(2027, 1, 4), state="sending")
    page = client.get("/editions/")
    assert headlines_in(page) == [
        "The week in papers, 28 December 2026 – 3 January 2027",
        "Monday, 2 March 2026",
        "The week in papers, 23 February – 1 March 2026",
        "The month in papers, February 2026",
    ]
    months = [text_of(each) for each in parsed(page).iterfind(".//h2[@class='section-title']")]
    assert months == ["January 2027", "March 2026", "February 2026"]
    assert "/edition/weekly/2026-03-02/" in hrefs(page)


@pytest.mark.parametrize("state", ["draft", "approved", "frozen", "skipped", "cancelled"])
def test_nothing_is_known_of_an_edition_that_did_not_go_out(client: Client, state: str) -> None:
    issue("A secret paper", state=state)
    assert "A secret paper" not in client.get("/editions/").content.decode()
    assert client.get(PAGE).status_code == 404
    assert client.get(f"{PAGE}share.png").status_code == 302
    assert "A secret paper" not in client.get("/feeds/editions.atom").content.decode()
    assert f"{SITE}{PAGE}" not in locations(client.get("/sitemap-pages.xml"))


def test_each_edition_says_how_many_papers_and_names_the_first(client: Client) -> None:
    issue(*[f"Paper {number}" for number in range(1, 6)])
    text = text_of(parsed(client.get("/editions/")))
    assert "5 papers" in text
    assert "Paper 3" in text
    assert "Paper 4" not in text


def test_the_list_can_be_narrowed_to_a_rhythm(client: Client) -> None:
    issue("Daily one")
    issue("Weekly one", cadence="weekly", period_on=date(2026, 3, 16))
    page = client.get("/editions/?cadence=weekly")
    assert headlines_in(page) == ["The week in papers, 9–15 March 2026"]
    assert parsed(page).find(".//link[@rel='canonical']").get("href") == f"{SITE}/editions/?cadence=weekly"
    assert client.get("/editions/?cadence=hourly").status_code == 404


def test_without_an_edition_the_list_says_so(client: Client) -> None:
    assert "No edition has been sent yet." in client.get("/editions/").content.decode()
    issue("Daily one")
    assert "No edition has been sent at this frequency" in client.get("/editions/?cadence=monthly").content.decode()


def test_a_long_archive_has_pages(client: Client) -> None:
    for number in range(41):
        issue(period_on=TODAY - number * DAY)
    first, second = client.get("/editions/"), client.get("/editions/?page=2")
    assert len(headlines_in(first)) == 40
    assert "/editions/?page=2" in hrefs(first)
    assert len(headlines_in(second)) == 1
    assert "/editions/" in hrefs(second)
    assert client.get("/editions/?page=3").status_code == client.get("/editions/?page=0").status_code == 404


def test_the_list_costs_as_many_queries_for_many_as_for_few(client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            client.get("/editions/")
        return len(found)

    issue("One", "Two")
    few = queries()
    for number in range(1, 12):
        issue("Three", "Four", "Five", period_on=TODAY - number * DAY)
    assert queries() == few


# --- one edition ----------------------------------------------------------------------------------------------------


def test_an_edition_shows_its_papers_in_the_curators_order_with_what_was_said(client: Client) -> None:
    edition = issue("Second", "First", editor_note="A quiet day.\n\nRead the first one.")
    edition.items.filter(paper__title="First").update(position=0, lane="pick", note="Fits on a page.")
    edition.items.filter(paper__title="Second").update(parts={"upvotes_gain": 41, "hours": 24, "cohort_median": 6})
    Paper.objects.update(score_parts={"daily": {"upvotes_gain": 999, "hours": 24}})
    page = client.get(PAGE)
    assert titles(page) == ["First", "Second"]
    text = text_of(parsed(page))
    assert "Editor’s pick First" in text
    for said in ("A quiet day.", "Read the first one.", "Fits on a page.", "Wednesday, 18 March 2026"):
        assert said in text
    assert "+41 in 24 h" in text
    assert "999" not in text, "the numbers of then, not today's"


def test_excluded_and_hidden_papers_are_not_shown_and_withdrawn_ones_are_marked(client: Client) -> None:
    edition = issue("Shown", "Excluded", "Hidden", "Withdrawn")
    edition.items.filter(paper__title="Excluded").update(standing=EditionItem.Standing.EXCLUDED)
    Paper.objects.filter(title="Hidden").update(is_hidden=True)
    Paper.objects.filter(title="Withdrawn").update(withdrawn_at=NOON)
    page = client.get(PAGE)
    assert titles(page) == ["Shown", "Withdrawn"]
    assert text_of(parsed(page)).count("Withdrawn by its authors.") == 1
    listed = text_of(parsed(client.get("/editions/")))
    assert "2 papers" in listed
    assert "Hidden" not in listed


def test_a_paper_merged_since_stands_there_once_as_what_it_became(client: Client) -> None:
    issue("Preprint", "Other", "Published version")
    canonical = Paper.objects.get(title="Published version")
    Paper.objects.filter(title="Preprint").update(merged_into=canonical)
    page = client.get(PAGE)
    assert titles(page) == ["Published version", "Other"]
    assert canonical.get_absolute_url() in hrefs(page)
    listed = text_of(parsed(client.get("/editions/")))
    assert "2 papers" in listed
    assert "Preprint" not in listed
    Paper.objects.filter(pk=canonical.pk).update(is_hidden=True)
    assert titles(client.get(PAGE)) == ["Other"]


def test_an_edition_of_which_nothing_is_left_says_so(client: Client) -> None:
    issue("Gone")
    Paper.objects.update(is_hidden=True)
    assert "This edition has no papers any more." in client.get(PAGE).content.decode()
    assert client.get("/feeds/editions.atom").status_code == client.get(f"{PAGE}share.png").status_code == 200


def test_each_edition_leads_to_the_one_before_and_after_of_its_cadence(client: Client) -> None:
    issue(period_on=TODAY - 3 * DAY)
    issue(period_on=TODAY - DAY, state="cancelled")
    issue()
    issue(period_on=TODAY + DAY)
    issue(cadence="weekly", period_on=date(2026, 3, 16))
    page = parsed(client.get(PAGE))
    assert page.find(".//a[@rel='prev']").get("href") == f"/edition/daily/{TODAY - 3 * DAY}/"
    assert page.find(".//a[@rel='next']").get("href") == f"/edition/daily/{TODAY + DAY}/"
    weekly = parsed(client.get("/edition/weekly/2026-03-16/"))
    assert weekly.find(".//a[@rel='prev']") is None


@pytest.mark.parametrize("path", ["/edition/hourly/2026-03-18/", "/edition/daily/2026-02-30/", "/edition/daily/x/"])
def test_an_address_of_no_edition_is_not_found(client: Client, path: str) -> None:
    issue()
    assert client.get(path).status_code == 404


def test_a_shared_link_shows_the_week_its_papers_and_a_picture(client: Client) -> None:
    issue("Alpha", "Beta", "Gamma", "Delta", cadence="weekly", period_on=date(2026, 11, 23))
    page = client.get("/edition/weekly/2026-11-23/")
    assert meta(page, "og:title") == "The week in papers, 16–22 November 2026"
    assert meta(page, "og:description") == "Alpha; Beta; Gamma; and 1 more paper"
    assert meta(page, "og:url") == f"{SITE}/edition/weekly/2026-11-23/"
    image = client.get(meta(page, "og:image").removeprefix(SITE))
    assert image["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(image.content)).size == (1200, 630)
    again = client.get(f"{page.wsgi_request.path}share.png", headers={"If-None-Match": image["ETag"]})
    assert again.status_code == 304


def test_a_title_that_cannot_be_drawn_leaves_the_picture_with_the_day(client: Client) -> None:
    issue("大规模弱监督下的鲁棒语音识别")
    image = client.get(f"{PAGE}share.png")
    assert image.status_code == 200
    assert Image.open(io.BytesIO(image.content)).size == (1200, 630)


def test_search_engines_read_an_issue_with_its_papers(client: Client) -> None:
    issue("Alpha", "Beta")
    facts = json_ld(client.get(PAGE))
    assert facts["@type"] == "PublicationIssue"
    assert facts["datePublished"].startswith("2026-03-18")
    assert [part["headline"] for part in facts["hasPart"]] == ["Alpha", "Beta"]
    assert all(part["url"].startswith(f"{SITE}/paper/") for part in facts["hasPart"])


@pytest.mark.any_database
@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_papers_and_curators_write_stays_text(client: Client, hostile: str) -> None:
    edition = issue(hostile, editor_note=hostile)
    edition.items.update(note=hostile[:300])
    page = client.get(PAGE)
    assert titles(page)[0].split() == hostile.split()
    html = page.content.decode()
    for risk in ("<script>alert", "<svg onload", "<img src=x", "<b>bold"):
        assert risk not in html
    assert json_ld(page)["hasPart"][0]["headline"] == hostile


def test_an_edition_costs_as_many_queries_with_many_papers_as_with_few(client: Client) -> None:
    issue("One", "Two")
    issue(*[f"Paper {number}" for number in range(12)], period_on=TODAY + DAY)

    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as found:
            assert client.get(path).status_code == 200
        return len(found)

    assert queries(f"/edition/daily/{TODAY + DAY}/") == queries(PAGE)


def test_the_pages_are_the_same_for_everybody(client: Client) -> None:
    issue()
    for path in ("/editions/", PAGE, "/feeds/editions.json"):
        answer = client.get(path)
        assert "public" in answer["Cache-Control"]
        assert not answer.cookies
        assert client.get(path, headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_the_site_leads_to_the_archive_and_search_engines_find_every_edition(client: Client) -> None:
    issue()
    assert "/editions/" in hrefs(client.get("/topics/"))
    found = locations(client.get("/sitemap-pages.xml"))
    assert {f"{SITE}/editions/", f"{SITE}{PAGE}"} <= set(found)


# --- feeds ----------------------------------------------------------------------------------------------------------


def test_the_feeds_of_editions_name_each_with_its_papers(client: Client) -> None:
    issue("Alpha & <b>", "Beta", editor_note="Read <this>.")
    issue("Week one", cadence="weekly", period_on=date(2026, 3, 16))
    feed = ElementTree.fromstring(client.get("/feeds/editions.atom").content)
    daily, weekly = feed.iterfind(f"{ATOM}entry")
    assert daily.findtext(f"{ATOM}title") == "Wednesday, 18 March 2026"
    assert weekly.findtext(f"{ATOM}title") == "The week in papers, 9–15 March 2026"
    assert daily.find(f"{ATOM}link").get("href") == f"{SITE}{PAGE}"
    said = daily.findtext(f"{ATOM}content")
    assert "Alpha &amp; &lt;b&gt;</a>" in said
    assert '<p dir="auto">Read &lt;this&gt;.</p>' in said
    body = json.loads(client.get("/feeds/editions.json").content)
    assert [item["title"] for item in body["items"]] == [
        "Wednesday, 18 March 2026",
        "The week in papers, 9–15 March 2026",
    ]
    assert body["items"][0]["content_html"] == said
    assert body["items"][0]["date_published"].startswith("2026-03-18T11:30")


def test_a_feed_costs_as_many_queries_for_many_editions_as_for_one(client: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            assert client.get("/feeds/editions.atom").status_code == 200
        return len(found)

    issue("One", "Two")
    few = queries()
    for number in range(1, 8):
        issue("Three", "Four", "Five", period_on=TODAY - number * DAY)
    assert queries() == few


def test_each_rhythm_has_a_feed_of_its_own(client: Client) -> None:
    issue("Daily one")
    issue("Week one", cadence="weekly", period_on=date(2026, 3, 16))
    body = json.loads(client.get("/feeds/editions/weekly.json").content)
    assert [item["url"] for item in body["items"]] == [f"{SITE}/edition/weekly/2026-03-16/"]
    assert body["home_page_url"] == f"{SITE}/editions/?cadence=weekly"
    assert client.get("/feeds/editions/hourly.json").status_code == 404


def test_pages_name_their_feeds(client: Client) -> None:
    issue(cadence="weekly", period_on=date(2026, 3, 16))
    for path in ("/editions/?cadence=weekly", "/edition/weekly/2026-03-16/"):
        feeds = {link.get("href") for link in parsed(client.get(path)).iterfind(".//link[@rel='alternate']")}
        assert {"/feeds/editions.atom", "/feeds/editions/weekly.json"} <= feeds
        assert all(client.get(feed).status_code == 200 for feed in feeds)


def test_a_control_character_in_a_title_breaks_no_feed(client: Client) -> None:
    issue("Bell\x07 and form\x0c feed", editor_note="Tab\x0b")
    assert ElementTree.fromstring(client.get("/feeds/editions.atom").content).find(f"{ATOM}entry") is not None
