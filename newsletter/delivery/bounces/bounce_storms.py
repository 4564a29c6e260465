"""Detection of bounce storms: too many dead addresses at once to be true. Nobody is suppressed; an operator is asked.

In: what was reported of an edition's deliveries. Out: the domain on hold, or the edition paused, with the reason. A few
accounts must not be able to stop everybody's mail: what pauses an edition is broad, many recipient domains and many
networks that signed up, measured against all who are to get it. May run twice: a pause is made once.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import QuerySet
from django.utils.translation import gettext

from newsletter.delivery.bounces import match_delivery
from newsletter.editions import lifecycle as edition_lifecycle
from newsletter.models import Delivery, DeliveryEvent, DomainHold, Edition
from subscriptions import suppression
from subscriptions.models import ConsentEvent, Subscriber, Suppression

Kind = DeliveryEvent.Kind
DEAD = (Kind.BOUNCED,)
FAILING = (Kind.BOUNCED, Kind.SOFT)
REFUSED = (Kind.BOUNCED, Kind.SOFT, Kind.REJECTED)
AT_ONE_DOMAIN = 5  # so many addresses of one domain in one edition …
SHARE_OF_DOMAIN = 0.2  # … that are this share of its readers: ask about the domain
SHARE_OF_ONE_NETWORK = (
    0.5  # … and this share when one network signed them all up: an office, or somebody's own addresses
)
STORM_AT_LEAST = 20  # so many, of which …
STORM_SHARE = 0.1  # … this share of all who are to get the edition: ask about the edition
SHARE_ON_THE_WIRE = 0.02  # … or this share, when the relay itself refuses: it would refuse them all within minutes
ONE_VOICE = 7  # one domain, or one network, counts for no more than so many of the 20: three of each at least


@dataclass(frozen=True)
class Failure:
    """One delivery that failed, where to, and the network its reader signed up from (unknown: one of their own)."""

    subscriber: int
    domain: str
    network: str


class Guard:
    """Judges each edition once while a batch of events is acted upon."""

    def __init__(self, *, now: datetime) -> None:
        self._now = now
        self._editions: dict[tuple[int, tuple[Kind, ...]], _Look] = {}

    def asks_about(self, delivery: Delivery, *, kinds: tuple[Kind, ...]) -> bool:
        """Whether an operator has to look before anybody is suppressed. If so, stops the edition or the domain."""
        key = delivery.edition_id, kinds
        if key not in self._editions:
            self._editions[key] = _Look(delivery.edition, kinds=kinds)
        look = self._editions[key]
        if look.is_storm:
            bounced = f"{len(look.failures)} of {look.planned} addresses bounced"
            _pause(look, reason=f"{bounced}: check the relay and the list, then resume.", now=self._now)
            return True
        if look.is_of_domain(delivery.domain):
            hold(delivery.domain, edition=delivery.edition, reason=look.words_about(delivery.domain), now=self._now)
        return DomainHold.objects.in_force().filter(domain=delivery.domain).exists()


def ask_about_refusals(edition_pk: int, *, now: datetime) -> None:
    """Handle many refusals of one edition: pause it when they are of many readers, else hold the domains concerned."""
    look = _Look(Edition.objects.get(pk=edition_pk), kinds=REFUSED, share=SHARE_ON_THE_WIRE)
    if look.is_storm:
        reason = f"{len(look.failures)} of {look.planned} messages were refused; see the delivery events, then resume."
        _pause(look, reason=reason, now=now)
        return
    for domain in sorted({one.domain for one in look.failures}):
        if look.is_of_domain(domain):
            hold(domain, edition=look.edition, reason=look.words_about(domain), now=now)


class _Look:
    """Reports about one edition, read once. ``share``: how much of its readers must be hit to count as a storm."""

    def __init__(self, edition: Edition, *, kinds: Collection[str], share: float = STORM_SHARE) -> None:
        self.edition = edition
        self._kinds = kinds
        self._share = share

    @cached_property
    def failures(self) -> list[Failure]:
        """The failed deliveries, each once, since a person last resumed the edition or the domain."""
        events = DeliveryEvent.objects.filter(delivery__edition=self.edition, kind__in=self._kinds)
        events = events.exclude(tied_by=DeliveryEvent.MESSAGE_ID)
        if self.edition.resumed_at:
            events = events.filter(at__gt=self.edition.resumed_at)
        told = events.values_list("delivery__subscriber_id", "delivery__domain", "at")
        settled = dict(DomainHold.objects.filter(resumed_at__isnull=False).values_list("domain", "resumed_at"))
        latest = {
            subscriber: domain
            for subscriber, domain, at in told
            if (looked_at := settled.get(domain)) is None or at > looked_at
        }
        networks = _networks(latest) if len(latest) >= AT_ONE_DOMAIN else {}
        return [Failure(pk, domain, networks.get(pk, f"reader {pk}")) for pk, domain in latest.items()]

    @cached_property
    def is_storm(self) -> bool:
        number = len(self.failures)
        if number < STORM_AT_LEAST:
            return False
        domains = number if self._is_all_of_one_domain else _voices(one.domain for one in self.failures)
        voices = min(domains, _voices(one.network for one in self.failures))
        return voices >= STORM_AT_LEAST and number >= self._share * self.planned

    @cached_property
    def _is_all_of_one_domain(self) -> bool:
        """Whether all of the edition goes to the failing domain, so that there is no other mail to keep going."""
        domains = {one.domain for one in self.failures}
        return len(domains) == 1 and self._planned_at(domains.pop()) >= self.planned

    @cached_property
    def planned(self) -> int:
        return max(self._rows().count(), self._readers().count())

    def is_of_domain(self, domain: str) -> bool:
        here = [one for one in self.failures if one.domain == domain]
        if not domain or len(here) < AT_ONE_DOMAIN:
            return False
        share = SHARE_OF_DOMAIN if len({one.network for one in here}) > 1 else SHARE_OF_ONE_NETWORK
        return len(here) >= share * self._planned_at(domain)

    def words_about(self, domain: str) -> str:
        number = sum(one.domain == domain for one in self.failures)
        return f"{number} of {self._planned_at(domain)} addresses at {domain} failed in the edition {self.edition}"

    def _planned_at(self, domain: str) -> int:
        return max(self._rows().filter(domain=domain).count(), self._readers().filter(domain=domain).count())

    def _rows(self) -> QuerySet[Delivery]:
        return Delivery.objects.filter(edition=self.edition).exclude(state=Delivery.State.SKIPPED)

    def _readers(self) -> QuerySet[Subscriber]:
        """All readers of the edition, planned or not: in the first hour of a day hardly anybody has a row."""
        return Subscriber.objects.filter(state=Subscriber.State.CONFIRMED, cadence=self.edition.cadence)


def _voices(sources: Iterable[str]) -> int:
    return sum(min(number, ONE_VOICE) for number in Counter(sources).values())


def _networks(readers: Collection[int]) -> dict[int, str]:
    """The network (/24 or /48) of each reader's latest consent, while that is kept."""
    asked = ConsentEvent.objects.filter(
        subscriber__any_of=readers,
        kind__in=[ConsentEvent.Kind.REQUESTED, ConsentEvent.Kind.CONFIRMED],
        ip_address__isnull=False,
    )
    return {pk: _network(str(ip)) for pk, ip in asked.order_by("at").values_list("subscriber_id", "ip_address")}


def _network(ip: str) -> str:
    address = ipaddress.ip_address(ip)
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))


def _pause(look: _Look, *, reason: str, now: datetime) -> None:
    if look.edition.paused_at is not None:
        return
    edition_lifecycle.pause(look.edition, reason=reason, now=now)
    _take_back(look.edition, domain=None, after=look.edition.resumed_at, now=now)


def hold(domain: str, *, edition: Edition, reason: str, now: datetime) -> bool:
    """Delay all further mail to a domain until a person resumes it. False: it is on hold already."""
    row, is_new = DomainHold.objects.get_or_create(
        domain=domain, defaults={"since": now, "reason": reason[:300], "edition": edition}
    )
    again = DomainHold.objects.filter(pk=row.pk, resumed_at__isnull=False)
    if not is_new and not again.update(since=now, reason=reason[:300], edition=edition, resumed_at=None):
        return False
    _take_back(edition, domain=domain, after=row.resumed_at, now=now)
    return True


def resume(domain: str, *, now: datetime) -> bool:
    """Release a domain: mail goes on within 15 minutes, its failures do not count. False: it was not on hold."""
    return bool(DomainHold.objects.in_force().filter(domain=domain).update(resumed_at=now))


def believe(domain: str, *, now: datetime, source: str) -> int:
    """Suppress the addresses that bounced, as an operator confirmed, and release the domain. Returns how many."""
    held = DomainHold.objects.in_force().filter(domain=domain).first()
    if held is None or not resume(domain, now=now):
        return 0
    events = DeliveryEvent.objects.filter(delivery__edition=held.edition, delivery__domain=domain, kind=Kind.BOUNCED)
    suppressed = 0
    for event in events.exclude(tied_by=DeliveryEvent.MESSAGE_ID).select_related("delivery__subscriber"):
        address = match_delivery.address_of(event.delivery)
        if address and not match_delivery.is_outlived(event.delivery, address, at=event.at):
            suppressed += suppression.suppress_address(
                address, reason=Suppression.Reason.BOUNCE, source=source, now=now
            )
    return suppressed


def held_domains() -> list[str]:
    """One sentence for each domain on hold, for an alarm."""
    return [
        gettext(
            "Mail to %(domain)s waits since %(since)s UTC: %(why)s. Look at what was reported (admin, Deliveries, "
            "search for the domain), then resume it under Domains on hold."
        )
        % {"domain": row.domain, "since": f"{row.since:%Y-%m-%d %H:%M}", "why": row.reason}
        for row in DomainHold.objects.in_force().order_by("since")
    ]


def _take_back(edition: Edition, *, domain: str | None, after: datetime | None, now: datetime) -> None:
    """Undo the suppression of the first addresses of a storm, before it could be recognised as one."""
    events = DeliveryEvent.objects.filter(delivery__edition=edition, kind=Kind.BOUNCED, handled_at__isnull=False)
    if domain is not None:
        events = events.filter(delivery__domain=domain)
    if after is not None:  # what came before, a person has looked at
        events = events.filter(at__gt=after)
    for event in events.select_related("delivery__subscriber"):
        address = match_delivery.address_of(event.delivery)
        if address and event.handled_at:
            suppression.take_back_bounce(address, since=event.handled_at, now=now)
