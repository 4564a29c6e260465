"""Deletion of old personal data, as the privacy page promises.

In: now. Out: rows deleted, or cleared of personal data. Bounded: the next run takes the rest. May run at any time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Exists, OuterRef, Q

from subscriptions import gdpr, lifecycle, rate_limits
from subscriptions.models import ConsentEvent, ListImport, Notice, Subscriber

if TYPE_CHECKING:
    from datetime import datetime


def forget_old(*, now: datetime, limit: int = 1000) -> int:
    """Remove at most ``limit`` rows of each kind; returns how many were removed."""
    return sum(
        forget(now=now, limit=limit)
        for forget in (forget_unconfirmed, forget_left, forget_origins, forget_notices, forget_lists)
    ) + rate_limits.forget_full_buckets(now=now)


def forget_unconfirmed(*, now: datetime, limit: int) -> int:
    """Delete addresses that never confirmed: nobody agreed to anything. Returns how many."""
    before = now - timedelta(days=settings.RETENTION_UNCONFIRMED_DAYS)
    asked_since = ConsentEvent.objects.filter(subscriber=OuterRef("pk"), at__gt=before)
    stale = Subscriber.objects.filter(state=Subscriber.State.PENDING, created_at__lte=before).exclude(
        Exists(asked_since)
    )
    found = list(stale.order_by("pk").values_list("pk", flat=True)[:limit])
    # The state again: somebody may be confirming this very moment.
    return (
        Subscriber.objects.filter(pk__in=found, state=Subscriber.State.PENDING)
        .delete()[1]
        .get("subscriptions.Subscriber", 0)
    )


def forget_left(*, now: datetime, limit: int) -> int:
    """Erase readers who left long ago, as if they had asked for it. Returns how many."""
    before = now - timedelta(days=settings.RETENTION_LEFT_DAYS)
    gone = [Subscriber.State.UNSUBSCRIBED, Subscriber.State.SUPPRESSED]
    left = Subscriber.objects.filter(state__in=gone, left_at__lte=before).order_by("left_at")
    return lifecycle.each(left[:limit], lambda reader: gdpr.erase(reader, now=now, method="retention"))


def forget_origins(*, now: datetime, limit: int) -> int:
    """Clear old network addresses and browsers from the consent record; what was agreed to and when stays."""
    before = now - timedelta(days=settings.RETENTION_ORIGIN_DAYS)
    old = ConsentEvent.objects.filter(Q(ip_address__isnull=False) | ~Q(user_agent=""), at__lte=before)
    found = list(old.order_by("pk").values_list("pk", flat=True)[:limit])
    return ConsentEvent.objects.filter(pk__in=found).update(ip_address=None, user_agent="")


def forget_notices(*, now: datetime, limit: int) -> int:
    before = now - timedelta(days=settings.RETENTION_NOTICE_DAYS)
    owed = [Notice.State.QUEUED, Notice.State.SENDING]
    old = Notice.objects.filter(created_at__lte=before).exclude(state__in=owed)
    found = list(old.order_by("pk").values_list("pk", flat=True)[:limit])
    return Notice.objects.filter(pk__in=found).delete()[0]


def forget_lists(*, now: datetime, limit: int) -> int:
    """Delete lists that were uploaded and never imported, with their addresses."""
    before = now - timedelta(days=ListImport.KEPT_DAYS)
    left = ListImport.objects.filter(state=ListImport.State.DRAFT, at__lte=before).order_by("pk")[:limit]
    return ListImport.objects.filter(pk__in=list(left.values_list("pk", flat=True))).delete()[0]
