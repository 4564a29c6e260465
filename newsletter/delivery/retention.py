"""Deletion of the details of old deliveries, as the privacy page promises.

In: editions closed longer ago than RETENTION_DELIVERY_DAYS. Out: their events deleted and the relay's answers cleared;
clicks, misses and judged letters as old are gone, and all clicks of readers who withdrew their consent. What stays is
that a reader was sent these papers, so that none comes twice. Bounded; may run twice and at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q

from newsletter.models import Click, Delivery, DeliveryEvent, Edition, Letter, Miss

CHUNK = 20_000


def forget_details(*, now: datetime, limit: int = CHUNK) -> int:
    """Delete up to ``limit`` details of each kind, of the edition that has waited longest. Returns how many."""
    before = now - timedelta(days=settings.RETENTION_DELIVERY_DAYS)
    clicks = Click.objects.filter(Q(at__lte=before) | Q(subscriber__clicks_agreed_at__isnull=True))
    misses = Miss.objects.filter(at__lte=before)
    forgotten = Click.objects.filter(pk__in=clicks.order_by("pk").values("pk")[:limit]).delete()[0]
    forgotten += Miss.objects.filter(pk__in=misses.order_by("pk").values("pk")[:limit]).delete()[0]
    letters = Letter.objects.filter(judged_at__lte=before).order_by("pk")
    forgotten += Letter.objects.filter(pk__in=letters.values("pk")[:limit]).delete()[0]
    old = Edition.objects.filter(closes_at__lte=before, forgotten_at__isnull=True).order_by("closes_at").first()
    if old is None:
        return forgotten
    events = DeliveryEvent.objects.filter(delivery__edition=old).order_by("pk").values("pk")[:limit]
    told = Delivery.objects.filter(edition=old).exclude(reply="").values("pk")[:limit]
    details = DeliveryEvent.objects.filter(pk__in=events).delete()[0]
    details += Delivery.objects.filter(pk__in=told).update(reply="", address_hash=None)
    if not details:
        Edition.objects.filter(pk=old.pk).update(forgotten_at=now)
    return forgotten + details
