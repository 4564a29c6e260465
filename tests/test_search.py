"""Search on both databases: what is found, in which order, what is kept out, and that the index follows the papers.

The expected titles are written down once; SQLite and PostgreSQL must both give them.
"""

import json
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter import search
from newsletter.catalogue import merging
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import sample_papers
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.catalogue.topics import encoder as text_encoder
from newsletter.models import Heartbeat, Paper, PaperVector, SearchEntry, SearchMemory
from newsletter.models.embeddings import text_of
from newsletter.search import nearest_neighbours
from newsletter.search.index_lookup import AllOf, AnyOf, Limits, Word, holding, newest
from newsletter.search.latent_semantics import Memory, Read, learn
from newsletter.search.query import Problem, QueryError
from newsletter.search.query_errors import sentence_of
from newsletter.search.search_papers import MOST, SHOWN
from newsletter.search.similar_papers import similar_to
from newsletter.search.update_index import LEARN_EVERY, learn_if_due
from tests.bench.bench_search import judged_titles, ndcg
from tests.builders import NOON, assign, make_paper, make_topic

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def keep_up() -> int:
    return search.keep_up(now=timezone.now(), deadline=timezone.now() + timedelta(minutes=1))


def titles(text: str, *, limit: int = 10) -> list[str]:
    found = search.find(text)
    by_pk = Paper.objects.in_bulk([pk for pk, _ in found.papers])
    return [by_pk[pk].title for pk, _ in found.papers[:limit]]


@pytest.fixture
def _sample() -> None:
    latest: dict[str, Observation] = {one.key: one for one in sample_papers.observations(until=NOON)}
    ingest(latest.values(), now=NOON)
    keep_up()


# --- what is found ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_sample")
@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("speculative decoding", "Fast Inference from Transformers via Speculative Decoding"),
        ("quantizing models after training", "GPTQ: Accurate Post-Training Quantization for Generative"),
        ("graph attention", "Graph Attention Networks"),
        ("weather forecasts", "GraphCast: Learning skillful medium-range global weather forecasting"),
        ("BERT pretraining", "BERT: Pre-training of Deep Bidirectional Transformers"),
        ("playing games", "Playing Atari with Deep Reinforcement Learning"),
        ("resolving issues of a repository", "SWE-bench: Can Language Models Resolve Real-World GitHub Issues?"),
        ("LoRA: Low-Rank Adaptation of Large Language Models", "LoRA: Low-Rank Adaptation of Large Language Models"),
        ("1706.03762", "Attention Is All You Need"),
        ("https://arxiv.org/abs/1706.03762v5", "Attention Is All You Need"),
    ],
)
def test_both_databases_put_the_same_paper_first(text: str, first: str) -> None:
    assert titles(text)[0].startswith(first)


@pytest.mark.usefixtures("_sample")
@pytest.mark.parametrize(("kind", "least"), [("field", 0.9), ("plain", 0.7)])
def test_judged_queries_are_answered_well(kind: str, least: float) -> None:
    entries = [one for one in judged_titles("sample") if one["kind"] == kind]
    reached = [ndcg(titles(one["query"]), one["relevant"]) for one in entries]
    assert len(entries) >= 20
    assert sum(reached) / len(reached) >= least


@pytest.mark.usefixtures("_sample")
def test_slips_of_the_keyboard_are_read_as_what_was_meant_and_said() -> None:
    found = search.find("difusion transfomer")
    assert found.corrected == (("difusion", "diffusion"), ("transfomer", "transformer"))
    assert titles("difusion transfomer") == titles("diffusion transformer")


@pytest.mark.usefixtures("_sample")
def test_a_quoted_word_is_taken_as_it_is_written() -> None:
    found = search.find('"difusion"')
    assert (found.papers, found.corrected) == ((), ())


@pytest.mark.usefixtures("_sample")
def test_a_word_that_some_paper_has_is_never_corrected() -> None:
    make_paper(title="The difusion of rumours")
    keep_up()
    assert search.find("difusion").corrected == ()
    assert titles("difusion")[0] == "The difusion of rumours"


@pytest.mark.usefixtures("_sample")
def test_papers_are_found_that_share_no_word_with_the_query() -> None:
    entry = SearchEntry.objects.get(
        paper__title="GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers"
    )
    assert "shrink" not in set(f"{entry.title} {entry.body}".split())
    assert Paper.objects.get(pk=entry.pk).title in titles("shrink")


@pytest.mark.usefixtures("_sample")
def test_nonsense_finds_nothing() -> None:
    assert search.find("qwxzv blorpt").papers == ()


def test_a_phrase_is_words_next_to_each_other_in_this_order() -> None:
    make_paper(title="Matching the flow of traffic", abstract="Cars flow. Lanes are matching.")
    exact = make_paper(title="Flow matching for images")
    keep_up()
    assert [pk for pk, _ in search.find('"flow matching"').papers] == [exact.pk]


def test_before_anything_was_learnt_words_still_find_papers() -> None:
    paper = make_paper(title="Whispered speech")
    keep_up()
    SearchMemory.objects.all().delete()
    assert [pk for pk, _ in search.find("whispered").papers] == [paper.pk]


def test_a_paper_that_came_after_the_last_learning_is_near_by_meaning_too() -> None:
    for number in range(40):
        kind = ("robot gripper grasp cloth", "protein enzyme fold residue")[number % 2]
        make_paper(title=f"{kind} {number}", abstract=f"{kind} study")
    keep_up()
    fresh = make_paper(title="Gripper and cloth", abstract="A new study.")
    keep_up()
    assert SearchMemory.objects.get().newest_paper < fresh.pk
    here = nearest_neighbours.current()
    assert fresh.pk in here.nearest_places(here.memory.place({"robot": 1.0}), most=25)


def embed(*papers: Paper) -> None:
    encoder = text_encoder.encoder()
    assert encoder is not None
    for paper, vector in zip(papers, encoder.encode([text_of(paper) for paper in papers]), strict=True):
        PaperVector.objects.create(paper=paper, model=text_encoder.MODEL, values=vector.astype("<f2").tobytes())


def test_with_the_extra_papers_are_found_by_what_they_mean(settings: Any) -> None:
    cats = make_paper(title="Nocturnal predation by felines", abstract="Domestic felines catch small mammals.")
    bounds = make_paper(title="Convex relaxations", abstract="We bound integer programs by semidefinite relaxations.")
    kernels = make_paper(
        title="Sparse attention kernels", abstract="Long sequences are processed on graphics hardware."
    )
    keep_up()
    asked = "kittens hunting mice after sunset"
    assert titles(asked) == []
    settings.SEMANTIC = "auto"
    embed(cats, bounds, kernels)
    assert titles(asked) == [cats.title]
    late = make_paper(title="Foxes and owls as hunters", abstract="Wild animals chase rodents in the evening.")
    keep_up()
    assert titles(asked) == [cats.title], "a paper without a vector is ranked by its words alone"
    embed(late)
    nearest_neighbours.current()._looked_at = 0.0  # a minute later
    assert set(titles(asked)) == {cats.title, late.title}
    assert [pk for pk, _ in similar_to(cats, limit=1)] == [late.pk]


# --- fields -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def _shelf_of_robots() -> None:
    papers: list[dict[str, Any]] = [
        {"title": "Robots one", "authors": ["Ada Lovelace"], "code_url": "https://example.org/c"},
        {"title": "Robots two", "authors": ["Ada Byron", "Émilie du Châtelet"], "published_on": date(2024, 5, 1)},
        {"title": "Robots three", "authors": ["Alan Turing"], "published_on": None, "listed_on": date(2025, 6, 1)},
    ]
    for fields in papers:
        assign(make_paper(**fields), "robotics" if fields["title"] == "Robots one" else "vision")
    keep_up()


@pytest.mark.usefixtures("_shelf_of_robots")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("robots author:ada", {"Robots one", "Robots two"}),
        ('robots author:"ada lovelace"', {"Robots one"}),
        ("author:chatelet", {"Robots two"}),
        ("robots has:code", {"Robots one"}),
        ("has:code", {"Robots one"}),
        ("robots topic:robotics", {"Robots one"}),
        ("topic:vis robots", {"Robots two", "Robots three"}),
        ("robots before:2025", {"Robots two"}),
        ("robots after:2024-05-01 before:2025-06", {"Robots two"}),
        ("robots after:2025-06", {"Robots one", "Robots three"}),
        ("topic:vision author:turing", {"Robots three"}),
        ("robots author:nobody", set()),
    ],
)
def test_fields_narrow_what_is_found(text: str, found: set[str]) -> None:
    assert set(titles(text)) == found


@pytest.mark.usefixtures("_shelf_of_robots")
def test_a_name_is_no_word_of_the_text() -> None:
    assert titles('"lovelace robots"') == []


def test_a_topic_nobody_has_is_answered_with_those_there_are() -> None:
    make_topic("vision")
    with pytest.raises(QueryError) as refused:
        search.find("topic:cooking")
    assert "cooking" in sentence_of(refused.value)
    assert "vision" in sentence_of(refused.value)


@pytest.mark.parametrize("problem", list(Problem))
def test_every_refusal_has_a_sentence(problem: Problem) -> None:
    assert sentence_of(QueryError(problem, "x")).endswith((".", "?"))


def test_words_that_stand_everywhere_are_refused() -> None:
    with pytest.raises(QueryError) as refused:
        search.find("we of the and")
    assert refused.value.problem is Problem.NO_TELLING_WORDS


# --- the index follows the papers -------------------------------------------------------------------------------------


def test_hidden_and_merged_papers_are_not_found() -> None:
    kept, double = make_paper(title="Whispered speech"), make_paper(title="Whispered speeches")
    make_paper(title="Whispered speech, hidden", is_hidden=True)
    keep_up()
    merging.merge(double, into=kept, by=None, now=NOON)
    assert [pk for pk, _ in search.find("whispered speech").papers] == [kept.pk]


def test_new_words_of_a_paper_are_found_and_the_old_ones_are_not() -> None:
    ingest([seen("Walking robots")], now=NOON)
    keep_up()
    ingest([seen("Swimming robots")], now=NOON)
    assert SearchEntry.objects.get().is_stale
    assert keep_up() == 1
    assert titles("swimming") == ["Swimming robots"]
    assert not holding(Word("walk"), Limits(), most=5)
    assert keep_up() == 0


def seen(title: str) -> Observation:
    return Observation(source="arxiv_query", key="2603.00001", arxiv_id="2603.00001", title=title, seen_at=NOON)


def test_what_a_merge_fills_in_is_read_again() -> None:
    kept, double = make_paper(title="Robots", abstract=""), make_paper(title="Robots", abstract="They swim.")
    keep_up()
    merging.merge(double, into=kept, by=None, now=NOON)
    keep_up()
    assert [pk for pk, _ in search.find("swimming").papers] == [kept.pk]


def test_a_paper_that_is_deleted_leaves_the_index() -> None:
    paper = make_paper(title="Robots")
    keep_up()
    paper.delete()
    assert not SearchEntry.objects.exists()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:  # raises when index and rows differ
            cursor.execute(
                "INSERT INTO newsletter_searchwords (newsletter_searchwords, rank) VALUES ('integrity-check', 1)"
            )


def test_old_papers_without_an_entry_are_found_once_an_hour() -> None:
    old = make_paper(title="Robots of old")
    keep_up()
    SearchEntry.objects.all().delete()
    make_paper(pk=old.pk + 6000, title="Robots of now")
    assert keep_up() == 1
    Heartbeat.objects.filter(name="search").update(at=timezone.now() - timedelta(hours=2))
    assert keep_up() == 1
    assert set(titles("robots")) == {"Robots of old", "Robots of now"}


def test_keeping_up_twice_changes_nothing() -> None:
    make_paper(title="Robots")
    assert (keep_up(), keep_up()) == (1, 0)
    assert SearchEntry.objects.count() == SearchMemory.objects.count() == 1


def test_it_learns_anew_when_there_is_much_new_and_else_once_a_day() -> None:
    for _ in range(10):
        make_paper()
    keep_up()
    now = SearchMemory.objects.get().learnt_at
    assert not learn_if_due(now=now + 2 * LEARN_EVERY)  # nothing new
    make_paper()
    keep_up()
    assert SearchMemory.objects.get().learnt_at == now
    assert learn_if_due(now=now + LEARN_EVERY)
    for _ in range(5):
        make_paper()
    keep_up()
    assert SearchMemory.objects.get().newest_paper == Paper.objects.latest("pk").pk


def test_the_same_papers_give_the_same_memory_in_any_order() -> None:
    read = [Read(n, [f"w{n % 5}", "same"], [f"w{n % 3}"], frozenset([f"word{n % 5}"])) for n in range(40)]
    one, other = learn(read), learn(reversed(read))
    assert (one.stems, one.words) == (other.stems, other.words)
    there_and_back = Memory.from_bytes(one.to_bytes())
    assert there_and_back.stems == one.stems
    assert abs(there_and_back.places - one.places).max() < 0.001


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_at_most_so_many_papers_are_ranked() -> None:
    SearchEntry.objects.bulk_create(
        SearchEntry(paper=paper, title="robot", body="robot arm")
        for paper in Paper.objects.bulk_create(
            Paper(title=f"Robot {n}", title_key=f"robot {n}", first_seen_at=NOON) for n in range(MOST + 50)
        )
    )
    with CaptureQueriesContext(connection) as few:
        found = search.find("robot arm")
    assert 0 < len(found.papers) <= SHOWN
    with CaptureQueriesContext(connection) as many:
        search.find("robot arm " * 15 + "with of legs wheels hands feet eyes ears")
    assert max(len(few), len(many)) <= 16


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_postgresql_looks_words_up_in_the_index() -> None:
    papers = Paper.objects.bulk_create(
        Paper(title=f"Paper {n}", title_key=f"paper {n}", first_seen_at=NOON) for n in range(6000)
    )
    SearchEntry.objects.bulk_create(
        SearchEntry(paper=paper, title=f"common rare{n % 2000}", body="common word", names=f"name{n % 500}")
        for n, paper in enumerate(papers)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        for sought in (
            Word("rare7"),
            Word("rare7", "title"),
            Word("name7", "name"),
            AllOf([Word("common"), AnyOf([Word("rare7"), AllOf([Word("rare8"), Word("word")])])]),
        ):
            with CaptureQueriesContext(connection) as captured:
                found = holding(sought, Limits(), most=100)
            assert len(found) in {3, 6, 12}
            cursor.execute(f"EXPLAIN {captured.captured_queries[-1]['sql']}")
            assert "papers_by_word" in "\n".join(row[0] for row in cursor.fetchall())


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_postgresql_passes_no_paper_that_came_after_the_days_asked_for() -> None:
    papers = Paper.objects.bulk_create(
        Paper(title="x", title_key=f"{n}", first_seen_at=NOON, listed_on=date(2020, 1, 1) + timedelta(days=n // 3))
        for n in range(6000)
    )
    SearchEntry.objects.bulk_create(SearchEntry(paper=paper, title="common") for paper in papers)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        for limits, count in ((Limits(before=date(2021, 1, 1)), 100), (Limits(after=date(2027, 1, 1)), 0)):
            with CaptureQueriesContext(connection) as captured:
                assert len(newest(limits, most=100)) == count
                assert len(holding(Word("common"), limits, most=100, is_usual=True)) == count
            for query in captured.captured_queries:
                cursor.execute(f"EXPLAIN {query['sql']}")
                assert "papers_by_day" in "\n".join(row[0] for row in cursor.fetchall())


# --- commands ---------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> Any:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return json.loads(out.getvalue())


def test_the_command_prints_papers_best_first_right_after_an_import() -> None:
    ingest([seen("Walking robots")], now=NOON)
    (found,) = run("search_papers", "robots", "--json", "--limit", "3")
    paper = Paper.objects.get()
    url = f"https://papers.example.org/paper/{paper.pk}/"
    assert {**found, "score": 1} == {"title": "Walking robots", "id": paper.pk, "url": url, "score": 1}
    assert found["score"] > 0
    assert run("search_papers", "robots", "--json", "--limit", "0") == []


def test_the_command_says_why_a_query_makes_no_sense() -> None:
    with pytest.raises(CommandError, match="There is no field “colour:”"):
        call_command("search_papers", "colour:red")


def test_the_command_prints_for_people_too() -> None:
    out, err = StringIO(), StringIO()
    for n in range(2):
        make_paper(title=f"Walking robots {n}")
    call_command("search_papers", "wallking robots", stdout=out, stderr=err)
    assert "Walking robots 1" in out.getvalue()
    assert err.getvalue() == "Read as: walking (wallking)\n"
    out = StringIO()
    call_command("search_papers", "zebras", stdout=out)
    assert out.getvalue() == "No papers found.\n"
