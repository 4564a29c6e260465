"""Show which topics papers would get: `manage.py classify_papers --jsonl FILE` (or `-` for standard input).

In: one JSON object {"title", "abstract"} a line (and "categories", arXiv's, when known). Out: one JSON object a line,
{"title", "topics": [{"slug", "score", "assigned"} …]}, best first. Stores nothing. `--semantic off` leaves the extra
unused where it is installed; without the option SEMANTIC decides.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError

from newsletter.catalogue.sources.clean_text import clean_abstract, clean_title
from newsletter.catalogue.topics import encoder as text_encoder
from newsletter.catalogue.topics.assignment import current_classifier, default_classifier
from newsletter.catalogue.topics.embeddings import current_encoder

_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _Line:
    said: str
    title: str
    abstract: str
    categories: list[str]


class Command(BaseCommand):
    help = "Print the topics of papers given as JSON lines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--jsonl", required=True, metavar="FILE", help="- reads standard input")
        parser.add_argument("--semantic", choices=["auto", "off"], help="off: leave the extra `semantic` unused")

    def handle(self, *, jsonl: str, semantic: str | None = None, **options: Any) -> None:
        encoder = None if semantic == "off" else text_encoder.encoder() if semantic == "auto" else current_encoder()
        if jsonl == "-":
            self._classify(sys.stdin, encoder)
            return
        try:
            with open(jsonl, encoding="utf-8-sig") as lines:
                self._classify(lines, encoder)
        except OSError as error:
            raise CommandError(f"{jsonl}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise CommandError(f"{jsonl}: not a text in UTF-8") from error

    def _classify(self, lines: Iterable[str], encoder: text_encoder.Encoder | None) -> None:
        try:
            classifier = current_classifier(encoder)
        except (OperationalError, ProgrammingError):
            self.stderr.write(
                "There are no tables yet, so the default topics are used. Run manage.py migrate to create them."
            )
            classifier = default_classifier(encoder)
        papers = _papers(lines)
        while batch := list(islice(papers, _AT_ONCE)):
            vectors = (
                encoder.encode([f"{one.title}. {one.abstract}" for one in batch]) if encoder else [None] * len(batch)
            )
            for paper, vector in zip(batch, vectors, strict=True):
                topics = classifier.classify(paper.title, paper.abstract, categories=paper.categories, vector=vector)
                found = {"title": paper.said, "topics": [asdict(one) for one in topics]}
                self.stdout.write(json.dumps(found, ensure_ascii=False))


def _papers(lines: Iterable[str]) -> Iterator[_Line]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            paper = json.loads(line)
        except ValueError as error:
            raise CommandError(f"line {number}: not JSON ({error})") from error
        if not isinstance(paper, dict) or not isinstance(paper.get("title"), str):
            raise CommandError(f'line {number}: not a JSON object with a "title"')
        abstract, categories = paper.get("abstract") or "", paper.get("categories") or []
        if not isinstance(abstract, str):
            raise CommandError(f'line {number}: "abstract" is not a text')
        if not isinstance(categories, list) or not all(isinstance(one, str) for one in categories):
            raise CommandError(f'line {number}: "categories" is not a list of texts')
        yield _Line(paper["title"], clean_title(paper["title"]), clean_abstract(abstract), categories)
