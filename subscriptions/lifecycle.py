"""Changes of a reader's state: sign up, confirm, change, pause, resume, leave. Only `suppression` changes it besides.

In: a reader or an address, `now`, how it came about (`method`) and from where (`origin`). Out: the new state, a line
in the consent record, a Notice that is owed. Each change is one conditional UPDATE in one transaction with its
consequences: doing it twice, or by two at once, changes and records it once.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

from subscriptions import follows, rate_limits, schedule, token_links
from subscriptions import refused_requests as refusals
from subscriptions.addresses import parse_address
from subscriptions.models import (
    ConsentEvent,
    Notice,
    RefusedRequest,
    Subscriber,
    Suppression,
)
from subscriptions.preferences import Preferences, preferences_from, preferences_of, store_preferences
from subscriptions.transactional_mails import SILENT, owe_notice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from subscriptions.addresses import Address

log = logging.getLogger(__name__)

ACTIVE = (Subscriber.State.CONFIRMED, Subscriber.State.PAUSED)
UNDO_WINDOW = timedelta(minutes=10)
RHYTHM = ("cadence", "weekdays", "hour", "time_zone")
NOTHING_DUE: dict[str, None] = {"next_due_at": None, "next_on": None}
# Limits that many share, and how a refusal by them is counted; any other limit is of one mailbox.
SHARED = {
    rate_limits.NETWORK: RefusedRequest.Reason.NETWORK,
    rate_limits.LINK_NETWORK: RefusedRequest.Reason.NETWORK,
    rate_limits.DOMAIN: RefusedRequest.Reason.DOMAIN,
    rate_limits.EVERYBODY: RefusedRequest.Reason.EVERYBODY,
}
# A suppression for one of these ends when the reader asks again and confirms afresh.
FORGIVABLE = (Suppression.Reason.BOUNCE, Suppression.Reason.ERASED)


class TooMany(Exception):
    """A limit shared by many was reached. Saying so reveals nothing about the address."""


@dataclass(frozen=True)
class Origin:
    """Where a request came from: the part of the consent record that is kept for a short time only."""

    ip: str = ""
    user_agent: str = ""
    source_url: str = ""
    form_version: str = ""
    words: str = ""  # what the reader agreed to, word for word
    api_key: str = ""  # the name of the key, when a program asked in the reader's stead


# --- coming ---------------------------------------------------------------------------------------------------------


def request(address: Address, *, preferences: Preferences, now: datetime, method: str, origin: Origin) -> Notice | None:
    """Handle a sign-up request. Returns the one mail that is owed; None when this mailbox was mailed lately.

    A stranger may have typed the address: the preferences are kept with the request, and no reader's row changes. The
    caller must show the same page whatever is returned. Raises TooMany when a limit that many share is reached.
    """
    client = None if origin.api_key else origin.ip  # a program's requests are counted by its key, at the door
    reached = rate_limits.mail_refusal(address, about="signup", client=client, now=now)
    if reached:
        count_refusal(reached, now=now)
        if rate_limits.may_keep(address, now=now):
            _keep_preferences(address, preferences=preferences, now=now, method=method, origin=origin)
        return None
    with transaction.atomic():
        reader = _reader_at(address)
        if reader.state in ACTIVE:
            wanted = {"follows": dict(preferences.follows)} if preferences.follows else {}
            return owe_notice(reader, kind=Notice.Kind.ALREADY, now=now, context=wanted)
        asked = record(reader, ConsentEvent.Kind.REQUESTED, now=now, method=method, origin=origin, detail=preferences)
        context: dict[str, str | int] = {"request": asked.pk, "language": preferences.language}
        return owe_notice(reader, kind=Notice.Kind.CONFIRM, now=now, context=context)


def count_refusal(limit: str, *, now: datetime) -> None:
    """Count a request that this limit refused. Raises TooMany when it is one that many share."""
    refusals.count(SHARED.get(limit, RefusedRequest.Reason.MAILBOX), now=now)
    if limit in SHARED:
        raise TooMany


def _keep_preferences(
    address: Address, *, preferences: Preferences, now: datetime, method: str, origin: Origin
) -> None:
    """Record the request without a mail: an earlier one is on its way, and its link leads to the newest request."""
    reader = Subscriber.objects.filter(address_key=address.key).first()
    if reader is not None and reader.state in ACTIVE:
        follows.offer(reader, preferences.follows, now=now)
    elif reader is not None:
        record(reader, ConsentEvent.Kind.REQUESTED, now=now, method=method, origin=origin, detail=preferences)


def preferences_asked(asked: ConsentEvent) -> Preferences:
    """Preferences of the newest request for the same reader. The mailbox's owner sees them before confirming.

    Who was here before has their queries and interests again, and their topics where the request names none.
    """
    requests = ConsentEvent.objects.filter(subscriber=asked.subscriber_id, kind=ConsentEvent.Kind.REQUESTED)
    newest = requests.filter(pk__gte=asked.pk).latest("at", "pk")
    wanted, had = preferences_from(newest.detail.get("wishes", {})), preferences_of(asked.subscriber)
    return replace(
        wanted,
        stances=wanted.stances or had.stances,
        follows={**had.follows, **wanted.follows},
        interests=wanted.interests or had.interests,
    )


def confirm(
    asked: ConsentEvent, *, preferences: Preferences | None, now: datetime, method: str, origin: Origin
) -> bool:
    """Confirm the reader who followed the link that answers this request.

    ``preferences``: what they chose there; None: what was asked. True when the reader is confirmed, the first time or
    again; only the first time has effects. False when the request is void: left, erased or suppressed since.
    """
    with transaction.atomic():
        reader = Subscriber.objects.select_for_update().get(pk=asked.subscriber_id)
        if reader.state in ACTIVE:
            return True
        if not _still_holds(asked, reader):
            return False
        store_preferences(reader, preferences or preferences_asked(asked), now=now)
        due = next_digest_from(reader, schedule.local_day(next_due_of(reader, after=now), reader.time_zone), now=now)
        # What was agreed to before ended with that subscription: a new one starts without it.
        fresh = {"left_at": None, "paused_until": None, "clicks_agreed_at": None}
        # Returning readers get a first digest too: they asked now, and the next one may be a month away.
        move(reader, to=Subscriber.State.CONFIRMED, confirmed_at=now, welcome_due_at=now, **due, **fresh)
        Suppression.objects.in_force().filter(address_hash=reader.address_hash, reason__in=FORGIVABLE).update(
            lifted_at=now
        )
        record(
            reader,
            ConsentEvent.Kind.CONFIRMED,
            now=now,
            method=method,
            origin=origin,
            detail=preferences_of(reader),
            request=asked.pk,
        )
        rate_limits.start_afresh(parse_address(str(reader.email)))
    return True


# --- staying --------------------------------------------------------------------------------------------------------


def change(subscriber: Subscriber, *, preferences: Preferences, now: datetime, method: str, origin: Origin) -> bool:
    """Store changed preferences. False when nothing is different.

    With another schedule the next digest is that of the first day they have not had: a day that is over by the new hour
    or zone comes at once. A pause ends on the day that was chosen, wherever that begins now.
    """
    with transaction.atomic():
        reader = Subscriber.objects.select_for_update().get(pk=subscriber.pk)
        before = preferences_of(reader)
        if reader.state == Subscriber.State.ERASED or before == preferences:
            return False
        store_preferences(reader, preferences, now=now)
        columns: dict[str, Any] = {}
        has_new_rhythm = any(getattr(before, name) != getattr(preferences, name) for name in RHYTHM)
        if reader.state == Subscriber.State.CONFIRMED and has_new_rhythm and reader.next_due_at is not None:
            was_for = reader.next_on or schedule.local_day(reader.next_due_at, before.time_zone)
            if before.cadence == preferences.cadence and reader.next_due_at <= now:
                columns["next_on"] = was_for  # owed already: planning is about to take it
            else:
                coming = schedule.local_day(next_due_of(reader, after=now), reader.time_zone)
                columns = next_digest_from(reader, min(was_for, coming), now=now)
        if reader.paused_until is not None and before.time_zone != preferences.time_zone:
            day = schedule.local_day(reader.paused_until, before.time_zone)
            columns["paused_until"] = schedule.local_midnight(day, preferences.time_zone)
        if columns:
            Subscriber.objects.filter(pk=reader.pk).update(**columns)
        record(reader, ConsentEvent.Kind.CHANGED, now=now, method=method, origin=origin, detail=preferences)
    return True


def gentler_than(cadence: str) -> list[str]:
    """The cadences with fewer digests than this one, the most frequent first."""
    return Subscriber.Cadence.values[Subscriber.Cadence.values.index(cadence) + 1 :]


def slow_down(subscriber: Subscriber, *, to: str, now: datetime, method: str, origin: Origin) -> bool:
    """Change to a cadence with fewer digests. False, and nothing changes, when it has not fewer."""
    reader = Subscriber.objects.get(pk=subscriber.pk)
    if to not in gentler_than(reader.cadence):
        return False
    wanted = replace(preferences_of(reader), cadence=to)
    return change(reader, preferences=wanted, now=now, method=method, origin=origin)


def pause(subscriber: Subscriber, *, until: datetime, now: datetime, method: str, origin: Origin) -> bool:
    """Send no digests before ``until``. Pausing again moves the date."""
    with transaction.atomic():
        reader = Subscriber.objects.select_for_update().get(pk=subscriber.pk)
        if reader.state not in ACTIVE or reader.paused_until == until:
            return False
        move(reader, to=Subscriber.State.PAUSED, paused_until=until, **NOTHING_DUE)
        day = schedule.local_day(until, reader.time_zone).isoformat()
        record(reader, ConsentEvent.Kind.PAUSED, now=now, method=method, origin=origin, until=day)
    return True


def resume(subscriber: Subscriber, *, now: datetime, method: str, origin: Origin) -> bool:
    """End a pause. Due from the day on which it was to end, or from today when it is ended before."""
    with transaction.atomic():
        reader = Subscriber.objects.select_for_update().get(pk=subscriber.pk)
        if reader.state != Subscriber.State.PAUSED:
            return False
        since = min(now, reader.paused_until or now)
        due = next_digest_from(reader, schedule.local_day(since, reader.time_zone), now=now)
        move(reader, to=Subscriber.State.CONFIRMED, paused_until=None, **due)
        record(reader, ConsentEvent.Kind.RESUMED, now=now, method=method, origin=origin)
    return True


def resume_rested(*, now: datetime, limit: int = 500) -> int:
    """Resume every reader whose pause is over; returns how many. A step for the tick."""
    rested = Subscriber.objects.filter(state=Subscriber.State.PAUSED, paused_until__lte=now).order_by("paused_until")
    return each(rested[:limit], lambda reader: resume(reader, now=now, method="pause over", origin=Origin()))


# --- leaving --------------------------------------------------------------------------------------------------------


def unsubscribe(subscriber: Subscriber, *, now: datetime, method: str, origin: Origin, reason: str = "") -> bool:
    """End the subscription at once: queued digests are checked against the state when they are claimed."""
    with transaction.atomic():
        reader = Subscriber.objects.select_for_update().get(pk=subscriber.pk)
        if reader.state not in (*ACTIVE, Subscriber.State.PENDING):
            return False
        move(reader, to=Subscriber.State.UNSUBSCRIBED, left_at=now, **NOTHING_DUE)  # a pause stays, for undo()
        record(reader, ConsentEvent.Kind.UNSUBSCRIBED, now=now, method=method, origin=origin, reason=reason[:300])
    return True


def can_undo(subscriber: Subscriber, *, now: datetime) -> bool:
    """Whether the reader left only minutes ago, after having been confirmed."""
    return (
        subscriber.state == Subscriber.State.UNSUBSCRIBED
        and subscriber.confirmed_at is not None
        and subscriber.left_at is not None
        and now - UNDO_WINDOW <= subscriber.left_at
    )


def undo(subscriber: Subscriber, *, now: datetime, method: str, origin: Origin) -> bool:
    """Restore a subscription that was ended by mistake. Only for ten minutes; later it takes a new confirmation."""
    with transaction.atomic():
        reader = Subscriber.objects.select_for_update().get(pk=subscriber.pk)
        barred = Suppression.objects.in_force().filter(address_hash=reader.address_hash)
        if not can_undo(reader, now=now) or barred.exists():
            return False
        if reader.paused_until and reader.paused_until > now:
            move(reader, to=Subscriber.State.PAUSED, left_at=None)
        else:
            since = reader.paused_until or reader.left_at or now
            due = next_digest_from(reader, schedule.local_day(since, reader.time_zone), now=now)
            move(reader, to=Subscriber.State.CONFIRMED, left_at=None, paused_until=None, **due)
        record(reader, ConsentEvent.Kind.RESUMED, now=now, method=method, origin=origin, undo=True)
    return True


# --- many at once ---------------------------------------------------------------------------------------------------


def each(readers: Iterable[Subscriber], step: Callable[[Subscriber], bool]) -> int:
    """Apply ``step`` to each reader; returns how many it changed. One that raises does not stop the others."""
    done = 0
    for reader in readers:
        try:
            done += step(reader)
        except Exception:
            if not connection.is_usable():
                raise  # the database is away: nothing can be done for the others either
            log.exception("Reader %s is left as they are; the others go on", reader.pk)
    return done


# --- shared ---------------------------------------------------------------------------------------------------------


def _reader_at(address: Address) -> Subscriber:
    """Lock and return the row of this address, or make a pending one. Two requests at once get the same."""
    token, token_hash = token_links.new_unsubscribe_token()
    return Subscriber.objects.select_for_update().get_or_create(
        address_key=address.key,
        defaults={
            "email": address.email,
            "address_hash": token_links.address_hash(address.key),
            "domain": address.domain,
            "unsubscribe_token": token,
            "unsubscribe_hash": token_hash,
        },
    )[0]


def _still_holds(asked: ConsentEvent, reader: Subscriber) -> bool:
    """Whether the request is newer than the last event that ended the reader's consent."""
    if reader.state == Subscriber.State.ERASED or (reader.left_at is not None and reader.left_at >= asked.at):
        return False
    barred = Suppression.objects.filter(address_hash=reader.address_hash)
    return not (barred.filter(last_at__gte=asked.at) | barred.in_force().filter(reason__in=SILENT)).exists()


def next_due_of(reader: Subscriber, *, after: datetime) -> datetime:
    return schedule.next_due(
        cadence=reader.cadence, weekdays=reader.weekdays, hour=reader.hour, zone=reader.time_zone, after=after
    )


def next_digest_from(reader: Subscriber, first: date, *, now: datetime) -> dict[str, Any]:
    """Columns of the reader's next digest, for the first day from ``first`` on that was not planned yet."""
    slot = schedule.next_slot(
        cadence=reader.cadence,
        weekdays=reader.weekdays,
        hour=reader.hour,
        zone=reader.time_zone,
        first=first,
        now=now,
        had=import_string(settings.DIGESTS_HAD)(reader, since=first) if settings.DIGESTS_HAD else (),
    )
    is_its_day = schedule.local_day(slot.due_at, reader.time_zone) == slot.on
    return {"next_due_at": slot.due_at, "next_on": None if is_its_day else slot.on}


def move(reader: Subscriber, *, to: str, **columns: Any) -> None:
    """Change the state from the one that was read. The row must be locked: a miss is a programming error."""
    changed = Subscriber.objects.filter(pk=reader.pk, state=reader.state).update(state=to, **columns)
    if changed != 1:
        raise RuntimeError(f"Subscriber {reader.pk} was not {reader.state}")
    reader.state = to


def record(
    reader: Subscriber,
    kind: str,
    *,
    now: datetime,
    method: str,
    origin: Origin,
    detail: Preferences | None = None,
    **more: Any,
) -> ConsentEvent:
    content: dict[str, Any] = {name: value for name, value in more.items() if value}
    if detail is not None:
        content["wishes"] = asdict(detail)
    if origin.words:
        content["words"] = origin.words
    if origin.api_key:
        content["api_key"] = origin.api_key
    return ConsentEvent.objects.create(
        subscriber=reader,
        kind=kind,
        at=now,
        method=method[:32],
        form_version=origin.form_version[:32],
        source_url=origin.source_url[:300],
        ip_address=origin.ip or None,
        user_agent=origin.user_agent[:300],
        detail=content,
    )
