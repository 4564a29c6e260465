"""Readers' topics and profiles x an edition's candidates -> ordered picks with their reasons. Pure, numpy only.

`picks.choose` is the way in: candidate_set → reader_block → diversify (the reader's own list) → extras (editor's picks,
one paper from outside). `arrays` holds what goes in and comes out.
"""

from newsletter.interests.select.arrays import (
    LANES,
    Candidates,
    Chosen,
    Readers,
    SelectionRules,
    SimilarToLiked,
    StoredPicks,
)
from newsletter.interests.select.candidate_set import CandidateSet, trend_scale
from newsletter.interests.select.picks import choose, picks_as_json

__all__ = [
    "LANES",
    "CandidateSet",
    "Candidates",
    "Chosen",
    "Readers",
    "SelectionRules",
    "SimilarToLiked",
    "StoredPicks",
    "choose",
    "picks_as_json",
    "trend_scale",
]
