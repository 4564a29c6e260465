"""Does the trend score see trends? `python -m tests.bench.bench_trends [seed]`: two generated weeks, replayed.

Papers of each day gather votes and stars as latent interest, weekday, hour and fading allow. Into them are planted
trends (interest that rises late or lasts) and gaming (bought bursts, vote rings, toggled counters, links to famous
repositories, brigades of new accounts among our own readers). Every 12 hours the papers of the last 72 hours are
ranked by each method; right is what falls into the top tenth of genuine votes of the seven days that follow.
Printed: nDCG@10, P@10, stability, age, shares of gamed papers, of brigades' papers and of planted trends in the top.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import log10

import numpy as np
from numpy.typing import NDArray

from newsletter.ranking import trend_formula

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
NAMES = (("hf_daily", "upvotes"), ("hf_daily", "stars"), ("readers", "votes"))
OUR_SHARE = 0.1  # of those who vote there vote here, some hours later
BRIGADE = 6  # what community.py counts of forty accounts made within two hours, all voting at once
Array = NDArray[np.float64]


def hacker_news(points: Array, hours: Array) -> Array:
    """news.arc without its factors for kinds of posts: ((p - 1) ** .8) / ((minutes + 120) / 60) ** 1.8."""
    return np.maximum(points - 1, 0) ** 0.8 / (hours + 2) ** 1.8


def reddit_hot(votes: float, epoch: float) -> float:
    """r2/lib/db/_sorts.pyx."""
    sign = (votes > 0) - (votes < 0)
    return round(sign * log10(max(abs(votes), 1)) + (epoch - 1134028003) / 45000, 7)


def wilson(ups: float, downs: float, z: float = 1.281551565545) -> float:
    """Reddit's confidence: the lower bound of an 80 % interval."""
    n = ups + downs
    share = ups / n
    spread = z * (share * (1 - share) / n + z * z / (4 * n * n)) ** 0.5
    return (share + z * z / (2 * n) - spread) / (1 + z * z / n)


@dataclass(frozen=True)
class World:
    """What happened: by paper and hour since START, with the tricks told apart from genuine interest."""

    born: Array  # hour of listing
    genuine: Array  # papers x hours: votes of people
    bought: Array  # papers x hours: votes of gaming
    stars: Array  # papers x hours: genuine stars
    star_base: Array  # stars before the listing, -1 without a repository
    toggles: Array  # papers x hours: votes taken back and given again
    ours: Array  # papers x hours: votes of our own readers that count
    trending: NDArray[np.bool_]  # planted trends
    gamed: NDArray[np.bool_]  # planted gaming
    brigaded: NDArray[np.bool_]  # planted brigades among our own readers


def make_world(seed: int = 1, *, days: int = 21, papers_a_day: int = 60) -> World:
    rng = np.random.default_rng(seed)
    hours = days * 24
    born = np.concatenate(
        [
            day * 24 + np.sort(rng.uniform(0, 14, papers_a_day if day % 7 < 5 else papers_a_day // 3))
            for day in range(days)
        ]
    )
    papers = len(born)
    age = np.arange(hours)[None, :] - born[:, None]
    alive = age >= 0
    interest = rng.lognormal(-1.9, 0.9, papers)[:, None]  # votes in the first hours, median .15 an hour
    lasting = rng.lognormal(3.3, 0.5, papers)[:, None]  # hours, median 27
    time = np.arange(hours)
    rhythm = (1 + 0.5 * np.sin((time - 8) / 24 * 2 * np.pi)) * np.where(time // 24 % 7 < 5, 1.0, 0.5)
    rate = interest * np.exp(-np.where(alive, age, 0) / lasting)
    # Planted trends: every 20th paper, found by many between 6 and 40 hours after its listing.
    trending = rng.random(papers) < 0.05
    onset, height = rng.uniform(6, 40, papers)[:, None], rng.uniform(1.0, 3.0, papers)[:, None]
    surge = height / (1 + np.exp(-(age - onset) / 3)) * np.exp(-np.maximum(age - onset, 0) / 70)
    rate = (rate + trending[:, None] * surge) * rhythm * alive
    genuine = rng.poisson(rate).astype(float)
    has_code = rng.random(papers) < 0.5
    star_base = np.where(has_code, np.where(rng.random(papers) < 0.1, rng.lognormal(9, 1, papers), 5).round(), -1)
    follow = np.concatenate([np.zeros((papers, 4)), rate[:, :-4]], axis=1) * rng.lognormal(0, 0.4, papers)[:, None]
    stars = rng.poisson(follow * has_code[:, None] + 0.004 * np.maximum(star_base, 0)[:, None] ** 0.5 * alive)

    gamed = (rng.random(papers) < 0.05) & ~trending
    trick = rng.integers(0, 4, papers)
    bought, toggles = np.zeros((papers, hours)), np.zeros((papers, hours))
    for paper in np.flatnonzero(gamed):
        genuine[paper] *= 0.3
        first = int(np.ceil(born[paper]))
        at = first + rng.integers(2, 30)
        if trick[paper] == 0:  # a bought burst
            bought[paper, at : at + 2] = rng.integers(15, 60)
        elif trick[paper] == 1:  # a ring of friends at the start
            bought[paper, first : first + 2] = rng.integers(3, 12)
        elif trick[paper] == 2:  # votes taken back and given again, hour after hour
            bought[paper, first : first + 1] = 10
            toggles[paper, at : at + 40 : 2] = 10
        else:  # the link of a famous repository
            star_base[paper] = 40_000
    ours, brigaded = _readers_votes(seed, rate, born, spared=trending | gamed)
    genuine[brigaded] *= 0.3
    return World(
        born=born,
        genuine=genuine,
        bought=bought * alive,
        stars=stars.astype(float),
        star_base=star_base,
        toggles=toggles * alive,
        ours=ours * alive,
        trending=trending,
        gamed=gamed,
        brigaded=brigaded,
    )


def _readers_votes(
    seed: int, rate: Array, born: Array, *, spared: NDArray[np.bool_]
) -> tuple[Array, NDArray[np.bool_]]:
    """A smaller crowd with the same interest, and every 20th paper with a brigade instead."""
    rng = np.random.default_rng(seed + 1000)
    papers, hours = rate.shape
    later = np.concatenate([np.zeros((papers, 3)), rate[:, :-3]], axis=1)
    ours = rng.poisson(OUR_SHARE * later).astype(float)
    brigaded = (rng.random(papers) < 0.05) & ~spared
    for paper in np.flatnonzero(brigaded):
        ours[paper] *= 0.3
        at = int(np.ceil(born[paper])) + rng.integers(2, 30)
        if at < hours:
            ours[paper, at] += BRIGADE
    return ours, brigaded


def counters(world: World) -> tuple[Array, Array]:
    """Upvotes and stars as a source shows them each hour: papers x hours."""
    upvotes = 1 + np.cumsum(world.genuine + world.bought, axis=1) - world.toggles
    return upvotes, np.maximum(world.star_base, 0)[:, None] + np.cumsum(world.stars, axis=1)


def snapshots(world: World, *, until: int) -> trend_formula.Snapshots:
    """Polled every hour for three days, then every six hours, until the hour given."""
    upvotes, stars = counters(world)
    hours = np.arange(until + 1)
    age = hours[None, :] - world.born[:, None]
    polled = (age >= 0) & ((age < 72) | (hours % 6 == 0))
    found = []
    votes = np.cumsum(world.ours, axis=1)
    voted = (votes[:, until] > 0)[:, None] & (age >= 0)
    for counter, values, which in (
        (0, upvotes, polled),
        (1, stars, polled & (world.star_base >= 0)[:, None]),
        (2, votes, voted),
    ):
        papers, at = np.nonzero(which)
        found.append((papers, np.full(len(papers), counter), values[papers, at], at))
    papers, counter, value, at = (np.concatenate(column) for column in zip(*found, strict=True))
    return trend_formula.Snapshots(
        papers=papers.astype(np.int64),
        counters=counter.astype(np.int64),
        values=value.astype(np.int64),
        at=START.timestamp() + at * 3600.0,
        names=NAMES,
    )


@dataclass(frozen=True)
class Figures:
    ndcg: float
    precision: float
    stability: float
    age: float
    gamed: float
    brigaded: float
    trends: float


def replay(world: World, *, hours: range) -> dict[str, Figures]:
    """Each method's figures over all moments, among papers listed less than 72 hours before."""
    moments = [_Moment(world, hour) for hour in hours]
    return {name: _judge(world, moments, method) for name, method in METHODS.items()}


class _Moment:
    """What can be known at one hour of the papers in question, and what turned out to be right."""

    def __init__(self, world: World, hour: int) -> None:
        self.now = START + timedelta(hours=hour)
        age = hour - world.born
        self.known = np.flatnonzero((age >= 1) & (age < 72))
        self.age = age[self.known]
        upvotes, _ = counters(world)
        self.points = upvotes[self.known, hour]
        self.points_before = np.where(self.age >= 24, upvotes[self.known, max(hour - 24, 0)], 1)
        gain = world.genuine[self.known, hour + 1 : hour + 1 + 7 * 24].sum(axis=1)
        self.right = gain >= np.quantile(gain, 0.9)
        born_at = {paper: START.timestamp() + born * 3600 for paper, born in enumerate(world.born.tolist())}
        gains = trend_formula.gains_of(snapshots(world, until=hour))
        daily = trend_formula.score_papers(gains, born_at, now=self.now)["daily"]
        self.trend = np.array([daily[paper].score if paper in daily else 0.0 for paper in self.known.tolist()])


METHODS: dict[str, Callable[[_Moment], Array]] = {
    "newest": lambda moment: -moment.age,
    "total votes": lambda moment: moment.points,
    "Hacker News": lambda moment: hacker_news(moment.points, moment.age),
    "Reddit hot": lambda moment: np.array(
        [
            reddit_hot(points, moment.now.timestamp() - age * 3600)
            for points, age in zip(moment.points.tolist(), moment.age.tolist(), strict=True)
        ]
    ),
    "votes of 24 h": lambda moment: moment.points - moment.points_before,
    "trend score": lambda moment: moment.trend,
}


def _judge(world: World, moments: list[_Moment], method: Callable[[_Moment], Array]) -> Figures:
    discount = 1 / np.log2(np.arange(2, 12))
    rows, before = [], None
    for moment in moments:
        first = np.argsort(-method(moment), kind="stable")[:10]
        top, right = moment.known[first], moment.right[first]
        rows.append(
            (
                (right * discount[: len(top)]).sum() / discount[: min(10, int(moment.right.sum()))].sum(),
                right.mean(),
                np.nan if before is None else _overlap(before, top.tolist()),
                np.median(moment.age[first]),
                world.gamed[top].mean(),
                world.brigaded[top].mean(),
                world.trending[top].mean(),
            )
        )
        before = top.tolist()
    return Figures(*np.nanmean(np.array(rows), axis=0).tolist())


def _overlap(one: list[int], other: list[int], p: float = 0.9) -> float:
    """Rank-biased overlap of two lists, cut at their length."""
    weights = [p**depth for depth in range(len(one))]
    shares = [len(set(one[: depth + 1]) & set(other[: depth + 1])) / (depth + 1) for depth in range(len(one))]
    return sum(w * share for w, share in zip(weights, shares, strict=True)) / sum(weights)


def main() -> None:
    seeds = [int(sys.argv[1])] if len(sys.argv) > 1 else [1, 2, 3]
    found = [replay(make_world(seed), hours=range(96, 14 * 24, 12)) for seed in seeds]
    print(f"two weeks, {len(seeds)} worlds, ranked every 12 hours; right: the top tenth of the next 7 days' votes")
    print(f"{'':14}{'nDCG@10':>9}{'P@10':>8}{'RBO':>8}{'age h':>8}{'gamed':>8}{'brigade':>9}{'planted':>9}")
    for name in METHODS:
        mean = np.mean([[*vars(figures[name]).values()] for figures in found], axis=0)
        ndcg, precision, stability, age, gamed, brigade, trends = mean.tolist()
        print(f"{name:14}{ndcg:9.3f}{precision:8.3f}{stability:8.3f}{age:8.1f}{gamed:8.1%}{brigade:9.1%}{trends:9.1%}")


if __name__ == "__main__":
    main()
