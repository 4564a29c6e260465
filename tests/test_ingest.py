from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from newsletter.catalogue.ingest import IngestResult, ingest
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.models import Paper, PaperTopic, Sighting, Signal
from tests.builders import NOON, make_topic

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

ABSTRACT = (
    "We count sheep that jump over fences by message passing between the sheep and find that most of them do jump."
)


def seen(title: str = "Counting Sheep with Graph Networks: A Pastoral Study", **over: Any) -> Observation:
    return Observation(**({"source": "listing_page", "key": "page", "title": title, "abstract": ABSTRACT} | over))


def arxiv(arxiv_id: str = "2603.00001", **over: Any) -> Observation:
    return seen(
        **({"source": "arxiv_query", "key": arxiv_id, "arxiv_id": arxiv_id, "authors": ("Ada Lovelace",)} | over)
    )


def daily(arxiv_id: str = "2603.00001", **over: Any) -> Observation:
    return arxiv(arxiv_id, **({"source": "hf_daily", "metrics": {"upvotes": 3}} | over))


def numbered(count: int) -> list[Observation]:
    words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet"]
    names = [f"{words[n % 10]} {words[n // 10 % 10]} {words[n // 100 % 10]}" for n in range(count)]
    return [daily(f"2603.{n:05d}", title=f"{name}: a study of matter {n}", rank=n) for n, name in enumerate(names)]


def test_a_paper_seen_for_the_first_time_becomes_a_row_with_its_sighting() -> None:
    result = ingest([seen(rank=4, code_url="https://github.com/a/b")], now=NOON)
    paper = Paper.objects.get()
    assert result == IngestResult(read=1, new=1, merged=0)
    assert (paper.title, paper.first_seen_at, paper.code_url) == (seen().title, NOON, "https://github.com/a/b")
    assert list(Sighting.objects.values_list("paper", "source", "key", "rank", "seen_at")) == [
        (paper.pk, "listing_page", "page", 4, NOON)
    ]


def test_the_same_again_adds_nothing() -> None:
    batch = [*numbered(30), seen(), arxiv("2604.00001", title="Something else entirely")]
    first = ingest(batch, now=NOON)
    before = [list(model.objects.order_by("pk").values()) for model in (Paper, Sighting, Signal, PaperTopic)]
    again = ingest(batch, now=NOON)
    assert first == IngestResult(read=32, new=32, merged=0)
    assert again == IngestResult(read=32, new=0, merged=32)
    assert [list(model.objects.order_by("pk").values()) for model in (Paper, Sighting, Signal, PaperTopic)] == before


def test_a_listing_says_nothing_about_dates_and_is_never_a_signal() -> None:
    ingest([seen()], now=NOON)
    paper = Paper.objects.get()
    assert (paper.published_on, paper.listed_on, paper.upvotes) == (None, None, 0)
    assert not Signal.objects.exists()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_three_sources_make_one_paper_in_any_order_and_arxiv_words_win(order: tuple[int, ...]) -> None:
    day = date(2026, 3, 17)
    voices = [
        arxiv(abstract="The abstract as arXiv has it.", published_on=day, categories=("cs.LG", "cs.SI")),
        daily(abstract="The abstract of version one.", code_url="https://github.com/a/b", listed_on=day),
        seen(abstract="The abstract as somebody saved it."),
    ]
    for place in order:
        ingest([voices[place]], now=NOON)
    paper = Paper.objects.get()
    assert (paper.arxiv_id, paper.abstract) == ("2603.00001", "The abstract as arXiv has it.")
    assert (paper.published_on, paper.listed_on, paper.code_url) == (day, day, "https://github.com/a/b")
    assert paper.categories == ["cs.LG", "cs.SI"]
    assert set(Sighting.objects.values_list("source", flat=True)) == {"arxiv_query", "hf_daily", "listing_page"}


def test_two_versions_are_one_paper_and_it_was_first_seen_when_it_was() -> None:
    ingest([arxiv(title="A first title", seen_at=NOON)], now=NOON)
    ingest([arxiv(title="A better title", seen_at=NOON + timedelta(days=9))], now=NOON + timedelta(days=9))
    paper = Paper.objects.get()
    assert (paper.title, paper.first_seen_at) == ("A better title", NOON)
    assert Sighting.objects.get().seen_at == NOON


def test_the_same_title_with_two_identifiers_is_two_papers() -> None:
    assert ingest([arxiv("2603.00001"), arxiv("2603.00002")], now=NOON).new == 2
    assert ingest([arxiv("hep-th/9901001", title="X"), arxiv("gr-qc/9901001", title="X")], now=NOON).new == 2


def test_titles_that_differ_in_case_and_punctuation_merge() -> None:
    result = ingest([seen(), seen("counting sheep with graph networks — a pastoral study", abstract="")], now=NOON)
    assert result == IngestResult(read=2, new=1, merged=1)


def test_a_misspelt_title_merges_when_the_abstract_agrees() -> None:
    ingest([arxiv()], now=NOON)
    assert ingest([seen("Counting Sheep with Graph Network: A Pastoral Study")], now=NOON).merged == 1
    assert ingest([seen("Countnig Sheep with Graph Networks: A Pastoral Study")], now=NOON).merged == 1


def test_a_misspelt_title_merges_when_there_is_no_abstract_but_the_authors_agree() -> None:
    ingest([arxiv(abstract="")], now=NOON)
    misspelt = "Counting Sheep with Graph Network: A Pastoral Study"
    assert ingest([seen(misspelt, abstract="", authors=("A. Turing",))], now=NOON).new == 1
    assert ingest([seen(misspelt + "s", abstract="", authors=("A. Lovelace",))], now=NOON).merged == 1


def test_a_similar_title_alone_is_not_enough() -> None:
    ingest([arxiv()], now=NOON)
    other = seen("Counting Sheep with Graph Network: A Pastoral Study", abstract="An answer to quite another question.")
    assert ingest([other], now=NOON).new == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A Long Story of Sheep and Fences, Part 1", "A Long Story of Sheep and Fences, Part 2"),
        ("A Long Story of Sheep and Fences, Part I", "A Long Story of Sheep and Fences, Part II"),
        ("Counting sheep with a very large GPT-3 model", "Counting sheep with a very large GPT-4 model"),
    ],
)
def test_parts_and_numbers_keep_papers_apart(one: str, other: str) -> None:
    assert ingest([seen(one), seen(other)], now=NOON).new == 2


def test_duplicates_within_one_batch_are_found() -> None:
    result = ingest([seen(rank=1), seen("Counting Sheep with Graph Network: A Pastoral Study", rank=2)], now=NOON)
    assert result == IngestResult(read=2, new=1, merged=1)


def test_a_paper_without_identifier_gets_it_when_a_source_knows_it() -> None:
    ingest([seen()], now=NOON)
    ingest([arxiv()], now=NOON)
    assert Paper.objects.get().arxiv_id == "2603.00001"


def test_what_was_merged_by_hand_stays_merged() -> None:
    ingest([arxiv("2603.00001"), arxiv("2603.00002", title="The same under another name")], now=NOON)
    first, second = Paper.objects.order_by("pk")
    Paper.objects.filter(pk=second.pk).update(merged_into=first)
    result = ingest([daily("2603.00002", title="The same under another name", metrics={"upvotes": 8})], now=NOON)
    first.refresh_from_db()
    assert (result.merged, first.upvotes, first.arxiv_id) == (1, 8, "2603.00001")
    assert Signal.objects.get().paper == first


def test_counters_become_signals_and_the_latest_is_shown() -> None:
    for hours, upvotes, stars in ((0, 3, 100), (12, 9, 140), (6, 5, 120)):
        ingest([daily(metrics={"upvotes": upvotes, "stars": stars}, seen_at=NOON + timedelta(hours=hours))], now=NOON)
    paper = Paper.objects.get()
    assert (paper.upvotes, paper.github_stars) == (9, 140)
    assert list(Signal.objects.filter(metric="upvotes").order_by("at").values_list("value", flat=True)) == [3, 5, 9]


def test_a_day_that_fills_up_adds_papers_and_keeps_the_first_day_of_listing() -> None:
    morning, evening = NOON, NOON + timedelta(hours=8)
    ingest([daily("2603.00001", listed_on=date(2026, 3, 18))], now=morning)
    later = [
        daily("2603.00001", listed_on=date(2026, 3, 19)),
        daily("2603.00002", title="Another", listed_on=date(2026, 3, 18)),
    ]
    assert ingest(later, now=evening) == IngestResult(read=2, new=1, merged=1)
    assert Paper.objects.get(arxiv_id="2603.00001").listed_on == date(2026, 3, 18)


def test_a_withdrawal_is_noted_once_and_stays() -> None:
    ingest([arxiv()], now=NOON)
    ingest([arxiv(withdrawn=True)], now=NOON + timedelta(days=1))
    ingest([arxiv(withdrawn=True)], now=NOON + timedelta(days=2))
    ingest([daily()], now=NOON + timedelta(days=3))
    assert Paper.objects.get().withdrawn_at == NOON + timedelta(days=1)


def test_new_papers_get_topics_with_one_primary() -> None:
    ingest([seen("Speech recognition with graph neural networks", abstract="Automatic speech recognition.")], now=NOON)
    topics = PaperTopic.objects.filter(is_assigned=True)
    assert {one.topic.slug for one in topics} >= {"speech-audio"}
    assert [one.topic.slug for one in topics if one.is_primary] == ["speech-audio"]


def test_better_words_bring_better_topics_but_never_against_a_curator() -> None:
    ingest([seen("Notes", abstract="", key="one"), seen("More notes", abstract="", key="two")], now=NOON)
    left, curated = Paper.objects.order_by("pk")
    PaperTopic.objects.create(paper=curated, topic=make_topic("robotics"), score=1, is_primary=True, origin="curator")
    abstract = "A text-to-speech system for spoken dialogue with voice cloning."
    ingest(
        [
            arxiv("2603.00001", title="Notes", abstract=abstract),
            arxiv("2603.00002", title="More notes", abstract=abstract),
        ],
        now=NOON,
    )
    assert left.paper_topics.get(is_primary=True).topic.slug == "speech-audio"
    assert list(curated.paper_topics.values_list("topic__slug", flat=True)) == ["robotics"]


def test_a_failure_stores_nothing_of_the_call() -> None:
    def breaking() -> Any:
        yield from numbered(700)
        raise OSError("the source died")

    with pytest.raises(OSError, match="died"):
        ingest(breaking(), now=NOON)
    assert not Paper.objects.exists()


def _queries(observations: list[Observation]) -> int:
    with CaptureQueriesContext(connection) as captured:
        ingest(observations, now=NOON)
    return len(captured)


def test_the_number_of_queries_does_not_grow_with_the_papers() -> None:
    ingest([seen("A paper before them")], now=NOON)  # reads the classifier, if no test before did
    few, many, again = _queries(numbered(10)), _queries(numbered(400)[10:]), _queries(numbered(400))
    assert few <= 17
    assert many <= few + 390 / 20  # SQLite takes long inserts in pieces
    assert again <= few + 400 / 20


def test_near_duplicates_are_not_compared_with_the_whole_table() -> None:
    ingest(numbered(300), now=NOON)
    with CaptureQueriesContext(connection) as captured:
        ingest([seen("alpha bravo charlie: a study of sheep")], now=NOON)
    asked = next(query["sql"] for query in captured if '"title_head" IN' in query["sql"])
    assert '"title_tail" IN' in asked
    assert "LIKE" not in asked


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_two_workers_with_the_same_papers_add_them_once() -> None:
    batch = [*numbered(40), *[seen(f"A paper without any identifier, number {n} of many") for n in range(10)]]

    def work(_: int) -> IngestResult:
        try:
            return ingest(batch, now=NOON)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    assert sum(one.new for one in results) == 50
    assert Paper.objects.count() == 50
    assert Sighting.objects.count() == 50
