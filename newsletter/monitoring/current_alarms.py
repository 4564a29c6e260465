"""All alarms, computed from the rows alone. Read only.

In: the database and the clock. Out: alarms, one sentence each, and numbers for a monitor. Every process
gets the same answer; a worker that lives and does nothing raises the same alarm as a dead one. To add an alarm: its
name in `alarm_names`, its check in `edition_alarms`, `machine_alarms` or `mail_alarms`, its limit in
`alarm_thresholds`, its entry in docs/runbook.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Count

from newsletter.models import Delivery, Heartbeat
from newsletter.monitoring import edition_alarms, machine_alarms, mail_alarms
from newsletter.monitoring.alarm_names import Alarm, Name, Part
from subscriptions.models import Subscriber

__all__ = ["Alarm", "Name", "Part", "alarms", "numbers"]


def alarms(*, now: datetime, part: str | None = None) -> list[Alarm]:
    """Return the alarms, worst first; with ``part``, only those about that part of the system."""
    checks: list[tuple[set[Part], Callable[..., Iterable[Alarm]]]] = [
        ({Part.DIGEST}, machine_alarms.restored),
        ({Part.TICK}, machine_alarms.machine),
        ({Part.CONFIRM}, mail_alarms.notices),
        ({Part.DIGEST}, mail_alarms.deliveries),
        ({Part.DIGEST, Part.CONFIRM}, mail_alarms.paused),
        ({Part.TICK}, edition_alarms.approvals),
        ({Part.TICK}, edition_alarms.missing),
        ({Part.DIGEST}, mail_alarms.outcomes_of_late),
        ({Part.DIGEST}, mail_alarms.returned),
        ({Part.TICK}, edition_alarms.reconciled),
        ({Part.CONFIRM}, machine_alarms.strangers),
        ({Part.INGEST}, machine_alarms.ingest),
        ({Part.SOURCES}, machine_alarms.sources),
        ({Part.WEBHOOKS}, machine_alarms.webhooks),
    ]
    wanted = [partial(check, now=now) for parts, check in checks if part is None or part in parts]
    return [alarm for check in wanted for alarm in check() if part in (None, alarm.part)]


def numbers(*, now: datetime) -> dict[str, int | None]:
    """Return numbers for a monitor: readers and today's deliveries by state, ages in seconds (None: nothing waits)."""
    readers = dict(Subscriber.objects.values_list("state").annotate(Count("pk")))
    recent = Delivery.objects.filter(due_at__gt=now - timedelta(days=1))
    deliveries = dict(recent.values_list("state").annotate(Count("pk")))
    tick = Heartbeat.objects.filter(name="tick").values_list("at", flat=True).first()
    return {
        **{f"readers_{state}": readers.get(state, 0) for state in Subscriber.State.values},
        **{f"deliveries_of_a_day_{state}": deliveries.get(state, 0) for state in Delivery.State.values},
        "tick_age_seconds": _seconds(now, tick),
        "oldest_notice_seconds": _seconds(now, mail_alarms.oldest_notice()),
        "oldest_delivery_seconds": _seconds(now, mail_alarms.oldest_delivery(now)),
    }


def _seconds(now: datetime, then: datetime | None) -> int | None:
    return None if then is None else int((now - then).total_seconds())
