"""Load the papers that come with Paperboy: `manage.py load_sample`.

In: newsletter/data/sample_papers.json. Out: papers with topics and ten days of votes that end now. A paper loaded
before is left alone, so running it again adds nothing.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import sample_papers
from newsletter.models import Sighting


class Command(BaseCommand):
    help = "Load the sample papers, with votes and stars of the last ten days."

    def handle(self, **options: Any) -> None:
        now = timezone.now().replace(minute=0, second=0, microsecond=0)
        loaded = set(Sighting.objects.filter(source=sample_papers.SOURCE).values_list("key", flat=True))
        result = ingest((one for one in sample_papers.observations(until=now) if one.key not in loaded), now=now)
        self.stdout.write(f"{len(sample_papers.papers())} sample papers: {result.new} new, {len(loaded)} there already")
