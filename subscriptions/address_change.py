"""Change of a reader's address: confirmed from the new address, announced to the old one.

In: a reader (by a preferences link) and an address; later the notice that the new address answered. Out: the same
reader, with the same wishes and history, at the new address. Answering twice moves once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from subscriptions import gdpr, rate_limits, token_links
from subscriptions.addresses import parse_address
from subscriptions.lifecycle import ACTIVE, FORGIVABLE, Origin, count_refusal, record
from subscriptions.models import ConsentEvent, Notice, Subscriber, Suppression
from subscriptions.transactional_mails import SILENT, owe_notice

if TYPE_CHECKING:
    from datetime import datetime

    from subscriptions.addresses import Address


def ask_move(subscriber: Subscriber, *, to: Address, now: datetime, origin: Origin) -> Notice | None:
    """Mail a confirmation link to the new address. Returns None when that mailbox was sent one lately.

    Raises TooMany when a limit that many share is reached.
    """
    if reached := rate_limits.mail_refusal(to, about="signup", client=origin.ip, now=now):
        count_refusal(reached, now=now)
        return None
    holder = Subscriber.objects.filter(address_key=to.key, state__in=ACTIVE).exclude(pk=subscriber.pk).first()
    if holder is not None:  # only the owner of that mailbox learns of it
        return owe_notice(holder, kind=Notice.Kind.ALREADY, now=now, context={})
    context: dict[str, str | int] = {
        "to": to.email,
        "hash": token_links.address_hash(to.key),
        "from_hash": subscriber.address_hash,
    }
    return owe_notice(subscriber, kind=Notice.Kind.MOVE, now=now, context=context)


def move(notice: Notice, *, now: datetime, method: str, origin: Origin) -> bool:
    """Move the reader to the address that confirmed. True when they are there now; False: the request is void."""
    try:
        return _move(notice, now=now, method=method, origin=origin)
    except IntegrityError:  # somebody else got the address at this very moment: look again who has it
        return _move(notice, now=now, method=method, origin=origin)


def _move(notice: Notice, *, now: datetime, method: str, origin: Origin) -> bool:
    to = parse_address(notice.context["to"])
    with transaction.atomic():
        reader = Subscriber.objects.select_for_update().get(pk=notice.subscriber_id)
        if reader.email == to.email:
            return True
        if reader.state not in ACTIVE or reader.address_hash != notice.context["from_hash"]:
            return False
        barred = Suppression.objects.in_force().filter(address_hash=notice.context["hash"])
        holder = Subscriber.objects.select_for_update().filter(address_key=to.key).exclude(pk=reader.pk).first()
        if barred.filter(reason__in=SILENT).exists() or (holder is not None and holder.state in ACTIVE):
            return False
        if holder is not None:  # an unconfirmed or former reader: the same person, as the mailbox has just shown
            gdpr.give_way(holder, now=now, method="moved")
        Suppression.objects.in_force().filter(address_hash=notice.context["hash"], reason__in=FORGIVABLE).update(
            lifted_at=now
        )
        old = {"to": str(reader.email), "hash": reader.address_hash}
        Subscriber.objects.filter(pk=reader.pk).update(
            email=to.email, address_key=to.key, address_hash=notice.context["hash"], domain=to.domain
        )
        record(reader, ConsentEvent.Kind.CHANGED, now=now, method=method, origin=origin, address="changed")
        owe_notice(reader, kind=Notice.Kind.MOVED, now=now, context={**old})
    return True
