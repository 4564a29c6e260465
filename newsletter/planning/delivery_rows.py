"""What was chosen for a chunk of readers -> their rows; a digest too thin for its reader is recorded as skipped.

In: readers, when each digest is for, the edition's plan. Out: Delivery rows written, and their count. Writing may race
with another planner: Raced is raised, the caller's transaction ends, and the next tick asks again who is left.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.conf import settings

from newsletter.interests.news_of_saved_papers import news_of
from newsletter.models import Delivery, Edition, Miss
from newsletter.planning.bulk_insert import Row, store
from newsletter.planning.no_digest import tell_why_none
from newsletter.planning.reader_picks import EditionPlan
from newsletter.planning.readers_due import Due, Slot
from subscriptions.models import CatchUp, Subscriber

THIN_DIGEST = 3  # papers; a digest with fewer is thin, and the reader's policy (skip, hold, widen) applies


@dataclass
class Planned:
    """Counts of one run of planning."""

    queued: int = 0
    skipped: int = 0
    missed: int = 0

    def add(self, more: Planned) -> None:
        self.queued += more.queued
        self.skipped += more.skipped
        self.missed += more.missed

    @property
    def readers(self) -> int:
        return self.queued + self.skipped


def rows_of(plan: EditionPlan, readers: Sequence[Due], slots: Sequence[Slot]) -> list[Row]:
    """Return a row for each of the readers, in their order."""
    rows = []
    fewest = max(1, settings.DIGEST_MIN_PAPERS)
    due_at = min((slot.due_at for slot in slots), default=plan.edition.cutoff_at)
    news = news_of(plan.edition, [reader.pk for reader in readers], due_at=due_at)
    for reader, slot, picks in zip(readers, slots, plan.choose(readers), strict=True):
        lines = plan.also.count(picks.also) if picks.papers < fewest else 0
        reason = skip_reason(reader, picks.papers, lines=lines, fewest=fewest)
        rows.append(
            Row(
                plan.edition.pk,
                reader.pk,
                Delivery.State.SKIPPED.value if reason else Delivery.State.QUEUED.value,
                reason,
                slot.local_on,
                slot.due_at,
                None if reason else slot.not_before,
                slot.expires_at,
                reader.domain,
                reader.address_hash,
                picks.json,
                json.dumps(news[reader.pk]) if reader.pk in news and not reason else "[]",
                picks.also,
            )
        )
    return rows


def write_rows(plan: EditionPlan, rows: Sequence[Row], *, now: datetime) -> Planned:
    """Write the rows of readers without a digest of that local day, and mark the edition as being sent."""
    stored = store(rows)
    if len(stored) < len(rows):
        written = {row.subscriber_id for row in stored}
        left_out = {row.subscriber_id: row.due_at for row in rows if row.subscriber_id not in written}
        note_misses(left_out, why=Miss.Why.DAY_TAKEN, now=now)
    Edition.objects.filter(pk=plan.edition.pk).begin()
    tell_why_none(plan, stored, now=now)
    _note_catch_ups(plan, stored)
    skipped = sum(1 for row in stored if row.skip_reason)
    return Planned(queued=len(stored) - skipped, skipped=skipped)


def _note_catch_ups(plan: EditionPlan, rows: Sequence[Row]) -> None:
    """Record with which digest each reader who was away catches up."""
    served: dict[date, list[int]] = defaultdict(list)
    for row in rows if plan.catch_ups else ():
        if row.subscriber_id in plan.catch_ups and not row.skip_reason:
            served[row.local_on].append(plan.catch_ups[row.subscriber_id].pk)
    for day, requests in served.items():
        CatchUp.objects.filter(pk__any_of=requests).update(local_on=day)


def note_misses(due_at: Mapping[int, datetime], *, why: Miss.Why, now: datetime) -> None:
    """Record that these readers got no digest at that hour, and why."""
    Miss.objects.bulk_create(Miss(subscriber_id=pk, due_at=at, why=why, at=now) for pk, at in due_at.items())


def skip_reason(reader: Due, papers: int, *, fewest: int, lines: int = 0) -> str:
    """Return why a digest of so many papers is not sent to this reader (a Delivery.Skip); empty when it is.

    It may be of ``lines`` alone, other new papers of the reader's topics, but for those who want no thin digest.
    """
    wants_no_thin = reader.thin_policy in {Subscriber.ThinPolicy.SKIP, Subscriber.ThinPolicy.HOLD}
    if papers + (0 if wants_no_thin else lines) < fewest:
        return Delivery.Skip.EMPTY.value
    thin = papers < min(THIN_DIGEST, reader.max_papers)
    return Delivery.Skip.THIN.value if thin and wants_no_thin else ""
