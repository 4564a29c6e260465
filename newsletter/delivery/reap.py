"""What a dead worker left: rows whose lease ran out, and rows that nobody sent in time.

In: held rows past their lease, owed rows past their news value. Out: `claimed` back in the queue (nothing was on the
wire), `sending` as `unknown` (it may have been handed over; never resent by itself), stale rows skipped.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Case, Q, QuerySet, Value, When

from newsletter.delivery.claim import State
from newsletter.models import Delivery, DeliveryEvent

CHUNK = 2000


def reap_expired(*, now: datetime) -> tuple[int, int]:
    """(rows given back to the queue, rows now unknown), one bounded chunk of each."""
    expired = Delivery.objects.filter(lease_until__lte=now)
    with transaction.atomic():
        claimed = _lock(expired.filter(state=State.CLAIMED))
        back = Case(When(Q(attempts=0), then=Value(State.QUEUED)), default=Value(State.RETRY))
        given_back = Delivery.objects.filter(pk__in=claimed).update(state=back, claim="", lease_until=None)
        sending = _lock(expired.filter(state=State.SENDING))
        # The claim stays on the row: should its worker be alive after all, it can still settle what really happened.
        Delivery.objects.filter(pk__in=sending).update(state=State.UNKNOWN, lease_until=None)
        DeliveryEvent.objects.bulk_create(
            DeliveryEvent(
                delivery_id=pk,
                kind=DeliveryEvent.Kind.UNKNOWN,
                at=now,
                source="reaper",
                text="The worker died while the message may have been on the wire.",
            )
            for pk in sending
        )
    return given_back, len(sending)


def skip_expired(*, now: datetime) -> int:
    """Owed rows whose news is stale are skipped as late."""
    with transaction.atomic():
        stale = _lock(Delivery.objects.filter(state__in=[State.QUEUED, State.RETRY], expires_at__lte=now))
        return Delivery.objects.filter(pk__in=stale).update(state=State.SKIPPED, skip_reason=Delivery.Skip.LATE)


def _lock(rows: QuerySet[Delivery]) -> list[int]:
    return list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True)[:CHUNK])
