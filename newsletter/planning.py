"""Frozen edition and the readers who are due -> Delivery rows with the papers chosen for each and when to send them.

In: subscribers whose next digest is due, the newest open edition of their cadence. Out: one Delivery per reader and
edition, and the reader's next due instant moved on, in the same transaction. May run twice and at once: readers are
locked chunk by chunk, and the database allows one delivery per edition and reader and one digest per local day.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from newsletter import matching
from newsletter.models import Delivery, Edition, EditionItem, PaperTopic
from subscriptions import schedule
from subscriptions.models import EVERY_DAY, Subscriber, Topic, TopicPreference

PLAN_AHEAD = timedelta(minutes=10)  # digests are chosen this long before they are due
CHUNK = 2000
THIN_DIGEST = 3  # fewer papers than this is what "skip", "hold" and "widen" are about
GRACE = {
    Subscriber.Cadence.DAILY: timedelta(hours=settings.DELIVERY_GRACE_HOURS),
    Subscriber.Cadence.WEEKLY: timedelta(hours=max(24, settings.DELIVERY_GRACE_HOURS)),
    Subscriber.Cadence.MONTHLY: timedelta(hours=max(48, settings.DELIVERY_GRACE_HOURS)),
}


class Due(NamedTuple):
    """What planning needs to know of one reader."""

    pk: int
    next_due_at: datetime
    cadence: str
    weekdays: int
    hour: int
    time_zone: str
    max_papers: int
    wants_outside: bool
    thin_policy: str
    domain: str


@dataclass(frozen=True, slots=True)
class Slot:
    """When one reader's digest is for."""

    local_on: date
    due_at: datetime
    not_before: datetime
    expires_at: datetime


@dataclass
class Planned:
    """What one run of planning did."""

    queued: int = 0
    skipped: int = 0
    missed: int = 0

    @property
    def readers(self) -> int:
        return self.queued + self.skipped


class EditionPlan:
    """One edition's candidates, loaded once and used for every chunk of readers."""

    def __init__(self, edition: Edition) -> None:
        self.edition = edition
        self.topics = list(Topic.objects.order_by("pk").values_list("pk", "slug"))
        self.topic_column = {pk: column for column, (pk, _) in enumerate(self.topics)}
        items = list(
            edition.items.exclude(standing=EditionItem.Standing.EXCLUDED)
            .order_by("position", "pk")
            .values_list("pk", "paper_id", "score", "lane", "standing")
        )
        self.column_of_paper = {paper: column for column, (_, paper, *_rest) in enumerate(items)}
        fit = np.zeros((len(items), len(self.topics)), dtype=np.float32)
        primary = np.full(len(items), -1, dtype=np.int16)
        for paper, topic, score, is_primary in PaperTopic.objects.filter(
            paper__in=self.column_of_paper, is_assigned=True
        ).values_list("paper_id", "topic_id", "score", "is_primary"):
            fit[self.column_of_paper[paper], self.topic_column[topic]] = score
            if is_primary:
                primary[self.column_of_paper[paper]] = self.topic_column[topic]
        self.candidates = matching.Candidates(
            item_ids=np.array([pk for pk, *_ in items], dtype=np.int64),
            paper_ids=np.array([paper for _, paper, *_ in items], dtype=np.int64),
            trend=matching.trend_scale(np.array([score for _, _, score, *_ in items], dtype=np.float64)),
            topics=fit,
            primary=primary,
            picks=np.array([lane == EditionItem.Lane.PICK for *_, lane, _ in items], dtype=bool),
        )
        self._earlier = self._earlier_items()

    def _earlier_items(self) -> dict[int, dict[int, int]]:
        """Edition -> item -> our candidate column, for every earlier edition that shares a paper with this one.

        Papers merged since count as the paper they became: v1, v2 and a duplicate are one paper (never twice).
        """
        earlier: dict[int, dict[int, int]] = defaultdict(dict)
        shared = EditionItem.objects.exclude(edition=self.edition)
        for condition in ({"paper__in": self.column_of_paper}, {"paper__merged_into__in": self.column_of_paper}):
            for edition, item, paper, merged_into in shared.filter(**condition).values_list(
                "edition_id", "pk", "paper_id", "paper__merged_into_id"
            ):
                column = self.column_of_paper.get(paper)
                if column is None and merged_into is not None:
                    column = self.column_of_paper[merged_into]
                if column is not None:
                    earlier[edition][item] = column
        return earlier

    def seen_by(self, readers: Sequence[int]) -> dict[int, list[int]]:
        """Reader -> candidate columns they had before, in any edition of any cadence."""
        seen: dict[int, list[int]] = defaultdict(list)
        if not self._earlier:
            return seen
        rows = (
            Delivery.objects.remembered()
            .filter(subscriber__in=readers, edition__in=list(self._earlier))
            .values_list("subscriber_id", "edition_id", "picks")
        )
        for reader, edition, picks in rows.iterator(chunk_size=CHUNK):
            columns = self._earlier[edition]
            seen[reader].extend(columns[item] for item, *_ in picks if item in columns)
        return seen

    def choose(self, readers: Sequence[Due]) -> Iterator[list[list[Any]]]:
        """Each reader's picks, in the order of the readers: ordered [item id, lane, reason]."""
        preferences = TopicPreference.objects.filter(subscriber__in=[reader.pk for reader in readers])
        return self.choose_by(
            readers,
            preferences.values_list("subscriber_id", "topic_id", "stance"),
            seen=self.seen_by([reader.pk for reader in readers]),
        )

    def choose_by(
        self, readers: Sequence[Due], preferences: Iterable[tuple[int, int, str]], *, seen: Mapping[int, Sequence[int]]
    ) -> Iterator[list[list[Any]]]:
        """The same from values: (reader, topic, stance) triples, and per reader the candidate columns they had."""
        row_of = {reader.pk: row for row, reader in enumerate(readers)}
        weights = np.zeros((len(readers), len(self.topics)), dtype=np.float32)
        mutes = np.zeros((len(readers), len(self.topics)), dtype=bool)
        for reader, topic, stance in preferences:
            if stance == TopicPreference.Stance.MUTE:
                mutes[row_of[reader], self.topic_column[topic]] = True
            else:
                weights[row_of[reader], self.topic_column[topic]] = 2 if stance == TopicPreference.Stance.MORE else 1
        lists = [seen.get(reader.pk, ()) for reader in readers]
        block = matching.Readers(
            weights=weights,
            mutes=mutes,
            limits=np.array([reader.max_papers for reader in readers], dtype=np.int16),
            outside=np.array([reader.wants_outside for reader in readers], dtype=bool),
            relevance=None,
            blend=None,
            seen_indptr=np.cumsum([0, *map(len, lists)], dtype=np.int64),
            seen_indices=np.array([column for columns in lists for column in columns], dtype=np.int64),
            widen=np.array([reader.thin_policy == Subscriber.ThinPolicy.WIDEN for reader in readers], dtype=bool),
        )
        chosen = matching.choose(self.candidates, block, matching.Rules())
        return matching.picks_of(chosen, self.candidates, [slug for _, slug in self.topics])


def picks_for(edition: Edition, *, follows: Collection[str], mutes: Collection[str], limit: int) -> list[list[Any]]:
    """What a made-up reader with these topic slugs would get of an edition. For previews; writes nothing."""
    plan = EditionPlan(edition)
    someone = Due(0, edition.cutoff_at, edition.cadence, EVERY_DAY, 8, "UTC", limit, True, "send", "")
    stances = [(0, pk, "follow") for pk, slug in plan.topics if slug in follows]
    stances += [(0, pk, "mute") for pk, slug in plan.topics if slug in mutes]
    return next(iter(plan.choose_by([someone], stances, seen={})))


def plan_due(
    *, now: datetime, deadline: datetime | None = None, clock: Callable[[], datetime] = timezone.now
) -> Planned:
    """Plan every reader who is due, chunk by chunk, until none is left or the deadline passes."""
    done = Planned()
    for cadence in Subscriber.Cadence.values:
        edition = (
            Edition.objects.sendable()
            .filter(cadence=cadence, frozen_at__lte=now, closes_at__gt=now)
            .order_by("-period_on")
            .first()
        )
        if edition:
            plan = EditionPlan(edition)
            while plan_chunk(plan, now=now, done=done):
                if deadline and clock() >= deadline:
                    return done
        done.missed += skip_missed(cadence, now=now)
    return done


def plan_chunk(plan: EditionPlan, *, now: datetime, done: Planned) -> bool:
    """Plan one chunk of due readers. False when none was left."""
    with transaction.atomic():
        readers = _lock_due(plan.edition, now=now)
        if not readers:
            return False
        _store(plan, readers, [_slot_of(reader, plan.edition, now) for reader in readers], done=done)
        _advance(readers, now=now)
        Edition.objects.filter(pk=plan.edition.pk, state=Edition.State.FROZEN).update(state=Edition.State.SENDING)
    return True


def plan_now(edition: Edition, *, now: datetime) -> Planned:
    """A curator's "send now": every mailable reader of the cadence gets this edition at once, whatever their hour."""
    plan = EditionPlan(edition)
    done = Planned()
    while True:
        with transaction.atomic():
            readers = _lock(_without_delivery(Subscriber.objects.mailable(), edition))
            if not readers:
                return done
            slot = Slot(edition.period_on, now, now, now + GRACE[Subscriber.Cadence(edition.cadence)])
            _store(plan, readers, [slot] * len(readers), done=done)
            Edition.objects.filter(pk=edition.pk, state=Edition.State.FROZEN).update(state=Edition.State.SENDING)


def skip_missed(cadence: str, *, now: datetime) -> int:
    """Move on the readers whose hour passed longer ago than the grace: however many were missed, the next is one."""
    missed = 0
    while True:
        with transaction.atomic():
            late = Subscriber.objects.mailable().filter(
                cadence=cadence, next_due_at__lt=now - GRACE[Subscriber.Cadence(cadence)]
            )
            readers = _lock(late)
            if not readers:
                return missed
            _advance(readers, now=now)
            missed += len(readers)


def _lock_due(edition: Edition, *, now: datetime) -> list[Due]:
    oldest = now - GRACE[Subscriber.Cadence(edition.cadence)]
    due = Subscriber.objects.due(now + PLAN_AHEAD).filter(next_due_at__gte=oldest)
    return _lock(_without_delivery(due, edition))


def _without_delivery(readers: QuerySet[Subscriber], edition: Edition) -> QuerySet[Subscriber]:
    had = Delivery.objects.filter(edition=edition, subscriber=OuterRef("pk"))
    return readers.filter(cadence=edition.cadence).exclude(Exists(had))


def _lock(readers: QuerySet[Subscriber]) -> list[Due]:
    rows = readers.order_by("next_due_at", "pk").select_for_update(skip_locked=True, of=("self",))
    return [Due(*row) for row in rows.values_list(*Due._fields)[:CHUNK]]


def _slot_of(reader: Due, edition: Edition, now: datetime) -> Slot:
    due_at = reader.next_due_at
    jitter = _jitter(reader.pk, settings.SEND_JITTER_SECONDS)
    grace = GRACE[Subscriber.Cadence(edition.cadence)]
    return Slot(
        local_on=schedule.local_day(due_at, reader.time_zone),
        due_at=due_at,
        not_before=due_at + jitter,
        expires_at=max(due_at, now) + grace,
    )


def _jitter(reader: int, seconds: int) -> timedelta:
    """The same for a reader every day, spread evenly over readers: 08:00 is not one spike (SC11)."""
    if not seconds:
        return timedelta(0)
    spread = int.from_bytes(hashlib.blake2b(reader.to_bytes(8), digest_size=4).digest())
    return timedelta(seconds=spread % seconds)


def _store(plan: EditionPlan, readers: Sequence[Due], slots: Sequence[Slot], *, done: Planned) -> None:
    rows = []
    for reader, slot, picks in zip(readers, slots, plan.choose(readers), strict=True):
        reason = _skip_reason(reader, picks)
        rows.append(
            Delivery(
                edition=plan.edition,
                subscriber_id=reader.pk,
                state=Delivery.State.SKIPPED if reason else Delivery.State.QUEUED,
                skip_reason=reason,
                local_on=slot.local_on,
                due_at=slot.due_at,
                not_before=None if reason else slot.not_before,
                expires_at=slot.expires_at,
                domain=reader.domain,
                picks=picks,
            )
        )
        if reason:
            done.skipped += 1
        else:
            done.queued += 1
    Delivery.objects.bulk_create(rows, ignore_conflicts=True)


def _skip_reason(reader: Due, picks: Sequence[Any]) -> str:
    if len(picks) < max(1, settings.DIGEST_MIN_PAPERS):
        return Delivery.Skip.EMPTY
    thin = len(picks) < min(THIN_DIGEST, reader.max_papers)
    if thin and reader.thin_policy in {Subscriber.ThinPolicy.SKIP, Subscriber.ThinPolicy.HOLD}:
        return Delivery.Skip.THIN
    return ""


def _advance(readers: Sequence[Due], *, now: datetime) -> None:
    """Move each reader's next due instant past this one. Readers of one rhythm share the sum and the UPDATE."""
    by_instant: dict[datetime, list[int]] = defaultdict(list)
    for reader in readers:
        after = max(reader.next_due_at, now)
        by_instant[_next_due(reader.cadence, reader.weekdays, reader.hour, reader.time_zone, after)].append(reader.pk)
    for instant, pks in by_instant.items():
        Subscriber.objects.filter(pk__in=pks).update(next_due_at=instant)


@lru_cache(maxsize=4096)
def _next_due(cadence: str, weekdays: int, hour: int, time_zone: str, after: datetime) -> datetime:
    return schedule.next_due(cadence=cadence, weekdays=weekdays & EVERY_DAY, hour=hour, zone=time_zone, after=after)
