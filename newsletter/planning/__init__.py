"""Frozen edition and the readers who are due -> Delivery rows with the papers chosen for each and when to send them.

In: subscribers whose next digest is due, the newest open edition of their cadence. Out: one Delivery per reader and
edition, and the reader's next due instant moved on, in the same transaction. May run twice and at once: a reader is
moved on by compare-and-set, and the database allows one delivery per edition and reader and one per local day.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from newsletter.models import Edition, Miss
from newsletter.models.timings import PLANNED_AHEAD
from newsletter.models.writer_thread import open_writer
from newsletter.planning.bulk_insert import Row
from newsletter.planning.delivery_rows import Planned, note_misses, rows_of, write_rows
from newsletter.planning.reader_picks import EditionPlan, picks_for
from newsletter.planning.readers_due import (
    Due,
    Raced,
    Slot,
    Stopped,
    advance,
    due_readers,
    grace,
    hold,
    overdue_readers,
    read,
    slot_of,
    without_delivery,
)
from newsletter.planning.welcome import plan_welcomes
from subscriptions.models import Subscriber

__all__ = ["EditionPlan", "Planned", "picks_for", "plan_due", "plan_now", "wish_now"]

log = logging.getLogger(__name__)


def plan_due(
    *, now: datetime, deadline: datetime | None = None, clock: Callable[[], datetime] = timezone.now
) -> Planned:
    """Plan every reader who is due, chunk by chunk, until none is left or the deadline passes; new readers first.

    What one cadence raises is raised after the others are planned.
    """
    done = Planned()
    errors: list[Exception] = []

    def is_late() -> bool:
        return deadline is not None and clock() >= deadline

    def welcome() -> None:
        done.add(plan_welcomes(now=now, is_late=is_late))

    def send_now() -> None:
        _plan_wishes(now=now, done=done, is_late=is_late)

    cadences = [partial(_plan_cadence, each, now=now, done=done, is_late=is_late) for each in Subscriber.Cadence.values]
    steps: list[Callable[[], None]] = [welcome, send_now, *cadences]
    for step in steps:
        try:
            step()
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return done


def _plan_cadence(cadence: str, *, now: datetime, done: Planned, is_late: Callable[[], object]) -> None:
    edition = Edition.objects.open_at(now).newest(cadence)
    if edition:
        try:
            _plan_edition(edition, now=now, done=done, is_late=is_late)
        except Stopped:
            log.info("Edition %s was stopped while its readers were planned", edition.pk)
    done.missed += _skip_missed(cadence, edition, now=now, is_late=is_late)


def wish_now(edition: Edition, *, now: datetime) -> int | None:
    """Request "send now" of the next run of `plan_due`. Returns how many readers wait for it; None: it is too late.

    The request stays on the row until everybody is planned, through a pause too, or until the edition closes.
    """
    if not Edition.objects.sendable().filter(pk=edition.pk, closes_at__gt=now).update(send_now_at=now):
        return None
    return without_delivery(Subscriber.objects.mailable(), edition).count()


def _plan_wishes(*, now: datetime, done: Planned, is_late: Callable[[], object]) -> None:
    wished = Edition.objects.filter(send_now_at__isnull=False)
    if not wished.exists():
        return
    wished.filter(closes_at__lte=now).update(send_now_at=None)
    for edition in wished.sendable().order_by("send_now_at", "pk"):
        done.add(plan_now(edition, now=now, is_late=is_late))
        if not is_late():
            wished.sendable().filter(pk=edition.pk, send_now_at=edition.send_now_at).update(send_now_at=None)


def plan_now(edition: Edition, *, now: datetime, is_late: Callable[[], object] = lambda: False) -> Planned:
    """Plan this edition for every mailable reader of the cadence at once, whatever their hour, while it is news."""
    plan = EditionPlan(edition)
    done = Planned()
    slot = Slot(edition.period_on, now, now, now + grace(edition.cadence))
    after = 0
    while not is_late():
        waiting = without_delivery(Subscriber.objects.mailable().filter(pk__gt=after), edition).order_by("pk")
        try:
            with transaction.atomic():
                hold(edition)
                readers = read(waiting.select_for_update(of=("self",)))
                if not readers:
                    break
                stored = write_rows(plan, rows_of(plan, readers, [slot] * len(readers)), now=now)
        except Raced:
            continue  # the planner has some of them; ask again who is left
        except Stopped:
            break
        done.add(stored)
        after = readers[-1].pk
    return done


def _plan_edition(edition: Edition, *, now: datetime, done: Planned, is_late: Callable[[], object]) -> None:
    """Plan all readers who are due for an edition; the next chunk is chosen while the last one is written."""
    patience, jitter = grace(edition.cadence), settings.SEND_JITTER_SECONDS
    plan: EditionPlan | None = None  # loaded for the first reader: at most ticks nobody is due
    writer = open_writer()
    writing: Future[Planned] | None = None
    try:
        last: Due | None = None
        while not is_late() and (readers := due_readers(edition, after=last, now=now)):
            last = readers[-1]
            slots = [slot_of(reader, patience=patience, jitter=jitter, now=now) for reader in readers]
            for due_at, count in Counter(slot.due_at for slot in slots).items():
                PLANNED_AHEAD.add((due_at - now).total_seconds(), count=count)
            plan = plan or EditionPlan(edition)
            rows = rows_of(plan, readers, slots)
            if writing:
                done.add(writing.result())
            writing = writer.submit(partial(_write_chunk, plan, readers, rows, now=now))
        if writing:
            done.add(writing.result())
    finally:
        writer.close()


def _write_chunk(plan: EditionPlan, readers: Sequence[Due], rows: Sequence[Row], *, now: datetime) -> Planned:
    """Write the rows and advance the readers in one transaction; after a race the next tick tries again."""
    try:
        with transaction.atomic():
            hold(plan.edition)
            advance(readers, now=now)
            return write_rows(plan, rows, now=now)
    except Raced:
        log.info("Another planner got some of %d readers of edition %s first", len(readers), plan.edition.pk)
        return Planned()


def _skip_missed(cadence: str, edition: Edition | None, *, now: datetime, is_late: Callable[[], object]) -> int:
    """Move on the readers for whose hour nothing comes any more: however many were missed, the next is one.

    The next may be today's: after an outage, an hour within the grace is still served.
    """
    missed = 0
    while not is_late() and (readers := overdue_readers(cadence, edition, now=now)):
        try:
            with transaction.atomic():
                advance(readers, now=now - grace(cadence))
                # Whose hour lies within the grace is here only because of having it.
                late = {
                    reader.pk: reader.next_due_at for reader in readers if reader.next_due_at < now - grace(cadence)
                }
                had_it = {reader.pk: reader.next_due_at for reader in readers if reader.pk not in late}
                note_misses(late, why=Miss.Why.NOTHING, now=now)
                note_misses(had_it, why=Miss.Why.HAD_IT, now=now)
            missed += len(readers)
        except Raced:
            continue
    return missed
