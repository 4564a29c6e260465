"""A relay's log as a file that operators name on the command line: opened, bounded, its time zone known."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from django.core.management.base import CommandError

from newsletter.delivery.bounces.syslog_lines import LONGEST

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}  # as logrotate packs


def add_log_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--time-zone",
        default="UTC",
        metavar="ZONE",
        help="of times that name none, such as Europe/Berlin (default: UTC)",
    )


def zone_of(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise CommandError(f"There is no time zone {name}. Give an IANA name, such as Europe/Berlin.") from None


@contextmanager
def open_log(path: Path) -> Iterator[Iterator[str]]:
    """Yield the lines of a file, also of a `.gz`, `.xz` or `.bz2`. Raises CommandError when it cannot be read."""
    try:
        with _OPENERS.get(path.suffix, open)(path, "rt", encoding="utf-8", errors="replace") as file:
            yield _lines(file)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise CommandError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


def _lines(file: TextIO) -> Iterator[str]:
    """Yield lines, each cut to LONGEST characters, so that no line is held in memory whole."""
    is_start = True
    while piece := file.readline(LONGEST):
        if is_start:
            yield piece
        is_start = piece.endswith("\n")
