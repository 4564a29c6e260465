"""Export readers to a CSV file."""

from __future__ import annotations

import csv
import getpass
import logging
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.translation import ngettext

from subscriptions import csv_export
from subscriptions.models import Subscriber

log = logging.getLogger("subscriptions.audit")


class Command(BaseCommand):
    help = "Export readers with their wishes and the proof of their consent to a CSV file that only you can read."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--state",
            action="append",
            choices=[state for state in Subscriber.State.values if state != Subscriber.State.ERASED],
            help="readers in this state, may be given several times (default: confirmed and paused)",
        )

        parser.add_argument(
            "--for", dest="program", choices=csv_export.PROGRAMS, help="write the columns that this program imports"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        states = options["state"] or [Subscriber.State.CONFIRMED, Subscriber.State.PAUSED]
        path: Path = options["file"]
        program = options["program"]
        lines = (
            csv_export.export_lines_for(program, states=states) if program else csv_export.export_lines(states=states)
        )
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(opened, 0o600)  # a file that was there keeps its mode otherwise
        with open(opened, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            count = -1
            for count, cells in enumerate(lines):  # noqa: B007  (the header is number 0)
                writer.writerow(cells)
        log.info("%s: %d readers exported, by %s", path.name, count, getpass.getuser())
        self.stdout.write(ngettext("%d reader exported", "%d readers exported", count) % count)
