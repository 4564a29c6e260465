"""How often anybody may make us write to a mailbox (SS8). Kept in the database: it holds with Redis away.

In: what is asked and by whom. Out: yes (and it is counted) or no (and nothing changes). A limit is a bucket of
``burst`` that refills by one each ``refill``: in any stretch of ``refill`` x k at most ``burst`` + k - 1 are granted.
Two askers at the same moment never get the same token: the grant is one conditional UPDATE.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import Case, DateTimeField, F, Value, When

from subscriptions import links
from subscriptions.addresses import network_of
from subscriptions.models import Allowance

if TYPE_CHECKING:
    from datetime import datetime

    from subscriptions.addresses import Address

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Limit:
    name: str
    burst: int
    refill: timedelta


def may_mail(address: Address, *, about: str, client: str, now: datetime) -> bool:
    """Whether one more mail ``about`` this may go to the address because this client asks. Counts it when it may.

    Per mailbox never two within an hour, never four within a day; per network, domain and altogether as configured.
    """
    everybody = settings.SIGNUPS_PER_HOUR
    one_domain = settings.SIGNUPS_PER_DOMAIN_AND_HOUR
    one_network = settings.SIGNUPS_PER_NETWORK_AND_HOUR
    with transaction.atomic():
        # The same order for everybody, so that no two requests wait for each other; the busiest rows last.
        return (
            take(Limit(f"{about}-hour", 1, HOUR), whom=address.mailbox, now=now)
            and take(Limit(f"{about}-day", 3, DAY), whom=address.mailbox, now=now)
            and take(Limit("network", one_network, HOUR / one_network), whom=network_of(client), now=now)
            and take(Limit("domain", one_domain, HOUR / one_domain), whom=address.domain, now=now)
            and take(Limit("everybody", everybody, HOUR / everybody), whom="", now=now)
        )


def take(limit: Limit, *, whom: str, now: datetime) -> bool:
    """One token of the bucket, if it has one."""
    name = f"{limit.name}:{links.address_hash(whom)}"
    if _take_from_row(limit, name=name, now=now):
        return True
    row, is_new = Allowance.objects.get_or_create(name=name, defaults={"full_at": now + limit.refill})
    # Somebody may have made the row between the two statements: then there may be a token left for us.
    return is_new or (row.full_at <= _latest(limit, now) and _take_from_row(limit, name=name, now=now))


def _take_from_row(limit: Limit, *, name: str, now: datetime) -> bool:
    spent = Case(
        When(full_at__lte=now, then=Value(now + limit.refill, output_field=DateTimeField())),
        default=F("full_at") + limit.refill,
        output_field=DateTimeField(),
    )
    return Allowance.objects.filter(name=name, full_at__lte=_latest(limit, now)).update(full_at=spent) == 1


def _latest(limit: Limit, now: datetime) -> datetime:
    """A bucket that is full again by then has a token left."""
    return now + limit.refill * (limit.burst - 1)


def forget_full_buckets(*, now: datetime) -> int:
    """A bucket that is full again says nothing: its row can go."""
    return Allowance.objects.filter(full_at__lte=now).delete()[0]
