"""Recovery after a database restore: what may have been sent since the dump counts as sent; nobody gets it twice.

In: the moment of the dump, and the mark outside the database, which knows what was frozen since and when the program
was alive last. Out: deliveries and notices that were owed are in doubt (a relay's log settles them); readers whose hour
had come by then wait for their next one, on record as had; who is due later gets the open edition, drafted anew when
the dump has none. May be run again: what is settled stays so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Q

from newsletter.delivery import restore_detection
from newsletter.editions import lifecycle
from newsletter.models import Claim, CuratorMail, Delivery, DeliveryEvent, Edition, Heartbeat, HighWater
from newsletter.planning import readers_due
from newsletter.planning.bulk_insert import Row, store
from subscriptions.models import Notice, Subscriber

CHUNK = 2000
AHEAD = 1_000_000  # numbers that were given out since the dump stand in mails: nobody else may get them
NUMBERED = ("subscriptions.Subscriber", "subscriptions.ConsentEvent", "subscriptions.Notice", "newsletter.Delivery")
OPEN = (Delivery.State.QUEUED, Delivery.State.RETRY, Delivery.State.CLAIMED, Delivery.State.SENDING)
State = Edition.State
LONGEST_RUN = timedelta(minutes=10)  # what was begun when the mark outside was written had ended by then


@dataclass
class Settled:
    """How many rows of each kind a recovery settled."""

    readers: int = 0
    editions: int = 0
    deliveries: int = 0
    notices: int = 0


def after_restore(*, since: datetime, now: datetime, was_sent_now: bool = False) -> Settled:
    """Settle what may have been sent between the dump (``since``) and ``now``, then let mail leave again.

    ``was_sent_now``: somebody chose "send now" since, so that everybody has what was open, whatever their hour; the
    mark outside knows it, where there is one.
    """
    done = Settled()
    known = restore_detection.outside()
    until = _alive_until(known, now=now)
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
    while chunk := _doubt_chunk(until=until, now=now):
        done.deliveries += chunk
    Claim.objects.all().delete()
    for cadence in Subscriber.Cadence.values:
        periods = list(_sent_periods(cadence, known=known, since=since, now=now))
        for period_on in periods:
            hurried = was_sent_now or (known is not None and known.hurried.get(cadence, "") >= period_on.isoformat())
            if hurried or period_on < lifecycle.period_at(cadence, now):
                done.editions += _close(cadence, period_on, hurried=hurried, now=now)
            else:
                lifecycle.draft(cadence=cadence, period_on=period_on, now=now)
        if periods:
            done.readers += _move_on(cadence, until=until)
    Heartbeat.objects.update_or_create(
        name="restored", defaults={"at": now, "detail": f"from a dump of {since.isoformat(timespec='minutes')}"}
    )
    restore_detection.catch_up(now=now)
    return done


def _alive_until(known: restore_detection.Mark | None, *, now: datetime) -> datetime:
    """Return when the last mail may have left: none has since while the mark outside is ahead of the database."""
    number = HighWater.objects.values_list("number", flat=True).first()
    if known is None or number is None or known.number <= number:
        return now
    return min(now, datetime.fromisoformat(known.at) + LONGEST_RUN)


def _doubt_chunk(*, until: datetime, now: datetime) -> int:
    """Mark owed rows of the dump as unknown: only a relay's log, a report or a person can say if they were sent."""
    owed = Delivery.objects.filter(state__in=OPEN).exclude(state=Delivery.State.QUEUED, due_at__gt=until)
    with transaction.atomic():
        pks = list(owed.select_for_update().values_list("pk", flat=True)[:CHUNK])
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
    """Yield the periods of which mails may have left since the dump, oldest first: frozen by then, or past cut-off."""
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


def _move_on(cadence: str, *, until: datetime) -> int:
    """Record that readers whose hour or welcome had come had their mail, and move them on; returns how many."""
    moved = 0
    editions = dict(Edition.objects.filter(cadence=cadence).values_list("period_on", "pk"))
    passed = Subscriber.objects.filter(cadence=cadence, state=Subscriber.State.CONFIRMED, next_due_at__lte=until)
    while readers := readers_due.read(passed.order_by("next_due_at", "pk")):
        rows = [row for reader in readers for row in _rows_had(reader, editions, until=until)]
        planned = Delivery.objects.filter(subscriber__any_of=[reader.pk for reader in readers])
        known = set(planned.values_list("subscriber_id", "edition_id"))
        with transaction.atomic():
            store([row for row in rows if (row.subscriber_id, row.edition_id) not in known])
            readers_due.advance(readers, now=until)
        moved += len(readers)
    waiting = Q(cadence=cadence, welcome_due_at__isnull=False)
    return moved + Subscriber.objects.filter(waiting).update(welcome_due_at=None)


def _rows_had(reader: readers_due.Due, editions: Mapping[date, int], *, until: datetime) -> Iterator[Row]:
    """Rows for the digests that the reader had since the dump: a new hour or zone must not bring one again."""
    state, why = Delivery.State.SKIPPED.value, Delivery.Skip.RESTORED.value
    had: set[int] = set()
    while reader.next_due_at <= until:
        due_at, day = reader.next_due_at, readers_due.day_of(reader)
        edition = editions.get(lifecycle.period_at(reader.cadence, due_at))
        if edition and edition not in had:
            had.add(edition)
            who = (reader.domain, reader.address_hash)
            yield Row(edition, reader.pk, state, why, day, due_at, None, due_at, *who, "[]")
        reader = reader._replace(next_due_at=readers_due.due_after(reader, due_at), next_on=None)


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
