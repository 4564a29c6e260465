"""Readers who have just confirmed -> one delivery each of the newest edition there is, due at once.

In: readers with a ``welcome_due_at``, editions frozen lately. Out: a delivery marked as welcome, and nothing owed any
more. May run twice and at once: the readers' rows are locked, and the database allows one digest per reader and local
day, so that the regular one of the same day is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from newsletter.models import Compiled, Delivery, Edition, Miss
from newsletter.planning.bulk_insert import Row, store
from newsletter.planning.delivery_rows import Planned, rows_of
from newsletter.planning.reader_picks import EditionPlan
from newsletter.planning.readers_due import CHUNK, Due, Raced, Slot, day_of, grace, local_day, read
from subscriptions.models import Subscriber

log = logging.getLogger(__name__)
FRESH = timedelta(days=8)  # an edition frozen longer ago is no welcome; a weekly one serves until the next
PATIENCE = timedelta(hours=24)  # without any edition, the first digest is the regular one
PlanOf = Callable[[Edition], EditionPlan]


def plan_welcomes(*, now: datetime, is_late: Callable[[], object]) -> Planned:
    """Plan a first digest for every reader who waits for one. One query when nobody does."""
    done = Planned()
    waiting = Subscriber.objects.filter(welcome_due_at__isnull=False)
    if not waiting.exists():
        return done
    if not settings.WELCOME_DIGEST:
        waiting.update(welcome_due_at=None)  # so that nobody is welcomed late when welcomes are switched on again
        return done
    plan_of = cache(EditionPlan)
    try:
        _give_up(now=now)
        for cadence in Subscriber.Cadence.values:
            after: int | None = 0
            while after is not None and not is_late():
                planned, after = _plan_chunk(cadence, after=after, plan_of=plan_of, now=now)
                done.add(planned)
    except Raced:
        log.info("Another planner got some of the new readers first; the next tick asks who is left")
    return done


def _give_up(*, now: datetime) -> None:
    """Cancel the welcome of readers who had a regular digest, and of those who waited too long; record the latter."""
    since = Delivery.objects.filter(subscriber=OuterRef("pk"), due_at__gte=OuterRef("welcome_due_at"))
    waiting = Subscriber.objects.filter(welcome_due_at__isnull=False)
    waiting.filter(Exists(since)).update(welcome_due_at=None)
    with transaction.atomic():
        in_vain = waiting.filter(welcome_due_at__lte=now - PATIENCE).select_for_update(skip_locked=True)
        states = dict(in_vain.values_list("pk", "state")[:CHUNK])
        stayed = [pk for pk, state in states.items() if state == Subscriber.State.CONFIRMED]
        _settle(list(states), now=now, why=dict.fromkeys(stayed, Miss.Why.NOTHING))


@transaction.atomic
def _plan_chunk(cadence: str, *, after: int, plan_of: PlanOf, now: datetime) -> tuple[Planned, int | None]:
    """Plan the next readers of one cadence. Returns the counts, and the last reader (None: nobody is left)."""
    editions = sorted(_newest_editions(now), key=lambda edition: edition.cadence != cadence)
    waiting = Subscriber.objects.mailable().filter(welcome_due_at__isnull=False, cadence=cadence, pk__gt=after)
    readers = read(waiting.order_by("pk").select_for_update(skip_locked=True, of=("self",))) if editions else []
    if not readers:
        return Planned(), None
    rows = _rows(readers, editions, plan_of=plan_of, now=now)
    stored = {row.subscriber_id for row in store(rows)}
    sent_from = {row.edition_id for row in rows if row.subscriber_id in stored}
    Edition.objects.filter(pk__in=sent_from).begin()
    chosen = {row.subscriber_id for row in rows}
    settled = [reader.pk for reader in readers if reader.pk in chosen or not _is_due_today(reader, now=now)]
    missed = [pk for pk in settled if pk not in stored]
    had = {subscriber for subscriber, _ in _had(missed, editions)} if missed else set()
    other = {pk: Miss.Why.HAD_IT if pk in had else Miss.Why.NOTHING for pk in missed}
    _settle(settled, now=now, why={pk: Miss.Why.DAY_TAKEN if pk in chosen else other[pk] for pk in missed})
    return Planned(queued=len(stored)), readers[-1].pk


def _newest_editions(now: datetime) -> list[Edition]:
    """The newest fresh edition of each cadence, the one frozen last first; locked, so that none is cancelled meanwhile.

    Locked without its key: the deliveries of others, which refer to it, are written all the same.
    """
    compiled = Compiled.objects.filter(edition=OuterRef("pk"))
    fresh = Edition.objects.filter(Exists(compiled), state__in=Edition.WENT_OUT, paused_at__isnull=True)
    fresh = fresh.filter(frozen_at__gt=now - FRESH, frozen_at__lte=now).order_by("period_on", "pk")
    newest = {edition.cadence: edition for edition in fresh.select_for_update(no_key=True)}
    return sorted(newest.values(), key=lambda edition: edition.frozen_at or now, reverse=True)


def _rows(readers: Sequence[Due], editions: Sequence[Edition], *, plan_of: PlanOf, now: datetime) -> list[Row]:
    """Return a row for each reader: the first edition they have not had that has enough papers for them."""
    had = _had([reader.pk for reader in readers], editions)
    found: dict[int, Row] = {}
    for edition in editions:
        asked = [
            reader
            for reader in readers
            if reader.pk not in found
            and (reader.pk, edition.pk) not in had
            and (not _is_due_today(reader, now=now) or _is_the_one_due(edition, reader, now=now))
        ]
        if asked:
            slots = [_slot(reader, now=now) for reader in asked]
            rows = rows_of(plan_of(edition), asked, slots)
            found |= {row.subscriber_id: row._replace(is_welcome=True) for row in rows if not row.skip_reason}
    return list(found.values())


def _had(pks: Sequence[int], editions: Sequence[Edition]) -> set[tuple[int, int]]:
    """Return pairs of a reader and an edition planned for them before, also for readers who left and came back."""
    rows = Delivery.objects.filter(subscriber__any_of=pks, edition__in=editions)
    return set(rows.values_list("subscriber_id", "edition_id"))


def _is_due_today(reader: Due, *, now: datetime) -> bool:
    """Whether a weekly or monthly digest is due today: a welcome with last week's edition would replace it."""
    is_daily = reader.cadence == Subscriber.Cadence.DAILY
    return not is_daily and day_of(reader) <= local_day(now, reader.time_zone)


def _is_the_one_due(edition: Edition, reader: Due, *, now: datetime) -> bool:
    return edition.cadence == reader.cadence and edition.closes_at is not None and edition.closes_at > now


def _slot(reader: Due, *, now: datetime) -> Slot:
    return Slot(local_day(now, reader.time_zone), now, now, now + grace(reader.cadence))


def _settle(pks: Sequence[int], *, now: datetime, why: dict[int, Miss.Why]) -> None:
    """End the welcome of these readers, and record the reason for those who got none."""
    waiting = Subscriber.objects.filter(pk__any_of=pks, welcome_due_at__isnull=False)
    if pks and waiting.update(welcome_due_at=None) != len(pks):
        raise Raced
    Miss.objects.bulk_create(Miss(subscriber_id=pk, due_at=now, why=reason, at=now) for pk, reason in why.items())
