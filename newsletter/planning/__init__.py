"""Frozen edition and the readers who are due -> Delivery rows with the papers chosen for each and when to send them.

In: subscribers whose next digest is due, the newest open edition of their cadence. Out: one Delivery per reader and
edition, and the reader's next due instant moved on, in the same transaction. May run twice and at once: a reader is
moved on by compare-and-set, and the database allows one delivery per edition and reader and one per local day.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from newsletter.models import Delivery, Edition
from newsletter.planning.choice import EditionPlan, picks_for
from newsletter.planning.due import (
    Due,
    Raced,
    Slot,
    advance,
    due_readers,
    grace,
    overdue_readers,
    read,
    slot_of,
    without_delivery,
)
from newsletter.planning.store import Row, store
from subscriptions.models import Subscriber

__all__ = ["EditionPlan", "Planned", "picks_for", "plan_due", "plan_now"]

THIN_DIGEST = 3  # fewer papers than this is what "skip", "hold" and "widen" are about


@dataclass
class Planned:
    """What one run of planning did."""

    queued: int = 0
    skipped: int = 0
    missed: int = 0

    @property
    def readers(self) -> int:
        return self.queued + self.skipped


def plan_due(
    *, now: datetime, deadline: datetime | None = None, clock: Callable[[], datetime] = timezone.now
) -> Planned:
    """Plan every reader who is due, chunk by chunk, until none is left or the deadline passes."""
    done = Planned()
    for cadence in Subscriber.Cadence.values:
        edition = (
            Edition.objects.sendable()
            .filter(cadence=cadence, frozen_at__lte=now, closes_at__gt=now)
            .order_by("-period_on")
            .first()
        )
        if edition:
            plan = EditionPlan(edition)
            while _plan_chunk(plan, now=now, done=done):
                if deadline and clock() >= deadline:
                    return done
        done.missed += _skip_missed(cadence, now=now)
    return done


def plan_now(edition: Edition, *, now: datetime) -> Planned:
    """A curator's "send now": every mailable reader of the cadence gets this edition at once, whatever their hour."""
    plan = EditionPlan(edition)
    done = Planned()
    slot = Slot(edition.period_on, now, now, now + grace(edition.cadence))
    after = 0
    while True:
        waiting = without_delivery(Subscriber.objects.mailable().filter(pk__gt=after), edition).order_by("pk")
        try:
            with transaction.atomic():
                readers = read(waiting.select_for_update(skip_locked=True, of=("self",)))
                if not readers:
                    return done
                _write(plan, readers, [slot] * len(readers), done=done)
        except Raced:
            continue  # the planner has some of them; ask again who is left
        after = readers[-1].pk


def _plan_chunk(plan: EditionPlan, *, now: datetime, done: Planned) -> bool:
    """Plan one chunk of due readers. False when none was left."""
    readers = due_readers(plan.edition, now=now)
    if not readers:
        return False
    try:
        with transaction.atomic():
            advance(readers, now=now)
            patience = grace(plan.edition.cadence)
            _write(plan, readers, [slot_of(reader, patience=patience, now=now) for reader in readers], done=done)
    except Raced:
        pass  # the other planner has them; ask again who is left
    return True


def _skip_missed(cadence: str, *, now: datetime) -> int:
    """Move on the readers whose hour passed longer ago than the grace: however many were missed, the next is one."""
    missed = 0
    while readers := overdue_readers(cadence, now=now):
        try:
            with transaction.atomic():
                advance(readers, now=now)
            missed += len(readers)
        except Raced:
            continue
    return missed


def _write(plan: EditionPlan, readers: Sequence[Due], slots: Sequence[Slot], *, done: Planned) -> None:
    rows = []
    for reader, slot, picks in zip(readers, slots, plan.choose(readers), strict=True):
        reason = _skip_reason(reader, picks.count("[") - 1)
        rows.append(
            Row(
                plan.edition.pk,
                reader.pk,
                Delivery.State.SKIPPED.value if reason else Delivery.State.QUEUED.value,
                reason,
                slot.local_on,
                slot.due_at,
                None if reason else slot.not_before,
                slot.expires_at,
                reader.domain,
                picks,
            )
        )
    store(rows)
    skipped = sum(1 for row in rows if row.skip_reason)
    done.skipped += skipped
    done.queued += len(rows) - skipped
    Edition.objects.filter(pk=plan.edition.pk, state=Edition.State.FROZEN).update(state=Edition.State.SENDING)


def _skip_reason(reader: Due, papers: int) -> str:
    if papers < max(1, settings.DIGEST_MIN_PAPERS):
        return Delivery.Skip.EMPTY.value
    thin = papers < min(THIN_DIGEST, reader.max_papers)
    if thin and reader.thin_policy in {Subscriber.ThinPolicy.SKIP, Subscriber.ThinPolicy.HOLD}:
        return Delivery.Skip.THIN.value
    return ""
