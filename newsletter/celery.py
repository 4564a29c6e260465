"""The Celery application. Tasks only wake the steps; the rows in the database say what is due.

A soft time limit ends the task, not the line that happens to run: steps that go on after any Exception would swallow
Celery's own, which is one. Within a task the limit is a TimeIsUp, which no `except Exception` catches.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery, Task
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import before_task_publish

from subscriptions.log_context import about

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsletter.settings")


class TimeIsUp(BaseException):
    """Raised in a step that has used up its time limit."""


class LimitedTask(Task):  # type: ignore[type-arg]
    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with about(task=self.name, task_id=self.request.id), _limit_passes_every_handler():
            return super().__call__(*args, **kwargs)


@contextmanager
def _limit_passes_every_handler() -> Iterator[None]:
    """Let the soft time limit, a SIGUSR1 to the main thread, pass every `except Exception` of a step."""

    def time_is_up(_number: int, _frame: object) -> None:
        raise TimeIsUp

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGUSR1, time_is_up)
    try:
        yield
    except TimeIsUp as error:
        raise SoftTimeLimitExceeded from error  # Celery logs the task's name, and the chain says where it was
    finally:
        signal.signal(signal.SIGUSR1, before)


@before_task_publish.connect
def note_moment(*, headers: dict[str, Any] | None = None, **_details: object) -> None:
    """Write on each task when it was asked for: the worker counts how long it waited."""
    if headers is not None:
        headers["asked_at"] = time.time()


app = Celery("paperboy", task_cls=LimitedTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["newsletter", "subscriptions"])
