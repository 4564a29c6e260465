from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from newsletter import delivery, planning
from newsletter.delivery import claim_deliveries, record_outcomes
from newsletter.delivery import expired_leases as rescue
from newsletter.delivery.compose_message import (
    bounce_address,
    delivery_of_bounce_address,
    delivery_of_message_id,
    message_id,
)
from newsletter.delivery.transports import Message, Outcome, OutcomeKind, Phase
from newsletter.editions import lifecycle
from newsletter.models import Delivery, DeliveryEvent, Edition, Stream
from subscriptions.models import Subscriber, Suppression
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.fakes import MemoryTransport
from tests.mail_lint import bodies

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
State = Delivery.State
LATER = NOON + timedelta(minutes=30)


def clock(at: datetime = LATER) -> Callable[[], datetime]:
    return lambda: at


def planned(readers: int = 3, **over: object) -> list[Delivery]:
    papers = [assign(make_paper(score_daily=score), "vision") for score in (3.0, 2.0, 1.0)]
    make_edition(papers=papers, state=Edition.State.FROZEN)
    for _ in range(readers):
        make_reader(follows=("vision",), **over)
    planning.plan_due(now=NOON)
    return list(Delivery.objects.order_by("pk"))


def run(transport: MemoryTransport, *, at: datetime = LATER) -> delivery.Run:
    return delivery.deliver(transport=transport, deadline=at + timedelta(minutes=4), clock=clock(at))


def answering(kind: OutcomeKind, phase: Phase = Phase.RCPT, code: int = 0, text: str = "") -> MemoryTransport:
    return MemoryTransport(lambda message: Outcome(message.key, kind, phase, code, "", text))


def states() -> set[str]:
    return set(Delivery.objects.values_list("state", flat=True))


def test_every_planned_reader_is_sent_their_digest() -> None:
    planned(10)
    transport = MemoryTransport()
    assert run(transport).sent == 10
    assert states() == {State.SENT}
    assert {message.recipient for message in transport.sent} == set(Subscriber.objects.values_list("email", flat=True))
    assert transport.is_closed


def test_the_row_keeps_the_relays_answer_the_size_and_the_moment() -> None:
    planned(1)
    transport = MemoryTransport()
    run(transport)
    row = Delivery.objects.get()
    assert row.reply == "250 2.0.0 Ok: queued"
    assert row.size == len(transport.sent[0].data)
    assert (row.sent_at, row.attempts, row.not_before) == (LATER, 1, None)


def test_a_reply_names_its_enhanced_code_once() -> None:
    planned(1)
    run(
        MemoryTransport(
            lambda message: Outcome(message.key, OutcomeKind.SENT, Phase.DOT, 250, "2.0.0", "2.0.0 Ok: 4F1B")
        )
    )
    assert Delivery.objects.get().reply == "250 2.0.0 Ok: 4F1B"


def test_the_message_holds_exactly_the_recorded_papers() -> None:
    row = planned(1)[0]
    transport = MemoryTransport()
    run(transport)
    message = message_from_bytes(transport.sent[0].data, policy=policy.default)
    titles = [row.edition.items.get(pk=pk).paper.title for pk, *_ in row.picks]
    for kind in ("plain", "html"):
        body = message.get_body((kind,)).get_content()
        assert all(title in body for title in titles)


def test_nothing_leaves_before_its_hour() -> None:
    planned()
    assert run(MemoryTransport(), at=NOON - timedelta(minutes=5)).claimed == 0


def test_a_second_run_finds_nothing() -> None:
    planned()
    run(MemoryTransport())
    second = MemoryTransport()
    assert run(second).claimed == 0
    assert second.sent == []


def test_who_unsubscribes_after_the_claim_gets_nothing() -> None:
    planned(3)
    transport = MemoryTransport(seats=1)
    leaver = Delivery.objects.order_by("not_before", "pk").last()
    leave = Subscriber.objects.filter(pk=leaver.subscriber_id)
    transport.before_ready = lambda message: leave.update(state="unsubscribed") and None
    run(transport)
    leaver.refresh_from_db()
    assert (leaver.state, leaver.skip_reason) == (State.SKIPPED, Delivery.Skip.UNSUBSCRIBED)
    assert len(transport.sent) == 2


def test_a_suppressed_address_gets_nothing_whatever_its_state() -> None:
    row = planned(1)[0]
    Suppression.objects.create(
        address_hash=row.subscriber.address_hash, reason="complaint", first_at=NOON, last_at=NOON
    )
    run(MemoryTransport())
    row.refresh_from_db()
    assert (row.state, row.skip_reason) == (State.SKIPPED, Delivery.Skip.SUPPRESSED)


def test_a_lifted_suppression_does_not_count() -> None:
    row = planned(1)[0]
    Suppression.objects.create(
        address_hash=row.subscriber.address_hash, reason="bounce", first_at=NOON, last_at=NOON, lifted_at=NOON
    )
    assert run(MemoryTransport()).sent == 1


def test_a_pause_of_the_edition_holds_what_has_not_left() -> None:
    planned(3)
    transport = MemoryTransport(seats=1)
    edition = Edition.objects.get()

    def pause_after_the_first(message: Message) -> None:
        if transport.sent:
            lifecycle.pause(edition, reason="by hand", now=LATER)

    transport.before_ready = pause_after_the_first
    run(transport)
    assert len(transport.sent) == 1
    assert Delivery.objects.filter(state=State.QUEUED, claim="").count() == 2
    lifecycle.resume(edition, now=LATER)
    assert run(MemoryTransport()).sent == 2


def test_a_paused_stream_sends_nothing() -> None:
    planned()
    Stream.objects.create(name="digest", paused_at=NOON)
    assert run(MemoryTransport()).claimed == 0


def test_a_temporary_error_is_tried_again_later_and_then_sent() -> None:
    planned(1)
    run(answering(OutcomeKind.RETRY, Phase.RCPT, 451, "greylisted"))
    row = Delivery.objects.get()
    assert (row.state, row.attempts) == (State.RETRY, 1)
    assert LATER + timedelta(minutes=5) <= row.not_before <= LATER + timedelta(minutes=8)
    assert run(MemoryTransport()).claimed == 0
    assert run(MemoryTransport(), at=LATER + timedelta(minutes=10)).sent == 1


def test_news_that_cannot_be_delivered_in_time_is_given_up() -> None:
    row = planned(1)[0]
    run(answering(OutcomeKind.RETRY, Phase.RCPT, 451), at=row.expires_at - timedelta(seconds=30))
    row.refresh_from_db()
    assert row.state == State.FAILED
    assert row.events.get().kind == DeliveryEvent.Kind.SOFT  # a 451 at RCPT is about the mailbox


def test_whoever_is_owed_longest_is_first() -> None:
    rows = planned(3)
    for minutes, row in enumerate(reversed(rows)):
        Delivery.objects.filter(pk=row.pk).update(not_before=NOON + timedelta(minutes=minutes))
    claimed = claim_deliveries.claim_due(token="mine", limit=10, now=LATER)
    assert [row.pk for row in claimed or []] == [row.pk for row in reversed(rows)]


@pytest.mark.parametrize(("seconds", "skipped"), [(10.0, 5), (0.0, 2)])
def test_a_long_list_of_stale_news_is_skipped_in_one_tick_as_far_as_its_time_goes(
    seconds: float, skipped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rescue, "CHUNK", 2)
    rows = planned(5)
    assert delivery.skip_expired(now=rows[0].expires_at + timedelta(minutes=10), seconds=seconds) == skipped


def test_the_day_of_consent_is_the_readers_own() -> None:
    confirmed_at = datetime(2026, 3, 17, 23, 30, tzinfo=UTC)
    planned(1, confirmed_at=confirmed_at, time_zone="Pacific/Auckland")
    transport = MemoryTransport()
    run(transport)
    assert "You confirmed your address on 18 March 2026." in bodies(transport.sent[0].data)["plain"]


def test_news_nobody_sent_in_time_is_skipped_as_late() -> None:
    row = planned(1)[0]
    assert delivery.skip_expired(now=row.expires_at) == 1
    row.refresh_from_db()
    assert (row.state, row.skip_reason) == (State.SKIPPED, Delivery.Skip.LATE)


@pytest.mark.parametrize("kind", [OutcomeKind.BOUNCED, OutcomeKind.REJECTED])
def test_a_permanent_refusal_fails_the_row_and_is_on_record(kind: OutcomeKind) -> None:
    planned(1)
    run(answering(kind, Phase.RCPT, 550, "no such user"))
    row = Delivery.objects.get()
    assert row.state == State.FAILED
    event = row.events.get()
    assert (event.kind, event.code, event.text, event.phase) == (kind.value, "550", "no such user", "rcpt")


def test_a_doubtful_message_is_unknown_and_never_sent_again_by_itself() -> None:
    planned(1)
    run(answering(OutcomeKind.UNKNOWN, Phase.DOT, text="connection lost"))
    assert states() == {State.UNKNOWN}
    assert run(MemoryTransport(), at=LATER + timedelta(hours=2)).claimed == 0


def test_an_error_of_the_relay_spends_no_attempt() -> None:
    planned(2)
    result = run(answering(OutcomeKind.INFRASTRUCTURE, Phase.CONNECT))
    assert result.sent == 0
    assert set(Delivery.objects.values_list("state", "attempts")) == {(State.QUEUED, 0)}
    assert run(MemoryTransport(), at=LATER + timedelta(minutes=1)).sent == 2


def test_the_breaker_opens_after_three_runs_and_closes_after_a_success() -> None:
    planned(1)
    for minute in range(3):
        run(answering(OutcomeKind.INFRASTRUCTURE, Phase.CONNECT), at=LATER + timedelta(minutes=minute))
    opened = LATER + timedelta(minutes=2)
    assert run(MemoryTransport(), at=opened + timedelta(seconds=20)).claimed == 0
    assert run(MemoryTransport(), at=opened + timedelta(seconds=40)).sent == 1
    stream = Stream.objects.get()
    assert (stream.failures, stream.probe_at) == (0, None)


def test_a_storm_of_refusals_pauses_the_edition_instead_of_burning_the_list() -> None:
    planned(60)
    run(answering(OutcomeKind.REJECTED, Phase.DATA, 550, "5.7.1 blocked"))
    edition = Edition.objects.get()
    assert edition.paused_at is not None
    assert "refused" in edition.pause_reason
    assert Delivery.objects.filter(state=State.FAILED).count() < 40
    assert Delivery.objects.filter(state=State.QUEUED).count() > 20


@pytest.mark.parametrize("picks", [[[10**9, "trending", "trending"]], [[]], [None], {"papers": []}])
def test_one_message_that_cannot_be_composed_blocks_nobody(picks: object) -> None:
    rows = planned(3)
    Delivery.objects.filter(pk=rows[1].pk).update(picks=picks)
    transport = MemoryTransport()
    run(transport)
    assert len(transport.sent) == 2
    rows[1].refresh_from_db()
    assert rows[1].state == State.FAILED
    assert "composed" in rows[1].events.get().text


def test_a_run_that_cannot_begin_closes_its_transport(settings: pytest.FixtureRequest) -> None:
    """`work` tries again each second: connections left open would use up the process's files in minutes."""
    settings.DKIM_KEY_FILE = "/nowhere/dkim.pem"
    transport = MemoryTransport()
    with pytest.raises(ImproperlyConfigured):
        run(transport)
    assert transport.is_closed


def test_an_edition_nothing_can_be_composed_of_is_paused_and_fails_nobody() -> None:
    planned(5)
    compiled = Edition.objects.get().compiled
    compiled.fragments = {"made by": "another version"}
    compiled.save()
    transport = MemoryTransport()
    run(transport)
    assert transport.sent == []
    assert states() == {State.QUEUED}
    edition = Edition.objects.get()
    assert edition.paused_at == LATER
    assert "cannot be composed" in edition.pause_reason


def test_a_worker_told_to_stop_gives_back_what_has_not_left() -> None:
    planned(20)
    transport = MemoryTransport(seats=2)
    result = delivery.deliver(
        transport=transport,
        deadline=LATER + timedelta(minutes=4),
        clock=clock(),
        should_stop=lambda: len(transport.sent) >= 4,
    )
    assert result.sent == len(transport.sent) < 20
    assert Delivery.objects.filter(state=State.SENT).count() == result.sent
    assert Delivery.objects.filter(state=State.QUEUED, claim="").count() == 20 - result.sent


def test_a_worker_killed_before_the_wire_costs_nobody_anything() -> None:
    planned(3)
    claim_deliveries.claim_due(token="dead", limit=10, now=LATER)
    assert states() == {State.CLAIMED}
    assert delivery.rescue_expired(now=LATER + timedelta(seconds=30)) == (0, 0)
    assert delivery.rescue_expired(now=LATER + timedelta(minutes=5)) == (3, 0)
    assert run(MemoryTransport(), at=LATER + timedelta(minutes=5)).sent == 3


def test_a_worker_killed_on_the_wire_leaves_unknown_and_not_a_second_mail() -> None:
    rows = planned(3)
    claim_deliveries.claim_due(token="dead", limit=10, now=LATER)
    claim_deliveries.mark_sending([rows[0].pk], token="dead", now=LATER)
    assert delivery.rescue_expired(now=LATER + timedelta(minutes=5)) == (2, 1)
    transport = MemoryTransport()
    run(transport, at=LATER + timedelta(minutes=5))
    assert len(transport.sent) == 2
    rows[0].refresh_from_db()
    assert rows[0].state == State.UNKNOWN
    assert rows[0].events.get().source == "reaper"


def test_a_worker_thought_dead_may_still_say_that_the_relay_took_the_message() -> None:
    row = planned(1)[0]
    claim_deliveries.claim_due(token="slow", limit=10, now=LATER)
    claim_deliveries.mark_sending([row.pk], token="slow", now=LATER)
    delivery.rescue_expired(now=LATER + timedelta(minutes=5))
    outcome = Outcome(row.pk, OutcomeKind.SENT, Phase.DOT, 250)
    record_outcomes.settle([outcome], token="slow", now=LATER + timedelta(minutes=6), sizes={})
    row.refresh_from_db()
    assert row.state == State.SENT


def test_a_worker_that_lost_its_claim_cannot_send() -> None:
    row = planned(1)[0]
    claim_deliveries.claim_due(token="slow", limit=10, now=LATER)
    delivery.rescue_expired(now=LATER + timedelta(minutes=5))
    claim_deliveries.claim_due(token="quick", limit=10, now=LATER + timedelta(minutes=5))
    assert claim_deliveries.mark_sending([row.pk], token="slow", now=LATER + timedelta(minutes=6)) == set()
    row.refresh_from_db()
    assert (row.state, row.claim) == (State.CLAIMED, "quick")


def test_marking_again_after_a_lost_answer_is_harmless() -> None:
    row = planned(1)[0]
    claim_deliveries.claim_due(token="mine", limit=10, now=LATER)
    assert claim_deliveries.mark_sending([row.pk], token="mine", now=LATER) == {row.pk}
    assert claim_deliveries.mark_sending([row.pk], token="mine", now=LATER) == {row.pk}


def test_settling_twice_changes_nothing() -> None:
    row = planned(1)[0]
    claim_deliveries.claim_due(token="mine", limit=10, now=LATER)
    claim_deliveries.mark_sending([row.pk], token="mine", now=LATER)
    for kind in (OutcomeKind.RETRY, OutcomeKind.RETRY):
        record_outcomes.settle([Outcome(row.pk, kind, Phase.RCPT, 451)], token="mine", now=LATER, sizes={})
    row.refresh_from_db()
    assert (row.attempts, row.events.count()) == (1, 1)


def test_cancelling_skips_what_is_owed_and_leaves_what_was_sent() -> None:
    planned(5)
    transport = MemoryTransport(seats=1)
    delivery.deliver(
        transport=transport,
        deadline=LATER + timedelta(minutes=4),
        clock=clock(),
        should_stop=lambda: len(transport.sent) >= 2,
    )
    sent = len(transport.sent)
    assert lifecycle.cancel(Edition.objects.get(), now=LATER) == 5 - sent
    assert Delivery.objects.filter(skip_reason=Delivery.Skip.CANCELLED).count() == 5 - sent
    assert run(MemoryTransport()).claimed == 0


def test_the_counts_of_an_edition_always_add_up() -> None:
    planned(6)
    kinds = iter(
        [
            OutcomeKind.SENT,
            OutcomeKind.RETRY,
            OutcomeKind.BOUNCED,
            OutcomeKind.UNKNOWN,
            OutcomeKind.SENT,
            OutcomeKind.SENT,
        ]
    )
    run(MemoryTransport(lambda message: Outcome(message.key, next(kinds), Phase.DOT, 250), seats=1))
    counted = delivery.counts(Edition.objects.get())
    assert counted == {"sent": 3, "retry": 1, "failed": 1, "unknown": 1}


def test_failed_digests_can_be_sent_again_but_not_to_the_suppressed() -> None:
    rows = planned(2)
    run(answering(OutcomeKind.REJECTED, Phase.DATA, 554))
    Subscriber.objects.filter(pk=rows[0].subscriber_id).update(state="suppressed")
    assert delivery.retry_failed(Edition.objects.get(), now=LATER) == 1
    assert run(MemoryTransport()).sent == 1


def test_a_digest_retried_after_its_edition_is_done_is_sent() -> None:
    planned(2)
    run(answering(OutcomeKind.REJECTED, Phase.DATA, 554))
    closing = Edition.objects.get().closes_at
    lifecycle.finish_due(now=closing)
    row = Delivery.objects.first()
    assert row is not None
    delivery.retry_rows(Delivery.objects.filter(pk=row.pk), now=closing)
    lifecycle.finish_due(now=closing)
    assert run(MemoryTransport(), at=closing + timedelta(minutes=1)).sent == 1
    lifecycle.finish_due(now=closing + timedelta(minutes=2))
    assert Edition.objects.get().state == Edition.State.DONE


def test_a_digest_of_a_cancelled_edition_is_not_retried() -> None:
    planned(1)
    run(answering(OutcomeKind.REJECTED, Phase.DATA, 554))
    lifecycle.cancel(Edition.objects.get(), now=LATER)
    assert delivery.retry_rows(Delivery.objects.all(), now=LATER) == 0
    assert states() == {State.FAILED}


@pytest.mark.parametrize("state", [State.SENT, State.FAILED])
def test_an_operator_settles_what_is_unknown_once(state: str) -> None:
    row = planned(1)[0]
    run(answering(OutcomeKind.UNKNOWN, Phase.DOT))
    assert delivery.settle_unknown([row.pk], state=state, source="operator", text="seen in the log", now=LATER) == 1
    assert delivery.settle_unknown([row.pk], state=state, source="operator", text="again", now=LATER) == 0
    row.refresh_from_db()
    assert row.state == state
    assert row.events.filter(kind=DeliveryEvent.Kind.SETTLED).count() == 1


def test_an_edition_is_done_when_it_is_closed_and_owes_nothing() -> None:
    planned(2)
    edition = Edition.objects.get()
    assert lifecycle.finish_due(now=edition.closes_at) == 0
    run(MemoryTransport())
    assert lifecycle.finish_due(now=edition.closes_at - timedelta(seconds=1)) == 0
    assert lifecycle.finish_due(now=edition.closes_at) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "lost", "not_before": None},
        {"state": "skipped", "skip_reason": "", "not_before": None},
        {"state": "sent", "skip_reason": "empty", "not_before": None},
        {"state": "sending", "claim": "", "not_before": None},
        {"state": "sent"},
        {"state": "retry", "not_before": None},
    ],
)
def test_the_database_refuses_states_that_cannot_be(wrong: dict[str, object]) -> None:
    row = planned(1)[0]
    with pytest.raises(IntegrityError):
        Delivery.objects.filter(pk=row.pk).update(**wrong)


@pytest.mark.parametrize("chunk", [500, 4])
def test_pace_puts_the_rest_of_a_domain_back_and_holds_up_nobody_else(
    chunk: int, settings: pytest.FixtureRequest
) -> None:
    settings.DELIVERY_CHUNK = chunk
    settings.DELIVERY_DOMAIN_RATES = {"slow.example": 0.5}
    planned(0)
    for number in range(20):
        make_reader(f"reader{number}@slow.example", follows=("vision",))
    make_reader("quick@other.example", follows=("vision",))
    planning.plan_due(now=NOON)
    transport = MemoryTransport()
    run(transport)
    domains = [message.recipient.rpartition("@")[2] for message in transport.sent]
    assert domains.count("other.example") == 1
    assert domains.count("slow.example") == 5
    waiting = Delivery.objects.filter(state=State.QUEUED)
    assert waiting.count() == 15
    assert all(row.not_before > LATER and row.attempts == 0 for row in waiting)


def test_warm_up_caps_each_domain_for_the_day(settings: pytest.FixtureRequest) -> None:
    settings.DELIVERY_WARMUP_START_ON = NOON.date().isoformat()
    settings.DELIVERY_WARMUP_FIRST_DAY = 2
    planned(5)
    transport = MemoryTransport()
    run(transport)
    assert len(transport.sent) == 2
    tomorrow = (LATER + timedelta(days=1)).replace(hour=0, minute=0)
    assert {row.not_before for row in Delivery.objects.filter(state=State.QUEUED)} == {tomorrow}


def test_with_a_rate_and_a_spent_cap_the_rest_waits_for_tomorrow_and_not_for_a_token(
    settings: pytest.FixtureRequest,
) -> None:
    settings.DELIVERY_WARMUP_START_ON = NOON.date().isoformat()
    settings.DELIVERY_WARMUP_FIRST_DAY = 13
    settings.DELIVERY_DOMAIN_RATES = {"default": 1.0}  # a burst of ten
    planned(20)
    transport = MemoryTransport()
    run(transport)
    assert len(transport.sent) == 10
    tomorrow = (LATER + timedelta(days=1)).replace(hour=0, minute=0)
    waiting = [row.not_before for row in Delivery.objects.filter(state=State.QUEUED).order_by("not_before")]
    assert waiting == [LATER + timedelta(seconds=second) for second in (1, 2, 3)] + [tomorrow] * 7


def test_what_the_pace_of_everything_holds_back_is_not_counted_against_its_domain(
    settings: pytest.FixtureRequest,
) -> None:
    settings.DELIVERY_WARMUP_START_ON = NOON.date().isoformat()
    settings.DELIVERY_WARMUP_FIRST_DAY = 12
    settings.DELIVERY_RATE = 1.0  # a burst of ten
    planned(20)
    first, second = MemoryTransport(), MemoryTransport()
    run(first)
    run(second, at=LATER + timedelta(minutes=5))
    assert (len(first.sent), len(second.sent)) == (10, 2)


def test_bounce_addresses_name_their_delivery_and_cannot_be_made_up() -> None:
    address = bounce_address(4711)
    local = address.rpartition("@")[0]
    assert len(local) <= 64
    assert delivery_of_bounce_address(address.upper()) == 4711
    assert delivery_of_bounce_address(address.replace("b+1267", "b+1268")) is None
    assert delivery_of_bounce_address(address[:-1] + "x") is None
    assert delivery_of_bounce_address("someone@example.org") is None


def test_message_ids_name_their_delivery_and_stay_the_same() -> None:
    assert message_id(12) == message_id(12) != message_id(13)
    assert delivery_of_message_id(f"<{message_id(12)}>") == 12
    assert delivery_of_message_id("<12.0000@papers.example.org>") is None


def test_bounce_addresses_survive_a_change_of_the_secret_key(settings: pytest.FixtureRequest) -> None:
    address, identifier = bounce_address(7), message_id(7)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new", [settings.SECRET_KEY]
    assert (delivery_of_bounce_address(address), delivery_of_message_id(identifier)) == (7, 7)


def test_backoff_doubles_to_an_hour_and_waits_out_greylisting() -> None:
    assert record_outcomes.backoff(1, chance=0.0) >= timedelta(minutes=5)
    waits = [record_outcomes.backoff(attempts, chance=0.99) for attempts in range(1, 10)]
    assert max(waits) <= timedelta(hours=1)
    assert record_outcomes.backoff(4, chance=0.0) > record_outcomes.backoff(2, chance=0.0)


def test_the_number_of_queries_depends_on_batches_not_on_readers() -> None:
    planned(8)

    def queries() -> int:
        Delivery.objects.update(state=State.QUEUED, claim="", not_before=LATER)
        with CaptureQueriesContext(connection) as captured:
            run(MemoryTransport(seats=100))
        return len([query for query in captured if "newsletter_delivery" in query["sql"]])

    few = queries()
    for _ in range(60):
        make_reader(follows=("vision",))
    planning.plan_due(now=NOON)
    many = queries()
    assert Delivery.objects.filter(state=State.SENT).count() == 68
    assert many - few <= 60, "one small settle statement per row on SQLite, nothing else"
