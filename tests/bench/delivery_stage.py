"""What a measurement plays on: a real PostgreSQL that forces its commits to disk, a frozen edition, readers, a worker.

In: how many readers. Out: rows as the product leaves them, and figures of worker processes run on them. One stage at a
time: it configures Django in this process. Everything is gone when it closes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import psutil
from django.core.management import call_command

from tests.services import PostgresServer, die_with_parent, process_tree

ROOT = Path(__file__).resolve().parents[2]
LONGEST_SECONDS = 900
# As much as a small server would give it; everything else as PostgreSQL comes.
OPTIONS = {"shared_buffers": "256MB", "max_wal_size": "4GB"}


class Stage:
    """The database and the environment of its workers."""

    def __init__(self, postgres: PostgresServer, folder: Path) -> None:
        self.postgres, self.folder = postgres, folder
        self.env = dict(os.environ)

    def run(self, step: str, *arguments: str, **env: str) -> dict[str, Any]:
        """One worker process from start to end. Its figures, with PostgreSQL's CPU."""
        before = self.postgres_cpu_seconds()
        figures = self.program(["-m", "tests.bench.delivery_worker", step, *arguments], **env)
        time.sleep(0.2)  # until the server has reaped the backend
        spent = self.postgres_cpu_seconds() - before
        return figures | {"postgres_cpu_ms": 1000 * spent / max(1, figures["done"])}

    def program(self, command: list[str], **env: str) -> dict[str, Any]:
        """A Python program that ends with one line of JSON."""
        process = subprocess.run(
            [sys.executable, *command],
            env=self.env | env,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            timeout=LONGEST_SECONDS,
            preexec_fn=die_with_parent(signal.SIGKILL),
        )
        *told, figures = process.stdout.rstrip().split("\n")
        if told:
            print("\n".join(told))
        result: dict[str, Any] = json.loads(figures)
        return result

    def postgres_cpu_seconds(self) -> float:
        """Of the living processes, and of the backends that have ended, which the postmaster has waited for."""
        total = 0.0
        for place, process in enumerate(process_tree(self.postgres.pid)):
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
                if place == 0:
                    total += times.children_user + times.children_system
        return total


@contextlib.contextmanager
def open_stage() -> Iterator[Stage]:
    """Workers run as in production: DEBUG off, PostgreSQL, no jitter so that all are due at once."""
    for name in re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE):
        os.environ.pop(name, None)
    postgres = PostgresServer(durable=True, options=OPTIONS)
    with tempfile.TemporaryDirectory(prefix="paperboy-bench-") as folder:
        try:
            postgres.start()
            os.environ |= {
                "ENV_FILE": os.devnull,
                "DJANGO_SETTINGS_MODULE": "newsletter.settings",
                "DATABASE_URL": postgres.url,
                "VAR_DIR": folder,
                "SITE_URL": "https://papers.example.org",
                "SECRET_KEY": "of-the-benchmark-only",
                "ADDRESS_HASH_KEY": "of-the-benchmark-only-too",
                "POSTAL_ADDRESS": "Paperboy, 1 Example Street, Example Town",
                "SEND_JITTER_SECONDS": "0",
                "LOG_LEVEL": "WARNING",
            }
            django.setup()
            call_command("migrate", verbosity=0)
            yield Stage(postgres, Path(folder))
        finally:
            postgres.close()
