"""Deliver exactly what was recorded: claim rows, compose, hand over, settle; reap what a dead worker left behind.

In: Delivery rows that are due. Out: the same rows, each in exactly one terminal state, and DeliveryEvents for all that
did not go smoothly. Every part may run twice and on many machines at once: a row moves only by a conditional UPDATE.
"""

from newsletter.delivery.claim import claim_due, give_back, keep_alive, mark_sending
from newsletter.delivery.reap import reap_expired, skip_expired
from newsletter.delivery.run import Run, deliver
from newsletter.delivery.settle import settle

__all__ = [
    "Run",
    "claim_due",
    "deliver",
    "give_back",
    "keep_alive",
    "mark_sending",
    "reap_expired",
    "settle",
    "skip_expired",
]
