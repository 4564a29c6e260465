"""Telling programs elsewhere, signed, that an edition has gone out.

In: done editions, and the endpoints an operator entered. Out: one POST an endpoint and event, tried for three days. The
rows are the queue: `announce_due` and `deliver_due` may run anywhere, twice, or late. See docs/webhooks.md.
"""

from newsletter.webhooks.outbox import deliver_due, is_due, send_again, switch_off
from newsletter.webhooks.telling import announce_due, forget_old, send_test

__all__ = ["announce_due", "deliver_due", "forget_old", "is_due", "send_again", "send_test", "switch_off"]
