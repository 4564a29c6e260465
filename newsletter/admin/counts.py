"""Numbers of the desk, asked once for all rows of a page: deliveries of editions by state, readers of a cadence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.core.cache import cache
from django.db.models import Count

from newsletter.models import Delivery, Edition
from subscriptions.models import Subscriber

READERS_SECONDS = 60


def counts_of(editions: Iterable[Edition]) -> dict[int, dict[str, int]]:
    """Edition -> state -> deliveries, in one query."""
    found: dict[int, dict[str, int]] = defaultdict(dict)
    rows = Delivery.objects.filter(edition__in=[edition.pk for edition in editions]).order_by()
    for edition, state, number in (
        rows.values("edition", "state").annotate(number=Count("pk")).values_list("edition", "state", "number")
    ):
        found[edition][state] = number
    return found


def readers_of(cadence: str) -> int:
    """How many readers may be mailed in this cadence, as of a minute ago."""

    def count() -> int:
        return Subscriber.objects.mailable().filter(cadence=cadence).count()

    return int(cache.get_or_set(f"desk-readers-{cadence}", count, READERS_SECONDS) or 0)
