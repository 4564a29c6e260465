"""Print similar papers: `manage.py similar_papers "TITLE or id" --json --limit N`.

In: a title, an arXiv id or the number of a paper. Out: papers, the most alike first. What has not been read or learnt
yet is read first.
"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from newsletter.catalogue.sources.paper_identifiers import arxiv_id, title_key
from newsletter.management.commands.search_papers import listed, read_what_is_new
from newsletter.models import Paper
from newsletter.search.similar_papers import MOST, similar_to


class Command(BaseCommand):
    help = "Print the papers that read most like one paper."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paper", metavar="TITLE", help="a title, an arXiv id or the paper's number here")
        parser.add_argument("--json", action="store_true", help="print a list of {title, id, url, score} only")
        parser.add_argument("--limit", type=int, default=10, metavar="N", help=f"at most {MOST}")

    def handle(self, *, paper: str, limit: int, **options: Any) -> None:
        found = _paper(paper)
        if found is None:
            raise CommandError(f"There is no paper called {paper!r}.")
        read_what_is_new()
        self.stdout.write(listed(similar_to(found, limit=max(0, limit)), as_json=options["json"]))


def _paper(name: str) -> Paper | None:
    papers = Paper.objects.published()
    by_title = papers.filter(title_key=title_key(name)).first()
    if by_title:
        return by_title
    if named := arxiv_id(name):
        return papers.filter(arxiv_id=named[0]).first()
    return papers.filter(pk=int(name)).first() if name.isdecimal() and len(name) < 19 else None
