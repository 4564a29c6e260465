"""Where a step's writes are done: in a thread of its own beside the work, or inline.

In: steps (functions without arguments). Out: their results as futures, in order. While the database is away a step is
tried again, since the results it records exist nowhere else; every step is a conditional UPDATE and may repeat.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from django.db import InterfaceError, OperationalError, connection

from newsletter.models import disk_full_error

log = logging.getLogger(__name__)
PATIENCE_SECONDS = 120.0
Result = TypeVar("Result")


class BackgroundWriter(Protocol):
    def submit(self, step: Callable[[], Result]) -> Future[Result]:
        """Run the step after those submitted before."""

    def call(self, step: Callable[[], Result]) -> Result:
        """Run the step and wait for it."""

    def close(self) -> None:
        """Finish what was submitted and close the connection."""


class InlineWriter:
    """For SQLite, whose writers take turns anyway, and inside a transaction of the caller."""

    def submit(self, step: Callable[[], Result]) -> Future[Result]:
        future: Future[Result] = Future()
        future.set_result(retry_while_away(step))
        return future

    def call(self, step: Callable[[], Result]) -> Result:
        return retry_while_away(step)

    def close(self) -> None:
        """Do nothing: the connection is the caller's."""


class ThreadedWriter:
    """For PostgreSQL: sending or choosing goes on while a commit is under way."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")

    def submit(self, step: Callable[[], Result]) -> Future[Result]:
        return self._thread.submit(retry_while_away, step)

    def call(self, step: Callable[[], Result]) -> Result:
        return self.submit(step).result()

    def close(self) -> None:
        self._thread.submit(lambda: connection.close())  # looked up there: each thread has a connection of its own
        self._thread.shutdown(wait=True)


def open_writer() -> BackgroundWriter:
    """Beside the work where the database can do both at once; inline on SQLite and inside a caller's transaction."""
    beside = connection.vendor == "postgresql" and not connection.in_atomic_block
    return ThreadedWriter() if beside else InlineWriter()


def first_line(error: Exception) -> str:
    """What the database said, such as "disk is full", without the lines that show a row's values."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def retry_while_away(step: Callable[[], Result]) -> Result:
    """The step's result; while the database is away, wait and try again for two minutes."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    wait = 0.05
    while True:
        try:
            return step()
        except (OperationalError, InterfaceError) as error:
            disk_full_error.note(error)
            if connection.in_atomic_block or time.monotonic() >= give_up_at:
                raise
            log.warning("The database cannot do it now (%s); trying again in %.2f s", first_line(error), wait)
            time.sleep(wait)
            wait = min(wait * 2, 2.0)
            connection.close()
