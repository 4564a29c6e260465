"""Upgrade and rollback from the last two versions, with data, old workers beside new ones: `make upgrade-drill`.

In: this checkout, and the commits of OLD from its git. Out: what each step did, and exit 1 when a mail was lost or
doubled, a task was unknown, a page failed or a process logged an error. PostgreSQL, Redis and a relay are real.
"""

from __future__ import annotations

import collections
import csv
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.inbox import Inbox
from tests.services import PostgresServer, RedisServer

NEW = Path(__file__).parent.parent
OLD = {"0.1.0": "4932fcd", "before languages": "48662e9"}
READERS = 200
LATER = 40  # who join after the rollback, and again after the second upgrade
PATIENCE = 300  # seconds until the mail must be out
# Run by the old version: an edition, approved, frozen, sent to everybody now, with old messages in the broker.
EDITION = """
from datetime import timedelta
from django.utils import timezone
from newsletter import planning
from newsletter.models import Edition
from newsletter.tasks import tick
try:
    from newsletter.editions import lifecycle
except ImportError:
    import newsletter.editions as lifecycle
for _ in range(8):
    tick.delay()
now = timezone.now()
lifecycle.draft_due(now=now)
edition = Edition.objects.get(cadence="daily")
lifecycle.approve(edition, by=None, now=now)
Edition.objects.filter(pk=edition.pk).update(cutoff_at=now)
lifecycle.freeze_due(now=now + timedelta(minutes=1))
edition.refresh_from_db()
planning.wish_now(edition, now=timezone.now())
planning.plan_due(now=timezone.now())
"""
PAGES = """
from django.test import Client
client = Client(HTTP_HOST="localhost")
print([client.get(path).status_code for path in ("/", "/subscribe/", "/editions/", "/preferences/", "/statusz")])
"""


class Drill:
    def __init__(self, old: Path, folder: Path, postgres: PostgresServer, broker: RedisServer, inbox: Inbox) -> None:
        self.old, self.folder, self.postgres, self.inbox = old, folder, postgres, inbox
        self.env = {
            **{key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
            **{"DATABASE_URL": postgres.url, "REDIS_URL": broker.url, "EMAIL_URL": inbox.url, "DEBUG": "1"},
            **{"SEND_JITTER_SECONDS": "0", "TICK_SECONDS": "2", "SOURCES": "", "VAR_DIR": str(folder)},
        }
        self.faults: list[str] = []

    def manage(self, tree: Path, *arguments: str, typed: str = "") -> str:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=tree, env=self.env, input=typed, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{arguments} in {tree}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done.stdout

    @contextmanager
    def worker(self, tree: Path, name: str, *more: str) -> Iterator[None]:
        """Run a worker of every queue; its log must hold no error and no unknown task."""
        log = self.folder / f"{name}.log"
        command = [sys.executable, "-m", "celery", "-A", "newsletter", "worker", "-n", f"{name}@%h", "-c", "2"]
        command += ["-Q", "confirm,digest,ingest,maintenance", "-l", "INFO", *more]
        with log.open("w") as out:
            process = subprocess.Popen(command, cwd=tree, env=self.env, stdout=out, stderr=out)
            try:
                yield
            finally:
                self.stop(process, name)
        told = log.read_text()
        # A version drops the tasks that only the newer one has: rows drive, the next tick asks again.
        known = re.sub(r"(?ms)^[^\n]*Received unregistered task.*?(?=^\d{4}-|\Z)", "", told)
        print(f"  {name}: {told.count('Received unregistered task')} tasks dropped that it does not know")
        self.faults += [f"{name}: {line[:200]}" for line in re.findall(r".*(?:Traceback|ERROR).*", known)]

    def stop(self, process: subprocess.Popen[bytes], name: str) -> None:
        """Ask the worker to end, and say how long it took; one that does not is a fault and is killed."""
        began = time.monotonic()
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.faults.append(f"{name}: still there {PATIENCE} s after it was asked to end")
        print(f"  {name}: ended {time.monotonic() - began:.1f} s after it was asked to")

    def readers(self, tree: Path, first: int, count: int, *more: str) -> None:
        file = self.folder / f"{first}.csv"
        with file.open("w", newline="") as out:
            lines = csv.writer(out)
            lines.writerow(["email", "confirmed_at", "consent_source", "topics"])
            for number in range(first, first + count):
                topic = "vision" if number % 2 else "language-models"
                lines.writerow([f"r{number}@upgrade-drill.org", "2026-01-05T10:00:00Z", "paper form", topic])
        self.manage(tree, "import_readers", str(file), *more)

    def wait_for(self, readers: int, step: str) -> None:
        """Wait until that many readers have one digest each, and say how it went."""
        began, got = time.monotonic(), collections.Counter[str]()
        while len(got) < readers and time.monotonic() - began < PATIENCE:
            time.sleep(1)
            got = collections.Counter(letter.rcpt_to for letter in self.inbox.letters)
        time.sleep(5)  # one that would come twice comes now
        got = collections.Counter(letter.rcpt_to for letter in self.inbox.letters)
        twice = [address for address, number in got.items() if number > 1]
        print(f"  {step}: {sum(got.values())} mails to {len(got)} of {readers} readers, {len(twice)} twice")
        if twice or len(got) != readers:
            self.faults.append(f"{step}: {len(got)} of {readers} readers, {len(twice)} twice")

    def pages(self, tree: Path, whose: str) -> None:
        told = self.manage(tree, "shell", typed=PAGES).strip().splitlines()[-1]
        print(f"  pages of the {whose} version: {told}")
        if re.findall(r"[45]\d\d", told.replace("503", "")):  # an alarm may be on: it is asked whether it answers
            self.faults.append(f"pages of the {whose} version: {told}")

    def run(self) -> list[str]:
        self.manage(self.old, "migrate", "--verbosity=0")
        self.manage(self.old, "load_sample")
        self.readers(self.old, 0, READERS)
        self.manage(self.old, "shell", typed=EDITION)
        began = time.monotonic()
        self.manage(NEW, "migrate", "--verbosity=0")
        print(f"  migrated in {time.monotonic() - began:.1f} s; the old version owes {READERS} mails")
        beat = ("-B", "-s", str(self.folder / "beat"))
        with self.worker(self.old, "old", *beat), self.worker(NEW, "new"):
            self.wait_for(READERS, "old and new workers side by side")
        self.pages(NEW, "new")
        with self.worker(self.old, "old-again", *beat):
            self.readers(self.old, READERS, LATER, "--welcome")
            self.wait_for(READERS + LATER, "rolled back: the old version alone on the new tables")
        self.pages(self.old, "old")
        with self.worker(NEW, "new-again", *beat):
            self.readers(NEW, READERS + LATER, LATER, "--welcome")
            self.wait_for(READERS + 2 * LATER, "upgraded again")
        return self.faults


def main() -> int:
    faults = []
    for version, commit in OLD.items():
        print(f"{version} ({commit}) to this checkout:")
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="paperboy-upgrade-")))
            old = folder / "old"
            old.mkdir()
            packed = subprocess.run(["git", "archive", commit], cwd=NEW, check=True, capture_output=True)
            subprocess.run(["tar", "-x", "-C", str(old)], input=packed.stdout, check=True)
            postgres, broker, inbox = PostgresServer(), RedisServer(), Inbox()
            for server, end in ((postgres, postgres.close), (broker, broker.close), (inbox, inbox.stop)):
                server.start()
                stack.callback(end)
            faults += Drill(old, folder, postgres, broker, inbox).run()
    print("\n".join(faults) or "nothing lost, nothing doubled, no error")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
