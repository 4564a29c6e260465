"""The suppression list: addresses that must not be mailed, and what being on it or off it does to their readers.

In: a reader or the keyed hash of an address, with a reason. Out: rows of the list, and readers in their new state.
Doing it twice changes and records it once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from subscriptions import schedule
from subscriptions.lifecycle import NOTHING_DUE, Origin, move, next_digest_from, record
from subscriptions.models import ConsentEvent, Subscriber, Suppression
from subscriptions.transactional_mails import SILENT


def suppress(subscriber: Subscriber, *, reason: str, source: str, now: datetime) -> bool:
    """Stop all mail to the reader's address: it bounced, complained, or an operator said so.

    True when the reader's state changed. The suppression itself is kept up to date every time.
    """
    with transaction.atomic():
        reader = Subscriber.objects.select_for_update().get(pk=subscriber.pk)
        if reader.state == Subscriber.State.ERASED:
            return False
        bar_address(reader.address_hash, reason=reason, source=source, now=now)
        if reader.state == Subscriber.State.SUPPRESSED:
            return False
        was, until = reader.state, reader.paused_until.isoformat() if reader.paused_until else ""
        move(reader, to=Subscriber.State.SUPPRESSED, left_at=now, paused_until=None, **NOTHING_DUE)
        complained = reason == Suppression.Reason.COMPLAINT
        kind = ConsentEvent.Kind.COMPLAINED if complained else ConsentEvent.Kind.SUPPRESSED
        record(reader, kind, now=now, method=source[:32], origin=Origin(), reason=reason, was=was, paused_until=until)
    return True


def suppress_address(address_hash: str, *, reason: str, source: str, now: datetime) -> bool:
    """Stop all mail to the address of that hash, and end the subscription of the reader who has it now, if any.

    True when a reader's state changed: somebody who moved away from the address is not touched.
    """
    with transaction.atomic():
        holder = Subscriber.objects.select_for_update().filter(address_hash=address_hash).first()
        if holder is not None:
            return suppress(holder, reason=reason, source=source, now=now)
        bar_address(address_hash, reason=reason, source=source, now=now)
    return False


def take_back_bounce(address_hash: str, *, since: datetime, now: datetime) -> bool:
    """Lift the suppression, of ``since`` or later, of an address that did not bounce after all; undo its effects.

    True when there was one. Its reader is what they were before, and due from the day on which it happened.
    """
    with transaction.atomic():
        barred = Suppression.objects.in_force().filter(address_hash=address_hash, reason=Suppression.Reason.BOUNCE)
        if not barred.filter(last_at__gte=since).update(lifted_at=now):
            return False
        reader = Subscriber.objects.select_for_update().filter(address_hash=address_hash).first()
        if reader is None or reader.state != Subscriber.State.SUPPRESSED:
            return True
        told = reader.consent_events.filter(kind=ConsentEvent.Kind.SUPPRESSED, at__gte=since).last()
        was = told.detail.get("was") if told else None
        if told is None or was is None:
            return True
        back: dict[str, Any] = {"left_at": None}
        if was == Subscriber.State.CONFIRMED:
            back |= next_digest_from(reader, schedule.local_day(told.at, reader.time_zone), now=now)
        elif was == Subscriber.State.PAUSED:
            back["paused_until"] = datetime.fromisoformat(told.detail["paused_until"])
        elif was == Subscriber.State.UNSUBSCRIBED:
            back["left_at"] = told.at
        move(reader, to=was, **back)
        record(reader, ConsentEvent.Kind.RESUMED, now=now, method="no bounce after all", origin=Origin())
    return True


def bar_address(address_hash: str, *, reason: str, source: str, now: datetime) -> None:
    """Put the hash of an address on the suppression list. A graver reason replaces a lesser one, never the reverse."""
    row, is_new = Suppression.objects.select_for_update().get_or_create(
        address_hash=address_hash,
        defaults={"reason": reason, "source": source[:64], "first_at": now, "last_at": now},
    )
    if is_new:
        return
    if row.lifted_at is not None or reason in SILENT or row.reason not in SILENT:
        row.reason, row.source = reason, source[:64]
    row.lifted_at = None
    row.last_at = max(row.last_at, now)
    row.save(update_fields=["reason", "source", "lifted_at", "last_at"])


def lift(suppression: Suppression, *, now: datetime) -> bool:
    """Take an address off the list. Its reader is not subscribed again by that: it takes a new confirmation."""
    return Suppression.objects.in_force().filter(pk=suppression.pk).update(lifted_at=now) == 1
