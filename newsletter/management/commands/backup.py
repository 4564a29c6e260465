"""`manage.py backup FILE`: a copy of the whole database, made while everything runs."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from newsletter.management.database_copies import CopyError, backup


class Command(BaseCommand):
    help = (
        "Write a copy of the whole database, PostgreSQL's by pg_dump or SQLite's, to a new file. It appears when it is "
        "whole and was read back. Keep SECRET_KEY and ADDRESS_HASH_KEY too, elsewhere: they are not in it."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="such as paperboy-2026-12-01.backup, outside VAR_DIR")

    def handle(self, *args: object, file: Path, **options: Any) -> None:
        try:
            backup(file)
        except CopyError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{file}: {file.stat().st_size / 1e6:,.1f} MB, whole.")
