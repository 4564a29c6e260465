"""What readers follow finds each new paper once, and at first the papers of the weeks before."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from newsletter import search
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.catalogue.topics.assignment import _file, ask_queries_again, take_topic_away
from newsletter.catalogue.topics.classifier import TopicScore
from newsletter.models import Paper, QueryHit, StandingQuery
from newsletter.search.query import QueryError, parse
from newsletter.search.query_matching import (
    PaperFacts,
    as_json,
    from_json,
    is_meant,
    key_of,
    normalised,
    rarest_term,
    terms_of,
)
from newsletter.search.standing_queries import follow_key, preview
from newsletter.search.tokens import stems_of
from subscriptions.models import Follow
from tests.builders import NOON, assign, make_paper, make_reader

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
LATE = timedelta(minutes=5)


def follow(text: str, *, stance: str = "follow", reader: Any = None) -> Follow:
    return Follow.objects.create(
        subscriber=reader or make_reader(), text=text, key=follow_key(text), stance=stance, at=NOON
    )


def keep_up() -> None:
    search.keep_up(now=NOON, deadline=timezone.now() + LATE)


def keep_queries() -> int:
    return search.keep_queries(now=NOON, deadline=timezone.now() + LATE)


def titles_found() -> set[str]:
    return set(QueryHit.objects.values_list("paper__title", flat=True))


def facts(title: str, **over: Any) -> PaperFacts:
    return PaperFacts(paper=1, title=" ".join(stems_of(title)), body="", **over)


@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("diffusion", True),
        ("diffusions planners", True),
        ("diffusion video", False),
        ('"diffusion planner"', True),
        ('"planner diffusion"', False),
        ("diffusion -robot", False),
        ("diffusion -image", True),
        ('diffusion -"for robots"', False),
        ('diffusion -"robots for"', False),
        ('diffusion -"planners robots diffusion"', True),
        ("topic:robotics", True),
        ("diffusion topic:vision", False),
        ("diffusion -topic:robotics", False),
        ("has:code", True),
        ("diffusion -has:code", False),
        ('author:"Nora Quist"', True),
        ('author:"Rui Quist"', False),
        ('diffusion -author:"N. Quist"', False),
        ('org:"polar institute"', True),
        ('org:"institute polar"', False),
        ("diffusion -org:polar", False),
        ("diffusion after:2026-03", True),
        ("diffusion before:2026-03", False),
        ("semi-supervised", True),
    ],
)
def test_a_new_paper_finds_the_queries_that_mean_it(query: str, is_found: bool) -> None:
    follow(query)
    assert keep_queries() == 1
    paper = make_paper(
        title="Diffusion planners for robots",
        abstract="A semi-supervised method.",
        authors=["Nora Quist", "Rui Song"],
        organization="Polar Institute of Technology",
        code_url="https://example.org/code",
    )
    assign(paper, "robotics")
    make_paper(title="Something else", authors=["Rui Song", "Qi Quist"], published_on=None, listed_on=None)
    keep_up()
    assert titles_found() == ({"Diffusion planners for robots"} if is_found else set())


def test_a_paper_finds_queries_for_code_and_topics_that_become_known_later() -> None:
    follow("planners has:code")
    follow("planners topic:robotics")
    follow("planners topic:vision")
    keep_queries()
    seen = {"source": "arxiv_query", "key": "1", "arxiv_id": "2603.00001", "title": "Planners", "abstract": "Planners."}
    ingest([Observation(**seen)], now=NOON)
    keep_up()
    QueryHit.objects.all().delete()
    keep_up()
    assert not QueryHit.objects.exists(), "nothing is matched again for nothing"
    ingest([Observation(**seen | {"source": "hf_daily", "code_url": "https://example.org/code"})], now=NOON)
    keep_up()
    assert "planners has:code" in QueryHit.objects.values_list("query__text", flat=True)
    QueryHit.objects.all().delete()
    robots = TopicScore("robotics", score=0.9, assigned=True)
    _file(list(Paper.objects.all()), lambda paper: [robots])
    keep_up()
    assert set(QueryHit.objects.values_list("query__text", flat=True)) == {
        "planners has:code", "planners topic:robotics",
    }  # fmt: skip


def test_a_thousand_readers_of_one_query_are_one_query_however_they_type_it() -> None:
    for text in ('author:"Nora Quist" planners', 'PLANNER author:"nora quist"', "planner  author:„Nóra Quist“"):
        follow(text)
    assert keep_queries() == 1
    assert StandingQuery.objects.get().text == 'author:"Nora Quist" planners'


def test_a_query_added_later_finds_the_papers_of_the_weeks_before_and_no_older_ones() -> None:
    for title, days in (("Planners old", 90), ("Planners new", 20)):
        make_paper(title=title, first_seen_at=NOON - timedelta(days=days))
    keep_up()
    follow("planners")
    keep_queries()
    assert titles_found() == {"Planners new"}
    assert StandingQuery.objects.get().backfilled_at == NOON


def test_all_of_it_may_run_twice() -> None:
    follow("planners")
    make_paper(title="Planners one")
    for _ in range(2):
        keep_queries()
        keep_up()
    assert QueryHit.objects.count() == StandingQuery.objects.count() == 1


def test_a_reworded_paper_is_matched_again() -> None:
    follow("planners")
    keep_queries()
    paper = make_paper(title="Robots")
    keep_up()
    assert not titles_found()
    Paper.objects.filter(pk=paper.pk).update(title="Planners")
    paper.search_entry.is_stale = True
    paper.search_entry.save()
    keep_up()
    assert titles_found() == {"Planners"}


def test_a_paper_that_a_query_means_no_longer_is_no_hit_any_more() -> None:
    """A digest would say "on robotics, which you follow" of a paper that is not."""
    follow("topic:robotics")
    follow("planners")
    keep_queries()
    paper = assign(make_paper(title="Planners"), "robotics")
    keep_up()
    assert set(QueryHit.objects.values_list("query__text", flat=True)) == {"topic:robotics", "planners"}
    take_topic_away(paper.paper_topics.get(), at=NOON)
    ask_queries_again([paper.pk])
    keep_up()
    assert list(QueryHit.objects.values_list("query__text", flat=True)) == ["planners"]


def test_a_query_nobody_follows_any_more_is_gone_within_the_hour() -> None:
    one = follow("planners")
    make_paper(title="Planners")
    keep_up()
    keep_queries()
    assert titles_found() == {"Planners"}
    one.delete()
    search.keep_queries(now=NOON + timedelta(hours=1), deadline=timezone.now() + LATE)
    assert not StandingQuery.objects.exists()
    assert not QueryHit.objects.exists()


def test_merged_and_hidden_papers_are_not_found() -> None:
    shown = make_paper(title="Planners")
    make_paper(title="Planners again", merged_into=shown)
    make_paper(title="Planners hidden", is_hidden=True)
    keep_up()
    follow("planners")
    keep_queries()
    assert titles_found() == {"Planners"}


@pytest.mark.parametrize("text", ["", "-image", "after:2026", "the of", "venue:nowhere", "diffusion -after:2026"])
def test_what_names_nothing_to_follow_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^[A-Z].*\.$"):
        follow_key(text)


def test_the_search_box_leaves_out_too() -> None:
    make_paper(title="Planners for images", authors=["Rui Song", "Qi Han"])
    make_paper(title="Planners for robots", authors=["Song Han"])
    keep_up()

    def found(text: str) -> set[str]:
        ids = [pk for pk, _score in search.find(text).papers]
        return set(Paper.objects.filter(pk__in=ids).values_list("title", flat=True))

    assert found("planners") == {"Planners for images", "Planners for robots"}
    assert found("planners -images") == {"Planners for robots"}
    assert found('planners -"for robots"') == {"Planners for images"}
    assert found('author:"Song Han"') == found('planners author:"S. Han"') == {"Planners for robots"}
    assert found("author:han -robots") == {"Planners for images"}
    assert found("planners -author:han") == set()
    with pytest.raises(QueryError):
        search.find("-images")


def test_the_preview_tells_the_papers_and_how_many_a_week_and_writes_nothing() -> None:
    now = timezone.now()
    for days in (1, 9, 29, 31):
        make_paper(title=f"Planners {days}", first_seen_at=now - timedelta(days=days))
    out = StringIO()
    call_command("follow_preview", "planners", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert [item["title"] for item in told["items"]] == ["Planners 1", "Planners 9", "Planners 29"]
    assert (told["papers"], told["days"], told["per_week"], told["warning"]) == (3, 30, 0.7, "")
    assert set(told["items"][0]) == {"id", "title", "arxiv_id", "at"}
    assert not StandingQuery.objects.exists()


def test_the_preview_warns_of_nothing_and_of_a_flood() -> None:
    now = timezone.now()
    for _ in range(40):
        make_paper(title="Planners", first_seen_at=now)
    for text, warning in (("submarines", "found no paper"), ("planners", "very many")):
        out = StringIO()
        call_command("follow_preview", text, "--days", "7", stdout=out)
        assert warning in out.getvalue()
    assert preview("planners", days=30, now=now).per_week == 9.3


@pytest.mark.parametrize("arguments", [["-images"], ["planners", "--days", "0"]])
def test_the_preview_refuses_with_a_sentence(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"\.$"):
        call_command("follow_preview", *arguments[1:], "--", arguments[0])


WORDS = st.lists(st.sampled_from(["graph", "robot", "pre-training", "the", "vision", "c++"]), min_size=1, max_size=5)


@given(WORDS, WORDS)
def test_whatever_query_means_a_paper_is_found_by_the_papers_terms(wanted: list[str], title: list[str]) -> None:
    query = normalised(parse(" ".join([*wanted, 'author:"Nora Quist"'])))
    paper = facts(" ".join(title), authors=("N. Quist",))
    assert from_json(as_json(query)) == query
    assert key_of(from_json(json.loads(json.dumps(as_json(query))))) == key_of(query)
    if is_meant(query, paper):
        assert rarest_term(query, share_of=lambda stem: 0.1) in terms_of(paper)
