"""`manage.py read_library FILE --json`: which papers a reader's own library holds, and what of it cannot be read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from newsletter.interests.library import LARGEST_FILE, read_library


def _beginning(name: str) -> bytes:
    """Read the file, but of one that is too large only so much that it is refused."""
    with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
        return file.read(LARGEST_FILE + 1)


class Command(BaseCommand):
    help = "Read a library file (BibTeX, RIS, PubMed, EndNote, CSL-JSON, CSV, a list of ids) and say what it holds."
    requires_system_checks = ()  # they load every page of the site, which takes longer than reading most files

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the file; - reads standard input")
        parser.add_argument("--json", action="store_true", help="one JSON object: read, entries, refused")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            data = _beginning(options["file"])
        except OSError as error:
            raise CommandError(f"{options['file']} cannot be read: {error.strerror}.") from error
        reading = read_library(data, today=timezone.now().date())
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {
                        "read": len(reading.entries),
                        "entries": [
                            {"title": entry.title, "arxiv_id": entry.arxiv_id, "doi": entry.doi}
                            for entry in reading.entries
                        ],
                        "refused": [{"line": refusal.line, "why": refusal.why} for refusal in reading.refused],
                    },
                    ensure_ascii=False,
                )
            )
            return
        for entry in reading.entries:
            self.stdout.write(f"{entry.arxiv_id or entry.doi or '-':<24} {entry.title}")
        for refusal in reading.refused:
            self.stdout.write(f"Line {refusal.line}: {refusal.why}")
        self.stdout.write(f"{len(reading.entries)} read, {len(reading.refused)} refused.")
