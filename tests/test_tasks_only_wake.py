"""Tasks only wake: with every task lost each mail comes all the same, with every task doubled it comes once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import BigHouse, addresses, wait_until
from tests.inbox import Inbox
from tests.services import RedisServer
from tests.visitor import Visitor

pytestmark = pytest.mark.services
EVERYTHING_ABOUT_DELIVERY = """
SELECT d.id, d.state, d.skip_reason, d.not_before, d.attempts, d.reply, c.worker, c.lease_until, s.probe_at, now()
FROM newsletter_delivery d LEFT JOIN newsletter_claim c ON c.token = d.claim
LEFT JOIN newsletter_stream s ON s.name = 'digest'
"""


@pytest.fixture
def house(database_url: str, redis_server: RedisServer, inbox: Inbox, tmp_path: Path) -> Iterator[BigHouse]:
    opened = BigHouse(database_url=database_url, redis_url=redis_server.url, inbox=inbox, folder=tmp_path)
    opened.open()
    yield opened
    opened.close()


def test_an_emptied_redis_loses_no_mail(house: BigHouse, redis_server: RedisServer) -> None:
    """Rows drive: what wakes the sender is wiped away before any worker hears them."""
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
    wait_until(
        lambda: set(house.deliveries(edition).values()) == {"sent"},
        lambda: f"not all are sent: {house.rows(EVERYTHING_ABOUT_DELIVERY)}",
        seconds=120,
    )
    assert house.deliveries(edition) == dict.fromkeys(readers, "sent")
    time.sleep(3)  # three more ticks of both beats
    assert {reader: len(house.inbox.to(reader)) for reader in readers} == dict.fromkeys(readers, 2)
