"""Which digests a reader was planned for, and which edition the next one is of: asked of the rows, never of the clock.

In: a reader. Out: days and editions. `subscriptions` knows these by the settings DIGESTS_HAD and EDITION_OF_NEXT.
"""

from __future__ import annotations

from datetime import date, timedelta

from newsletter.editions.lifecycle import cutoff_of, period_of
from newsletter.models import Delivery
from subscriptions import schedule
from subscriptions.models import Subscriber

LONGEST_PERIOD = timedelta(days=31)
# Skipped only because the reader was away when it was to leave: back again, they have not had it.
AWAY = (Delivery.Skip.PAUSED, Delivery.Skip.UNSUBSCRIBED, Delivery.Skip.SUPPRESSED)


def digests_had(reader: Subscriber, *, since: date) -> frozenset[tuple[str, date]]:
    """Cadence and local day of each digest that was planned in the period of ``since`` and later.

    Rows that were skipped because the reader was away give way: their day and their edition are free again.
    """
    rows = Delivery.objects.filter(subscriber=reader)
    rows.filter(skip_reason__in=AWAY, local_on__gte=since - timedelta(days=1)).delete()
    kept = rows.exclude(skip_reason__in=AWAY).filter(local_on__gt=since - LONGEST_PERIOD)
    return frozenset(kept.values_list("edition__cadence", "local_on"))


def edition_of_next(reader: Subscriber) -> date | None:
    """The period of the edition that the reader's next digest will be of; None when none is due."""
    if reader.next_due_at is None:
        return None
    day = reader.next_on or schedule.local_day(reader.next_due_at, reader.time_zone)
    period = period_of(reader.cadence, day)
    if reader.cadence == Subscriber.Cadence.DAILY:  # where the day begins early, the edition of the day before is open
        period += timedelta(days=1)
        while cutoff_of(reader.cadence, period) > reader.next_due_at:
            period -= timedelta(days=1)
    return period
