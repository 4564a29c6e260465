"""Rate limits of mails and of work that strangers can cause. Kept in the database, so they hold without Redis.

In: what is asked and by whom. Out: yes (and it is counted) or no (and nothing changes). A limit is a bucket of
``burst`` that refills by one each ``refill``: in any stretch of ``refill`` x k at most ``burst`` + k - 1 are granted.
Two requests at the same moment never get the same token: the grant is one conditional statement. A bucket that is to be
full later than it could ever be was written by a clock that ran ahead: it counts as full.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection, transaction

from subscriptions import token_links
from subscriptions.addresses import networks_of
from subscriptions.models import Allowance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subscriptions.addresses import Address

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
LINK_NETWORK = "link-network"
PREVIEW_NETWORK = "preview-network"
PREVIEWS = 10  # of papers brought, for each sign-up that a network may ask for
NETWORK, DOMAIN, EVERYBODY, API_KEY = "network", "domain", "everybody", "api-key"  # limits that many share
CLOCKS_APART = timedelta(minutes=1)  # between our own machines; what is further ahead is an error


@dataclass(frozen=True)
class Limit:
    name: str
    burst: int
    refill: timedelta


def mail_refusal(address: Address, *, about: str, client: str | None, now: datetime) -> str:
    """The limit that forbids one more mail ``about`` this to the address; empty when it may go, which is counted.

    Per mailbox never two within an hour, never four within a day; per network, domain and altogether as configured.
    ``client`` is None for a program with a key, which ``may_ask`` has counted: its network says nothing. The mailbox
    is asked last, so that a refusal by a shared limit reveals nothing about the address.
    """
    everybody, one_domain = settings.SIGNUPS_PER_HOUR, settings.SIGNUPS_PER_DOMAIN_AND_HOUR
    return refusal(
        # The same order for everybody, so that no two requests wait for each other.
        [
            *([] if client is None else _of_networks(client, name=NETWORK)),
            (Limit(DOMAIN, one_domain, HOUR / one_domain), address.domain),
            (Limit(EVERYBODY, everybody, HOUR / everybody), ""),
            *_of_mailbox(address, about=about),
        ],
        now=now,
    )


def link_refusal(address: Address, *, client: str, now: datetime) -> str:
    """The limit that forbids the link to their preferences; empty when it may be sent, which is counted.

    Only readers we know are sent it, so no domain is flooded, and strangers' sign-ups use up nothing of these buckets.
    Addresses we do not know are counted alike: a refusal tells nothing.
    """
    return refusal([*_of_networks(client, name=LINK_NETWORK), *_of_mailbox(address, about="link")], now=now)


def may_preview(client: str, *, now: datetime) -> bool:
    """Whether one more preview of papers that were brought may be worked out for this network; counts it then."""
    each = settings.SIGNUPS_PER_NETWORK_AND_HOUR * PREVIEWS
    wanted = [
        (Limit(PREVIEW_NETWORK, max(PREVIEWS, each * share // 5), HOUR / (each * share)), network)
        for network, share in networks_of(client)
    ]
    return take_all(wanted, now=now)


def may_keep(address: Address, *, now: datetime) -> bool:
    """Whether one more request may be stored for this mailbox although no mail is sent for it."""
    return take(Limit("request-hour", 10, HOUR / 10), whom=address.mailbox, now=now)


def start_afresh(address: Address) -> None:
    """Refill the hourly limit of a mailbox that answered. The daily limit stands."""
    Allowance.objects.filter(name=_name(Limit("signup-hour", 1, HOUR), address.mailbox)).delete()


def _of_mailbox(address: Address, *, about: str) -> list[tuple[Limit, str]]:
    return [(Limit(f"{about}-hour", 1, HOUR), address.mailbox), (Limit(f"{about}-day", 3, DAY), address.mailbox)]


def _of_networks(client: str, *, name: str) -> list[tuple[Limit, str]]:
    one = settings.SIGNUPS_PER_NETWORK_AND_HOUR
    return [(Limit(name, one * share, HOUR / (one * share)), network) for network, share in networks_of(client)]


def may_ask(key: int, *, now: datetime) -> bool:
    """Whether the program with this API key may make one more request, whatever it asks. Counts it when it may."""
    one_key = settings.SIGNUPS_PER_API_KEY_AND_HOUR
    return take(Limit(API_KEY, one_key, HOUR / one_key), whom=str(key), now=now)


def seconds_per_ask() -> float:
    """Seconds until a program over its limit may ask again."""
    return HOUR / timedelta(seconds=1) / int(settings.SIGNUPS_PER_API_KEY_AND_HOUR)


def take_all(wanted: Sequence[tuple[Limit, str]], *, now: datetime) -> bool:
    """Take one token of each bucket, or none at all: a shared limit that is reached costs the reader nothing."""
    return not refusal(wanted, now=now)


def refusal(wanted: Sequence[tuple[Limit, str]], *, now: datetime) -> str:
    """Take a token of each limit. Returns "", or the name of the first limit reached: then none is taken."""
    with transaction.atomic():
        reached = next((limit.name for limit, whom in wanted if not take(limit, whom=whom, now=now)), "")
        if reached:
            transaction.set_rollback(True)
        return reached


def take(limit: Limit, *, whom: str, now: datetime) -> bool:
    """One token of the bucket, if it has one. A bucket nobody used yet is full."""
    at, refill = _milliseconds(now), round(limit.refill / MILLISECOND)
    with connection.cursor() as cursor:
        cursor.execute(
            _TAKE,
            {
                "name": _name(limit, whom),
                "now": at,
                "refill": refill,
                "full_at": at + refill,
                "latest": at + refill * (limit.burst - 1),
                "never": at + refill * limit.burst + CLOCKS_APART // MILLISECOND,
            },
        )
        return bool(cursor.rowcount == 1)


# One statement that grants or does nothing: two askers at once are put in order by the row.
_TAKE = """
    INSERT INTO subscriptions_allowance (name, full_at_ms) VALUES (%(name)s, %(full_at)s)
    ON CONFLICT (name) DO UPDATE SET full_at_ms = %(refill)s + CASE
        WHEN subscriptions_allowance.full_at_ms BETWEEN %(now)s AND %(never)s
        THEN subscriptions_allowance.full_at_ms ELSE %(now)s END
    WHERE subscriptions_allowance.full_at_ms <= %(latest)s OR subscriptions_allowance.full_at_ms > %(never)s
"""


def _name(limit: Limit, whom: str) -> str:
    return f"{limit.name}:{token_links.address_hash(whom)}"


def empty_buckets(*, now: datetime) -> dict[str, int]:
    """Map each shared limit that refuses right now to the number of its empty buckets.

    Names: network (the narrowest of a client's), domain, everybody, api-key. Empty when none refuses anybody.
    """
    networks = settings.SIGNUPS_PER_NETWORK_AND_HOUR
    shared = {
        NETWORK: networks,
        DOMAIN: settings.SIGNUPS_PER_DOMAIN_AND_HOUR,
        EVERYBODY: settings.SIGNUPS_PER_HOUR,
        API_KEY: settings.SIGNUPS_PER_API_KEY_AND_HOUR,
    }
    found = {}
    for name, burst in shared.items():
        empty_from, never = now + HOUR * (burst - 1) / burst, now + HOUR + CLOCKS_APART
        full_at = (_milliseconds(empty_from) + 1, _milliseconds(never))
        if number := Allowance.objects.filter(name__startswith=f"{name}:", full_at_ms__range=full_at).count():
            found[name] = number
    return found


def forget_full_buckets(*, now: datetime) -> int:
    """Delete the rows of full buckets: a missing row means the same."""
    return Allowance.objects.filter(full_at_ms__lte=_milliseconds(now)).delete()[0]


def _milliseconds(instant: datetime) -> int:
    return (instant - EPOCH) // MILLISECOND
