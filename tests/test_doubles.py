"""Suspected duplicates: what looks like one paper is listed, and a curator says so or not with one click."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter.catalogue.sources.paper_identifiers import title_key
from newsletter.catalogue.suspected_doubles import suspected
from newsletter.models import DistinctPapers, Merge, Paper
from tests.builders import make_edition, make_paper

pytestmark = pytest.mark.django_db
PAGE = "/admin/newsletter/paper/doubles/"
TITLE = "Whales that sing in several dialects: a field study"


def paper(title: str = TITLE, **over: Any) -> Paper:
    key = title_key(title)
    ends = {"title_key": key, "title_head": key[:24], "title_tail": key[-24:]}
    fields = {"authors": ["Ada Fern", "Bo Lund"], "abstract": "Whales sing.", "first_seen_at": timezone.now()}
    return make_paper(**({"title": title} | ends | fields | over))


@pytest.fixture
def curator(client: Client) -> Client:
    user = User.objects.create_user("carla", is_staff=True)
    user.groups.add(Group.objects.get(name="Curators"))
    client.force_login(user)
    return client


def pairs() -> list[tuple[int, int]]:
    return [(pair.kept.pk, pair.double.pk) for pair in suspected(Paper.objects.all())]


def press(client: Client, word: str, page: str = PAGE) -> str:
    html = client.get(page).content.decode() if page.startswith("/") else page
    found = re.search(rf'<button[^>]*name="(\w+)" value="([\d:]+)">{word}<', html)
    assert found, word
    return client.post(PAGE, {found[1]: found[2]}, follow=True).content.decode()


@pytest.mark.parametrize(
    ("other", "is_suspected"),
    [
        ({}, True),  # two arXiv ids
        ({"arxiv_id": None}, True),
        ({"title": TITLE.replace("dialects", "dialect")}, True),
        ({"authors": []}, True),
        ({"authors": ["Fern, Ada"], "abstract": ""}, True),
        ({"authors": ["Someone Else"]}, True),  # the abstract is the same
        ({"authors": ["Someone Else"], "abstract": "A study of another kind altogether."}, False),
        ({"title": TITLE + ", part 2"}, False),
        ({"title": "Whales that sing in several hours: an indoor game"}, False),
        ({"is_hidden": True}, False),
    ],
)
def test_almost_the_same_title_with_the_same_people_or_abstract_is_suspected(
    other: dict[str, Any], is_suspected: bool
) -> None:
    first = paper(arxiv_id="2603.00001")
    second = paper(**({"arxiv_id": "2603.00002"} | other))
    assert pairs() == ([(first.pk, second.pk)] if is_suspected else [])


def test_one_click_makes_one_paper_and_one_takes_it_back(curator: Client) -> None:
    second = paper(arxiv_id=None)
    first = paper(arxiv_id="2603.00001")
    page = press(curator, "Same paper")
    assert "One paper now" in page
    assert "No two papers look like one." in page
    second.refresh_from_db()
    assert second.merged_into == first, "the one with an arXiv id stays"
    assert "Two papers again." in press(curator, "Undo", page)
    assert not Merge.objects.exists()
    assert pairs() == [(first.pk, second.pk)]


def test_not_the_same_is_remembered_and_can_be_taken_back(curator: Client) -> None:
    paper(arxiv_id="2603.00001")
    paper(arxiv_id="2603.00002")
    page = press(curator, "Not the same")
    word = DistinctPapers.objects.get()
    assert word.by
    assert (word.by.username, word.first_id < word.second_id) == ("carla", True)
    assert "No two papers look like one." in page
    assert "The two are listed again." in press(curator, "Undo", page)
    assert len(pairs()) == 1


def test_an_editions_page_leads_to_its_own(curator: Client) -> None:
    alike = [paper(arxiv_id=f"2603.0000{number}") for number in (1, 2)]
    edition, other = make_edition(papers=alike[:1]), make_edition(papers=[make_paper()], cadence="weekly")
    for one, number in ((edition, 1), (other, 0)):
        page = curator.get(f"/admin/newsletter/edition/{one.pk}/change/").content.decode()
        assert page.count(f"{PAGE}?edition={one.pk}") == number
        assert curator.get(f"{PAGE}?edition={one.pk}").content.decode().count("Same paper") == number
    assert curator.get(f"{PAGE}?edition=99999").status_code == 404


@pytest.mark.parametrize(
    "said",
    [{}, {"same": ""}, {"same": "1"}, {"same": "x:y"}, {"apart": "9" * 40 + ":1"}, {"same": "1:1"}, {"other": "1:2"}],
)
def test_nonsense_changes_nothing(curator: Client, said: dict[str, str]) -> None:
    paper(arxiv_id="2603.00001")
    assert "not known any more" in curator.post(PAGE, said, follow=True).content.decode()
    assert not Merge.objects.exists()


def test_many_papers_take_no_more_queries(curator: Client) -> None:
    for number in range(2):
        paper(arxiv_id=f"2603.0000{number}")
    numbers = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as asked:
            pairs()
        numbers.append(len(asked))
        for number in range(20):
            paper(
                f"Another title of whales number {number}, twice and more", arxiv_id=f"2604.{len(numbers)}00{number:02}"
            )
    assert numbers[0] == numbers[1]
