"""Import readers from a CSV file."""

from __future__ import annotations

import csv
import getpass
import logging
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from rich.progress import Progress

from subscriptions import csv_cells, csv_transfer

log = logging.getLogger("subscriptions.audit")

SHOWN = 20


class Command(BaseCommand):
    help = (
        f"Import readers from a CSV file. Columns: {', '.join(csv_transfer.REQUIRED)} (the proof of their consent), "
        f"and if you like {', '.join(csv_transfer.PREFERENCES)}. "
        "Topics are slugs, each alone or as slug:more or slug:mute."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
        parser.add_argument("--welcome", action="store_true", help="send each a first digest at once")
        parser.add_argument("--refused", type=Path, help="write every refused line with its reason to this CSV file")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        refused = options["refused"].open("w", newline="", encoding="utf-8") if options["refused"] else None
        shown = 0

        def tell(refusal: csv_transfer.Refusal) -> None:
            nonlocal shown
            cells = [str(refusal.line), csv_cells.safe_cell(refusal.email), refusal.reason]
            if refused is not None:
                csv.writer(refused).writerow(cells)
            elif (shown := shown + 1) <= SHOWN:
                self.stdout.write("Line " + ": ".join(cells))

        try:
            with path.open(newline="", encoding="utf-8-sig") as lines, Progress(disable=not sys.stderr.isatty()) as bar:
                task = bar.add_task("Readers", total=_count_lines(path))
                tally = csv_transfer.import_readers(
                    lines,
                    file_name=path.name,
                    now=timezone.now(),
                    is_dry_run=options["dry_run"],
                    are_welcomed=options["welcome"],
                    on_refusal=tell,
                    on_progress=lambda rows: bar.advance(task, rows),
                )
        except (OSError, csv_transfer.UnreadableFile) as error:
            raise CommandError(str(error)) from None
        finally:
            if refused is not None:
                refused.close()
        did = "would import" if options["dry_run"] else "imported"
        summary = f"{tally.read} read, {did} {tally.imported}, refused {tally.refused.total()}"
        log.info("%s: %s, by %s", path.name, summary, getpass.getuser())
        self.stdout.write(summary)
        if shown > SHOWN:
            self.stdout.write(f"Only the first {SHOWN} refused lines are shown; --refused FILE writes all of them.")
        for reason, count in tally.refused.most_common():
            self.stdout.write(f"  {count:>7}  {reason}")


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return max(sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b"")) - 1, 1)
