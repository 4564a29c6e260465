"""Behind PgBouncer in transaction mode every statement may meet another connection: all commands work all the same."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management import get_commands

from tests.inbox import Inbox
from tests.processes import Processes
from tests.services import PostgresServer, free_port

pytestmark = pytest.mark.system
ASK_NO_DATABASE = {
    "catch_mail",
    "check_mail",
    "key_sentences",
    "read_bounce",
    "read_library",
    "read_relay_log",
    "readable_text",
}
BY_PG_DUMP = {"backup", "restore"}  # PostgreSQL's own programs want the server itself: docs/operations.md says so
LISTING_PAGES = sorted((Path(__file__).parent / "data" / "listing-pages").glob("*.txt"))
ANSWERS = {
    "forget_second_factor": "Nobody signs in as keeper.",
    "check_health": "waits for approval",
    "doctor": "checks failed",
    "import_site": "by a new site alone",
}
READERS = 1500  # more than one chunk of an export


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def pooled_url(postgres: PostgresServer) -> Iterator[str]:
    """The database through a pool of two connections that are handed out transaction by transaction."""
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    assert program, "pgbouncer is missing: apt-get install pgbouncer (.ci/run does)"
    behind, port = urlsplit(postgres.url), free_port()
    name = behind.path.lstrip("/")
    config = postgres.folder / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n{name} = host=127.0.0.1 port={behind.port} user={behind.username} password={behind.password}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\npool_mode = transaction\n"
        "default_pool_size = 2\nunix_socket_dir =\n"
    )
    config.chmod(0o644)
    account = ["-u", "nobody"] if os.geteuid() == 0 else []  # it refuses to be root
    process = subprocess.Popen([program, *account, str(config)], stderr=subprocess.PIPE, text=True)
    url = f"postgres://{behind.username}@127.0.0.1:{port}/{name}"
    give_up_at = time.monotonic() + 20
    while not _answers(url):
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < give_up_at, "PgBouncer does not answer"
        time.sleep(0.1)
    yield url
    process.terminate()
    process.wait()


def commands_that_ask_the_database(readers: Path, *, folder: Path) -> list[list[str]]:
    """A call of each command of ours, in an order in which one finds what it asks for; the exports come later."""
    papers, log = folder / "papers.jsonl", folder / "relay.log"
    papers.write_text('{"id": "2611.00001", "title": "Speech from lips", "summary": "We read lips."}\n')
    log.write_text("")
    calls = [
        ["load_sample", "--well-known"],
        ["import_papers", *map(str, LISTING_PAGES)],
        ["import_readers", str(readers)],
        ["create_api_key", "drill"],
        ["work", "--once"],
        ["reconcile", "--json"],
        ["check_health"],
        ["search_papers", "speech"],
        ["similar_papers", "Attention Is All You Need"],
        ["follow_preview", "speech", "--json"],
        ["classify_papers", "--jsonl", str(papers)],
        ["preview_digest", "--as", "topics=vision", "--output", str(folder / "previews")],
        ["reader_history", "r0@drill-of-a-pool.org"],
        ["settle_unknown", "--log", str(log)],
        ["refile_papers", "--days", "1"],
        ["doctor"],
        ["send_test", "ops@drill-of-a-pool.org"],
        ["export_site", str(folder / "site.zip")],
        ["import_site", str(folder / "site.zip")],
        ["after_restore", "--since", "2026-01-05T10:00:00Z", "--anyway"],
        ["forget_second_factor", "keeper"],
    ]
    ours = {name for name, app in get_commands().items() if app in {"newsletter", "subscriptions"}}
    assert {call[0] for call in calls} | {"export_readers"} | ASK_NO_DATABASE | BY_PG_DUMP == ours
    return calls


def test_every_command_works_through_a_pool(pooled_url: str, inbox: Inbox, tmp_path: Path) -> None:
    readers = tmp_path / "readers.csv"
    with readers.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["email", "confirmed_at", "consent_source", "topics"])
        for number in range(READERS):
            lines.writerow([f"r{number}@drill-of-a-pool.org", "2026-01-05T10:00:00Z", "paper form", "vision"])
    env = {"DATABASE_URL": pooled_url, "REDIS_URL": "", "EMAIL_URL": inbox.url, "SEND_JITTER_SECONDS": "0"}
    processes = Processes(env=env, folder=tmp_path)
    try:
        for arguments in (["migrate", "--verbosity=0"], *commands_that_ask_the_database(readers, folder=tmp_path)):
            command = processes.command(*arguments)
            done = command.wait(timeout=180)
            answers = ANSWERS.get(arguments[0], "")  # an alarm or a refusal is an answer
            assert done == 0 or (answers and answers in command.log_text()), (arguments, command.log_text()[-3000:])
        site = processes.site()
        exports = [
            Processes(env=env, folder=_folder(tmp_path, number)).command(
                "export_readers", f"{tmp_path}/out{number}.csv"
            )
            for number in range(3)
        ]
        with psycopg.connect(pooled_url, autocommit=True, prepare_threshold=None) as beside:
            while any(export.exit_code is None for export in exports):
                beside.execute("SELECT 1")  # others use the pool meanwhile
        for number, export in enumerate(exports):
            assert export.exit_code == 0, export.log_text()[-3000:]
            assert len((tmp_path / f"out{number}.csv").read_text().splitlines()) == READERS + 1
        assert site.running
        assert "Traceback" not in site.log_text()
    finally:
        processes.close()


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _folder(parent: Path, number: int) -> Path:
    folder = parent / f"export-{number}"
    folder.mkdir()
    return folder
