"""`manage.py catch_mail`: a mailbox for development, real SMTP on one port and a web page on another."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from newsletter.management.caught_mail import Address
from newsletter.management.mail_catcher import MailCatcher
from subscriptions.addresses import is_loopback


class Command(BaseCommand):
    help = "Catch every mail sent to a local SMTP port and show the mails on a local web page. For development only."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--smtp", type=address, default=("127.0.0.1", 2525), metavar="HOST:PORT")
        parser.add_argument("--http", type=address, default=("127.0.0.1", 8025), metavar="HOST:PORT")
        parser.add_argument("--folder", type=Path, default=settings.VAR_DIR / "mail", help="where the .eml files go")
        parser.add_argument("--expose", action="store_true", help="allow addresses that others can reach (containers)")

        parser.add_argument(
            "--allow-host",
            action="append",
            default=[],
            metavar="NAME",
            help="a host name beside localhost by which the page may be opened",
        )

    def handle(self, *args: object, smtp: Address, http: Address, folder: Path, expose: bool, **options: Any) -> None:
        for host, _ in (smtp, http):
            if not expose and not is_loopback(host):
                raise CommandError(
                    f"{host} can be reached by others, who would read every mail. If you mean it: --expose."
                )
        catcher = MailCatcher(folder, smtp, http, allowed_hosts=frozenset(map(str.lower, options["allow_host"])))
        stopped = threading.Event()
        for wanted in (signal.SIGINT, signal.SIGTERM):
            signal.signal(wanted, lambda *_: stopped.set())
        try:
            catcher.start()
        except OSError as error:
            raise CommandError(
                f"Cannot listen: {error.strerror or error}. Choose other ports by --smtp and --http."
            ) from error
        self.stdout.write(f"Catching mail at smtp://{':'.join(map(str, catcher.smtp_address))}")
        self.stdout.write(f"Read it at {catcher.url}")
        self.stdout.flush()
        stopped.wait()
        catcher.stop()


def address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ArgumentTypeError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:2525")
    return host.strip("[]"), int(port)
