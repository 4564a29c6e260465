"""Which papers of one frozen edition each reader gets, for a chunk of readers at a time.

In: an edition and readers. Out: ordered picks with the reason of each. Reads rows, writes none; the queries of a chunk
do not grow with its readers. The choosing itself is `interests.select`; the never-twice memory is the deliveries' own
rows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from datetime import datetime
from functools import cached_property, partial
from typing import Any, Self

import numpy as np

from newsletter.interests import select
from newsletter.interests.catch_ups import PAPERS as CATCH_UP_PAPERS
from newsletter.interests.catch_ups import Request, requests_of
from newsletter.interests.library import Entry
from newsletter.interests.library_entries import known_papers
from newsletter.interests.load_profiles import ReaderProfiles, Relevance, liked_by
from newsletter.interests.select.arrays import Bools, Floats
from newsletter.models import Delivery, Edition, EditionItem, PaperTopic
from newsletter.planning.followed_picks import NOTHING, FollowedItems
from newsletter.planning.lead_story import LeadStory
from newsletter.planning.readers_due import CHUNK, Due
from newsletter.planning.record_also_new import AlsoNew, Had
from newsletter.planning.several_interests import choose_apart, interests_of
from subscriptions.in_long_list_lookup import Keys
from subscriptions.models import EVERY_DAY, Interest, Subscriber, Topic, TopicPreference

RULES = select.SelectionRules()
_WANTED: dict[str, int] = {
    TopicPreference.Stance.FOLLOW: 1,
    TopicPreference.Stance.MORE: 2,
    TopicPreference.Stance.MUTE: -1,
}


class EditionPlan:
    """One edition's candidates, loaded once and used for every chunk of readers."""

    def __init__(self, edition: Edition, *, catch_ups: Mapping[int, Request] | None = None) -> None:
        """``catch_ups``: of the readers to plan for, who are catching up; nobody else may be planned for then."""
        self.edition = edition
        self._is_for_returned = catch_ups is not None
        self.catch_ups = (
            requests_of(edition, now=edition.frozen_at or edition.cutoff_at) if catch_ups is None else catch_ups
        )
        self.topics = list(Topic.objects.order_by("pk").values_list("pk", "slug"))
        self.topic_column = {pk: column for column, (pk, _) in enumerate(self.topics)}
        items = list(
            edition.items.exclude(standing=EditionItem.Standing.EXCLUDED)
            .with_cards()
            .exclude(standing__in=[] if self._is_for_returned else [EditionItem.Standing.MISSED])
            .exclude(paper__is_hidden=True)  # by a curator, or withdrawn by its authors, since the freeze
            .exclude(paper__withdrawn_at__gt=edition.frozen_at or edition.cutoff_at)
            .order_by("position", "pk")
            .values_list("pk", "paper_id", "score", "lane", "standing", "parts", "found_by")
        )
        # The curator's order counts: the best score goes to the first place, pinned papers first of all.
        items.sort(key=lambda item: (item[4] != EditionItem.Standing.PINNED, self._is_for_returned and -item[2]))
        # Papers merged since the freeze: two that became one are one candidate, the better placed.
        merged = edition.items.filter(paper__merged_into__isnull=False)
        self._became = dict(merged.values_list("paper_id", "paper__merged_into_id"))
        best = {self._became.get(paper, paper): pk for pk, paper, *_rest in reversed(items)}
        items = [item for item in items if best[self._became.get(item[1], item[1])] == item[0]]
        # The papers for followers alone take the columns behind the candidates, and the lead story: nobody ranks it.
        items.sort(key=_is_unranked)
        self.column_of_paper = {paper: column for column, (_, paper, *_rest) in enumerate(items)}
        fit = np.zeros((len(items), len(self.topics)), dtype=np.float32)
        primary = np.full(len(items), -1, dtype=np.int16)
        for paper, topic, score, is_primary in PaperTopic.objects.filter(
            paper__in=self.column_of_paper, is_assigned=True
        ).values_list("paper_id", "topic_id", "score", "is_primary"):
            fit[self.column_of_paper[paper], self.topic_column[topic]] = score
            if is_primary:
                primary[self.column_of_paper[paper]] = self.topic_column[topic]
        self.item_ids = [pk for pk, *_rest in items]
        found_by = [(item[0], () if item[3] == EditionItem.Lane.LEAD else item[6]) for item in items]
        self.followed = FollowedItems(found_by, primary=primary.tolist())
        leads = [column for column, item in enumerate(items) if item[3] == EditionItem.Lane.LEAD]
        self.lead = (
            LeadStory(self.item_ids[leads[0]], leads[0], self._topic_of(int(primary[leads[0]]))) if leads else None
        )
        items = [item for item in items if not _is_unranked(item)]
        self._missed = [
            (column, datetime.fromisoformat(item[5]["missed"]))
            for column, item in enumerate(items)
            if item[4] == EditionItem.Standing.MISSED
        ]
        scores = sorted((score for _, _, score, *_ in items), reverse=True)
        self.candidates = select.Candidates(
            item_ids=np.array([pk for pk, *_ in items], dtype=np.int64),
            trend=select.trend_scale(np.array(scores, dtype=np.float64)),
            topics=fit[: len(items)],
            primary=primary[: len(items)],
            picks=np.array([item[3] == EditionItem.Lane.PICK for item in items], dtype=bool),
        )
        self._shelf = select.CandidateSet(self.candidates, RULES)
        self.profiles = ReaderProfiles([paper for _, paper, *_rest in items])
        # Liked paper -> (how many are more like it, candidate column), as written down when the edition was frozen.
        self._kin: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for column, item in enumerate(items):
            for place, (liked, _title) in enumerate(item[5].get("akin", ())):
                self._kin[liked].append((place, column))
        self._earlier = self._earlier_items()
        self._by_rules: dict[select.SelectionRules, Self] = {}
        self._are_any_apart = Interest.objects.exists()
        self.also = AlsoNew(edition, item_ids=self.item_ids, topics=[pk for pk, _ in self.topics])

    def _earlier_items(self) -> dict[int, dict[int, int]]:
        """Edition -> item -> our candidate column, for every earlier edition that shares a paper with this one.

        Papers merged since count as the paper they became: v1, v2 and a duplicate are one paper (never twice).
        """
        earlier: dict[int, dict[int, int]] = defaultdict(dict)
        column_of = {self._became.get(paper, paper): column for paper, column in self.column_of_paper.items()}
        shared = EditionItem.objects.exclude(edition=self.edition).with_cards()
        for condition in ({"paper__in": column_of}, {"paper__merged_into__in": column_of}):
            for edition, item, paper, merged_into in shared.filter(**condition).values_list(
                "edition_id", "pk", "paper_id", "paper__merged_into_id"
            ):
                column = column_of.get(merged_into or paper)
                if column is not None:
                    earlier[edition][item] = column
        return earlier

    @property
    def liked_papers(self) -> Collection[int]:
        """Papers liked by somebody that a candidate is like."""
        return self._kin.keys()

    @cached_property
    def _for_returned(self) -> EditionPlan:
        return EditionPlan(self.edition, catch_ups=self.catch_ups)

    def as_for(self, reader: Due) -> tuple[EditionPlan, Due]:
        """The plan and the digest's length for this reader: those who catch up choose among more papers."""
        if self._is_for_returned or reader.pk not in self.catch_ups:
            return self, reader
        return self._for_returned, reader._replace(max_papers=max(reader.max_papers, CATCH_UP_PAPERS))

    def under(self, rules: select.SelectionRules) -> Self:
        """The same plan by other rules: to tell which rule left a paper out."""
        if rules not in self._by_rules:
            self._by_rules[rules] = other = copy(self)
            other._shelf = select.CandidateSet(self.candidates, rules)
        return self._by_rules[rules]

    def without_lead(self) -> Self:
        """The same plan with no lead story and none of its paper: to tell what it keeps out."""
        other = copy(self)
        other.lead, other._by_rules = None, {}
        return other

    def had_by(self, readers: Sequence[Due], *, before: datetime | None = None) -> Had:
        """What they had in other editions of any cadence; only in digests due ``before``.

        Papers of a skipped thin digest count as had; papers of a held one come with the next digest.
        """
        seen: dict[int, list[int]] = defaultdict(list)
        until: dict[int, datetime] = {}
        for one in readers if self._missed else ():
            pause = self.catch_ups[one.pk]
            seen[one.pk] = [column for column, moment in self._missed if not pause.covers(moment)]
        asked = self._earlier.keys() | self.also.overlapping.keys()
        if not asked:
            return Had(seen, until)
        had = Delivery.objects.remembered()
        if skippers := [reader.pk for reader in readers if reader.thin_policy == Subscriber.ThinPolicy.SKIP]:
            had |= Delivery.objects.filter(skip_reason=Delivery.Skip.THIN, subscriber__any_of=Keys(skippers))
        if before:
            had = had.filter(due_at__lt=before)
        rows = had.filter(
            subscriber__any_of=Keys(reader.pk for reader in readers), edition__any_of=list(asked)
        ).values_list("subscriber_id", "edition_id", "picks")
        for reader, edition, picks in rows.iterator(chunk_size=CHUNK):
            columns = self._earlier.get(edition, {})
            seen[reader].extend(columns[item] for item, *_ in picks if item in columns)
            if moment := self.also.overlapping.get(edition):
                until[reader] = max(moment, until.get(reader, moment))
        return Had(seen, until)

    def profile_of(self, library: Sequence[Entry]) -> Relevance:
        """What somebody with this library would find relevant."""
        known = known_papers(library)
        unknown = [entry for entry in library if entry.identity not in known and (entry.title or entry.abstract)]
        return self.profiles.of_somebody(
            papers=sorted(set(known.values())), texts=[f"{entry.title}\n{entry.abstract}" for entry in unknown]
        )

    def choose(self, readers: Sequence[Due], *, before: datetime | None = None) -> list[select.StoredPicks]:
        """Each reader's picks as JSON, in the order of the readers: ordered [item id, lane, reason].

        Those of readers who keep interests apart say in the fourth place by which of them they came.
        """
        if not self._is_for_returned and not self.catch_ups.keys().isdisjoint(reader.pk for reader in readers):
            return self._choose_with_returned(readers, before=before)
        if self._are_any_apart and (apart := interests_of(readers)):
            return self._choose_with_apart(readers, apart, before=before)
        return self._choose(readers, before=before)

    def _topic_of(self, column: int) -> int | None:
        return self.topics[column][0] if column >= 0 else None

    def _choose_with_returned(self, readers: Sequence[Due], *, before: datetime | None) -> list[select.StoredPicks]:
        chosen: dict[int, select.StoredPicks] = {}
        back = [reader for reader in readers if reader.pk in self.catch_ups]
        others = [reader for reader in readers if reader.pk not in self.catch_ups]
        longer = [self.as_for(reader)[1] for reader in back]
        for plan, theirs in ((self, others), (self._for_returned, longer)):
            picks = plan.choose(theirs, before=before) if theirs else []
            chosen |= {reader.pk: stored for reader, stored in zip(theirs, picks, strict=True)}
        return [chosen[reader.pk] for reader in readers]

    def _choose_with_apart(
        self, readers: Sequence[Due], apart: Mapping[int, Sequence[Interest]], *, before: datetime | None
    ) -> list[select.StoredPicks]:
        several = [reader for reader in readers if reader.pk in apart]
        others = [reader for reader in readers if reader.pk not in apart]
        picks = [*choose_apart(self, several, apart, rules=RULES, before=before), *self._choose(others, before=before)]
        chosen = {reader.pk: stored for reader, stored in zip([*several, *others], picks, strict=True)}
        return [chosen[reader.pk] for reader in readers]

    def _choose(self, readers: Sequence[Due], *, before: datetime | None) -> list[select.StoredPicks]:
        pks = [reader.pk for reader in readers]
        preferences = TopicPreference.objects.filter(subscriber__any_of=Keys(pks))
        had = self.had_by(readers, before=before)
        return self.choose_by(
            readers,
            preferences.values_list("subscriber_id", "topic_id", "stance"),
            seen=had.columns,
            until=had.until,
            profiles=self.profiles.of(pks),
            follows=self.followed.follows_of(pks),
            liked=liked_by(pks, among=self.liked_papers),
        )

    def choose_by(
        self,
        readers: Sequence[Due],
        preferences: Iterable[tuple[int, int, str]],
        *,
        seen: Mapping[int, Sequence[int]],
        until: Mapping[int, datetime] | None = None,
        profiles: Relevance = (None, None),
        liked: Iterable[tuple[int, int]] = (),
        follows: Iterable[tuple[int, str, str]] = (),
    ) -> list[select.StoredPicks]:
        """The same from values: (reader, topic, stance), per reader the columns they had, (reader, liked), follows."""
        choose = partial(self.choose_ranked, seen=seen, until=until, profiles=profiles, liked=liked, follows=follows)
        if self.lead is None:
            return choose(readers, preferences)
        preferences = list(preferences)
        barred = self.lead.barred(preferences, seen)
        return self.lead.choose_behind(readers, barred=barred, choose=lambda some: choose(some, preferences))

    def choose_ranked(
        self,
        readers: Sequence[Due],
        preferences: Iterable[tuple[int, int, str]],
        *,
        seen: Mapping[int, Sequence[int]],
        until: Mapping[int, datetime] | None = None,
        profiles: Relevance = (None, None),
        liked: Iterable[tuple[int, int]] = (),
        follows: Iterable[tuple[int, str, str]] = (),
    ) -> list[select.StoredPicks]:
        """The same without the lead story.

        Followed papers come first; the rest of the digest is chosen without them, for the room they leave.
        """
        row_of = {reader.pk: row for row, reader in enumerate(readers)}
        weights, mutes = self._stances(row_of, preferences)
        own = self.followed.choose(follows, readers=readers, seen=seen, mutes=mutes)
        followed = [own.get(reader.pk, NOTHING) for reader in readers] if own else []
        lists: list[Sequence[int]] = [seen.get(reader.pk, ()) for reader in readers]
        limits = np.array([reader.max_papers for reader in readers], dtype=np.int16)
        if own:
            lists = [(*columns, *first.taken) for columns, first in zip(lists, followed, strict=True)]
            limits -= np.array([len(first.first) for first in followed], dtype=np.int16)
        if (ranked := len(self.candidates.item_ids)) < len(self.item_ids):
            lists = [[column for column in columns if column < ranked] for columns in lists]
        relevance, blend = profiles
        kin = sorted(
            (place, row_of[reader], column, paper)
            for reader, paper in liked
            for place, column in self._kin.get(paper, ())
        )
        similar_to_liked = np.array([entry[1:] for entry in kin], dtype=np.int64).reshape(-1, 3)
        block = select.Readers(
            weights=weights,
            mutes=mutes,
            limits=limits,
            outside=np.array([reader.wants_outside for reader in readers], dtype=bool),
            relevance=relevance,
            blend=blend,
            seen_indptr=np.cumsum([0, *map(len, lists)], dtype=np.int64),
            seen_indices=np.array([column for columns in lists for column in columns], dtype=np.int64),
            widen=np.array([reader.thin_policy == Subscriber.ThinPolicy.WIDEN for reader in readers], dtype=bool),
            similar_to_liked=select.SimilarToLiked(*similar_to_liked.T),
        )
        chosen = select.choose(self._shelf, block)
        rest = select.picks_as_json(chosen, self.candidates, [slug for _, slug in self.topics])
        whole = map(self.followed.put_first, followed, rest) if own else rest
        also = self.also.records(readers, follows=weights > 0, mutes=mutes, followed=own, until=until or {})
        return [select.StoredPicks(picks.json, picks.papers, record) for picks, record in zip(whole, also, strict=True)]

    def picks_of(
        self,
        someone: Due,
        stances: Sequence[tuple[int, int, str]],
        *,
        profiles: Relevance,
        follows: Sequence[tuple[int, str, str]] = (),
    ) -> list[list[Any]]:
        """Return the picks of an imaginary reader who had nothing before and says this."""
        (stored,) = self.choose_by([someone], stances, seen={}, profiles=profiles, follows=follows)
        picks: list[list[Any]] = json.loads(stored.json)
        return picks

    def _stances(self, row_of: Mapping[int, int], preferences: Iterable[tuple[int, int, str]]) -> tuple[Floats, Bools]:
        """How much each reader wants each topic, and which they muted."""
        weights = np.zeros((len(row_of), len(self.topics)), dtype=np.float32)
        mutes = np.zeros((len(row_of), len(self.topics)), dtype=bool)
        column_of = self.topic_column
        told = [(row_of[reader], column_of[topic], _WANTED[stance]) for reader, topic, stance in preferences]
        rows, columns, wanted = np.array(told, dtype=np.int64).reshape(-1, 3).T
        wants = wanted > 0
        weights[rows[wants], columns[wants]] = wanted[wants]
        mutes[rows[~wants], columns[~wants]] = True
        return weights, mutes

    def also_of(
        self,
        readers: Sequence[Due],
        preferences: Iterable[tuple[int, int, str]],
        *,
        had: Had,
        follows: Iterable[tuple[int, str, str]],
    ) -> list[str]:
        """Whose other new papers are listed below digests that are chosen already; ``had``: with what was chosen."""
        weights, mutes = self._stances({reader.pk: row for row, reader in enumerate(readers)}, preferences)
        full = [reader._replace(max_papers=0) for reader in readers]
        own = self.followed.choose(follows, readers=full, seen=had.columns, mutes=mutes)
        return self.also.records(readers, follows=weights > 0, mutes=mutes, followed=own, until=had.until)


def _is_unranked(item: Sequence[Any]) -> bool:
    """Whether a row of an edition's items is no candidate: for followers alone, or the lead story."""
    return bool(item[4] == EditionItem.Standing.ALSO or item[3] == EditionItem.Lane.LEAD)


def picks_for(
    edition: Edition,
    *,
    follows: Collection[str],
    mutes: Collection[str],
    limit: int,
    library: Sequence[Entry] = (),
    queries: Collection[str] = (),
) -> list[list[Any]]:
    """Picks of an imaginary reader with these topics, library and keys of followed queries; writes nothing."""
    plan = EditionPlan(edition)
    someone = Due(0, edition.cutoff_at, None, edition.cadence, EVERY_DAY, 8, "UTC", limit, True, "send", "", "")
    stances = [(0, pk, "follow") for pk, slug in plan.topics if slug in follows]
    stances += [(0, pk, "mute") for pk, slug in plan.topics if slug in mutes]
    profiles = plan.profile_of(library) if library else (None, None)
    return plan.picks_of(someone, stances, profiles=profiles, follows=[(0, key, "follow") for key in queries])
