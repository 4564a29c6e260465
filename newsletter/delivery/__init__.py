"""Deliver exactly what was recorded: claim rows, compose, hand over, settle; reap what a dead worker left behind.

In: Delivery rows that are due. Out: the same rows, each in exactly one terminal state, and DeliveryEvents for all that
did not go smoothly. Every part may run twice and on many machines at once: a row moves only by a conditional UPDATE.
"""

from newsletter.delivery.claim_deliveries import CONFIRM_STREAM, STREAM
from newsletter.delivery.expired_leases import rescue_expired, skip_expired
from newsletter.delivery.retention import forget_details
from newsletter.delivery.retry_settle_pause import (
    counts,
    is_waiting,
    pause_stream,
    put_off_by_edition,
    resume_stream,
    retry_failed,
    retry_rows,
    settle_unknown,
    try_now,
)
from newsletter.delivery.send_loop import Run, deliver

__all__ = [
    "CONFIRM_STREAM",
    "STREAM",
    "Run",
    "counts",
    "deliver",
    "forget_details",
    "is_waiting",
    "pause_stream",
    "put_off_by_edition",
    "rescue_expired",
    "resume_stream",
    "retry_failed",
    "retry_rows",
    "settle_unknown",
    "skip_expired",
    "try_now",
]
