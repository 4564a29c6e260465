"""An edition's lead story comes first in every digest, save for readers who had the paper or muted its topic.

In: what a chunk of readers says and had, as the planner has it at hand, so that a lead costs no query. Out: picks as
everybody's, with the lead in the first place. It accompanies a digest and is no reason to send one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from newsletter.interests.select import StoredPicks
from newsletter.mail.one_part import LEAD
from newsletter.planning.readers_due import Due
from subscriptions.models import TopicPreference


class LeadStory(NamedTuple):
    """The item that leads an edition, its column in the plan, which is no candidate's, and its paper's first topic."""

    item: int
    column: int
    topic: int | None

    def barred(self, preferences: Iterable[tuple[int, int, str]], seen: Mapping[int, Sequence[int]]) -> set[int]:
        """Return the readers who had the paper or muted its topic, from (reader, topic, stance) and columns had."""
        mute = TopicPreference.Stance.MUTE
        muted = {reader for reader, topic, stance in preferences if topic == self.topic and stance == mute}
        return muted.union(reader for reader, columns in seen.items() if self.column in columns)

    def shorten(self, reader: Due, barred: Container[int]) -> Due:
        """Return the reader with the places behind the lead; who does not get it keeps all."""
        return reader if reader.pk in barred else reader._replace(max_papers=reader.max_papers - 1)

    def choose_behind(
        self, readers: Sequence[Due], *, barred: Container[int], choose: Callable[[Sequence[Due]], list[StoredPicks]]
    ) -> list[StoredPicks]:
        """Return what ``choose`` finds for the places behind the lead, with the lead before it."""
        rest = choose([self.shorten(reader, barred) for reader in readers])
        return [
            stored if reader.pk in barred else self._put_first(stored, is_all=reader.max_papers == 1)
            for reader, stored in zip(readers, rest, strict=True)
        ]

    def _put_first(self, rest: StoredPicks, *, is_all: bool) -> StoredPicks:
        """Return the digest with the lead before the others; ``is_all``: the reader wants one paper a digest."""
        if not rest.papers and not is_all:
            return rest
        own = json.dumps([[self.item, LEAD, LEAD]])
        joined = f"{own[:-1]}, {rest.json[1:]}" if rest.papers else own
        return StoredPicks(joined, rest.papers + 1, rest.also if rest.papers else "{}")
