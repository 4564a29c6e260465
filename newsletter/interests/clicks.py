"""What readers who agreed to it opened from their mails.

In: a followed link of a delivery. Out: one Click row per delivery, paper and kind of link. May run twice.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, transaction

from newsletter.models import Click, Delivery, EditionItem
from subscriptions import lifecycle
from subscriptions.models import Subscriber

log = logging.getLogger(__name__)


def note_click(delivery: Delivery, *, item: EditionItem, kind: str, now: datetime) -> None:
    """Record that a reader who agrees to it now followed a link of a digest, each link once.

    A click sooner than a person reads (a mail scanner) is replaced by a later one.
    """
    agreeing = Subscriber.objects.filter(state__in=lifecycle.ACTIVE, clicks_agreed_at__isnull=False)
    if not settings.CLICK_TRACKING or not agreeing.filter(pk=delivery.subscriber_id).exists():
        return
    link = {"delivery": delivery, "item": item, "kind": kind}
    try:
        with transaction.atomic():
            row = Click(**link, subscriber_id=delivery.subscriber_id, at=now)
            Click.objects.bulk_create([row], ignore_conflicts=True)
            if delivery.sent_at and now >= delivery.sent_at + Click.TOO_SOON:
                Click.objects.filter(**link, at__lt=delivery.sent_at + Click.TOO_SOON).update(at=now)
    except DatabaseError:  # the reader gets to the paper anyway
        log.exception("A click of delivery %s is not counted", delivery.pk)
