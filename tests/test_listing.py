"""The public pages as a reader's browser gets them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import html5lib
import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.views import defaults
from django.views.csrf import csrf_failure

from newsletter.models.papers import BEGUN
from subscriptions.models import Topic
from tests.builders import NOON, make_edition, make_paper, make_topic

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.test import RequestFactory

    from newsletter.models import Paper

pytestmark = pytest.mark.django_db

TODAY = NOON.date()  # a Wednesday
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'-alert(1)-'",
    "</title><svg onload=alert(1)>",
    "{{ settings.SECRET_KEY }} {% debug %}",
    "<!-- --!> <b>bold</b> ]]>",
    "&lt;i&gt; &amp;amp;",
    "a" * 300,
    "\u202eevil\u202c \u2067mixed\u2069",
    "x < y > z and $\\alpha$",
]


def place(paper: Paper, topic: Topic, *, primary: bool = True) -> Paper:
    paper.paper_topics.create(topic=topic, score=0.9, is_primary=primary)
    return paper


def parsed(response: HttpResponse) -> ElementTree.Element:
    return html5lib.parse(response.content.decode(), namespaceHTMLElements=False)


def text_of(element: ElementTree.Element) -> str:
    return " ".join("".join(element.itertext()).split())


def titles(response: HttpResponse) -> list[str]:
    return [text_of(each) for each in parsed(response).iterfind(".//*[@class='paper-title']")]


OUR_SCRIPTS = [f"/static/newsletter/{name}.js" for name in ("site", "lists", "signup")]


def scripts(page: ElementTree.Element) -> list[str | None]:
    """The sources of the scripts a browser would run; None for an inline one. Data blocks are not scripts."""
    runs = [each for each in page.iter("script") if each.attrib.get("type") != "application/ld+json"]
    return [each.attrib.get("src") for each in runs]


def drawings(page: ElementTree.Element) -> int:
    return len([each for each in page.iter() if str(each.tag).endswith("svg")])


def hrefs(response: HttpResponse) -> list[str]:
    return [each.attrib["href"] for each in parsed(response).iter("a") if "href" in each.attrib]


def test_the_front_page_shows_the_newest_day_that_has_papers(client: Client) -> None:
    make_paper(title="Of yesterday", listed_on=TODAY - timedelta(days=1))
    make_paper(title="Of today", listed_on=TODAY)

    assert titles(client.get("/")) == ["Of today"]


def test_a_day_is_ranked_by_its_trend_and_then_by_votes(client: Client) -> None:
    make_paper(title="Loved", score_daily=0, upvotes=90)
    make_paper(title="Rising", score_daily=3, upvotes=1)
    make_paper(title="Quiet", score_daily=0, upvotes=2)

    response = client.get("/date/2026-03-18/")

    assert titles(response) == ["Rising", "Loved", "Quiet"]
    ranks = [text_of(each) for each in parsed(response).iterfind(".//*[@class='paper-rank']")]
    assert ranks == ["Rank 1", "Rank 2", "Rank 3"]


def test_previous_and_next_lead_to_the_nearest_days_with_papers(client: Client) -> None:
    for day in (date(2026, 3, 2), TODAY, date(2026, 3, 23)):
        make_paper(listed_on=day)
    make_paper(listed_on=date(2026, 3, 17), is_hidden=True)

    turns = parsed(client.get("/date/2026-03-18/")).findall(".//*[@data-turn]")

    assert {turn.attrib["rel"]: turn.attrib["href"] for turn in turns} == {
        "prev": "/date/2026-03-02/",
        "next": "/date/2026-03-23/",
    }


def test_without_any_day_the_front_page_is_the_catalogue(client: Client) -> None:
    make_paper(title="From a saved page", listed_on=None, published_on=None, arxiv_id=None)

    response = client.get("/")

    assert titles(response) == ["From a saved page"]
    assert "No daily list has been fetched yet" in response.content.decode()


def test_an_empty_site_says_why_it_is_empty(client: Client) -> None:
    response = client.get("/")

    assert response.status_code == 200
    assert "No papers have been imported yet" in response.content.decode()


@time_machine.travel(datetime(2026, 3, 19, 12, 0, tzinfo=UTC), tick=False)
@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("2026-03-14", "arXiv does not announce papers on Saturdays and Sundays"),
        ("2026-03-20", "This day is in the future"),
        ("2026-03-10", "Our lists start later"),
        ("2026-03-17", "No paper was listed on this day"),
    ],
)
def test_an_empty_day_says_why_and_is_not_indexed(client: Client, day: str, words: str) -> None:
    make_paper(listed_on=date(2026, 3, 12))
    make_paper(listed_on=TODAY)

    response = client.get(f"/date/{day}/")

    page = response.content.decode()
    assert response.status_code == 200
    assert words in page
    assert '<meta name="robots" content="noindex">' in page


@pytest.mark.parametrize("path", ["/date/2026-02-30/", "/date/2026-13-01/", "/topic/no-such/", "/paper/99999/"])
def test_addresses_of_nothing_are_answered_404_in_our_own_style(client: Client, path: str) -> None:
    response = client.get(path)

    assert response.status_code == 404
    assert "Page not found" in response.content.decode()
    assert "site-header" in response.content.decode()


def test_a_number_too_large_for_the_database_is_a_plain_404(client: Client) -> None:
    assert client.get(f"/paper/{10**40}/").status_code == 404


@pytest.mark.parametrize("page", ["0", "-1", "2", "abc", "", "1.5", "٣", "99999999999999999999"])
def test_a_page_that_does_not_exist_is_404(client: Client, page: str) -> None:
    make_paper()

    assert client.get("/", {"page": page}).status_code == 404


def test_long_days_are_cut_into_pages_that_lead_to_each_other(client: Client) -> None:
    for number in range(51):
        make_paper(title=f"Paper {number}", score_daily=100 - number)

    first, second = client.get("/date/2026-03-18/"), client.get("/date/2026-03-18/?page=2")

    assert len(titles(first)) == 50
    assert titles(second) == ["Paper 50"]
    assert "/date/2026-03-18/?page=2" in hrefs(first)
    assert "/date/2026-03-18/" in hrefs(second)
    assert text_of(parsed(second).find(".//*[@class='paper-rank']")) == "Rank 51"


def test_hidden_and_merged_papers_are_nowhere(client: Client) -> None:
    topic = make_topic("vision")
    kept = place(make_paper(title="Kept"), topic)
    hidden = place(make_paper(title="Hidden", is_hidden=True), topic)
    merged = place(make_paper(title="Merged", merged_into=kept), topic)

    for path in ("/", "/date/2026-03-18/", "/topic/vision/"):
        assert titles(client.get(path)) == ["Kept"], path
    assert client.get(f"/paper/{hidden.pk}/").status_code == 404
    response = client.get(f"/paper/{merged.pk}/")
    assert (response.status_code, response["Location"]) == (301, f"/paper/{kept.pk}/")


def test_a_paper_merged_into_a_hidden_one_ends_at_404(client: Client) -> None:
    merged = make_paper(merged_into=make_paper(is_hidden=True))

    assert client.get(f"/paper/{merged.pk}/", follow=True).status_code == 404


def test_a_list_that_has_just_begun_does_not_take_the_front_page(client: Client) -> None:
    make_paper(title="Yesterday", listed_on=TODAY - timedelta(days=1))
    for number in range(BEGUN - 1):
        make_paper(title=f"Today {number}", listed_on=TODAY)

    with time_machine.travel(NOON, tick=False):
        assert titles(client.get("/")) == ["Yesterday"]
        assert f"/date/{TODAY}/" in hrefs(client.get("/"))
        last = make_paper(title="Today last", listed_on=TODAY)
        assert len(titles(client.get("/"))) == BEGUN
        last.delete()
    with time_machine.travel(NOON + timedelta(days=1), tick=False):
        assert len(titles(client.get("/"))) == BEGUN - 1, "when its day is over, it stands as it is"


def test_the_newest_of_a_topic_are_the_newest_whatever_list_had_them(client: Client) -> None:
    topic = make_topic("vision")
    place(make_paper(title="Of an old list", listed_on=TODAY - timedelta(days=9)), topic)
    place(make_paper(title="Of arXiv alone", listed_on=None, published_on=TODAY - timedelta(days=1)), topic)
    place(make_paper(title="Of today's list", listed_on=TODAY, published_on=TODAY - timedelta(days=3)), topic)

    assert titles(client.get("/topic/vision/")) == ["Of today's list", "Of arXiv alone", "Of an old list"]


def test_a_topic_shows_its_assigned_papers_newest_day_first(client: Client) -> None:
    topic = make_topic("vision")
    place(make_paper(title="Old and loud", listed_on=date(2026, 3, 1), score_daily=9), topic)
    place(make_paper(title="New", listed_on=TODAY), topic)
    place(make_paper(title="Catalogued", listed_on=None, published_on=date(2026, 2, 1)), topic)
    make_paper(title="Doubtful").paper_topics.create(topic=topic, score=0.1, is_assigned=False)
    make_paper(title="Elsewhere")

    assert titles(client.get("/topic/vision/")) == ["New", "Old and loud", "Catalogued"]


def test_a_topic_without_papers_says_so(client: Client) -> None:
    make_topic("vision")

    assert "No paper on this topic yet" in client.get("/topic/vision/").content.decode()


def test_a_retired_topic_has_no_page_no_chip_and_no_link(client: Client) -> None:
    topic = make_topic("alchemy", is_active=False)
    paper = place(make_paper(), topic)

    assert client.get("/topic/alchemy/").status_code == 404
    for path in ("/", "/topics/", f"/paper/{paper.pk}/"):
        assert "alchemy" not in client.get(path).content.decode().lower(), path


def test_a_paper_shows_what_is_known_of_it(client: Client) -> None:
    paper = make_paper(
        title="A grand study",
        arxiv_id="2603.12345",
        abstract="All of the abstract. " * 40,
        authors=["Ada Lovelace", "Alan Turing"],
        upvotes=1234,
        github_stars=7,
        code_url="https://github.com/ada/engine",
        project_url="https://ada.example.org/",
    )
    place(paper, make_topic("vision"))

    for path in ("/", f"/paper/{paper.pk}/"):
        response = client.get(path)
        page = text_of(parsed(response))
        links = hrefs(response)
        assert "A grand study" in page
        assert "Ada Lovelace, Alan Turing" in page
        assert ("All of the abstract. " * 40).strip() in page
        assert {"https://arxiv.org/pdf/2603.12345", "https://github.com/ada/engine", "/topic/vision/"} <= set(links)
        assert "https://ada.example.org/" in links
    assert "1,234 upvotes" in text_of(parsed(client.get("/")))
    assert "7 stars" in text_of(parsed(client.get("/")))


def test_what_is_unknown_leaves_no_gap_in_the_page(client: Client) -> None:
    paper = make_paper(arxiv_id=None, authors=[], abstract="", published_on=None, listed_on=None)

    for path in ("/", f"/paper/{paper.pk}/"):
        page = client.get(path).content.decode()
        assert "None" not in page
        assert "arxiv.org/pdf" not in page
        assert "upvote" not in page.lower()


def test_a_list_ordered_by_trend_says_why_each_paper_trends(client: Client) -> None:
    gain = {"upvotes_gain": 41, "hours": 24.0, "cohort_median": 6}
    place(make_paper(score_daily=2, score_parts={"daily": gain}), make_topic("vision"))
    make_paper(title="Unmeasured")

    today, newest = client.get("/"), client.get("/topic/vision/")

    whys = [text_of(each) for each in parsed(today).iterfind(".//*[@class='paper-why']")]
    assert whys == ["+41 in 24 h"]
    assert "Ranked by how fast" in today.content.decode()
    assert "paper-why" not in newest.content.decode()


def test_an_unmeasured_day_claims_no_ranking(client: Client) -> None:
    make_paper(upvotes=3)

    page = client.get("/").content.decode()

    assert "Ranked by how fast" not in page
    assert "paper-why" not in page


def test_a_withdrawn_paper_says_so(client: Client) -> None:
    paper = make_paper(withdrawn_at=NOON)

    assert "Withdrawn by its authors" in client.get("/").content.decode()
    assert "withdrew this paper" in client.get(f"/paper/{paper.pk}/").content.decode()


def test_many_authors_are_cut_short_in_lists_and_whole_on_the_paper_page(client: Client) -> None:
    names = [f"Author {number}" for number in range(1, 31)]
    paper = make_paper(authors=names)

    assert "Author 4 and others" in text_of(parsed(client.get("/")))
    assert "Author 5" not in text_of(parsed(client.get("/")))
    assert ", ".join(names) in text_of(parsed(client.get(f"/paper/{paper.pk}/")))


def test_the_banner_posts_an_address_to_the_signup(client: Client) -> None:
    paper = make_paper()
    make_topic("vision")

    for path in ("/", "/date/2026-03-18/", "/topic/vision/", "/topics/", f"/paper/{paper.pk}/"):
        form = parsed(client.get(path)).find(".//form[@action='/subscribe/']")
        assert form.attrib["method"] == "post", path
        assert form.find(".//input[@type='email']").attrib["name"] == "email"
        page = text_of(parsed(client.get(path)))
        assert ("talk about, in your inbox" if path == "/" else "Get trending papers in your inbox") in page
        assert "Subscribe" in page


def test_the_front_page_tells_a_stranger_what_it_is_who_runs_it_and_how_to_leave(client: Client, settings: Any) -> None:
    settings.PRIVACY_CONTROLLER = "The Example Society"
    topics = Topic.objects.filter(is_active=True).count()
    for number in range(2):
        make_paper(title=f"A study {number}", listed_on=timezone.now().date())
    edition = make_edition(state="done")
    response = client.get("/")
    page = text_of(parsed(response))
    assert f"2 new papers this week, {topics} topics: you get the few that fit yours, at your hour." in page
    assert "Run by The Example Society" in page
    assert "One click to leave" in page
    assert {edition.get_absolute_url(), "/privacy/"} <= set(hrefs(response))
    assert "Run by" not in text_of(parsed(client.get("/topic/vision/")))


def test_every_page_has_its_own_title_a_description_and_its_canonical_address(client: Client) -> None:
    paper = make_paper(title="A grand study")
    make_topic("vision", name="Computer vision")
    seen = set()

    for path in ("/", "/topic/vision/", "/topics/", f"/paper/{paper.pk}/"):
        head = parsed(client.get(path)).find("head")
        seen.add(head.find("title").text)
        assert head.find("meta[@name='description']").attrib["content"].strip()
        assert head.find("link[@rel='canonical']").attrib["href"] == f"https://papers.example.org{path}"
    assert len(seen) == 4


def test_the_canonical_address_never_comes_from_the_host_header(client: Client) -> None:
    make_paper()

    assert "localhost" not in client.get("/", headers={"host": "localhost"}).content.decode()
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (lambda request: defaults.server_error(request), "Something went wrong on our side"),
        (lambda request: defaults.bad_request(request, ValueError()), "We could not read that request"),
        (lambda request: defaults.permission_denied(request, ValueError()), "You do not have access to this page"),
        (lambda request: csrf_failure(request), "This form has expired"),
    ],
)
def test_error_pages_stand_alone(
    rf: RequestFactory, handler: Callable[[HttpRequest], HttpResponse], words: str
) -> None:
    response = handler(rf.get("/anything/"))

    assert response.status_code in {400, 403, 500}
    page = text_of(parsed(response))
    assert words in page
    assert "Paperboy" in page


@pytest.mark.any_database
@pytest.mark.parametrize("hostile", HOSTILE)
def test_paper_data_is_text_whatever_it_holds(client: Client, hostile: str) -> None:
    topic = make_topic("hostile", name=hostile[:80], description=hostile)
    paper = make_paper(
        title=hostile,
        abstract=hostile * 3,
        authors=[hostile],
        organization=hostile[:200],
        categories=[hostile],
        url=f"javascript:alert(1)//{hostile}"[:200],
        code_url=f"javascript:alert(1)//{hostile}"[:200],
        project_url=f"data:text/html,{hostile}"[:200],
        arxiv_id=hostile[:32],
    )
    place(paper, topic)

    for path in ("/", "/trending/", "/topic/hostile/", "/topics/", f"/paper/{paper.pk}/"):
        response = client.get(path)
        page = parsed(response)
        assert response.status_code == 200
        assert scripts(page) == OUR_SCRIPTS, path
        assert {image.get("src") for image in page.iter("img")} <= {f"/picture/hostile/{paper.pk % 10}.svg"}
        assert not list(page.iter("b"))
        assert drawings(page) == drawings(parsed(client.get("/privacy/"))), "those of the frame"
        for element in page.iter():
            assert not [name for name in element.attrib if str(name).startswith("on") or name == "style"]
        assert {urlsplit(href).scheme for href in hrefs(response)} <= {"", "https", "mailto"}
        if path != "/topics/":
            name = page.find(".//h1" if path.startswith("/paper") else ".//*[@class='paper-title']")
            assert text_of(name) == " ".join(hostile.split())


@pytest.mark.parametrize("path", ["/", "/date/2026-03-18/", "/topic/vision/", "/topics/"])
def test_the_number_of_queries_does_not_grow_with_the_papers(client: Client, path: str) -> None:
    topics = [make_topic(slug) for slug in ("vision", "code", "graphs")]

    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert client.get(path).status_code == 200
        return len(captured)

    place(make_paper(), topics[0])
    queries()  # what the front page says of the site is counted once in ten minutes
    few = queries()
    for _ in range(20):
        paper = make_paper()
        for topic in topics:
            place(paper, topic, primary=topic == topics[0])

    assert queries() == few
    assert few <= 8


def test_pages_run_under_the_strict_policy(client: Client) -> None:
    make_paper(abstract="Long. " * 100)

    response = client.get("/")

    assert "script-src 'self'" in response["Content-Security-Policy"]
    page = parsed(response)
    assert not list(page.iter("style"))
    assert scripts(page) == OUR_SCRIPTS
    for element in page.iter():
        for name in ("src", "href", "action"):
            if element.tag != "a" and name in element.attrib:
                assert urlsplit(element.attrib[name]).netloc in {"", "papers.example.org"}


def test_a_form_in_another_charset_is_a_bad_request_and_no_error_of_ours() -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32  # only then is a form looked for
    answer = client.post("/", b"a=b", content_type="application/x-www-form-urlencoded; charset=latin1")
    assert answer.status_code == 400
