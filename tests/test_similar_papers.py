"""Papers like one: what reads alike comes first, what the public may not see never comes, and nothing is unbounded."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter import search
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import sample_papers
from newsletter.models import Paper
from newsletter.search.similar_papers import MOST, similar_to
from tests.builders import NOON, assign, make_paper

pytestmark = pytest.mark.django_db


def keep_up() -> None:
    search.keep_up(now=timezone.now(), deadline=timezone.now() + timedelta(minutes=1))


@pytest.fixture
def _sample() -> None:
    ingest({one.key: one for one in sample_papers.observations(until=NOON)}.values(), now=NOON)
    keep_up()


def like(beginning: str, *, limit: int = 3) -> list[str]:
    found = similar_to(Paper.objects.get(title__startswith=beginning), limit=limit)
    by_pk = Paper.objects.in_bulk([pk for pk, _ in found])
    return [by_pk[pk].title for pk, _ in found]


@pytest.mark.usefixtures("_sample")
@pytest.mark.parametrize(
    ("paper", "other"),
    [
        ("Explaining and Harnessing", "Towards Deep Learning Models Resistant to Adversarial Attacks"),
        ("Graph Attention", "Semi-Supervised Classification with Graph Convolutional Networks"),
        ("NeRF", "3D Gaussian Splatting for Real-Time Radiance Field Rendering"),
        ("Megatron", "ZeRO: Memory Optimizations Toward Training Trillion Parameter Models"),
        (
            "Dense Passage",
            "ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over BERT",
        ),
        ("Faster R-CNN", "End-to-End Object Detection with Transformers"),
    ],
)
def test_both_databases_find_the_papers_that_read_alike(paper: str, other: str) -> None:
    assert other in like(paper)


def test_of_two_that_read_alike_the_one_in_the_same_topics_comes_first() -> None:
    paper, *others = (make_paper(title="Whispered speech", abstract="Speech from afar.") for _ in range(3))
    apart, same = others
    for one, topic in ((paper, "speech"), (apart, "robots"), (same, "speech")):
        assign(one, topic)
    keep_up()
    assert [pk for pk, _ in similar_to(paper, limit=5)] == [same.pk, apart.pk]


def test_topics_alone_make_no_paper_similar() -> None:
    paper = assign(make_paper(title="Whispered speech"), "speech")
    assign(make_paper(title="Glaciers melt"), "speech")
    keep_up()
    assert similar_to(paper, limit=5) == []


def test_a_paper_is_not_like_itself_nor_like_hidden_and_merged_ones() -> None:
    paper = make_paper(title="Whispered speech", abstract="Whispered speech from afar.")
    near = make_paper(title="Whispered speech again", abstract="Whispered speech from afar.")
    make_paper(title="Whispered speech, hidden", abstract="Whispered speech from afar.", is_hidden=True)
    make_paper(title="Whispered speech, merged", abstract="Whispered speech from afar.", merged_into=paper)
    make_paper(title="Glaciers", abstract="Ice melts.")
    keep_up()
    assert [pk for pk, _ in similar_to(paper, limit=MOST)] == [near.pk]


def test_a_paper_that_was_not_read_yet_has_similar_ones() -> None:
    near = make_paper(title="Whispered speech again")
    keep_up()
    assert [pk for pk, _ in similar_to(make_paper(title="Whispered speech"), limit=5)] == [near.pk]


def test_the_answer_is_kept_for_a_while() -> None:
    paper = make_paper(title="Whispered speech")
    make_paper(title="Whispered speech again")
    keep_up()
    first = similar_to(paper, limit=5)
    with CaptureQueriesContext(connection) as queries:
        assert similar_to(paper, limit=5) == first
    assert len(queries) == 0
    cache.clear()
    with CaptureQueriesContext(connection) as queries:
        similar_to(paper, limit=5)
    assert 0 < len(queries) <= 10


def test_the_page_of_a_paper_shows_them(client: Client) -> None:
    paper = make_paper(title="Whispered speech")
    near = make_paper(title="Whispered speech again")
    keep_up()
    page = client.get(f"/paper/{paper.pk}/").content.decode()
    assert "Similar papers" in page
    assert f'href="/paper/{near.pk}/"' in page
    assert "Withdrawn" not in page
    Paper.objects.filter(pk=near.pk).update(withdrawn_at=NOON)
    assert "Withdrawn by its authors." in client.get(f"/paper/{paper.pk}/").content.decode()


@pytest.mark.parametrize("name", ["whispered  SPEECH", "2603.55555", "https://arxiv.org/abs/2603.55555v2", "number"])
def test_the_command_takes_a_title_an_arxiv_id_or_a_number(name: str) -> None:
    paper = make_paper(title="Whispered speech", arxiv_id="2603.55555")
    near = make_paper(title="Whispered speech again")
    out = StringIO()
    call_command("similar_papers", str(paper.pk) if name == "number" else name, "--json", stdout=out)
    (found,) = json.loads(out.getvalue())
    assert (found["id"], found["title"]) == (near.pk, near.title)


def test_the_command_names_a_paper_that_is_not_there() -> None:
    with pytest.raises(CommandError, match="no paper called 'Glaciers'"):
        call_command("similar_papers", "Glaciers")
