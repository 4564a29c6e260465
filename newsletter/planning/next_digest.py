"""Which digests a reader was planned for, and which one comes next: asked of the rows and of the planner's own rules.

In: a reader. Out: days, moments and editions. `subscriptions` knows these by the settings DIGESTS_HAD and NEXT_DIGEST.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.utils import timezone

from newsletter.editions.lifecycle import cutoff_of, next_period, period_at
from newsletter.models import Delivery, Edition
from newsletter.planning.readers_due import WAIT_FOR_NEXT, due_after, grace
from subscriptions import schedule
from subscriptions.models import Subscriber

LONGEST_PERIOD = timedelta(days=31)
# Skipped only because the reader was away when it was to leave: back again, they have not had it.
AWAY = (Delivery.Skip.PAUSED, Delivery.Skip.UNSUBSCRIBED, Delivery.Skip.SUPPRESSED)


class NextDigest(NamedTuple):
    """When a reader's next digest is due (UTC), and the period of the edition it is of."""

    due_at: datetime
    period_on: date


def digests_had(reader: Subscriber, *, since: date) -> frozenset[tuple[str, date]]:
    """Cadence and local day of each digest that was planned in the period of ``since`` and later.

    Rows that were skipped because the reader was away give way: their day and their edition are free again.
    """
    rows = Delivery.objects.filter(subscriber=reader)
    rows.filter(skip_reason__in=AWAY, local_on__gte=since - timedelta(days=1)).delete()
    kept = rows.exclude(skip_reason__in=AWAY).filter(local_on__gt=since - LONGEST_PERIOD)
    return frozenset(kept.values_list("edition__cadence", "local_on"))


def next_digest(reader: Subscriber, *, now: datetime | None = None) -> NextDigest | None:
    """The reader's next digest, as the planner will have it; None when none is due.

    It is of the edition that is open when it is due. Where the reader has that one already, or nobody will send it,
    they wait for the one after it as long as the planner does; else nothing comes before their next hour. A first
    digest that is owed counts as had.
    """
    now = now or timezone.now()
    if reader.next_due_at is None:
        return None
    cadence = reader.cadence
    due_at, day = reader.next_due_at, reader.next_on
    if due_at < now - grace(cadence):
        due_at, day = due_after(reader, now - grace(cadence)), None
    rows = list(reader.deliveries.filter(local_on__gt=schedule.local_day(now, reader.time_zone) - LONGEST_PERIOD))
    days, editions = {row.local_on for row in rows}, {row.edition_id for row in rows}
    known = Edition.objects.filter(cadence=cadence, period_on__gt=period_at(cadence, now) - LONGEST_PERIOD)
    had = {edition.period_on for edition in known if edition.pk in editions}
    over = {edition.period_on for edition in known if edition.state not in Edition.UNFINISHED}
    open_now = Edition.objects.open_at(now).newest(cadence)
    if reader.welcome_due_at and settings.WELCOME_DIGEST and open_now:
        days.add(schedule.local_day(now, reader.time_zone))
        had.add(open_now.period_on)
    while True:
        period = open_now.period_on if open_now and due_at <= now else period_at(cadence, max(due_at, now))
        following = next_period(cadence, period)
        patience = grace(cadence) if period in over else WAIT_FOR_NEXT
        if (day or schedule.local_day(due_at, reader.time_zone)) not in days:
            if period not in had | over:
                return NextDigest(due_at, period)
            if cutoff_of(cadence, following) <= due_at + patience:
                return NextDigest(due_at, following)
        due_at, day = due_after(reader, due_at), None
