"""`manage.py read_relay_log FILE`: what a relay's log says became of each message."""

from __future__ import annotations

import json as json_format
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from newsletter.delivery.bounces import relay_log
from newsletter.delivery.compose_message import delivery_of_bounce_address, message_id
from newsletter.management.relay_log_file import open_log


class Command(BaseCommand):
    help = (
        "Say what a relay's log tells of each message: sent (the relay took it), refused, bounced, deferred, or "
        "unknown when the log proves nothing. Changes nothing."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--json", action="store_true", help="a line of JSON a message: message_id and fate")

    def handle(self, *args: Any, file: Path, json: bool, **options: Any) -> None:
        with open_log(file) as lines:
            reading = relay_log.read(lines)
        if not reading.recognised:
            raise CommandError(f"{file} holds no line of a mail server that is known here. {relay_log.KNOWN}")
        for fate in reading.fates:
            name = fate.message_id or _name_of(fate.sender)
            if json:
                self.stdout.write(json_format.dumps({"message_id": name, "fate": fate.status}))
            else:
                self.stdout.write(f"{fate.status:<8} {name} {fate.text}".rstrip())


def _name_of(sender: str) -> str:
    """The Message-ID that belongs to one of our bounce addresses; any other sender stands for itself."""
    delivery = delivery_of_bounce_address(sender)
    return message_id(delivery) if delivery is not None else sender
