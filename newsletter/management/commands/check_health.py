"""`manage.py check_health`: exit 0 when the pipeline moves, 1 with one sentence for each thing that does not."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from newsletter.monitoring import current_alarms


class Command(BaseCommand):
    help = "Report alarms: exit 0 when there are none, else 1 and one sentence for each."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--part", choices=list(current_alarms.Part), help="look at this part of the pipeline only")
        parser.add_argument("--json", action="store_true", help="alarms and numbers for a monitor")

    def handle(self, *args: object, part: str | None, json: bool, **options: Any) -> None:
        now = timezone.now()
        try:
            found = current_alarms.alarms(now=now, part=part)
            numbers = current_alarms.numbers(now=now) if json else {}
        except DatabaseError as error:
            raise CommandError(f"The database does not answer: {str(error).splitlines()[0]}") from error
        if json:
            self.stdout.write(_as_json({"alarms": [asdict(alarm) for alarm in found], "numbers": numbers}))
        if found:
            raise CommandError("\n".join(alarm.sentence for alarm in found))
        if not json:
            self.stdout.write("No alarms.")


def _as_json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=1)
