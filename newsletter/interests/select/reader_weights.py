"""A block of readers: their preferences as weights over the candidate set, and what they have had.

In: the readers' arrays and the rows to serve. Out: a block, all of whose readers follow the same single topic or none
does: only then may a digest hold more than a few papers of one topic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from newsletter.interests.select.array_types import Bools, Floats, Ints, Readers
from newsletter.interests.select.candidate_set import EIGHTHS, CandidateSet

NOBODY: tuple[Ints, Floats, Floats] = (
    np.zeros(0, dtype=np.int64),
    np.zeros((0, 0), dtype=np.float32),
    np.zeros(0, dtype=np.float32),
)


@dataclass(slots=True)
class Block:
    """Some readers who follow one and the same topic only, or (-1) none or several, and what they must not get."""

    only: int
    weights: Floats  # readers x (topics, trending list)
    follows: Bools
    mutes: Bools
    limits: Ints
    seen_rows: Ints
    seen_places: Ints
    knowing: Ints  # rows of readers with a personal model that is trusted
    relevance: Floats  # these readers x places on the candidate set
    blend: Floats  # these readers


def block_of(candidate_set: CandidateSet, readers: Readers, rows: Ints, only: int) -> Block:
    mutes = readers.mutes[rows]
    wishes = np.rint(readers.weights[rows] * EIGHTHS)
    wishes[mutes] = 0
    follows = wishes > 0
    wishes[mutes] = -np.rint(candidate_set.rules.secondary_mute * EIGHTHS)
    trending = np.where(follows.any(axis=1), 0, EIGHTHS)
    starts, ends = readers.seen_indptr[rows], readers.seen_indptr[rows + 1]
    lengths = ends - starts
    seen_rows = np.repeat(np.arange(len(rows)), lengths)
    offsets = np.arange(len(seen_rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    columns = readers.seen_indices[np.repeat(starts, lengths) + offsets]
    knowing, relevance, blend = _personal(candidate_set, readers, rows)
    return Block(
        only=only,
        weights=np.column_stack([wishes, trending]).astype(np.float32),
        follows=follows,
        mutes=mutes,
        limits=readers.limits[rows].astype(np.int64),
        seen_rows=seen_rows,
        seen_places=candidate_set.place[columns],
        knowing=knowing,
        relevance=relevance,
        blend=blend,
    )


def _personal(candidate_set: CandidateSet, readers: Readers, rows: Ints) -> tuple[Ints, Floats, Floats]:
    if readers.relevance is None or readers.blend is None:
        return NOBODY
    knowing = np.flatnonzero(readers.blend[rows] > 0)
    return knowing, readers.relevance[rows[knowing][:, None], candidate_set.order], readers.blend[rows[knowing]]
