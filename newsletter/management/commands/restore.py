"""`manage.py restore FILE --yes`: the database as it was in a copy. Nobody is mailed until `after_restore`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from newsletter.management.database_copies import CopyError, restore
from newsletter.models import Heartbeat


class Command(BaseCommand):
    help = (
        "Put a copy made by `backup` (or pg_dump --format=custom) in the place of everything in the database, bring it "
        "to this version, and say the next step. Stop beat and workers, or work, before; the copy is read first."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--yes", action="store_true", help="needed: what is in the database now is lost")

    def handle(self, *args: object, file: Path, yes: bool, **options: Any) -> None:
        if not yes:
            raise CommandError(
                "This puts the copy in the place of everything in the database. Make a copy of that first "
                "(manage.py backup), stop beat and workers, then add --yes."
            )
        try:
            restore(file)
        except CopyError as error:
            raise CommandError(str(error)) from error
        call_command("migrate", interactive=False, verbosity=0)
        last = Heartbeat.objects.filter(name="tick").values_list("at", flat=True).first() or timezone.now()
        self.stdout.write(
            f"Restored, as it was at its last tick, {last:%Y-%m-%d %H:%M} UTC. Before any worker starts:\n"
            f"  manage.py after_restore --since {last:%Y-%m-%dT%H:%M}"
        )
