"""`manage.py refile_papers --days N`: papers under the topics that are switched on now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from newsletter.catalogue.topics import assignment
from newsletter.models import Paper
from newsletter.models.write_lock import wait_for_other_writers

BATCH = 500


class Command(BaseCommand):
    help = "File the papers of the last days under topics anew, after a set was switched on or keywords changed."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=30, help="how far back papers were first seen (default 30)")

    def handle(self, *args: Any, **options: Any) -> None:
        since = timezone.now() - timedelta(days=max(0, min(options["days"], 36_500)))
        papers = Paper.objects.filter(first_seen_at__gt=since, merged_into__isnull=True)
        keys = list(papers.order_by("-first_seen_at", "-pk").values_list("pk", flat=True))
        for start in range(0, len(keys), BATCH):
            with transaction.atomic():
                wait_for_other_writers()
                assignment.reclassify(list(Paper.objects.filter(pk__in=keys[start : start + BATCH])))
        self.stdout.write(f"Filed anew: {len(keys)} papers. What curators decided stands.")
