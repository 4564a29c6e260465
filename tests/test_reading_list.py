"""Papers named in an address: the page of saved papers, and references to them as files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_paper, make_topic
from tests.test_listing import titles

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


def test_a_reading_list_keeps_its_order_and_names_each_paper_once(client: Client) -> None:
    first, second, hidden = make_paper(title="First"), make_paper(title="Second"), make_paper(is_hidden=True)
    merged = make_paper(title="Twin", merged_into=first)

    answer = client.get(f"/saved/?papers={second.pk},{hidden.pk},{merged.pk},{second.pk},{first.pk},999999")

    assert titles(answer) == ["Second", "First"]
    assert answer["X-Robots-Tag"] == "noindex"
    assert f"/cite.bib?papers={second.pk},{first.pk}" in answer.content.decode()


def test_an_empty_reading_list_says_how_to_fill_it(client: Client) -> None:
    assert "No papers saved yet." in client.get("/saved/").content.decode()


@pytest.mark.parametrize("asked", ["1;2", "-1", "one", "٣", "9" * 30, ",".join(map(str, range(1, 202)))])
def test_what_is_no_list_of_papers_is_not_found(client: Client, asked: str) -> None:
    assert client.get("/saved/", {"papers": asked}).status_code == 404
    assert client.get("/cite.bib", {"papers": asked}).status_code == 404


def test_two_hundred_papers_cost_the_queries_of_two(client: Client, django_assert_max_num_queries: object) -> None:
    topic = make_topic("vision")
    papers = [make_paper(title=f"Paper {number}") for number in range(200)]
    for paper in papers:
        paper.paper_topics.create(topic=topic, score=0.9, is_primary=True)
    asked = ",".join(str(paper.pk) for paper in papers)
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        assert len(titles(client.get(f"/saved/?papers={asked}"))) == 200


def test_references_are_served_for_programs_that_manage_them(client: Client) -> None:
    paper = make_paper(title="Flows & fields", authors=["Ada Lovelace", "Jan van Eyck"], arxiv_id="2603.12345")

    bib, ris, csl = (client.get(f"/cite.{suffix}?papers={paper.pk}") for suffix in ("bib", "ris", "json"))

    assert "title = {{Flows {\\&} fields}}" in bib.content.decode()
    assert bib["Content-Disposition"] == f'attachment; filename="paper-{paper.pk}.bib"'
    assert "AU  - van Eyck, Jan\r\n" in ris.content.decode()
    (item,) = json.loads(csl.content)
    assert item["number"] == "arXiv:2603.12345"
    assert client.get("/cite.bib").status_code == 404
    assert client.get(f"/cite.docx?papers={paper.pk}").status_code == 404
