"""Follows for programs: at sign-up with an operator's key, and a reader's own list with the token of their link."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from newsletter import search
from newsletter.monitoring.reader_history import history_of
from subscriptions import follows_api, signup_api, token_links
from subscriptions.models import ConsentEvent, Follow, Subscriber
from subscriptions.preferences import follow_key
from tests.builders import NOON, make_paper, make_reader
from tests.test_api import new_key
from tests.test_api import post as sign_up

pytestmark = pytest.mark.django_db
QUIST = 'author:"Nora Quist"'


def ask(token: str, method: str = "get", **body: Any) -> Any:
    client = Client(enforce_csrf_checks=True, headers={"authorization": f"Bearer {token}"})
    ask_so = getattr(client, method)
    if method == "get":
        return ask_so("/api/v1/reader/follows/")
    return ask_so("/api/v1/reader/follows/", json.dumps(body), content_type="application/json")


def token_of(reader: Subscriber) -> str:
    return token_links.manage_token(reader, now=timezone.now())


def test_a_program_lists_adds_and_removes_what_its_reader_follows() -> None:
    alice, bob = make_reader("alice@lovelace.example"), make_reader("bob@example.net")
    bob.follows.create(text="secret", key="k", at=NOON)
    token = token_of(alice)
    assert ask(token).json() == {"follows": []}
    added = ask(token, "post", query=f" {QUIST}")
    assert (added.status_code, added.json()) == (200, {"follows": [{"query": QUIST, "stance": "follow"}]})
    both = ask(token, "post", query="gripper", stance="not").json()["follows"]
    assert both[1] == {"query": "gripper", "stance": "not"}
    assert ask(token, "post", query=QUIST).json() == ask(token).json(), "twice is once"
    assert "no-store" in ask(token)["Cache-Control"]
    assert alice.consent_events.filter(kind=ConsentEvent.Kind.CHANGED, method="api").count() == 2
    assert ask(token, "delete", query=QUIST).json() == {"follows": [{"query": "gripper", "stance": "not"}]}
    assert ask(token, "delete", query="never there").status_code == 200
    assert bob.follows.count() == 1


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"query": "-image"}, "This only says what to leave out."),
        ({"query": "x" * 301}, "at most 300 characters"),
        ({"query": ""}, "This field is required."),
        ({}, follows_api.WHAT_TO_SEND["query"]),
        ({"query": "a", "stance": "love"}, follows_api.WHAT_TO_SEND["stance"]),
        ({"query": "a", "more": 1}, follows_api.WHAT_TO_SEND[""]),
    ],
)
def test_what_cannot_be_followed_is_answered_with_what_to_do(body: dict[str, Any], sentence: str) -> None:
    answer = ask(token_of(make_reader()), "post", **body)
    assert answer.status_code == 422
    assert sentence in answer.json()["message"]
    assert not Follow.objects.exists()


def test_a_link_that_is_too_old_and_an_operators_key_open_nothing() -> None:
    alice = make_reader()
    old = token_links.manage_token(alice, now=timezone.now() - timedelta(hours=25))
    for token in (old, "", new_key()):
        answer = ask(token)
        assert (answer.status_code, answer.json()) == (401, {"message": follows_api.NO_LINK})


def test_a_sign_up_by_a_program_may_bring_queries_which_wait_for_the_owner() -> None:
    key = new_key()
    assert sign_up(key, {"email": "bob@example.net", "follows": [QUIST, "planners"]}).status_code == 202
    asked = ConsentEvent.objects.get(kind=ConsentEvent.Kind.REQUESTED)
    assert asked.detail["wishes"]["follows"] == {QUIST: "follow", "planners": "follow"}
    assert not Follow.objects.exists()
    for wrong in (["-image"], ["x" * 301], [""] * 11, "planners"):
        answer = sign_up(key, {"email": "eve@example.net", "follows": wrong})
        assert (answer.status_code, answer.json()["message"]) == (422, signup_api.WHAT_TO_SEND["follows"])


def test_the_desk_shows_what_a_reader_follows_and_what_is_followed_most(client: Client) -> None:
    alice = make_reader("alice@lovelace.example")
    for reader, query in ((alice, "grippers"), (alice, QUIST), (make_reader(), QUIST)):
        reader.follows.create(text=query, key=follow_key(query), at=NOON)
    now = timezone.now()
    make_paper(authors=["Nora Quist"], first_seen_at=now)
    search.keep_up(now=now, deadline=now + timedelta(minutes=5))
    search.keep_queries(now=now, deadline=now + timedelta(minutes=5))
    operator = User.objects.create_user("olga", is_staff=True)
    operator.groups.add(Group.objects.get(name="Operators"))
    client.force_login(operator)
    rows = list(client.get("/admin/newsletter/standingquery/").context["cl"].result_list)
    assert [(row.text, row.readers, row.lately) for row in rows] == [(QUIST, 2, 1), ("grippers", 1, 0)]
    assert "grippers" in client.get(f"/admin/subscriptions/subscriber/{alice.pk}/change/").content.decode()
    lines = [(line.what, line.detail) for line in history_of(alice) if line.subject == "follow"]
    assert lines == [('author:"Nora Quist"', "follow"), ("grippers", "follow")]
