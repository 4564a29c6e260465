"""Papers that readers follow come first in their digest, with the query that found each as its reason.

In: the items of one edition with the queries that found them, and the follows of a chunk of readers. Out: per reader
the columns that come first, in the edition's order, and those that never come. What a reader had, muted or wants to see
nothing of is not chosen. One query a chunk, none for an edition that no follow found anything in.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from newsletter.interests.select import StoredPicks
from newsletter.interests.select.arrays import Bools
from newsletter.mail.one_part import FOLLOW
from newsletter.planning.readers_due import Due
from subscriptions.in_long_list_lookup import Keys
from subscriptions.models import Follow

LANE = "follow"


@dataclass(slots=True)
class Followed:
    """What the follows of one reader find in an edition."""

    first: dict[int, str] = field(default_factory=dict)  # column -> the query's text
    barred: set[int] = field(default_factory=set)
    no_room: dict[int, str] = field(default_factory=dict)

    @property
    def taken(self) -> set[int]:
        """Return the columns that the rest of the digest leaves out."""
        return self.barred.union(self.first)


NOTHING = Followed()


class FollowedItems:
    """The items of one edition by the queries that found them; a column is an item's place in the list."""

    def __init__(self, items: Sequence[tuple[int, Sequence[Sequence[str]]]], *, primary: Sequence[int]) -> None:
        self._items = [pk for pk, _found_by in items]
        self._primary = primary
        self._columns: dict[str, list[int]] = defaultdict(list)
        self._text: dict[str, str] = {}
        for column, (_pk, found_by) in enumerate(items):
            for key, text in found_by:
                self._columns[key].append(column)
                self._text[key] = text

    def follows_of(self, readers: Sequence[int]) -> Iterable[tuple[int, str, str]]:
        """Return (reader, key, stance) of everything they follow, oldest first."""
        if not self._columns:
            return ()
        follows = Follow.objects.filter(subscriber__any_of=Keys(readers)).order_by("pk")
        return follows.values_list("subscriber_id", "key", "stance").iterator(chunk_size=10_000)

    def key_of(self, reason: str) -> str:
        """The key of the query that a recorded reason names."""
        text = reason.removeprefix(FOLLOW)
        return next(key for key, known in self._text.items() if known == text)

    def choose(
        self,
        follows: Iterable[tuple[int, str, str]],
        *,
        readers: Sequence[Due],
        seen: Mapping[int, Sequence[int]],
        mutes: Bools,
    ) -> dict[int, Followed]:
        """Reader -> what comes first and what never comes; readers of whom nothing was found are left out.

        ``seen``: columns a reader had; ``mutes``: readers x topics.
        """
        found: dict[int, Followed] = {}
        for reader, key, stance in follows:
            columns = self._columns.get(key)
            if not columns:
                continue
            followed = found.setdefault(reader, Followed())
            if stance == Follow.Stance.NOT:
                followed.barred.update(columns)
            else:
                for column in columns:
                    followed.first.setdefault(column, self._text[key])
        for row, due in enumerate(readers):
            if due.pk in found:
                followed = found[due.pk]
                never = followed.barred.union(seen.get(due.pk, ()))
                free = [
                    column
                    for column in sorted(followed.first)
                    if column not in never and not (self._primary[column] >= 0 and mutes[row, self._primary[column]])
                ]
                room = due.max_papers
                followed.no_room = {column: followed.first[column] for column in free[room:]}
                followed.first = {column: followed.first[column] for column in free[:room]}
        return found

    def put_first(self, followed: Followed, rest: StoredPicks) -> StoredPicks:
        """Return the whole digest: the followed papers, then the rest."""
        if not followed.first:
            return rest
        first = [[self._items[column], LANE, FOLLOW + text] for column, text in followed.first.items()]
        own = json.dumps(first)
        joined = f"{own[:-1]}, {rest.json[1:]}" if rest.papers else own
        return StoredPicks(joined, rest.papers + len(first))
