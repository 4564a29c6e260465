"""Counts of refused requests by day and reason, so that operators see when people are turned away.

In: a reason. Out: counter rows that say nothing of anybody. `refused_since` is for alarms and pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import F, Sum

from subscriptions.models import RefusedRequest

if TYPE_CHECKING:
    from datetime import date, datetime


def count(reason: str, *, now: datetime) -> None:
    """Count one more refusal for this reason today (UTC)."""
    row, _is_new = RefusedRequest.objects.get_or_create(on=now.date(), reason=reason)
    RefusedRequest.objects.filter(pk=row.pk).update(requests=F("requests") + 1)


def refused_since(day: date) -> dict[str, int]:
    """Map each reason to the number of requests refused for it on ``day`` (UTC) and later."""
    rows = RefusedRequest.objects.filter(on__gte=day).values_list("reason").annotate(total=Sum("requests"))
    return dict(rows)
