"""Many dead addresses at once: about us or about one domain, and never a lever for a few accounts of one owner."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import pytest

from newsletter import delivery
from newsletter.delivery.bounces import ReportKind, act_on_report, bounce_storms
from newsletter.delivery.transports import Message, Outcome, OutcomeKind, Phase
from newsletter.models import Delivery, DeliveryEvent, DomainHold, Edition
from subscriptions.models import ConsentEvent, Subscriber, Suppression
from tests.builders import NOON, make_reader
from tests.fakes import MemoryTransport
from tests.test_feedback import sent, told

pytestmark = pytest.mark.django_db
State = Subscriber.State
LATER = NOON + timedelta(minutes=30)


def report(rows: list[Delivery], kind: ReportKind = ReportKind.HARD, *, one_by_one: bool = False) -> None:
    for row in rows:
        act_on_report.take_in(told(row, kind), now=NOON)
        if one_by_one:
            act_on_report.act_on_events(now=NOON)
    act_on_report.act_on_events(now=NOON)


def signed_up_from(rows: list[Delivery], ip: str) -> None:
    for row in rows:
        row.subscriber.consent_events.create(kind=ConsentEvent.Kind.REQUESTED, at=NOON, method="page", ip_address=ip)


def suppressed() -> int:
    return Subscriber.objects.filter(state=State.SUPPRESSED).count()


def at(domain: str) -> list[Delivery]:
    return list(Delivery.objects.filter(domain=domain).order_by("pk"))


def test_twelve_dead_addresses_at_one_domain_put_that_domain_on_hold_and_suppress_nobody() -> None:
    sent(112, domains=9)
    report(at("example3.net"))
    assert suppressed() == 0
    assert not Suppression.objects.in_force().exists()
    assert [row.domain for row in DomainHold.objects.in_force()] == ["example3.net"]
    assert Edition.objects.get().paused_at is None
    (sentence,) = bounce_storms.held_domains()
    assert sentence.startswith("Mail to example3.net waits since 2026-03-18 12:00 UTC: 13 of 13 addresses at")


def test_the_first_few_of_a_domain_are_readers_again_once_it_is_known() -> None:
    sent(60, domains=5)
    Subscriber.objects.filter(pk=at("example1.net")[0].subscriber_id).update(
        state=State.PAUSED, paused_until=NOON + timedelta(days=9)
    )
    Subscriber.objects.filter(pk=at("example1.net")[1].subscriber_id).update(state=State.UNSUBSCRIBED)
    report(at("example1.net"), one_by_one=True)
    states = list(Subscriber.objects.filter(domain="example1.net").order_by("pk").values_list("state", flat=True))
    assert states == ["paused", "unsubscribed", *["confirmed"] * 10]
    assert Subscriber.objects.get(state=State.PAUSED).paused_until == NOON + timedelta(days=9)
    assert not Subscriber.objects.filter(state=State.CONFIRMED, next_due_at=None).exists()
    assert not Suppression.objects.in_force().exists()


def test_a_few_dead_addresses_of_a_large_domain_are_dead() -> None:
    rows = sent(60)
    report(rows[:6])
    assert suppressed() == 6
    assert not DomainHold.objects.exists()


def test_twenty_mailboxes_of_one_owner_stop_nobody_elses_mail() -> None:
    """The outsider's own domain, early hour; the others are not even planned yet."""
    rows = sent(25, domains=1)
    for number in range(200):
        make_reader(f"other{number}@example{number % 20 + 100}.org", next_due_at=NOON + timedelta(hours=9))
    report(rows[:20])
    assert Edition.objects.get().paused_at is None
    assert [row.domain for row in DomainHold.objects.all()] == ["example.net"]


@pytest.mark.parametrize("ip", ["192.0.2.7", "2001:db8:1:2::3"])
def test_many_domains_of_one_network_are_one_voice(ip: str) -> None:
    rows = sent(60, domains=20)
    signed_up_from(rows[:40], ip)
    report(rows[:40])
    assert Edition.objects.get().paused_at is None


def test_many_domains_of_many_networks_are_a_storm() -> None:
    rows = sent(60, domains=6)
    for number in range(4):
        signed_up_from(rows[number:40:4], f"192.0.{number}.7")
    report(rows[:40], one_by_one=True)
    assert Edition.objects.get().pause_reason.startswith("20 of 60 addresses bounced")
    assert suppressed() == 0


def test_a_storm_is_measured_against_all_who_are_to_get_the_edition() -> None:
    rows = sent(60, domains=12)
    for number in range(250):
        make_reader(f"other{number}@example{number % 50 + 100}.org", next_due_at=NOON + timedelta(hours=9))
    report(rows[:24])
    assert Edition.objects.get().paused_at is None


def test_own_mailboxes_at_a_provider_do_not_stop_that_provider() -> None:
    rows = sent(60)
    signed_up_from(rows[:20], "192.0.2.7")
    report(rows[:20])
    assert not DomainHold.objects.exists()
    assert suppressed() == 20


def test_an_office_that_is_refused_is_on_hold_though_one_network_signed_it_up() -> None:
    sent(60, domains=5)
    signed_up_from(at("example2.net"), "192.0.2.7")
    report(at("example2.net"))
    assert [row.domain for row in DomainHold.objects.all()] == ["example2.net"]
    assert suppressed() == 0


def refuse(kind: OutcomeKind = OutcomeKind.REJECTED, *, domains: Collection[str] = ()) -> MemoryTransport:
    """Refuses at the final dot what goes to these domains, or everything."""

    def answer(message: Message) -> Outcome:
        refused = not domains or message.recipient.partition("@")[2] in domains
        code, text = (550, "5.7.1 Not from you") if refused else (250, "2.0.0 Ok")
        return Outcome(message.key, kind if refused else OutcomeKind.SENT, Phase.DOT, code, text[:5], text)

    return MemoryTransport(answer)


def run(transport: MemoryTransport) -> None:
    delivery.deliver(transport=transport, deadline=LATER + timedelta(minutes=4), clock=lambda: LATER)


def owed(readers: int, *, domains: int) -> list[Delivery]:
    rows = sent(readers, domains=domains)
    Delivery.objects.update(state=Delivery.State.QUEUED, not_before=NOON, sent_at=None, claim="")
    return rows


def test_a_relay_that_refuses_everybody_pauses_the_edition() -> None:
    owed(90, domains=9)
    run(refuse())
    assert "messages were refused" in Edition.objects.get().pause_reason
    assert Delivery.objects.filter(state=Delivery.State.QUEUED).count() > 40


def test_a_domain_that_refuses_us_stops_its_own_mail_and_nobody_elses() -> None:
    owed(90, domains=3)
    run(refuse(domains=["example1.net"]))
    assert Edition.objects.get().paused_at is None
    assert [row.domain for row in DomainHold.objects.all()] == ["example1.net"]
    assert Delivery.objects.filter(state=Delivery.State.SENT).count() == 60


def test_one_owners_addresses_that_refuse_are_one_voice() -> None:
    rows = owed(90, domains=9)
    for number in range(4):
        own = [row for row in rows if row.domain == f"example{number + 1}.net"]
        signed_up_from(own, "192.0.2.7")
    run(refuse(domains=[f"example{number + 1}.net" for number in range(4)]))
    assert Edition.objects.get().paused_at is None


def test_a_message_id_alone_stops_nothing() -> None:
    rows = sent(60, domains=6)
    for row in rows:
        DeliveryEvent.objects.create(delivery=row, kind="bounced", at=NOON, source="dsn", tied_by="message-id")
    act_on_report.act_on_events(now=NOON)
    assert not DomainHold.objects.exists()
    assert Edition.objects.get().paused_at is None
    assert suppressed() == 0


def test_mail_to_a_domain_on_hold_waits_and_goes_on_when_resumed() -> None:
    rows = sent(4, domains=2)
    Delivery.objects.update(state=Delivery.State.QUEUED, not_before=NOON, sent_at=None, claim="")
    assert bounce_storms.hold("example.net", edition=rows[0].edition, reason="many failed", now=NOON)
    assert not bounce_storms.hold("example.net", edition=rows[0].edition, reason="more failed", now=NOON)
    transport = MemoryTransport()
    delivery.deliver(transport=transport, deadline=LATER + timedelta(minutes=1), clock=lambda: LATER)
    assert {row.domain: row.state for row in Delivery.objects.all()} == {
        "example.net": Delivery.State.QUEUED,
        "example1.net": Delivery.State.SENT,
    }
    assert bounce_storms.resume("example.net", now=LATER)
    assert not bounce_storms.resume("example.net", now=LATER)
    later = LATER + timedelta(minutes=16)
    delivery.deliver(transport=MemoryTransport(), deadline=later + timedelta(minutes=1), clock=lambda: later)
    assert not Delivery.objects.exclude(state=Delivery.State.SENT).exists()


def test_what_bounced_before_a_person_resumed_the_domain_is_settled() -> None:
    sent(60, domains=5)
    first, *rest = at("example1.net")
    report(rest)
    assert bounce_storms.resume("example1.net", now=NOON + timedelta(hours=1))
    act_on_report.take_in(told(first, ReportKind.HARD, at=LATER + timedelta(hours=1)), now=LATER + timedelta(hours=1))
    act_on_report.act_on_events(now=LATER + timedelta(hours=1))
    assert suppressed() == 1
    assert not DomainHold.objects.in_force().exists()


def test_a_person_may_say_that_they_are_dead_indeed() -> None:
    sent(60, domains=5)
    rows = at("example1.net")
    report(rows[:10])
    assert bounce_storms.believe("example1.net", now=NOON, source="domain, by ada") == 10
    assert suppressed() == 10
    assert bounce_storms.believe("example1.net", now=NOON, source="domain, by ada") == 0
    assert bounce_storms.held_domains() == []
