"""What following a query would have brought: `manage.py follow_preview "QUERY" --days 30 --json`.

In: a query as on /search/. Out: the papers first seen in those days that it means, newest first, how many a week that
is, and a warning when it is none or a flood. What has not been read into the search index yet is read first.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from newsletter.management.commands.search_papers import read_what_is_new
from newsletter.models import Paper
from newsletter.search.query import QueryError
from newsletter.search.query_errors import sentence_of
from newsletter.search.standing_queries import preview, warning_of

LONGEST_DAYS = 3650


class Command(BaseCommand):
    help = "Print what following a query would have brought in the last days."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("query", metavar="QUERY", help='words, "phrases", -word, topic: author: org: has:code')
        parser.add_argument("--days", type=int, default=30, metavar="N", help="how far to look back (30)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *, query: str, days: int, **options: Any) -> None:
        if not 1 <= days <= LONGEST_DAYS:
            raise CommandError(f"--days is a number from 1 to {LONGEST_DAYS}.")
        read_what_is_new()
        try:
            found = preview(query, days=days, now=timezone.now())
        except QueryError as error:
            raise CommandError(str(sentence_of(error))) from error
        rows = Paper.objects.only("title", "arxiv_id", "first_seen_at").in_bulk(found.papers)
        papers = [rows[pk] for pk in found.papers if pk in rows]
        if options["json"]:
            facts = {
                "query": query,
                "days": days,
                "papers": len(papers),
                "per_week": found.per_week,
                "warning": warning_of(found),
                "items": [
                    {"id": one.pk, "title": one.title, "arxiv_id": one.arxiv_id, "at": one.first_seen_at.isoformat()}
                    for one in papers
                ],
            }
            self.stdout.write(json.dumps(facts, ensure_ascii=False))
            return
        self.stdout.write(f"{len(papers)} papers in {days} days, about {found.per_week:g} a week")
        if warning := warning_of(found):
            self.stdout.write(warning)
        for one in papers:
            self.stdout.write(f"{one.first_seen_at:%Y-%m-%d}  {one.title}")
