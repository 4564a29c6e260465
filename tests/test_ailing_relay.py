"""A relay that is away, puts off everything, or wants less: no reader pays, and mail leaves once it is well."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.utils import timezone

from newsletter import delivery, planning
from newsletter.delivery import claim_deliveries, record_outcomes, sending_rate
from newsletter.delivery.transports import Message, Outcome, OutcomeKind, Phase, outcome_of_reply
from newsletter.delivery.transports.relay_urls import Common, open_relays
from newsletter.delivery.transports.smtp_handshake import Relay
from newsletter.models import Delivery, PaceBucket, Stream
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.fakes import MemoryTransport
from tests.sinks.scripted import ScriptedServer

pytestmark = pytest.mark.django_db
State = Delivery.State
LATER = NOON + timedelta(minutes=30)
TOO_MUCH = "4.7.1 Error: too much mail"
Answer = Callable[[Message], Outcome]


def planned(readers: int, *, domains: tuple[str, ...] = ("example.net",)) -> None:
    papers = [assign(make_paper(score_daily=score), "vision") for score in (3.0, 2.0, 1.0)]
    make_edition(papers=papers, state="frozen")
    for number in range(readers):
        make_reader(f"reader{number}@{domains[number % len(domains)]}", follows=("vision",))
    planning.plan_due(now=NOON)


def run(answer: Answer | None = None, *, at: datetime = LATER, seats: int = 4) -> MemoryTransport:
    transport = MemoryTransport(answer, seats=seats)
    delivery.deliver(transport=transport, deadline=at + timedelta(minutes=4), clock=lambda: at)
    return transport


def saying(phase: Phase, code: int, text: str, *, only: str = "") -> Answer:
    def answer(message: Message) -> Outcome:
        if only in message.recipient:
            return outcome_of_reply(message.key, phase, code=code, text=text)
        return Outcome(message.key, OutcomeKind.SENT, Phase.DOT, 250)

    return answer


def away(message: Message) -> Outcome:
    return Outcome(message.key, OutcomeKind.INFRASTRUCTURE, Phase.CONNECT, text="connection refused")


def states() -> dict[str, int]:
    return dict(sorted(delivery.counts(Delivery.objects.all()[0].edition).items()))


# Limits


def test_a_limit_spends_no_attempt_and_keeps_the_answer() -> None:
    planned(3)
    run(saying(Phase.MAIL, 450, TOO_MUCH))
    rows = Delivery.objects.all()
    assert {(row.state, row.attempts, row.reply) for row in rows} == {
        (State.QUEUED, 0, "450 4.7.1 Error: too much mail")
    }
    assert all(LATER < row.not_before <= LATER + timedelta(seconds=30) for row in rows)
    assert len(run(at=LATER + timedelta(seconds=31)).sent) == 3


def test_limits_in_a_row_close_the_stream_for_longer_each_time() -> None:
    planned(40)
    waits, at = [], LATER
    for _ in range(7):
        run(saying(Phase.MAIL, 450, TOO_MUCH), at=at)
        stream = Stream.objects.get()
        assert stream.probe_at is not None
        waits.append((stream.probe_at - at).total_seconds())
        at = stream.probe_at
    assert waits == [30, 60, 120, 240, 480, 600, 600]
    assert (stream.trouble, stream.down_since, stream.last_reply) == (
        Stream.Trouble.LIMITED, LATER, "450 4.7.1 Error: too much mail",
    )  # fmt: skip
    assert states() == {"queued": 40}
    assert len(run(at=at).sent) == 40
    stream.refresh_from_db()
    assert (stream.failures, stream.trouble, stream.down_since, stream.last_reply) == (0, "", None, "")


def test_three_thousand_readers_at_thirty_a_minute_cost_nobody_an_attempt() -> None:
    """Here a tenth of them, for the time of the suite: what counts is that each minute sends thirty."""
    planned(300)
    at, minutes, taken = LATER, 0, 0

    def answer(message: Message) -> Outcome:
        nonlocal taken
        if taken >= 30:
            return outcome_of_reply(message.key, Phase.MAIL, code=450, text=TOO_MUCH)
        taken += 1
        return Outcome(message.key, OutcomeKind.SENT, Phase.DOT, 250)

    while Delivery.objects.exclude(state=State.SENT).exists():
        taken = 0
        run(answer, at=at)
        at, minutes = at + timedelta(minutes=1), minutes + 1
        assert minutes <= 11, states()
    assert Delivery.objects.filter(attempts=1).count() == 300


def test_a_domain_that_names_a_limit_is_held_and_the_others_go_on(settings: LazySettings) -> None:
    settings.DELIVERY_CHUNK = 10
    planned(60, domains=("slow.example", "a.example", "b.example"))
    limited = saying(Phase.RCPT, 450, TOO_MUCH, only="@slow.example")
    assert len(run(limited).sent) == 40
    assert states() == {"queued": 20, "sent": 40}
    assert set(Delivery.objects.filter(state=State.QUEUED).values_list("attempts", flat=True)) == {0}
    bucket = PaceBucket.objects.get(scope="slow.example")
    assert bucket.held_until == LATER + timedelta(seconds=30)
    assert Stream.objects.filter(probe_at__isnull=False).count() == 0
    run(limited, at=LATER + timedelta(seconds=31))
    bucket.refresh_from_db()
    assert bucket.holds == 2
    assert len(run(at=bucket.held_until + timedelta(seconds=31)).sent) == 20


def test_a_hold_is_short_again_once_the_domain_has_taken_mail() -> None:
    assert sending_rate.hold("x.example", has_taken=False, now=LATER) == LATER + timedelta(seconds=30)
    at = LATER + timedelta(minutes=1)
    assert sending_rate.hold("x.example", has_taken=False, now=at) == at + timedelta(seconds=60)
    assert sending_rate.hold("x.example", has_taken=True, now=at) == at + timedelta(seconds=60), "it is held already"
    at += timedelta(minutes=5)
    assert sending_rate.hold("x.example", has_taken=True, now=at) == at + timedelta(seconds=30)
    assert sending_rate.hold_wait(100) == timedelta(minutes=10)


def test_a_limit_that_many_domains_name_is_the_relays() -> None:
    planned(30, domains=("a.example", "b.example", "c.example"))
    run(saying(Phase.RCPT, 450, TOO_MUCH))
    assert Stream.objects.get().trouble == Stream.Trouble.LIMITED
    assert states() == {"queued": 30}


def test_a_row_the_reaper_took_for_lost_is_owed_again_once_a_limit_was_the_answer() -> None:
    planned(1)
    pk = Delivery.objects.get().pk
    claim_deliveries.claim_due(token="slow", limit=10, now=LATER)
    claim_deliveries.mark_sending([pk], token="slow", now=LATER)
    delivery.rescue_expired(now=LATER + timedelta(minutes=5))
    outcome = outcome_of_reply(pk, Phase.DOT, code=454, text="Throttling failure")
    record_outcomes.settle([outcome], token="slow", now=LATER + timedelta(minutes=6), sizes={})
    assert Delivery.objects.get().state == State.QUEUED


# Temporary refusals of everything


@pytest.mark.parametrize(("readers", "phase"), [(40, Phase.RCPT), (4, Phase.DOT), (30, Phase.MAIL)])
def test_a_relay_that_puts_off_everything_fails_nobody(readers: int, phase: Phase, settings: LazySettings) -> None:
    settings.DELIVERY_MAX_ATTEMPTS = 5  # after half an hour
    planned(readers)
    at, end = LATER, LATER + timedelta(hours=2)
    while at < end:
        run(saying(phase, 451, "4.3.0 try again later"), at=at)
        at += timedelta(minutes=1)
    assert set(states()) <= {"queued", "retry"}
    stream = Stream.objects.get()
    assert (stream.trouble, stream.last_reply) == (Stream.Trouble.DEFERRED, "451 4.3.0 try again later")
    assert stream.down_since is not None
    delivery.try_now(now=at)
    assert len(run(at=at).sent) == readers
    stream.refresh_from_db()
    assert (stream.trouble, stream.down_since, stream.deferrals) == ("", None, 0)


@pytest.mark.parametrize("put_off", [("a.example",), ("a.example", "b.example", "c.example", "d.example", "e.example")])
def test_a_storm_in_which_one_domain_still_works_fails_nobody(put_off: tuple[str, ...], settings: LazySettings) -> None:
    """The domain that works takes a mail in each run, so that the relay as a whole never looks ill."""
    settings.DELIVERY_MAX_ATTEMPTS = 4
    planned(40, domains=("works.example", *put_off))
    well = iter(Delivery.objects.filter(domain="works.example").values_list("pk", flat=True))
    at, end = LATER, LATER + timedelta(hours=4)

    def answer(message: Message) -> Outcome:
        if "@works.example" in message.recipient:
            return Outcome(message.key, OutcomeKind.SENT, Phase.DOT, 250)
        return outcome_of_reply(message.key, Phase.RCPT, code=451, text="4.3.0 try again later")

    later = Delivery.objects.filter(domain="works.example")
    later.update(not_before=end)
    while at < end:
        later.filter(pk=next(well, None)).update(not_before=at)
        run(answer, at=at)
        at += timedelta(minutes=10)
    assert not Delivery.objects.filter(state=State.FAILED).exists(), states()
    assert len(run(at=at + timedelta(hours=1)).sent) >= 40 * len(put_off) // (len(put_off) + 1)


def test_greylisting_of_every_first_try_closes_nothing() -> None:
    planned(50)
    run(saying(Phase.RCPT, 450, "4.7.1 greylisted"))
    assert states() == {"retry": 50}
    assert not Stream.objects.filter(probe_at__isnull=False).exists()
    assert len(run(at=LATER + timedelta(minutes=10)).sent) == 50


def test_one_reader_who_is_always_put_off_is_given_up_while_the_others_get_their_mail(settings: LazySettings) -> None:
    settings.DELIVERY_MAX_ATTEMPTS = 3
    planned(5)
    at = LATER
    while Delivery.objects.filter(state=State.FAILED).count() == 0:
        run(saying(Phase.RCPT, 451, "4.3.0 try again later", only="reader0@"), at=at)
        at += timedelta(minutes=10)
        assert at < LATER + timedelta(hours=3)
    assert states() == {"failed": 1, "sent": 4}


# An outage


def test_an_outage_is_told_from_its_first_minute_to_its_last() -> None:
    planned(60)
    at = LATER
    for _ in range(10):
        run(away, at=at)
        stream = Stream.objects.get()
        assert (stream.trouble, stream.down_since) == (Stream.Trouble.UNREACHABLE, LATER)
        assert "connection refused" in stream.last_reply
        at += timedelta(seconds=60)
        assert stream.probe_at is None or stream.probe_at <= at - timedelta(seconds=30), "each tick tries"
    assert len(run(at=at).sent) == 60
    stream.refresh_from_db()
    assert (stream.trouble, stream.down_since, stream.probe_at) == ("", None, None)


def test_what_was_taken_and_given_back_is_owed_since_it_was_due() -> None:
    planned(60)
    for minutes in range(20):
        run(away, at=LATER + timedelta(minutes=minutes))
    oldest = Delivery.objects.order_by("not_before")[0]
    assert oldest.not_before == oldest.due_at


def test_try_now_ends_every_wait(settings: LazySettings) -> None:
    planned(60, domains=("a.example", "slow.example"))
    for second in range(4):
        run(away, at=LATER + timedelta(seconds=second))
    at = LATER + timedelta(seconds=4)
    sending_rate.hold("slow.example", has_taken=False, now=at)
    assert run(at=at).sent == []
    assert delivery.is_waiting(now=at)
    assert delivery.try_now(now=at) > 0
    assert not delivery.is_waiting(now=at)
    assert len(run(at=at).sent) == 60


def test_try_now_starts_nothing_that_a_person_paused() -> None:
    planned(2)
    delivery.pause_stream("digest", reason="by hand", now=LATER)
    delivery.try_now(now=LATER)
    assert run().sent == []


# Against a server, with the clock of the machine


@pytest.fixture
def digests() -> Iterator[Callable[..., delivery.Run]]:
    def send(
        server: ScriptedServer, *, slice_seconds: float = 60, stop_after: float = 1e9, greeting: float = 300
    ) -> delivery.Run:
        common = Common(ehlo_name="papers.example.org", connections=4)
        transport = open_relays([(Relay(host="127.0.0.1", port=server.port), 1)], common=common)
        began = time.monotonic()
        return delivery.deliver(
            transport=transport,
            deadline=timezone.now() + timedelta(seconds=slice_seconds),
            should_stop=lambda: time.monotonic() - began > stop_after,
            greeting=timedelta(seconds=greeting),
        )

    return send


def owed_now(readers: int) -> None:
    planned(readers)
    now = datetime.now(UTC)
    Delivery.objects.update(expires_at=now + timedelta(hours=6))


def test_a_hundred_at_ten_a_connection_are_sent_in_one_run(digests: Any) -> None:
    owed_now(100)
    with ScriptedServer().on("MAIL", reply="452 4.5.3 Too many messages in this connection", after=10) as server:
        assert digests(server).sent == 100
    assert set(Delivery.objects.values_list("state", "attempts")) == {(State.SENT, 1)}


def test_a_relay_that_greets_after_the_slice_is_waited_for(digests: Any) -> None:
    owed_now(3)
    with ScriptedServer().on("CONNECT", delay=1.5) as server:
        assert digests(server, slice_seconds=0.5).sent == 3


def test_a_relay_that_never_greets_is_an_outage_and_no_reader_pays(
    digests: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.delivery.send_loop.AFTER_GREETING", timedelta(seconds=0.1))
    owed_now(3)
    with ScriptedServer().on("CONNECT", delay=30) as server:
        assert digests(server, slice_seconds=0.3, greeting=0.5).sent == 0
    stream = Stream.objects.get()
    assert (stream.trouble, "does not greet" in stream.last_reply) == (Stream.Trouble.UNREACHABLE, True)
    assert set(Delivery.objects.values_list("state", "attempts")) == {(State.QUEUED, 0)}


def test_a_stop_does_not_wait_for_a_greeting(digests: Any) -> None:
    owed_now(3)
    with ScriptedServer().on("CONNECT", delay=30) as server:
        began = time.monotonic()
        digests(server, stop_after=0.3)
    assert time.monotonic() - began < 30, "it waited for the greeting"
    assert set(Delivery.objects.values_list("state", "claim")) == {(State.QUEUED, "")}
