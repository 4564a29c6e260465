"""`manage.py work`: the whole pipeline in one plain process, without Redis. Ctrl-C or SIGTERM ends it cleanly."""

from __future__ import annotations

import ctypes
import logging
import signal
import sys
import threading
import time
import traceback
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection
from django.utils import timezone

from newsletter import search, tasks
from newsletter.catalogue import check_links, choose_key_sentences, pictures
from newsletter.catalogue.topics import embeddings
from newsletter.celery import TimeIsUp
from newsletter.delivery import webhooks, websub
from newsletter.editions import curator_mails, share_card_cache
from newsletter.models import disk_full_error, timings
from newsletter.monitoring import find_missing_digests
from subscriptions import transactional_mails

log = logging.getLogger(__name__)
SLICE = timedelta(seconds=20)  # neither confirmations nor digests wait longer than this behind the other
GREETING = timedelta(minutes=2)  # but for a relay that does not greet: two minutes, or the ticks would be late


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
    """Send notices and deliveries every second and do the other steps once a tick, until told to stop.

    A step that fails is logged and holds up none of the others; with ``once`` its error is raised after them all.
    """
    tick = timedelta(seconds=settings.TICK_SECONDS)
    next_tick = timezone.now()
    gatherer = Gatherer()
    while not stop.is_set():
        now = timezone.now()
        is_tick = now >= next_tick
        steps: list[Callable[[], object]] = [
            partial(transactional_mails.send_due_notices, now=now, deadline=now + SLICE)
        ]
        if is_tick:
            next_tick = now + tick
            steps += [partial(step, now=now) for step in (tasks.score_if_due, tasks.keep_house, tasks.plan_due)]
            steps.append(partial(curator_mails.send_due, now=now, deadline=now + SLICE))
            steps.append(partial(find_missing_digests.reconcile_due, now=now, deadline=now + SLICE))
            steps.append(partial(choose_key_sentences.keep_up, deadline=now + SLICE / 2))
            steps += [partial(search.keep_up, now=now, deadline=now + SLICE / 2)]
            steps += [partial(search.keep_queries, now=now, deadline=now + SLICE)]
        failures = [error for step in steps if (error := _failure_of(step))]
        elsewhere = (settings.SOURCES, settings.CHECK_LINKS, settings.WEBSUB_HUB_URL, settings.BOUNCE_MAILBOX_URL)
        asks = any(elsewhere) or embeddings.is_on()
        if is_tick and not gatherer.is_alive() and (asks or webhooks.is_due(now=now)):
            gatherer = Gatherer()
            gatherer.start()
        gatherer.end_step_that_is_stuck(after=settings.CELERY_TASK_SOFT_TIME_LIMIT)
        until = timezone.now() + SLICE
        if error := _failure_of(partial(tasks.deliver_due, deadline=until, should_stop=stop.is_set, greeting=GREETING)):
            failures.append(error)
        timings.store_now_and_then()
        if once:
            if gatherer.ident:
                gatherer.join()
            if failures:
                raise failures[0]
            return
        stop.wait(1)


def _failure_of(step: Callable[[], object]) -> BaseException | None:
    try:
        step()
    except (Exception, TimeIsUp) as error:
        disk_full_error.note(error)
        log.exception("Step %s failed; the others go on, and the next round tries again", _name_of(step))
        if not connection.in_atomic_block:
            connection.close()
        return error
    return None


def _name_of(step: Callable[[], object]) -> str:
    return str(getattr(step.func if isinstance(step, partial) else step, "__name__", step))


class Gatherer(threading.Thread):
    """Polls sources and the mailbox in a thread of its own, so that a slow one never holds up a confirmation."""

    def __init__(self) -> None:
        super().__init__(name="gatherer", daemon=True)
        self._current = ("", 0.0)

    def run(self) -> None:
        try:
            self._do(tasks.listen)
            self._do(partial(webhooks.deliver_due, deadline=timezone.now() + SLICE))
            self._do(partial(websub.ping_due, now=timezone.now()))
            self._do(partial(tasks.gather_due, deadline=timezone.now() + SLICE))
            now = timezone.now()
            self._do(partial(check_links.check_due, now=now, deadline=now + SLICE))
            now = timezone.now()
            self._do(partial(embeddings.embed_due, now=now, deadline=now + SLICE))
            now = timezone.now()
            self._do(partial(share_card_cache.draw_ahead, now=now, deadline=now + SLICE))
            self._do(partial(pictures.fetch_due, now=now, deadline=now + SLICE))
            self._do(partial(tasks.beat, "papers", now=timezone.now()))
        finally:
            connection.close()

    def _do(self, step: Callable[[], object]) -> None:
        self._current = (_name_of(step), time.monotonic())
        _failure_of(step)

    def end_step_that_is_stuck(self, *, after: float) -> None:
        """End a step that has run for so many seconds, and log which one and where; the next steps go on."""
        name, since = self._current
        if not self.is_alive() or self.ident is None or not name or time.monotonic() - since < after:
            return
        frame = sys._current_frames().get(self.ident)
        where = "".join(traceback.format_stack(frame)) if frame else ""
        log.error("Step %s is stuck and is ended after %d seconds. It was here:\n%s", name, after, where)
        self._current = (name, time.monotonic())
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident), ctypes.py_object(TimeIsUp))
