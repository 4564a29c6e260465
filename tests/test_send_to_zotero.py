"""A library sent to Zotero, against a server on loopback that answers in the documented shape.

https://www.zotero.org/support/dev/web_api/v3/write_requests
"""

from __future__ import annotations

import json
from datetime import date

import pytest
from django.test import Client
from django.utils import timezone

from newsletter.interests import fetch_library
from newsletter.interests.library.write_formats import Written
from newsletter.interests.send_to_zotero import (
    KEY_NEEDED,
    MAY_NOT_WRITE,
    NO_ANSWER,
    NOT_COMPARED,
    REFUSED,
    send_to_zotero,
)
from newsletter.models import SourceHost
from subscriptions import token_links
from tests.builders import make_paper, make_reader
from tests.replay import Replay, Reply
from tests.test_fetch_library import KEY, item, page, web

__all__ = ["web"]
pytestmark = pytest.mark.django_db
DOI = "10.48550/arXiv.2603.00001"
OWNER = Reply(json.dumps({"key": KEY, "userID": 475425}).encode())
ITEMS = "/users/475425/items"


def wrote(count: int, **failed: str) -> Reply:
    """What Zotero answers to a write."""
    told = {number: {"code": 400, "message": message} for number, message in failed.items()}
    successful = {str(number): {"key": f"ABCD{number:04}"} for number in range(count)}
    return Reply(json.dumps({"successful": successful, "unchanged": {}, "failed": told}).encode())


def papers(count: int) -> list[Written]:
    return [Written(number, f"Songs of birds, part {number}", arxiv_id=f"2402.{number:05}") for number in range(count)]


def test_a_reference_is_written_as_the_item_that_it_is(web: Replay) -> None:
    web.on("/keys/current", OWNER)
    web.on(ITEMS, page(), wrote(3))
    on = date(2026, 3, 1)
    sent = send_to_zotero(
        [
            Written(
                1,
                "On Æther",
                ("Ada Quist",),
                on,
                "2603.00001",
                "10.48550/arXiv.2603.00001",
                "https://x.example",
                "read!",
            ),
            Written(2, "On Growth", doi="10.1000/182"),
            Written(3, "A letter"),
        ],
        f" {KEY} ",
    )
    assert (sent.written, sent.known, sent.why) == (3, 0, "")
    first, second, third = json.loads(web.posted[0])
    assert first == {
        "itemType": "preprint",
        "title": "On Æther",
        "creators": [{"creatorType": "author", "name": "Ada Quist"}],
        "date": "2026-03-01",
        "url": "https://x.example",
        "extra": "read!",
        "repository": "arXiv",
        "archiveID": "arXiv:2603.00001",
        "DOI": DOI,
    }
    assert (second["itemType"], second["DOI"], third["itemType"]) == ("journalArticle", "10.1000/182", "document")
    _path, headers = web.asked[-1]
    assert (headers["zotero-api-key"], headers["zotero-api-version"]) == (KEY, "3")
    assert headers["content-type"] == "application/json"
    assert not any(KEY in path for path, _headers in web.asked)


def test_what_is_there_by_id_or_title_is_not_sent_again(web: Replay) -> None:
    web.on("/keys/current", OWNER)
    web.on(ITEMS, page(item(1), {"type": "book", "title": "On growth."}), wrote(1))
    references = [Written(1, "Renamed since", arxiv_id="2401.00001"), Written(2, "On Growth"), Written(3, "New")]
    sent = send_to_zotero(references, KEY)
    assert (sent.written, sent.known) == (1, 2)
    assert [one["title"] for one in json.loads(web.posted[0])] == ["New"]


def test_fifty_are_sent_at_a_time_and_nothing_when_all_are_there(web: Replay) -> None:
    web.on("/keys/current", OWNER)
    web.on(ITEMS, page(), wrote(50), wrote(50), wrote(1))
    assert send_to_zotero(papers(101), KEY).written == 101
    assert [len(json.loads(body)) for body in web.posted] == [50, 50, 1]
    web.on(ITEMS, page(*(item(number) for number in range(1, 4))))
    known = [Written(number, f"Renamed {number}", arxiv_id=f"2401.{number:05}") for number in range(1, 4)]
    assert send_to_zotero(known, KEY).known == 3
    assert len(web.posted) == 3


def test_one_that_is_refused_is_told_and_the_others_are_written(web: Replay) -> None:
    web.on("/keys/current", OWNER)
    web.on(ITEMS, page(), wrote(49, **{"3": "Invalid {field}"}), wrote(10))
    sent = send_to_zotero(papers(60), KEY)
    assert (sent.written, sent.refused, sent.why) == (59, 1, REFUSED)
    assert sent.sentence(str) == "Zotero refused 1 of them: Invalid {field}"


@pytest.mark.parametrize(
    ("key", "replies", "why"),
    [
        ("", [], KEY_NEEDED),
        ("not a key", [], fetch_library.NO_KEY),
        (KEY, [Reply(status=403)], fetch_library.WRONG_KEY),
        (KEY, [page(), Reply(status=403)], MAY_NOT_WRITE),
        (KEY, [page(), Reply(status=429)], fetch_library.BUSY),
        (KEY, [page(), Reply(status=500)], NO_ANSWER),
        (KEY, [page(), Reply(b"[]")], NO_ANSWER),
        (KEY, [page(), Reply(b'{"successful": 3, "failed": {}}')], NO_ANSWER),
    ],
)
def test_each_refusal_has_its_sentence(web: Replay, key: str, replies: list[Reply], why: str) -> None:
    web.on("/keys/current", OWNER)
    web.on(ITEMS, *replies)
    sent = send_to_zotero(papers(1), key)
    assert (sent.written, sent.why) == (0, why)


def test_a_library_that_cannot_be_read_whole_gets_nothing_twice(web: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    web.on("/keys/current", OWNER)
    web.on(ITEMS, page(item(1), following=True), Reply(status=500))
    assert send_to_zotero(papers(1), KEY).why == NO_ANSWER
    SourceHost.objects.update(free_at=timezone.now())
    monkeypatch.setattr(fetch_library, "SECONDS", 0.0)
    assert send_to_zotero(papers(1), KEY).why == NOT_COMPARED
    assert web.posted == []


def test_the_page_sends_and_keeps_no_key(web: Replay, client: Client) -> None:
    reader = make_reader()
    paper = make_paper(arxiv_id="2403.00001")
    reader.library.create(paper=paper, title=paper.title, arxiv_id="2403.00001", source="saved", at=timezone.now())
    address = f"/r/{token_links.manage_token(reader, now=timezone.now())}/library/"
    web.on("/keys/current", OWNER)
    web.on(ITEMS, page(), wrote(1))
    answer = client.post(address, {"action": "send", "key": KEY}).content.decode()
    assert "1 paper was sent to Zotero." in answer
    assert KEY not in answer
    web.on(ITEMS, page(), Reply(status=403))
    assert "Make one that may read and write" in client.post(address, {"action": "send", "key": KEY}).content.decode()
