"""Rescue of rows that a dead worker left, and expiry of rows that were not sent in time.

In: held rows past their lease, owed rows past their news value. Out: `claimed` back in the queue (nothing was on the
wire), `sending` as `unknown` (it may have been handed over; never resent by itself), stale rows skipped.
"""

from __future__ import annotations

import time
from datetime import datetime

from django.db import transaction

from newsletter.delivery.claim_deliveries import State, owed_since, owed_state
from newsletter.models import Claim, Delivery, DeliveryEvent, Edition

CHUNK = 2000
PATIENCE_SECONDS = 10.0  # of a tick that has more to do: a list of 200,000 that nobody could send takes less
CLOSED = (Edition.State.DONE, Edition.State.SKIPPED)


def rescue_expired(*, now: datetime) -> tuple[int, int]:
    """Settle the rows of workers whose lease ran out. Returns (rows queued again, rows now unknown)."""
    given_back = unknown = 0
    with transaction.atomic():
        for dead in Claim.objects.filter(lease_until__lte=now).select_for_update(skip_locked=True):
            held = Delivery.objects.filter(claim=dead.token, edition__in=Edition.objects.exclude(state__in=CLOSED))
            given_back += held.filter(state=State.CLAIMED).update(
                state=owed_state(), claim="", not_before=owed_since(now=now)
            )
            # The claim stays on these rows: should the worker be alive after all, it can still settle what happened.
            sending = list(
                held.filter(state=State.SENDING).select_for_update(of=("self",)).values_list("pk", flat=True)
            )
            Delivery.objects.filter(pk__in=sending).update(state=State.UNKNOWN)
            DeliveryEvent.objects.bulk_create(_doubt(pk, now=now) for pk in sending)
            unknown += len(sending)
            dead.delete()
    return given_back, unknown


def _doubt(pk: int, *, now: datetime) -> DeliveryEvent:
    text = "The worker died while the message may have been on the wire."
    return DeliveryEvent(
        delivery_id=pk, kind=DeliveryEvent.Kind.UNKNOWN, at=now, source="reaper", text=text, handled_at=now
    )


def skip_expired(*, now: datetime, seconds: float = PATIENCE_SECONDS) -> int:
    """Skip owed rows whose edition is out of date, for a limited time; the next tick goes on with the rest."""
    skipped, until = 0, time.monotonic() + seconds
    while chunk := _skip_chunk(now=now):
        skipped += chunk
        if chunk < CHUNK or time.monotonic() >= until:
            break
    return skipped


def _skip_chunk(*, now: datetime) -> int:
    with transaction.atomic():
        owed = Delivery.objects.filter(not_before__isnull=False, expires_at__lte=now)
        stale = list(owed.select_for_update(skip_locked=True).values_list("pk", flat=True)[:CHUNK])
        return Delivery.objects.filter(pk__in=stale).update(
            state=State.SKIPPED, skip_reason=Delivery.Skip.LATE, not_before=None
        )
