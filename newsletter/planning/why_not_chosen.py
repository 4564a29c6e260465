"""Why a paper is not in one reader's digest, and what the digest would be with another profile.

In: one reader and one edition. Out: a reason for each paper left out, or the papers that come and go. No rule of
selection stands here: the digest is chosen again by `select` itself, each time without one of its rules, and the rule
without which a paper is in it is the one that kept it out. Writes nothing that stays.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from functools import partial
from typing import NamedTuple

import numpy as np
from django.db import transaction
from django.db.models import Q

from newsletter.interests.select import SelectionRules
from newsletter.mail.assemble import MAX_PAPERS
from newsletter.models import Delivery, Edition, EditionItem, Paper
from newsletter.planning.reader_picks import RULES, EditionPlan
from newsletter.planning.readers_due import Due
from newsletter.planning.several_interests import (
    BEYOND,
    Part,
    choose_apart,
    interests_of,
    parts_of,
    said_together,
    section_of,
)
from subscriptions.models import Follow, Subscriber, TopicPreference

LONGER_APART = (1, 2, 3, 5, 8, 13, 21, 34)  # papers more than a digest in sections holds; each is chosen anew
_Stance = tuple[int, str]  # topic, stance
_Query = tuple[str, str]  # key, stance


class Why(Enum):
    """What kept a paper out of a digest."""

    WITHDRAWN = "withdrawn"
    HIDDEN = "hidden"
    EXCLUDED = "excluded"
    LATER = "later"
    EARLIER = "earlier"
    UNRANKED = "unranked"
    HAD = "had"
    UNWANTED = "unwanted"
    MUTED = "muted"
    OTHER_TOPIC = "other topic"
    INTEREST_FULL = "interest full"
    LEAD = "lead"
    EXTRAS = "extras"
    ALIKE = "alike"
    TOPIC_FULL = "topic full"
    SIZE = "size"
    LOW = "low"


class Reason(NamedTuple):
    """Why a paper was left out.

    ``papers``: where the digest's size is the reason, or the ``places`` of an ``interest`` in it, a length in which it
    would hold the paper; the least one for who keeps no interests apart.
    """

    why: Why
    papers: int = 0
    interest: str = ""
    places: int = 0


class Change(NamedTuple):
    """Items of an edition that another profile brings, and those it takes away."""

    enter: list[int]
    leave: list[int]


def due_of(reader: Subscriber) -> Due:
    """What planning knows of this reader."""
    return Due(*Subscriber.objects.values_list(*Due._fields).get(pk=reader.pk))


def last_digest(reader: Subscriber) -> Delivery | None:
    """The newest digest that was planned for the reader and not skipped."""
    rows = reader.deliveries.select_related("edition").exclude(state=Delivery.State.SKIPPED)
    return rows.order_by("-due_at", "-pk").first()


def last_chosen(reader: Subscriber) -> Delivery | None:
    """The newest digest that was planned for the reader, sent or too short to be."""
    too_short = Q(skip_reason__in=[Delivery.Skip.EMPTY, Delivery.Skip.THIN])
    rows = reader.deliveries.filter(~Q(state=Delivery.State.SKIPPED) | too_short)
    return rows.order_by("-due_at", "-pk").first()


def edition_for(reader: Subscriber) -> Edition | None:
    """The edition of the reader's last digest; before the first, the newest that went out."""
    if last := last_digest(reader):
        return last.edition
    return Edition.objects.filter(state__in=Edition.WENT_OUT).newest(reader.cadence)


def chosen(plan: EditionPlan, reader: Due, *, before: datetime | None) -> list[int]:
    """Items of the reader's digest as it would be chosen now, with the digests due ``before`` as had."""
    return _items(plan.choose([reader], before=before)[0].json)


def preview(plan: EditionPlan, reader: Due, apply: Callable[[], object], *, before: datetime | None) -> Change:
    """What changes in that digest when ``apply`` writes its rows; they are written, read and rolled back."""
    now = chosen(plan, reader, before=before)
    with transaction.atomic():
        apply()
        then = chosen(plan, reader, before=before)
        transaction.set_rollback(True)
    return Change(enter=[item for item in then if item not in now], leave=[item for item in now if item not in then])


def reasons_left_out(plan: EditionPlan, reader: Due, *, before: datetime | None) -> dict[int, Reason]:
    """Item -> why it is not in the reader's digest, for every paper of the edition that could be and is not."""
    counterfactual = _Counterfactual(plan, reader, before=before)
    return {
        item: counterfactual.reason(item, column=column)
        for column, item in enumerate(plan.item_ids)
        if item not in counterfactual.present
    }


def absence(edition: Edition, paper: Paper) -> Why:
    """Why a paper could be in nobody's digest of that edition."""
    item = edition.items.filter(paper=paper).first()
    if paper.withdrawn_at:
        return Why.WITHDRAWN
    if paper.is_hidden:
        return Why.HIDDEN
    if item and item.standing == EditionItem.Standing.EXCLUDED:
        return Why.EXCLUDED
    if paper.first_seen_at > edition.cutoff_at:
        return Why.LATER
    return Why.EARLIER if paper.first_seen_at <= edition.window_start_at else Why.UNRANKED


class _Counterfactual:
    """One reader's digest, chosen again without this rule or that."""

    def __init__(self, plan: EditionPlan, reader: Due, *, before: datetime | None) -> None:
        self._reader, self._before = reader, before
        self._seen = plan.had_by([reader], before=before).columns.get(reader.pk, [])
        self._profile = plan.profiles.of([reader.pk])
        self._interests = interests_of([reader]).get(reader.pk, [])
        self._parts = parts_of(reader, self._interests, extras=RULES.extras_share)
        rows, queries = said_together(self._parts) if self._parts else self._said(plan)
        mutes = [row for row in rows if row[1] == TopicPreference.Stance.MUTE]
        topics = [row for row in rows if row not in mutes]
        asked = [row for row in queries if row[1] == Follow.Stance.FOLLOW]
        every = max(1, len(plan.item_ids))
        lax = replace(RULES, mmr=1.0, extras_share=0.0, per_topic=every, depth=every, single_depth=every)
        anything = partial(self._choose, plan.under(lax), limit=every)
        self._by_ranking = anything([], asked)
        self._by_queries = anything([], queries)
        self._by_mutes = anything(mutes, asked)
        self._by_topics = anything(topics, asked)
        self._by_preferences = anything([*topics, *mutes], queries)
        deep = replace(RULES, per_topic=every, depth=every, single_depth=every)
        self._plan, self._section_sizes = plan, Counter[int]()
        if self._parts:
            usual, self.present = self._choose_apart, self._chosen_apart()
            self._longer = [min(reader.max_papers + more, MAX_PAPERS) for more in LONGER_APART]
            self._by_length = [usual(RULES, limit=limit) for limit in self._longer]
        else:
            usual = partial(self._choose_together, stances=[*topics, *mutes], queries=queries)
            self.present = usual(RULES)
            self._longer = list(range(reader.max_papers + 1, MAX_PAPERS + 1))
            self._by_length = self._choose_each(plan, [*topics, *mutes], queries, limits=self._longer)
        self._without_lead = usual(RULES, plan=plan.without_lead()) if plan.lead else self.present
        self._without_extras = usual(replace(RULES, extras_share=0.0))
        self._without_diversity = usual(replace(RULES, mmr=1.0))
        self._without_caps = usual(deep)

    def _said(self, plan: EditionPlan) -> tuple[list[_Stance], list[_Query]]:
        reader = self._reader.pk
        stances = TopicPreference.objects.filter(subscriber=reader).values_list("topic_id", "stance")
        return list(stances), [(key, stance) for _, key, stance in plan.followed.follows_of([reader])]

    def reason(self, item: int, *, column: int) -> Reason:
        if column in self._seen:
            return Reason(Why.HAD)
        for why, others in (
            (Why.UNRANKED, self._by_ranking),
            (Why.UNWANTED, self._by_queries),
            (Why.MUTED, self._by_mutes),
            (Why.OTHER_TOPIC, self._by_topics),
            (Why.MUTED, self._by_preferences),  # as its second topic, which outweighs the first
        ):
            if item not in others:
                return Reason(why)
        for why, others in (
            (Why.LEAD, self._without_lead),
            (Why.EXTRAS, self._without_extras),
            (Why.ALIKE, self._without_diversity),
            (Why.TOPIC_FULL, self._without_caps),
        ):
            if item in others:
                return Reason(why)
        long_enough = (papers for papers, items in zip(self._longer, self._by_length, strict=True) if item in items)
        papers = next(long_enough, 0)
        if full := self._full_section_of(item, column=column):
            return Reason(Why.INTEREST_FULL, papers, full.interest.name, full.places)
        return Reason(Why.SIZE, papers) if papers else Reason(Why.LOW)

    def _choose_together(
        self,
        rules: SelectionRules,
        *,
        stances: Sequence[_Stance],
        queries: Sequence[_Query],
        plan: EditionPlan | None = None,
    ) -> frozenset[int]:
        """The items of the digest by these rules, of a reader who keeps no interests apart."""
        return self._choose((plan or self._plan).under(rules), stances, queries)

    def _choose_apart(
        self, rules: SelectionRules, *, limit: int = 0, plan: EditionPlan | None = None
    ) -> frozenset[int]:
        """The items of the digest in sections by these rules, and of this length."""
        reader = self._reader._replace(max_papers=limit or self._reader.max_papers)
        interests = {reader.pk: self._interests}
        (stored,) = choose_apart(plan or self._plan, [reader], interests, rules=rules, before=self._before)
        return frozenset(_items(stored.json))

    def _chosen_apart(self) -> frozenset[int]:
        """The items of the digest in sections, whose sizes are kept."""
        picks = json.loads(self._plan.choose([self._reader], before=self._before)[0].json)
        self._section_sizes.update(key for *_pick, key in picks)
        return frozenset(item for item, *_rest in picks)

    def _full_section_of(self, item: int, *, column: int) -> Part | None:
        """The interest that the paper is for, where all its places went to others."""
        if column >= len(self._plan.candidates.item_ids):
            return None  # found by queries alone
        key = section_of(self._plan, self._parts, [item, "for_you", ""], column=column) if self._parts else BEYOND
        part = next((part for part in self._parts if part.interest.pk == key), None)
        return part if part and self._section_sizes[key] >= part.places else None

    def _choose(
        self, plan: EditionPlan, stances: Sequence[_Stance], queries: Sequence[_Query], *, limit: int = 0
    ) -> frozenset[int]:
        return self._choose_each(plan, stances, queries, limits=[limit or self._reader.max_papers])[0]

    def _choose_each(
        self, plan: EditionPlan, stances: Sequence[_Stance], queries: Sequence[_Query], *, limits: Sequence[int]
    ) -> list[frozenset[int]]:
        """The items of digests of these lengths."""
        rows = range(len(limits))
        relevance, trust = self._profile
        several = np.zeros(len(limits), dtype=np.int64)
        picks = plan.choose_by(
            [self._reader._replace(pk=row, max_papers=limit) for row, limit in enumerate(limits)],
            [(row, *stance) for row in rows for stance in stances],
            seen=dict.fromkeys(rows, self._seen),
            profiles=(None, None) if relevance is None or trust is None else (relevance[several], trust[several]),
            follows=[(row, *query) for row in rows for query in queries],
        )
        return [frozenset(_items(stored.json)) for stored in picks]


def _items(picks: str) -> list[int]:
    return [item for item, *_ in json.loads(picks)]
