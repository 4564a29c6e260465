"""`manage.py reader_history ADDRESS`: why did this reader not get it?"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from newsletter.monitoring.reader_history import history_of, standing_of
from subscriptions.addresses import parse_address
from subscriptions.models import Subscriber


class Command(BaseCommand):
    help = "Print everything that happened to one reader: consent, notices, deliveries, bounces."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address")

    def handle(self, *args: Any, address: str, **options: Any) -> None:
        try:
            key = parse_address(address).key
        except ValueError as error:
            raise CommandError(str(error)) from error
        reader = Subscriber.objects.filter(address_key=key).first()
        if reader is None:
            raise CommandError("No reader has this address. It was never signed up, or its data was erased.")
        self.stdout.write(standing_of(reader))
        for line in history_of(reader):
            self.stdout.write(f"{line.at:%Y-%m-%d %H:%M:%S}  {line.subject:<11}  {line.what}  {line.detail}".rstrip())
