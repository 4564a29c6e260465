"""Difference between this machine's clock and the database's.

In: the moment here and there. Out: a Heartbeat per machine that says how far it is ahead, for an alarm. On SQLite there
is one machine and one clock, and nothing is written.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from datetime import datetime, timedelta

from django.db import DatabaseError, connection
from django.utils import timezone
from django.utils.translation import gettext

from newsletter.models import Heartbeat

log = logging.getLogger(__name__)
APART = timedelta(seconds=20)  # of difference; more is an alarm
PREFIX = "clock of "
EVERY_SECONDS = 60
_lock = threading.Lock()
_measured_at = float("-inf")


def measure() -> timedelta:
    """Note how far this machine's clock is ahead of the database's (negative: behind), and return it."""
    if connection.vendor != "postgresql":
        return timedelta(0)
    before = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        there: datetime = cursor.fetchone()[0]
    ahead = before + (timezone.now() - before) / 2 - there
    Heartbeat.objects.update_or_create(
        name=f"{PREFIX}{socket.gethostname()}"[:64], defaults={"at": there, "detail": f"{ahead.total_seconds():.1f}"}
    )
    if abs(ahead) > APART:
        log.warning(
            "This machine's clock is %s the database's. Start time synchronisation (NTP) here.", in_words(ahead)
        )
    return ahead


def measure_now_and_then(**_details: object) -> None:
    """Measure, at most once a minute. Ignores a database that is away: another alarm says that."""
    global _measured_at
    with _lock:
        if time.monotonic() - _measured_at < EVERY_SECONDS:
            return
        _measured_at = time.monotonic()
    try:
        measure()
    except DatabaseError as error:
        log.info("The clock could not be compared with the database's: %s", type(error).__name__)


def in_words(ahead: timedelta) -> str:
    seconds = ahead.total_seconds()
    said = gettext("%d s ahead of") if seconds > 0 else gettext("%d s behind")
    return said % round(abs(seconds))
