"""Numbers in the text format of Prometheus: states from the rows as they are now, times as all processes counted them.

In: the database and the broker. Out: text. Any site process gives the same answer; no address and no reader is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

import redis
from django.conf import settings
from django.db.models import Count, F, Q
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from newsletter.models import Delivery, Heartbeat, Stream, WebhookDelivery, timings
from newsletter.monitoring import current_alarms
from newsletter.monitoring.alarm_thresholds import DAY
from newsletter.monitoring.delivery_counts import tallies
from subscriptions.models import Notice

QUEUES = ("confirm", "digest", "ingest", "maintenance")
BROKER_SECONDS = 1.0
LATE = (60, 300, 600, 900, 1800, 3600, 7200, 21_600)  # seconds after the hour; SEND_JITTER_SECONDS is among them


def exposition(*, now: datetime) -> bytes:
    """Return all metrics. Raises DatabaseError when the database is away."""
    registry = CollectorRegistry()
    registry.register(_Rows(now))
    return generate_latest(registry)


class _Rows(Collector):
    def __init__(self, now: datetime) -> None:
        self._metrics = [*_states(now), *_editions(now), _sent_late(now), *_broker(), *_histograms()]

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _states(now: datetime) -> Iterator[Metric]:
    numbers = current_alarms.numbers(now=now)
    yield _gauge("build_info", "Version that answers.", {(settings.VERSION,): 1}, "version")
    for kind, says in (("readers", "Readers by state."), ("deliveries_of_a_day", "Digests due in 24 hours by state.")):
        of_kind = {
            (key.removeprefix(f"{kind}_"),): value for key, value in numbers.items() if key.startswith(f"{kind}_")
        }
        yield _gauge(kind, says, of_kind, "state")
    for name in ("oldest_notice_seconds", "oldest_delivery_seconds"):
        yield _gauge(name, "How long the oldest mail that may go has waited; 0: none waits.", {(): numbers[name] or 0})
    beats = {(beat.name,): (now - beat.at).total_seconds() for beat in Heartbeat.objects.exclude(name__contains=" ")}
    yield _gauge("heartbeat_age_seconds", "Since each part last did its work.", beats, "part")
    found = current_alarms.alarms(now=now)
    yield _gauge(
        "alarm",
        "Alarms that are on; docs/runbook.md says what to do.",
        {(a.name, a.part): 1 for a in found},
        "name",
        "part",
    )
    paused = {(stream.name,): int(stream.paused_at is not None) for stream in Stream.objects.all()}
    yield _gauge("stream_paused", "Whether an operator or a guard holds this stream of mail.", paused, "stream")
    notices = Notice.objects.filter(state=Notice.State.QUEUED).aggregate(n=Count("pk"))["n"]
    yield _gauge("notices_waiting", "Confirmations and notices that are owed.", {(): notices})
    calls = WebhookDelivery.objects.filter(next_at__isnull=False).count()
    yield _gauge("webhooks_waiting", "Posts to other programs that are owed.", {(): calls})


def _editions(now: datetime) -> Iterator[Metric]:
    """Yield the outcomes of the last days' editions, of which there are few."""
    outcomes = ("planned", "sent", "failed", "late", "skipped", "unknown", "retry", "owed", "overdue")
    found = {
        (tally.cadence, tally.period_on.isoformat(), outcome): getattr(tally, outcome)
        for tally in tallies(now=now)
        for outcome in outcomes
    }
    yield _gauge("edition_deliveries", "Digests of recent editions by outcome.", found, "cadence", "period", "outcome")


def _sent_late(now: datetime) -> Metric:
    """Count digests by how long after their hour they left: from the rows, so that no sender pays for it."""
    sent = Delivery.objects.filter(state=Delivery.State.SENT, due_at__gt=now - DAY, due_at__lte=now)
    within = {f"{bound:g}": Q(sent_at__lte=F("due_at") + timedelta(seconds=bound)) for bound in LATE}
    counts = sent.aggregate(all=Count("pk"), **{f"le_{name}": Count("pk", filter=q) for name, q in within.items()})
    found = {(name,): counts[f"le_{name}"] for name in within} | {("any",): counts["all"]}
    return _gauge("sent_late_of_a_day", "Digests due in 24 hours by seconds from their hour to sent.", found, "within")


def _broker() -> Iterator[Metric]:
    """Yield the lengths of the queues. A broker that is away is a number too."""
    if not settings.REDIS_URL:
        return
    prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    lengths: dict[tuple[str], float] = {}
    try:
        with redis.from_url(
            settings.REDIS_URL, socket_timeout=BROKER_SECONDS, socket_connect_timeout=BROKER_SECONDS
        ) as client:
            lengths = {(queue,): float(client.llen(f"{prefix}{queue}")) for queue in QUEUES}
    except redis.RedisError:
        pass
    yield _gauge("broker_up", "Whether Redis answers.", {(): int(bool(lengths))})
    yield _gauge("queue_length", "Tasks that wait for a worker.", lengths, "queue")


def _histograms() -> Iterator[Metric]:
    counted = timings.counted()
    for timing in timings.TIMINGS:
        family = HistogramMetricFamily(f"paperboy_{timing.name}", timing.says, labels=timing.labels)
        for labels, values in counted.get(timing.name, {}).items():
            names = [*(f"{bound:g}" for bound in timing.bounds), timings.ENDLESS]
            upto = accumulate(values.get(name, 0.0) for name in names)
            buckets = list(zip(names, upto, strict=True))
            family.add_metric(labels.split("|") if timing.labels else [], buckets, values.get(timings.SUM, 0.0))
        yield family


def _gauge(name: str, says: str, values: Mapping[Any, float | None], *labels: str) -> Metric:
    family = GaugeMetricFamily(f"paperboy_{name}", says, labels=labels)
    for key, value in values.items():
        family.add_metric(list(map(str, key)), value or 0)
    return family
