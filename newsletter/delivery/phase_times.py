"""How long each message takes on its way through one run, for the histograms of `/metrics`.

In: what the loop does with the messages it holds, many at a time. Out: counts in memory (`models.timings`). The clock
is read once a batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from newsletter.delivery.claim_deliveries import Claimed
from newsletter.delivery.transports import OutcomeKind, Turn
from newsletter.models.timings import CLAIM_TO_SENT, SMTP_PHASE


class Held:
    """A message that the transport holds: its row, its size in bytes, and when it was composed and released."""

    __slots__ = ("composed_at", "released_at", "row", "size")

    def __init__(self, row: Claimed, *, size: int) -> None:
        self.row, self.size = row, size
        self.composed_at, self.released_at = time.monotonic(), 0.0


def released(keys: Iterable[int], *, held: Mapping[int, Held]) -> None:
    now = time.monotonic()
    for key in keys:
        if one := held.get(key):
            one.released_at = now


def told(turn: Turn, *, held: Mapping[int, Held]) -> None:
    """Count the transport's answers: accepted envelopes, and final answers."""
    now = time.monotonic()
    if turn.ready:
        SMTP_PHASE.add_all([now - held[key].composed_at for key in turn.ready if key in held], "envelope")
    if turn.outcomes:
        over = [(held[outcome.key], outcome.kind) for outcome in turn.outcomes if outcome.key in held]
        SMTP_PHASE.add_all([now - one.released_at for one, _kind in over if one.released_at], "body")
        CLAIM_TO_SENT.add_all([now - one.row.claimed_at for one, kind in over if kind is OutcomeKind.SENT])
