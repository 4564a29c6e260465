"""Consent to counting the papers a reader opens from their mails; asked for separately from signing up.

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
    """Record the consent: opened papers count from now on. False: it was given before, or the reader gets no mail."""
    may_be_asked = Subscriber.objects.filter(state__in=ACTIVE, clicks_agreed_at__isnull=True)
    with transaction.atomic():
        if not may_be_asked.filter(pk=subscriber.pk).update(clicks_agreed_at=now):
            return False
        record(subscriber, ConsentEvent.Kind.COUNTED, now=now, method=method, origin=origin)
    return True


def withdraw(subscriber: Subscriber, *, now: datetime, method: str, origin: Origin) -> bool:
    """Take the consent back: nothing is counted from now on, old mails included. False: there was none."""
    agreeing = Subscriber.objects.filter(clicks_agreed_at__isnull=False)
    with transaction.atomic():
        if not agreeing.filter(pk=subscriber.pk).update(clicks_agreed_at=None):
            return False
        record(subscriber, ConsentEvent.Kind.UNCOUNTED, now=now, method=method, origin=origin)
    return True
