"""The search page: what it shows, that whatever is typed is answered by a sentence, and that every page leads to it."""

from datetime import date, timedelta
from urllib.parse import urlencode

import pytest
from defusedxml.ElementTree import fromstring
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from newsletter import search
from newsletter.views.page_context import PAPERS_PER_PAGE
from tests.builders import assign, make_paper

pytestmark = pytest.mark.django_db


def keep_up() -> None:
    search.keep_up(now=timezone.now(), deadline=timezone.now() + timedelta(minutes=1))


def ask(client: Client, text: str, **more: str) -> HttpResponse:
    return client.get("/search/?" + urlencode({"q": text, **more}))


def order_of(page: str, *titles: str) -> list[str]:
    return sorted((title for title in titles if title in page), key=page.index)


def test_papers_are_listed_best_first_with_the_query_in_the_box(client: Client) -> None:
    make_paper(title="A study of cells", abstract="A robot is named once.")
    make_paper(title="Robot hands", abstract="A robot with robot hands.")
    make_paper(title="Glaciers")
    keep_up()
    page = ask(client, "robot hands").content.decode()
    assert order_of(page, "A study of cells", "Robot hands", "Glaciers") == ["Robot hands", "A study of cells"]
    assert 'name="q" value="robot hands"' in page


def test_the_order_can_be_by_day_and_by_votes(client: Client) -> None:
    make_paper(title="Robot walking", listed_on=date(2026, 3, 1), upvotes=5)
    make_paper(title="Robot running", listed_on=date(2026, 3, 3), upvotes=1)
    make_paper(title="Robot jumping", listed_on=date(2026, 3, 2), upvotes=9)
    keep_up()
    newest = ask(client, "robot", sort="newest").content.decode()
    assert order_of(newest, "Robot walking", "Robot running", "Robot jumping") == [
        "Robot running",
        "Robot jumping",
        "Robot walking",
    ]
    votes = ask(client, "robot", sort="votes").content.decode()
    assert order_of(votes, "Robot walking", "Robot running", "Robot jumping")[0] == "Robot jumping"
    assert "q=robot&amp;sort=votes" in votes
    assert ask(client, "robot", sort="random").status_code == 404


def test_fields_alone_list_the_newest_first(client: Client) -> None:
    assign(make_paper(title="Old vision", listed_on=date(2026, 3, 1)), "vision")
    assign(make_paper(title="New vision", listed_on=date(2026, 3, 2)), "vision")
    page = ask(client, "topic:vision").content.decode()
    assert order_of(page, "Old vision", "New vision") == ["New vision", "Old vision"]


def test_long_results_are_paged_and_no_paper_is_lost_between_pages(client: Client) -> None:
    for number in range(PAPERS_PER_PAGE + 7):
        make_paper(title=f"Robot number {number:03}")
    keep_up()
    pages = [ask(client, "robot", page=number).content.decode() for number in ("1", "2")]
    shown = [[n for n in range(PAPERS_PER_PAGE + 7) if f"Robot number {n:03}" in page] for page in pages]
    assert [len(one) for one in shown] == [PAPERS_PER_PAGE, 7]
    assert sorted(shown[0] + shown[1]) == list(range(PAPERS_PER_PAGE + 7))
    assert "?q=robot&amp;page=2" in pages[0]
    assert ask(client, "robot", page="3").status_code == 404


def test_a_slip_of_the_keyboard_is_told_and_can_be_searched_for_as_written(client: Client) -> None:
    for number in range(3):
        make_paper(title=f"Diffusion transformers {number}")
    keep_up()
    page = ask(client, "Difusion has:code transfomers").content.decode()
    assert "Showing results for <strong>diffusion has:code transformers</strong>" in page
    assert "q=%22difusion%22%20has%3Acode%20%22transfomers%22" in page


def test_an_empty_search_shows_what_can_be_searched_for(client: Client) -> None:
    page = client.get("/search/").content.decode()
    assert "author:bengio" in page
    assert "autofocus" in page
    assert "No papers found" not in page


def test_a_search_that_finds_nothing_says_so_and_helps(client: Client) -> None:
    page = ask(client, "zyxwvut").content.decode()
    assert "No papers found." in page
    assert "author:bengio" in page


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x" * 5000, "300 characters"),
        ("word " * 55, "too many words. Use at most 40"),
        ("colour:red", "no field “colour:”"),
        ("<script>:x", "script"),
        ("topic:<b>", "no topic “&lt;b&gt;”"),
        ("after:soon", "“soon” is not a date"),
        ("the of and", "too common"),
        ("日本語", "in English"),
    ],
)
def test_what_cannot_be_searched_for_is_answered_by_a_sentence(client: Client, text: str, sentence: str) -> None:
    answer = ask(client, text)
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert "<script>:" not in answer.content.decode()


@pytest.mark.parametrize(
    "text",
    [
        "'\"; DROP TABLE x; --",
        "a AND NOT (b OR c) NEAR/2",
        "title:*",
        "%_%",
        "\x00\ud7ff",
        "& | ! <->",
        "-x ^y ~z *",
        "(((((((",
    ],
)
def test_the_databases_query_languages_are_out_of_reach(client: Client, text: str) -> None:
    make_paper(title="A b c")
    keep_up()
    assert ask(client, text).status_code == 200


def test_other_search_engines_leave_it_out_and_proxies_may_keep_it(client: Client) -> None:
    answer = ask(client, "robots")
    assert answer["X-Robots-Tag"] == "noindex"
    assert '<meta name="robots" content="noindex">' in answer.content.decode()
    assert "public" in answer["Cache-Control"]
    assert not answer.cookies


def test_the_number_of_queries_does_not_grow_with_the_papers(
    client: Client, django_assert_max_num_queries: object
) -> None:
    counts = []
    for few in (5, 30):
        for number in range(few):
            assign(make_paper(title=f"Robot {few} {number}"), "robotics")
        keep_up()
        ask(client, "robot")
        with django_assert_max_num_queries(20) as captured:  # type: ignore[operator]
            ask(client, "robot")
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_every_page_leads_to_the_search(client: Client) -> None:
    for path in ("/", "/topics/", "/subscribe/", "/privacy/"):
        page = client.get(path, follow=True).content.decode()
        assert 'role="search"' in page
        assert 'href="/search/"' in page
        assert 'type="application/opensearchdescription+xml"' in page


def test_browsers_learn_where_to_search(client: Client) -> None:
    answer = client.get("/opensearch.xml")
    assert answer["Content-Type"].startswith("application/opensearchdescription+xml")
    root = fromstring(answer.content)
    (address,) = root.findall("{http://a9.com/-/spec/opensearch/1.1/}Url")
    assert address.get("template") == "https://papers.example.org/search/?q={searchTerms}"


def test_the_page_speaks_german(client: Client) -> None:
    page = client.get("/search/?q=after:bald", headers={"Accept-Language": "de"}).content.decode()
    assert "„bald“ ist kein Datum" in page
