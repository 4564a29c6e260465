"""`manage.py check_mail`: will receivers trust our mail? By the DNS or by a delivered message; exit 1 if not."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from dns.exception import DNSException

from newsletter.monitoring import mail_checks
from newsletter.monitoring.sender_dns import Dns, sender_of_settings


class Command(BaseCommand):
    help = (
        "Check what receivers look at: SPF, DKIM key, DMARC, the way back of bounces, site and postal address. With "
        "--eml, what the signature of a delivered digest covers. One line a check; exit 1 when an essential one fails."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--eml", type=Path, metavar="FILE", help="read a digest as it arrived; ask no DNS")
        parser.add_argument(
            "--selector", action="append", default=[], help="what your relay signs with, repeatable (DKIM_SELECTOR)"
        )
        parser.add_argument(
            "--ip", action="append", default=[], type=ip_address, help="an address your relay sends from, repeatable"
        )
        parser.add_argument("--dns", default="", metavar="ADDRESS[#PORT]", help="the name server to ask")

    def handle(
        self,
        *args: object,
        eml: Path | None,
        selector: list[str],
        ip: list[IPv4Address | IPv6Address],
        dns: str,
        **options: Any,
    ) -> None:
        if eml is not None:
            findings = mail_checks.check_message(_read(eml))
        else:
            try:
                sender = sender_of_settings(selector, ips=map(str, ip))
                findings = mail_checks.check_sender(sender, lookup=Dns(server=dns))
            except (ValueError, DNSException) as error:  # --dns is no address, or this machine has no DNS
                raise CommandError(f"{error}.") from error
        for finding in findings:
            self.stdout.write(str(finding))
        problems = Counter(finding.level for finding in findings)[mail_checks.Level.PROBLEM]
        if problems:
            raise CommandError(f"{problems} of {len(findings)} checks failed.")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from error
