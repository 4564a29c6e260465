"""Take away the second factor of somebody who lost their phone and their recovery codes."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from newsletter.models.sign_ins import forget_second_factor


class Command(BaseCommand):
    help = "Take away the second factor of somebody who lost it; they sign in by password and set it up anew."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the name they sign in with")

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(username=options["name"]).first()
        if user is None:
            raise CommandError(f"Nobody signs in as {options['name']}.")
        forget_second_factor(user)
        self.stdout.write(f"{user} signs in by password alone now, and sets a second factor up anew.")
