"""`manage.py read_bounce`: say what a letter that came back means. Nothing is stored, nobody is suppressed."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from django.core.management.base import BaseCommand

from newsletter.delivery.bounces import ReportKind, parse
from newsletter.delivery.bounces.mailbox import SIZE_LIMIT

NOTHING = "No bounce, no complaint, no request to leave."
WORDS = {
    ReportKind.DELIVERED: "none",
    ReportKind.DEFERRED: "deferred",
    ReportKind.HARD: "hard",
    ReportKind.SOFT: "soft",
    ReportKind.POLICY: "policy",
    ReportKind.COMPLAINED: "complaint",
    ReportKind.UNSUBSCRIBED: "leave",
}


class Reading(NamedTuple):
    """Result for one file. ``tied_by``: the best mark of our mail in it, not checked against any delivery."""

    file: str
    kind: str
    code: str = ""
    text: str = ""
    tied_by: str = ""


class Command(BaseCommand):
    help = (
        "Say of each letter whether it is a bounce (hard, soft, policy, deferred), a complaint, a request to leave or "
        "none of these, in whose words, and by which mark it could be tied to a delivery."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="a letter as it was stored; - for standard input")
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object a line")

    def handle(self, *args: Any, files: Sequence[str], as_json: bool, **options: Any) -> None:
        for name in files:
            reading = read(name)
            if as_json:
                self.stdout.write(json.dumps(reading._asdict(), ensure_ascii=False))
            else:
                self.stdout.write(f"{reading.kind:9}  {reading.code:16}  {reading.tied_by:16}  {name}  {reading.text}")


def read(name: str) -> Reading:
    """Read one letter; for a file that cannot be read the result says why."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(SIZE_LIMIT)
        else:
            with Path(name).open("rb") as file:
                data = file.read(SIZE_LIMIT)
    except (OSError, ValueError) as error:
        return Reading(name, "none", text=f"It cannot be read: {error}.")
    event = parse.parse(data)
    if event is None:
        return Reading(name, "none", text=NOTHING)
    return Reading(name, WORDS[event.kind], event.code, event.text, event.tied_by)
