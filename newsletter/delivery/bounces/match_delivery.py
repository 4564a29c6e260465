"""Match a report to its delivery, and to the address that delivery went to.

In: an Event as a letter or a provider told it. Out: a Tie, or None when nothing of ours can be recognised in it. Reads
rows, writes none.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from newsletter.delivery.bounces import Event
from newsletter.delivery.compose_message import delivery_of_bounce_address, delivery_of_message_id
from newsletter.models import Delivery, DeliveryEvent
from subscriptions import token_links
from subscriptions.models import ConsentEvent, Notice, Subscriber

PROVIDER = "provider"  # its webhook holds a secret of ours
VERP = "verp"
TOKEN = "list-unsubscribe"  # noqa: S105  (the name of a mark, not a secret)
SAME_ADDRESS = timedelta(days=30)  # a token tells the reader, not the mail: for so long back they must not have moved


class Tie(NamedTuple):
    """A delivery, and ``by`` which mark it was found (see DeliveryEvent.tied_by)."""

    delivery: int
    by: str


def tie(event: Event, *, now: datetime) -> Tie | None:
    """Match a report by its strongest genuine mark; a Message-ID is the weakest. None: nothing of ours."""
    from_provider = event.source == "webhook"
    candidates = (
        (event.delivery, PROVIDER),
        (delivery_of_bounce_address(event.bounce_address), VERP),
        (_delivery_of_token(event, now=now), TOKEN),
        (delivery_of_message_id(event.message_id), PROVIDER if from_provider else DeliveryEvent.MESSAGE_ID),
    )
    for pk, by in candidates:
        if pk is not None and Delivery.objects.filter(pk=pk).exists():
            return Tie(pk, by)
    return None


def _delivery_of_token(event: Event, *, now: datetime) -> int | None:
    """The delivery with the report's Message-ID, else the reader's newest; None while two addresses are possible."""
    if not event.unsubscribe_hint:
        return None
    had = Delivery.objects.filter(
        subscriber__unsubscribe_hash=token_links.unsubscribe_hash(event.unsubscribe_hint),
        state__in=[Delivery.State.SENT, Delivery.State.UNKNOWN],
    )
    named = delivery_of_message_id(event.message_id)
    if named is not None and had.filter(pk=named).exists():
        return named
    lately = had.filter(due_at__gt=now - SAME_ADDRESS).select_related("subscriber").order_by("-due_at")
    if len({address_of(delivery) for delivery in lately}) > 1:
        return None
    return had.order_by("-due_at").values_list("pk", flat=True).first()


def address_of(delivery: Delivery) -> str | None:
    """Keyed hash of the address a delivery was sent to; None when it cannot be known.

    A row from before this was kept was sent to the reader's address of today, unless they have moved since: then the
    notice to the old address still knows it, for a month.
    """
    if delivery.address_hash:
        return delivery.address_hash
    reader, since = delivery.subscriber, delivery.sent_at or delivery.due_at
    if not _moves(reader, since=since):
        return reader.address_hash or None
    notices = Notice.objects.filter(subscriber=reader, kind=Notice.Kind.MOVED, created_at__gt=since)
    told = notices.order_by("created_at").first()
    return str(told.context["hash"]) if told and told.context.get("hash") else None


def is_outlived(delivery: Delivery, address: str, *, at: datetime) -> bool:
    """Whether the owner of the address has confirmed it since ``at``, so that an older bounce no longer counts."""
    holder = Subscriber.objects.filter(address_hash=address).first()
    if holder is None:
        return False
    sent_at = delivery.sent_at or at
    return (holder.confirmed_at is not None and holder.confirmed_at > sent_at) or _moves(holder, since=sent_at)


def _moves(reader: Subscriber, *, since: datetime) -> bool:
    moves = reader.consent_events.filter(kind=ConsentEvent.Kind.CHANGED, detail__address="changed", at__gt=since)
    return moves.exists()
