"""Show titles and abstracts as readers see them: `manage.py readable_text --jsonl FILE` (or `-` for standard input).

In: one JSON object {"id", "title", "summary"} a line, as a source sends them. Out: one JSON object a line,
{"id", "title", "abstract"}. Stores nothing and reads no table.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from newsletter.catalogue.sources.clean_text import clean_abstract, clean_title


class Command(BaseCommand):
    help = "Print titles and abstracts given as JSON lines in readable text."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--jsonl", required=True, metavar="FILE", help="- reads standard input")

    def handle(self, *, jsonl: str, **options: Any) -> None:
        if jsonl == "-":
            self._convert(sys.stdin)
            return
        try:
            with open(jsonl, encoding="utf-8-sig") as lines:
                self._convert(lines)
        except OSError as error:
            raise CommandError(f"{jsonl}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{jsonl}: not a text in UTF-8") from error

    def _convert(self, lines: Iterable[str]) -> None:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                paper = json.loads(line)
            except ValueError as error:
                raise CommandError(f"line {number}: not JSON ({error})") from error
            if not isinstance(paper, dict):
                raise CommandError(f'line {number}: not a JSON object with "id", "title" and "summary"')
            title, summary = paper.get("title") or "", paper.get("summary") or ""
            if not isinstance(title, str) or not isinstance(summary, str):
                raise CommandError(f'line {number}: "title" and "summary" must be texts')
            readable = {"id": paper.get("id"), "title": clean_title(title), "abstract": clean_abstract(summary)}
            self.stdout.write(json.dumps(readable, ensure_ascii=False))
