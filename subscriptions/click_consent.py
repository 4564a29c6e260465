"""Whether papers that a reader opens from their mails may be counted: a consent of its own, asked for by itself.

In: a reader and their word. Out: the moment since when they agree, or none, and a line in the consent record. Saying it
twice changes and records it once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from subscriptions.lifecycle import ACTIVE, Origin, record
from subscriptions.models import ConsentEvent, Subscriber

if TYPE_CHECKING:
    from datetime import datetime


def agree(subscriber: Subscriber, *, now: datetime, method: str, origin: Origin) -> bool:
    """The reader lets opened papers be counted from now on. False when they did already, or get no mail."""
    may_be_asked = Subscriber.objects.filter(state__in=ACTIVE, clicks_agreed_at__isnull=True)
    with transaction.atomic():
        if not may_be_asked.filter(pk=subscriber.pk).update(clicks_agreed_at=now):
            return False
        record(subscriber, ConsentEvent.Kind.COUNTED, now=now, method=method, origin=origin)
    return True


def withdraw(subscriber: Subscriber, *, now: datetime, method: str, origin: Origin) -> bool:
    """… and does not any more: from this moment on nothing is counted, whatever links their old mails hold."""
    agreeing = Subscriber.objects.filter(clicks_agreed_at__isnull=False)
    with transaction.atomic():
        if not agreeing.filter(pk=subscriber.pk).update(clicks_agreed_at=None):
            return False
        record(subscriber, ConsentEvent.Kind.UNCOUNTED, now=now, method=method, origin=origin)
    return True
