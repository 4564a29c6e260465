"""What others do with the same digests: a plain Django loop, django-post_office, nodemailer's pool with handlebars.

In: the stage's readers and a sink. Out: messages a second of each, None where it could not be had. What is not ours is
installed by pip and npm under `var/bench`, once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from newsletter.models import Delivery, EditionItem
from tests.bench import world
from tests.bench.delivery_stage import LONGEST_SECONDS, ROOT, Stage
from tests.bench.peers import digests
from tests.services import die_with_parent

FOLDER = ROOT / "var" / "bench"
PYTHON_PACKAGES = ("django-post_office==3.12.0", "django>=5.2,<5.3", "psycopg[binary]>=3.3")
NODE_PACKAGES = ("nodemailer@10.6.0", "handlebars@4.7.10")
INSTALL_SECONDS = 180
DATABASE = "post_office"


class Peers:
    """Installs and prepares those asked for, then runs them as often as wanted."""

    def __init__(self, names: list[str], stage: Stage, *, count: int, size: int, port: int) -> None:
        self._stage, self._count, self._size, self._port = stage, count, size, port
        self._digests = stage.folder / "digests.json"
        self._digests.write_text(json.dumps(_known(count)))
        self.missing: dict[str, str] = {}
        self._runs: dict[str, Callable[[], dict[str, Any]]] = {}
        for name in names:
            try:
                self._runs[name] = {
                    "django_loop": self._django_loop,
                    "django_post_office": self._post_office,
                    "nodemailer": self._nodemailer,
                }[name]()
            except (OSError, subprocess.SubprocessError) as error:
                self.missing[name] = f"could not be had: {error}"

    def run(self) -> dict[str, dict[str, Any]]:
        """One round of each. One that fails is left out from then on, and said to be missing."""
        found = {}
        for name, run in list(self._runs.items()):
            try:
                figures = run()
            except subprocess.SubprocessError as error:
                figures = {"sent": 0, "why": str(error)}
            if figures["sent"] == self._count:
                found[name] = figures | {"per_s": figures["sent"] / figures["seconds"]}
            else:
                del self._runs[name]
                self.missing[name] = f"sent {figures['sent']} of {self._count} messages {figures.get('why', '')}"
        return found

    def _arguments(self) -> list[str]:
        numbers = {"--count": self._count, "--size": self._size, "--port": self._port}
        return ["--digests", str(self._digests), *(part for name, n in numbers.items() for part in (name, str(n)))]

    def _django_loop(self) -> Callable[[], dict[str, Any]]:
        def run() -> dict[str, Any]:
            world.queued_again(self._count)
            return self._stage.program(["-m", "tests.bench.peers.django_loop", *self._arguments()])

        return run

    def _post_office(self) -> Callable[[], dict[str, Any]]:
        python = FOLDER / "venv" / "bin" / "python"
        if not python.with_name("pip").exists():
            venv.create(FOLDER / "venv", with_pip=True, clear=True)
        _run([str(python), "-m", "pip", "install", "-qqq", "--disable-pip-version-check", *PYTHON_PACKAGES])
        with self._stage.postgres.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        script = Path(digests.__file__).with_name("post_office_queue.py")
        database = ["--database", self._stage.postgres.url_of(DATABASE)]
        env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return lambda: _last_line(_run([str(python), str(script), *self._arguments(), *database], env=env))

    def _nodemailer(self) -> Callable[[], dict[str, Any]]:
        npm, node = shutil.which("npm"), shutil.which("node")
        if npm is None or node is None:
            raise OSError("npm or node is not installed")
        home = FOLDER / "node"
        home.mkdir(parents=True, exist_ok=True)
        if not all((home / "node_modules" / package.split("@")[0]).is_dir() for package in NODE_PACKAGES):
            _run([npm, "install", "--prefix", str(home), "--silent", "--no-audit", "--no-fund", *NODE_PACKAGES])
        job = self._stage.folder / "nodemailer.json"
        known = digests.load(self._digests)
        messages = [
            {
                "to": reader["email"],
                "subject": digests.subject(known, reader),
                "headers": digests.headers(reader),
                "context": digests.context(known, reader),
            }
            for reader in known["readers"]
        ]
        parts = {part: digests.handlebars(digests.source_of(part)) for part in ("html", "txt")}
        fixed = {"port": self._port, "size": self._size, "sender": digests.SENDER}
        job.write_text(json.dumps(fixed | parts | {"messages": messages}))
        script = Path(digests.__file__).with_name("pool.cjs")
        env = {"NODE_PATH": str(home / "node_modules"), "PATH": os.environ.get("PATH", os.defpath)}
        return lambda: _last_line(_run([node, str(script), str(job)], env=env))


def _known(count: int) -> dict[str, Any]:
    """Papers and readers as plain values, the readers' picks as they were planned."""
    rows = Delivery.objects.select_related("subscriber").order_by("pk")[:count]
    items = EditionItem.objects.select_related("paper").prefetch_related("paper__paper_topics__topic")
    return {
        "papers": {item.pk: _paper(item) for item in items},
        "readers": [
            {
                "id": row.subscriber_id,
                "email": row.subscriber.email,
                "token": row.subscriber.unsubscribe_token,
                "headline": "Sunday, 22 November 2026",
                "topics": "Agents, Vision, Speech",
                "picks": [[item, f"90 upvotes in a day; {reason}"] for item, _lane, reason in row.picks],
            }
            for row in rows
        ],
    }


def _paper(item: EditionItem) -> dict[str, Any]:
    paper = item.paper
    abstract = f"https://arxiv.org/abs/{paper.arxiv_id}"
    return {
        "id": item.pk,
        "title": paper.title,
        "authors": ", ".join(paper.authors),
        "summary": paper.abstract[:600],
        "url": abstract,
        "topics": [{"name": row.topic.name} for row in paper.paper_topics.all()],
        "links": [
            {"name": "Read the paper", "url": abstract},
            {"name": "PDF", "url": abstract.replace("/abs/", "/pdf/")},
            {"name": "Code", "url": paper.code_url},
        ],
    }


def _run(command: list[str], *, env: dict[str, str] | None = None) -> str:
    return subprocess.run(
        command,
        env=env,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=INSTALL_SECONDS if env is None else LONGEST_SECONDS,
        preexec_fn=die_with_parent(signal.SIGKILL),
    ).stdout


def _last_line(output: str) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(output.rstrip().rpartition("\n")[2])
    return figures
