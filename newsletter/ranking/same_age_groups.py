"""Papers like a paper: of the same source and age, and the same weekday where there are enough. Pure.

In: for each row its counter, age and weekday. Out: sums and quantiles over each row's cohort. A cohort with too few
members borrows from a larger one, so a quiet Sunday is compared with all days.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

COHORT_MIN = 10  # papers; smaller cohorts borrow from all weekdays, then from all ages
AGE_EDGES = (24.0, 48.0, 96.0, 168.0, 336.0)  # hours


class Cohorts:
    """For each row the smallest of (source, age, weekday), (source, age), (source) that has enough members."""

    def __init__(self, counters: Ints, bucket: Ints, weekday: Ints) -> None:
        by_age = counters * (len(AGE_EDGES) + 1) + bucket
        self.groups = [
            np.unique(keys, return_inverse=True)[1].astype(np.int64)
            for keys in (by_age * 7 + weekday, by_age, counters)
        ]
        self.size = self._smallest([np.bincount(groups) for groups in self.groups], COHORT_MIN)

    def total(self, values: Floats) -> Floats:
        """For each row the sum of ``values`` over its cohort."""
        sums = [np.bincount(groups, weights=values) for groups in self.groups]
        return self._smallest(sums, COHORT_MIN)

    def quantile(self, values: Floats, share: float, *, rows: Ints | None = None, least: int = COHORT_MIN) -> Floats:
        """For each row that quantile of ``values`` over its cohort, NaN without any. ``rows`` says whose they are."""
        found = []
        counts = []
        for groups in self.groups:
            mine = groups if rows is None else groups[rows]
            ends = np.cumsum(np.bincount(mine, minlength=int(groups.max()) + 1))
            starts = np.concatenate([[0], ends[:-1]])
            at = starts + np.floor(share * np.maximum(ends - starts - 1, 0)).astype(np.int64)
            ranked = np.append(values[np.lexsort((values, mine))], np.nan)
            found.append(np.where(ends > starts, ranked[at], np.nan))
            counts.append(ends - starts)
        return self._smallest(found, least, counts)

    def _smallest(
        self, per_group: Sequence[NDArray[Any]], least: int, counts: Sequence[Ints] | None = None
    ) -> NDArray[Any]:
        """For each row the value of the smallest of its groups with at least that many members, else of the largest."""
        counts = counts or [np.bincount(groups) for groups in self.groups]
        values = [table[groups] for table, groups in zip(per_group, self.groups, strict=True)]
        enough = [table[groups] >= least for table, groups in zip(counts, self.groups, strict=True)]
        return np.select(enough, values, default=values[-1])
