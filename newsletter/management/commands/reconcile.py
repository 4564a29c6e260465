"""`manage.py reconcile`: who was due in the last days, what they got, and what should exist and does not."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from newsletter.monitoring import find_missing_digests


class Command(BaseCommand):
    help = "Compare what readers should have got with what the rows say. Reads only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--days", type=int, default=find_missing_digests.LOOK_BACK_DAYS, help="how far to look back (1 to 31)"
        )
        parser.add_argument("--json", action="store_true", help="everything, for a program")

    def handle(self, *args: Any, days: int, **options: Any) -> None:
        if not 1 <= days <= 31:
            raise CommandError(f"--days must be a number from 1 to 31, not {days}.")
        report = find_missing_digests.report(days=days, now=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(report, indent=1))
            return
        for one in report["editions"]:
            self.stdout.write(
                f"{one['name']}: {one['planned']} planned, {one['sent']} sent, {one['skipped']} skipped, "
                f"{one['owed']} owed, {one['late']} late, {one['failed']} failed, {one['unknown']} unknown"
            )
        for one in report["missing"]:
            self.stdout.write(f"{one['cadence']} {one['period_on']}: {one['why']}")
        readers = report["readers"]
        self.stdout.write(
            f"{readers['checked']} of {readers['of']} readers checked, {readers['forgotten']} without digest or reason"
        )
