"""Workers that are killed at random moments lose nobody and mail nobody twice; told to stop, they leave no doubt."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.models import Delivery, DeliveryEvent
from tests.bench import world
from tests.chaos.relay import Relay
from tests.house import SmallHouse, wait_until
from tests.inbox import Inbox
from tests.processes import Processes

READERS, KILLS, CONNECTIONS = 200, 5, 4
OPEN = {"queued", "claimed", "sending", "retry"}
SWIFT = {
    "TICK_SECONDS": "1",
    "DELIVERY_LEASE_SECONDS": "3",
    "DELIVERY_CHUNK": "20",
    "SMTP_CONNECTIONS": str(CONNECTIONS),
    "SEND_JITTER_SECONDS": "0",
}
FEW = 60
EDITION_AND_READERS = f"""
from datetime import timedelta
from django.utils import timezone
from tests.builders import assign, make_edition, make_paper, make_reader
now = timezone.now()
paper = assign(make_paper(), "vision")
make_edition(papers=[paper], state="frozen", period_on=now.date(), frozen_at=now, cutoff_at=now)
for number in range({FEW}):
    first = {{"next_due_at": now + timedelta(days=1), "welcome_due_at": now}}
    make_reader(follows=("vision",), **(first if number % 2 else {{"next_due_at": now}}))
"""


@pytest.fixture
def chance() -> random.Random:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    return random.Random(seed)


@pytest.fixture
def relay(chance: random.Random) -> Iterator[Relay]:
    """It keeps each message for a moment, so that there is something to kill."""
    with Relay(pace=(0.1, 0.3), seed=chance.randrange(10**6)) as running:
        yield running


@pytest.fixture
def celery(database_url: str, redis_url: str, relay: Relay, tmp_path: Path) -> Iterator[Processes]:
    """Beat and a worker for all but digests, with one edition owed to 200 readers."""
    world.make_edition()
    world.make_readers(READERS)
    env = SWIFT | {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "EMAIL_URL": relay.url}
    processes = Processes(env=env, folder=tmp_path)
    processes.beat()
    processes.worker("keeper", queues="confirm,ingest,maintenance")
    yield processes
    processes.close()


def wait_for_mail(relay: Relay) -> None:
    before = len(relay.accepted)
    wait_until(lambda: len(relay.accepted) > before, "nothing is being sent")


def states() -> dict[str, str]:
    return dict(Delivery.objects.values_list("subscriber__email", "state"))


def is_over(found: dict[str, str], readers: int) -> bool:
    return len(found) == readers and not OPEN & set(found.values())


def assert_balanced(found: dict[str, str], relay: Relay, *, kills: int) -> None:
    received = relay.received()
    assert set(found.values()) <= {"sent", "unknown"}
    assert max(received.values()) == 1, "nobody gets two"
    assert {email for email, state in found.items() if state == "sent"} <= set(received), "sent is the truth"
    lost = set(found) - set(received)
    assert all(found[email] == "unknown" for email in lost), "who got nothing is shown to the operator"
    counted = Counter(found.values())
    print(f"{dict(counted)}, {len(lost)} of the unknown got nothing")
    assert counted["unknown"] <= CONNECTIONS * kills


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_five_times_loses_nobody_and_mails_nobody_twice(
    celery: Processes, relay: Relay, chance: random.Random
) -> None:
    victim = celery.worker("victim", queues="digest")
    for _ in range(KILLS):
        wait_for_mail(relay)
        time.sleep(chance.uniform(0, 0.8))
        victim.kill()
        assert len(relay.accepted) < READERS, "the run was over before the kill"
        victim.start()
    wait_until(lambda: is_over(states(), READERS), "the run did not come to an end", seconds=60)
    found = states()
    assert_balanced(found, relay, kills=KILLS)
    doubts = DeliveryEvent.objects.filter(kind="unknown").values("delivery").distinct().count()
    assert doubts == Counter(found.values())["unknown"], "each doubt is on the record"


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_worker_told_to_stop_ends_soon_and_leaves_nothing_in_doubt(celery: Processes, relay: Relay) -> None:
    victim = celery.worker("victim", queues="digest")
    wait_for_mail(relay)
    victim.terminate(timeout=15)
    assert victim.exit_code == 0, "it had to be killed"
    left = Counter(states().values())
    assert left["sent"] < READERS, "the run was over before the signal"
    assert left.keys() <= {"sent", "queued"}, "what was not on the wire is owed again at once"
    victim.start()
    wait_until(lambda: is_over(states(), READERS), "the run did not come to an end", seconds=60)
    assert_balanced(states(), relay, kills=0)


@pytest.mark.long
def test_the_one_process_on_sqlite_killed_three_times_loses_nobody_and_mails_nobody_twice(
    migrated_file: Path, relay: Relay, inbox: Inbox, tmp_path: Path, chance: random.Random
) -> None:
    house = SmallHouse(migrated_file=migrated_file, inbox=inbox, folder=tmp_path)
    house.env |= SWIFT | {"EMAIL_URL": relay.url}
    house.processes.env |= house.env
    house.manage("shell", "--no-imports", "-c", EDITION_AND_READERS)
    edition = house.rows("SELECT id FROM newsletter_edition")[0][0]
    try:
        victim = house.processes.command("work")
        for _ in range(3):
            wait_for_mail(relay)
            time.sleep(chance.uniform(0, 0.4))
            victim.kill()
            assert len(relay.accepted) < FEW, "the run was over before the kill"
            victim.start()
        wait_until(lambda: is_over(house.deliveries(edition), FEW), "the run did not come to an end", seconds=60)
    finally:
        house.close()
    assert_balanced(house.deliveries(edition), relay, kills=3)


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_worker_with_nothing_to_do_stops_at_once(database_url: str, redis_url: str, tmp_path: Path) -> None:
    """As the container is told to stop: SIGTERM, which celery takes for SIGQUIT, the soft shutdown of busy workers.

    That would wait 30 s for tasks that there are none of. ``-s`` shows the seconds: 3 on a quiet machine.
    """
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "REMAP_SIGTERM": "SIGQUIT"}
    processes = Processes(env=env, folder=tmp_path)
    worker = processes.worker("idle")
    began = time.monotonic()
    worker.terminate(timeout=30)
    print(f"ended {time.monotonic() - began:.1f} s after it was asked to")
    processes.close()
    assert worker.exit_code == 0, "it was killed after 30 s"
