"""Everything that can break, on loopback: PostgreSQL, Redis, a relay, the site, workers, beat, and readers who leave.

In: how many readers, a folder for the logs. Out: a running Paperboy with one edition to send, and handles to break it
by. All of it ends with the `with` block, and with us if we are killed.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psycopg

from tests.chaos.relay import Relay
from tests.processes import Beat, Program, Site, Worker
from tests.services import PostgresServer, RedisServer

WORKERS = 2
CONNECTIONS = 4  # of each worker to the relay
PROVIDER = ("provider", "secret")  # who may tell of bounces at the webhook
METRICS_TOKEN = "a-token-for-the-numbers"


@dataclass(frozen=True)
class Leaver:
    """A reader who presses the unsubscribe button of a mail program at a moment of the run."""

    email: str
    token: str
    after: float  # seconds from the start
    answered_at: float = float("inf")  # time.time() when the site had said yes


class Stage:
    def __init__(self, *, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.relay = Relay(seed=seed)
        self.postgres = PostgresServer()
        self.redis = RedisServer()
        self.mailbox = folder.resolve() / "bounces"
        self.kills = 0  # of processes that hold connections to the relay
        self.log: list[str] = []
        self.started_at = 0.0
        # One pool for as long as the stage stands: a child dies with the thread that started it (die_with_parent).
        self.hands = ThreadPoolExecutor(64, thread_name_prefix="hand")
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()
        self.programs: list[Program] = []

    def __enter__(self) -> Self:
        self.relay.__enter__()
        self.postgres.start()
        self.redis.start()
        for name in ("new", "cur", "tmp"):
            (self.mailbox / name).mkdir(parents=True)
        self.env = {
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": self.redis.url,
            "EMAIL_URL": self.relay.url,
            "VAR_DIR": str(self.folder),
            "BOUNCE_MAILBOX_URL": f"maildir://{self.mailbox}",
            "ANYMAIL": json.dumps({"WEBHOOK_SECRET": ":".join(PROVIDER)}),
            "METRICS_TOKEN": METRICS_TOKEN,
            "TICK_SECONDS": "1",
            "DELIVERY_LEASE_SECONDS": "5",
            "DELIVERY_RETRY_SECONDS": "3",
            "DELIVERY_CHUNK": "100",
            "SMTP_CONNECTIONS": str(CONNECTIONS),
            "SEND_JITTER_SECONDS": "0",
            "LOG_LEVEL": "INFO",
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in self.programs:
            program.kill()
        self.hands.shutdown()
        self.relay.__exit__()
        self.redis.close()
        self.postgres.close()

    def start_programs(self) -> None:
        place: dict[str, Any] = {"env": self.env, "folder": self.folder}
        self.site = Site(**place)
        self.workers = [Worker(f"worker{number}", queues="digest", **place) for number in range(WORKERS)]
        self.keeper = Worker("keeper", queues="confirm,ingest,maintenance", **place)
        self.beat = Beat(**place)
        self.second_beat = Beat("second-beat", **place)
        self.programs = [self.site, *self.workers, self.keeper, self.beat, self.second_beat]
        list(self.hands.map(lambda program: program.start(), self.programs[:-1]))

    def say(self, what: str) -> None:
        line = f"{time.time() - self.started_at:6.1f} s  {what}"
        self.log.append(line)
        print(line, flush=True)

    def lock(self, name: str) -> threading.Lock:
        """Two faults may meet, but not at the same thing: it must be mended before it can be broken again."""
        with self._guard:
            return self._locks.setdefault(name, threading.Lock())

    def killed(self, program: Program) -> None:
        """Note that messages may be in doubt: at most one for each connection the process had."""
        if program in self.workers:
            with self._guard:
                self.kills += 1

    def ask(self, query: str) -> list[tuple[Any, ...]] | None:
        """Rows of the database; None while it is away."""
        try:
            with psycopg.connect(self.postgres.url, autocommit=True, connect_timeout=2) as connection:
                return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]
        except psycopg.OperationalError:
            return None

    def let_leave(self, leavers: Sequence[Leaver]) -> list[Leaver]:
        """Each at their moment; whoever gets no answer presses again, as a mail program does."""
        left = []
        with httpx.Client(base_url=self.site.url, timeout=5, trust_env=False) as web:
            for leaver in sorted(leavers, key=lambda leaver: leaver.after):
                time.sleep(max(0.0, self.started_at + leaver.after - time.time()))
                while not self._leave(web, leaver.token):
                    time.sleep(0.2)
                left.append(Leaver(leaver.email, leaver.token, leaver.after, time.time()))
        return left

    def _leave(self, web: httpx.Client, token: str) -> bool:
        try:
            return web.post(f"/u/{token}", data={"List-Unsubscribe": "One-Click"}).status_code == 200
        except httpx.HTTPError:
            return False
