"""`manage.py reader_history ADDRESS`, or a reader's number: why did this reader not get it?"""

from __future__ import annotations

import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from newsletter.monitoring.reader_history import history_of, standing_of
from subscriptions.addresses import parse_address
from subscriptions.models import Subscriber

NUMBER = re.compile(r"[0-9]{1,18}")


class Command(BaseCommand):
    help = "Print everything that happened to one reader: consent, notices, deliveries, bounces."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", help="of the reader; or the reader's number, as alarms and reconcile name it")

    def handle(self, *args: Any, address: str, **options: Any) -> None:
        try:
            named = {"pk": address} if NUMBER.fullmatch(address) else {"address_key": parse_address(address).key}
        except ValueError as error:
            raise CommandError(str(error)) from error
        reader = Subscriber.objects.filter(**named).first()
        if reader is None:
            raise CommandError(
                f"No reader has this {'number' if 'pk' in named else 'address'}."
                " It was never signed up, or its data was erased."
            )
        self.stdout.write(standing_of(reader))
        for line in history_of(reader):
            self.stdout.write(f"{line.at:%Y-%m-%d %H:%M:%S}  {line.subject:<11}  {line.what}  {line.detail}".rstrip())
