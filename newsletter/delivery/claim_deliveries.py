"""Claim due rows: chunks under a lease, and single rows as `sending` before their body leaves.

In: rows in `queued` or `retry`. Out: rows in `claimed`, then `sending`. Whether the reader may still be mailed is asked
twice: when the chunk is claimed, and again for each row in the very UPDATE that lets its body go.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Case, Exists, F, OuterRef, Q, TextField, Value, When
from django.db.models.functions import Cast, Least

from newsletter.delivery import restore_detection as high_water
from newsletter.delivery import sending_rate
from newsletter.models import Claim, Delivery, DomainHold, Edition, Stream
from subscriptions import schedule
from subscriptions.in_long_list_lookup import Keys
from subscriptions.models import Interest, InterestTopic, Subscriber, Suppression, TopicPreference

STREAM = "digest"
CONFIRM_STREAM = "confirm"  # confirmations and notices, sent by subscriptions
State = Delivery.State
OWED = (State.QUEUED, State.RETRY)
HELD = (State.CLAIMED, State.SENDING)
IN_THE_FEED = "no mail: in the reader's private feed"
LOOK_AGAIN = timedelta(minutes=15)
WORKER = f"{socket.gethostname()}:{os.getpid()}"[:100]


class Claimed(NamedTuple):
    """One row we hold, with what its message needs."""

    pk: int
    edition: int
    subscriber: int
    attempts: int
    is_welcome: bool
    domain: str
    expires_at: datetime
    planned_for: str | None
    email: str
    address_hash: str
    unsubscribe_token: str
    mail_format: str
    confirmed_at: datetime | None
    time_zone: str
    clicks_agreed_at: datetime | None
    language: str
    picks: list[list[Any]]
    news: list[list[Any]]
    also: dict[str, Any]
    topics: tuple[str, ...] = ()
    interests: dict[int, str] | None = None  # names of those that the reader keeps apart
    claimed_at: float = 0.0  # on the monotonic clock of this process

    @property
    def confirmed_on(self) -> date | None:
        """The day on which the reader confirmed, by their own calendar."""
        return schedule.local_day(self.confirmed_at, self.time_zone) if self.confirmed_at else None


def is_open(*, now: datetime, stream: str = STREAM) -> bool:
    """Whether digests may leave: False while an operator or the circuit breaker holds the stream."""
    return not Stream.objects.filter(Q(paused_at__isnull=False) | Q(probe_at__gt=now), name=stream).exists()


def claim_due(*, token: str, limit: int, now: datetime) -> list[Claimed] | None:
    """Claim up to ``limit`` rows that are due. Rows that must not go (reader left, too late) are skipped at once.

    Rows beyond the pace of their domain are put back for later, so a slow domain never holds up the others: the list
    may be empty although more is due. None when nothing is.
    """
    if not is_open(now=now):
        return None
    with transaction.atomic():
        due = Delivery.objects.claimable(now).order_by("not_before", "pk").select_for_update(skip_locked=True)
        pks = list(due.values_list("pk", flat=True)[:limit])
        if not pks:
            return None
        keep_alive(token=token, now=now)
        Delivery.objects.filter(pk__any_of=Keys(pks), state__in=OWED).update(
            state=State.CLAIMED, claim=token, not_before=None
        )
        skip_unmailable(pks, now=now)
        rows = _load(pks, token=token)
        _note_addresses(rows)
        rows = _without_feed_readers(rows, token=token, now=now)
        rows = _without_held_domains(rows, token=token, now=now)
        allowed, held_back = sending_rate.allow(rows, now=now)
        for moment, back in held_back.items():
            give_back(back, token=token, not_before=moment)
    return _with_topics(allowed)


def may_confirm(*, now: datetime) -> bool:
    """Whether confirmations and notices may leave."""
    return is_open(now=now, stream=CONFIRM_STREAM) and not high_water.is_behind(now=now)


def _load(pks: Sequence[int], *, token: str) -> list[Claimed]:
    """Load the rows that we hold, in the order given: the one owed longest first."""
    ours = Delivery.objects.filter(pk__any_of=Keys(pks), state=State.CLAIMED, claim=token)
    place = {pk: number for number, pk in enumerate(pks)}
    # As text: Django's own reading of three JSON columns takes as long as all the rest of the row.
    written = {f"{name}_json": Cast(name, TextField()) for name in ("picks", "news", "also")}
    rows = [
        Claimed(*row[:-3], *map(_read_json, row[-3:]))  # a held row's reader has an address: erased ones are skipped
        for row in ours.annotate(**written).values_list(
            "pk",
            "edition_id",
            "subscriber_id",
            "attempts",
            "is_welcome",
            "subscriber__domain",
            "expires_at",
            "address_hash",
            "subscriber__email",
            "subscriber__address_hash",
            "subscriber__unsubscribe_token",
            "subscriber__mail_format",
            "subscriber__confirmed_at",
            "subscriber__time_zone",
            "subscriber__clicks_agreed_at",
            "subscriber__language",
            *written,
        )
    ]
    return sorted(rows, key=lambda row: place[row.pk])


def _read_json(text: str) -> Any:
    """Return what a JSON column holds; most hold nothing."""
    return [] if text == "[]" else {} if text == "{}" else json.loads(text)


def _note_addresses(rows: Sequence[Claimed]) -> None:
    """Record the address each delivery goes to: the reader may have moved since, or older code planned it."""
    moved = [row for row in rows if row.planned_for != row.address_hash]
    if moved:
        known = [Delivery(pk=row.pk, address_hash=row.address_hash, domain=row.domain) for row in moved]
        Delivery.objects.bulk_update(known, ["address_hash", "domain"], batch_size=500)


def _without_feed_readers(rows: list[Claimed], *, token: str, now: datetime) -> list[Claimed]:
    """Settle as sent what is for readers of a private feed who want no mail: from now on it stands there."""
    alone = [row.pk for row in rows if row.mail_format == Subscriber.MailFormat.FEED]
    if not alone:
        return rows
    Delivery.objects.filter(pk__any_of=Keys(alone), state=State.CLAIMED, claim=token).update(
        state=State.SENT, sent_at=now, reply=IN_THE_FEED
    )
    return [row for row in rows if row.mail_format != Subscriber.MailFormat.FEED]


def _without_held_domains(rows: list[Claimed], *, token: str, now: datetime) -> list[Claimed]:
    """Put back what goes to a domain on hold; it is looked at again in a quarter of an hour."""
    held = set(DomainHold.objects.in_force().values_list("domain", flat=True))
    back = [row.pk for row in rows if row.domain in held]
    if back:
        give_back(back, token=token, not_before=now + LOOK_AGAIN)
    return [row for row in rows if row.domain not in held] if back else rows


def _with_topics(rows: Sequence[Claimed]) -> list[Claimed]:
    topics: dict[int, list[str]] = defaultdict(list)
    for subscriber, slug in (
        TopicPreference.objects.filter(subscriber__any_of=Keys({row.subscriber for row in rows}))
        .exclude(stance=TopicPreference.Stance.MUTE)
        .order_by("topic__position", "topic_id")
        .values_list("subscriber_id", "topic__slug")
    ):
        topics[subscriber].append(slug)
    at = time.monotonic()
    found = [row._replace(topics=tuple(topics[row.subscriber]), claimed_at=at) for row in rows]
    return _with_interests(found) if any(map(_is_in_sections, found)) else found


def _is_in_sections(row: Claimed) -> bool:
    """Whether the picks name the interest that each came by. Broken ones, which fail when composed, do not."""
    first = row.picks[0] if isinstance(row.picks, list) and row.picks else None
    return isinstance(first, list) and len(first) > 3


def _with_interests(rows: Sequence[Claimed]) -> list[Claimed]:
    """The same with the names of the interests, and their topics too, of readers whose digest is in sections."""
    readers = {row.subscriber for row in rows if _is_in_sections(row)}
    names: dict[int, dict[int, str]] = {reader: {} for reader in readers}
    for reader, pk, name in Interest.objects.filter(subscriber__any_of=readers).values_list(
        "subscriber_id", "pk", "name"
    ):
        names[reader][pk] = name
    topics: dict[int, list[str]] = defaultdict(list)
    followed = InterestTopic.objects.filter(interest__subscriber__any_of=readers, interest__is_on=True)
    followed = followed.exclude(stance=TopicPreference.Stance.MUTE).order_by("topic__position", "topic_id")
    for reader, slug in followed.values_list("interest__subscriber_id", "topic__slug"):
        topics[reader].append(slug)
    return [
        row._replace(
            interests=names.get(row.subscriber),
            topics=tuple(dict.fromkeys([*row.topics, *topics.get(row.subscriber, ())])),
        )
        for row in rows
    ]


def skip_unmailable(pks: Sequence[int], *, now: datetime) -> None:
    """Settle as skipped the held rows whose reader may not be mailed any more or whose news is stale."""
    held = Delivery.objects.filter(pk__any_of=Keys(pks), state=State.CLAIMED)
    reader = Subscriber.objects.filter(pk=OuterRef("subscriber_id"))
    suppressed = Suppression.objects.in_force().filter(address_hash=OuterRef("subscriber__address_hash"))
    for rows, reason in (
        (held.filter(expires_at__lte=now), Delivery.Skip.LATE),
        (held.filter(pk__in=held.filter(Exists(suppressed)).values("pk")), Delivery.Skip.SUPPRESSED),
        (held.filter(Exists(reader.filter(state=Subscriber.State.SUPPRESSED))), Delivery.Skip.SUPPRESSED),
        (held.filter(Exists(reader.filter(state=Subscriber.State.PAUSED))), Delivery.Skip.PAUSED),
        (held.filter(~Exists(reader.filter(state=Subscriber.State.CONFIRMED))), Delivery.Skip.UNSUBSCRIBED),
    ):
        rows.update(state=State.SKIPPED, skip_reason=reason)
    if settings.MAIL_DRY_RUN_TO:
        others = held.exclude(subscriber__email__in=settings.MAIL_DRY_RUN_TO)
        others.update(state=State.SKIPPED, skip_reason=Delivery.Skip.REHEARSAL)


@transaction.atomic
def mark_sending(pks: Collection[int], *, token: str, now: datetime) -> set[int]:
    """Make rows `sending`, committed before a byte of their bodies may leave. Returns those that may go.

    Consent, suppression and the switches are asked here, in the same UPDATE. The rest is skipped, or put back when
    only the edition is paused. Running it again for the same rows (a commit whose answer was lost) is harmless.
    """
    if not pks:
        return set()
    mine = Delivery.objects.filter(pk__any_of=Keys(pks), claim=token)
    going = mine.filter(
        Exists(Edition.objects.sendable().filter(pk=OuterRef("edition_id"))),
        Exists(Subscriber.objects.mailable().filter(pk=OuterRef("subscriber_id"))),
        state__in=HELD,
    )
    if going.update(state=State.SENDING) == len(pks):
        return set(pks)
    marked = set(going.filter(state=State.SENDING).values_list("pk", flat=True))
    held = [pk for pk in pks if pk not in marked]
    # Marked before by a commit whose answer was lost, and perhaps given up by the reaper since: no body of theirs left.
    mine.filter(pk__any_of=Keys(held), state__in=[State.SENDING, State.UNKNOWN]).update(state=State.CLAIMED)
    skip_unmailable(held, now=now)
    give_back(held, token=token, not_before=owed_since(now=now))
    return marked


def give_back(pks: Collection[int], *, token: str, not_before: datetime | Least) -> int:
    """Return claimed rows to the queue, untouched. Nothing of them was on the wire and no attempt is spent."""
    return Delivery.objects.filter(pk__any_of=Keys(pks), state=State.CLAIMED, claim=token).update(
        state=owed_state(), claim="", not_before=not_before
    )


def owed_since(*, now: datetime) -> Least:
    """SQL for the moment a row became owed; claiming it and giving it back does not change that moment."""
    return Least(F("due_at"), Value(now))


def keep_alive(*, token: str, now: datetime) -> None:
    """Renew the lease of everything we hold, or take one."""
    lease_until = now + timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)
    Claim.objects.update_or_create(token=token, defaults={"lease_until": lease_until, "worker": WORKER})


def let_go(*, token: str) -> None:
    """End a lease under which nothing is held any more. One that still holds rows is left to the reaper."""
    held = Delivery.objects.filter(claim=OuterRef("pk"), state__in=HELD)
    Claim.objects.filter(pk=token).exclude(Exists(held)).delete()


def owed_state() -> Case:
    """The state a row is given back in: `retry` when it was tried before, else `queued`."""
    return Case(When(Q(attempts=0), then=Value(State.QUEUED)), default=Value(State.RETRY))
