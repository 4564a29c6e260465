"""`backup` and `restore` of both databases: whole or not at all. tests/test_restore.py drills the way back by them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from newsletter.management import database_copies
from newsletter.management.database_copies import CopyError
from subscriptions.models import Subscriber
from tests.builders import make_reader
from tests.processes import Command
from tests.services import postgres_binaries

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _programs_as_new_as_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(postgres_binaries()), prepend=":")


def backup(file: Path) -> str:
    out = StringIO()
    call_command("backup", file, stdout=out)
    return out.getvalue()


def test_a_copy_brings_back_what_was_and_takes_away_what_came_since(tmp_path: Path) -> None:
    make_reader("ada@example.net")
    file = tmp_path / "a.backup"
    assert "whole" in backup(file)
    Subscriber.objects.all().delete()
    make_reader("grace@example.net")
    call_command("restore", file, yes=True, stdout=StringIO())
    assert set(Subscriber.objects.values_list("email", flat=True)) == {"ada@example.net"}
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a.backup"]


def test_an_older_copy_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.backup").write_text("older")
    with pytest.raises(CommandError, match="exists already"):
        backup(tmp_path / "a.backup")
    assert (tmp_path / "a.backup").read_text() == "older"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        backup(tmp_path / "no" / "a.backup")


def test_without_yes_nothing_is_restored(tmp_path: Path) -> None:
    backup(tmp_path / "a.backup")
    make_reader("ada@example.net")
    with pytest.raises(CommandError, match="--yes"):
        call_command("restore", tmp_path / "a.backup")
    assert Subscriber.objects.count() == 1


@pytest.mark.parametrize("bytes_", [b"", b"no copy of anything", b"SQLite format 3\0" + bytes(500)])
def test_what_is_no_copy_changes_nothing(bytes_: bytes, tmp_path: Path) -> None:
    make_reader("ada@example.net")
    (tmp_path / "a.backup").write_bytes(bytes_)
    with pytest.raises(CommandError, match=r"no copy|failed"):
        call_command("restore", tmp_path / "a.backup", yes=True)
    with pytest.raises(CommandError, match="no file"):
        call_command("restore", tmp_path / "b.backup", yes=True)
    assert Subscriber.objects.count() == 1


def test_a_copy_that_is_cut_changes_nothing(tmp_path: Path) -> None:
    make_reader("ada@example.net")
    backup(tmp_path / "a.backup")
    whole = (tmp_path / "a.backup").read_bytes()
    (tmp_path / "cut.backup").write_bytes(whole[: len(whole) * 2 // 3])
    Subscriber.objects.update(email="moved@example.net")
    with pytest.raises(CommandError):
        call_command("restore", tmp_path / "cut.backup", yes=True)
    assert Subscriber.objects.get().email == "moved@example.net"


def test_another_program_of_sqlite_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.sqlite3")) as other:
        other.execute("CREATE TABLE notes (words)")
        other.commit()
    with pytest.raises(CommandError):
        call_command("restore", tmp_path / "other.sqlite3", yes=True)


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CopyError, match="pg_dump is not installed"):
        database_copies._run("pg_dump")


@pytest.mark.any_database
def test_a_file_of_sqlite_is_copied_while_others_write(tmp_path: Path) -> None:
    """In processes of their own, on a real file, as an operator runs them."""
    database, copy = tmp_path / "site.sqlite3", tmp_path / "a.backup"
    env = {"DEBUG": "1", "DATABASE_URL": f"sqlite:///{database}"}

    def run(*arguments: str) -> str:
        command = Command(*arguments, env=env, folder=tmp_path)
        command.start()
        assert command.wait() == 0, command.log_text()
        return command.log_text()

    run("migrate", "--verbosity", "0")
    with closing(sqlite3.connect(database)) as other:
        other.execute("PRAGMA journal_mode=WAL")
        other.execute("INSERT INTO newsletter_heartbeat VALUES ('before', '2026-03-18 12:00:00', '')")
        other.commit()
        run("backup", str(copy))
        other.execute("INSERT INTO newsletter_heartbeat VALUES ('after', '2026-03-18 12:00:00', '')")
        other.commit()
    assert "after_restore --since" in run("restore", str(copy), "--yes")
    with closing(sqlite3.connect(database)) as other:
        names = {name for (name,) in other.execute("SELECT name FROM newsletter_heartbeat")}
    assert "before" in names
    assert "after" not in names


def test_the_password_is_told_to_nobody() -> None:
    given = dict(connection.settings_dict)
    connection.settings_dict |= {"PASSWORD": "s3cret", "OPTIONS": {"sslmode": "verify-full"}}
    try:
        known = database_copies._environment()
    finally:
        connection.settings_dict.clear()
        connection.settings_dict.update(given)
    assert (known["PGPASSWORD"], known["PGSSLMODE"]) == ("s3cret", "verify-full")
