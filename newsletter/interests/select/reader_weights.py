"""A block of readers: their preferences as weights over the candidate set, and what they have had.

In: the readers' arrays and the rows to serve. Out: a block, all of whose readers follow the same single topic or none
does: only then may a digest hold more than a few papers of one topic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from newsletter.interests.select.arrays import Bools, Floats, Ints, Readers
from newsletter.interests.select.candidate_set import EIGHTHS, CandidateSet


@dataclass(slots=True)
class Personal:
    """The readers of a block whose personal model is trusted."""

    rows: Ints
    relevance: Floats  # these readers x places on the candidate set
    blend: Floats  # how far each is trusted


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
    personal: Personal | None = None


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
    return Block(
        only=only,
        weights=np.column_stack([wishes, trending]).astype(np.float32),
        follows=follows,
        mutes=mutes,
        limits=readers.limits[rows].astype(np.int64),
        seen_rows=seen_rows,
        seen_places=candidate_set.place[columns],
        personal=_personal(candidate_set, readers, rows),
    )


def _personal(candidate_set: CandidateSet, readers: Readers, rows: Ints) -> Personal | None:
    if readers.relevance is None or readers.blend is None:
        return None
    trusted = np.flatnonzero(readers.blend[rows] > 0)
    among_all = rows[trusted]
    return Personal(
        rows=trusted,
        relevance=readers.relevance[among_all[:, None], candidate_set.order],
        blend=readers.blend[among_all],
    )
