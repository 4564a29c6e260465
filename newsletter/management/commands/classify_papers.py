"""Show which topics papers would get: `manage.py classify_papers --jsonl FILE` (or `-` for standard input).

In: one JSON object {"title", "abstract"} a line (and "categories", arXiv's, when known). Out: one JSON object a line,
{"title", "topics": [{"slug", "score", "assigned"} …]}, best first. Stores nothing. `--semantic off` leaves the extra
unused where it is installed; without the option SEMANTIC decides.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from django.core.management.base import BaseCommand
from django.db import OperationalError, ProgrammingError

from newsletter.catalogue.sources.clean_text import clean_abstract, clean_title
from newsletter.catalogue.topics import encoder as text_encoder
from newsletter.catalogue.topics.assignment import current_classifier, default_classifier
from newsletter.catalogue.topics.embeddings import current_encoder
from newsletter.management.json_lines import JsonLine, read_json_lines

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
        self._classify(read_json_lines(jsonl), encoder)

    def _classify(self, lines: Iterable[JsonLine], encoder: text_encoder.Encoder | None) -> None:
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


def _papers(lines: Iterable[JsonLine]) -> Iterator[_Line]:
    for line in lines:
        title, abstract = line.text("title"), line.optional_text("abstract")
        yield _Line(title, clean_title(title), clean_abstract(abstract), line.optional_texts("categories"))
