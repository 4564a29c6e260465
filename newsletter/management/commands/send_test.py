"""`manage.py send_test ADDRESS`: a real mail by each way that mail leaves. Exit 1 if one fails."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from newsletter.management.trial_address import mailable
from newsletter.monitoring.installation_checks import relays
from newsletter.monitoring.mail_checks import Level


class Command(BaseCommand):
    help = (
        "Send a test mail to one address by every relay of the digests and by that of confirmations, signed and "
        "enveloped as real mail is, and say what each relay answered."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("address", help="a mailbox of yours")

    def handle(self, *args: object, address: str, **options: Any) -> None:
        found = []
        for finding in relays(test_mail_to=mailable(address)):
            found.append(finding)
            self.stdout.write(str(finding))
        if failed := sum(finding.level is not Level.OK for finding in found):
            raise CommandError(f"{failed} of {len(found)} test mails did not leave.")
