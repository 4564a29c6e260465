"""Rate limit for reads per address: token buckets in this process's memory, so that reading writes no row.

In: who asks, and the moment of a clock. Out: yes or no, how many are left, how long to wait. Each process counts by
itself: with n workers a client that is spread over all of them gets n times as many. What limits mail to people is
never counted here but in the database (subscriptions/rate_limits.py).
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

KEPT = 20_000  # addresses; what is forgotten under a flood was a limit, not a secret


@dataclass(frozen=True, slots=True)
class Grant:
    is_given: bool
    left: int
    wait: float  # seconds until the next is given; until the bucket is full when this one was


class Buckets:
    """Token buckets by client: each holds ``burst`` and refills over ``seconds``."""

    def __init__(self, *, kept: int = KEPT) -> None:
        self._full_at: dict[str, float] = {}
        self._kept = kept
        self._lock = threading.Lock()

    def take(self, whom: str, *, burst: int, seconds: float, now: float) -> Grant:
        refill = seconds / burst
        with self._lock:
            full_at = max(self._full_at.get(whom, now), now)
            wait = full_at - now - refill * (burst - 1)
            if wait > 1e-9:
                return Grant(False, 0, wait)
            if len(self._full_at) >= self._kept and whom not in self._full_at:
                self._forget(now)
            self._full_at[whom] = full_at = full_at + refill
        return Grant(True, max(0, math.floor(burst - (full_at - now) / refill + 1e-9)), full_at - now)

    def clear(self) -> None:
        with self._lock:
            self._full_at.clear()

    def _forget(self, now: float) -> None:
        """Drop full buckets; drop all when none is full, to bound memory."""
        waiting = {whom: full_at for whom, full_at in self._full_at.items() if full_at > now}
        self._full_at = waiting if len(waiting) < self._kept else {}
