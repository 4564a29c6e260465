"""What may go wrong. Every fault breaks one thing, waits, mends it, and returns when it is mended.

In: the stage and a source of chance. Out: nothing but the damage. A schedule that is long enough holds every kind at
least once, and any schedule a kill of a worker.
"""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Callable
from functools import partial

import psutil
import redis

from tests.chaos.relay import FAULTS as RELAY_FAULTS
from tests.chaos.stage import Stage
from tests.processes import Program

Fault = Callable[[Stage, random.Random], None]
# Where not every occasion is hit: what goes on around a fault matters as much as the fault.
SHARES = {
    **dict.fromkeys(("refuse connections", "slow", "greylisting", "4xx to everything"), 1.0),
    **{"too many messages in a connection": 1.0, "too much mail": 0.7, "4xx at RCPT": 0.5},
    **{"5xx at RCPT": 0.1, "sender refused with 5.1.0": 0.1},  # more would pause the edition
}
USUAL_SHARE = 0.3


def kill_worker(stage: Stage, chance: random.Random) -> None:
    worker = chance.choice([*stage.workers, *stage.workers, stage.keeper])
    with stage.lock(worker.name):
        worker.kill()
        stage.killed(worker)
        time.sleep(chance.uniform(0.2, 2))
        worker.start()


def kill_child_of_worker(stage: Stage, chance: random.Random) -> None:
    """What the kernel does when memory is short: the process that did the work dies, its parent finds out."""
    worker = chance.choice(stage.workers)
    with stage.lock(worker.name), contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(worker.pid).children():
            child.kill()
        stage.killed(worker)
        time.sleep(1)


def stop_worker(stage: Stage, chance: random.Random) -> None:
    _stop(stage, chance.choice([*stage.workers, stage.keeper]), chance)


def kill_beat(stage: Stage, chance: random.Random) -> None:
    with stage.lock(stage.beat.name):
        stage.beat.kill()
        time.sleep(chance.uniform(0.2, 3))
        stage.beat.start()


def stop_beat(stage: Stage, chance: random.Random) -> None:
    _stop(stage, stage.beat, chance)


def two_beats(stage: Stage, chance: random.Random) -> None:
    with stage.lock(stage.second_beat.name):
        stage.second_beat.start()
        time.sleep(chance.uniform(3, 6))
        stage.second_beat.kill()


def stop_redis(stage: Stage, chance: random.Random) -> None:
    with stage.lock("redis"), stage.redis.stopped():
        time.sleep(chance.uniform(1, 4))


def flush_redis(stage: Stage, chance: random.Random) -> None:
    with stage.lock("redis"), contextlib.suppress(redis.RedisError):
        stage.redis.client().flushall()


def hang_redis(stage: Stage, chance: random.Random) -> None:
    with stage.lock("redis"), stage.redis.hung():
        time.sleep(chance.uniform(1, 5))


def restart_postgres(stage: Stage, chance: random.Random) -> None:
    with stage.lock("postgres"), stage.postgres.stopped():
        time.sleep(chance.uniform(0, 2))


def kill_postgres(stage: Stage, chance: random.Random) -> None:
    with stage.lock("postgres"):
        stage.postgres.kill()
        time.sleep(chance.uniform(0, 1))
        stage.postgres.start()


def switch_off_relay(stage: Stage, chance: random.Random) -> None:
    with stage.lock("relay"), stage.relay.misbehaving("refuse connections"):
        stage.relay.drop_everybody()
        time.sleep(chance.uniform(0.5, 3))


def spoil_relay(stage: Stage, chance: random.Random, *, fault: str) -> None:
    with stage.lock("relay"), stage.relay.misbehaving(fault, share=SHARES.get(fault, USUAL_SHARE)):
        time.sleep(chance.uniform(1.5, 4))


ALL: dict[str, Fault] = {
    "SIGKILL a worker": kill_worker,
    "SIGKILL a worker's child": kill_child_of_worker,
    "SIGTERM a worker": stop_worker,
    "SIGKILL beat": kill_beat,
    "SIGTERM beat": stop_beat,
    "two beats": two_beats,
    "Redis stopped": stop_redis,
    "Redis FLUSHALL": flush_redis,
    "Redis hung": hang_redis,
    "PostgreSQL restarted": restart_postgres,
    "PostgreSQL killed": kill_postgres,
    "relay switched off": switch_off_relay,
    **{f"relay: {fault}": partial(spoil_relay, fault=fault) for fault in RELAY_FAULTS},
}
DEADLY = ("SIGKILL a worker", "SIGKILL a worker's child", "SIGTERM a worker", "PostgreSQL restarted", "Redis FLUSHALL")


def schedule(chance: random.Random, *, count: int, seconds: float, only: str = "") -> list[tuple[float, str]]:
    """(seconds from the start, fault), in order; ``only``: of those whose name holds it, and a kill."""
    kinds = [name for name in ALL if name == "SIGKILL a worker" or only in name]
    names = chance.sample(kinds[1:], min(count - 1, len(kinds) - 1))
    names += ["SIGKILL a worker", *chance.choices(kinds if only else DEADLY, k=max(0, count - len(kinds)))]
    chance.shuffle(names)
    return list(zip(sorted(chance.uniform(0, seconds) for _ in names), names, strict=True))


def _stop(stage: Stage, program: Program, chance: random.Random) -> None:
    with stage.lock(program.name):
        program.terminate(timeout=30)
        if program.exit_code == -signal.SIGKILL:
            stage.say(f"{program.name} did not end by itself within 30 s and was killed")
            stage.killed(program)
        time.sleep(chance.uniform(0, 1))
        program.start()
