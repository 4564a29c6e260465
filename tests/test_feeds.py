"""What machines get: trending and its filters as addresses, feeds, sitemap, structured data, cacheable answers."""

from __future__ import annotations

import gzip
import json
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import html5lib
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.models import Edition, EditionItem, Paper
from newsletter.models.papers import PAPERS_PER_FEED
from newsletter.views.paper_feeds import PAPERS_PER_SITEMAP
from tests.builders import NOON, make_paper, make_topic
from tests.test_listing import HOSTILE, hrefs, parsed, place, text_of, titles

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.test import Client
    from pytest_django.fixtures import SettingsWrapper

pytestmark = pytest.mark.django_db

SITE = "https://papers.example.org"
TODAY = NOON.date()
ATOM = "{http://www.w3.org/2005/Atom}"
MAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
FEEDS = ["/feeds/today.", "/feeds/trending.", "/feeds/topic/vision."]


def xml(response: HttpResponse) -> ElementTree.Element:
    return ElementTree.fromstring(response.content)


def locations(response: HttpResponse) -> list[str]:
    return [each.text or "" for each in xml(response).iter(f"{MAP}loc")]


def json_ld(response: HttpResponse) -> dict[str, Any]:
    block = parsed(response).find(".//script[@type='application/ld+json']")
    assert block is not None
    facts: dict[str, Any] = json.loads(block.text or "")
    return facts


# --- trending -------------------------------------------------------------------------------------------------------


def make_three_weeks() -> None:
    make_paper(title="Newest", listed_on=TODAY, score_weekly=1, score_monthly=1, upvotes=1)
    make_paper(
        title="Rising",
        listed_on=TODAY - timedelta(days=6),
        score_weekly=9,
        score_monthly=2,
        upvotes=2,
        code_url="https://github.com/a/b",
    )
    make_paper(title="Loved", listed_on=TODAY - timedelta(days=20), score_weekly=0, score_monthly=8, upvotes=99)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Rising", "Newest"]),
        ("?window=month", ["Loved", "Rising", "Newest"]),
        ("?sort=newest", ["Newest", "Rising"]),
        ("?window=month&sort=votes", ["Loved", "Rising", "Newest"]),
        ("?code=yes", ["Rising"]),
    ],
)
def test_trending_shows_a_window_in_the_order_asked_for(client: Client, query: str, expected: list[str]) -> None:
    make_three_weeks()

    assert titles(client.get(f"/trending/{query}")) == expected


@pytest.mark.parametrize("query", ["window=year", "sort=random", "code=maybe", "sort="])
def test_a_wish_nobody_offers_is_404(client: Client, query: str) -> None:
    make_topic("vision")

    assert client.get(f"/trending/?{query}").status_code == 404


def test_each_choice_is_a_link_that_keeps_the_other_wishes(client: Client) -> None:
    make_three_weeks()

    links = hrefs(client.get("/trending/?window=month&code=yes"))

    assert "/trending/?window=month&sort=votes&code=yes" in links
    assert "/trending/?code=yes" in links
    assert "/trending/?window=month" in links


def test_pages_of_a_filtered_list_keep_the_filter(client: Client) -> None:
    for number in range(51):
        make_paper(code_url=f"https://github.com/a/{number}")

    first = client.get("/trending/?code=yes")

    assert "/trending/?code=yes&page=2" in hrefs(first)
    second = client.get("/trending/?code=yes&page=2")
    assert len(titles(second)) == 1
    assert parsed(second).find("head/link[@rel='canonical']").attrib["href"] == f"{SITE}/trending/?code=yes&page=2"
    assert "/trending/?code=yes" in hrefs(second)


def test_a_topic_can_be_sorted_and_narrowed_to_papers_with_code(client: Client) -> None:
    topic = make_topic("vision")
    place(make_paper(title="Loved", upvotes=9, listed_on=TODAY - timedelta(days=9)), topic)
    place(make_paper(title="Coded", code_url="https://github.com/a/b"), topic)

    assert titles(client.get("/topic/vision/?sort=votes")) == ["Loved", "Coded"]
    assert titles(client.get("/topic/vision/?code=yes")) == ["Coded"]


# --- the paper page -------------------------------------------------------------------------------------------------


def test_a_paper_page_says_in_which_sent_editions_it_was(client: Client) -> None:
    paper = make_paper()
    common: dict[str, Any] = {"window_start_at": NOON, "cutoff_at": NOON, "frozen_at": NOON, "closes_at": NOON}
    sent = Edition.objects.create(cadence="daily", period_on=date(2026, 3, 18), state="done", **common)
    draft = Edition.objects.create(cadence="weekly", period_on=date(2026, 3, 16), state="draft", **common)
    other = Edition.objects.create(cadence="daily", period_on=date(2026, 3, 17), state="done", **common)
    EditionItem.objects.create(edition=sent, paper=paper, position=1)
    EditionItem.objects.create(edition=draft, paper=paper, position=1)
    EditionItem.objects.create(edition=other, paper=paper, position=1, standing="excluded")

    page = text_of(parsed(client.get(paper.get_absolute_url())))

    assert "the daily edition of 18 March 2026" in page
    assert "weekly edition" not in page
    assert "17 March" not in page


def test_the_paper_page_costs_the_same_queries_however_much_surrounds_it(client: Client) -> None:
    topics = [make_topic(slug) for slug in ("vision", "code")]

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(paper.get_absolute_url()).status_code == 200
        return len(captured)

    paper = place(make_paper(title="Tumour study"), topics[0])
    place(make_paper(title="Tumour study too"), topics[0])
    queries()  # what reads alike is kept for a while
    few = queries()
    for _ in range(20):
        near = place(make_paper(title="Tumour study three"), topics[0])
        place(near, topics[1], primary=False)

    assert queries() == few
    assert few <= 7


def test_structured_data_describes_the_article(client: Client) -> None:
    paper = place(make_paper(title="A study", arxiv_id="2603.00001", authors=["Ada Lovelace"]), make_topic("vision"))

    facts = json_ld(client.get(paper.get_absolute_url()))

    assert facts["@type"] == "ScholarlyArticle"
    assert facts["headline"] == "A study"
    assert facts["author"] == [{"@type": "Person", "name": "Ada Lovelace"}]
    assert facts["url"] == f"{SITE}/paper/{paper.pk}/"
    assert facts["sameAs"] == "https://arxiv.org/abs/2603.00001"
    assert facts["datePublished"] == "2026-03-18"


@pytest.mark.parametrize("hostile", [*HOSTILE, "</script><script>alert(1)</script>", "<!--<script>", "\u2028"])
def test_structured_data_stays_data_whatever_a_title_holds(client: Client, hostile: str) -> None:
    paper = make_paper(title=hostile, abstract=hostile, authors=[hostile])

    facts = json_ld(client.get(paper.get_absolute_url()))

    assert (facts["headline"], facts["abstract"]) == (hostile, hostile)


@pytest.mark.parametrize("path", ["/", "/trending/", "/topic/vision/", "/topics/"])
def test_pages_carry_an_open_graph_card(client: Client, path: str) -> None:
    make_paper()
    make_topic("vision")

    head = parsed(client.get(path)).find("head")

    card = {each.attrib["property"]: each.attrib["content"] for each in head.iter("meta") if "property" in each.attrib}
    assert card["og:url"] == f"{SITE}{path}"
    assert card["og:image"] == f"{SITE}/static/newsletter/share.png"
    assert card["og:title"]
    assert card["og:description"]


# --- feeds ----------------------------------------------------------------------------------------------------------


def test_the_atom_feed_holds_the_newest_two_days_by_trend(client: Client) -> None:
    topic = make_topic("vision")
    make_paper(title="Before", listed_on=TODAY - timedelta(days=3), score_daily=9)
    make_paper(title="Gone", listed_on=TODAY - timedelta(days=4))
    first = place(make_paper(title="First", score_daily=2, abstract="About first."), topic)
    make_paper(title="Second", score_daily=1)

    response = client.get("/feeds/today.atom")

    feed = xml(response)
    entries = feed.findall(f"{ATOM}entry")
    assert response["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == ["First", "Second", "Before"]
    assert entries[0].find(f"{ATOM}link").attrib["href"] == f"{SITE}/paper/{first.pk}/"
    assert entries[0].findtext(f"{ATOM}id") == f"{SITE}/paper/{first.pk}/"
    assert entries[0].findtext(f"{ATOM}content") == "About first."
    assert [each.text for each in entries[0].findall(f"{ATOM}author/{ATOM}name")] == ["Ada Lovelace", "Alan Turing"]
    assert [each.attrib["term"] for each in entries[0].findall(f"{ATOM}category")] == [topic.name]
    assert feed.find(f"{ATOM}link[@rel='self']").attrib["href"] == f"{SITE}/feeds/today.atom"


def test_the_json_feed_holds_the_same_papers(client: Client) -> None:
    paper = make_paper(title="Only", arxiv_id="2603.00002", abstract="")

    response = client.get("/feeds/today.json")

    feed = response.json()
    assert response["Content-Type"] == "application/feed+json"
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert feed["feed_url"] == f"{SITE}/feeds/today.json"
    assert feed["home_page_url"] == f"{SITE}/"
    [item] = feed["items"]
    assert item["id"] == item["url"] == f"{SITE}/paper/{paper.pk}/"
    assert item["external_url"] == "https://arxiv.org/abs/2603.00002"
    assert item["content_text"]


def test_trending_and_topic_feeds_hold_their_own_papers(client: Client) -> None:
    make_three_weeks()
    place(make_paper(title="Of the topic", listed_on=None), make_topic("vision"))

    assert [item["title"] for item in client.get("/feeds/trending.json").json()["items"]] == ["Rising", "Newest"]
    assert [item["title"] for item in client.get("/feeds/topic/vision.json").json()["items"]] == ["Of the topic"]
    assert client.get("/feeds/topic/none-such.atom").status_code == 404


@pytest.mark.parametrize("path", FEEDS)
@pytest.mark.parametrize("kind", ["atom", "json"])
def test_feeds_of_an_empty_site_are_empty_and_well_formed(client: Client, path: str, kind: str) -> None:
    make_topic("vision")

    response = client.get(path + kind)

    assert response.status_code == 200
    if kind == "atom":
        assert not xml(response).findall(f"{ATOM}entry")
    else:
        assert response.json()["items"] == []


@pytest.mark.parametrize("hostile", [*HOSTILE, "bell \x07 and \x0b tab", "]]>", "lone \uffff end"])
@pytest.mark.parametrize("path", FEEDS)
def test_feeds_carry_any_text_as_text(client: Client, path: str, hostile: str) -> None:
    place(make_paper(title=hostile, abstract=hostile, authors=[hostile]), make_topic("vision"))
    written = "".join(char for char in hostile if char not in "\x07\x0b\uffff")

    entry = xml(client.get(f"{path}atom")).find(f"{ATOM}entry")

    assert entry.findtext(f"{ATOM}title") == written
    assert entry.findtext(f"{ATOM}content") == written
    assert client.get(f"{path}json").json()["items"][0]["title"] == hostile


def sitemap_with(paper: Paper) -> str:
    return f"/sitemap-papers-{-(-paper.pk // PAPERS_PER_SITEMAP)}.xml"


def test_hidden_papers_are_in_no_feed_and_no_sitemap(client: Client) -> None:
    topic = make_topic("vision")
    shown = place(make_paper(), topic)
    place(make_paper(is_hidden=True), topic)
    place(make_paper(merged_into=shown), topic)

    for path in FEEDS:
        assert len(client.get(f"{path}json").json()["items"]) == 1, path
    assert locations(client.get(sitemap_with(shown))) == [f"{SITE}/paper/{shown.pk}/"]
    assert client.get(f"/sitemap-papers-{'9' * 40}.xml").status_code == 404


@pytest.mark.parametrize("path", ["/feeds/today.atom", "/feeds/today.json", "/feeds/trending.json"])
def test_feeds_say_which_papers_their_authors_withdrew(client: Client, path: str) -> None:
    paper = make_paper(abstract="We count sheep.")
    assert "Withdrawn" not in client.get(path).content.decode()
    Paper.objects.filter(pk=paper.pk).update(withdrawn_at=NOON)
    assert "Withdrawn by its authors." in client.get(path).content.decode()
    assert "We count sheep." in client.get(path).content.decode()


def test_a_withdrawal_moves_the_entry_so_that_feed_readers_show_it_again(client: Client) -> None:
    paper = make_paper()
    later = NOON + timedelta(days=2)
    Paper.objects.filter(pk=paper.pk).update(withdrawn_at=later)
    feed = xml(client.get("/feeds/today.atom"))
    assert feed.findtext(f"{ATOM}updated") == feed.findtext(f"{ATOM}entry/{ATOM}updated") == "2026-03-20T12:00:00+00:00"
    assert feed.findtext(f"{ATOM}entry/{ATOM}published") == "2026-03-18T12:00:00+00:00"
    (item,) = client.get("/feeds/today.json").json()["items"]
    assert (item["date_published"], item["date_modified"]) == (NOON.isoformat(), later.isoformat())


def test_new_words_move_the_entry(client: Client) -> None:
    def hear(abstract: str, *, days: int) -> None:
        seen = Observation(
            source="arxiv_query",
            key="2603.00001",
            arxiv_id="2603.00001",
            title="Sheep",
            abstract=abstract,
            listed_on=TODAY,
            seen_at=NOON + timedelta(days=days),
        )
        ingest([seen], now=NOON + timedelta(days=days))

    hear("We count sheep.", days=0)
    hear("We count sheep.", days=1)
    (item,) = client.get("/feeds/today.json").json()["items"]
    assert item["date_modified"] == NOON.isoformat()
    hear("We count sheep and goats.", days=2)
    (item,) = client.get("/feeds/today.json").json()["items"]
    assert item["date_modified"] == (NOON + timedelta(days=2)).isoformat()
    assert item["date_published"] == NOON.isoformat()
    assert "<lastmod>2026-03-20T12:00:00Z</lastmod>" in client.get(sitemap_with(Paper.objects.get())).content.decode()


@pytest.mark.parametrize("text", ["loses <half of it", "emits `<swi>` & `</swi>`", "<img src=x> <a href=y>click</a>"])
@pytest.mark.parametrize("path", FEEDS)
def test_a_feed_program_reads_abstracts_as_the_text_they_are(client: Client, path: str, text: str) -> None:
    place(make_paper(title="Only", abstract=text), make_topic("vision"))

    summary = xml(client.get(f"{path}atom")).find(f"{ATOM}entry/{ATOM}content")

    assert (summary.attrib["type"], summary.text) == ("text", text)


def test_entries_lead_to_the_paper_elsewhere_its_file_and_its_code(client: Client) -> None:
    make_paper(title="Only", arxiv_id="2603.00002", code_url="https://github.com/a/b", project_url="javascript:x")

    related = xml(client.get("/feeds/today.atom")).findall(f"{ATOM}entry/{ATOM}link[@rel='related']")
    (item,) = client.get("/feeds/today.json").json()["items"]

    assert [(each.attrib["href"], each.attrib["type"]) for each in related] == [
        ("https://arxiv.org/abs/2603.00002", "text/html"),
        ("https://arxiv.org/pdf/2603.00002", "application/pdf"),
        ("https://github.com/a/b", "text/html"),
    ]
    assert [each["mime_type"] for each in item["attachments"]] == ["application/pdf"]


def test_a_topic_feed_holds_all_of_two_days_and_at_least_the_usual_number(client: Client) -> None:
    topic, now = make_topic("vision"), timezone.now()
    for number in range(PAPERS_PER_FEED):
        place(make_paper(title=f"Old {number}", first_seen_at=now - timedelta(days=9)), topic)
    assert len(client.get("/feeds/topic/vision.json").json()["items"]) == PAPERS_PER_FEED
    for number in range(PAPERS_PER_FEED + 5):
        place(make_paper(title=f"New {number}", first_seen_at=now - timedelta(hours=47)), topic)

    found = [item["title"] for item in client.get("/feeds/topic/vision.json").json()["items"]]

    assert len(found) == PAPERS_PER_FEED + 5
    assert all(title.startswith("New") for title in found)


@pytest.mark.parametrize("path", ["/feeds/editions.atom", *(f"{path}atom" for path in FEEDS)])
def test_an_empty_feed_stays_the_same(client: Client, path: str) -> None:
    make_topic("vision")

    first = client.get(path)

    assert client.get(path, headers={"if-none-match": first["ETag"]}).status_code == 304


def test_before_there_is_a_daily_list_the_feed_holds_the_front_page(client: Client) -> None:
    make_paper(title="Older", listed_on=None, upvotes=9, first_seen_at=NOON - timedelta(days=1))
    make_paper(title="Newer", listed_on=None)

    items = json.loads(client.get("/feeds/today.json").content)["items"]

    assert [item["title"] for item in items] == titles(client.get("/")) == ["Newer", "Older"]


def test_pages_lead_to_their_feeds(client: Client) -> None:
    make_paper()
    make_topic("vision")

    for path, feed in (("/", "today"), ("/trending/", "trending"), ("/topic/vision/", "topic/vision")):
        links = parsed(client.get(path)).findall("head/link[@rel='alternate']")
        assert [link.attrib["href"] for link in links] == [f"/feeds/{feed}.atom", f"/feeds/{feed}.json"]


# --- sitemap, caching, weight ---------------------------------------------------------------------------------------


def test_the_sitemap_leads_to_every_public_page_by_our_own_address(client: Client) -> None:
    make_topic("vision")
    paper = make_paper()

    parts = locations(client.get("/sitemap.xml", headers={"host": "localhost"}))
    pages = [location for part in parts for location in locations(client.get(part.removeprefix(SITE), follow=False))]

    assert all(part.startswith(f"{SITE}/") for part in parts)
    assert {f"{SITE}/", f"{SITE}/trending/", f"{SITE}/topic/vision/", f"{SITE}/date/2026-03-18/"} <= set(pages)
    assert f"{SITE}/paper/{paper.pk}/" in pages
    for location in pages:
        assert client.get(location.removeprefix(SITE)).status_code == 200, location


def test_the_sitemap_says_when_lists_and_topics_last_changed(client: Client) -> None:
    topic, empty = make_topic("vision"), make_topic("robotics")
    place(make_paper(listed_on=NOON.date()), topic)
    place(make_paper(listed_on=NOON.date() - timedelta(days=1)), topic)

    page = client.get("/sitemap-pages.xml").content.decode()

    for path in ("", "trending/", "date/2026-03-18/", "week/2026-W12/", "month/2026-03/", "topic/vision/"):
        assert f"<loc>{SITE}/{path}</loc><lastmod>2026-03-18</lastmod>" in page, path
    assert f"<loc>{SITE}/date/2026-03-17/</loc><lastmod>2026-03-17</lastmod>" in page
    assert f"<loc>{SITE}/topic/{empty.slug}/</loc></url>" in page


@pytest.mark.django_db
def test_phones_are_told_the_sites_name_and_icons(client: Client, settings: SettingsWrapper) -> None:
    settings.SITE_NAME = "Papers of the Reading Room"
    told = client.get("/site.webmanifest").json()
    assert told["name"] == "Papers of the Reading Room"
    assert len(told["short_name"]) <= 12
    assert told["icons"][1]["src"] == "/apple-touch-icon.png"
    for path in ("/favicon.ico", "/apple-touch-icon.png"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert answer["Content-Type"].startswith("image/")


def test_robots_are_told_where_the_sitemap_is(client: Client) -> None:
    response = client.get("/robots.txt")

    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert f"Sitemap: {SITE}/sitemap.xml" in response.content.decode()


@pytest.mark.parametrize("path", ["/", "/trending/", "/feeds/today.atom", "/feeds/today.json", "/sitemap.xml"])
def test_what_has_not_changed_is_answered_304_without_a_cookie(client: Client, path: str) -> None:
    paper = make_paper()

    first = client.get(path)
    again = client.get(path, headers={"if-none-match": first["ETag"]})
    paper.title = "Changed meanwhile"
    paper.pk = None
    paper.arxiv_id = None
    paper.save()
    changed = client.get(path, headers={"if-none-match": first["ETag"]})

    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    assert not first.cookies
    assert "public" in first["Cache-Control"]
    assert "Cookie" not in first.get("Vary", "")
    if path != "/sitemap.xml":
        assert changed.status_code == 200


def test_a_first_page_of_fifty_papers_stays_under_sixty_kilobytes_on_the_wire(client: Client) -> None:
    topics = [make_topic(slug) for slug in ("vision", "code", "graphs")]
    words = ["representation", "transformer", "benchmark", "evaluation", "gradient", "diffusion", "inference", "proof"]
    for number in range(50):
        varied = [f"{words[(number * step) % 8]}{(number * 7919 + step * 104729) % 9973}" for step in range(170)]
        paper = make_paper(
            title=" ".join(varied[:12]),
            abstract=" ".join(varied),
            authors=[f"Author {number} {step}" for step in range(8)],
            code_url=f"https://github.com/lab{number}/repository{number}",
            upvotes=number + 1,
        )
        for topic in topics:
            place(paper, topic, primary=topic == topics[0])

    page = client.get("/").content

    assert len(html5lib.parse(page.decode(), namespaceHTMLElements=False).findall(".//article")) == 50
    assert len(gzip.compress(page, 6)) < 60_000
