"""Readers' topic weights x candidate papers -> ordered picks with their reasons. Pure, numpy only.

In: one edition's candidates and a block of readers, as arrays. Out: per reader the chosen candidates in order, the
lane of each and the topic that speaks for it. In order: mutes and memory, followed topics (the
trending list for readers who follow none), diversity, editor's picks, one paper from outside.
Same input, same output, however many readers are given at once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from newsletter.interests.select.arrays import (
    FOR_YOU,
    LANES,
    OUTSIDE,
    PICK,
    TRENDING,
    Bools,
    Candidates,
    Chosen,
    Ints,
    Readers,
    SimilarToLiked,
    StoredPicks,
)
from newsletter.interests.select.candidate_set import CandidateSet
from newsletter.interests.select.diversify import select, widen
from newsletter.interests.select.editor_and_outside_picks import extra_picks, extras_allowed, make_way, outside_paper
from newsletter.interests.select.reader_weights import Block, block_of


def choose(candidate_set: CandidateSet, readers: Readers) -> Chosen:
    """Choose each reader's papers.

    A paper whose primary topic is muted is never sent. A muted second topic only pushes a paper down, as else muting
    a broad topic would empty the digest; it does bar a paper from the outside slot. An empty row means that nothing
    new is there for the reader: picks and the outside paper accompany three or more papers of the reader's own list,
    they are no reason to send a digest.
    """
    count, width = len(readers.limits), int(readers.limits.max(initial=0))
    chosen = Chosen(
        positions=np.full((count, width), -1, dtype=np.int32),
        lanes=np.zeros((count, width), dtype=np.int8),
        topics=np.full((count, width), -1, dtype=np.int16),
    )
    papers, rules = len(candidate_set.order), candidate_set.rules
    if not width or not papers:
        return chosen
    follows = (readers.weights > 0) & ~readers.mutes
    only = np.where(follows.sum(axis=1) == 1, follows.argmax(axis=1), -1)
    for topic in np.unique(only).tolist():
        rows = np.flatnonzero(only == topic)
        for start in range(0, len(rows), rules.block):
            _choose_block(candidate_set, readers, rows[start : start + rules.block], topic, chosen)
    return (
        replace(chosen, similar_to_liked=_liked_kin(readers.similar_to_liked, chosen, papers))
        if readers.similar_to_liked
        else chosen
    )


def picks_as_json(chosen: Chosen, candidates: Candidates, slugs: Sequence[str]) -> list[StoredPicks]:
    """Each reader's picks as they are stored: ordered ``[item id, lane, reason]``. Equal picks are written once."""
    width = len(slugs) + 1
    codes = ((chosen.positions.astype(np.int64) + 1) * len(LANES) + chosen.lanes) * width + chosen.topics + 1
    similar_to_liked = np.zeros((1, 1), dtype=np.int64) if chosen.similar_to_liked is None else chosen.similar_to_liked
    liked, kin = np.unique(similar_to_liked, return_inverse=True)
    codes = codes * len(liked) + kin.reshape(similar_to_liked.shape)
    codes[chosen.positions < 0] = 0
    distinct, places = np.unique(codes, return_inverse=True)
    items = np.append(0, candidates.item_ids).tolist()
    texts = []
    for code in distinct.tolist():
        rest, kin_of = divmod(code, len(liked))
        rest, topic = divmod(rest, width)
        position, lane = divmod(rest, len(LANES))
        reason = f"topic:{slugs[topic - 1]}" if topic else LANES[lane]
        if liked[kin_of]:
            reason = f"like:{liked[kin_of]}"
        texts.append(json.dumps([items[position], LANES[lane], reason]) if code else "")
    rows = places.reshape(codes.shape).tolist()
    papers = (chosen.positions >= 0).sum(axis=1).tolist()
    return [
        StoredPicks(f"[{', '.join([texts[place] for place in row if texts[place]])}]", count)
        for row, count in zip(rows, papers, strict=True)
    ]


def _choose_block(candidate_set: CandidateSet, readers: Readers, rows: Ints, only: int, chosen: Chosen) -> None:
    block = block_of(candidate_set, readers, rows, only)
    follows_any: Bools = np.logical_or.reduce(block.follows, axis=1)
    width = int(block.limits.max())
    main, counts = select(candidate_set, block, width=width)
    lanes = np.where(follows_any[:, None], FOR_YOU, TRENDING) * np.ones_like(main)
    if readers.widen is not None:
        widen(candidate_set, block, np.flatnonzero(readers.widen[rows] & follows_any), main, lanes, counts)
    extras = extras_allowed(candidate_set, block, main)
    picks = extra_picks(candidate_set, block, main, extras)
    wanted = np.logical_and.reduce([readers.outside[rows], follows_any, extras > (picks >= 0).sum(axis=1)])
    outside = outside_paper(candidate_set, block, wanted)[:, None]
    make_way(candidate_set, block, main, np.hstack([picks, outside]))
    main, lanes = _pack(main, lanes)
    room = block.limits - (np.hstack([picks, outside]) >= 0).sum(axis=1)
    main[np.arange(width) >= room[:, None]] = -1

    places = np.hstack([main, picks, outside])
    lanes = np.hstack([lanes, np.full_like(picks, PICK), np.full_like(outside, OUTSIDE)])
    places, lanes = _pack(places, lanes)
    places, lanes = places[:, :width], lanes[:, :width]
    lanes[candidate_set.is_pick[places]] = PICK
    lanes[places < 0] = 0
    reasons = _reason_topics(candidate_set, block, places)
    reasons[lanes != FOR_YOU] = -1
    chosen.positions[rows, :width] = np.where(places >= 0, candidate_set.order[places], -1)
    chosen.lanes[rows, :width] = lanes
    chosen.topics[rows, :width] = reasons


def _reason_topics(candidate_set: CandidateSet, block: Block, places: Ints) -> NDArray[np.int16]:
    """Return the followed topic with the highest weight for each paper; -1 for none."""
    said = candidate_set.topics[places] * np.maximum(block.weights[:, None, :-1], 0)
    topics: NDArray[np.int16] = said.argmax(axis=2).astype(np.int16)
    topics[(said.max(axis=2) <= 0) | (places < 0)] = -1
    return topics


def _liked_kin(similar_to_liked: SimilarToLiked, chosen: Chosen, papers: int) -> Ints:
    """The liked paper that each choice of the reader's own list is most like; 0 where it is like none."""
    told = np.zeros(chosen.positions.shape, dtype=np.int64)
    keys, first = np.unique(similar_to_liked.rows * papers + similar_to_liked.columns, return_index=True)
    if not len(keys):
        return told
    wanted = np.arange(len(told))[:, None] * papers + chosen.positions
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    own = (chosen.positions >= 0) & ((chosen.lanes == FOR_YOU) | (chosen.lanes == TRENDING))
    found = own & (keys[at] == wanted)
    told[found] = similar_to_liked.papers[first[at[found]]]
    return told


def _pack(places: Ints, lanes: Ints) -> tuple[Ints, Ints]:
    """Move the empty places of every row behind the others, keeping their order."""
    turn = np.argsort(places < 0, axis=1, kind="stable")
    return np.take_along_axis(places, turn, axis=1), np.take_along_axis(lanes, turn, axis=1)
