"""Fixtures of the whole suite: real servers, Paperboy's own processes, an SMTP inbox, all on loopback."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.backends.utils import CursorWrapper
from django.utils import translation
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from subscriptions.models import forget_local_texts
from tests.inbox import Inbox
from tests.processes import ROOT, Processes
from tests.services import RedisServer, ServiceMissing

# A machine that is busy is no fault of the code: nothing fails for taking long.
hypothesis_settings.register_profile("paperboy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("paperboy")

settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one takes 0.3 s a password
settings.WHITENOISE_USE_FINDERS = False  # each test client would list all static files anew, which takes 10 ms


@pytest.fixture(autouse=True)
def _nothing_of_the_test_before() -> None:
    cache.clear()
    forget_local_texts()
    if search := sys.modules.get("newsletter.search.update_index"):
        search._remembered = None  # told apart by its number and moment, which another test's memory may have too
    translation.deactivate()  # Django's test client leaves the language of its last request to the thread


@pytest.fixture(scope="session")
def migrated_database() -> str:
    """The address of a database as the migrations leave it, made by the first worker that asks; or nothing."""
    url, folder = os.environ["MIGRATED_DATABASE_URL"], Path(os.environ["VAR_DIR"])
    with (folder / "migrated.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = folder / "migrated.done"
        if url and not done.exists():
            command = [sys.executable, "manage.py", "migrate", "--verbosity=0"]
            subprocess.run(command, env=os.environ | {"DATABASE_URL": url}, cwd=ROOT, check=True)
            done.touch()
    return url


@pytest.fixture(scope="session")
def migrated_file(migrated_database: str) -> Path:
    """The same as a file of SQLite, for programs that a test starts; none with PostgreSQL."""
    return Path(urlsplit(migrated_database).path)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings: None, migrated_database: str, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Let the tests' database begin as a copy: the migrations take seconds, and each worker has a database."""
    if connection.vendor == "postgresql":
        connection.settings_dict["TEST"]["TEMPLATE"] = urlsplit(migrated_database).path[1:] or None
        yield
        return
    memory = sqlite3.connect("file:memorydb_default?mode=memory&cache=shared", uri=True)  # Django's name for it
    with closing(memory), closing(sqlite3.connect(request.getfixturevalue("migrated_file"))) as migrated:
        migrated.backup(memory)
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """The database of the tests, to which each one that commits returns."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        connection.ops.sql_flush = _ReturnToMigrated(cursor)  # what Django does after a test that commits


_UNCHECKED = """SELECT set_config('session_replication_role', 'replica', true)
    WHERE current_setting('is_superuser') = 'on'"""  # until the end of the transaction


class _ReturnToMigrated:
    """The statements that empty all tables and fill in again what the migrations bring: topics, groups, permissions.

    Of tables with few rows DELETE is sooner done than TRUNCATE, which makes each of them and of its indexes anew; and
    where we may switch off the checks of foreign keys, many rows take no longer.
    """

    def __init__(self, cursor: CursorWrapper) -> None:
        self._is_postgres = connection.vendor == "postgresql"
        self._kept: list[str] = []
        if self._is_postgres:
            cursor.execute("CREATE SCHEMA migrated")
        for table in connection.introspection.django_table_names(only_existing=True, include_views=False):
            cursor.execute(f'SELECT EXISTS (SELECT 1 FROM "{table}")')
            if cursor.fetchone()[0]:
                kind = "TABLE" if self._is_postgres else "TEMPORARY TABLE"
                cursor.execute(f'CREATE {kind} {self._copy_of(table)} AS SELECT * FROM "{table}"')
                self._kept.append(table)

    def __call__(self, _style: object, tables: Iterable[str], **_options: bool) -> list[str]:
        return [
            *([_UNCHECKED] if self._is_postgres else []),
            *(f'DELETE FROM "{table}"' for table in tables),
            *(f'INSERT INTO "{table}" SELECT * FROM {self._copy_of(table)}' for table in self._kept),
        ]

    def _copy_of(self, table: str) -> str:
        return f'migrated."{table}"' if self._is_postgres else f'temp."migrated_{table}"'


@pytest.fixture(scope="session")
def _session_redis() -> Iterator[RedisServer]:
    try:
        server = RedisServer()
    except ServiceMissing as missing:
        pytest.fail(str(missing), pytrace=False)
    yield server
    server.close()


@pytest.fixture
def redis_server(_session_redis: RedisServer) -> Iterator[RedisServer]:
    """A running, empty Redis of ours, which the test may stop, freeze and kill."""
    _session_redis.start()
    with _session_redis.client() as client:
        client.flushall()
    yield _session_redis
    _session_redis.start()  # a frozen one is resumed


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str:
    """The broker of TEST_REDIS_URL, else our own."""
    given = os.environ.get("TEST_REDIS_URL")
    if given:
        return given
    server: RedisServer = request.getfixturevalue("redis_server")
    return server.url


@pytest.fixture
def database_url(transactional_db: None) -> str:
    """The address of the test's own PostgreSQL database, for processes that the test starts."""
    assert connection.vendor == "postgresql", "Service tests run with --db postgres."
    name = connection.settings_dict["NAME"]
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """The relay every letter of the test ends at; `processes` send to it."""
    server = Inbox()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def processes(database_url: str, redis_url: str, inbox: Inbox, tmp_path: Path) -> Iterator[Processes]:
    """Starts the site, workers, beat or commands on the test's database, Redis and inbox."""
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "EMAIL_URL": inbox.url, "TICK_SECONDS": "2"}
    started = Processes(env=env, folder=tmp_path)
    yield started
    started.close()
