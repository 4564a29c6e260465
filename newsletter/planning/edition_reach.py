"""What an edition would bring whom if it were planned now: how many readers get each paper, and how many get nothing.

In: an edition and the readers who are to get it. Out: counts, worked out by the planner itself. Writes nothing. Of a
draft, what followed queries find is not known yet: it is looked for at the freeze.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import islice
from statistics import median_low

from django.conf import settings

from newsletter.editions.lifecycle import closing_of
from newsletter.models import Edition
from newsletter.planning.delivery_rows import skip_reason
from newsletter.planning.reader_picks import EditionPlan
from newsletter.planning.readers_due import CHUNK, Due, without_delivery
from subscriptions.models import Subscriber

SAMPLE = 5_000  # readers; half a second of the planner's work


@dataclass
class Reach:
    """Counts of readers. With ``asked`` below ``readers`` the others are of a sample that large."""

    readers: int  # who are to get the edition and have not had it
    asked: int = 0
    digests: int = 0
    nothing: Counter[str] = field(default_factory=Counter)  # by Delivery.Skip
    firsts: dict[int, int] = field(default_factory=dict)  # reader -> the item that comes first
    _places: dict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, reader: int, picks: str) -> None:
        self.digests += 1
        for place, (item, *_why) in enumerate(json.loads(picks), start=1):
            self._places[item][place] += 1
            self.firsts.setdefault(reader, item)

    def of(self, item: int) -> int:
        """Return how many readers get this item."""
        return self._places[item].total() if item in self._places else 0

    def first(self, item: int) -> int:
        """Return for how many readers the item comes first, which names the subject of their mail."""
        return self._places[item][1] if item in self._places else 0

    def usual_place(self, item: int) -> int:
        """Return the place that the item usually has in a digest; 0 when nobody gets it."""
        return median_low(self._places[item].elements()) if item in self._places else 0


def reach_of(edition: Edition, *, most: int = SAMPLE) -> Reach:
    """Count whom the edition would reach as it stands; of more than ``most`` readers, a sample of that many.

    The sample is by the hash of the address, so it is the same each time and has every kind of reader.
    """
    waiting = without_delivery(Subscriber.objects.mailable().filter(next_due_at__lt=closing_of(edition)), edition)
    reach = Reach(readers=waiting.count())
    rows = iter(waiting.order_by("address_hash", "pk").values_list(*Due._fields)[:most])
    plan, fewest = EditionPlan(edition), max(1, settings.DIGEST_MIN_PAPERS)
    while readers := [Due._make(row) for row in islice(rows, CHUNK)]:
        reach.asked += len(readers)
        for reader, picks in zip(readers, plan.choose(readers), strict=True):
            lines = plan.also.count(picks.also) if picks.papers < fewest else 0
            if why := skip_reason(reader, picks.papers, lines=lines, fewest=fewest):
                reach.nothing[why] += 1
            else:
                reach.add(reader.pk, picks.json)
    return reach
