"""An edition's lead story comes first in every digest, save for readers who had the paper or muted its topic.

In: a plan whose edition has a lead, and readers. Out: picks as everybody's, with the lead in the first place. Two more
queries a chunk of readers, none for an edition without a lead. It accompanies a digest and is no reason to send one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from newsletter.interests.select import StoredPicks
from newsletter.mail.one_part import LEAD
from newsletter.planning.readers_due import Due
from subscriptions.in_long_list_lookup import Keys
from subscriptions.models import TopicPreference


def choose_behind(
    item: int, readers: Sequence[Due], *, barred: set[int], choose: Callable[[Sequence[Due]], list[StoredPicks]]
) -> list[StoredPicks]:
    """Return what ``choose`` finds for the places behind the lead; ``barred``: readers who do not get the lead."""
    shorter = [
        reader if reader.pk in barred else reader._replace(max_papers=reader.max_papers - 1) for reader in readers
    ]
    rest = choose(shorter)
    return [
        stored if reader.pk in barred else put_first(item, stored, is_all=reader.max_papers == 1)
        for reader, stored in zip(readers, rest, strict=True)
    ]


def put_first(item: int, rest: StoredPicks, *, is_all: bool = False) -> StoredPicks:
    """Return the digest with the lead before the others; ``is_all``: the reader wants one paper a digest."""
    if not rest.papers and not is_all:
        return rest
    own = json.dumps([[item, LEAD, LEAD]])
    return StoredPicks(
        f"{own[:-1]}, {rest.json[1:]}" if rest.papers else own, rest.papers + 1, rest.also if rest.papers else "{}"
    )


def barred_from(
    column: int, topic: int | None, readers: Sequence[Due], *, had: Mapping[int, Sequence[int]]
) -> set[int]:
    """Return the readers who had the paper of this column, or muted its first topic."""
    barred = {reader.pk for reader in readers if column in had.get(reader.pk, ())}
    if topic is not None:
        mutes = TopicPreference.objects.filter(topic=topic, stance=TopicPreference.Stance.MUTE)
        barred.update(
            mutes.filter(subscriber__any_of=Keys(reader.pk for reader in readers)).values_list("subscriber", flat=True)
        )
    return barred
