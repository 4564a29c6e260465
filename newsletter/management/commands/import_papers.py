"""Import saved listing pages: `manage.py import_papers FILE…`.

In: files. Out: papers, one transaction a file. Importing a file again adds nothing. A broken file is reported with
its line, nothing of it is stored, the others still come in, and the exit code is 1.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.progress import track

from newsletter.catalogue.ingest import IngestResult, ingest
from newsletter.catalogue.sources import hf_saved_listing
from newsletter.catalogue.sources.observed_paper import SourceError


class Command(BaseCommand):
    help = "Import saved Daily Papers listing pages."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path)
        parser.add_argument("--json", action="store_true", help='print {"read": …, "new": …, "merged": …} only')

    def handle(self, *, files: list[Path], **options: Any) -> None:
        total, broken = IngestResult(), 0
        watched = track(files, "Importing", console=Console(stderr=True), disable=not sys.stderr.isatty())
        for file in watched:
            try:
                total += ingest(hf_saved_listing.parse(file.read_bytes()), now=timezone.now())
            except OSError as error:
                broken += 1
                self.stderr.write(f"{file}: {error.strerror}")
            except SourceError as error:
                broken += 1
                self.stderr.write(f"{file}:{error.line}: {error.reason}; nothing of this file was stored")
        self.stdout.write(_as_json(total) if options["json"] else _as_text(total, files=len(files) - broken))
        if broken:
            raise CommandError(f"{broken} of {len(files)} files could not be imported.")


def _as_json(total: IngestResult) -> str:
    return json.dumps({"read": total.read, "new": total.new, "merged": total.merged})


def _as_text(total: IngestResult, *, files: int) -> str:
    return f"{files} files, {total.read} rows read: {total.new} new, {total.merged} merged"
