import copy
import dataclasses
import json
from datetime import date
from typing import Any

import pytest

from newsletter.catalogue.sources import hf_daily
from newsletter.catalogue.sources.observed_paper import SourceError
from tests.builders import NOON
from tests.contract_sources import REQUEST, SourceContract

PAPER: dict[str, Any] = {
    "title": "Sheep at Scale:\n  Counting without Sleeping",
    "summary": "copy",
    "publishedAt": "2026-03-17T12:08:18.000Z",
    "thumbnail": "https://cdn-thumbnails.huggingface.co/social-thumbnails/papers/2603.00001.png",
    "numComments": 2,
    "submittedBy": {"_id": "a", "name": "shepherd", "type": "user"},
    "paper": {
        "id": "2603.00001",
        "title": "Sheep at Scale:\n  Counting without Sleeping",
        "summary": "We count sheep.\nMany of them. See https://github.com/other/mention.",
        "authors": [
            {"_id": "1", "name": "Ada Lovelace", "hidden": False},
            {"_id": "2", "name": "Somebody Else", "hidden": True},
            {"_id": "3", "name": "Alan Turing"},
        ],
        "publishedAt": "2026-03-16T17:08:18.000Z",
        "submittedOnDailyAt": "2026-03-18T00:12:00.000Z",
        "submittedOnDailyBy": {"_id": "a", "user": "shepherd", "avatarUrl": "/avatars/x.svg"},
        "upvotes": 41,
        "discussionId": "d",
        "githubRepo": "https://github.com/meadow/sheep",
        "githubStars": 120,
        "projectPage": "https://meadow.github.io/sheep/",
        "organization": {"_id": "o", "name": "meadow", "fullname": "Meadow Institute"},
    },
}
PLAIN: dict[str, Any] = {
    "title": "0",
    "paper": {"id": "2603.00002v2", "title": "0", "summary": "", "authors": [], "upvotes": 0},
}


def answer(*items: Any) -> bytes:
    return json.dumps(list(items)).encode()


def changed(**paper: Any) -> dict[str, Any]:
    item = copy.deepcopy(PAPER)
    item["paper"].update(paper)
    return item


class TestHuggingFaceDaily(SourceContract):
    source = hf_daily
    answer = answer(PAPER, PLAIN)
    titles = ["Sheep at Scale: Counting without Sleeping", "0"]
    empty_answer = b"[]"


def test_everything_worth_having_is_taken_from_the_nested_paper() -> None:
    one = hf_daily.parse(answer(PAPER), seen_at=NOON)[0]
    assert (one.arxiv_id, one.key, one.rank) == ("2603.00001", "2603.00001", 1)
    assert one.authors == ("Ada Lovelace", "Alan Turing")
    assert one.abstract == "We count sheep. Many of them. See https://github.com/other/mention."
    assert one.code_url == "https://github.com/meadow/sheep"
    assert one.project_url == "https://meadow.github.io/sheep/"
    assert one.thumbnail_url.endswith("2603.00001.png")
    assert one.organization == "Meadow Institute"
    assert one.metrics == {"upvotes": 41, "stars": 120, "comments": 2}


def test_the_daily_date_is_that_of_its_submission_not_the_one_in_new_york_time() -> None:
    one = hf_daily.parse(answer(PAPER), seen_at=NOON)[0]
    assert (one.published_on, one.listed_on) == (date(2026, 3, 16), date(2026, 3, 18))


def test_no_votes_yet_is_a_count_and_a_missing_count_is_none() -> None:
    assert hf_daily.parse(answer(PLAIN), seen_at=NOON)[0].metrics == {"upvotes": 0}
    assert hf_daily.parse(answer(changed(upvotes=None)), seen_at=NOON)[0].metrics == {"stars": 120, "comments": 2}


def test_without_a_repository_the_abstract_is_searched_for_one() -> None:
    one = hf_daily.parse(answer(changed(githubRepo=None)), seen_at=NOON)[0]
    assert one.code_url == "https://github.com/other/mention"


@pytest.mark.parametrize("repository", ["javascript:alert(1)", "https://127.0.0.1/x", 5, "ftp://github.com/a/b"])
def test_a_hostile_repository_is_not_published(repository: Any) -> None:
    one = hf_daily.parse(answer(changed(githubRepo=repository, summary="")), seen_at=NOON)[0]
    assert one.code_url == ""


@pytest.mark.parametrize("value", [-1, True, "41", 4.1, 10**12, None, []])
def test_counts_that_cannot_be_are_left_out(value: Any) -> None:
    assert "upvotes" not in hf_daily.parse(answer(changed(upvotes=value)), seen_at=NOON)[0].metrics


def test_a_withdrawn_paper_says_so() -> None:
    assert hf_daily.parse(answer(changed(withdrawnAt="2026-03-18T01:00:00Z")), seen_at=NOON)[0].withdrawn


@pytest.mark.parametrize(
    "broken",
    [None, 5, [], {}, {"paper": None}, {"paper": {"id": "not an id", "title": "x"}}, {"paper": {"id": "2603.00003"}},
     changed(id=7)],
)  # fmt: skip
def test_one_broken_item_does_not_lose_the_others(broken: Any) -> None:
    assert [one.arxiv_id for one in hf_daily.parse(answer(broken, PLAIN), seen_at=NOON)] == ["2603.00002"]


@pytest.mark.parametrize(
    "field", ["authors", "organization", "publishedAt", "submittedOnDailyAt", "summary", "projectPage"]
)
@pytest.mark.parametrize("value", [None, 5, "x", [None], {"a": []}, "2026-13-45"])
def test_a_field_of_another_type_costs_that_field_only(field: str, value: Any) -> None:
    assert hf_daily.parse(answer(changed(**{field: value})), seen_at=NOON)[0].title.startswith("Sheep")


def test_a_new_format_is_an_error_and_not_an_empty_day() -> None:
    with pytest.raises(SourceError, match="none of 2 items"):
        hf_daily.parse(answer({"id": 1}, {"id": 2}), seen_at=NOON)


def test_the_last_week_is_asked_for_today_first() -> None:
    addresses = hf_daily.addresses(REQUEST)
    assert len(addresses) == 7
    assert "date=2026-03-18" in addresses[0]
    assert "date=2026-03-12" in addresses[6]


def test_a_full_page_is_followed_by_the_next_until_one_is_short() -> None:
    first = hf_daily.addresses(REQUEST)[1]

    def pages(*brought: int) -> list[str]:
        known = {first if page == 0 else f"{first}&p={page}": read for page, read in enumerate(brought)}
        return [one for one in hf_daily.addresses(dataclasses.replace(REQUEST, brought=known)) if first in one]

    assert pages() == pages(50) == [first]
    assert pages(100) == pages(98, 20) == [first, f"{first}&p=1"]
    assert pages(100, 100) == [first, f"{first}&p=1", f"{first}&p=2"]
    assert len(pages(*[100] * 50)) == 5
    assert len(hf_daily.addresses(dataclasses.replace(REQUEST, brought={first: 100}))) == 8, "the other days as ever"


def test_a_number_longer_than_any_count_is_refused() -> None:
    with pytest.raises(SourceError):
        hf_daily.parse(b'[{"paper":{"upvotes":' + b"9" * 5000 + b"}}]", seen_at=NOON)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(SourceError):
        hf_daily.parse(b"[" * 100_000, seen_at=NOON)
