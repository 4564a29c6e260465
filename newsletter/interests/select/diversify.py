"""The readers' own lists: the best papers of the followed topics (or of the trending list), made diverse.

In: the candidate set and a block of readers. Out: places in it, in order. First the best papers of every primary topic
are kept, as no busy topic may crowd out another; among these maximal marginal relevance chooses one after the other.
"""

from __future__ import annotations

import numpy as np

from newsletter.interests.select.arrays import TRENDING, Floats, Ints
from newsletter.interests.select.candidate_set import EIGHTHS, FULL, CandidateSet
from newsletter.interests.select.reader_weights import Block

OUT = np.float32(-np.inf)


def select(candidate_set: CandidateSet, block: Block, *, width: int, counts: Ints | None = None) -> tuple[Ints, Ints]:
    """The readers' own lists by maximal marginal relevance, and how many of each primary topic they hold.

    ``counts``: what of each primary topic they hold already.
    """
    runs = len(candidate_set.runs)
    caps = np.full(runs, candidate_set.rules.per_topic)
    depths = np.full(runs, candidate_set.rules.depth)
    for run, (topic, _, _) in enumerate(candidate_set.runs):
        if block.only >= 0 and topic == block.only:
            caps[run], depths[run] = width, candidate_set.rules.single_depth
    scores, places, run_of = _pool(candidate_set, block, depths)
    held = np.zeros((len(block.limits), runs), dtype=np.int64) if counts is None else counts
    return _diversify(candidate_set, block, scores, places, run_of=run_of, caps=caps, held=held, width=width), held


def _pool(candidate_set: CandidateSet, block: Block, depths: Ints) -> tuple[Floats, Ints, Ints]:
    """Scores and places, readers x columns: the best papers of every run that the reader may get; each column's run."""
    depths = np.minimum(depths, [end - first for _, first, end in candidate_set.runs])
    size, columns = len(block.limits), int(depths.sum())
    every = np.arange(size)
    scores = np.empty((size, columns), dtype=np.float32)
    places = np.empty((size, columns), dtype=np.int64)
    scale = 1 / (FULL * block.weights.max(axis=1))  # everybody has a positive weight: of a topic or the trending list
    by_run = np.searchsorted(candidate_set.ends, block.seen_places, side="right")
    turn = np.argsort(by_run, kind="stable")
    seen_rows, seen_places = block.seen_rows[turn], block.seen_places[turn]
    bounds = np.searchsorted(by_run[turn], np.arange(len(candidate_set.runs) + 1))
    column = 0
    for run, (topic, first, end) in enumerate(candidate_set.runs):
        fits = block.weights @ candidate_set.fit[:, first:end]
        if block.personal is not None:
            mine, personal = block.personal.rows, block.personal.relevance[:, first:end]
            declared, trust, scale_of = fits[mine], block.personal.blend[:, None], scale[mine, None]
            mixed = declared * (1 - trust) + personal * trust / scale_of
            fits[mine] = np.where(declared > 0, mixed, declared)
        if topic >= 0:
            fits[block.mutes[:, topic]] = 0
        had = slice(bounds[run], bounds[run + 1])
        fits[seen_rows[had], seen_places[had] - first] = 0
        for _ in range(depths[run]):
            best = fits.argmax(axis=1)
            scores[:, column] = fits[every, best]
            places[:, column] = best + first
            fits[every, best] = 0
            column += 1
    scores *= scale[:, None]
    scores[scores <= candidate_set.rules.floor] = OUT
    return scores, places, np.repeat(np.arange(len(candidate_set.runs)), depths)


def _diversify(
    candidate_set: CandidateSet,
    block: Block,
    scores: Floats,
    places: Ints,
    *,
    run_of: Ints,
    caps: Ints,
    held: Ints,
    width: int,
) -> Ints:
    """Greedy: the highest ``mmr * score - (1 - mmr) * likeness to the nearest chosen``, all readers at once.

    No reader gets more of a run than its cap; ``held`` is counted up in place.
    """
    rules, every = candidate_set.rules, np.arange(len(scores))
    best = scores.max(axis=1)
    worth = scores * (rules.mmr / np.where(best > 0, best, 1)).astype(np.float32)[:, None]
    # Equal papers go in the order of the trend; steps too small to turn anything else around.
    worth -= (candidate_set.rank * (5e-4 / len(candidate_set.rank))).astype(np.float32)[places]
    worth[(held >= caps)[:, run_of]] = OUT
    cost = (np.arange(256) * ((1 - rules.mmr) / 255)).astype(np.float32)
    nearest = np.zeros(places.shape, dtype=np.uint8)
    flat, papers = candidate_set.likeness.ravel(), len(candidate_set.rank)
    result = np.full((len(scores), width), -1, dtype=np.int64)
    for step in range(width):
        at = (worth - cost[nearest]).argmax(axis=1)
        taken = (worth[every, at] > OUT) & (step < block.limits)
        if not taken.any():
            break
        place, run = places[every, at], run_of[at]
        result[taken, step] = place[taken]
        worth[every, at] = OUT
        held[every[taken], run[taken]] += 1
        full = np.flatnonzero(taken & (held[every, run] >= caps[run]))
        worth[full] = np.where(run_of == run[full, None], OUT, worth[full])
        np.maximum(nearest, flat[place[:, None] * papers + places], out=nearest)
    return result


def widen(candidate_set: CandidateSet, block: Block, rows: Ints, main: Ints, lanes: Ints, counts: Ints) -> None:
    """Fill the lists of those rows from the trending list, mutes, memory and topic caps as before. In place."""
    filled = (main >= 0).sum(axis=1)
    rows = rows[filled[rows] < block.limits[rows]]
    if not len(rows):
        return
    have = filled[rows]
    local = np.full(len(main), -1)
    local[rows] = np.arange(len(rows))
    kept = local[block.seen_rows] >= 0
    own_rows, own_columns = np.nonzero(main[rows] >= 0)
    weights = np.minimum(block.weights[rows], 0)
    weights[:, -1] = EIGHTHS
    wider = Block(
        only=-1,
        weights=weights,
        follows=block.follows[rows],
        mutes=block.mutes[rows],
        limits=block.limits[rows] - have,
        seen_rows=np.concatenate([local[block.seen_rows[kept]], own_rows]),
        seen_places=np.concatenate([block.seen_places[kept], main[rows][own_rows, own_columns]]),
    )
    more, _ = select(candidate_set, wider, width=main.shape[1], counts=counts[rows])
    row, column = np.nonzero(more >= 0)
    main[rows[row], have[row] + column] = more[row, column]
    lanes[rows[row], have[row] + column] = TRENDING
