"""Load the papers that come with Paperboy: `manage.py load_sample`.

In: papers made up for it, or well-known ones. Out: papers with topics and days of made-up votes that end now, and
pictures of our own drawing for those made up. A paper loaded before is left alone, so running it again adds nothing.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from newsletter.catalogue import sample_pictures
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import sample_papers
from newsletter.models import Sighting


class Command(BaseCommand):
    help = "Load made-up papers of the last days, with made-up votes and stars."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--well-known", action="store_true", help="72 well-known papers instead, from 2013 to 2023")

    def handle(self, **options: Any) -> None:
        now = timezone.now().replace(minute=0, second=0, microsecond=0)
        loaded = set(Sighting.objects.filter(source=sample_papers.SOURCE).values_list("key", flat=True))
        kind = sample_papers.observations if options["well_known"] else sample_papers.made_up
        seen = kind(until=now)
        keys = {one.key for one in seen}
        result = ingest((one for one in seen if one.key not in loaded), now=now)
        sample_pictures.draw_for_all()
        self.stdout.write(f"{len(keys)} sample papers: {result.new} new, {len(keys & loaded)} there already")
