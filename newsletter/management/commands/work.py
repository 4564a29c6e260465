"""`manage.py work`: the whole pipeline in one plain process, without Redis. Ctrl-C or SIGTERM ends it cleanly."""

from __future__ import annotations

import logging
import signal
import threading
from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection
from django.utils import timezone

from newsletter import planning, tasks
from subscriptions import mail

log = logging.getLogger(__name__)
SLICE = timedelta(seconds=20)  # confirmations never wait longer than this behind digests


class Command(BaseCommand):
    help = "Run every step in this process: draft, freeze, plan, deliver, confirm. No Redis needed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="One round of every step, then end.")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        work(stop, once=once)


def work(stop: threading.Event, *, once: bool = False) -> None:
    """Notices and deliveries every second, the other steps once a tick, until told to stop."""
    tick = timedelta(seconds=settings.TICK_SECONDS)
    next_tick = timezone.now()
    gatherer = threading.Thread()
    while not stop.is_set():
        try:
            now = timezone.now()
            mail.send_due_notices(now=now)
            if now >= next_tick:
                next_tick = now + tick
                tasks.score_if_due(now=now)
                tasks.keep_house(now=now)
                planning.plan_due(now=now)
                if not gatherer.is_alive() and (settings.SOURCES or settings.BOUNCE_MAILBOX_URL):
                    gatherer = threading.Thread(target=_gather, daemon=True)
                    gatherer.start()
            tasks.deliver_due(deadline=now + SLICE, should_stop=stop.is_set)
        except Exception:
            if once:
                raise
            log.exception("This round failed; the next one tries again")
            connection.close()
        if once:
            if gatherer.ident:
                gatherer.join()
            return
        stop.wait(1)


def _gather() -> None:
    """Beside the mail, in a thread of its own: a slow source or mailbox never holds up a confirmation."""
    try:
        tasks.listen()
        tasks.gather_due(deadline=timezone.now() + SLICE)
    except Exception:
        log.exception("The sources could not be asked; the next tick tries again")
    finally:
        connection.close()
