"""Paperboy's own processes for the service tests: the site under gunicorn, Celery workers, beat, `manage.py work`.

Comes in: the environment of a deployment (database, broker, relay). Goes out: real processes with their log in a file,
which a test may kill at any moment. Every process ends with the test, and with us if we are killed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import psutil

from tests.services import die_with_parent, free_port, process_tree, signal_tree, wait_until_gone

AnyProgram = TypeVar("AnyProgram", bound="Program")
ROOT = Path(__file__).parent.parent
READY_TIMEOUT_SECONDS = 60
ALL_QUEUES = "confirm,digest,ingest,maintenance"


class Program:
    """One process of ours. `start()` waits for `ready` to appear in its log; the log outlives restarts."""

    def __init__(self, name: str, arguments: Sequence[str], *, env: Mapping[str, str], folder: Path, ready: str = ""):
        self.name, self.arguments, self.ready = name, [sys.executable, *arguments], ready
        self.env = {**os.environ, "PYTHONUNBUFFERED": "1", "VAR_DIR": str(folder), **env}
        self.log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        return self._process.poll() if self._process else None

    def log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def start(self) -> None:
        seen = len(self.log_text())
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.arguments,
                env=self.env,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGKILL),
            )
        self.wait_until_ready(seen)

    def wait_until_ready(self, seen: int) -> None:
        self.wait_for(self.ready, seen=seen)

    def wait_for(self, text: str, *, seen: int = 0, timeout: float = READY_TIMEOUT_SECONDS) -> None:
        """Until the log, from character `seen` on, contains the text."""
        deadline = time.monotonic() + timeout
        while text not in self.log_text()[seen:]:
            assert self.running, f"{self.name} ended with {self.exit_code}:\n{self.log_text()[-3000:]}"
            assert time.monotonic() < deadline, f"{self.name} never said {text!r}:\n{self.log_text()[-3000:]}"
            time.sleep(0.05)

    def wait(self, *, timeout: float = READY_TIMEOUT_SECONDS) -> int:
        """Until a command that ends by itself has ended; its exit code."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.wait(timeout=timeout)

    def kill(self) -> None:
        """SIGKILL to the process and everything it started, as the kernel's out-of-memory killer would."""
        if self._process is None:
            return
        tree = process_tree(self.pid)
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        wait_until_gone(tree)

    def terminate(self, *, timeout: float = 30) -> None:
        """SIGTERM, as an orchestrator stops a service; SIGKILL when that takes too long."""
        if not self.running:
            return
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self) -> None:
        self.kill()
        self.start()

    def hang(self) -> None:
        signal_tree(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        signal_tree(self.pid, signal.SIGCONT)


class Site(Program):
    """The site as production serves it: gunicorn."""

    def __init__(self, *, env: Mapping[str, str], folder: Path) -> None:
        self.port = free_port()
        arguments = [
            "-m",
            "gunicorn",
            "newsletter.wsgi",
            "--bind",
            f"127.0.0.1:{self.port}",
            "--workers=1",
            "--threads=8",
            "--no-control-socket",
        ]
        super().__init__("site", arguments, env=env, folder=folder, ready="Booting worker")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self, seen: int) -> None:
        super().wait_until_ready(seen)
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/robots.txt", timeout=10):
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                alive = self.running and time.monotonic() < deadline
                assert alive, f"the site is silent:\n{self.log_text()[-3000:]}"
                time.sleep(0.05)


class Worker(Program):
    def __init__(
        self,
        name: str = "worker",
        *,
        queues: str = ALL_QUEUES,
        concurrency: int = 1,
        env: Mapping[str, str],
        folder: Path,
    ) -> None:
        arguments = ["-m", "celery", "-A", "newsletter", "worker", "-Q", queues, "-n", f"{name}@%h", "-l", "INFO"]
        arguments += ["--concurrency", str(concurrency), "--without-gossip", "--without-mingle"]
        super().__init__(name, arguments, env=env, folder=folder, ready=" ready.")


class Beat(Program):
    def __init__(self, name: str = "beat", *, env: Mapping[str, str], folder: Path) -> None:
        schedule = str(folder / f"{name}-schedule")
        arguments = ["-m", "celery", "-A", "newsletter", "beat", "-l", "INFO", "-s", schedule, "--pidfile="]
        super().__init__(name, arguments, env=env, folder=folder, ready="beat: Starting...")


class Command(Program):
    """A management command that keeps running, such as `work`."""

    def __init__(self, *arguments: str, env: Mapping[str, str], folder: Path, ready: str = "") -> None:
        super().__init__(arguments[0], ["manage.py", *arguments], env=env, folder=folder, ready=ready)


class Processes:
    """The processes of one test: they share an environment and a folder and are all ended by `close()`."""

    def __init__(self, *, env: Mapping[str, str], folder: Path) -> None:
        self.env, self.folder = dict(env), folder
        self._started: list[Program] = []

    def site(self) -> Site:
        return self._start(Site(env=self.env, folder=self.folder))

    def worker(self, name: str = "worker", *, queues: str = ALL_QUEUES, concurrency: int = 1) -> Worker:
        return self._start(Worker(name, queues=queues, concurrency=concurrency, env=self.env, folder=self.folder))

    def beat(self, name: str = "beat") -> Beat:
        return self._start(Beat(name, env=self.env, folder=self.folder))

    def command(self, *arguments: str, ready: str = "") -> Command:
        return self._start(Command(*arguments, env=self.env, folder=self.folder, ready=ready))

    def close(self) -> None:
        for program in self._started:
            program.kill()

    def _start(self, program: AnyProgram) -> AnyProgram:
        self._started.append(program)
        program.start()
        return program
