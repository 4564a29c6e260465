"""Redis stopped, frozen, emptied; two beats: readers notice nothing, and every mail comes, once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.house import BigHouse, addresses
from tests.inbox import Inbox
from tests.services import RedisServer
from tests.visitor import READING_SECONDS, Visitor

pytestmark = pytest.mark.services
PATIENCE_SECONDS = 3.0  # a bound for a busy machine: a request that waited for the broker takes far longer


@pytest.fixture
def house(database_url: str, redis_server: RedisServer, inbox: Inbox, tmp_path: Path) -> Iterator[BigHouse]:
    opened = BigHouse(database_url=database_url, redis_url=redis_server.url, inbox=inbox, folder=tmp_path)
    opened.open()
    yield opened
    opened.close()


def states(house: BigHouse) -> dict[str, str]:
    return dict(house.rows("SELECT email, state FROM subscriptions_subscriber"))


def timed_sign_up(visitor: Visitor, email: str) -> float:
    started = time.monotonic()
    visitor.sign_up(email)
    return time.monotonic() - started - READING_SECONDS


@pytest.mark.parametrize("trouble", ["stopped", "hung"])
def test_with_redis_away_readers_sign_up_confirm_and_leave_and_the_mail_follows(
    house: BigHouse, redis_server: RedisServer, trouble: str
) -> None:
    house.work_behind()
    alice, bob = addresses(2)
    with Visitor(house.site.url) as visitor:
        visitor.sign_up(alice)
        (confirmation,) = house.inbox.wait_for(1, address=alice)
        away: AbstractContextManager[None] = getattr(redis_server, trouble)()
        with away:
            assert timed_sign_up(visitor, bob) < PATIENCE_SECONDS
            started = time.monotonic()
            visitor.confirm(confirmation)
            assert visitor.web.get("/").status_code == 200
            assert states(house) == {alice: "confirmed", bob: "pending"}
            ((token,),) = house.rows(f"SELECT unsubscribe_token FROM subscriptions_subscriber WHERE email = '{alice}'")
            assert visitor.web.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"}).status_code == 200
            assert time.monotonic() - started < PATIENCE_SECONDS
            assert states(house) == {alice: "unsubscribed", bob: "pending"}
        (late,) = house.inbox.wait_for(1, address=bob, timeout=120)
        visitor.confirm(late)
        assert states(house) == {alice: "unsubscribed", bob: "confirmed"}
    assert len(house.inbox.to(bob)) == 1


def test_an_emptied_redis_loses_no_mail(house: BigHouse, redis_server: RedisServer) -> None:
    """Rows drive: the doorbell's rings are wiped away before any worker hears them."""
    readers = addresses(3)
    with Visitor(house.site.url) as visitor:
        for reader in readers:
            visitor.sign_up(reader)
    with redis_server.client() as client:
        client.flushall()
    house.work_behind()
    for reader in readers:
        house.inbox.wait_for(1, address=reader, timeout=60)
    assert len(house.inbox.letters) == len(readers)


def test_two_beats_and_two_workers_on_every_queue_mail_each_reader_once(house: BigHouse) -> None:
    house.work_behind()
    house.processes.beat("second-beat")
    house.processes.worker("second-worker")
    readers = addresses(4)
    with Visitor(house.site.url) as visitor, house.curator() as curator:
        for reader in readers:
            visitor.sign_up(reader, topics=("language-models",))
        for reader in readers:
            visitor.confirm(house.inbox.wait_for(1, address=reader)[0])
        edition = house.draft_of_today()
        for verb in ("approve", "freeze", "send-now"):
            curator.act(edition, verb)
    for reader in readers:
        house.inbox.wait_for(2, address=reader, timeout=60)
    assert house.deliveries(edition) == dict.fromkeys(readers, "sent")
    time.sleep(3)  # three more ticks of both beats
    assert {reader: len(house.inbox.to(reader)) for reader in readers} == dict.fromkeys(readers, 2)
