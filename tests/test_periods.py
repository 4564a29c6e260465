"""Days, weeks and months as pages people bookmark, and the filters that every list has."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from newsletter.views.period_urls import MonthConverter, WeekConverter, period_around
from tests.builders import NOON, assign, make_paper, make_topic
from tests.test_listing import hrefs, parsed, text_of, titles

if TYPE_CHECKING:
    from django.http import HttpResponse
    from django.test import Client

pytestmark = pytest.mark.django_db

SITE = "https://papers.example.org"
TODAY = NOON.date()  # Wednesday of week 12
LISTS = ["/date/2026-03-18/", "/week/2026-W12/", "/month/2026-03/", "/trending/"]


def canonical(response: HttpResponse) -> str:
    return str(parsed(response).find("head/link[@rel='canonical']").attrib["href"])


def turns(response: HttpResponse) -> dict[str, str]:
    return {each.attrib["rel"]: each.attrib["href"] for each in parsed(response).findall(".//*[@data-turn]")}


# --- periods --------------------------------------------------------------------------------------------------------


def test_a_week_runs_from_monday_to_sunday_and_is_ranked_by_its_own_trend(client: Client) -> None:
    make_paper(title="Sunday before", listed_on=date(2026, 3, 15))
    make_paper(title="Monday", listed_on=date(2026, 3, 16), score_weekly=1, score_daily=9)
    make_paper(title="Sunday", listed_on=date(2026, 3, 22), score_weekly=2)
    make_paper(title="Monday after", listed_on=date(2026, 3, 23))
    make_paper(title="Hidden", listed_on=date(2026, 3, 18), is_hidden=True)

    response = client.get("/week/2026-W12/")

    assert titles(response) == ["Sunday", "Monday"]
    page = text_of(parsed(response))
    assert "Week 12, 2026" in page
    assert "16–22 March 2026" in page


def test_a_month_holds_all_its_days_and_is_ranked_by_its_own_trend(client: Client) -> None:
    make_paper(title="February", listed_on=date(2026, 2, 28))
    make_paper(title="First", listed_on=date(2026, 3, 1), score_monthly=1, score_weekly=9)
    make_paper(title="Last", listed_on=date(2026, 3, 31), score_monthly=2)
    make_paper(title="April", listed_on=date(2026, 4, 1))

    assert titles(client.get("/month/2026-03/")) == ["Last", "First"]


def test_weeks_and_months_turn_to_the_nearest_that_have_papers(client: Client) -> None:
    for day in (date(2025, 12, 29), TODAY, date(2026, 6, 1)):
        make_paper(listed_on=day)

    assert turns(client.get("/week/2026-W12/")) == {"prev": "/week/2026-W01/", "next": "/week/2026-W23/"}
    assert turns(client.get("/month/2026-03/")) == {"prev": "/month/2025-12/", "next": "/month/2026-06/"}


def test_a_day_leads_to_its_week_and_month_and_they_lead_to_their_newest_day(client: Client) -> None:
    for day in (date(2026, 3, 2), TODAY):
        make_paper(listed_on=day)

    assert {"/week/2026-W12/", "/month/2026-03/"} <= set(hrefs(client.get("/")))
    assert {"/date/2026-03-18/", "/week/2026-W12/"} <= set(hrefs(client.get("/month/2026-03/")))
    assert "/date/2026-03-02/" in hrefs(client.get("/week/2026-W10/"))


@pytest.mark.parametrize(
    "path",
    [
        *("/week/2026-W54/", "/week/2026-W00/", "/week/2025-W53/", "/week/0000-W01/", "/week/2026-12/"),
        *("/month/2026-13/", "/month/2026-00/", "/month/0000-01/", "/month/2026-3/", "/date/0000-01-01/"),
    ],
)
def test_weeks_and_months_that_no_calendar_has_are_404(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/week/2026-W53/", "/week/9999-W52/", "/month/9999-12/", "/date/9999-12-31/"])
def test_the_ends_of_the_calendar_are_pages_like_others(client: Client, path: str) -> None:
    make_paper()

    assert client.get(path).status_code == 200


@pytest.mark.parametrize("day", [date(1, 1, 1), date(2020, 12, 31), date(2021, 1, 3), date(2024, 2, 29), date.max])
def test_every_day_is_in_the_week_and_the_month_around_it(day: date) -> None:
    for kind, converter in (("week", WeekConverter()), ("month", MonthConverter())):
        period = period_around(kind, day)

        assert period.first <= day <= period.last
        assert converter.to_python(converter.to_url(day)) == period.first


def test_short_addresses_lead_to_the_newest_list(client: Client) -> None:
    make_paper(listed_on=date(2026, 3, 4))

    answers = {path: client.get(path) for path in ("/today/", "/week/", "/month/")}

    assert {path: answer["Location"] for path, answer in answers.items()} == {
        "/today/": "/",
        "/week/": "/week/2026-W10/",
        "/month/": "/month/2026-03/",
    }
    assert [answer.status_code for answer in answers.values()] == [301, 302, 302]


@time_machine.travel(datetime(2026, 3, 19, 12, 0, tzinfo=UTC), tick=False)
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/week/2026-W13/", "This week is in the future"),
        ("/month/2026-04/", "This month is in the future"),
        ("/week/2026-W01/", "Our lists start later"),
        ("/month/2025-12/", "Our lists start later"),
        ("/week/2026-W10/", "No list was published in this period"),
        ("/month/2026-02/", "No list was published in this period"),
        ("/date/2026-03-14/?code=yes", "arXiv does not announce papers on Saturdays and Sundays"),
    ],
)
def test_an_empty_period_says_why_and_is_not_indexed(client: Client, path: str, words: str) -> None:
    make_paper(listed_on=date(2026, 1, 15))
    make_paper(listed_on=TODAY)

    page = client.get(path).content.decode()

    assert words in page
    assert '<meta name="robots" content="noindex">' in page
    assert "No papers match your filters" not in page


# --- filters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LISTS)
def test_every_list_is_narrowed_by_topic_and_by_code(client: Client, path: str) -> None:
    assign(make_paper(title="Seen", score_daily=1, score_weekly=1, score_monthly=1), "vision")
    assign(make_paper(title="Seen and coded", code_url="https://github.com/a/b"), "vision", "code")
    assign(make_paper(title="Only coded", code_url="https://github.com/a/c"), "code")
    make_paper(title="Doubtful").paper_topics.create(topic=make_topic("vision"), score=0.1, is_assigned=False)

    assert titles(client.get(f"{path}?topic=vision")) == ["Seen", "Seen and coded"]
    assert set(titles(client.get(f"{path}?code=yes"))) == {"Seen and coded", "Only coded"}
    assert titles(client.get(f"{path}?topic=vision&code=yes")) == ["Seen and coded"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("topic", ["", "&topic=vision"])
def test_every_list_has_three_orders(client: Client, path: str, topic: str) -> None:
    for title, over in {
        "Rising": {"score_daily": 9, "score_weekly": 9, "score_monthly": 9, "upvotes": 1},
        "Loved": {"upvotes": 99},
        "Fresh": {"upvotes": 2},
    }.items():
        assign(make_paper(title=title, **over), "vision")
    newest = ["Fresh", "Loved", "Rising"] if path.startswith("/date") else ["Rising", "Loved", "Fresh"]

    assert titles(client.get(f"{path}?sort=trending{topic}")) == ["Rising", "Loved", "Fresh"]
    assert titles(client.get(f"{path}?sort=votes{topic}")) == ["Loved", "Fresh", "Rising"]
    assert titles(client.get(f"{path}?sort=newest{topic}")) == newest


@pytest.mark.parametrize("path", LISTS[1:])
def test_newest_puts_the_newest_day_first_and_its_best_papers_at_the_top(client: Client, path: str) -> None:
    for title, day, score in (("Old", 16, 9), ("New and quiet", 18, 0), ("New and loud", 18, 2)):
        assign(make_paper(title=title, listed_on=date(2026, 3, day), score_daily=score), "vision")

    for topic in ("", "&topic=vision"):
        assert titles(client.get(f"{path}?sort=newest{topic}")) == ["New and loud", "New and quiet", "Old"]


@pytest.mark.parametrize("path", [*LISTS, "/"])
@pytest.mark.parametrize("query", ["topic=no-such", "topic=vision%27", "sort=best", "code=no", "topic=alchemy"])
def test_a_filter_nobody_offers_is_404(client: Client, path: str, query: str) -> None:
    make_paper()
    make_topic("alchemy", is_active=False)

    assert client.get(f"{path}?{query}").status_code == 404


def test_what_others_hang_onto_an_address_is_overlooked(client: Client) -> None:
    make_paper()

    assert canonical(client.get("/date/2026-03-18/?utm_source=mail")) == f"{SITE}/date/2026-03-18/"


def test_papers_without_a_score_follow_those_with_one_through_all_pages(client: Client) -> None:
    for number in range(130):
        make_paper(title=f"Paper {number}", score_weekly=max(0, 60 - number), upvotes=1000 - number)

    shown = [titles(client.get(f"/week/2026-W12/?page={page}")) for page in (1, 2, 3)]

    assert [len(page) for page in shown] == [50, 50, 30]
    assert list(itertools.chain(*shown)) == [f"Paper {number}" for number in range(130)]
    assert client.get("/week/2026-W12/?page=4").status_code == 404


@pytest.mark.parametrize("path", LISTS)
def test_filters_that_leave_nothing_say_so_and_can_be_dropped_one_by_one(client: Client, path: str) -> None:
    assign(make_paper(), "code")
    vision = make_topic("vision")

    response = client.get(f"{path}?topic=vision&code=yes&sort=votes")

    page = text_of(parsed(response))
    assert f"none in {vision.name} with code" in page
    assert {f"{path}?sort=votes&code=yes", f"{path}?topic=vision&sort=votes"} <= set(hrefs(response))
    assert "none with code" in text_of(parsed(client.get(f"{path}?code=yes")))
    assert f"none in {vision.name}." in text_of(parsed(client.get(f"{path}?topic=vision")))


def test_each_combination_of_filters_is_one_address_that_leads_on_to_the_others(client: Client) -> None:
    assign(make_paper(code_url="https://github.com/a/b"), "vision")
    preferences = {"window": ["month"], "topic": ["vision"], "sort": ["newest", "votes"], "code": ["yes"]}
    options = [[None, *values] for values in preferences.values()]
    addresses = {
        "&".join(f"{name}={value}" for name, value in zip(preferences, chosen, strict=True) if value)
        for chosen in itertools.product(*options)
    }

    reached, waiting = set(), {""}
    while waiting:
        query = waiting.pop()
        reached.add(query)
        response = client.get(f"/trending/?{query}")
        assert response.status_code == 200, query
        links = {link.partition("?")[2] for link in hrefs(response) if link.partition("?")[0] == "/trending/"}
        waiting |= {link for link in links if "topic=" not in link or "topic=vision" in link} - reached

    assert reached == addresses


def test_the_chosen_topic_is_marked_and_named(client: Client) -> None:
    topic = make_topic("vision")
    assign(make_paper(), "vision")

    page = parsed(client.get("/week/2026-W12/?topic=vision"))

    picker = page.find(".//details")
    assert topic.name in text_of(picker.find("summary"))
    marked = [each for each in picker.iter("a") if "aria-current" in each.attrib]
    assert [text_of(each) for each in marked] == ["Trending", topic.name, "With and without code"]


def test_only_papers_with_a_score_trend_in_a_topic(client: Client) -> None:
    assign(make_paper(title="Now", score_weekly=1), "vision")
    assign(make_paper(title="Long ago", listed_on=TODAY - timedelta(days=40), upvotes=99), "vision")

    assert titles(client.get("/topic/vision/?sort=trending")) == ["Now"]
    assert titles(client.get("/topic/vision/")) == ["Now", "Long ago"]


def test_a_topic_where_nothing_trends_says_so(client: Client) -> None:
    make_paper()
    assign(make_paper(listed_on=TODAY - timedelta(days=40)), "vision")

    response = client.get("/topic/vision/?sort=trending")

    assert "Nothing is trending here right now" in response.content.decode()
    assert "/topic/vision/" in hrefs(response)


# --- for machines ---------------------------------------------------------------------------------------------------


def test_another_order_of_a_list_is_not_another_page_for_search_engines(client: Client) -> None:
    for number in range(51):
        assign(make_paper(title=f"Paper {number}"), "vision")
    week = "/week/2026-W12/"

    assert canonical(client.get(f"{week}?sort=votes")) == SITE + week
    assert canonical(client.get(f"{week}?topic=vision&sort=votes")) == f"{SITE}{week}?topic=vision"
    assert canonical(client.get(f"{week}?sort=votes&page=2")) == f"{SITE}{week}?sort=votes&page=2"
    assert canonical(client.get(f"{week}?page=1")) == SITE + week


def test_pages_of_a_list_name_the_ones_before_and_after(client: Client) -> None:
    for number in range(101):
        make_paper(title=f"Paper {number}")
    week = f"{SITE}/week/2026-W12/"

    def around(page: int) -> tuple[str | None, str | None]:
        head = parsed(client.get(f"/week/2026-W12/?sort=votes&page={page}")).find("head")
        found = [head.find(f"link[@rel='{rel}']") for rel in ("prev", "next")]
        before, after = (None if link is None else link.attrib["href"] for link in found)
        return before, after

    assert around(1) == (None, f"{week}?sort=votes&page=2")
    assert around(2) == (f"{week}?sort=votes", f"{week}?sort=votes&page=3")
    assert around(3) == (f"{week}?sort=votes&page=2", None)


@pytest.mark.parametrize("path", [*LISTS, "/", "/topic/vision/"])
def test_lists_tell_search_engines_their_papers_in_order(client: Client, path: str) -> None:
    papers = [assign(make_paper(upvotes=number), "vision") for number in (1, 3, 2)]

    block = parsed(client.get(f"{path}?sort=votes")).find(".//script[@type='application/ld+json']")

    facts = json.loads(block.text)
    assert facts["@type"] == "CollectionPage"
    assert facts["url"] == SITE + path
    assert [(item["position"], item["url"]) for item in facts["mainEntity"]["itemListElement"]] == [
        (place, f"{SITE}/paper/{papers[number].pk}/") for place, number in enumerate((1, 2, 0), start=1)
    ]


@pytest.mark.parametrize("path", [*LISTS, "/topic/vision/?sort=votes"])
def test_narrowed_lists_cost_the_same_queries_however_many_papers(client: Client, path: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            joined = "&" if "?" in path else "?"
            topic = "" if path.startswith("/topic") else "&topic=vision"
            assert titles(client.get(f"{path}{joined}code=yes{topic}"))
        return len(captured)

    assign(make_paper(code_url="https://github.com/a/b"), "vision")
    few = queries()
    for number in range(20):
        assign(make_paper(code_url=f"https://github.com/a/{number}"), "vision", "code")

    assert queries() == few
    assert few <= 10
