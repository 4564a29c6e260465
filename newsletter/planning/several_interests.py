"""Readers who keep several interests apart -> one digest of all of them, in sections.

In: an edition's plan, readers and their interests that are switched on. Out: picks as everybody's, each with the key of
the interest that it came by, or 0. Every interest is chosen for like a reader of its own, within its places and without
what the others before it took; the places left go to the ranking as a whole, by all that the reader says. The queries
do not grow with the readers, and none is made where nobody keeps interests apart.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, Self

import numpy as np

from newsletter.interests.load_profiles import Opinion, ReaderProfiles, Relevance, liked_by, opinions_by_interest
from newsletter.interests.select import Candidates, SelectionRules, StoredPicks
from newsletter.planning.followed_picks import LANE as FOLLOWED
from newsletter.planning.followed_picks import FollowedItems
from newsletter.planning.lead_story import LeadStory
from newsletter.planning.readers_due import Due
from newsletter.planning.record_also_new import Had
from subscriptions.in_long_list_lookup import Keys
from subscriptions.models import Follow, Interest, InterestTopic, Subscriber, TopicPreference

BEYOND = 0  # what a pick names that came by no interest
REST_EXTRAS = 0.5  # of the places left may go to extras; with those that the sections took it is no more than elsewhere

_RANK = {
    stance.value: rank
    for rank, stance in enumerate(
        (TopicPreference.Stance.MUTE, TopicPreference.Stance.FOLLOW, TopicPreference.Stance.MORE)
    )
}


class Plan(Protocol):
    """Interface of `reader_picks.EditionPlan`, as far as choosing needs it."""

    item_ids: list[int]
    topic_column: dict[int, int]
    candidates: Candidates
    profiles: ReaderProfiles
    followed: FollowedItems
    lead: LeadStory | None

    @property
    def liked_papers(self) -> Collection[int]: ...

    def under(self, rules: SelectionRules) -> Self: ...

    def had_by(self, readers: Sequence[Due], *, before: datetime | None = None) -> Had: ...

    def choose_ranked(
        self,
        readers: Sequence[Due],
        preferences: Iterable[tuple[int, int, str]],
        *,
        seen: Mapping[int, Sequence[int]],
        profiles: Relevance,
        liked: Iterable[tuple[int, int]],
        follows: Iterable[tuple[int, str, str]],
    ) -> list[StoredPicks]: ...

    def also_of(
        self,
        readers: Sequence[Due],
        preferences: Iterable[tuple[int, int, str]],
        *,
        had: Had,
        follows: Iterable[tuple[int, str, str]],
    ) -> list[str]: ...


@dataclass(slots=True)
class Part:
    """One interest of one reader: how many papers it may have, and what it says."""

    interest: Interest
    places: int
    stances: dict[int, str] = field(default_factory=dict)  # topic -> stance
    follows: dict[str, str] = field(default_factory=dict)  # key of the query -> stance

    @property
    def wanted(self) -> dict[int, str]:
        return {topic: stance for topic, stance in self.stances.items() if _RANK[stance]}

    @property
    def muted(self) -> set[int]:
        return self.stances.keys() - self.wanted.keys()


def interests_of(readers: Sequence[Due]) -> dict[int, list[Interest]]:
    """Return reader -> the interests switched on, in order; only of readers who keep several apart."""
    rows = Interest.objects.filter(subscriber__any_of=Keys(reader.pk for reader in readers), is_on=True)
    found: dict[int, list[Interest]] = defaultdict(list)
    for row in rows.order_by("subscriber_id", "position", "pk"):
        found[row.subscriber_id].append(row)
    return dict(found)


def places_of(interests: Sequence[Interest], *, limit: int, extras: float) -> list[int]:
    """How many papers of a digest of ``limit`` each of a reader's interests may have, one at least while there is room.

    Those without a share have equal parts of what the others leave, but for the part ``extras`` that every digest keeps
    for editor's picks and papers from outside. Shares of more papers than there are shrink alike.
    """
    shares = [
        one.share and (one.share if one.unit == Interest.Unit.PAPERS else one.share * limit / 100) for one in interests
    ]
    stated = sum(share for share in shares if share)
    equal = max(0.0, limit - stated) * (1 - extras) / max(1, shares.count(None))
    shrink = min(1.0, limit / stated) if stated else 1.0
    places: list[int] = []
    for share in shares:
        exact = share * shrink if share else equal
        places.append(min(limit - sum(places), max(1, int(exact + 1e-9))))
    return places


def choose_apart(
    plan: Plan,
    readers: Sequence[Due],
    interests: Mapping[int, Sequence[Interest]],
    *,
    rules: SelectionRules,
    before: datetime | None,
) -> list[StoredPicks]:
    """Each reader's picks as JSON, in the order of the readers: [item, lane, reason, interest], section by section."""
    had = plan.had_by(readers, before=before)
    parts = _parts(readers, interests, extras=rules.extras_share)
    if plan.lead is None:
        return _choose_sections(plan, readers, parts, rules=rules, had=had)
    said = [(pk, *stance) for pk in parts for stance in _joined([part.stances for part in parts[pk]])]
    barred = plan.lead.barred(said, had.columns)

    def choose(shorter: Sequence[Due]) -> list[StoredPicks]:
        for reader in shorter:
            places = places_of(interests[reader.pk], limit=reader.max_papers, extras=rules.extras_share)
            for part, number in zip(parts[reader.pk], places, strict=True):
                part.places = number
        return _choose_sections(plan, shorter, parts, rules=rules, had=had)

    return plan.lead.choose_behind(readers, barred=barred, choose=choose)


def _choose_sections(
    plan: Plan, readers: Sequence[Due], parts: Mapping[int, Sequence[Part]], *, rules: SelectionRules, had: Had
) -> list[StoredPicks]:
    chooser = _Chooser(plan, readers, parts, seen=had.columns)
    sections = plan.under(replace(rules, extras_share=0.0))
    opinions = opinions_by_interest([reader.pk for reader in readers])
    for turn in range(max(map(len, parts.values()))):
        chooser.choose_for_interests(sections, turn, opinions)
    chooser.choose_the_rest(plan.under(replace(rules, extras_share=rules.extras_share and REST_EXTRAS)))
    return chooser.stored(until=had.until)


class _Chooser:
    """Papers that the readers of one chunk have been given so far."""

    def __init__(
        self,
        plan: Plan,
        readers: Sequence[Due],
        parts: Mapping[int, Sequence[Part]],
        *,
        seen: Mapping[int, Sequence[int]],
    ) -> None:
        self._plan, self._readers, self._parts = plan, readers, parts
        self._seen = {reader.pk: list(seen.get(reader.pk, ())) for reader in readers}
        self._column_of = {item: column for column, item in enumerate(plan.item_ids)}
        self._given: dict[int, dict[int, list[list[Any]]]] = defaultdict(lambda: defaultdict(list))
        self._liked = list(liked_by([reader.pk for reader in readers], among=plan.liked_papers))

    def choose_for_interests(self, plan: Plan, turn: int, opinions: Mapping[tuple[int, int | None], Opinion]) -> None:
        """Choose for the interest of every reader whose turn it is."""
        part_of = {pk: parts[turn] for pk, parts in self._parts.items() if len(parts) > turn}
        send = Subscriber.ThinPolicy.SEND.value
        dues = [
            reader._replace(max_papers=part_of[reader.pk].places, thin_policy=send, wants_outside=False)
            for reader in self._readers
            if reader.pk in part_of
        ]
        known = {pk: opinions.get((pk, _row_of(part.interest)), Opinion({}, {})) for pk, part in part_of.items()}
        profiles = plan.profiles.of_opinions([due.pk for due in dues], known)
        picks = self._picks(plan, dues, {pk: [part] for pk, part in part_of.items()}, profiles)
        for row, due in enumerate(dues):
            part = part_of[due.pk]
            says_something = bool(part.wanted) or (profiles[1] is not None and profiles[1][row] > 0)
            for pick in picks[row]:
                if says_something or pick[1] == FOLLOWED:
                    self._give(due.pk, pick, to=part.interest.pk)

    def choose_the_rest(self, plan: Plan) -> None:
        """Give the places that are left to what ranks highest by all interests together, and to the extras."""
        left = {reader.pk: reader.max_papers - self._count(reader.pk) for reader in self._readers}
        dues = [reader._replace(max_papers=left[reader.pk]) for reader in self._readers if left[reader.pk] > 0]
        profiles = plan.profiles.of([due.pk for due in dues])
        for due, picks in zip(dues, self._picks(plan, dues, self._parts, profiles), strict=True):
            for pick in picks:
                self._give(
                    due.pk, pick, to=section_of(self._plan, self._parts[due.pk], pick, column=self._column_of[pick[0]])
                )

    def stored(self, *, until: Mapping[int, datetime]) -> list[StoredPicks]:
        stances = [
            (pk, *stance) for pk, parts in self._parts.items() for stance in _joined([part.stances for part in parts])
        ]
        follows = [
            (pk, *query) for pk, parts in self._parts.items() for part in parts for query in part.follows.items()
        ]
        also = self._plan.also_of(self._readers, stances, had=Had(self._seen, until), follows=follows)
        return [self._stored(reader.pk, record) for reader, record in zip(self._readers, also, strict=True)]

    def _stored(self, reader: int, also: str) -> StoredPicks:
        given = self._given[reader]
        order = [*(part.interest.pk for part in self._parts[reader]), BEYOND]
        picks = [[*pick, key] for key in order for pick in given.get(key, ())]
        return StoredPicks(json.dumps(picks), len(picks), also)

    def _picks(
        self, plan: Plan, dues: Sequence[Due], parts: Mapping[int, Sequence[Part]], profiles: Relevance
    ) -> list[list[list[Any]]]:
        pks = {due.pk for due in dues}
        chosen = plan.choose_ranked(
            dues,
            [(pk, *stance) for pk in pks for stance in _joined([part.stances for part in parts[pk]])],
            seen=self._seen,
            profiles=profiles,
            liked=[(reader, paper) for reader, paper in self._liked if reader in pks],
            follows=[(pk, *query) for pk in pks for part in parts[pk] for query in part.follows.items()],
        )
        return [json.loads(stored.json) for stored in chosen]

    def _give(self, reader: int, pick: list[Any], *, to: int) -> None:
        self._given[reader][to].append(pick)
        self._seen[reader].append(self._column_of[pick[0]])

    def _count(self, reader: int) -> int:
        return sum(map(len, self._given[reader].values()))


def section_of(plan: Plan, parts: Sequence[Part], pick: Sequence[Any], *, column: int) -> int:
    """The interest whose query found the paper, or whose topics it is on most; none for extras."""
    _item, lane, reason = pick
    if lane == FOLLOWED:
        key = plan.followed.key_of(reason)
        return next(part.interest.pk for part in parts if part.follows.get(key) == Follow.Stance.FOLLOW)
    if lane != "for_you":
        return BEYOND
    fit, primary = plan.candidates.topics[column], int(plan.candidates.primary[column])
    close = [
        max((float(fit[plan.topic_column[topic]]) for topic in part.wanted), default=0.0)
        if not any(plan.topic_column[topic] == primary for topic in part.muted)
        else 0.0
        for part in parts
    ]
    best = int(np.argmax(close))
    return parts[best].interest.pk if close[best] > 0 else BEYOND


def parts_of(reader: Due, interests: Sequence[Interest], *, extras: float) -> list[Part]:
    """The interests of one reader, with their places in a digest and what they say."""
    return _parts([reader], {reader.pk: interests}, extras=extras)[reader.pk]


def said_together(parts: Sequence[Part]) -> tuple[list[tuple[int, str]], list[tuple[str, str]]]:
    """Topics and queries, each with its stance, of all these interests of one reader."""
    return _joined([part.stances for part in parts]), [query for part in parts for query in part.follows.items()]


def _row_of(interest: Interest) -> int | None:
    """Return the key by which verdicts, follows and library entries name this interest; None for the first."""
    return None if interest.is_first else interest.pk


def _joined(stances: Sequence[Mapping[int, str]]) -> list[tuple[int, str]]:
    """Join the stances of several interests: a topic muted for one and followed for another is not muted."""
    found: dict[int, str] = {}
    for each in stances:
        for topic, stance in each.items():
            if _RANK[stance] >= _RANK[found.get(topic, stance)]:
                found[topic] = stance
    return list(found.items())


def _parts(
    readers: Sequence[Due], interests: Mapping[int, Sequence[Interest]], *, extras: float
) -> dict[int, list[Part]]:
    found = {
        reader.pk: [
            Part(one, places)
            for one, places in zip(
                interests[reader.pk],
                places_of(interests[reader.pk], limit=reader.max_papers, extras=extras),
                strict=True,
            )
        ]
        for reader in readers
    }
    by_row = {(pk, _row_of(part.interest)): part for pk, parts in found.items() for part in parts}
    for reader, topic, stance in TopicPreference.objects.filter(subscriber__any_of=Keys(found)).values_list(
        "subscriber_id", "topic_id", "stance"
    ):
        if part := by_row.get((reader, None)):
            part.stances[topic] = stance
    named = InterestTopic.objects.filter(interest__any_of=Keys(key for _reader, key in by_row if key))
    for reader, interest, topic, stance in named.values_list(
        "interest__subscriber_id", "interest_id", "topic_id", "stance"
    ):
        by_row[reader, interest].stances[topic] = stance
    follows = Follow.objects.filter(subscriber__any_of=Keys(found)).order_by("pk")
    for reader, interest, key, stance in follows.values_list("subscriber_id", "interest_id", "key", "stance"):
        if part := by_row.get((reader, interest)):
            part.follows[key] = stance
    return found
