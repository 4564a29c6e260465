"""A worker that is killed at random moments loses nobody and mails nobody twice."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from newsletter.models import Delivery, DeliveryEvent
from tests.bench import world
from tests.chaos.relay import Relay
from tests.house import wait_until
from tests.processes import Processes

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]
READERS, KILLS, CONNECTIONS = 200, 5, 4
OPEN = ["queued", "claimed", "sending", "retry"]


@pytest.mark.usefixtures("default_topics")
def test_a_worker_killed_five_times_loses_nobody_and_mails_nobody_twice(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    world.make_edition()
    world.make_readers(READERS)
    # The relay keeps each message for a moment, so that there is something to kill.
    with Relay(pace=(0.1, 0.3), seed=seed) as relay:
        env = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "EMAIL_URL": relay.url,
            "TICK_SECONDS": "1",
            "DELIVERY_LEASE_SECONDS": "3",
            "DELIVERY_CHUNK": "20",
            "SMTP_CONNECTIONS": str(CONNECTIONS),
            "SEND_JITTER_SECONDS": "0",
        }
        processes = Processes(env=env, folder=tmp_path)
        try:
            processes.beat()
            processes.worker("keeper", queues="confirm,ingest,maintenance")
            victim = processes.worker("victim", queues="digest")
            for _ in range(KILLS):
                before = len(relay.accepted)
                wait_until(lambda before=before: len(relay.accepted) > before, "nothing is being sent")
                time.sleep(chance.uniform(0, 0.8))
                victim.kill()
                assert len(relay.accepted) < READERS, "the run was over before the kill"
                victim.start()
            planned = Delivery.objects.filter(edition__cadence="daily")
            wait_until(
                lambda: planned.count() == READERS and not planned.filter(state__in=OPEN).exists(),
                "the run did not come to an end",
                seconds=60,
            )
        finally:
            processes.close()
    states = dict(Delivery.objects.values_list("subscriber__email", "state"))
    received = relay.received()
    assert len(states) == READERS
    assert set(states.values()) <= {"sent", "unknown"}
    assert max(received.values()) == 1, "nobody gets two"
    assert {email for email, state in states.items() if state == "sent"} <= set(received), "sent is the truth"
    lost = set(states) - set(received)
    assert all(states[email] == "unknown" for email in lost), "who got nothing is shown to the operator"
    counted = Counter(states.values())
    print(f"{dict(counted)}, {len(lost)} of the unknown got nothing, {relay.connections} connections")
    assert counted["unknown"] <= CONNECTIONS * KILLS
    assert DeliveryEvent.objects.filter(kind="unknown").values("delivery").distinct().count() == counted["unknown"]
