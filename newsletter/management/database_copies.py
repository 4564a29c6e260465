"""A copy of the database in one file, and the way back: `manage.py backup` and `restore`.

In: the configured database and a file. Out: a file that is whole or not there; or the database as it was. PostgreSQL by
its own pg_dump and pg_restore, SQLite by its backup interface, both while the site runs. Raises CopyError, in words.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from django.db import connection

_PG_ENV = {  # libpq's own names; of a password the command line would tell everybody
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
}


class CopyError(Exception):
    """The copy could not be made, read or put back; the sentence says what to do."""


def backup(file: Path) -> None:
    """Write a copy of the whole database. The file appears when it is whole, readable by its owner alone."""
    if file.exists():
        raise CopyError(f"{file} exists already. Name a new file: an older copy is never overwritten.")
    partial = file.with_name(f"{file.name}.partial")
    try:
        partial.touch(mode=0o600)
        if connection.vendor == "postgresql":
            _run("pg_dump", "--format=custom", "--no-owner", f"--file={partial}")
            _run("pg_restore", "--list", str(partial))
        else:
            with closing(sqlite3.connect(partial)) as copy:
                _sqlite().backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, that can be read where nobody may write
            _check(partial)
        partial.rename(file)
    except OSError as error:
        raise CopyError(f"{file} cannot be written: {error.strerror}. Make room, or name another folder.") from error
    finally:
        with suppress(OSError):
            partial.unlink()


def restore(file: Path) -> None:
    """Put the copy in the place of everything in the database: all of it, or nothing when it fails."""
    if not file.is_file():
        raise CopyError(f"{file} is no file.")
    if connection.vendor == "postgresql":
        name = str(connection.settings_dict["NAME"])
        options = ("--clean", "--if-exists", "--no-owner", "--single-transaction", "--exit-on-error")
        connection.close()
        _run("pg_restore", *options, f"--dbname={name}", str(file))
    else:
        _check(file)
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as copy:
            copy.backup(_sqlite())
        connection.close()


def _sqlite() -> sqlite3.Connection:
    connection.ensure_connection()
    found: sqlite3.Connection = connection.connection
    return found


def _check(file: Path) -> None:
    """Refuse what is no whole SQLite database of Paperboy."""
    try:
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as copy:
            said = copy.execute("PRAGMA quick_check").fetchone()[0]
            copy.execute("SELECT 1 FROM newsletter_edition LIMIT 1")
    except sqlite3.Error as error:
        raise CopyError(f"{file} is no copy of Paperboy's SQLite database ({error}).") from error
    if said != "ok":
        raise CopyError(f"{file} is damaged ({said}). Take an older copy.")


def _run(program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise CopyError(
            f"{program} is not installed here. Install PostgreSQL's client programs, of the server's version or newer; "
            f"with Docker: docker compose exec -T postgres {program} …, see docs/operations.md."
        )
    done = subprocess.run(  # noqa: S603  (our own arguments)
        [found, *arguments], env=_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise CopyError(f"{program} failed: {lines[0]}. The database is as it was.")


def _environment() -> dict[str, str]:
    """What libpq needs to reach the database, not told to the list of processes."""
    known: dict[str, Any] = connection.settings_dict
    given = {"PGDATABASE": "NAME", "PGUSER": "USER", "PGPASSWORD": "PASSWORD", "PGHOST": "HOST", "PGPORT": "PORT"}
    named = {variable: str(known[key]) for variable, key in given.items() if known.get(key)}
    options: dict[str, Any] = known.get("OPTIONS") or {}
    return {**os.environ, **named, **{_PG_ENV[key]: str(value) for key, value in options.items() if key in _PG_ENV}}
