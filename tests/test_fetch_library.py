"""A library fetched from Zotero and ORCID: pages, refusals and broken answers, against a server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from newsletter.interests import fetch_library
from newsletter.interests.fetch_library import fetch_orcid, fetch_zotero
from newsletter.models import SourceHost
from subscriptions import token_links
from tests.builders import make_reader
from tests.replay import Replay, Reply, replaying

pytestmark = pytest.mark.django_db
CSL = "application/vnd.citationstyles.csl+json"
KEY = "P9NiFoyLeZu2bZNvvuQPDWsd"
JOSIAH = "0000-0002-1825-0097"
WORKS = f"/v3.0/{JOSIAH}/works"


@pytest.fixture
def web(settings: Settings) -> Iterator[Replay]:
    with replaying() as replay:
        settings.ZOTERO_API_URL = settings.ORCID_API_URL = f"http://{replay.address}"
        yield replay


def page(*items: dict[str, Any], following: bool = False, **headers: str) -> Reply:
    """One page as Zotero sends it: https://www.zotero.org/support/dev/web_api/v3/basics."""
    if following:
        headers["Link"] = '<https://api.zotero.org/users/475425/items?start=100>; rel="next", <https://x>; rel="last"'
    return Reply(json.dumps({"items": list(items)}).encode(), kind=CSL, headers=headers)


def item(number: int) -> dict[str, Any]:
    named = {"publisher": "arXiv", "number": f"arXiv:2401.{number:05}"}
    return {"id": f"475425/{number}", "type": "article", "title": f"Songs of whales, part {number}"} | named


def test_a_zotero_library_is_read_page_by_page(web: Replay) -> None:
    web.on("/users/475425/items", page(item(1), item(2), following=True), page(item(3), {"type": "book"}))
    found = fetch_zotero("475425")
    assert [entry.arxiv_id for entry in found.entries] == ["2401.00001", "2401.00002", "2401.00003"]
    assert (found.unnamed, found.why, found.rest) == (1, "", 0)
    assert [path for path, _headers in web.asked] == [
        f"/users/475425/items?format=csljson&limit=100&start={start}&sort=dateAdded&direction=desc"
        for start in (0, 100)
    ]
    headers = web.asked[0][1]
    assert headers["zotero-api-version"] == "3"
    assert "zotero-api-key" not in headers


def test_without_a_link_the_number_of_results_tells_the_end(web: Replay) -> None:
    web.on("/groups/9/items", page(item(1), **{"Total-Results": "101"}), page(item(2), **{"Total-Results": "101"}))
    assert len(fetch_zotero("https://www.zotero.org/groups/9/whales/library").entries) == 2
    assert len(web.asked) == 2


def test_a_key_alone_finds_its_library_and_stands_in_no_address(web: Replay) -> None:
    web.on("/keys/current", Reply(json.dumps({"key": KEY, "userID": 475425, "username": "Z User"}).encode()))
    web.on("/users/475425/items", page(item(1)))
    assert len(fetch_zotero("", KEY).entries) == 1
    assert {headers["zotero-api-key"] for _path, headers in web.asked} == {KEY}
    assert not any(KEY in path for path, _headers in web.asked)


@pytest.mark.parametrize(
    ("library", "key", "reply", "why"),
    [
        ("475425", "", Reply(b"Forbidden", 403, "text/plain"), fetch_library.PRIVATE),
        ("475425", KEY, Reply(b"Forbidden", 403, "text/plain"), fetch_library.WRONG_KEY),
        ("475425", "", Reply(b"Not found", 404, "text/plain"), fetch_library.UNKNOWN_LIBRARY),
        ("475425", "", Reply(b"", 429, headers={"Retry-After": "120"}), fetch_library.BUSY),
        ("475425", "", Reply(b"", 503), fetch_library.BUSY),
        ("475425", "", Reply(b"", 500), fetch_library.AWAY),
        ("475425", "", Reply(b'{"items": [{', kind=CSL), fetch_library.UNREADABLE),
        ("475425", "", Reply(b'{"items": 3}', kind=CSL), fetch_library.UNREADABLE),
        ("475425", "", Reply(b"[" * 100_000, kind=CSL), fetch_library.UNREADABLE),
        ("475425", "", Reply(b"<html>", kind="text/html"), fetch_library.UNREADABLE),
        ("475425", "", Reply(b'{"items": []}', kind=CSL, claims=99), fetch_library.AWAY),
        ("475425", "", Reply(b" " * (17 * 2**20), kind=CSL), fetch_library.UNREADABLE),
        ("475425", "", Reply(status=302, headers={"Location": "http://127.0.0.1/"}), fetch_library.AWAY),
    ],
)
def test_each_refusal_of_zotero_has_its_sentence(web: Replay, library: str, key: str, reply: Reply, why: str) -> None:
    web.on("/users/475425/items", reply)
    found = fetch_zotero(library, key)
    assert (found.entries, found.why) == ([], why)


@pytest.mark.parametrize(
    ("library", "key", "why"),
    [
        ("", "", fetch_library.NO_LIBRARY),
        ("https://www.zotero.org/ada", "", fetch_library.NO_LIBRARY),
        ("../keys", "", fetch_library.NO_LIBRARY),
        ("475425", "not a key", fetch_library.NO_KEY),
        ("", KEY, fetch_library.WRONG_KEY),
    ],
)
def test_what_cannot_be_a_library_is_told_so(web: Replay, library: str, key: str, why: str) -> None:
    assert fetch_zotero(library, key).why == why


def test_a_wrong_key_of_one_reader_stops_nobody_elses_import(web: Replay) -> None:
    web.on("/users/1/items", Reply(status=403))
    web.on("/users/2/items", page(item(1)))
    assert fetch_zotero("1", KEY).why == fetch_library.WRONG_KEY
    assert len(fetch_zotero("2").entries) == 1


def test_when_zotero_asks_for_a_pause_the_import_stops_and_says_where_to_go_on(
    web: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_library, "_WAIT_FOR_TURN", 0.0)
    web.on("/users/475425/items", page(item(1), following=True, Backoff="60"), page(item(2)))
    found = fetch_zotero("475425")
    assert (len(found.entries), found.why, found.rest) == (1, fetch_library.BUSY, 100)
    assert SourceHost.objects.get().free_at > timezone.now() + timedelta(seconds=50)
    SourceHost.objects.update(free_at=timezone.now())
    assert [entry.arxiv_id for entry in fetch_zotero("475425", start=100).entries] == ["2401.00002"]


def test_an_import_whose_time_is_over_asks_to_go_on(web: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_library, "SECONDS", 0.0)
    found = fetch_zotero("475425", start=300)
    assert (found.why, found.rest, web.asked) == (fetch_library.MORE, 300, [])


def work(title: str, *named: tuple[str, str, str]) -> dict[str, Any]:
    """One group as ORCID sends it: https://info.orcid.org/documentation/api-tutorials/api-tutorial-read-data-on-a-record/."""
    outside = [
        {"external-id-type": kind, "external-id-value": value, "external-id-relationship": relationship}
        for kind, value, relationship in named
    ]
    summary = {"title": {"title": {"value": title}}, "external-ids": {"external-id": outside}, "url": None}
    return {"external-ids": {"external-id": outside}, "work-summary": [summary]}


def test_the_public_works_of_an_orcid_are_read(web: Replay) -> None:
    works = [
        work("Songs of whales", ("doi", "10.1000/182", "self"), ("arxiv", "arXiv:2401.00001v2", "self")),
        work("A chapter", ("doi", "10.1000/book", "part-of"), ("isbn", "9780000000000", "part-of")),
        work("A preprint", ("doi", "https://doi.org/10.48550/arXiv.2401.00002", "self")),
        {"work-summary": "none"},
    ]
    web.on(WORKS, Reply(json.dumps({"group": works}).encode(), kind="application/json;charset=UTF-8"))
    found = fetch_orcid(f"https://orcid.org/{JOSIAH}")
    assert [(entry.title, entry.arxiv_id, entry.doi) for entry in found.entries] == [
        ("Songs of whales", "2401.00001", "10.1000/182"),
        ("A chapter", None, None),
        ("A preprint", "2401.00002", "10.48550/arXiv.2401.00002"),
    ]
    assert (found.unnamed, found.why) == (1, "")
    assert web.asked[0][1]["accept"] == "application/json"


@pytest.mark.parametrize(
    ("orcid", "reply", "why"),
    [
        (JOSIAH, Reply(status=404), fetch_library.UNKNOWN_ORCID),
        (JOSIAH, Reply(status=409), fetch_library.UNKNOWN_ORCID),
        (JOSIAH, Reply(status=429), fetch_library.BUSY),
        (JOSIAH, Reply(b"[]"), fetch_library.UNREADABLE),
        (JOSIAH, Reply(b'{"group": {}}'), fetch_library.UNREADABLE),
        ("0000-0002-1825-0098", Reply(), fetch_library.NO_ORCID),
        ("Josiah Carberry", Reply(), fetch_library.NO_ORCID),
    ],
)
def test_each_refusal_of_orcid_has_its_sentence(web: Replay, orcid: str, reply: Reply, why: str) -> None:
    web.on(WORKS, reply)
    found = fetch_orcid(orcid)
    assert (found.entries, found.why) == ([], why)


def test_the_page_adds_what_was_fetched_and_keeps_no_key(web: Replay, client: Client) -> None:
    reader = make_reader()
    address = f"/r/{token_links.manage_token(reader, now=timezone.now())}/library/"
    web.on("/users/475425/items", page(item(1)))
    answer = client.post(address, {"action": "zotero", "library": "475425", "key": KEY}).content.decode()
    assert "1 paper was added." in answer
    assert KEY not in answer
    assert reader.library.get().source == "zotero"
    answer = client.post(address, {"action": "zotero", "library": "7"}).content.decode()
    assert "Zotero has no library with this number." in answer
    web.on(WORKS, Reply(json.dumps({"group": [work("On Growth", ("doi", "10.1000/182", "self"))]}).encode()))
    client.post(address, {"action": "orcid", "orcid": JOSIAH})
    assert sorted(reader.library.values_list("source", flat=True)) == ["orcid", "zotero"]
