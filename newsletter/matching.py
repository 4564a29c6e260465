"""Readers' topic weights x candidate papers -> ordered picks with their reasons. Pure, numpy only.

In: one edition's candidates and a block of readers, as arrays. Out: per reader the chosen candidates in order, the
lane of each and the topic that speaks for it. Rules in their order: mutes and memory first, then followed topics
(the trending list for readers who follow none), diversity, editor's picks, one paper from outside.
Same input, same output, however many readers are given at once: scores are sums of small integers, exact in float32.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LANES = ("trending", "pick", "for_you", "outside")
_TRENDING, _PICK, _FOR_YOU, _OUTSIDE = range(4)
_FULL = 4095  # a topic's fit in 12 bits and a weight in eighths: 18 of them add up far below 2**24
_EIGHTHS = 8
_OUT = np.float32(-np.inf)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The papers of one edition, in its order. ``topics`` holds the scores of assigned topics and 0 elsewhere."""

    item_ids: Ints
    paper_ids: Ints
    trend: Floats  # 0..1
    topics: Floats  # papers x topics, 0..1
    primary: NDArray[np.int16]  # topic column, -1 for none
    picks: Bools  # editor's picks
    similarity: Floats | None = None  # papers x papers, 0..1; None: the cosine of the topic scores


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
    seen_indices: Ints  # candidate columns; negative ones are ignored
    widen: Bools | None = None  # fill a short digest from the trending list


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    mmr: float = 0.7  # weight of the score against likeness to what is chosen already
    per_topic: int = 3  # papers of one primary topic, unless it is the only topic followed
    max_picks: int = 2  # editor's picks from outside the reader's own list; never more than a third of a digest
    outside_from: int = 4  # shorter digests have no paper from outside
    trend_share: float = 0.6  # how much of a topic's fit has to be earned by trending
    secondary_mute: float = 0.5  # what a muted second topic takes away
    floor: float = 0.0  # scores (0..1) up to this are left out, so that a digest may be short
    depth: int = 6  # best papers of each primary topic that compete
    single_depth: int = 60  # the same for the only topic of a reader
    outside_pool: int = 256  # the outside paper is one of the most trending
    block: int = 500  # readers at a time; changes memory and speed, never the result


@dataclass(frozen=True, slots=True)
class Chosen:
    """Per reader the candidate columns in order (-1: none left), the lane code of each, its topic column or -1."""

    positions: NDArray[np.int32]
    lanes: NDArray[np.int8]
    topics: NDArray[np.int16]


def choose(candidates: Candidates, readers: Readers, rules: Rules) -> Chosen:
    """Choose each reader's papers.

    A paper whose primary topic is muted is never sent. A muted second topic only pushes a paper down, as else muting
    a broad topic would empty the digest; it does bar a paper from the outside slot. An empty row means that nothing
    new is there for the reader: picks and the outside paper accompany a digest, they are no reason to send one.
    """
    count, width = len(readers.limits), int(readers.limits.max(initial=0))
    chosen = Chosen(
        positions=np.full((count, width), -1, dtype=np.int32),
        lanes=np.zeros((count, width), dtype=np.int8),
        topics=np.full((count, width), -1, dtype=np.int16),
    )
    if not width or not len(candidates.item_ids):
        return chosen
    shelf = _Shelf(candidates, rules)
    follows = (readers.weights > 0) & ~readers.mutes
    only = np.where(follows.sum(axis=1) == 1, follows.argmax(axis=1), -1)
    for topic in np.unique(only).tolist():
        rows = np.flatnonzero(only == topic)
        for start in range(0, len(rows), rules.block):
            _choose_block(shelf, readers, rows[start : start + rules.block], topic, chosen)
    return chosen


def picks_of(chosen: Chosen, candidates: Candidates, slugs: Sequence[str]) -> Iterator[list[list[int | str]]]:
    """Each reader's picks as they are stored: ordered ``[item id, lane, reason]``."""
    items = np.append(candidates.item_ids, -1)[chosen.positions].tolist()
    names = [f"topic:{slug}" for slug in slugs]
    for row, lanes, topics in zip(items, chosen.lanes.tolist(), chosen.topics.tolist(), strict=True):
        yield [
            [item, LANES[lane], names[topic] if topic >= 0 else LANES[lane]]
            for item, lane, topic in zip(row, lanes, topics, strict=True)
            if item >= 0
        ]


def picks_as_json(chosen: Chosen, candidates: Candidates, slugs: Sequence[str]) -> list[str]:
    """Each reader's picks as JSON texts of ``picks_of``. Few different picks make many rows: each is written once."""
    width = len(slugs) + 1
    codes = ((chosen.positions.astype(np.int64) + 1) * len(LANES) + chosen.lanes) * width + chosen.topics + 1
    codes[chosen.positions < 0] = 0
    distinct, places = np.unique(codes, return_inverse=True)
    items = np.append(0, candidates.item_ids).tolist()
    texts = []
    for code in distinct.tolist():
        rest, topic = divmod(code, width)
        position, lane = divmod(rest, len(LANES))
        reason = f"topic:{slugs[topic - 1]}" if topic else LANES[lane]
        texts.append(json.dumps([items[position], LANES[lane], reason]) if code else "")
    rows = places.reshape(codes.shape).tolist()
    return [f"[{', '.join([texts[place] for place in row if texts[place]])}]" for row in rows]


def trend_scale(scores: NDArray[np.float64]) -> Floats:
    """Trend scores of one edition on 0..1: the logistic of the standard score, so that one outlier hides nobody."""
    spread = scores.std() if len(scores) else 0.0
    if not spread:
        return np.full(len(scores), 0.5, dtype=np.float32)
    scaled: Floats = (1 / (1 + np.exp(-(scores - scores.mean()) / spread))).astype(np.float32)
    return scaled


class _Shelf:
    """The candidates sorted by primary topic, then trend, with everything that is the same for all readers."""

    def __init__(self, candidates: Candidates, rules: Rules) -> None:
        self.rules = rules
        papers, self.topic_count = candidates.topics.shape
        by_trend = np.lexsort((np.arange(papers), -candidates.trend))
        rank = np.empty(papers, dtype=np.int64)
        rank[by_trend] = np.arange(papers)
        self.order = np.lexsort((rank, candidates.primary))
        self.place = np.empty(papers, dtype=np.int64)  # candidate column -> place on the shelf
        self.place[self.order] = np.arange(papers)
        self.rank = rank[self.order]
        self.topics = candidates.topics[self.order]
        self.primary = candidates.primary[self.order]
        self.is_pick = candidates.picks[self.order]
        trend = candidates.trend[self.order]
        # Whole numbers, and at least 1 where a topic is assigned: no weight is lost in the rounding.
        lift = 1 - rules.trend_share + rules.trend_share * trend
        fit = np.where(self.topics > 0, np.maximum(np.rint(self.topics * lift[:, None] * _FULL), 1), 0)
        listed = 1 + np.rint(trend * (_FULL - 1))
        self.fit = np.concatenate([fit.T, listed[None, :]]).astype(np.float32)
        # (topic, first place, place after the last) of each run of papers with the same primary topic
        firsts = np.flatnonzero(np.diff(self.primary, prepend=-2))
        ends = np.append(firsts[1:], papers)
        self.runs = [(int(self.primary[a]), int(a), int(b)) for a, b in zip(firsts, ends, strict=True)]
        self.ends = ends
        self.likeness = _likeness(candidates, self.order)
        self.by_trend = self.place[by_trend]
        self.outside = self.by_trend[~self.is_pick[self.by_trend]][: rules.outside_pool]
        self.picks = self.by_trend[self.is_pick[self.by_trend]]
        self.assigned = (self.topics > 0).astype(np.float32)


def _likeness(candidates: Candidates, order: Ints) -> NDArray[np.uint8]:
    """Papers x papers in 256 steps: a quarter of the memory, and a gather that stays in the cache."""
    topics = candidates.topics[order]
    lengths = np.sqrt((topics * topics).sum(axis=1, keepdims=True))
    vectors = topics / np.where(lengths > 0, lengths, 1)
    steps = np.empty((len(order), len(order)), dtype=np.uint8)
    for start in range(0, len(order), 512):
        rows = slice(start, start + 512)
        if candidates.similarity is not None:
            steps[rows] = _in_steps(candidates.similarity[np.ix_(order[rows], order)])
        else:
            steps[rows] = _in_steps(vectors[rows] @ vectors.T)
    return steps


def _in_steps(likeness: NDArray[np.floating]) -> NDArray[np.uint8]:
    steps: NDArray[np.uint8] = np.rint(np.clip(likeness, 0, 1) * 255).astype(np.uint8)
    return steps


@dataclass(slots=True)
class _Block:
    """Some readers who follow one and the same topic only, or (-1) none or several, and what they must not get."""

    only: int
    weights: Floats  # readers x (topics, trending list)
    follows: Bools
    mutes: Bools
    limits: Ints
    seen_rows: Ints
    seen_places: Ints
    relevance: Floats | None
    blend: Floats | None


def _choose_block(shelf: _Shelf, readers: Readers, rows: Ints, only: int, chosen: Chosen) -> None:
    block = _block_of(shelf, readers, rows, only)
    follows_any: Bools = np.logical_or.reduce(block.follows, axis=1)
    width = int(block.limits.max())
    main, counts = _select(shelf, block, width=width)
    lanes = np.where(follows_any[:, None], _FOR_YOU, _TRENDING) * np.ones_like(main)
    if readers.widen is not None:
        _widen(shelf, block, np.flatnonzero(readers.widen[rows] & follows_any), main, lanes, counts)
    alive = main[:, 0] >= 0
    seen_outside, seen_picks = (_seen_among(shelf, block, places) for places in (shelf.outside, shelf.picks))

    long_enough = block.limits >= shelf.rules.outside_from
    wanted = np.logical_and.reduce([readers.outside[rows], follows_any, alive, long_enough])
    outside = _outside_paper(shelf, block, seen_outside, wanted)
    room = block.limits - (outside >= 0)
    extra = _extra_picks(shelf, block, seen_picks, main, np.where(alive, room, 0))
    _make_way(shelf, block, main, np.hstack([extra, outside[:, None]]))
    main, lanes = _pack(main, lanes)
    room = room - (extra >= 0).sum(axis=1)
    main[np.arange(width) >= room[:, None]] = -1

    places = np.hstack([main, extra, outside[:, None]])
    lanes = np.hstack([lanes, np.full_like(extra, _PICK), np.full((len(rows), 1), _OUTSIDE)])
    places, lanes = _pack(places, lanes)
    places, lanes = places[:, :width], lanes[:, :width]
    lanes[shelf.is_pick[places]] = _PICK
    lanes[places < 0] = 0
    reasons = _reason_topics(shelf, block, places)
    reasons[lanes != _FOR_YOU] = -1
    chosen.positions[rows, :width] = np.where(places >= 0, shelf.order[places], -1)
    chosen.lanes[rows, :width] = lanes
    chosen.topics[rows, :width] = reasons


def _block_of(shelf: _Shelf, readers: Readers, rows: Ints, only: int) -> _Block:
    mutes = readers.mutes[rows]
    wishes = np.rint(readers.weights[rows] * _EIGHTHS)
    wishes[mutes] = 0
    follows = wishes > 0
    wishes[mutes] = -np.rint(shelf.rules.secondary_mute * _EIGHTHS)
    trending = np.where(follows.any(axis=1), 0, _EIGHTHS)
    starts, ends = readers.seen_indptr[rows], readers.seen_indptr[rows + 1]
    lengths = ends - starts
    seen_rows = np.repeat(np.arange(len(rows)), lengths)
    offsets = np.arange(len(seen_rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    columns = readers.seen_indices[np.repeat(starts, lengths) + offsets]
    known = columns >= 0
    return _Block(
        only=only,
        weights=np.column_stack([wishes, trending]).astype(np.float32),
        follows=follows,
        mutes=mutes,
        limits=readers.limits[rows].astype(np.int64),
        seen_rows=seen_rows[known],
        seen_places=shelf.place[columns[known]],
        relevance=None if readers.relevance is None else readers.relevance[rows],
        blend=None if readers.blend is None else readers.blend[rows],
    )


def _select(shelf: _Shelf, block: _Block, *, width: int, counts: Ints | None = None) -> tuple[Ints, Ints]:
    """The readers' own lists by maximal marginal relevance, and how many of each primary topic they hold.

    ``counts``: what of each primary topic they hold already.
    """
    runs = len(shelf.runs)
    caps = np.full(runs, shelf.rules.per_topic)
    depths = np.full(runs, shelf.rules.depth)
    for run, (topic, _, _) in enumerate(shelf.runs):
        if block.only >= 0 and topic == block.only:
            caps[run], depths[run] = width, shelf.rules.single_depth
    scores, places, run_of = _pool(shelf, block, depths)
    held = np.zeros((len(block.limits), runs), dtype=np.int64) if counts is None else counts
    return _diversify(shelf, block, scores, places, run_of=run_of, caps=caps, held=held, width=width), held


def _pool(shelf: _Shelf, block: _Block, depths: Ints) -> tuple[Floats, Ints, Ints]:
    """Scores and places, readers x columns: the best papers of every run that the reader may get; each column's run."""
    depths = np.minimum(depths, [end - first for _, first, end in shelf.runs])
    size, columns = len(block.limits), int(depths.sum())
    every = np.arange(size)
    scores = np.empty((size, columns), dtype=np.float32)
    places = np.empty((size, columns), dtype=np.int64)
    scale = 1 / (_FULL * np.maximum(block.weights.max(axis=1), 1))
    by_run = np.searchsorted(shelf.ends, block.seen_places, side="right")
    turn = np.argsort(by_run, kind="stable")
    seen_rows, seen_places = block.seen_rows[turn], block.seen_places[turn]
    bounds = np.searchsorted(by_run[turn], np.arange(len(shelf.runs) + 1))
    column = 0
    for run, (topic, first, end) in enumerate(shelf.runs):
        fits = block.weights @ shelf.fit[:, first:end]
        if block.relevance is not None and block.blend is not None:
            personal = block.relevance[:, shelf.order[first:end]]
            known = (fits > 0) & ~np.isnan(personal)
            trust = block.blend[:, None]
            mixed = fits * scale[:, None] * (1 - trust) + personal * trust
            fits = np.where(known, mixed / scale[:, None], fits).astype(np.float32)
        if topic >= 0:
            fits[block.mutes[:, topic]] = 0
        mine = slice(bounds[run], bounds[run + 1])
        fits[seen_rows[mine], seen_places[mine] - first] = 0
        for _ in range(depths[run]):
            best = fits.argmax(axis=1)
            scores[:, column] = fits[every, best]
            places[:, column] = best + first
            fits[every, best] = 0
            column += 1
    scores *= scale[:, None]
    scores[scores <= shelf.rules.floor] = _OUT
    return scores, places, np.repeat(np.arange(len(shelf.runs)), depths)


def _diversify(
    shelf: _Shelf, block: _Block, scores: Floats, places: Ints, *, run_of: Ints, caps: Ints, held: Ints, width: int
) -> Ints:
    """Greedy: the highest ``mmr * score - (1 - mmr) * likeness to the nearest chosen``, all readers at once.

    No reader gets more of a run than its cap; ``held`` is counted up in place.
    """
    rules, every = shelf.rules, np.arange(len(scores))
    best = scores.max(axis=1)
    worth = scores * (rules.mmr / np.where(best > 0, best, 1)).astype(np.float32)[:, None]
    # Equal papers go in the order of the trend; steps too small to turn anything else around.
    worth -= (shelf.rank * (5e-4 / len(shelf.rank))).astype(np.float32)[places]
    worth[(held >= caps)[:, run_of]] = _OUT
    cost = (np.arange(256) * ((1 - rules.mmr) / 255)).astype(np.float32)
    nearest = np.zeros(places.shape, dtype=np.uint8)
    flat, papers = shelf.likeness.ravel(), len(shelf.rank)
    result = np.full((len(scores), width), -1, dtype=np.int64)
    for step in range(width):
        at = (worth - cost[nearest]).argmax(axis=1)
        taken = (worth[every, at] > _OUT) & (step < block.limits)
        if not taken.any():
            break
        place, run = places[every, at], run_of[at]
        result[taken, step] = place[taken]
        worth[every, at] = _OUT
        held[every[taken], run[taken]] += 1
        full = np.flatnonzero(taken & (held[every, run] >= caps[run]))
        worth[full] = np.where(run_of == run[full, None], _OUT, worth[full])
        np.maximum(nearest, flat[place[:, None] * papers + places], out=nearest)
    return result


def _widen(shelf: _Shelf, block: _Block, rows: Ints, main: Ints, lanes: Ints, counts: Ints) -> None:
    """Fill the lists of those rows from the trending list, mutes, memory and topic caps as before. In place."""
    have = (main[rows] >= 0).sum(axis=1)
    rows = rows[have < block.limits[rows]]
    if not len(rows):
        return
    have = (main[rows] >= 0).sum(axis=1)
    local = np.full(len(main), -1)
    local[rows] = np.arange(len(rows))
    kept = local[block.seen_rows] >= 0
    own_rows, own_columns = np.nonzero(main[rows] >= 0)
    weights = block.weights[rows]
    weights[weights > 0] = 0
    weights[:, -1] = _EIGHTHS
    wider = _Block(
        only=-1,
        weights=weights,
        follows=block.follows[rows],
        mutes=block.mutes[rows],
        limits=block.limits[rows] - have,
        seen_rows=np.concatenate([local[block.seen_rows[kept]], own_rows]),
        seen_places=np.concatenate([block.seen_places[kept], main[rows][own_rows, own_columns]]),
        relevance=None,
        blend=None,
    )
    more, _ = _select(shelf, wider, width=main.shape[1], counts=counts[rows])
    row, column = np.nonzero(more >= 0)
    main[rows[row], have[row] + column] = more[row, column]
    lanes[rows[row], have[row] + column] = _TRENDING


def _seen_among(shelf: _Shelf, block: _Block, places: Ints) -> Bools:
    """Readers x ``places``: has the reader had it?"""
    column = np.full(len(shelf.rank), -1)
    column[places] = np.arange(len(places))
    mine = column[block.seen_places]
    seen = np.zeros((len(block.limits), len(places)), dtype=bool)
    seen[block.seen_rows[mine >= 0], mine[mine >= 0]] = True
    return seen


def _outside_paper(shelf: _Shelf, block: _Block, seen: Bools, wanted: Bools) -> Ints:
    """The most trending paper with none of the reader's topics, followed or muted; -1 for none."""
    if not len(shelf.outside):
        return np.full(len(wanted), -1)
    touched = (block.follows | block.mutes).astype(np.float32) @ shelf.assigned[shelf.outside].T
    free = (touched == 0) & ~seen & wanted[:, None]
    first = free.argmax(axis=1)
    return np.where(free[np.arange(len(wanted)), first], shelf.outside[first], -1)


def _extra_picks(shelf: _Shelf, block: _Block, seen: Bools, main: Ints, room: Ints) -> Ints:
    """Editor's picks that the reader's own list does not bring by itself, readers x max_picks, -1 for none."""
    quota = np.minimum(shelf.rules.max_picks, room // 3)
    extra = np.full((len(room), shelf.rules.max_picks), -1, dtype=np.int64)
    sure = np.arange(main.shape[1]) < (room - quota)[:, None]
    held = np.zeros(len(room), dtype=np.int64)
    for column, place in enumerate(shelf.picks.tolist()):
        topic = int(shelf.primary[place])
        fine = (held < quota) & ~seen[:, column] & ~((main == place) & sure).any(axis=1)
        if topic >= 0:
            fine &= ~block.mutes[:, topic]
        extra[fine, held[fine]] = place
        held += fine
    return extra


def _make_way(shelf: _Shelf, block: _Block, main: Ints, guests: Ints) -> None:
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


def _reason_topics(shelf: _Shelf, block: _Block, places: Ints) -> NDArray[np.int16]:
    """The followed topic that speaks loudest for each paper; -1 where none does."""
    said = shelf.topics[places] * np.maximum(block.weights[:, None, :-1], 0)
    topics: NDArray[np.int16] = said.argmax(axis=2).astype(np.int16)
    topics[(said.max(axis=2) <= 0) | (places < 0)] = -1
    return topics


def _pack(places: Ints, lanes: Ints) -> tuple[Ints, Ints]:
    """Move the empty places of every row behind the others, keeping their order."""
    turn = np.argsort(places < 0, axis=1, kind="stable")
    return np.take_along_axis(places, turn, axis=1), np.take_along_axis(lanes, turn, axis=1)
