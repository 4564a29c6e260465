"""Thirty days of digests for 1,000 simulated readers: `python -m tests.bench.bench_digests [readers] [days]`.

Each day 25 papers are new and the 60 most trending of the last seven days are the edition, so the same paper is offered
again and again. Printed: repeats (must be none), digests with at least 70 % of papers on the reader's topics, different
primary topics in a digest, empty digests, papers a digest.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import numpy as np

from newsletter.interests import select
from tests.bench.bench_select import make_candidates, make_readers

A_DAY, OFFERED = 25, 60


@dataclass(frozen=True)
class Outcome:
    repeats: int
    on_topic: float  # share of digests
    diversity: float  # primary topics in a digest
    empty: float  # share of readers' days
    length: float  # papers in a digest


def simulate(readers: int = 1000, days: int = 30, *, seed: int = 1) -> Outcome:
    rng = np.random.default_rng(seed)
    world = make_candidates((days + 7) * A_DAY, seed=seed)
    born = np.repeat(np.arange(-7, days), A_DAY)
    people = make_readers(readers, len(born), seed=seed + 1)
    follows = (people.weights > 0) & ~people.mutes
    seen: list[set[int]] = [set() for _ in range(readers)]
    repeats, on_topic, diversity, lengths = 0, [], [], []
    for day in range(days):
        age = day - born
        offered = np.flatnonzero((age >= 0) & (age < 7))
        heat = world.trend[offered] * np.exp2(-age[offered] / 3) * rng.uniform(0.7, 1.3, len(offered))
        offered = offered[np.argsort(-heat, kind="stable")[:OFFERED]]
        shelf = replace(
            world,
            item_ids=offered,
            trend=select.trend_scale(-np.sort(-heat)[:OFFERED].astype(np.float64)),
            topics=world.topics[offered],
            primary=world.primary[offered],
            picks=np.arange(len(offered)) == rng.integers(len(offered)),
        )
        column = {paper: number for number, paper in enumerate(offered.tolist())}
        had = [[column[paper] for paper in mine if paper in column] for mine in seen]
        block = replace(
            people,
            seen_indptr=np.cumsum([0, *map(len, had)]),
            seen_indices=np.array([number for numbers in had for number in numbers], dtype=np.int64),
        )
        chosen = select.choose(select.CandidateSet(shelf, select.SelectionRules()), block)
        for reader, row in enumerate(chosen.positions.tolist()):
            papers = [int(offered[number]) for number in row if number >= 0]
            repeats += len(seen[reader].intersection(papers)) + len(papers) - len(set(papers))
            seen[reader].update(papers)
            lengths.append(len(papers))
            if papers:
                diversity.append(len(set(world.primary[papers].tolist())))
                if follows[reader].any():
                    on_topic.append((world.topics[papers][:, follows[reader]] > 0).any(axis=1).mean() >= 0.7)
    sizes = np.array(lengths)
    return Outcome(
        repeats=repeats,
        on_topic=float(np.mean(on_topic)),
        diversity=float(np.mean(diversity)),
        empty=float((sizes == 0).mean()),
        length=float(sizes[sizes > 0].mean()),
    )


def main() -> None:
    numbers = [int(argument) for argument in sys.argv[1:]]
    found = simulate(*numbers)
    print(f"repeats                     {found.repeats}")
    print(f"digests 70 % on topic       {found.on_topic:.1%}")
    print(f"primary topics in a digest  {found.diversity:.2f}")
    print(f"empty digests               {found.empty:.1%}")
    print(f"papers in a digest          {found.length:.2f}")


if __name__ == "__main__":
    main()
