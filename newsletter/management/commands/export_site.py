"""`manage.py export_site FILE`: everything of this site in one signed file, for another Paperboy."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from newsletter.management.site_archive import write_archive


class Command(BaseCommand):
    help = (
        "Write readers with all they told us, consent, suppressions, papers, editions, deliveries and library into one "
        "signed file that import_site of another Paperboy takes in whole, on either database. Stop beat and workers "
        "before. Staff accounts, keys, webhooks and secrets are not in it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="a new file, such as paperboy.zip; it holds every address")

    def handle(self, *args: object, file: Path, **options: Any) -> None:
        try:
            file.touch(mode=0o600, exist_ok=False)
            file.unlink()
            counts = write_archive(file, now=timezone.now())
            file.chmod(0o600)
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}. Name a new file.") from error
        readers = counts["subscriptions.Subscriber"]
        self.stdout.write(f"{file}: {sum(counts.values()):,} rows, of them {readers:,} readers. Keep it secret.")
