"""Histograms of durations: counted in the memory of each process, added up in rows.

In: seconds, as they are measured. Out: rows that only grow, for all processes and machines together; `/metrics` reads
them (docs/decisions/0040-metrics-in-rows.md). A process adds what it counted every few seconds; one that is killed
loses these few seconds of counts, and nothing else.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Final

from django.db import DatabaseError, connection, models, transaction

log = logging.getLogger(__name__)
STORE_SECONDS: Final = 15.0
SUM: Final = "sum"
ENDLESS: Final = "+Inf"
_stored_at = float("-inf")


class TimingBucket(models.Model):
    """One number of a histogram: how many took at most so many seconds and more than the bucket below; or their sum."""

    name = models.CharField(max_length=40)
    labels = models.CharField(max_length=120, blank=True)  # values in the order of the histogram's labels, with |
    bucket = models.CharField(max_length=8)  # seconds, +Inf or sum
    value = models.FloatField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "labels", "bucket"], name="one_number_per_bucket")]

    def __str__(self) -> str:
        return f"{self.name}{{{self.labels}}} {self.bucket} {self.value:g}"


class Timing:
    """One histogram. Adding costs well under a microsecond and touches no database."""

    def __init__(self, name: str, *, says: str, bounds: Iterable[float], labels: tuple[str, ...] = ()) -> None:
        self.name = name
        self.says = says
        self.labels = labels
        self.bounds = tuple(bounds)
        self._lock = threading.Lock()
        self._counts: dict[str, list[float]] = {}

    def add(self, seconds: float, *labels: str, count: int = 1) -> None:
        """Count ``count`` events that took so long."""
        self.add_all((seconds,), *labels, count=count)

    def add_all(self, seconds: Iterable[float], *labels: str, count: int = 1) -> None:
        with self._lock:
            label = "|".join(labels)
            of_label = self._counts.get(label) or self._counts.setdefault(label, [0.0] * (len(self.bounds) + 2))
            for one in seconds:
                of_label[bisect_left(self.bounds, one)] += count
                of_label[-1] += one * count

    def take(self) -> dict[tuple[str, str], float]:
        """Return what was counted since the last time, by labels and bucket, and begin anew."""
        with self._lock:
            counts, self._counts = self._counts, {}
        names = [*map(_name_of, self.bounds), ENDLESS, SUM]
        found = {
            (label, name): value for label, all_ in counts.items() for name, value in zip(names, all_, strict=True)
        }
        return {key: value for key, value in found.items() if value}

    def put_back(self, taken: Mapping[tuple[str, str], float]) -> None:
        names = [*map(_name_of, self.bounds), ENDLESS, SUM]
        with self._lock:
            for (label, name), value in taken.items():
                self._counts.setdefault(label, [0.0] * len(names))[names.index(name)] += value


_FAST = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_MAIL = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180)
_WAIT = (0.1, 0.5, 1, 5, 15, 60, 300, 900)
PAGE = Timing("page_seconds", says="Time to answer a page.", bounds=_FAST, labels=("view", "status"))
CLAIM_TO_SENT = Timing("claim_to_sent_seconds", says="From claiming a digest to the relay's last answer.", bounds=_MAIL)
SMTP_PHASE = Timing(
    "smtp_phase_seconds",
    says="Relay: connect (TCP to AUTH), envelope (queued to 354), body (released to the last answer).",
    bounds=_MAIL,
    labels=("phase",),
)
PLANNED_AHEAD = Timing(
    "planned_ahead_seconds",
    says="How long before its hour a digest was planned; in the first bucket, at the hour or after it.",
    bounds=(0, 60, 120, 300, 600, 1800, 3600),
)
TICK_LATE = Timing("tick_late_seconds", says="How much later than TICK_SECONDS a tick came.", bounds=(0, *_WAIT))
QUEUE_WAIT = Timing("queue_wait_seconds", says="How long a task waited in its queue.", bounds=_WAIT, labels=("queue",))
TIMINGS = (PAGE, CLAIM_TO_SENT, SMTP_PHASE, PLANNED_AHEAD, TICK_LATE, QUEUE_WAIT)


def store() -> bool:
    """Add what this process counted to the rows. False when the database is away: it is added the next time."""
    taken = [(timing, timing.take()) for timing in TIMINGS]
    rows = sorted((timing.name, *key, value) for timing, found in taken for key, value in found.items())
    if not rows:
        return True
    table = TimingBucket._meta.db_table
    # In one order everywhere, so that two processes never wait for each other.
    statement = (
        f"INSERT INTO {table} (name, labels, bucket, value) VALUES {', '.join(['(%s, %s, %s, %s)'] * len(rows))} "  # noqa: S608
        f"ON CONFLICT (name, labels, bucket) DO UPDATE SET value = {table}.value + EXCLUDED.value"
    )
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [part for row in rows for part in row])
    except DatabaseError as error:
        log.debug("Timings are kept for later: %s", error)
        for timing, found in taken:
            timing.put_back(found)
        return False
    return True


def counted() -> dict[str, dict[str, dict[str, float]]]:
    """Return what all processes counted so far: by name, labels and bucket."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for name, labels, bucket, value in TimingBucket.objects.values_list("name", "labels", "bucket", "value"):
        found.setdefault(name, {}).setdefault(labels, {})[bucket] = value
    return found


def store_now_and_then() -> None:
    """Store, if the last time in this process was some seconds ago."""
    global _stored_at
    if time.monotonic() - _stored_at >= STORE_SECONDS:
        _stored_at = time.monotonic()
        store()


def keep_storing() -> None:
    """Store every few seconds in a thread of this process, and of each that is forked from it."""
    _start()
    os.register_at_fork(after_in_child=_start)


def _start() -> None:
    threading.Thread(target=_store_for_ever, name="timings", daemon=True).start()


def _store_for_ever() -> None:
    pause = threading.Event()
    while not pause.wait(STORE_SECONDS):
        store()
        connection.close()


def _name_of(bound: float) -> str:
    return f"{bound:g}"
