"""Reading by API: what the site shows and nothing else, in pages that do not shift, cheap to ask again."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from newsletter.api import request_checks as gateway
from newsletter.api import schemas
from newsletter.models import Edition, EditionItem, Paper
from newsletter.search import keep_up
from tests.builders import NOON, assign, make_edition, make_paper, make_reader, make_topic

pytestmark = pytest.mark.django_db

ROOT = "/api/v1/"
SITE = "https://papers.example.org"
HOSTILE = "<script>alert('x')</script> & $x_1$"
PARTS = {"upvotes_gain": 41, "hours": 24, "cohort_median": 6.0, "cohort_size": 120, "sources": {"hf_daily": 1.0}}


@pytest.fixture(autouse=True)
def _nobody_has_asked_yet() -> None:
    gateway.reads.clear()


def get(path: str, *, status: int = 200, **headers: str) -> Any:
    answer = Client().get(path if path.startswith("/") else ROOT + path, headers=headers)
    assert answer.status_code == status, answer.content
    return answer


def ids(path: str) -> list[int]:
    return [paper["id"] for paper in get(path).json()["papers"]]


def trending_paper(score: float, **over: Any) -> Paper:
    return make_paper(score_daily=score, score_parts={"daily": PARTS}, **over)


# --- lists ------------------------------------------------------------------------------------------------------------


def test_a_paper_tells_what_its_page_shows() -> None:
    paper = assign(
        make_paper(
            title=HOSTILE,
            code_url="https://github.com/a/b",
            project_url="javascript:alert(1)",
            thumbnail_url="data:text/html,x",
            categories=["cs.CV", "cs.LG"],
            organization="A lab",
            upvotes=7,
        ),
        "vision",
        "speech-audio",
    )
    (told,) = get("papers/").json()["papers"]
    assert (told["id"], told["arxiv_id"], told["title"]) == (paper.pk, paper.arxiv_id, HOSTILE)
    assert (told["code_url"], told["project_url"], told["thumbnail_url"]) == ("https://github.com/a/b", "", "")
    assert told["page_url"] == f"{SITE}/paper/{paper.pk}/"
    assert (told["pdf_url"], told["upvotes"]) == (f"https://arxiv.org/pdf/{paper.arxiv_id}", 7)
    assert [(topic["slug"], topic["is_primary"]) for topic in told["topics"]] == [
        ("vision", True),
        ("speech-audio", False),
    ]
    assert told["trend"] == {"day": None, "week": None, "month": None}
    assert schemas.Paper.model_validate(told)
    assert get(f"papers/{paper.pk}/").json() == told
    assert get(f"papers/arxiv/{paper.arxiv_id}/").json() == told


def test_hidden_and_merged_papers_are_in_no_list() -> None:
    shown = make_paper()
    make_paper(is_hidden=True)
    make_paper(merged_into=shown)
    assert ids("papers/") == [shown.pk]


def test_lists_are_narrowed_by_topic_day_span_and_code() -> None:
    today, before, long_ago = NOON.date(), NOON.date() - timedelta(days=1), date(2026, 1, 5)
    one = assign(make_paper(listed_on=today, code_url="https://github.com/a/b"), "vision")
    two = assign(make_paper(listed_on=before), "vision")
    three = make_paper(listed_on=long_ago)
    assert ids("papers/?topic=vision") == [two.pk, one.pk]
    assert ids(f"papers/?listed_on={before}") == [two.pk]
    assert ids(f"papers/?from={before}") == [one.pk, two.pk]
    assert ids(f"papers/?to={before}") == [two.pk, three.pk]
    assert ids(f"papers/?topic=vision&from={before}") == [one.pk, two.pk]
    assert ids(f"papers/?from={before}&to={before}") == [two.pk]
    assert ids("papers/?has_code=true") == [one.pk]
    assert ids("papers/?has_code=false&topic=vision") == [two.pk]


def test_lists_are_sorted_as_asked_and_trending_ones_hold_only_what_trends() -> None:
    slow, fast, voted = trending_paper(1.0), trending_paper(2.0), make_paper(upvotes=9)
    monthly = make_paper(score_monthly=1.0, score_parts={"monthly": PARTS})
    assert ids("papers/") == [monthly.pk, voted.pk, fast.pk, slow.pk]
    assert ids("papers/?sort=votes&listed_on=2026-03-18") == [voted.pk, monthly.pk, fast.pk, slow.pk]
    assert ids("papers/?sort=trending-day") == [fast.pk, slow.pk]
    assert ids("papers/?sort=trending-week") == []
    assert ids("papers/?sort=trending-month") == [monthly.pk]


@pytest.mark.parametrize("narrowed", ["", "topic=vision", "topic=vision&has_code=false"])
@pytest.mark.parametrize("sort", ["newest", "votes", "trending-day"])
def test_following_next_gives_every_paper_once_though_papers_come_and_go_meanwhile(sort: str, narrowed: str) -> None:
    papers = [
        assign(
            trending_paper(1 + number % 3 / 3, upvotes=number % 4, listed_on=NOON.date() - timedelta(days=number % 5)),
            "vision",
        )
        for number in range(11)
    ]
    seen: list[int] = []
    path: str | None = f"papers/?sort={sort}&limit=4&from=2026-03-01&to=2026-05-30&{narrowed}"
    while path:
        answer = get(path.removeprefix(SITE))
        found = answer.json()
        seen += [paper["id"] for paper in found["papers"]]
        path = found["next"]
        assert (f'<{path}>; rel="next"' if path else None) == answer.get("Link")
        assert path is None or ("from=2026-03-01" in path and path.startswith(SITE))
        if len(seen) == 4:
            assign(
                trending_paper(9.0, upvotes=99, listed_on=date(2026, 5, 30)), "vision"
            )  # before the first page: shifts no later one
            Paper.objects.filter(pk=seen[3]).update(is_hidden=True)  # the very paper that the cursor names
    assert sorted(seen) == sorted(paper.pk for paper in papers)


def test_a_page_has_at_most_a_hundred_papers() -> None:
    for _ in range(101):
        make_paper()
    assert len(ids("papers/")) == 50
    assert len(ids("papers/?limit=100")) == 100
    assert get("papers/?limit=101", status=422).json() == {"message": "limit: give a value that /api/ allows here."}


@pytest.mark.parametrize(
    "query",
    [
        "sort=votes",
        "sort=votes&from=2020-01-01",
        "sort=votes&from=2020-01-01&to=2020-06-01",
        "limit=0",
        "limit=x",
        "sort=best",
        "from=yesterday",
        "to=0",
        "listed_on=2026-02-30",
        "has_code=perhaps",
        "topic=no-such-topic",
        "topic=%00",
        "cursor=%00",
        "cursor=xyz",
        "cursor=W10",  # []
        "cursor=WyJuZXdlc3QiLCIxIl0",  # ["newest","1"]
        "cursor=WyJuZXdlc3QiLDFlOTk5XQ",  # ["newest",1e999]
        "cursor=WyJ2b3RlcyIsMSwxXQ",  # ["votes",1,1], of another list
        "cursor=WyJ0cmVuZGluZy1kYXkiLDEuNSwxXQ&sort=trending-week",  # ["trending-day",1.5,1]
        "cursor=WyJuZXdlc3QiLHRydWVd",  # ["newest",true]
        "cursor=WyJuZXdlc3QiLE5hTl0",  # ["newest",NaN]
        "cursor=" + "x" * 201,
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_in_one_sentence_that_does_not_repeat_it(query: str) -> None:
    answer = get(f"papers/?{query}", status=422)
    assert list(answer.json()) == ["message"]
    assert answer.json()["message"].startswith(f"{query.partition('=')[0]}: ")
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"


# --- one paper --------------------------------------------------------------------------------------------------------


def test_a_merged_paper_leads_to_the_one_that_lives_on_by_either_name() -> None:
    survivor = make_paper()
    merged = make_paper(merged_into=survivor)
    for path in (f"papers/{merged.pk}/", f"papers/arxiv/{merged.arxiv_id}/"):
        assert get(path, status=308)["Location"] == f"{SITE}/api/v1/papers/{survivor.pk}/"


def test_old_identifiers_versions_and_addresses_name_the_same_paper() -> None:
    paper = make_paper(arxiv_id="math/0309136")
    for name in ("math/0309136", "math.GT/0309136v2", "arXiv:math/0309136"):
        assert get(f"papers/arxiv/{name}/").json()["id"] == paper.pk


def test_what_is_not_there_or_hidden_is_a_404_of_one_shape() -> None:
    hidden = make_paper(is_hidden=True)
    gone = make_paper(merged_into=hidden)
    for path in (
        f"papers/{hidden.pk}/",
        f"papers/{gone.pk}/",
        f"papers/arxiv/{hidden.arxiv_id}/",
        f"papers/{hidden.pk}/similar/",
        "papers/0/",
        f"papers/{10**30}/",
        "papers/arxiv/nonsense/",
        "papers/arxiv/%00/",
        "editions/99/",
        f"editions/{10**30}/",
        "nothing/of/the/kind",
        "nothing/",
    ):
        answer = get(path, status=404)
        assert (list(answer.json()), answer["Content-Type"]) == (["message"], "application/json"), path


def test_a_missing_slash_is_added() -> None:
    assert get("papers?limit=3", status=308)["Location"] == "/api/v1/papers/?limit=3"


def test_similar_papers_come_most_similar_first_and_without_hidden_ones() -> None:
    words = "whispered speech recognition with far field microphones"
    paper = assign(make_paper(title="Whispered speech", abstract=words), "speech-audio")
    near = assign(make_paper(title="Whispered speech from afar", abstract=words), "speech-audio")
    assign(make_paper(title="Whispered speech, hidden", abstract=words, is_hidden=True), "speech-audio")
    for number in range(20):
        make_paper(title=f"Protein folding {number}", abstract="Amino acids fold into proteins of many a shape.")
    keep_up(now=NOON, deadline=timezone.now() + timedelta(minutes=1))
    answer = get(f"papers/{paper.pk}/similar/").json()
    assert [one["paper"]["id"] for one in answer["papers"]] == [near.pk]
    assert answer["papers"][0]["score"] > 0
    assert schemas.FoundSimilar.model_validate(answer)


def test_the_search_finds_papers_best_first_and_says_what_it_read() -> None:
    paper = make_paper(title="Whispered speech from afar", code_url="https://github.com/a/b")
    make_paper(title="Protein folding with attention")
    make_paper(title="Whispered speech, hidden", is_hidden=True)
    keep_up(now=NOON, deadline=timezone.now() + timedelta(minutes=1))
    answer = get("search/?q=whispered+speech").json()
    assert schemas.FoundPapers.model_validate(answer)
    assert answer["papers"][0]["paper"]["id"] == paper.pk
    assert "hidden" not in str(answer["papers"])
    assert (answer["query"], answer["corrected"]) == ("whispered speech", [])
    assert get("search/?q=whispered+speech+has:code&limit=1").json()["papers"][0]["paper"]["id"] == paper.pk


@pytest.mark.parametrize("q", ["", "x" * 301, "nosuch:field", "after:yesterday", "topic:alchemy"])
def test_what_cannot_be_searched_for_is_told_in_a_sentence(q: str) -> None:
    assert list(get(f"search/?q={q}", status=422).json()) == ["message"]


# --- trending, topics, editions ---------------------------------------------------------------------------------------


def test_trending_tells_the_recorded_numbers_behind_each_place() -> None:
    slow, fast = trending_paper(1.0), assign(trending_paper(2.0), "vision")
    make_paper(upvotes=1000)
    answer = get("trending/").json()
    assert schemas.Trending.model_validate(answer)
    assert [(item["rank"], item["paper"]["id"]) for item in answer["items"]] == [(1, fast.pk), (2, slow.pk)]
    assert answer["items"][0]["trend"] == {
        "score": 2.0,
        "why": "Trending: +41 upvotes in 24 h (cohort median 6)",
        "hours": 24,
        "gains": {"upvotes": 41},
        "cohort_median": 6.0,
        "cohort_size": 120,
        "shares": {"hf_daily": 1.0},
    }
    assert [item["paper"]["id"] for item in get("trending/?topic=vision").json()["items"]] == [fast.pk]
    assert get("trending/?window=week").json() == {"window": "week", "items": []}


def test_topics_are_those_that_readers_can_follow() -> None:
    make_topic("vision")
    make_topic("old", is_active=False)
    slugs = {topic["slug"]: topic for topic in get("topics/").json()["topics"]}
    assert "vision" in slugs
    assert "old" not in slugs
    assert slugs["vision"]["page_url"] == f"{SITE}/topic/vision/"


def test_only_editions_that_went_out_are_told_and_nothing_of_their_readers() -> None:
    make_reader("alice@example.net")
    papers = [trending_paper(3.0), make_paper(), make_paper(), make_paper()]
    edition = make_edition(papers=papers, state=Edition.State.SENDING, editor_note="Good morning.")
    for number, state in enumerate(["draft", "approved", "frozen", "cancelled", "skipped"], start=1):
        make_edition(papers=papers[:1], state=state, period_on=NOON.date() - timedelta(days=number))
    survivor = make_paper()
    EditionItem.objects.filter(edition=edition, paper=papers[0]).update(parts=PARTS, score=3.0)
    EditionItem.objects.filter(edition=edition, paper=papers[1]).update(standing="excluded")
    Paper.objects.filter(pk=papers[2].pk).update(is_hidden=True)
    Paper.objects.filter(pk=papers[3].pk).update(merged_into=survivor)
    listed = get("editions/").json()
    assert schemas.Editions.model_validate(listed)
    (told,) = listed["editions"]
    assert (told["id"], told["cadence"], told["period_on"], told["papers"]) == (edition.pk, "daily", "2026-03-18", 2)
    whole = get(f"editions/{edition.pk}/")
    assert schemas.WholeEdition.model_validate(whole.json())
    assert [(item["position"], item["paper"]["id"]) for item in whole.json()["items"]] == [
        (1, papers[0].pk),
        (2, survivor.pk),
    ]
    assert whole.json()["items"][0]["trend"]["gains"] == {"upvotes": 41}
    assert whole.json()["editor_note"] == "Good morning."
    assert b"alice" not in whole.content
    for hidden in Edition.objects.exclude(pk=edition.pk):
        get(f"editions/{hidden.pk}/", status=404)


def test_the_list_counts_two_papers_merged_into_one_as_the_page_shows_them() -> None:
    first, second, survivor = make_paper(), make_paper(), make_paper()
    edition = make_edition(papers=[first, second, make_paper()], state=Edition.State.SENDING)
    Paper.objects.filter(pk__in=[first.pk, second.pk]).update(merged_into=survivor)
    (listed,) = get("editions/").json()["editions"]
    page = get(f"editions/{edition.pk}/").json()
    assert listed["papers"] == page["papers"] == len(page["items"]) == 2


def test_editions_are_narrowed_by_cadence_and_paged() -> None:
    for number in range(5):
        make_edition(papers=[make_paper()], state="done", period_on=NOON.date() - timedelta(days=number))
    make_edition(papers=[make_paper()], state="done", cadence="weekly", period_on=date(2026, 3, 16))
    days: list[str] = []
    path: str | None = "editions/?cadence=daily&limit=2"
    while path:
        found = get(path.removeprefix(SITE)).json()
        days += [edition["period_on"] for edition in found["editions"]]
        path = found["next"]
    assert days == ["2026-03-18", "2026-03-17", "2026-03-16", "2026-03-15", "2026-03-14"]
    assert get("editions/?cursor=WyJlZGl0aW9ucyIsMSwxXQ", status=422)  # ["editions",1,1]


# --- for caches, other sites, and everybody's good --------------------------------------------------------------------


def test_what_has_not_changed_is_a_304_without_body_and_what_has_is_sent() -> None:
    paper = make_paper()
    first = get("papers/")
    assert first["Cache-Control"] == "public, max-age=60"
    again = get("papers/", status=304, **{"if-none-match": first["ETag"]})
    assert again.content == b""
    assert again["ETag"] == first["ETag"]
    assert again["Access-Control-Allow-Origin"] == "*"
    Paper.objects.filter(pk=paper.pk).update(upvotes=1)
    assert get("papers/", **{"if-none-match": first["ETag"]})["ETag"] != first["ETag"]


def test_other_sites_may_read_but_not_write_from_a_browser() -> None:
    assert get("papers/", origin="https://elsewhere.example")["Access-Control-Allow-Origin"] == "*"
    asked = Client().options(ROOT + "papers/", headers={"origin": "https://elsewhere.example"})
    assert (asked.status_code, asked["Access-Control-Allow-Methods"]) == (204, "GET, HEAD")
    assert "If-None-Match" in asked["Access-Control-Allow-Headers"]
    posted = Client().post(ROOT + "papers/", {}, content_type="application/json")
    assert "Access-Control-Allow-Origin" not in posted


def test_a_head_is_a_get_without_body() -> None:
    make_paper()
    whole, head = get("papers/"), Client().head(ROOT + "papers/")
    assert (head.status_code, head["ETag"], head.content) == (200, whole["ETag"], b"")
    assert head["Content-Length"] == str(len(whole.content))


def test_no_answer_sets_a_cookie() -> None:
    make_paper()
    for path in ("papers/", "topics/", "editions/", "trending/", "openapi.json", "nothing/"):
        assert not Client().get(ROOT + path).cookies


def test_a_method_that_is_not_taken_is_told_in_the_shape_of_an_error() -> None:
    answer = Client().delete(ROOT + "papers/")
    assert (answer.status_code, answer["Allow"], list(answer.json())) == (405, "GET, HEAD, POST", ["message"])


def test_who_reads_too_fast_is_told_how_long_to_wait_and_others_read_on(settings: Settings) -> None:
    settings.API_READS_PER_MINUTE = 3
    left = [get("topics/")["RateLimit"].partition(";t=")[0] for _ in range(3)]
    assert left == ['"reads";r=2', '"reads";r=1', '"reads";r=0']
    refused = get("topics/", status=429)
    assert refused["RateLimit-Policy"] == '"reads";q=3;w=60'
    assert 15 <= int(refused["Retry-After"]) <= 20
    assert refused.json() == {"message": gateway.TOO_FAST}
    assert refused["Cache-Control"] == "no-store"
    assert Client(REMOTE_ADDR="198.51.100.7").get(ROOT + "topics/").status_code == 200


def test_one_household_of_ipv6_is_one_reader_and_a_proxy_is_none(settings: Settings) -> None:
    settings.API_READS_PER_MINUTE = 1
    first, neighbour = (Client(REMOTE_ADDR=f"2001:db8::{number}") for number in (1, 2))
    assert [one.get(ROOT + "topics/").status_code for one in (first, neighbour)] == [200, 429]
    settings.TRUSTED_PROXY_COUNT = 1
    codes = [
        Client().get(ROOT + "topics/", headers={"x-forwarded-for": f"203.0.113.{number}"}).status_code
        for number in (1, 2, 2)
    ]
    assert codes == [200, 200, 429]


# --- what it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        ("papers/", 3),
        ("papers/?topic=vision", 5),
        ("papers/?topic=vision&sort=trending-day", 4),
        ("trending/", 3),
        ("papers/?sort=votes&has_code=true&listed_on=2026-03-18", 3),
    ],
)
def test_the_number_of_queries_does_not_grow_with_the_papers(
    path: str, queries: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for count in (2, 30):
        for _ in range(count):
            assign(trending_paper(1.0, code_url="https://github.com/a/b"), "vision", "speech-audio")
        with django_assert_num_queries(queries):
            get(path)


def test_nor_does_it_with_the_papers_of_an_edition(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for count, day in ((2, 1), (30, 2)):
        papers = [assign(make_paper(), "vision") for _ in range(count)]
        for paper in papers[: count // 2]:
            Paper.objects.filter(pk=paper.pk).update(merged_into=assign(make_paper(), "vision"))
        edition = make_edition(papers=papers, state="done", period_on=NOON.date() - timedelta(days=day))
        with django_assert_num_queries(8):
            get(f"editions/{edition.pk}/")


def test_reading_writes_no_row(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(1) as asked:
        get("topics/")
    assert [query["sql"].split()[0] for query in asked.captured_queries] == ["SELECT"]


# --- the description --------------------------------------------------------------------------------------------------


def test_one_document_describes_reads_and_writes_and_every_error_has_one_shape() -> None:
    described = get("openapi.json").json()
    assert set(described["paths"]) >= {
        ROOT + path
        for path in (
            *("papers/", "papers/{paper_id}/", "papers/arxiv/{arxiv_id}/", "papers/{paper_id}/similar/"),
            *("trending/", "topics/", "editions/", "editions/{edition_id}/", "subscribers/", "search/"),
        )
    }
    operations = [(path, told) for path, methods in described["paths"].items() for told in methods.values()]
    assert len({told["operationId"] for _path, told in operations}) == len(operations)
    for path, told in operations:
        for status, answer in told["responses"].items():
            if int(status) >= 400:
                name = answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
                assert list(described["components"]["schemas"][name]["properties"]) == ["message"], path
    assert json.dumps(described)


def test_the_page_describes_every_call_without_a_script() -> None:
    page = Client().get("/api/")
    text = page.content.decode()
    for path, methods in get("openapi.json").json()["paths"].items():
        for told in methods.values():
            assert f'id="{told["operationId"]}"' in text
        assert path in text
    assert "unsafe" not in page["Content-Security-Policy"]
    privacy = Client().get("/privacy/").content.decode()
    assert text.count("<script") == privacy.count("<script") > 0  # those of every page, from our own address
    assert not page.cookies


def test_a_form_of_the_page_leads_to_the_api_without_what_was_left_empty() -> None:
    text = Client().get("/api/").content.decode()
    name = next(part.partition('"')[0] for part in text.split('name="try" value="')[1:] if "papers_papers" in part)
    answer = Client().get("/api/", {"try": name, "topic": "vision", "from": "", "limit": "3"})
    assert (answer.status_code, answer["Location"]) == (302, "/api/v1/papers/?topic=vision&limit=3")
    assert Client().get("/api/", {"try": "https://elsewhere.example"}).status_code == 404


def test_the_root_of_the_api_leads_to_its_page() -> None:
    assert get("", status=302)["Location"] == "/api/"
