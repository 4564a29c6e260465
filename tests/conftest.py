"""Fixtures of the whole suite: real servers, Paperboy's own processes, an SMTP inbox, all on loopback."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.apps import apps
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from subscriptions.models import forget_local_texts
from tests.inbox import Inbox
from tests.processes import Processes
from tests.services import RedisServer, ServiceMissing

# A machine that is busy is no fault of the code: nothing fails for taking long.
hypothesis_settings.register_profile("paperboy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("paperboy")

settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one takes 0.3 s a password


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that commits empties the tables when it ends: each of its kind starts by filling in the default topics."""
    for item in items:
        marker = item.get_closest_marker("django_db")
        names: list[str] = getattr(item, "fixturenames", [])
        if "transactional_db" in names or (marker and marker.kwargs.get("transaction")):
            names.insert(0, "default_topics")  # before fixtures that already work with them


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()
    forget_local_texts()


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


@pytest.fixture
def default_topics(transactional_db: None) -> None:
    """The topics that the migrations bring; a test that commits finds them flushed by the one before it."""
    topics = importlib.import_module("newsletter.migrations.0002_default_topics")
    topics.add_default_topics(apps, None)
    translations = importlib.import_module("subscriptions.migrations.0010_german_topics")
    translations.add_german(apps, None)
