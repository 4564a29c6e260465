"""Outcomes of recent digests, counted by edition from the rows as they are now.

In: editions frozen within the last days and their deliveries. Out: one Tally an edition, for alarms and for the
reconciler. One pass over these rows, whatever is asked of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import Count, Q

from newsletter.models import Delivery, Edition
from newsletter.monitoring.alarm_thresholds import DAY, LOOK_BACK, OVERDUE, UNKNOWN_PATIENCE
from subscriptions.models import Subscriber

State = Delivery.State
OWED = Q(state__in=[State.QUEUED, State.CLAIMED, State.SENDING, State.RETRY])


@dataclass(frozen=True)
class Tally:
    """One edition's deliveries. ``day_*``: of those due within the last 24 hours."""

    edition: int
    name: str
    cadence: str
    period_on: date
    frozen_at: datetime
    planned: int
    sent: int
    failed: int
    late: int
    skipped: int  # for a reason on the reader's side: empty, thin, left …
    unknown: int
    doubtful: int  # unknown for so long that only a person or a relay's log can settle it
    retry: int
    owed: int
    overdue: int
    day_due: int
    day_without: int


def tallies(*, now: datetime, since: datetime | None = None) -> list[Tally]:
    """Return a Tally of each edition frozen since then (default: a week ago), newest first.

    Failed ones count only for readers who may still be mailed.
    """
    editions = {
        edition.pk: edition
        for edition in Edition.objects.filter(frozen_at__gt=since or now - LOOK_BACK).exclude(
            state__in=[Edition.State.SKIPPED, Edition.State.CANCELLED]
        )
    }
    late = Q(state=State.SKIPPED, skip_reason=Delivery.Skip.LATE)
    doubtful = Q(state=State.UNKNOWN, due_at__lte=now - UNKNOWN_PATIENCE)
    overdue = OWED & Q(due_at__lte=now - OVERDUE)
    lately = Q(due_at__gt=now - DAY, due_at__lte=now)
    without = late | doubtful | Q(state=State.FAILED)  # what is still owed has its own alarms
    counted = (
        Delivery.objects.filter(edition__in=editions)
        .order_by()
        .values("edition")
        .annotate(
            planned=Count("pk"),
            sent=Count("pk", filter=Q(state=State.SENT)),
            failed=Count("pk", filter=Q(state=State.FAILED)),
            late=Count("pk", filter=late),
            skipped=Count("pk", filter=Q(state=State.SKIPPED) & ~late),
            unknown=Count("pk", filter=Q(state=State.UNKNOWN)),
            doubtful=Count("pk", filter=doubtful),
            retry=Count("pk", filter=Q(state=State.RETRY)),
            owed=Count("pk", filter=OWED),
            overdue=Count("pk", filter=overdue),
            day_due=Count("pk", filter=lately),
            day_without=Count("pk", filter=lately & without),
        )
    )
    rows: dict[int, dict[str, Any]] = {}
    for row in counted:
        counts: dict[str, Any] = {**row}
        rows[counts.pop("edition")] = counts
    dead = Delivery.objects.filter(
        edition__in=[pk for pk, row in rows.items() if row["failed"]],
        state=State.FAILED,
        subscriber__state=Subscriber.State.SUPPRESSED,
    )
    for pk, failed, today in (
        dead.order_by()
        .values("edition")
        .annotate(failed=Count("pk"), today=Count("pk", filter=lately))
        .values_list("edition", "failed", "today")
    ):
        rows[pk]["failed"] -= failed
        rows[pk]["day_without"] -= today
    made = [
        Tally(pk, str(one), one.cadence, one.period_on, one.frozen_at or now, **rows[pk])
        for pk, one in editions.items()
        if pk in rows
    ]
    return sorted(made, key=lambda tally: tally.frozen_at, reverse=True)
