"""`manage.py doctor`: is everything that this installation needs there and right? Exit 1 if not."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from newsletter.management.trial_address import mailable
from newsletter.monitoring.installation_checks import check_installation
from newsletter.monitoring.mail_checks import Level


class Command(BaseCommand):
    help = (
        "Check settings, database, broker, clock, disk, alarms, relays, bounce mailbox, DNS and the site by its public "
        "address: a line each that says what to do. Exit 1 when something must be mended. Changes nothing."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--to", metavar="ADDRESS", help="send a real test mail by each relay to this address")
        parser.add_argument("--json", action="store_true", help="for programs")
        parser.add_argument(
            "--selector", action="append", default=[], help="what your relay signs with (DKIM_SELECTOR)"
        )
        parser.add_argument("--dns", default="", metavar="ADDRESS[#PORT]", help="the name server to ask")

    def handle(self, *args: object, to: str | None, selector: list[str], dns: str, json: bool, **options: Any) -> None:
        found = []
        address = mailable(to) if to else None
        for finding in check_installation(test_mail_to=address, selectors=selector, dns_server=dns):
            found.append(finding)
            if not json:
                self.stdout.write(str(finding))
                self.stdout.flush()
        if json:
            self.stdout.write(_as_json([asdict(finding) for finding in found]))
        if problems := sum(finding.level is Level.PROBLEM for finding in found):
            raise CommandError(f"{problems} of {len(found)} checks failed.")


def _as_json(value: object) -> str:
    return json.dumps(value, indent=1)
