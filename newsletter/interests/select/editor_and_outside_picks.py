"""What accompanies the readers' own lists: editor's picks, and one paper from outside their topics.

In: the candidate set, a block of readers and their lists. Out: the extras, and lists that made way for them.
"""

from __future__ import annotations

import numpy as np

from newsletter.interests.select.arrays import Bools, Ints
from newsletter.interests.select.candidate_set import CandidateSet
from newsletter.interests.select.reader_weights import Block


def extras_allowed(candidate_set: CandidateSet, block: Block, main: Ints) -> Ints:
    """Return how many extras each digest may hold: a fixed share of it, however short it is."""
    share = candidate_set.rules.extras_share
    of_full, of_short = block.limits * share, (main >= 0).sum(axis=1) * share / (1 - share)
    allowed: Ints = np.floor(np.minimum(of_full, of_short) + 1e-9).astype(np.int64)
    return allowed


def extra_picks(candidate_set: CandidateSet, block: Block, main: Ints, extras: Ints) -> Ints:
    """Return editor's picks that the reader's own list lacks, readers x max_picks, -1 for none."""
    quota = np.minimum(candidate_set.rules.max_picks, extras)
    picks = np.full((len(extras), candidate_set.rules.max_picks), -1, dtype=np.int64)
    sure = np.arange(main.shape[1]) < (block.limits - extras)[:, None]
    seen = _seen_among(candidate_set, block, candidate_set.picks)
    held = np.zeros(len(extras), dtype=np.int64)
    for column, place in enumerate(candidate_set.picks.tolist()):
        topic = int(candidate_set.primary[place])
        fine = (held < quota) & ~seen[:, column] & ~((main == place) & sure).any(axis=1)
        if topic >= 0:
            fine &= ~block.mutes[:, topic]
        picks[fine, held[fine]] = place
        held += fine
    return picks


def outside_paper(candidate_set: CandidateSet, block: Block, wanted: Bools) -> Ints:
    """The most trending paper with none of the reader's topics, followed or muted; -1 for none."""
    if not len(candidate_set.outside):
        return np.full(len(wanted), -1)
    touched = (block.follows | block.mutes).astype(np.float32) @ candidate_set.assigned[candidate_set.outside].T
    free = (touched == 0) & ~_seen_among(candidate_set, block, candidate_set.outside) & wanted[:, None]
    first = free.argmax(axis=1)
    return np.where(free[np.arange(len(wanted)), first], candidate_set.outside[first], -1)


def make_way(candidate_set: CandidateSet, block: Block, main: Ints, extras: Ints) -> None:
    """Remove from the own list, in place, what the extras contain, and its last papers of topics they overfill."""
    topic_of = np.append(candidate_set.primary, -1)
    extra_topics = topic_of[extras]
    for column in range(extras.shape[1]):
        main[main == np.where(extras[:, column] >= 0, extras[:, column], -2)[:, None]] = -1
        topic = extra_topics[:, column]
        left = candidate_set.rules.per_topic - ((extra_topics == topic[:, None]) & (extras >= 0)).sum(axis=1)
        same = (topic_of[main] == topic[:, None]) & (main >= 0) & (topic >= 0)[:, None]
        if block.only >= 0:
            same &= (topic != block.only)[:, None]
        main[same & (same.cumsum(axis=1) > left[:, None])] = -1


def _seen_among(candidate_set: CandidateSet, block: Block, places: Ints) -> Bools:
    """Readers x ``places``: has the reader had it?"""
    column = np.full(len(candidate_set.rank), -1)
    column[places] = np.arange(len(places))
    mine = column[block.seen_places]
    seen = np.zeros((len(block.limits), len(places)), dtype=bool)
    seen[block.seen_rows[mine >= 0], mine[mine >= 0]] = True
    return seen
