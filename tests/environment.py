"""Loaded before the settings (`-p tests.environment`): which database the suite runs on, and a folder of its own.

`--db sqlite` (the default) runs everything that is not marked `services`; `--db postgres` runs that and all that
touches a database, on a server the suite starts (tests/services.py) or on TEST_DATABASE_URL. `--part quick` (`make
test`) runs each test on the database it is about, `--part rest` (`make test-both`) what that leaves out
(docs/decisions/0042). The developer's own .env and variables never reach the tests.
"""

from __future__ import annotations

import atexit
import gc
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.services import PostgresServer, ServiceMissing

_IN_XDIST_WORKER = "PYTEST_XDIST_WORKER" in os.environ  # a worker inherits what the controller has prepared
_postgres: PostgresServer | None = None
# Whatever the machine prefers: every process and worker of the suite compiles the program, and pytest its assertions.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if not _IN_XDIST_WORKER:
    _template = Path(__file__).parent.parent / ".env.example"
    for _name in re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", _template.read_text(), flags=re.MULTILINE):
        os.environ.pop(_name, None)
    os.environ["ENV_FILE"] = os.devnull
    os.environ["DEBUG"] = "1"
    os.environ["SITE_URL"] = "https://papers.example.org"
    os.environ["SITE_NAME"] = "Paperboy"
    os.environ["SEMANTIC"] = "off"  # tests of the extra switch it on
    os.environ["VAR_DIR"] = tempfile.mkdtemp(prefix="paperboy-tests-")
    os.environ["MIGRATED_DATABASE_URL"] = f"sqlite:///{os.environ['VAR_DIR']}/migrated.sqlite3"
    atexit.register(shutil.rmtree, os.environ["VAR_DIR"], ignore_errors=True)


def examples(few: int) -> int:
    """How many examples Hypothesis tries in a test marked `more_examples`: as many as PAPERBOY_EXAMPLES says by hand.

    A third is enough in `make test`, and on PostgreSQL: what SQLite has been through is tried for what only PostgreSQL
    refuses.
    """
    is_third = os.environ.get("DATABASE_URL", "").startswith("postgres") or os.environ.get("PAPERBOY_PART") == "quick"
    return int(os.environ.get("PAPERBOY_EXAMPLES", few // 3 if is_third else few))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--db",
        choices=["sqlite", "postgres"],
        default="sqlite",
        help="sqlite: all but the service tests; postgres: these and all that need a database, on servers of our own",
    )
    parser.addoption(
        "--part",
        choices=["quick", "rest", "all"],
        default="all",
        help="quick: what `make test` runs, each test on the database it is about; rest: what that leaves out",
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Before pytest-django reads the settings: a wrapper runs ahead of every plain hook."""
    global _postgres
    if not _IN_XDIST_WORKER:
        os.environ["PAPERBOY_PART"] = early_config.known_args_namespace.part
    if not _IN_XDIST_WORKER and early_config.known_args_namespace.db == "postgres":
        url, os.environ["MIGRATED_DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL"), ""
        if not url:
            try:
                _postgres = PostgresServer()
                _postgres.start()
                with _postgres.connect() as server:
                    server.execute("CREATE DATABASE migrated")
            except ServiceMissing as missing:
                raise pytest.UsageError(str(missing)) from missing
            url, os.environ["MIGRATED_DATABASE_URL"] = _postgres.url, _postgres.url_of("migrated")
        os.environ["DATABASE_URL"] = url
    return (yield)


def pytest_unconfigure() -> None:
    if _postgres is not None:
        _postgres.close()


def pytest_report_header(config: pytest.Config) -> str:
    if config.getoption("db") == "postgres":
        return "database: PostgreSQL; the tests that would be the same on any database are left to --db sqlite"
    return "database: SQLite; the tests marked `services` are left to --db postgres"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Six thousand tests stay until the end: the collector of garbage need not look through them again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def touches_database(item: pytest.Item) -> bool:
    """Whether it would be another test on another database."""
    fixtures = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or not fixtures.isdisjoint({"db", "transactional_db"})


def needs_servers(item: pytest.Item) -> bool:
    return item.get_closest_marker("services") is not None


def is_alike_on_any_database(item: pytest.Item) -> bool:
    """Whether rows are only where the test keeps its papers; with PAPERBOY_EXAMPLES (`make test-deep`) none is."""
    return item.get_closest_marker("any_database") is not None and "PAPERBOY_EXAMPLES" not in os.environ


def loads_model(item: pytest.Item) -> bool:
    return item.get_closest_marker("model") is not None


def is_about_database(item: pytest.Item) -> bool:
    """Whether it shows what SQL, locks, constraints or commits do, which each database does in its own way."""
    marker = item.get_closest_marker("django_db")
    commits = "transactional_db" in getattr(item, "fixturenames", ()) or (marker and marker.kwargs.get("transaction"))
    return bool(commits) or item.get_closest_marker("both_databases") is not None


def is_quick(item: pytest.Item, *, db: str) -> bool:
    """Whether `make test` runs it on this database."""
    if loads_model(item) or item.get_closest_marker("thorough") is not None:
        return False
    return db == "sqlite" or needs_servers(item) or is_about_database(item)


def runs_here(item: pytest.Item, *, db: str, part: str) -> bool:
    """Each test runs in one of the halves at least, and in both where the database makes a difference.

    Quick and rest are all; only what tries more examples in the rest is in both.
    """
    if needs_servers(item):
        is_in_half = db == "postgres"
    else:
        is_in_half = db == "sqlite" or (touches_database(item) and not is_alike_on_any_database(item))
    if part == "all" or not is_in_half:
        return is_in_half
    if part == "quick":
        return is_quick(item, db=db)
    return not is_quick(item, db=db) or (db == "sqlite" and item.get_closest_marker("more_examples") is not None)


def is_long(item: pytest.Item) -> bool:
    return needs_servers(item) or item.get_closest_marker("long") is not None


def spread(few: list[pytest.Item], many: list[pytest.Item]) -> list[pytest.Item]:
    """Put the few evenly between the first half of the many."""
    step = max(1, len(many) // (2 * max(1, len(few))))
    mixed: list[pytest.Item] = []
    for place, item in enumerate(few):
        mixed += [item, *many[place * step : (place + 1) * step]]
    return mixed + many[len(few) * step :]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the other half runs. What takes long begins in the first half, so that no worker waits for it at
    the end, and is spread: a worker gets neighbours, and would do all that waits for servers one after another.

    Tests of the embedding model do stand side by side, before the others, and so one worker loads it for all.
    """
    choice = {"db": config.getoption("db"), "part": config.getoption("part")}
    if left_out := [item for item in items if not runs_here(item, **choice)]:
        config.hook.pytest_deselected(items=left_out)
    here = [item for item in items if runs_here(item, **choice)]
    others = [item for item in here if not loads_model(item)]
    quick = [item for item in others if not is_long(item)]
    items[:] = [*filter(loads_model, here), *spread([*filter(is_long, others)], quick)]
