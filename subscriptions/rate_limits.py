"""How often anybody may make us write to a mailbox (SS8). Kept in the database: it holds with Redis away.

In: what is asked and by whom. Out: yes (and it is counted) or no (and nothing changes). A limit is a bucket of
``burst`` that refills by one each ``refill``: in any stretch of ``refill`` x k at most ``burst`` + k - 1 are granted.
Two askers at the same moment never get the same token: the grant is one conditional statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, transaction

from subscriptions import links
from subscriptions.addresses import network_of
from subscriptions.models import Allowance

if TYPE_CHECKING:
    from subscriptions.addresses import Address

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Limit:
    name: str
    burst: int
    refill: timedelta


def may_mail(address: Address, *, about: str, client: str | None, now: datetime) -> bool:
    """Whether one more mail ``about`` this may go to the address because this client asks. Counts it when it may.

    Per mailbox never two within an hour, never four within a day; per network, domain and altogether as configured.
    ``client`` is None for a program with a key, which ``may_ask`` has counted: its network says nothing.
    """
    everybody = settings.SIGNUPS_PER_HOUR
    one_domain = settings.SIGNUPS_PER_DOMAIN_AND_HOUR
    one_network = settings.SIGNUPS_PER_NETWORK_AND_HOUR
    with transaction.atomic():
        # The same order for everybody, so that no two requests wait for each other; the busiest rows last.
        may = (
            take(Limit(f"{about}-hour", 1, HOUR), whom=address.mailbox, now=now)
            and take(Limit(f"{about}-day", 3, DAY), whom=address.mailbox, now=now)
            and (
                client is None
                or take(Limit("network", one_network, HOUR / one_network), whom=network_of(client), now=now)
            )
            and take(Limit("domain", one_domain, HOUR / one_domain), whom=address.domain, now=now)
            and take(Limit("everybody", everybody, HOUR / everybody), whom="", now=now)
        )
        if not may:
            transaction.set_rollback(True)  # what the first buckets gave: nobody loses their hour to a crowd
        return may


def may_ask(key: int, *, now: datetime) -> bool:
    """Whether the program with this API key may make one more request, whatever it asks. Counts it when it may."""
    one_key = settings.SIGNUPS_PER_API_KEY_AND_HOUR
    return take(Limit("api-key", one_key, HOUR / one_key), whom=str(key), now=now)


def seconds_per_ask() -> float:
    """How soon a program that asked too much may ask again."""
    return HOUR / timedelta(seconds=1) / int(settings.SIGNUPS_PER_API_KEY_AND_HOUR)


def take(limit: Limit, *, whom: str, now: datetime) -> bool:
    """One token of the bucket, if it has one. A bucket nobody used yet is full."""
    at, refill = _milliseconds(now), round(limit.refill / MILLISECOND)
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "name": f"{limit.name}:{links.address_hash(whom)}",
                "now": at,
                "refill": refill,
                "full_at": at + refill,
                "latest": at + refill * (limit.burst - 1),
            },
        )
        return bool(cursor.rowcount == 1)


# One statement that grants or does nothing: two askers at once are put in order by the row.
_TAKE = """
    INSERT INTO subscriptions_allowance (name, full_at_ms) VALUES (%(name)s, %(full_at)s)
    ON CONFLICT (name) DO UPDATE SET full_at_ms = %(refill)s + CASE
        WHEN subscriptions_allowance.full_at_ms < %(now)s THEN %(now)s ELSE subscriptions_allowance.full_at_ms END
    WHERE subscriptions_allowance.full_at_ms <= %(latest)s
"""


def forget_full_buckets(*, now: datetime) -> int:
    """A bucket that is full again says nothing: its row can go."""
    return Allowance.objects.filter(full_at_ms__lte=_milliseconds(now)).delete()[0]


def _milliseconds(instant: datetime) -> int:
    return (instant - EPOCH) // MILLISECOND
