"""A reader's library for a program of theirs: list, add and remove with the token of their preferences link."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from newsletter.api import library as library_api
from newsletter.models import LibraryEntry
from subscriptions import follows_api, token_links
from subscriptions.models import Subscriber
from tests.builders import make_paper, make_reader

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/reader/library/"


def ask(token: str, method: str = "get", query: str = "", **body: Any) -> Any:
    client = Client(enforce_csrf_checks=True, headers={"authorization": f"Bearer {token}"})
    if method == "get":
        return client.get(ADDRESS + query)
    return getattr(client, method)(ADDRESS, json.dumps(body), content_type="application/json")


def token_of(reader: Subscriber) -> str:
    return token_links.manage_token(reader, now=timezone.now())


def test_a_program_lists_adds_and_removes_the_papers_of_its_reader() -> None:
    alice, bob = make_reader("alice@lovelace.example"), make_reader("bob@example.net")
    make_paper(arxiv_id="1706.03762", title="Attention Is All You Need")
    token = token_of(alice)
    assert ask(token).json() == {"total": 0, "entries": [], "next": None}
    added = ask(
        token, "post", references="@misc{a, eprint={1706.03762}}\n@misc{b, year={2020}}\n@misc{c, title={Whales}}"
    )
    assert (added.status_code, added.json()) == (
        200,
        {"added": 2, "known": 0, "beyond": 0,
         "refused": [{"line": 2, "why": "This entry has neither a title nor an arXiv id nor a DOI."}]},
    )  # fmt: skip
    assert ask(token, "post", references="1706.03762").json()["known"] == 1
    found = ask(token).json()
    assert [(one["title"], one["arxiv_id"], one["source"]) for one in found["entries"]] == [
        ("Whales", "", "uploaded"),
        ("Attention Is All You Need", "1706.03762", "uploaded"),
    ]
    assert "no-store" in ask(token)["Cache-Control"]
    number = found["entries"][0]["id"]
    assert ask(token_of(bob), "delete", id=number).status_code == 204
    assert alice.library.count() == 2, "nobody removes what is another's"
    assert ask(token, "delete", id=number).status_code == 204
    assert ask(token).json()["total"] == 1


def test_a_long_library_comes_in_pages() -> None:
    reader = make_reader()
    LibraryEntry.objects.bulk_create(
        LibraryEntry(subscriber=reader, identity=f"i{n}", title=f"T{n}", source="uploaded", at=timezone.now())
        for n in range(450)
    )
    titles, query = [], ""
    while query is not None:
        page = ask(token_of(reader), query=query).json()
        titles += [one["title"] for one in page["entries"]]
        query = f"?before={page['next']}" if page["next"] else None  # type: ignore[assignment]
    assert titles == [f"T{n}" for n in reversed(range(450))]


@pytest.mark.parametrize(
    ("method", "body", "sentence"),
    [
        ("post", {}, library_api.WHAT_TO_SEND["references"]),
        ("post", {"references": ""}, library_api.WHAT_TO_SEND["references"]),
        ("post", {"references": "a", "more": 1}, library_api.WHAT_TO_SEND[""]),
        ("delete", {"id": "1"}, "id: give"),
        ("delete", {}, "id: give"),
    ],
)
def test_a_body_that_makes_no_sense_is_answered_with_what_to_send(
    method: str, body: dict[str, Any], sentence: str
) -> None:
    answer = ask(token_of(make_reader()), method, **body)
    assert answer.status_code == 422
    assert sentence in answer.json()["message"]


def test_the_page_of_the_api_offers_no_form_for_what_a_browser_cannot_open(client: Client) -> None:
    page = client.get("/api/").content.decode()
    assert "reader/library/" in page
    assert f'href="{ADDRESS}"' not in page
    assert 'name="before"' not in page


def test_without_the_link_nothing_is_told_and_large_bodies_are_refused() -> None:
    for token in ("", "pb_key", "1.0~x"):
        assert ask(token).status_code == 401
        assert ask(token).json() == {"message": follows_api.NO_LINK}
    large = ask(token_of(make_reader()), "post", references="x" * library_api.BYTES_MAX)
    assert (large.status_code, large.json()) == (413, {"message": f"Send at most {library_api.BYTES_MAX} bytes."})
