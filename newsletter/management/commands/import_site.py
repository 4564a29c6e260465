"""`manage.py import_site FILE`: a new site made of another's archive. All of it, or nothing and the reason."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from newsletter.management.site_archive import ArchiveError, read_archive


class Command(BaseCommand):
    help = (
        "Take in whole what export_site of another Paperboy wrote. This site must be new and of the same version, with "
        "the other's ADDRESS_HASH_KEY; give it the other's SECRET_KEY too, or among SECRET_KEY_FALLBACKS, and links in "
        "mails that were sent go on working."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: object, file: Path, **options: Any) -> None:
        try:
            counts = read_archive(file)
        except ArchiveError as error:
            raise CommandError(str(error)) from error
        for name, rows in counts.items():
            if rows:
                self.stdout.write(f"{rows:>9,}  {name}")
        self.stdout.write("Taken in. Create staff accounts, keys and webhooks, then start beat and workers here alone.")
