"""`manage.py check_mail`: will receivers trust our mail? By the DNS or by a delivered message; exit 1 if not."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable
from email.utils import parseaddr
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

import dns.resolver
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from dns.exception import DNSException

from newsletter.delivery.choose_transport import signer
from newsletter.monitoring import mail_checks

QUESTION_SECONDS = 5.0


class Dns:
    """DNS client that asks each question once."""

    def __init__(self, *, server: str = "") -> None:
        self._resolver = dns.resolver.Resolver(configure=not server)
        if server:
            address, _, port = server.partition("#")
            self._resolver.nameservers = [address]
            self._resolver.port = int(port or 53)
        self._known: dict[tuple[str, str], list[str]] = {}

    def __call__(self, name: str, kind: str) -> list[str]:
        if (name, kind) not in self._known:
            self._known[name, kind] = self._ask(name, kind)
        return self._known[name, kind]

    def _ask(self, name: str, kind: str) -> list[str]:
        try:
            answer = self._resolver.resolve(name, kind, lifetime=QUESTION_SECONDS, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except DNSException as error:
            raise mail_checks.NoAnswer(f"{kind} of {name}") from error
        if kind == "TXT":  # a long text comes in pieces
            return [b"".join(record.strings).decode("ascii", "replace") for record in answer]
        return [record.to_text() for record in answer]


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
                findings = mail_checks.check_sender(_sender(selector, ips=map(str, ip)), lookup=Dns(server=dns))
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


def _sender(selectors: list[str], *, ips: Iterable[str]) -> mail_checks.Sender:
    own = signer()
    return mail_checks.Sender(
        from_domain=_domain(settings.DIGEST_FROM_EMAIL),
        bounce_domain=settings.BOUNCE_DOMAIN.lower(),
        notice_domain=_domain(settings.DEFAULT_FROM_EMAIL),
        reply_domain=_domain(settings.REPLY_TO_EMAIL),
        dkim_domain=settings.DKIM_DOMAIN.lower(),
        selectors=tuple(selectors) or (settings.DKIM_SELECTOR,),
        own_selector=settings.DKIM_SELECTOR if own else "",
        own_key=own.public_key if own else b"",
        site_url=settings.SITE_URL,
        postal_address=settings.POSTAL_ADDRESS,
        ips=tuple(ips),
    )


def _domain(mailbox: str) -> str:
    return parseaddr(mailbox)[1].rpartition("@")[2].lower()
