"""The other new papers of one reader's interests: which of an edition's they are, in order, and how many.

In: an edition's new papers by rank, and what a delivery records of its reader. Out: lines. The same in the mail and on
the web. Pure. A set of papers is the bits of one integer, so that joining and counting costs the same for any number.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from itertools import chain
from operator import or_
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

FIRST = 100  # papers of a topic that can be a line of a mail: more than fit, and as many as may be cards of it already

New = tuple[int, list[int], int]  # item, its topics, the best first, and when it came, in seconds
Line = tuple[int, int | str]  # item, and the topic or the followed query that it is listed for


class Wanted(NamedTuple):
    """Record of a delivery that says which papers are listed below it."""

    topics: tuple[int, ...] = ()
    mutes: tuple[int, ...] = ()
    without: tuple[int, ...] = ()  # items
    after: int = 0  # only papers that came later, in seconds
    follows: tuple[tuple[int, str], ...] = ()  # items that a followed query found and there was no room for

    @classmethod
    def of(cls, also: Mapping[str, Any]) -> Wanted:
        topics, mutes, without = (tuple(also.get(name, ())) for name in ("topics", "mutes", "without"))
        return cls(topics, mutes, without, also.get("after", 0), tuple(map(tuple, also.get("follows", ()))))


@dataclass(frozen=True, slots=True, eq=False)
class Listed:
    """The lines of one mail, and how many papers more there are."""

    lines: list[Line]
    more: int
    joined: dict[object, list[bytes]] = field(default_factory=dict)  # by part and encoding, once it was needed


class NewPapers:
    """The new papers of an edition, best first."""

    def __init__(self, papers: Iterable[New], *, first: int = FIRST) -> None:
        self._papers = list(papers)
        self._first = first
        self._place = {item: place for place, (item, _topics, _at) in enumerate(self._papers)}
        self._on: dict[int, int] = defaultdict(int)  # topic -> its papers
        for place, (_item, topics, _at) in enumerate(self._papers):
            for topic in topics:
                self._on[topic] |= 1 << place
        self._later = lru_cache(maxsize=16)(self._find_later)
        self._wanted = lru_cache(maxsize=512)(self._find)

    def lines(self, since: Iterable[int]) -> list[tuple[int, int]]:
        """Return every line a mail can have for a topic, when its reader knows what came until one of these moments."""
        papers = [on & self._later(moment) for moment in since for on in self._on.values()]
        best = {place for each in papers for place in _bits(each, most=self._first)}
        return [(self._papers[place][0], topic) for place in sorted(best) for topic in self._papers[place][1]]

    def of(self, wanted: Wanted, *, chosen: Collection[int]) -> tuple[Iterator[Line], int]:
        """Return the lines of a reader without the items ``chosen``, and how many they are."""
        followed = [line for line in wanted.follows if line[0] not in chosen]
        mine = {item for item, _query in followed}.union(chosen)
        papers, first = self._wanted(wanted.topics, wanted.mutes, wanted.without, wanted.after)
        others = (line for line in first if line[0] not in mine)
        places = [self._place[item] for item in mine if item in self._place]
        count = papers.bit_count() - sum([papers >> place & 1 for place in places]) + len(followed)
        return chain(followed, others), count

    def _find_later(self, moment: int) -> int:
        """The papers that came later, as bits."""
        return reduce(or_, [1 << place for place, (_item, _topics, at) in enumerate(self._papers) if at > moment], 0)

    def _find(
        self, topics: tuple[int, ...], mutes: tuple[int, ...], without: tuple[int, ...], after: int
    ) -> tuple[int, tuple[Line, ...]]:
        """The papers on these topics, as bits, and the lines of the first of them."""
        left_out = [self._on.get(topic, 0) for topic in mutes]
        left_out += [1 << self._place[item] for item in without if item in self._place]
        wanted = reduce(or_, (self._on.get(topic, 0) for topic in topics), 0) & ~reduce(or_, left_out, 0)
        wanted &= self._later(after)
        first = (self._papers[place] for place in _bits(wanted, most=self._first))
        return wanted, tuple((item, next(topic for topic in its if topic in topics)) for item, its, _at in first)


def _bits(papers: int, *, most: int) -> Iterator[int]:
    """The places of the lowest bits that are set."""
    while papers and most:
        lowest = papers & -papers
        yield lowest.bit_length() - 1
        papers ^= lowest
        most -= 1
