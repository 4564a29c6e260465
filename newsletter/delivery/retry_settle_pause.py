"""Operator actions: retry failed deliveries, settle unknown ones, pause and resume streams.

In: rows in `failed` or `unknown`. Out: rows queued again or settled, with an event that says who decided.
Conditional UPDATEs: deciding twice changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest

from newsletter.delivery import sending_rate
from newsletter.delivery.claim_deliveries import HELD, OWED, STREAM, State
from newsletter.models import Delivery, DeliveryEvent, Edition, Stream
from subscriptions.models import Subscriber

SECOND_CHANCE = timedelta(hours=6)


def counts(edition: Edition) -> dict[str, int]:
    """Number of deliveries of an edition by state; the sum is all that were planned."""
    rows = Delivery.objects.filter(edition=edition).order_by()
    return dict(rows.values("state").annotate(number=Count("pk")).values_list("state", "number"))


class PutOff(NamedTuple):
    """One open edition's deliveries that were temporarily refused."""

    edition: int
    deferred: int  # refused temporarily, to be tried again
    sent: int
    owed: int  # not tried yet
    reply: str  # the answer to one of the deferred


def put_off_by_edition() -> list[PutOff]:
    """The open editions with temporarily refused deliveries, the oldest first."""
    deferred = Q(state=State.RETRY)
    rows = (
        Delivery.objects.filter(edition__in=Edition.objects.sendable())
        .order_by("edition")
        .values("edition")
        .annotate(
            deferred=Count("pk", filter=deferred),
            sent=Count("pk", filter=Q(state=State.SENT)),
            owed=Count("pk", filter=Q(state__in=[State.QUEUED, *HELD])),
            last=Max("reply", filter=deferred),
        )
        .filter(deferred__gt=0)
    )
    return [PutOff(*row) for row in rows.values_list("edition", "deferred", "sent", "owed", "last")]


def retry_failed(edition: Edition, *, now: datetime) -> int:
    """Queue an edition's failed deliveries again and reopen it. Returns how many."""
    with transaction.atomic():
        count = retry_rows(Delivery.objects.filter(edition=edition), now=now)
        if count:
            Edition.objects.filter(pk=edition.pk).begin()
    return count


def retry_rows(rows: QuerySet[Delivery], *, now: datetime) -> int:
    """Queue those of the rows again that failed and whose reader may still be mailed; never of a cancelled edition."""
    mailable = Subscriber.objects.mailable().filter(pk=OuterRef("subscriber_id"))
    cancelled = Edition.objects.filter(state=Edition.State.CANCELLED)
    return rows.filter(Exists(mailable), ~Q(edition__in=cancelled), state=State.FAILED).update(
        state=State.QUEUED, attempts=0, not_before=now, expires_at=Greatest(F("expires_at"), now + SECOND_CHANCE)
    )


@transaction.atomic
def settle_unknown(pks: Sequence[int], *, state: str, source: str, text: str, now: datetime) -> int:
    """Settle unknown deliveries as `sent`, or as `failed` so that they may be retried. Returns how many."""
    if state not in {State.SENT, State.FAILED}:
        raise ValueError(f"An unknown delivery is settled as sent or failed, not {state}.")
    unknown = Delivery.objects.filter(pk__in=pks, state=State.UNKNOWN).select_for_update()
    settled = list(unknown.values_list("pk", flat=True))
    when = {"sent_at": now} if state == State.SENT else {}
    Delivery.objects.filter(pk__in=settled).update(state=state, **when)
    DeliveryEvent.objects.bulk_create(
        DeliveryEvent(
            delivery_id=pk, kind=DeliveryEvent.Kind.SETTLED, at=now, source=source, text=text[:300], handled_at=now
        )
        for pk in settled
    )
    return len(settled)


def pause_stream(name: str, *, reason: str, now: datetime) -> bool:
    """Pause a stream: nothing more is claimed; messages being sent finish. False: it was paused already."""
    Stream.objects.get_or_create(name=name)
    stopped = Stream.objects.filter(name=name, paused_at__isnull=True)
    return bool(stopped.update(paused_at=now, pause_reason=reason[:200]))


def resume_stream(name: str) -> bool:
    """Resume a stream and reset its circuit breaker. False: it was not paused."""
    paused = Stream.objects.filter(name=name, paused_at__isnull=False)
    return bool(paused.update(paused_at=None, pause_reason="", failures=0, deferrals=0, probe_at=None))


@transaction.atomic
def try_now(*, now: datetime) -> int:
    """End every wait of the digests: the breaker's, those of domains held for a limit, those of messages put off.

    Returns how many deliveries may be tried at once. What is paused stays paused.
    """
    Stream.objects.filter(name=STREAM).update(failures=0, probe_at=None)
    sending_rate.release_holds()
    return Delivery.objects.filter(state__in=OWED, not_before__gt=now, due_at__lte=now).update(not_before=now)


def is_waiting(*, now: datetime) -> bool:
    """Whether there is a wait that `try_now` would end."""
    waits = Stream.objects.filter(name=STREAM, probe_at__gt=now).exists()
    put_off = Delivery.objects.filter(state__in=OWED, not_before__gt=now, due_at__lte=now)
    return waits or put_off.exists()
