"""Counts for admin pages, one query for all rows of a page: deliveries by state, readers of a cadence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, F

from newsletter.models import Click, Delivery, Edition
from subscriptions.models import Subscriber

READERS_SECONDS = 60
ENOUGH_READERS = 5  # with fewer, a sum would reveal what one of them reads


def counts_of(editions: Iterable[Edition]) -> dict[int, dict[str, int]]:
    """Return the number of deliveries by edition key and state, in one query."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    rows = Delivery.objects.filter(edition__in=[edition.pk for edition in editions]).order_by()
    for edition, state, number in (
        rows.values("edition", "state").annotate(number=Count("pk")).values_list("edition", "state", "number")
    ):
        found[edition][state] = number
    return found


def readers_of(cadence: str) -> int:
    """Return how many readers of this cadence may be mailed; cached for a minute."""

    def count() -> int:
        return Subscriber.objects.mailable().filter(cadence=cadence).count()

    return int(cache.get_or_set(f"desk-readers-{cadence}", count, READERS_SECONDS) or 0)


def openings_of(edition: Edition) -> dict[int, int] | None:
    """Return how many readers opened each item; None when too few recipients agreed to be counted."""
    if not settings.CLICK_TRACKING:
        return None
    sent = Delivery.objects.filter(edition=edition, state=Delivery.State.SENT)
    if sent.filter(subscriber__clicks_agreed_at__lte=F("sent_at"))[:ENOUGH_READERS].count() < ENOUGH_READERS:
        return None
    clicks = Click.objects.counted().filter(delivery__edition=edition).order_by()
    return dict(
        clicks.values("item").annotate(readers=Count("subscriber", distinct=True)).values_list("item", "readers")
    )
