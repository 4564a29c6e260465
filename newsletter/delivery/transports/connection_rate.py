"""How fast one lane hands over envelopes: without a limit until the relay names one, then as fast as it takes them.

In: what was accepted, what was refused for a limit, and the moment. Out: when the next envelope may leave. Pure.
A limit pauses the lane, longer each time nothing was accepted in between; then the pace is the one at which the relay
has taken messages lately, and quickens with each it takes (as TCP does: back off at once, come back bit by bit).
"""

from __future__ import annotations

PAUSES = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)  # seconds after so many limits in a row; then others must wait for longer
SLOWEST = 0.25  # seconds between two messages: what wants more is left to the pauses
MARGIN = 1.1  # of the time a message took
EASE = 0.99  # of the gap, with each message taken


class Brake:
    """Slows one transport down after a limit; while there is none it costs one comparison a message."""

    __slots__ = ("_accepted", "_gap", "_limits", "_paused_until", "_since", "ready_at")

    def __init__(self, now: float) -> None:
        self.ready_at = 0.0  # the next envelope may leave then
        self._gap = 0.0
        self._limits = 0  # in a row
        self._accepted = 0
        self._since = now  # when counting began
        self._paused_until = 0.0

    def seat(self, now: float) -> None:
        """Count an envelope that leaves."""
        if self._gap:
            self.ready_at = max(now, self.ready_at) + self._gap

    def accept(self, count: int) -> None:
        self._accepted += count
        if self._limits:
            self._limits = 0
        if self._gap:
            self._gap *= EASE**count

    @property
    def is_on(self) -> bool:
        """Whether nothing was accepted since the last limit."""
        return self._limits > 0

    def limit(self, now: float) -> bool:
        """Slow down after the relay named a limit. False when the pauses are used up: try what waits much later."""
        if now >= self._paused_until:  # several connections hear it at once: that counts as one
            if self._accepted:
                self._gap = min(SLOWEST, MARGIN * (now - self._since) / self._accepted)
            self._accepted, self._since = 0, now
            self._paused_until = self.ready_at = now + PAUSES[min(self._limits, len(PAUSES) - 1)]
            self._limits += 1
        return self._limits <= len(PAUSES)
