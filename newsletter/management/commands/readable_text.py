"""Show titles and abstracts as readers see them: `manage.py readable_text --jsonl FILE` (or `-` for standard input).

In: one JSON object {"id", "title", "summary"} a line, as a source sends them. Out: one JSON object a line,
{"id", "title", "abstract"}. Stores nothing and reads no table.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from newsletter.catalogue.sources.clean_text import clean_abstract, clean_title
from newsletter.management.json_lines import read_json_lines


class Command(BaseCommand):
    help = "Print titles and abstracts given as JSON lines in readable text."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--jsonl", required=True, metavar="FILE", help="- reads standard input")

    def handle(self, *, jsonl: str, **options: Any) -> None:
        for line in read_json_lines(jsonl):
            title, abstract = clean_title(line.optional_text("title")), clean_abstract(line.optional_text("summary"))
            readable = {"id": line.fields.get("id"), "title": title, "abstract": abstract}
            self.stdout.write(json.dumps(readable, ensure_ascii=False))
