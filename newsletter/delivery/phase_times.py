"""How long each message takes on its way through one run, for the histograms of `/metrics`.

In: what the loop does with keys, many at a time. Out: counts in memory (`models.timings`). Two entries of a dict a
message, and one reading of the clock a batch.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from newsletter.delivery.claim_deliveries import Claimed
from newsletter.delivery.transports import Message, OutcomeKind, Turn
from newsletter.models.timings import CLAIM_TO_SENT, SMTP_PHASE


class PhaseTimes:
    def __init__(self) -> None:
        self._queued_at: dict[int, float] = {}
        self._released_at: dict[int, float] = {}

    def queued(self, messages: Sequence[Message]) -> None:
        self._queued_at.update(dict.fromkeys((message.key for message in messages), time.monotonic()))

    def released(self, keys: Collection[int]) -> None:
        self._released_at.update(dict.fromkeys(keys, time.monotonic()))

    def told(self, turn: Turn, *, rows: Mapping[int, Claimed]) -> None:
        """Count what the transport told: envelopes that were taken, and final answers."""
        now = time.monotonic()
        if turn.ready:
            SMTP_PHASE.add_all([now - self._queued_at.pop(key, now) for key in turn.ready], "envelope")
        if not turn.outcomes:
            return
        keys = [outcome.key for outcome in turn.outcomes]
        bodies = [began for key in keys if (began := self._released_at.pop(key, None)) is not None]
        SMTP_PHASE.add_all([now - began for began in bodies], "body")
        sent = [rows.get(outcome.key) for outcome in turn.outcomes if outcome.kind is OutcomeKind.SENT]
        CLAIM_TO_SENT.add_all([now - row.claimed_at for row in sent if row])
        for key in keys:
            self._queued_at.pop(key, None)
