"""The rule for suppressing an address: at once when its server says it does not exist, else after repeated failures.

In: one event and the guard over its edition. Out: yes or no. Reads rows; the guard may pause what looks like a storm.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Exists, Max, OuterRef, Q

from newsletter.delivery.bounces.bounce_storms import DEAD, FAILING, Guard
from newsletter.models import Delivery, DeliveryEvent
from subscriptions.models import Subscriber

Kind = DeliveryEvent.Kind
FAILED = (Kind.SOFT, Kind.BOUNCED)


RETURNS_WITHIN = timedelta(days=6)  # relays give up after five days; what has not come back by then has arrived


class Limit(NamedTuple):
    """Failures within this time, nothing delivered in between. ``by_edition``: digests, not days."""

    failures: int
    window: timedelta
    by_edition: bool


# A reader of monthly digests cannot fail on five days of a month.
LIMITS = {
    Subscriber.Cadence.DAILY: Limit(5, timedelta(days=30), by_edition=False),
    Subscriber.Cadence.WEEKLY: Limit(4, timedelta(days=56), by_edition=True),
    Subscriber.Cadence.MONTHLY: Limit(3, timedelta(days=100), by_edition=True),
}


def is_dead(event: DeliveryEvent, *, guard: Guard, now: datetime) -> bool:
    """Whether the address the mail went to should be suppressed."""
    if event.kind == Kind.BOUNCED and event.is_proven and not guard.asks_about(event.delivery, kinds=DEAD):
        return True
    limit = LIMITS[Subscriber.Cadence(event.delivery.edition.cadence)]
    if _failures(event, limit=limit, now=now) < limit.failures:
        return False
    return not guard.asks_about(event.delivery, kinds=FAILING)


def _failures(event: DeliveryEvent, *, limit: Limit, now: datetime) -> int:
    """Days or editions that failed at this address since something got through; 0 while nothing of it is proven."""
    reader = event.delivery.subscriber
    here = event.delivery.address_hash  # null of older rows, which are counted among themselves
    events = DeliveryEvent.objects.filter(
        delivery__address_hash=here, delivery__subscriber=reader, at__gt=now - limit.window
    )
    if came := reader.confirmed_at:  # what was sent before the reader came back says nothing of the address now
        events = events.exclude(Q(delivery__sent_at__lt=came) | Q(delivery__sent_at=None, at__lt=came))
    proven = events.exclude(tied_by=DeliveryEvent.MESSAGE_ID)
    failing = events.filter(kind__in=FAILED)
    told = proven.filter(kind=Kind.DELIVERED).aggregate(at=Max("at"))["at"]
    arrived = max(filter(None, [told, _last_kept(event.delivery, limit=limit, now=now)]), default=None)
    failed = [
        one for one in failing.values_list("at", "delivery__edition", "tied_by") if arrived is None or one[0] > arrived
    ]
    if all(tied_by == DeliveryEvent.MESSAGE_ID for _at, _edition, tied_by in failed):
        return 0
    return len({edition if limit.by_edition else at.date() for at, edition, _tied_by in failed})


def _last_kept(delivery: Delivery, *, limit: Limit, now: datetime) -> datetime | None:
    """When the last mail to this address was sent that did not come back: a mailbox that is full now and then lives."""
    came_back = DeliveryEvent.objects.filter(delivery=OuterRef("pk"), kind__in=FAILED)
    kept = Delivery.objects.filter(
        subscriber=delivery.subscriber_id,
        address_hash=delivery.address_hash,
        state=Delivery.State.SENT,
        sent_at__range=(now - limit.window, now - RETURNS_WITHIN),
    ).exclude(Exists(came_back))
    last: datetime | None = kept.aggregate(at=Max("sent_at"))["at"]
    return last
