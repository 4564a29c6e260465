"""Signals and a moment in, trend scores out, each with the numbers that explain it. Pure.

In: snapshots of counters (upvotes, stars …) of young papers. Out: one TrendScore per measured paper and cadence.
Only gains between snapshots count, so an old repository never trends for having many stars, and every rate is
compared with papers of the same source, field, weekday and age. Numbers in, numbers out: may run any number of times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from newsletter.catalogue.sources import registry
from newsletter.ranking.same_age_groups import AGE_EDGES, Cohorts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOUR = 3600.0
HALF_LIVES = {"daily": 24.0, "weekly": 96.0, "monthly": 240.0}  # hours
WINDOWS = {"daily": 24.0, "weekly": 168.0, "monthly": 720.0}  # hours that the shown gains are counted over
METRIC_WEIGHTS = {
    **{"upvotes": 1.0, "stars": 0.5, "comments": 0.5, "votes": 0.5, "verdicts": 0.5},
    **{"points": 0.5, "citations": 0.5},
}
TOLD_MEDIANS = ("points", "citations")  # beside that of the upvotes, which is `cohort_median`
# Our own readers are few: that none of them voted says nothing, so their votes raise a score and never lower one.
# Without any other crowd to confirm it, what they say counts as much as one source may say among others.
OURS = "readers"
PRIOR_HOURS = 12.0  # how long a paper counts as an average one of its cohort before its own numbers outweigh that
QUANTILE = 0.2  # of the posterior rate: few votes in little time are not believed
SOURCE_CAP = 0.6  # of a paper's score, where several sources measured it
AGREEMENT = 0.15  # for each further source above its median
BURST_MIN = (1000, 1000, 1000)  # steps in a cohort, else a larger one gives the percentile that bursts are cut to


@dataclass(frozen=True, slots=True)
class TrendScore:
    """``parts``: hours, <metric>_gain, cohort_median (of the upvotes gained), cohort_size, sources (their shares).

    A paper that gained nothing in the time told has its last gain there, with the time since, and `is_past`: every rank
    has a reason.
    """

    score: float
    parts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Snapshots:
    """Values of counters, in any order. A counter is a (source, metric); ``at`` is in seconds since the epoch."""

    papers: Ints
    counters: Ints  # index into ``names``
    values: Ints
    at: Floats
    names: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Gains:
    """One row per paper and counter, and the steps by which it grew between two snapshots."""

    papers: Ints
    counters: Ints
    first_at: Floats
    step_rows: Ints
    step_gains: Floats
    step_starts: Floats
    step_ends: Floats
    names: Sequence[tuple[str, str]]


def _own_votes(source: str, metric: str) -> int:
    origin = registry.origins().get(source)
    return origin.OWN_VOTES.get(metric, 0) if origin else 0


def gains_of(snapshots: Snapshots) -> Gains:
    """The first snapshot is a baseline and no gain. Falling gives none, and neither does climbing back."""
    own = np.array([_own_votes(*name) for name in snapshots.names], dtype=np.int64)
    turn = np.lexsort((snapshots.at, snapshots.counters, snapshots.papers))
    papers, counters, at = snapshots.papers[turn], snapshots.counters[turn], snapshots.at[turn]
    opens = _differs(papers) | _differs(counters)
    # Of several snapshots in one hour the last stays (and the baseline), so that bursts are measured by the hour.
    kept = np.ones(len(at), dtype=bool)
    kept[:-1] = opens[:-1] | (_differs(np.floor(at / HOUR)) | opens)[1:]
    papers, counters, at, opens = papers[kept], counters[kept], at[kept], opens[kept]
    values = np.maximum(snapshots.values[turn][kept], own[counters])
    rows = np.cumsum(opens) - 1
    # Each row is lifted above the row before it, so one running maximum serves all.
    lift = rows * (values.max(initial=0) + 1)
    highest = np.maximum.accumulate(values + lift) - lift
    grew = np.flatnonzero((np.diff(highest, prepend=0) > 0) & ~opens)
    return Gains(
        papers=papers[opens],
        counters=counters[opens],
        first_at=at[opens],
        step_rows=rows[grew],
        step_gains=(highest[grew] - highest[grew - 1]).astype(np.float64),
        step_starts=at[grew - 1],
        step_ends=at[grew],
        names=snapshots.names,
    )


def _differs(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Mask of the values that differ from their predecessor."""
    differs = np.ones(len(values), dtype=bool)
    differs[1:] = values[1:] != values[:-1]
    return differs


def join(chunks: Sequence[Gains]) -> Gains:
    """Chunks of different papers as one. Names may only have grown from chunk to chunk."""
    offsets = np.cumsum([0, *(len(chunk.papers) for chunk in chunks)])
    return Gains(
        papers=np.concatenate([chunk.papers for chunk in chunks]),
        counters=np.concatenate([chunk.counters for chunk in chunks]),
        first_at=np.concatenate([chunk.first_at for chunk in chunks]),
        step_rows=np.concatenate([chunk.step_rows + offset for chunk, offset in zip(chunks, offsets, strict=False)]),
        step_gains=np.concatenate([chunk.step_gains for chunk in chunks]),
        step_starts=np.concatenate([chunk.step_starts for chunk in chunks]),
        step_ends=np.concatenate([chunk.step_ends for chunk in chunks]),
        names=chunks[-1].names,
    )


def smoothed_rate(gained: Floats, hours: Floats, prior_rate: Floats) -> Floats:
    """The 20 % quantile of the Gamma-Poisson posterior of gains an hour, with the prior worth PRIOR_HOURS."""
    from scipy.special import gammaincinv

    shape = np.maximum(prior_rate * PRIOR_HOURS + gained, 1e-9)
    rate: Floats = gammaincinv(shape, QUANTILE) / (PRIOR_HOURS + hours)
    return rate


def score_papers(
    gains: Gains, born_at: Mapping[int, float], *, now: datetime, field_of: Mapping[int, str] | None = None
) -> dict[str, dict[int, TrendScore]]:
    """Cadence -> paper -> score, for the papers that gained anything; all others have none, which reads as zero.

    ``born_at`` (seconds since the epoch) decides the weekday and the age, and so the cohort, of each paper; so
    does its field, where one is known.
    """
    if not len(gains.step_rows):
        return {cadence: {} for cadence in HALF_LIVES}
    moment = now.timestamp()
    born = np.array([born_at[paper] for paper in gains.papers.tolist()])
    weekday = (np.floor(born / 86400).astype(np.int64) + 3) % 7  # the epoch was a Thursday
    bucket = np.searchsorted(AGE_EDGES, (moment - born) / HOUR, side="right")
    fields = [(field_of or {}).get(paper, "") for paper in gains.papers.tolist()]
    field = np.unique(fields, return_inverse=True)[1].astype(np.int64)
    cohorts = Cohorts(gains.counters, field, bucket, weekday)
    gentle = _capped_gains(gains, cohorts)
    return {cadence: _score_cadence(gains, gentle, cohorts, cadence, moment) for cadence in HALF_LIVES}


def _capped_gains(gains: Gains, cohorts: Cohorts) -> Floats:
    """Each step cut to what the 99th percentile of its cohort gains in an hour: a burst of bought votes is cut most."""
    hours = np.maximum((gains.step_ends - gains.step_starts) / HOUR, 1.0)
    fastest = cohorts.quantile(gains.step_gains / hours, 0.99, rows=gains.step_rows, least=BURST_MIN)
    cut: Floats = np.minimum(gains.step_gains, fastest[gains.step_rows] * hours)
    return cut


def _score_cadence(
    gains: Gains, gentle: Floats, cohorts: Cohorts, cadence: str, moment: float
) -> dict[int, TrendScore]:
    rows = len(gains.papers)
    half_life = HALF_LIVES[cadence]

    def faded(at: Floats) -> Floats:
        """The hours up to ``at`` since ever, each counted half for every half-life it lies back."""
        hours: Floats = half_life / log(2) * np.exp2((at - moment) / (HOUR * half_life))
        return hours

    # A step's gain is spread evenly over its time: how often a source is polled does not change the rate.
    spans = (gains.step_ends - gains.step_starts) / HOUR
    weight = (faded(gains.step_ends) - faded(gains.step_starts)) / spans
    gained: Floats = np.bincount(gains.step_rows, weights=gentle * weight, minlength=rows).astype(np.float64)
    hours = faded(np.full(rows, moment)) - faded(gains.first_at)
    prior = cohorts.total(gained) / np.maximum(cohorts.total(hours), 1e-9)
    rate = np.where(gained > 0, smoothed_rate(gained, hours, prior), 0.0)
    usual = cohorts.quantile((prior * PRIOR_HOURS + gained) / (PRIOR_HOURS + hours), 0.5)
    # One vote for an old paper among sleeping ones is no trend: its source and field have a middle to beat.
    everywhere = cohorts.total(gained, of_all_ages=True) / cohorts.total(hours, of_all_ages=True).clip(1e-9)
    usual = np.maximum(usual, everywhere).clip(1e-9)
    weights = np.array([METRIC_WEIGHTS.get(metric, 0.5) for _, metric in gains.names])[gains.counters]
    evidence = weights * np.log1p(rate / usual)

    crowds = sorted({_crowd(*name) for name in gains.names})
    crowd_of = np.array([crowds.index(_crowd(*name)) for name in gains.names])[gains.counters]
    papers, paper_of = np.unique(gains.papers, return_inverse=True)
    heard, said, above = (np.zeros((len(papers), len(crowds))) for _ in range(3))
    np.maximum.at(heard, (paper_of, crowd_of), weights)
    np.maximum.at(said, (paper_of, crowd_of), evidence)
    np.maximum.at(above, (paper_of, crowd_of), rate > usual)
    shares = _shares(heard, said)
    if OURS in crowds:
        others = heard * (np.arange(len(crowds)) != crowds.index(OURS))
        without = _shares(others, said)
        alone = (heard > 0).any(axis=1) & ~(others > 0).any(axis=1)
        shares = np.where(alone[:, None], SOURCE_CAP * shares, shares)
        shares = np.where((without.sum(axis=1) > shares.sum(axis=1))[:, None], without, shares)
    scores = shares.sum(axis=1) + AGREEMENT * np.maximum(above.sum(axis=1) - 1, 0)
    parts = _parts(gains, cohorts, cadence, moment, wanted=scores[paper_of] > 0, paper_of=paper_of)
    for paper, number in zip(papers.tolist(), range(len(papers)), strict=True):
        if paper in parts:
            parts[paper]["sources"] = {
                crowd: round(share, 3) for crowd, share in zip(crowds, shares[number].tolist(), strict=True) if share
            }
    return {
        paper: TrendScore(score, parts[paper])
        for paper, score in zip(papers.tolist(), scores.tolist(), strict=True)
        if paper in parts
    }


def _shares(heard: Floats, said: Floats) -> Floats:
    """What each crowd adds to each paper's score."""
    shares: Floats = _voices(heard) * said / np.where(heard > 0, heard, 1)
    return shares


def _voices(weights: Floats) -> Floats:
    """Each crowd's part in a paper's score. A mean, not a sum: a paper without code is no worse for lacking stars.

    Where several crowds measured the paper none has more than SOURCE_CAP; the others share the rest by weight.
    """
    voices = weights / weights.sum(axis=1, keepdims=True).clip(1e-9)
    loudest = voices.max(axis=1, keepdims=True)
    others = voices * (1 - SOURCE_CAP) / np.where(loudest < 1, 1 - loudest, 1)
    limited: Floats = np.where(voices == loudest, SOURCE_CAP, others)
    return np.where((loudest > SOURCE_CAP) & (loudest < 1), limited, voices)


def _crowd(source: str, metric: str) -> str:
    """Whose doing a counter is, whichever source tells us; one crowd's counters never add up."""
    return {"stars": "github", "citations": "authors"}.get(metric, source)


def _parts(
    gains: Gains, cohorts: Cohorts, cadence: str, moment: float, *, wanted: NDArray[np.bool_], paper_of: Ints
) -> dict[int, dict[str, Any]]:
    """What is told to people: whole counts between two snapshots, uncut, and the hours that lay between them."""
    rows = len(gains.papers)
    opens = moment - WINDOWS[cadence] * HOUR
    inside = gains.step_ends > opens
    in_time, gained = np.zeros(rows), np.zeros(rows)
    np.add.at(in_time, gains.step_rows[inside], gains.step_gains[inside])
    medians = cohorts.quantile(in_time, 0.5)
    inside = _with_last_gains(gains, inside, paper_of)
    np.add.at(gained, gains.step_rows[inside], gains.step_gains[inside])
    # A step that began before the window is told whole, with the longer time it took.
    since = np.maximum(gains.first_at, opens)
    np.minimum.at(since, gains.step_rows[inside], gains.step_starts[inside])
    hours = (moment - since) / HOUR
    parts: dict[int, dict[str, Any]] = {}
    for row in np.flatnonzero(wanted).tolist():
        _, metric = gains.names[int(gains.counters[row])]
        told = parts.setdefault(int(gains.papers[row]), {"hours": 1})
        told["hours"] = max(told["hours"], round(float(hours[row])))
        key = f"{metric}_gain"
        if key not in told or gained[row] > told[key]:
            told[key] = int(gained[row])
            if gained[row] > in_time[row]:
                told["is_past"] = True
            elif metric == "upvotes":
                told |= {"cohort_median": float(medians[row]), "cohort_size": int(cohorts.size[row])}
            elif metric in TOLD_MEDIANS:
                told[f"{metric}_median"] = float(medians[row])
    return parts


def _with_last_gains(gains: Gains, inside: NDArray[np.bool_], paper_of: Ints) -> NDArray[np.bool_]:
    """The steps that are told: those in time, and the last ones of papers that have none in time."""
    papers = paper_of[gains.step_rows]
    is_told = np.zeros(int(paper_of.max()) + 1, dtype=bool)
    is_told[papers[inside]] = True
    is_last = np.append(gains.step_rows[1:] != gains.step_rows[:-1], True)
    steps: NDArray[np.bool_] = inside | (is_last & ~is_told[papers])
    return steps
