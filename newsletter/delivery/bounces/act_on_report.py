"""Handling of bounces, complaints and unsubscribe mails: recorded first, then acted upon.

In: events of the bounce mailbox, of providers' webhooks and of our own sending. Out: DeliveryEvent rows, suppressed or
unsubscribed readers. May run twice: an event is stored once by its id and handled once.
"""

from __future__ import annotations

import logging
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from newsletter.delivery import settle_unknown
from newsletter.delivery.bounces import Event, ReportKind, mailbox, parse, unrecognised
from newsletter.delivery.bounces import match_delivery as tying
from newsletter.delivery.bounces.bounce_storms import Guard
from newsletter.delivery.bounces.when_to_suppress import is_dead
from newsletter.models import Delivery, DeliveryEvent, Letter
from subscriptions import lifecycle, suppression, token_links
from subscriptions.models import Subscriber, Suppression

log = logging.getLogger(__name__)
Kind = DeliveryEvent.Kind
KINDS = {
    ReportKind.DELIVERED: Kind.DELIVERED,
    ReportKind.DEFERRED: Kind.DEFERRED,
    ReportKind.HARD: Kind.BOUNCED,
    ReportKind.SOFT: Kind.SOFT,
    ReportKind.POLICY: Kind.REJECTED,
    ReportKind.COMPLAINED: Kind.COMPLAINED,
    ReportKind.UNSUBSCRIBED: Kind.UNSUBSCRIBED,
}
HARMLESS = {ReportKind.DELIVERED, ReportKind.DEFERRED}  # a person need not say what such a letter is
MAY_KILL = {Kind.BOUNCED, Kind.SOFT}
BATCH = 500


def take_in(event: Event, *, now: datetime) -> bool:
    """Store a reported event, to be acted on by the next tick. False: about no delivery of ours, or already known.

    Fast and harmless to repeat, so that a webhook can answer at once.
    """
    if event.unsubscribe_token:
        reader = _leaver(event)
        return reader is not None and _leave(reader, now=now)
    tied = tying.tie(event, now=now)
    if tied is None:
        log.info("An event of kind %s is about no delivery of ours", event.kind)
        return False
    return _store(event, tied, now=now)


def _store(event: Event, tied: tying.Tie, *, now: datetime) -> bool:
    """Store the event of a delivery. False: it was stored before."""
    row = DeliveryEvent(
        delivery_id=tied.delivery,
        kind=KINDS[event.kind],
        at=min(event.at or now, now),
        source=event.source[:32],
        tied_by=tied.by,
        event_id=event.event_id[:200],
        code=event.code[:16],
        text=event.text[:300],
    )
    before = DeliveryEvent.objects.filter(event_id=row.event_id).exists()
    DeliveryEvent.objects.bulk_create([row], ignore_conflicts=True)
    return not before


def take_in_from_provider(event: Event, letter: bytes) -> None:
    """Store a provider's webhook event, dated now; ``letter``, which says the same, is kept when nobody can place it.

    An error goes up: the provider sends the event again.
    """
    now = timezone.now()
    why, delivery = _place(event, now=now)
    if why is not None and event.kind not in HARMLESS:
        unrecognised.keep(
            letter, why=why, now=now, taken_for=event.kind, delivery=delivery, identity=event.event_id.encode()
        )


def read_mailbox(*, now: datetime, limit: int = BATCH) -> int:
    """Read the mailbox that bounces come back to, if there is one. Returns how many letters were for us.

    A letter is removed after its event is stored. One that nobody can place is set aside in the mailbox, and kept here
    for a person to say what it is.
    """
    if not settings.BOUNCE_MAILBOX_URL:
        return 0
    taken = 0
    aside = settings.VAR_DIR / "letters"
    with mailbox.open_mailbox(settings.BOUNCE_MAILBOX_URL, aside=aside, ca_file=settings.EMAIL_CA_FILE) as box:
        for letter in box.letters(limit):
            event = parse.parse(letter.data)
            if event is not None and _could_take_in(event, letter.data, now=now):
                box.remove(letter)
                taken += 1
                continue
            if event is None and not parse.is_automatic_answer(letter.data):
                unrecognised.keep(letter.data, why=Letter.Why.UNREAD, now=now)
            box.set_aside(letter)
    return taken


def _could_take_in(event: Event, data: bytes, *, now: datetime) -> bool:
    """Store the letter. False: it stays in the mailbox, because the database refused it; the next ones go on."""
    try:
        why, delivery = _place(event, now=now)
    except Exception:
        if not connection.is_usable():
            raise  # the letter is not to blame; it is read again
        log.exception("A letter of kind %s cannot be taken in; it is set aside", event.kind)
        why, delivery = Letter.Why.REFUSED, None
    if why is not None and event.kind not in HARMLESS:
        unrecognised.keep(data, why=why, now=now, taken_for=event.kind, delivery=delivery)
    return why is None


def _place(event: Event, *, now: datetime) -> tuple[Letter.Why | None, int | None]:
    """Store the event of a letter. Returns why an operator must look at it (None: nothing to do), and its delivery."""
    if event.unsubscribe_token:
        reader = _leaver(event)
        if reader is None:
            return Letter.Why.UNTIED, None
        _leave(reader, now=now)
        return None, None
    tied = tying.tie(event, now=now)
    if tied is None:
        return Letter.Why.UNTIED, None
    _store(event, tied, now=now)
    is_grave = event.kind in {ReportKind.HARD, ReportKind.COMPLAINED}
    is_unproven = tied.by == DeliveryEvent.MESSAGE_ID and is_grave
    return (Letter.Why.UNPROVEN if is_unproven else None), tied.delivery


def act_on_events(*, now: datetime) -> int:
    """Act on up to a batch of stored events. Returns how many. One that fails stays for the next tick."""
    pending = DeliveryEvent.objects.filter(handled_at__isnull=True).order_by("pk")
    acted, guard = 0, Guard(now=now)
    for event in pending.select_related("delivery__subscriber", "delivery__edition")[:BATCH]:
        try:
            with transaction.atomic():
                ours = DeliveryEvent.objects.filter(pk=event.pk, handled_at__isnull=True).update(handled_at=now)
                if ours:
                    _act_on(event, guard=guard, now=now)
                    acted += 1
        except Exception:
            if not connection.is_usable():
                raise
            log.exception("Event %s cannot be acted upon; the others are", event.pk)
    return acted


def _act_on(event: DeliveryEvent, *, guard: Guard, now: datetime) -> None:
    """Act on the address the mail went to, and on its reader only while the address is theirs.

    Without proof nothing but the count of soft bounces grows: see DeliveryEvent.is_proven.
    """
    address = tying.address_of(event.delivery)
    if event.kind in MAY_KILL:
        if (
            address
            and not tying.is_outlived(event.delivery, address, at=event.at)
            and is_dead(event, guard=guard, now=now)
        ):
            suppression.suppress_address(address, reason=Suppression.Reason.BOUNCE, source=event.source, now=now)
    elif not event.is_proven:
        return
    elif event.kind == Kind.COMPLAINED and address:
        suppression.suppress_address(address, reason=Suppression.Reason.COMPLAINT, source=event.source, now=now)
    elif event.kind == Kind.UNSUBSCRIBED:
        reader = event.delivery.subscriber
        lifecycle.unsubscribe(reader, now=now, method=event.source, origin=lifecycle.Origin())
    if event.is_proven:
        _settle_doubt(event, now=now)


def _settle_doubt(event: DeliveryEvent, *, now: datetime) -> None:
    """Settle an unknown delivery by a report about it."""
    state = {
        Kind.DELIVERED: Delivery.State.SENT,
        Kind.COMPLAINED: Delivery.State.SENT,
        Kind.BOUNCED: Delivery.State.FAILED,
        Kind.REJECTED: Delivery.State.FAILED,
    }.get(Kind(event.kind))
    if state and event.delivery.state == Delivery.State.UNKNOWN:
        settle_unknown([event.delivery_id], state=state, source=event.source, text=event.text, now=now)


def _leaver(event: Event) -> Subscriber | None:
    """Return the reader who asked to unsubscribe by mail, by the token in the subject."""
    return Subscriber.objects.filter(unsubscribe_hash=token_links.unsubscribe_hash(event.unsubscribe_token)).first()


def _leave(reader: Subscriber, *, now: datetime) -> bool:
    return lifecycle.unsubscribe(reader, now=now, method="mailto", origin=lifecycle.Origin())
