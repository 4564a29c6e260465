"""The best papers of the time that readers were away, for those who asked to catch up.

In: an edition about to be frozen and the requests that wait. Out: `missed` items, which only these readers get; later,
whose requests the edition serves. Adding twice adds nothing new.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.db.models import Exists, Max, OuterRef, Q

from newsletter.models import Delivery, Edition, EditionItem, Paper
from subscriptions.models import CatchUp, Subscriber

PAPERS = 15  # of a digest that catches up; a reader whose digests are longer gets as many as always
PER_TOPIC = 15  # papers of one main topic that an edition holds of one pause
MOST = 600  # papers that one edition holds of all pauses


class Request(NamedTuple):
    """A waiting request and the pause it is about."""

    pk: int
    since: datetime
    until: datetime

    def covers(self, moment: datetime) -> bool:
        return self.since < moment <= self.until


def requests_of(edition: Edition, *, now: datetime) -> dict[int, Request]:
    """Map each reader to the request that the edition serves: made by ``now`` and served by no sent digest yet.

    One that this edition's digest serves already counts, so that it is chosen the same again.
    """
    sent = Delivery.objects.remembered().filter(subscriber=OuterRef("subscriber"), local_on=OuterRef("local_on"))
    rows = CatchUp.objects.filter(~Exists(sent) | Q(Exists(sent.filter(edition=edition))), asked_at__lte=now)
    rows = rows.filter(subscriber__cadence=edition.cadence, subscriber__state=Subscriber.State.CONFIRMED)
    found = rows.order_by("since").values_list("subscriber_id", "pk", "since", "until")
    return {reader: Request(pk, since, until) for reader, pk, since, until in found}


def add_missed(edition: Edition, *, now: datetime) -> None:
    """Add the best papers of the pauses that readers wait to catch up on as `missed` items."""
    pauses = {(request.since, request.until) for request in requests_of(edition, now=now).values()}
    if not pauses:
        return
    there = set(edition.items.values_list("paper_id", flat=True))
    best: dict[int, EditionItem] = {}
    for since, until in sorted(pauses, reverse=True):
        for item in _best(edition.cadence, since=since, until=until):
            if item.paper_id not in there and len(best) < MOST:
                best.setdefault(item.paper_id, item)
    last = edition.items.aggregate(last=Max("position"))["last"] or 0
    EditionItem.objects.bulk_create(
        EditionItem(
            edition=edition,
            paper_id=item.paper_id,
            position=place,
            lane=item.lane,
            standing=EditionItem.Standing.MISSED,
            score=item.score,
            parts=item.parts | {"missed": item.edition.cutoff_at.isoformat()},
            note=item.note,
        )
        for place, item in enumerate(best.values(), start=last + 1)
    )


def _best(cadence: str, *, since: datetime, until: datetime) -> Iterable[EditionItem]:
    """Items with the best papers of each topic in the editions of that time, each paper once."""
    had: set[int] = set()
    by_topic: Counter[str] = Counter()
    editions = Edition.objects.filter(
        cadence=cadence, state__in=Edition.WENT_OUT, cutoff_at__gt=since, cutoff_at__lte=until
    )
    items = EditionItem.objects.listed().filter(
        edition__in=editions, paper__in=Paper.objects.published().filter(withdrawn_at__isnull=True)
    )
    for item in items.select_related("edition").order_by("-score", "-pk").iterator():
        topic = item.parts.get("topic", "")
        if item.paper_id not in had and by_topic[topic] < PER_TOPIC:
            had.add(item.paper_id)
            by_topic[topic] += 1
            yield item
