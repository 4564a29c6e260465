"""How fast digests are chosen: `python -m tests.bench.bench_select [readers] [papers]`, one core, no database.

Prints seconds, readers a second and the memory at its peak; the goal is 100,000 readers x 5,000 papers in 4 s, 300 MB.
"""

from __future__ import annotations

import os
import resource
import sys
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from newsletter.interests import select

TOPICS = 18
CHUNK = 2_000  # readers that planning serves at a time


def make_candidates(papers: int, seed: int = 1) -> select.Candidates:
    """Papers with 1.9 topics each on the average, skewed as real topics are, and heavy-tailed trends."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(2, TOPICS + 2)
    topics = np.zeros((papers, TOPICS), dtype=np.float32)
    primary = rng.choice(TOPICS, papers, p=share / share.sum()).astype(np.int16)
    second = rng.choice(TOPICS, papers, p=share / share.sum())
    topics[np.arange(papers), second] = rng.uniform(0.3, 0.6, papers) * (rng.random(papers) < 0.9)
    topics[np.arange(papers), primary] = rng.uniform(0.5, 1.0, papers)
    trend = rng.pareto(1.5, papers)
    picks = np.zeros(papers, dtype=bool)
    picks[rng.choice(papers, min(3, papers), replace=False)] = True
    return select.Candidates(
        item_ids=np.arange(papers, dtype=np.int64) + 1000,
        trend=select.trend_scale(np.log1p(trend)),
        topics=topics,
        primary=primary,
        picks=picks,
    )


def make_readers(readers: int, papers: int, seed: int = 2) -> select.Readers:
    """One in ten follows nothing, the others one to six topics; a third mutes one; everybody has had ten papers."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((readers, TOPICS), dtype=np.float32)
    mutes = np.zeros((readers, TOPICS), dtype=bool)
    counts = rng.choice([0, 1, 2, 3, 4, 5, 6], readers, p=[0.1, 0.15, 0.2, 0.25, 0.15, 0.1, 0.05])
    ranks = rng.random((readers, TOPICS)).argsort(axis=1)
    weights[ranks < counts[:, None]] = 1
    weights[(weights > 0) & (rng.random(weights.shape) < 0.2)] = 2
    mutes[(ranks == TOPICS - 1) & (rng.random((readers, 1)) < 0.33)] = True
    had = min(10, papers // 2)
    return select.Readers(
        weights=weights,
        mutes=mutes,
        limits=np.full(readers, 10, dtype=np.int16),
        outside=rng.random(readers) < 0.8,
        relevance=None,
        blend=None,
        seen_indptr=np.arange(readers + 1, dtype=np.int64) * had,
        seen_indices=rng.integers(0, papers, readers * had),
    )


def personal_seconds(candidates: select.Candidates, readers: select.Readers) -> float:
    """The same choosing as planning does it, a chunk of readers at a time, a fifth of them with a personal model."""
    rng = np.random.default_rng(3)
    papers = len(candidates.item_ids)
    relevance = rng.random((CHUNK, papers), dtype=np.float32)
    began = time.process_time()
    shelf = select.CandidateSet(candidates, select.SelectionRules())
    spent = time.process_time() - began
    for start in range(0, len(readers.limits), CHUNK):
        rows = slice(start, start + CHUNK)
        bounds = readers.seen_indptr[start : start + CHUNK + 1]
        size = len(readers.limits[rows])
        chunk = select.Readers(
            weights=readers.weights[rows],
            mutes=readers.mutes[rows],
            limits=readers.limits[rows],
            outside=readers.outside[rows],
            relevance=relevance[:size],
            blend=np.where(np.arange(size) % 5, 0, 0.5).astype(np.float32),
            seen_indptr=bounds - bounds[0],
            seen_indices=readers.seen_indices[bounds[0] : bounds[-1]],
        )
        began = time.process_time()
        select.choose(shelf, chunk)
        spent += time.process_time() - began
    return spent


def main() -> None:
    readers_count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    papers = int(sys.argv[2]) if len(sys.argv) > 2 else 5_000
    candidates, readers = make_candidates(papers), make_readers(readers_count, papers)
    wall, cpu = time.perf_counter(), time.process_time()
    chosen = select.choose(select.CandidateSet(candidates, select.SelectionRules()), readers)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    again = time.process_time()
    stored = select.picks_as_json(chosen, candidates, [f"t{n}" for n in range(TOPICS)])
    again = time.process_time() - again
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    total = sum(picks.papers for picks in stored)
    lanes = np.bincount(chosen.lanes[chosen.positions >= 0], minlength=4)
    print(f"{readers_count:,} readers x {papers:,} papers x {TOPICS} topics, one core")
    print(f"choose    {cpu:6.2f} s CPU ({wall:.2f} s wall)   {readers_count / cpu:10,.0f} readers/s")
    print(f"as rows   {again:6.2f} s CPU   {total:,} picks, {total / readers_count:.2f} a reader")
    print(f"peak RSS  {peak:6.0f} MB")
    spent = personal_seconds(candidates, readers)
    print(f"personal  {spent:6.2f} s CPU   with verdicts of every fifth, in chunks of {CHUNK:,}")
    print("lanes     " + ", ".join(f"{name} {count:,}" for name, count in zip(select.LANES, lanes, strict=True)))


if __name__ == "__main__":
    main()
