"""Inputs and outputs of selection: one edition's candidates, a block of readers, the rules, the chosen papers.

Arrays only, so that a hundred thousand readers are a few megabytes. Nothing is computed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LANES = ("trending", "pick", "for_you", "outside")
TRENDING, PICK, FOR_YOU, OUTSIDE = range(4)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The papers of one edition, in its order. ``topics`` holds the scores of assigned topics and 0 elsewhere."""

    item_ids: Ints
    trend: Floats  # 0..1
    topics: Floats  # papers x topics, 0..1
    primary: NDArray[np.int16]  # topic column, -1 for none
    picks: Bools  # editor's picks


@dataclass(frozen=True, slots=True)
class SimilarToLiked:
    """Which candidate is like which paper that a reader liked: a triple each, the most alike of a pair first."""

    rows: Ints
    columns: Ints
    papers: Ints


@dataclass(frozen=True, slots=True)
class Readers:
    """A block of readers. ``seen_*`` is a compressed list per reader of candidates never to send again."""

    weights: Floats  # readers x topics: 1 follow, 2 more of this, 0 neither
    mutes: Bools  # readers x topics
    limits: NDArray[np.int16]
    outside: Bools
    relevance: Floats | None  # readers x papers, 0..1, from the personal model
    blend: Floats | None  # how far the personal model is trusted, 0 to .7
    seen_indptr: Ints
    seen_indices: Ints  # candidate columns
    widen: Bools | None = None  # fill a short digest from the trending list
    similar_to_liked: SimilarToLiked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionRules:
    mmr: float = 0.7  # weight of the score against likeness to what is chosen already
    per_topic: int = 3  # papers of one primary topic, unless it is the only topic followed
    extras_share: float = 0.3  # of a digest, at most, is not the reader's own list: editor's picks, one outside paper
    max_picks: int = 2  # editor's picks among these extras
    trend_share: float = 0.6  # how much of a topic's fit has to be earned by trending
    secondary_mute: float = 0.5  # what a muted second topic takes away
    floor: float = 0.0  # scores (0..1) up to this are left out, so that a digest may be short
    depth: int = 6  # best papers of each primary topic that compete
    single_depth: int = 60  # the same for the only topic of a reader
    outside_pool: int = 256  # the outside paper is one of the most trending
    block: int = 500  # readers at a time; changes memory and speed, never the result


class StoredPicks(NamedTuple):
    """One reader's picks as they are stored, how many they are, and whose other new papers are listed below them."""

    json: str
    papers: int
    also: str = "{}"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Per reader the candidate columns in order (-1: none left), the lane code of each, its topic column or -1.

    ``similar_to_liked`` is the liked paper that each is like, 0 where there is none to tell of.
    """

    positions: NDArray[np.int32]
    lanes: NDArray[np.int8]
    topics: NDArray[np.int16]
    similar_to_liked: Ints | None = None
