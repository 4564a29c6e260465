"""Redis stopped and Redis hung: whoever signs up, confirms or leaves notices nothing, and the mail follows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from subscriptions.models import Subscriber
from tests.builders import make_reader
from tests.inbox import Inbox
from tests.processes import Processes
from tests.services import RedisServer
from tests.visitor import Visitor

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
LIMIT_SECONDS = 4  # what a publisher that waited for its sockets would take


@pytest.fixture
def visitor(database_url: str, redis_server: RedisServer, inbox: Inbox, tmp_path: Path) -> Iterator[Visitor]:
    """Somebody in front of a site with a worker and a beat behind it."""
    env = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_server.url,
        "EMAIL_URL": inbox.url,
        "TICK_SECONDS": "1",
        "SIGNUP_SECONDS_MIN": "0",
    }
    processes = Processes(env=env, folder=tmp_path)
    site = processes.site()
    processes.worker()
    processes.beat()
    with Visitor(site.url) as somebody:
        somebody.web.get("/subscribe/").raise_for_status()
        yield somebody
    processes.close()


def state_of(email: str) -> str:
    return Subscriber.objects.get(email=email).state


@pytest.mark.parametrize("away", [RedisServer.stopped, RedisServer.hung], ids=["stopped", "hung"])
def test_with_redis_away_everything_answers_and_the_mail_follows(
    away: Callable[[RedisServer], object], visitor: Visitor, redis_server: RedisServer, inbox: Inbox
) -> None:
    leaver = make_reader("leaver@example.net")
    visitor.sign_up("early@example.net")
    (confirmation,) = inbox.wait_for(1, address="early@example.net")
    taken: dict[str, float] = {}

    def timed(name: str, act: Callable[[], httpx.Response]) -> None:
        start = time.monotonic()
        assert act().status_code == 200, name
        taken[name] = time.monotonic() - start

    with away(redis_server):
        for number in range(3):
            email = f"late{number}@example.net"
            timed(f"sign up {number}", lambda email=email: visitor.sign_up(email))
            assert state_of(email) == "pending"
        timed("confirm", lambda: visitor.confirm(confirmation))
        assert state_of("early@example.net") == "confirmed"
        address = f"/u/{leaver.unsubscribe_token}"
        timed("unsubscribe", lambda: visitor.web.post(address, data={"List-Unsubscribe": "One-Click"}))
        assert state_of("leaver@example.net") == "unsubscribed"
        assert not inbox.to("late0@example.net"), "nothing to wake the worker with"
    assert max(taken.values()) < LIMIT_SECONDS, taken
    back = time.monotonic()
    for number in range(3):
        inbox.wait_for(1, address=f"late{number}@example.net", timeout=60)
    print(f"slowest answer {max(taken.values()):.2f} s; the mails came {time.monotonic() - back:.1f} s after Redis")
