"""What comes back: bounces, complaints and requests to leave are recorded, then acted upon.

In: events of the bounce mailbox, of providers' webhooks and of our own sending. Out: DeliveryEvent rows, suppressed or
unsubscribed readers. May run twice: an event is stored once by its id and handled once.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone

from newsletter.delivery import settle_unknown
from newsletter.delivery.bounces import Event, ReportKind, mailbox, parse, tying
from newsletter.editions import lifecycle as edition_lifecycle
from newsletter.models import Delivery, DeliveryEvent, Edition
from subscriptions import lifecycle, links
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
MAY_KILL = {Kind.BOUNCED, Kind.SOFT}
SOFT_DAYS = 5  # so many days with a soft bounce and none with a delivery between …
SOFT_WINDOW = timedelta(days=30)  # … within this time, and the address is taken for dead
STORM_AT_LEAST = 20  # so many dead addresses of one edition …
STORM_SHARE = 0.1  # … that are this share of what was sent: rather the relay or a list is at fault
BATCH = 500


def take_in(event: Event, *, now: datetime) -> bool:
    """Store what was told, to be acted on by the next tick. False: it is about no delivery of ours, or known already.

    Fast and harmless to repeat, so that a webhook can answer at once.
    """
    if event.unsubscribe_token:
        return _leave_by_mail(event, now=now)
    tied = tying.tie(event, now=now)
    if tied is None:
        log.info("An event of kind %s is about no delivery of ours", event.kind)
        return False
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


def take_in_now(event: Event) -> None:
    """What a provider's webhook calls."""
    take_in(event, now=timezone.now())


def read_mailbox(*, now: datetime, limit: int = BATCH) -> int:
    """Read the mailbox that bounces come back to, if there is one. Returns how many letters were for us.

    A letter is removed after its event is stored; what is not for us is set aside for a person.
    """
    if not settings.BOUNCE_MAILBOX_URL:
        return 0
    taken = 0
    aside = settings.VAR_DIR / "letters"
    with mailbox.open_mailbox(settings.BOUNCE_MAILBOX_URL, aside=aside, ca_file=settings.EMAIL_CA_FILE) as box:
        for letter in box.letters(limit):
            event = parse.parse(letter.data)
            if event is None or not _could_take_in(event, now=now):
                box.set_aside(letter)
                continue
            box.remove(letter)
            taken += 1
    return taken


def _could_take_in(event: Event, *, now: datetime) -> bool:
    """One letter that the database refuses must not stop those behind it: a person will look at it."""
    try:
        take_in(event, now=now)
    except Exception:
        if not connection.is_usable():
            raise  # the letter is not to blame; it is read again
        log.exception("A letter of kind %s cannot be taken in; it is set aside", event.kind)
        return False
    return True


def act_on_events(*, now: datetime) -> int:
    """Act on up to a batch of stored events. Returns how many. One that fails stays for the next tick."""
    pending = DeliveryEvent.objects.filter(handled_at__isnull=True).order_by("pk")
    acted = 0
    for event in pending.select_related("delivery__subscriber", "delivery__edition")[:BATCH]:
        try:
            with transaction.atomic():
                ours = DeliveryEvent.objects.filter(pk=event.pk, handled_at__isnull=True).update(handled_at=now)
                if ours:
                    _act_on(event, now=now)
                    acted += 1
        except Exception:
            if not connection.is_usable():
                raise
            log.exception("Event %s cannot be acted upon; the others are", event.pk)
    return acted


def _act_on(event: DeliveryEvent, *, now: datetime) -> None:
    """Act on the address the mail went to, and on the reader only while it is theirs; leaving alone is the reader's.

    Without proof nothing but the count of soft bounces grows: see DeliveryEvent.is_proven.
    """
    address = tying.address_of(event.delivery)
    if event.kind in MAY_KILL:
        if address and not tying.is_outlived(event.delivery, address, at=event.at) and _is_dead(event, now=now):
            lifecycle.suppress_address(address, reason=Suppression.Reason.BOUNCE, source=event.source, now=now)
    elif not event.is_proven:
        return
    elif event.kind == Kind.COMPLAINED and address:
        lifecycle.suppress_address(address, reason=Suppression.Reason.COMPLAINT, source=event.source, now=now)
    elif event.kind == Kind.UNSUBSCRIBED:
        reader = event.delivery.subscriber
        lifecycle.unsubscribe(reader, now=now, method=event.source, origin=lifecycle.Origin())
    if event.is_proven:
        _settle_doubt(event, now=now)


def _settle_doubt(event: DeliveryEvent, *, now: datetime) -> None:
    """A report says what became of a message nobody was sure of."""
    state = {
        Kind.DELIVERED: Delivery.State.SENT,
        Kind.COMPLAINED: Delivery.State.SENT,
        Kind.BOUNCED: Delivery.State.FAILED,
        Kind.REJECTED: Delivery.State.FAILED,
    }.get(Kind(event.kind))
    if state and event.delivery.state == Delivery.State.UNKNOWN:
        settle_unknown([event.delivery_id], state=state, source=event.source, text=event.text, now=now)


def _is_dead(event: DeliveryEvent, *, now: datetime) -> bool:
    """A hard bounce says so at once, except in a storm; soft ones say it together."""
    if event.kind == Kind.BOUNCED and event.is_proven and not _is_storm(event.delivery.edition, now=now):
        return True
    return _soft_days(event.delivery.subscriber, now=now) >= SOFT_DAYS


def _soft_days(reader: Subscriber, *, now: datetime) -> int:
    """Days with a bounce in the window, counted from the last day something got through."""
    events = DeliveryEvent.objects.filter(delivery__subscriber=reader, at__gt=now - SOFT_WINDOW)
    arrived = events.filter(kind=Kind.DELIVERED).order_by("-at").values_list("at", flat=True).first()
    bounces = events.filter(kind__in=[Kind.SOFT, Kind.BOUNCED])
    if arrived:
        bounces = bounces.filter(at__gt=arrived)
    return len({at.date() for at in bounces.values_list("at", flat=True)})


def _is_storm(edition: Edition, *, now: datetime) -> bool:
    """Too many addresses died at once to be true: pause the edition and count each bounce as a soft one."""
    bounces = DeliveryEvent.objects.filter(delivery__edition=edition, kind=Kind.BOUNCED)
    if edition.resumed_at:  # a person has looked: what came before is settled
        bounces = bounces.filter(at__gt=edition.resumed_at)
    bounced = bounces.aggregate(number=Count("delivery", distinct=True))["number"]
    if bounced < STORM_AT_LEAST:
        return False
    handed_over = [Delivery.State.SENT, Delivery.State.FAILED, Delivery.State.UNKNOWN]
    tried = Delivery.objects.filter(edition=edition, state__in=handed_over).count()
    storm: bool = bounced >= STORM_SHARE * tried
    if storm:
        reason = f"{bounced} of {tried} addresses bounced: check the relay and the list, then resume."
        edition_lifecycle.pause(edition, reason=reason, now=now)
    return storm


def _leave_by_mail(event: Event, *, now: datetime) -> bool:
    """`mailto:` unsubscribe: the token in the subject is the reader's own."""
    reader = Subscriber.objects.filter(unsubscribe_hash=links.unsubscribe_hash(event.unsubscribe_token)).first()
    return reader is not None and lifecycle.unsubscribe(reader, now=now, method="mailto", origin=lifecycle.Origin())
