"""Interests for a reader's program: read and set whole, and named with what it follows and brings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from newsletter.models import LibraryEntry, Verdict
from subscriptions import follows_api, interests_api, token_links
from subscriptions.models import Subscriber
from tests.builders import NOON, make_paper, make_reader, make_topic
from tests.test_api import new_key

pytestmark = pytest.mark.django_db
REFERENCE = "@article{a, title={Grippers that grip gently in cold water}, author={Quist, Nora}}"


def ask(token: str, method: str = "get", *, about: str = "interests", **body: Any) -> Any:
    client = Client(enforce_csrf_checks=True, headers={"authorization": f"Bearer {token}"})
    address = f"/api/v1/reader/{about}/"
    if method == "get":
        return client.get(address)
    return getattr(client, method)(address, json.dumps(body), content_type="application/json")


def token_of(reader: Subscriber) -> str:
    return token_links.manage_token(reader, now=timezone.now())


def two(**over: Any) -> list[dict[str, Any]]:
    return [{"name": "thesis", "is_first": True, "share": 60}, {"name": "teaching", **over}]


def test_a_program_sets_and_reads_the_interests_of_its_reader() -> None:
    make_topic("robotics")
    alice = make_reader(follows=("vision",))
    alice.follows.create(text="planners", key="k", stance="not", at=NOON)
    token = token_of(alice)
    assert ask(token).json() == {"interests": []}
    wanted = two(topics={"robotics": "more"}, follows={"gripper": "follow"}, unit="papers", share=3, is_on=False)
    answer = ask(token, "put", interests=wanted)
    assert answer.status_code == 200
    first = {"name": "thesis", "is_first": True, "is_on": True, "share": 60, "unit": "percent"}
    second = {"name": "teaching", "is_first": False, "is_on": False, "share": 3, "unit": "papers"}
    assert answer.json()["interests"] == [
        first | {"topics": {"vision": "follow"}, "follows": {"planners": "not"}},
        second | {"topics": {"robotics": "more"}, "follows": {"gripper": "follow"}},
    ]
    assert ask(token).json() == answer.json()
    assert ask(token, "put", **answer.json()).json() == answer.json(), "what was read can be set"
    assert alice.consent_events.count() == 1
    renamed = ask(token, "put", interests=[{**two()[0], "topics": {}}, {"name": "lectures"}]).json()["interests"]
    assert renamed[0]["topics"] == {}
    assert ask(token, "put", interests=[]).json() == {"interests": []}
    assert not alice.interests.exists()


def test_a_new_name_keeps_the_row() -> None:
    alice = make_reader()
    ask(token_of(alice), "put", interests=two())
    row = alice.interests.get(name="teaching")
    Verdict.objects.create(subscriber=alice, paper=make_paper(), value=1, at=NOON, interest=row)
    ask(token_of(alice), "put", interests=[two()[0], {"name": "lectures"}])
    assert Verdict.objects.get().interest == alice.interests.get(name="lectures") == row


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"interests": two()[:1]}, "Name two at least"),
        ({"interests": two(name="THESIS")}, "same name"),
        ({"interests": two(name="")}, "Give a name"),
        ({"interests": two(share=50)}, "more than 100 per cent"),
        ({"interests": two(share=0)}, "Give a share"),
        ({"interests": two(share="3")}, interests_api.WHAT_TO_SEND["share"]),
        ({"interests": two(unit="pages")}, interests_api.WHAT_TO_SEND["unit"]),
        ({"interests": two(topics={"alchemy": "follow"})}, interests_api.WHAT_TO_SEND["topics"]),
        ({"interests": two(topics={"vision": "love"})}, interests_api.WHAT_TO_SEND["topics"]),
        ({"interests": two(follows={"-image": "follow"})}, "This only says what to leave out."),
        ({"interests": two(follows={"x" * 301: "follow"})}, interests_api.WHAT_TO_SEND["follows"]),
        ({"interests": two(follows={f"q{n}": "follow" for n in range(101)})}, interests_api.WHAT_TO_SEND["follows"]),
        ({"interests": "thesis"}, interests_api.WHAT_TO_SEND[""]),
        ({}, interests_api.WHAT_TO_SEND[""]),
        ({"interests": two(colour="red")}, interests_api.WHAT_TO_SEND[""]),
    ],
)
def test_what_cannot_be_set_is_answered_with_what_to_do(body: dict[str, Any], sentence: str) -> None:
    alice = make_reader()
    make_topic("vision")
    answer = ask(token_of(alice), "put", **body)
    assert answer.status_code == 422
    assert sentence in answer.json()["message"]
    assert not alice.interests.exists()


def test_queries_and_references_may_name_an_interest() -> None:
    alice = make_reader()
    token = token_of(alice)
    ask(token, "put", interests=two())
    told = ask(token, "post", about="follows", query="gripper", interest="teaching").json()
    assert told == {"follows": [{"query": "gripper", "stance": "follow", "interest": "teaching"}]}
    told = ask(token, "delete", about="follows", query="gripper").json()
    assert len(told["follows"]) == 1, "the first follows no such query"
    told = ask(token, "post", about="follows", query="gripper").json()
    assert told == {"follows": [{"query": "gripper", "stance": "follow", "interest": "thesis"}]}
    assert ask(token, "delete", about="follows", query="gripper", interest="thesis").json() == {"follows": []}
    answer = ask(token, "post", about="follows", query="gripper", interest="cooking")
    assert (answer.status_code, answer.json()["message"]) == (422, follows_api.WHAT_TO_SEND["interest"])
    assert ask(token, "post", about="library", references=REFERENCE, interest="cooking").status_code == 422
    assert ask(token, "post", about="library", references=REFERENCE, interest="teaching").json()["added"] == 1
    assert LibraryEntry.objects.get().interest == alice.interests.get(name="teaching")
    assert ask(token, about="library").json()["entries"][0]["interest"] == "teaching"


def test_no_key_of_an_operator_opens_them() -> None:
    for token in ("", new_key()):
        assert ask(token).status_code == 401
        assert ask(token, "put", interests=[]).status_code == 401


def test_papers_are_brought_for_an_interest_and_moved_to_another(client: Client) -> None:
    alice = make_reader()
    page = f"/r/{token_of(alice)}/library/"
    assert "For which interest?" not in client.get(page).content.decode()
    ask(token_of(alice), "put", interests=two())
    first, second = alice.interests.all()
    shown = client.post(page, {"references": REFERENCE, "interest": second.pk}).content.decode()
    assert "1 paper was added." in shown
    assert shown.count("For which interest?") == 4
    entry = LibraryEntry.objects.get()
    assert entry.interest == second
    client.post(page, {"action": "move", "entry": entry.pk, "interest": first.pk})
    entry.refresh_from_db()
    assert entry.interest is None
    client.post(page, {"action": "move", "entry": entry.pk, "interest": second.pk})
    bob = make_reader()
    client.post(f"/r/{token_of(bob)}/library/", {"references": REFERENCE, "interest": second.pk})
    assert LibraryEntry.objects.get(subscriber=bob).interest is None, "of another reader"
