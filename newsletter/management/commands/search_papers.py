"""Search the catalogue: `manage.py search_papers "QUERY" --json --limit N`.

In: a query as on /search/. Out: papers, best first. What has not been read or learnt yet is read first, so a search
right after an import finds everything; on a large new catalogue that takes a while once.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from newsletter import search
from newsletter.catalogue.topics import embeddings
from newsletter.models import Paper
from newsletter.search.query_errors import sentence_of

READING = timedelta(minutes=2)
SMALL = 1_000  # papers: of a larger catalogue reading the meaning takes long, and is left to the workers


class Command(BaseCommand):
    help = "Print the papers that a query finds, best first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("query", metavar="QUERY", help='words, "phrases", topic: author: has:code after: before:')
        parser.add_argument("--json", action="store_true", help="print a list of {title, id, url, score} only")
        parser.add_argument("--limit", type=int, default=10, metavar="N")

    def handle(self, *, query: str, limit: int, **options: Any) -> None:
        read_what_is_new()
        try:
            found = search.find(query)
        except search.QueryError as error:
            raise CommandError(str(sentence_of(error))) from error
        if found.corrected and not options["json"]:
            self.stderr.write("Read as: " + ", ".join(f"{meant} ({typed})" for typed, meant in found.corrected))
        self.stdout.write(listed(found.papers[: max(0, limit)], as_json=options["json"]))


def read_what_is_new() -> None:
    now = timezone.now()
    search.keep_up(now=now, deadline=now + READING)
    if Paper.objects.all()[: SMALL + 1].count() <= SMALL:
        embeddings.embed_due(now=now, deadline=timezone.now() + READING)


def listed(ranked: Any, *, as_json: bool) -> str:
    papers = Paper.objects.only("title").in_bulk([pk for pk, _ in ranked])
    rows = [(papers[pk], score) for pk, score in ranked if pk in papers]
    if as_json:
        facts = [
            {"title": paper.title, "id": paper.pk, "url": settings.SITE_URL + paper.get_absolute_url(), "score": score}
            for paper, score in rows
        ]
        return json.dumps(facts, ensure_ascii=False)
    return "\n".join(f"{score:6.3f}  {paper.title}" for paper, score in rows) or "No papers found."
