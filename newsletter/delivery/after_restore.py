"""Recovery after a database restore: what may have been sent since the dump counts as sent; nobody gets it twice.

In: the moment of the dump, and the mark outside the database, which knows what was frozen since. Out: deliveries and
notices that were owed are in doubt (a relay's log settles them), periods that went out are closed, readers wait for
their next hour. May be run again: what is settled stays so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Q

from newsletter.delivery import restore_detection
from newsletter.editions import lifecycle
from newsletter.models import Claim, CuratorMail, Delivery, DeliveryEvent, Edition, Heartbeat
from newsletter.planning import readers_due as readers_due
from subscriptions.models import Notice, Subscriber

CHUNK = 2000
AHEAD = 1_000_000  # numbers that were given out since the dump stand in mails: nobody else may get them
NUMBERED = ("subscriptions.Subscriber", "subscriptions.ConsentEvent", "subscriptions.Notice", "newsletter.Delivery")
OPEN = (Delivery.State.QUEUED, Delivery.State.RETRY, Delivery.State.CLAIMED, Delivery.State.SENDING)
State = Edition.State


@dataclass
class Settled:
    """What was done."""

    readers: int = 0
    editions: int = 0
    deliveries: int = 0
    notices: int = 0


def after_restore(*, since: datetime, now: datetime) -> Settled:
    """Settle what may have been sent between the dump (``since``) and ``now``, then let mail leave again."""
    done = Settled()
    known = restore_detection.outside()
    with transaction.atomic():
        _skip_numbers()
    done.notices = Notice.objects.filter(state__in=[Notice.State.QUEUED, Notice.State.SENDING]).update(
        state=Notice.State.UNKNOWN,
        settled_at=now,
        lease_until=None,
        error="The database was restored; it may be sent.",
    )
    owed = CuratorMail.objects.filter(state__in=[CuratorMail.State.QUEUED, CuratorMail.State.SENDING])
    owed.update(state=CuratorMail.State.UNKNOWN, settled_at=now, lease_until=None)
    while chunk := _doubt_chunk(now=now):
        done.deliveries += chunk
    Claim.objects.all().delete()
    for cadence in Subscriber.Cadence.values:
        periods = list(_sent_periods(cadence, known=known, since=since, now=now))
        for period_on in periods:
            hurried = known is None or known.hurried.get(cadence, "") >= period_on.isoformat()
            done.editions += _close(cadence, period_on, hurried=hurried, now=now)
        if periods:
            done.readers += _move_on(cadence, now=now)
    Heartbeat.objects.update_or_create(
        name="restored", defaults={"at": now, "detail": f"from a dump of {since.isoformat(timespec='minutes')}"}
    )
    restore_detection.catch_up(now=now)
    return done


def _doubt_chunk(*, now: datetime) -> int:
    """Mark owed rows of the dump as unknown: only a relay's log, a report or a person can say if they were sent."""
    with transaction.atomic():
        pks = list(Delivery.objects.filter(state__in=OPEN).select_for_update().values_list("pk", flat=True)[:CHUNK])
        Delivery.objects.filter(pk__in=pks).update(state=Delivery.State.UNKNOWN, not_before=None)
        text = "Owed in a dump that was restored; it may have been sent since."
        kind = DeliveryEvent.Kind.UNKNOWN
        DeliveryEvent.objects.bulk_create(
            DeliveryEvent(delivery_id=pk, kind=kind, at=now, source="restore", text=text, handled_at=now) for pk in pks
        )
    return len(pks)


def _sent_periods(
    cadence: str, *, known: restore_detection.Mark | None, since: datetime, now: datetime
) -> Iterator[date]:
    """Periods of which mails may have left since the dump, oldest first: frozen by then, or by their cut-off."""
    last = lifecycle.latest_period(cadence, now)
    period_on = lifecycle.period_of(cadence, since.date())
    while lifecycle.cutoff_of(cadence, period_on) > since:
        period_on = lifecycle.period_before(cadence, period_on)
    while period_on <= last:
        was_frozen = (
            period_on.isoformat() <= known.frozen.get(cadence, "")
            if known
            else lifecycle.cutoff_of(cadence, period_on) <= now
        )
        if was_frozen:
            yield period_on
        period_on = lifecycle.next_period(cadence, period_on)


def _close(cadence: str, period_on: date, *, hurried: bool, now: datetime) -> int:
    """Close one period. An edition frozen in the dump stays open for later hours, unless it was sent to all at once."""
    over = {"done_at": now, "frozen_at": now, "closes_at": now, "send_now_at": None}
    cutoff_at = lifecycle.cutoff_of(cadence, period_on)
    _edition, is_new = Edition.objects.get_or_create(
        cadence=cadence,
        period_on=period_on,
        defaults={
            "state": State.SKIPPED,
            "window_start_at": lifecycle.window_start(cadence, period_on),
            "cutoff_at": cutoff_at,
            **over,
        },
    )
    of_period = Edition.objects.filter(cadence=cadence, period_on=period_on)
    closed = of_period.filter(state__in=[State.DRAFT, State.APPROVED]).update(state=State.SKIPPED, **over)
    frozen = of_period.filter(state__in=[State.FROZEN, State.SENDING])
    if hurried:
        closed += frozen.update(state=State.DONE, done_at=now, closes_at=now, send_now_at=None)
    return int(is_new) + closed


def _move_on(cadence: str, *, now: datetime) -> int:
    """Readers whose hour or welcome has passed had their mail; the next one comes at their next hour."""
    moved = 0
    passed = Subscriber.objects.filter(cadence=cadence, state=Subscriber.State.CONFIRMED, next_due_at__lte=now)
    while readers := readers_due.read(passed.order_by("next_due_at", "pk")):
        with transaction.atomic():
            readers_due.advance(readers, now=now)
        moved += len(readers)
    waiting = Q(cadence=cadence, welcome_due_at__isnull=False)
    return moved + Subscriber.objects.filter(waiting).update(welcome_due_at=None)


def _skip_numbers() -> None:
    """Skip the row numbers given out since the dump: they stand in links and bounce addresses that are out there."""
    with connection.cursor() as cursor:
        for label in NUMBERED:
            table = apps.get_model(label)._meta.db_table
            if connection.vendor == "postgresql":
                cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, 'id'), nextval(pg_get_serial_sequence(%s, 'id')) + %s)",
                    [table, table, AHEAD],
                )
            else:
                cursor.execute("UPDATE sqlite_sequence SET seq = seq + %s WHERE name = %s", [AHEAD, table])
