"""Task that sends notices. The rows say what is owed; a task that is lost, late or doubled changes nothing.

In: a call after a commit, or the tick. Out: notices sent. Waking the sender never waits for the broker.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from datetime import timedelta
from typing import Any

from celery import current_app, shared_task
from django.conf import settings
from django.utils import timezone

from subscriptions.transactional_mails import send_due_notices

__all__ = ["send_due_notices", "send_notices", "wake_sender"]

log = logging.getLogger(__name__)

RUN_FOR = timedelta(seconds=50)
CHUNK = 100
BROKER_SECONDS = 2.0


@shared_task(name="subscriptions.tasks.send_notices")
def send_notices() -> int:
    """Send what is owed, in chunks, for less than a minute."""
    deadline = timezone.now() + RUN_FOR
    total = 0
    while (now := timezone.now()) < deadline:
        settled = send_due_notices(now=now, limit=CHUNK, deadline=deadline)
        total += settled
        if settled == 0:
            break
    return total


class BackgroundPublisher:
    """Publish the task from a background thread: a broker that is away or hangs does not delay the web request.

    Calls that come while one is being published, or shortly after, count as one: the workers send until nothing is
    owed, and a broker that is away must not cost the site a connection attempt per reader.
    """

    rest_seconds = 0.25
    rest_seconds_after_failure = 5.0

    def __init__(self) -> None:
        self._wanted = threading.Event()
        self._lock = threading.Lock()
        self._owner = 0

    def publish_soon(self) -> None:
        self._wanted.set()
        if self._owner != os.getpid():  # the first call, or the first after a fork: threads stay with the parent
            with self._lock:
                if self._owner != os.getpid():
                    self._owner = os.getpid()
                    threading.Thread(target=self._answer, name="publish-notices", daemon=True).start()

    def _answer(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            rest = self.rest_seconds
            try:
                self._publish()
            except Exception as error:  # the next tick sends what is owed
                log.warning("Notices wait for the next tick, the broker cannot be reached: %s", type(error).__name__)
                rest = self.rest_seconds_after_failure
            time.sleep(rest)

    def _publish(self) -> None:
        short = {"socket_timeout": BROKER_SECONDS, "socket_connect_timeout": BROKER_SECONDS, "max_retries": 0}
        with current_app.connection_for_write(connect_timeout=BROKER_SECONDS, transport_options=short) as connection:
            options: dict[str, Any] = {"connection": connection, "retry": False, "ignore_result": True}
            send_notices.apply_async(expires=settings.TASK_EXPIRES_SECONDS, **options)


_publisher = BackgroundPublisher()


def wake_sender() -> None:
    """Tell the workers that a notice is owed. Returns at once, never raises; without a broker it does nothing."""
    if settings.REDIS_URL:
        _publisher.publish_soon()
