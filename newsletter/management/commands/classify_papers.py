"""Show which topics papers would get: `manage.py classify_papers --jsonl FILE` (or `-` for standard input).

In: one JSON object {"title", "abstract"} a line (and "categories", arXiv's, when known). Out: one JSON object a line,
{"title", "topics": [{"slug", "score", "assigned"} …]}, best first. Stores nothing.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from newsletter.filing import current_classifier
from newsletter.sources.text import clean_abstract, clean_title


class Command(BaseCommand):
    help = "Print the topics of papers given as JSON lines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--jsonl", required=True, metavar="FILE", help="- reads standard input")

    def handle(self, *, jsonl: str, **options: Any) -> None:
        if jsonl == "-":
            self._classify(sys.stdin)
            return
        try:
            with open(jsonl, encoding="utf-8-sig") as lines:
                self._classify(lines)
        except OSError as error:
            raise CommandError(f"{jsonl}: {error.strerror}") from error

    def _classify(self, lines: Iterable[str]) -> None:
        classifier = current_classifier()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                paper = json.loads(line)
                title, abstract = paper["title"], paper.get("abstract") or ""
                categories = paper.get("categories") or []
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise CommandError(f'line {number}: not a JSON object with a "title"') from error
            topics = classifier.classify(clean_title(title), clean_abstract(abstract), categories=categories)
            found = {"title": title, "topics": [asdict(one) for one in topics]}
            self.stdout.write(json.dumps(found, ensure_ascii=False))
