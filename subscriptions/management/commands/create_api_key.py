"""Make a key for a program that writes by the API. The key is shown once and kept by nobody but that program."""

from __future__ import annotations

import getpass
import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import IntegrityError, transaction
from django.utils import timezone

from subscriptions import token_links
from subscriptions.models import ApiKey

log = logging.getLogger("subscriptions.audit")


class Command(BaseCommand):
    help = "Make a key for a program that signs readers up or hands in papers; show it once. The admin revokes it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="which program it is for; kept with the consent of its readers")
        parser.add_argument(
            "--scope",
            action="append",
            choices=ApiKey.Scope.values,
            help=f"what it may do, more than one if given again; else {ApiKey.Scope.SUBSCRIBERS}",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"].strip()
        if not name.isprintable() or not 1 <= len(name) <= 80:
            raise CommandError("Give a name of 1 to 80 printable characters.")
        scopes = sorted(set(options["scope"] or [ApiKey.Scope.SUBSCRIBERS.value]))
        key, key_hash = token_links.new_api_key()
        try:
            with transaction.atomic():
                ApiKey.objects.create(name=name, key_hash=key_hash, scopes=scopes, created_at=timezone.now())
        except IntegrityError:
            raise CommandError("There is a key of this name, perhaps revoked: choose another.") from None
        log.info("API key %s made for %s, by %s", name, ", ".join(scopes), getpass.getuser())
        self.stdout.write(key)
