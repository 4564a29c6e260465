"""Forgetting the details of old deliveries, as the privacy page promises (PL7).

In: editions closed longer ago than RETENTION_DELIVERY_DAYS. Out: their events deleted and the relay's answers cleared.
What stays is that a reader was sent these papers, so that none comes twice. Bounded; may run twice and at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from newsletter.models import Delivery, DeliveryEvent, Edition

CHUNK = 20_000


def forget_details(*, now: datetime, limit: int = CHUNK) -> int:
    """Up to ``limit`` rows of each kind, of the edition that has waited longest. Returns how many."""
    before = now - timedelta(days=settings.RETENTION_DELIVERY_DAYS)
    old = Edition.objects.filter(closes_at__lte=before, forgotten_at__isnull=True).order_by("closes_at").first()
    if old is None:
        return 0
    events = DeliveryEvent.objects.filter(delivery__edition=old).order_by("pk").values("pk")[:limit]
    told = Delivery.objects.filter(edition=old).exclude(reply="").values("pk")[:limit]
    forgotten = DeliveryEvent.objects.filter(pk__in=events).delete()[0]
    forgotten += Delivery.objects.filter(pk__in=told).update(reply="")
    if not forgotten:
        Edition.objects.filter(pk=old.pk).update(forgotten_at=now)
    return forgotten
