"""All of Paperboy as it runs for real: the site, what works behind it, a database, a relay that takes every mail.

In: an environment and a migrated database. Out: processes, the sample papers, a curator's account, and the rows as they
stand. Two of them: everything small (SQLite, `manage.py work`) and everything big (PostgreSQL, Redis, Celery).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.inbox import Inbox
from tests.processes import ROOT, Processes, Site
from tests.visitor import Curator

CURATOR, PASSWORD = "curator", "orderly-papers"
DRAFT_OF_TOMORROW = """
from datetime import timedelta
from django.utils import timezone
from newsletter.editions import lifecycle
from newsletter.models import Edition
last = Edition.objects.filter(cadence="daily").latest("period_on")
print(lifecycle.draft(cadence="daily", period_on=last.period_on + timedelta(days=1), now=timezone.now()).pk)
"""


class House:
    """The site and its papers. ``work_behind()`` starts what sends; until then nothing moves."""

    site: Site

    def __init__(self, *, database_url: str, redis_url: str, inbox: Inbox, folder: Path) -> None:
        self.inbox = inbox
        self.env = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "EMAIL_URL": inbox.url,
            "TICK_SECONDS": "1",
            "SEND_JITTER_SECONDS": "0",
            "SIGNUP_SECONDS_MIN": "0",
            "VAR_DIR": str(folder),
        }
        self.processes = Processes(env=self.env, folder=folder)

    def open(self) -> None:
        self.manage("load_sample", "--well-known")
        account = {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        self.manage("createsuperuser", "--noinput", f"--username={CURATOR}", "--email=curator@example.org", env=account)
        self.site = self.processes.site()

    def work_behind(self) -> None:
        raise NotImplementedError

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def manage(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        """One command of `manage.py`, to its end."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env=os.environ | self.env | (env or {}),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"manage.py {arguments[0]}:\n{done.stdout[-1000:]}{done.stderr[-3000:]}"
        return done.stdout

    def curator(self) -> Curator:
        return Curator(self.site.url, name=CURATOR, password=PASSWORD)

    def draft_of_today(self) -> int:
        """The daily edition that the house drafted by itself."""
        query = "SELECT id FROM newsletter_edition WHERE cadence = 'daily' AND state = 'draft'"
        wait_until(lambda: bool(self.rows(query)), "no edition was drafted", seconds=60)
        return int(self.rows(query)[0][0])

    def draft_of_tomorrow(self) -> int:
        """The clock cannot be turned for real processes, so the next edition is drafted by hand."""
        return int(self.manage("shell", "--no-imports", "-c", DRAFT_OF_TOMORROW).split()[-1])

    def deliveries(self, edition: int) -> dict[str, str]:
        """Reader's address -> state of the edition's delivery."""
        return dict(
            self.rows(
                "SELECT s.email, d.state FROM newsletter_delivery d JOIN subscriptions_subscriber s"
                f" ON s.id = d.subscriber_id WHERE d.edition_id = {edition}"
            )
        )

    def close(self) -> None:
        self.processes.close()


class SmallHouse(House):
    """SQLite and one process for everything."""

    def __init__(self, *, migrated_file: Path, inbox: Inbox, folder: Path) -> None:
        self._file = folder / "paperboy.sqlite3"
        shutil.copy(migrated_file, self._file)
        super().__init__(database_url=f"sqlite:///{self._file}", redis_url="", inbox=inbox, folder=folder)

    def work_behind(self) -> None:
        self.processes.command("work")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self._file, timeout=20)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


class BigHouse(House):
    """PostgreSQL, Redis, a worker for confirmations, one for everything else, and beat."""

    def work_behind(self) -> None:
        self.processes.worker("confirm", queues="confirm")
        self.processes.worker("worker", queues="digest,maintenance", concurrency=2)
        self.processes.worker("worker-ingest", queues="ingest")
        self.processes.beat()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.env["DATABASE_URL"], autocommit=True) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]


def wait_until(condition: Callable[[], bool], complaint: str | Callable[[], str], *, seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            said = complaint if isinstance(complaint, str) else complaint()
            raise AssertionError(f"{said} within {seconds:.0f} seconds")
        time.sleep(0.05)


def addresses(number: int, *, domain: str = "example.net") -> Sequence[str]:
    return [f"reader{each:05d}@{domain}" for each in range(number)]
