"""Telling programs elsewhere, signed, that an edition has gone out.

In: done editions, and the endpoints an operator entered. Out: one POST an endpoint and event, tried for three days. The
rows are the queue: `announce_due` and `deliver_due` may run anywhere, twice, or late. See docs/webhooks.md.
"""

from newsletter.delivery.webhooks.endpoint_secrets import give_secret
from newsletter.delivery.webhooks.events import announce_due, forget_old, send_test
from newsletter.delivery.webhooks.http_post import AddressError, check_address
from newsletter.delivery.webhooks.outbox import deliver_due, is_due, rules, send_again, switch_off

__all__ = [
    "AddressError",
    "announce_due",
    "check_address",
    "deliver_due",
    "forget_old",
    "give_secret",
    "is_due",
    "rules",
    "send_again",
    "send_test",
    "switch_off",
]
