"""Catching up after a pause: what is offered to whom, and the request for it. At most one per pause.

In: a reader who is back, by their consent record. Out: a CatchUp row. The pipeline makes it part of a digest.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q

from subscriptions.models import CatchUp, ConsentEvent, Subscriber

OFFERED = timedelta(days=14)  # after the return
SHORTEST = timedelta(days=1)


class Absence(NamedTuple):
    """When a reader's pause began and ended."""

    since: datetime
    until: datetime


def offered(reader: Subscriber, *, now: datetime) -> Absence | None:
    """The pause that the reader may catch up on; None when there was none lately, or they asked already."""
    absence = _last_absence(reader) if reader.state == Subscriber.State.CONFIRMED else None
    if absence is None or now - absence.until > OFFERED or absence.until - absence.since < SHORTEST:
        return None
    return None if reader.catch_ups.filter(since=absence.since).exists() else absence


def ask(reader: Subscriber, *, now: datetime) -> bool:
    """Store the request. False when nothing is offered; asking twice is asking once."""
    absence = offered(reader, now=now)
    if absence is None:
        return False
    values = {"until": absence.until, "asked_at": now}
    return CatchUp.objects.get_or_create(subscriber=reader, since=absence.since, defaults=values)[1]


def _last_absence(reader: Subscriber) -> Absence | None:
    """From the first step of the last pause, however often it was moved, to its end."""
    came_paused = Q(kind=ConsentEvent.Kind.IMPORTED, detail__state=Subscriber.State.PAUSED)
    steps = reader.consent_events.filter(
        Q(kind__in=[ConsentEvent.Kind.PAUSED, ConsentEvent.Kind.RESUMED]) | came_paused
    )
    since = until = None
    for kind, at, detail in steps.order_by("-at", "-pk").values_list("kind", "at", "detail")[:50]:
        if kind != ConsentEvent.Kind.RESUMED:
            since = at
        elif since:
            break
        elif not detail.get("undo"):  # of having left by mistake
            until = at
    return Absence(since, until) if since and until else None
