"""What accompanies the readers' own lists: editor's picks, and one paper from outside their topics.

In: the shelf, a block of readers and their lists. Out: the guests, and lists that made way for them.
"""

from __future__ import annotations

import numpy as np

from newsletter.interests.select.candidate_set import Shelf
from newsletter.interests.select.reader_block import Block
from newsletter.interests.select.types import Bools, Ints


def guests_allowed(shelf: Shelf, block: Block, main: Ints) -> Ints:
    """How many guests each digest may hold, so that they stay a small part of it however short it is."""
    share = shelf.rules.guest_share
    of_full, of_short = block.limits * share, (main >= 0).sum(axis=1) * share / (1 - share)
    allowed: Ints = np.floor(np.minimum(of_full, of_short) + 1e-9).astype(np.int64)
    return allowed


def extra_picks(shelf: Shelf, block: Block, main: Ints, guests: Ints) -> Ints:
    """Editor's picks that the reader's own list does not bring by itself, readers x max_picks, -1 for none."""
    quota = np.minimum(shelf.rules.max_picks, guests)
    picks = np.full((len(guests), shelf.rules.max_picks), -1, dtype=np.int64)
    sure = np.arange(main.shape[1]) < (block.limits - guests)[:, None]
    seen = _seen_among(shelf, block, shelf.picks)
    held = np.zeros(len(guests), dtype=np.int64)
    for column, place in enumerate(shelf.picks.tolist()):
        topic = int(shelf.primary[place])
        fine = (held < quota) & ~seen[:, column] & ~((main == place) & sure).any(axis=1)
        if topic >= 0:
            fine &= ~block.mutes[:, topic]
        picks[fine, held[fine]] = place
        held += fine
    return picks


def outside_paper(shelf: Shelf, block: Block, wanted: Bools) -> Ints:
    """The most trending paper with none of the reader's topics, followed or muted; -1 for none."""
    if not len(shelf.outside):
        return np.full(len(wanted), -1)
    touched = (block.follows | block.mutes).astype(np.float32) @ shelf.assigned[shelf.outside].T
    free = (touched == 0) & ~_seen_among(shelf, block, shelf.outside) & wanted[:, None]
    first = free.argmax(axis=1)
    return np.where(free[np.arange(len(wanted)), first], shelf.outside[first], -1)


def make_way(shelf: Shelf, block: Block, main: Ints, guests: Ints) -> None:
    """Take from the own list what the guests bring anyway, and its last papers of a topic they overfill. In place."""
    topic_of = np.append(shelf.primary, -1)
    guest_topics = topic_of[guests]
    for column in range(guests.shape[1]):
        main[main == np.where(guests[:, column] >= 0, guests[:, column], -2)[:, None]] = -1
        topic = guest_topics[:, column]
        left = shelf.rules.per_topic - ((guest_topics == topic[:, None]) & (guests >= 0)).sum(axis=1)
        same = (topic_of[main] == topic[:, None]) & (main >= 0) & (topic >= 0)[:, None]
        if block.only >= 0:
            same &= (topic != block.only)[:, None]
        main[same & (same.cumsum(axis=1) > left[:, None])] = -1


def _seen_among(shelf: Shelf, block: Block, places: Ints) -> Bools:
    """Readers x ``places``: has the reader had it?"""
    column = np.full(len(shelf.rank), -1)
    column[places] = np.arange(len(places))
    mine = column[block.seen_places]
    seen = np.zeros((len(block.limits), len(places)), dtype=bool)
    seen[block.seen_rows[mine >= 0], mine[mine >= 0]] = True
    return seen
