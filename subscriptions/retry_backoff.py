"""How long to wait before the next try: one rule for deliveries, notices, sources and relays. Pure."""

from __future__ import annotations

from datetime import timedelta


def backoff(tries: int, *, first: timedelta, most: timedelta) -> timedelta:
    """`first` after one try, doubled with each further one, never more than `most`."""
    return min(first * (1 << min(max(tries - 1, 0), 30)), most)
