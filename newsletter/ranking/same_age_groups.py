"""Papers like a paper: of the same source, field and age, and the same weekday where there are enough. Pure.

In: for each row its counter, field, age and weekday. Out: sums and quantiles over each row's cohort. A cohort with too
few members borrows from a larger one, so a quiet Sunday is compared with all days; a field borrows from others only
when it has hardly any papers, so that biology is not judged by votes on AI.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

AGE_EDGES = (24.0, 48.0, 96.0, 168.0, 336.0)  # hours
# Papers of a cohort: of one age and weekday, of one age, of a field. Smaller ones borrow from the next, then from all.
COHORT_MIN = (10, 10, 3)


class Cohorts:
    """For each row the smallest of (source, field, age, weekday), (… age), (source, field), (source) that is enough."""

    def __init__(self, counters: Ints, field: Ints, bucket: Ints, weekday: Ints) -> None:
        by_field = counters * (int(field.max(initial=0)) + 1) + field
        by_age = by_field * (len(AGE_EDGES) + 1) + bucket
        self.groups = [
            np.unique(keys, return_inverse=True)[1].astype(np.int64)
            for keys in (by_age * 7 + weekday, by_age, by_field, counters)
        ]
        self.counts = [np.bincount(groups) for groups in self.groups]
        self.size = self._smallest(self.counts, COHORT_MIN)

    def total(self, values: Floats, *, of_all_ages: bool = False) -> Floats:
        """For each row the sum of ``values`` over its cohort."""
        sums = [np.bincount(groups, weights=values) for groups in self.groups]
        never = int(self.counts[-1].max(initial=0)) + 1
        return self._smallest(sums, (never, never, COHORT_MIN[-1]) if of_all_ages else COHORT_MIN)

    def quantile(
        self, values: Floats, share: float, *, rows: Ints | None = None, least: Sequence[int] = COHORT_MIN
    ) -> Floats:
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
        self, per_group: Sequence[NDArray[Any]], least: Sequence[int], counts: Sequence[Ints] | None = None
    ) -> NDArray[Any]:
        """For each row the value of the smallest of its groups that has enough members, else of all."""
        values = [table[groups] for table, groups in zip(per_group, self.groups, strict=True)]
        enough = [
            table[groups] >= needed
            for table, groups, needed in zip(counts or self.counts, self.groups, (*least, 0), strict=True)
        ]
        return np.select(enough, values)
