import mailbox
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DataError, connection

from newsletter import delivery, planning
from newsletter.delivery import record_outcomes
from newsletter.delivery.bounces import Event, ReportKind, act_on_report
from newsletter.delivery.compose_message import bounce_address, message_id
from newsletter.delivery.transports import Outcome, OutcomeKind, Phase
from newsletter.editions import lifecycle
from newsletter.models import Delivery, DeliveryEvent, Edition
from subscriptions import address_change, gdpr, token_links
from subscriptions.addresses import parse_address
from subscriptions.lifecycle import Origin
from subscriptions.models import Notice, Subscriber, Suppression
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.fakes import MemoryTransport

pytestmark = pytest.mark.django_db
State = Subscriber.State


def sent(readers: int = 1, *, domains: int = 1) -> list[Delivery]:
    """Digests of one edition that were sent to so many readers, at so many recipient domains in turn."""
    make_edition(papers=[assign(make_paper(score_daily=1.0), "vision")], state=Edition.State.FROZEN)
    for number in range(readers):
        make_reader(f"reader{number}@example{number % domains or ''}.net")
    planning.plan_due(now=NOON)
    Delivery.objects.update(state=Delivery.State.SENT, not_before=None, sent_at=NOON, claim="done")
    return list(Delivery.objects.order_by("pk"))


def told(row: Delivery, kind: ReportKind, *, number: int = 1, at: datetime = NOON) -> Event:
    return Event(
        kind=kind, source="dsn", event_id=f"dsn:{row.pk}:{kind}:{number}", bounce_address=bounce_address(row.pk), at=at
    )


def state_of(row: Delivery) -> str:
    return Subscriber.objects.get(pk=row.subscriber_id).state


def test_a_dead_address_is_suppressed_at_once() -> None:
    row = sent()[0]
    assert act_on_report.take_in(told(row, ReportKind.HARD), now=NOON)
    assert act_on_report.act_on_events(now=NOON) == 1
    assert state_of(row) == State.SUPPRESSED
    assert Suppression.objects.get().reason == Suppression.Reason.BOUNCE


def test_the_same_report_twice_is_one_event() -> None:
    row = sent()[0]
    assert act_on_report.take_in(told(row, ReportKind.HARD), now=NOON)
    assert not act_on_report.take_in(told(row, ReportKind.HARD), now=NOON)
    assert DeliveryEvent.objects.count() == 1


def test_acting_twice_does_nothing_the_second_time() -> None:
    row = sent()[0]
    act_on_report.take_in(told(row, ReportKind.COMPLAINED), now=NOON)
    act_on_report.act_on_events(now=NOON)
    assert act_on_report.act_on_events(now=NOON) == 0


def test_a_complaint_unsubscribes_and_suppresses() -> None:
    row = sent()[0]
    act_on_report.take_in(told(row, ReportKind.COMPLAINED), now=NOON)
    act_on_report.act_on_events(now=NOON)
    assert state_of(row) == State.SUPPRESSED
    assert Suppression.objects.get().reason == Suppression.Reason.COMPLAINT


def test_a_wish_to_leave_through_the_provider_unsubscribes() -> None:
    row = sent()[0]
    act_on_report.take_in(told(row, ReportKind.UNSUBSCRIBED), now=NOON)
    act_on_report.act_on_events(now=NOON)
    assert state_of(row) == State.UNSUBSCRIBED
    assert not Suppression.objects.exists()


def test_a_refusal_for_policy_is_never_held_against_the_address() -> None:
    row = sent()[0]
    for number in range(20):
        at = NOON - timedelta(days=number)
        act_on_report.take_in(told(row, ReportKind.POLICY, number=number, at=at), now=NOON)
    act_on_report.act_on_events(now=NOON)
    assert state_of(row) == State.CONFIRMED


@pytest.mark.parametrize(("days", "state"), [(4, State.CONFIRMED), (5, State.SUPPRESSED)])
def test_soft_bounces_of_five_days_in_thirty_make_an_address_dead(days: int, state: str) -> None:
    row = sent()[0]
    for number in range(days):
        act_on_report.take_in(told(row, ReportKind.SOFT, number=number, at=NOON - timedelta(days=number)), now=NOON)
    act_on_report.act_on_events(now=NOON)
    assert state_of(row) == state


def test_many_soft_bounces_of_one_day_count_once() -> None:
    row = sent()[0]
    for number in range(30):
        act_on_report.take_in(told(row, ReportKind.SOFT, number=number), now=NOON)
    act_on_report.act_on_events(now=NOON)
    assert state_of(row) == State.CONFIRMED


def sent_to(reader: Subscriber, at: datetime) -> Delivery:
    return Delivery.objects.create(
        edition=make_edition(cadence=reader.cadence, period_on=at.date()),
        subscriber=reader,
        state=Delivery.State.SENT,
        local_on=at.date(),
        due_at=at,
        expires_at=at,
        sent_at=at,
        address_hash=reader.address_hash,
    )


@pytest.mark.parametrize(
    ("cadence", "days_between", "needed"), [("weekly", 7, 4), ("monthly", 30, 3), ("daily", 1, 5), ("daily", 5, 5)]
)
def test_readers_of_every_cadence_can_reach_the_limit(cadence: str, days_between: int, needed: int) -> None:
    reader = make_reader(cadence=cadence)
    for number in range(needed):
        assert Subscriber.objects.get().state == State.CONFIRMED
        at = NOON + timedelta(days=days_between * number)
        row = sent_to(reader, at)
        for report in range(3):  # of one weekly digest, its relay may report on several days
            act_on_report.take_in(told(row, ReportKind.SOFT, number=report, at=at + timedelta(hours=report)), now=at)
        act_on_report.act_on_events(now=at)
    assert Subscriber.objects.get().state == State.SUPPRESSED


@pytest.mark.parametrize(("fails_on", "lost"), [({0, 2, 4, 6, 8, 10, 12, 14}, False), (set(range(0, 7)), True)])
def test_a_mailbox_that_takes_every_other_mail_lives(fails_on: set[int], lost: bool) -> None:
    reader = make_reader(cadence="daily")
    for day in range(16):
        at = NOON + timedelta(days=day)
        row = sent_to(reader, at)
        if day in fails_on:
            act_on_report.take_in(told(row, ReportKind.SOFT, number=day, at=at), now=at)
        act_on_report.act_on_events(now=at)
    assert (state_of(row) == State.SUPPRESSED) is lost


@pytest.mark.parametrize(
    ("code", "enhanced", "text", "counts"),
    [
        (452, "4.2.2", "4.2.2 The mailbox is over its quota", True),
        (450, "4.2.1", "4.2.1 Try again later", True),
        (451, "", "Local error in processing", True),
        (450, "4.7.1", "4.7.1 Too much mail from your address", False),
        (451, "4.7.1", "4.7.1 Your server is listed, see our policy", False),
        (0, "", "", False),
    ],
)
def test_refusals_that_outlast_all_tries_count_as_soft_bounces(
    settings: pytest.FixtureRequest, code: int, enhanced: str, text: str, counts: bool
) -> None:
    settings.DELIVERY_MAX_ATTEMPTS = 1
    row = sent()[0]
    for number in range(5):
        at = NOON + timedelta(days=number)
        Delivery.objects.update(state=Delivery.State.SENDING, claim="mine", sent_at=None, attempts=0)
        outcome = Outcome(row.pk, OutcomeKind.RETRY, Phase.RCPT, code, enhanced, text)
        record_outcomes.settle([outcome], token="mine", now=at, sizes={})
        assert Delivery.objects.get().state == Delivery.State.FAILED
        act_on_report.act_on_events(now=at)
    assert state_of(row) == (State.SUPPRESSED if counts else State.CONFIRMED)


def test_reports_by_message_id_alone_never_reach_the_limit() -> None:
    row = sent()[0]
    for number in range(9):
        at = NOON - timedelta(days=number)
        event = Event(kind=ReportKind.HARD, source="dsn", event_id=f"f{number}", message_id=message_id(row.pk), at=at)
        act_on_report.take_in(event, now=NOON)
    act_on_report.act_on_events(now=NOON)
    assert state_of(row) == State.CONFIRMED
    act_on_report.take_in(told(row, ReportKind.SOFT), now=NOON)  # one with proof among them
    act_on_report.act_on_events(now=NOON)
    assert state_of(row) == State.SUPPRESSED


def test_a_forged_delivery_does_not_start_the_count_anew() -> None:
    row = sent()[0]
    forged = Event(kind=ReportKind.DELIVERED, source="dsn", event_id="f", message_id=message_id(row.pk), at=NOON)
    act_on_report.take_in(forged, now=NOON)
    for number in range(5):
        act_on_report.take_in(told(row, ReportKind.SOFT, number=number, at=NOON - timedelta(days=number)), now=NOON)
    act_on_report.act_on_events(now=NOON)
    assert state_of(row) == State.SUPPRESSED


def test_what_failed_before_a_reader_came_back_is_not_counted() -> None:
    row = sent()[0]
    for number in range(4):
        act_on_report.take_in(told(row, ReportKind.SOFT, number=number, at=NOON + timedelta(days=number)), now=NOON)
    later = NOON + timedelta(days=9)
    Subscriber.objects.update(confirmed_at=later)
    act_on_report.take_in(told(row, ReportKind.SOFT, number=9, at=later), now=later)
    act_on_report.act_on_events(now=later)
    assert state_of(row) == State.CONFIRMED


def test_a_delivery_between_starts_the_count_of_soft_bounces_anew() -> None:
    row = sent()[0]
    act_on_report.take_in(told(row, ReportKind.DELIVERED, at=NOON - timedelta(days=2, hours=12)), now=NOON)
    for number in range(6):
        act_on_report.take_in(told(row, ReportKind.SOFT, number=number, at=NOON - timedelta(days=number)), now=NOON)
    act_on_report.act_on_events(now=NOON)
    assert state_of(row) == State.CONFIRMED


def test_a_storm_of_bounces_pauses_the_edition_instead_of_suppressing_everybody() -> None:
    rows = sent(60, domains=6)
    for row in rows[:40]:
        act_on_report.take_in(told(row, ReportKind.HARD), now=NOON)
    act_on_report.act_on_events(now=NOON)
    assert Subscriber.objects.filter(state=State.SUPPRESSED).count() == 0
    edition = Edition.objects.get()
    assert edition.paused_at == NOON
    assert "check the relay" in edition.pause_reason


def test_after_a_person_resumed_it_one_more_bounce_is_no_storm() -> None:
    rows = sent(60, domains=6)
    for row in rows[:40]:
        act_on_report.take_in(told(row, ReportKind.HARD), now=NOON)
    act_on_report.act_on_events(now=NOON)
    later = NOON + timedelta(hours=1)
    lifecycle.resume(Edition.objects.get(), now=later)
    act_on_report.take_in(
        told(rows[50], ReportKind.HARD, at=later + timedelta(minutes=1)), now=later + timedelta(minutes=1)
    )
    act_on_report.act_on_events(now=later + timedelta(minutes=1))
    assert Edition.objects.get().paused_at is None
    assert state_of(rows[50]) == State.SUPPRESSED


def test_a_few_bounces_of_a_large_edition_are_no_storm() -> None:
    rows = sent(60)
    for row in rows[:5]:
        act_on_report.take_in(told(row, ReportKind.HARD), now=NOON)
    act_on_report.act_on_events(now=NOON)
    assert Subscriber.objects.filter(state=State.SUPPRESSED).count() == 5
    assert Edition.objects.get().paused_at is None


def test_what_else_is_told_of_a_delivery_does_not_hide_a_storm() -> None:
    rows = sent(60, domains=6)
    for row in rows:
        for number in range(5):
            act_on_report.take_in(told(row, ReportKind.DEFERRED, number=number), now=NOON)
    for row in rows[:25]:
        act_on_report.take_in(told(row, ReportKind.HARD), now=NOON)
    act_on_report.act_on_events(now=NOON)
    assert Edition.objects.get().pause_reason.startswith("25 of 60 addresses bounced")


def test_a_late_bounce_from_the_address_a_reader_left_bars_nobody_at_the_new_one() -> None:
    row = sent()[0]
    new = parse_address("new@example.org")
    notice = address_change.ask_move(row.subscriber, to=new, now=NOON, origin=Origin())
    assert notice is not None
    assert address_change.move(notice, now=NOON + timedelta(hours=1), method="mail", origin=Origin())
    act_on_report.take_in(told(row, ReportKind.HARD), now=NOON + timedelta(hours=2))
    act_on_report.act_on_events(now=NOON + timedelta(hours=2))
    assert state_of(row) == State.CONFIRMED
    assert Suppression.objects.get().address_hash == row.address_hash
    assert row.address_hash != token_links.address_hash(new.key)


@pytest.mark.parametrize("kind", [ReportKind.HARD, ReportKind.COMPLAINED])
@pytest.mark.parametrize("notice_kept", [True, False])
def test_a_row_of_the_old_code_says_where_it_went_while_anybody_knows(kind: ReportKind, notice_kept: bool) -> None:
    row = sent()[0]
    old = row.address_hash
    Delivery.objects.update(address_hash=None)
    notice = address_change.ask_move(row.subscriber, to=parse_address("new@example.org"), now=NOON, origin=Origin())
    assert notice is not None
    later = NOON + timedelta(hours=2)
    assert address_change.move(notice, now=NOON + timedelta(hours=1), method="mail", origin=Origin())
    if not notice_kept:
        Notice.objects.all().delete()
    act_on_report.take_in(told(row, kind), now=later)
    act_on_report.act_on_events(now=later)
    assert state_of(row) == State.CONFIRMED
    assert list(Suppression.objects.values_list("address_hash", flat=True)) == ([old] if notice_kept else [])


def test_a_digest_planned_for_one_address_and_sent_to_the_next_belongs_to_the_next() -> None:
    make_edition(papers=[assign(make_paper(score_daily=1.0), "vision")], state=Edition.State.FROZEN)
    reader = make_reader("old@example.net")
    planning.plan_due(now=NOON)
    assert Delivery.objects.get().address_hash == reader.address_hash
    notice = address_change.ask_move(reader, to=parse_address("new@example.org"), now=NOON, origin=Origin())
    assert notice is not None
    address_change.move(notice, now=NOON, method="mail", origin=Origin())
    later = NOON + timedelta(minutes=30)
    transport = MemoryTransport()
    delivery.deliver(transport=transport, deadline=later + timedelta(minutes=1), clock=lambda: later)
    row = Delivery.objects.get()
    assert row.state == Delivery.State.SENT
    assert (row.address_hash, row.domain) == (token_links.address_hash("new@example.org"), "example.org")


def test_an_erased_reader_leaves_no_address_in_their_deliveries() -> None:
    row = sent()[0]
    gdpr.erase(row.subscriber, now=NOON, method="page")
    row.refresh_from_db()
    assert (row.address_hash, row.domain) == (None, "")


def test_a_late_bounce_of_a_mail_from_before_the_reader_confirmed_again_bars_nobody() -> None:
    row = sent()[0]
    Subscriber.objects.update(confirmed_at=NOON + timedelta(days=1))
    act_on_report.take_in(told(row, ReportKind.HARD), now=NOON + timedelta(days=2))
    act_on_report.act_on_events(now=NOON + timedelta(days=2))
    assert state_of(row) == State.CONFIRMED


@pytest.mark.parametrize(
    ("kind", "state"), [(ReportKind.DELIVERED, Delivery.State.SENT), (ReportKind.HARD, Delivery.State.FAILED)]
)
def test_a_report_settles_what_was_unknown(kind: ReportKind, state: str) -> None:
    row = sent()[0]
    Delivery.objects.update(state=Delivery.State.UNKNOWN)
    act_on_report.take_in(told(row, kind), now=NOON)
    act_on_report.act_on_events(now=NOON)
    row.refresh_from_db()
    assert row.state == state


def test_events_in_any_order_come_to_the_same_end() -> None:
    rows = sent(2)
    for row, order in zip(
        rows,
        ([ReportKind.DELIVERED, ReportKind.COMPLAINED], [ReportKind.COMPLAINED, ReportKind.DELIVERED]),
        strict=True,
    ):
        for kind in order:
            act_on_report.take_in(told(row, kind), now=NOON)
            act_on_report.act_on_events(now=NOON)
    assert {state_of(row) for row in rows} == {State.SUPPRESSED}


@pytest.mark.parametrize(
    "marks",
    [
        {"bounce_address": "b+1.00000000000000000000@papers.example.org"},
        {"message_id": "1.00000000000000000000@papers.example.org"},
        {"delivery": 10**9},
        {},
    ],
)
def test_a_report_that_cannot_be_about_us_is_left_alone(marks: dict[str, object]) -> None:
    sent()
    assert not act_on_report.take_in(Event(kind=ReportKind.HARD, source="dsn", event_id="x", **marks), now=NOON)
    assert not DeliveryEvent.objects.exists()


@pytest.mark.parametrize("kind", [ReportKind.COMPLAINED, ReportKind.HARD, ReportKind.UNSUBSCRIBED])
def test_a_message_id_ties_a_letter_to_its_delivery_and_proves_nothing(kind: ReportKind) -> None:
    row = sent()[0]
    assert act_on_report.take_in(Event(kind=kind, source="arf", event_id="a", message_id=message_id(row.pk)), now=NOON)
    act_on_report.act_on_events(now=NOON)
    event = DeliveryEvent.objects.get()
    assert (event.delivery, event.tied_by) == (row, "message-id")
    assert state_of(row) == State.CONFIRMED
    assert not Suppression.objects.exists()


def test_a_providers_own_word_needs_no_other_proof() -> None:
    row = sent()[0]
    event = Event(kind=ReportKind.COMPLAINED, source="webhook", event_id="w", message_id=message_id(row.pk))
    assert act_on_report.take_in(event, now=NOON)
    act_on_report.act_on_events(now=NOON)
    assert state_of(row) == State.SUPPRESSED


def test_the_returned_token_of_a_reader_proves_a_complaint() -> None:
    row = sent()[0]
    mark = row.subscriber.unsubscribe_token
    assert act_on_report.take_in(
        Event(kind=ReportKind.COMPLAINED, source="arf", event_id="a", unsubscribe_hint=mark), now=NOON
    )
    act_on_report.act_on_events(now=NOON)
    assert DeliveryEvent.objects.get().tied_by == "list-unsubscribe"
    assert state_of(row) == State.SUPPRESSED


def test_a_returned_token_says_nothing_while_two_addresses_may_be_meant() -> None:
    row = sent()[0]
    other = Delivery.objects.get(pk=row.pk)
    other.pk, other.local_on = None, row.local_on + timedelta(days=1)
    other.edition = make_edition(period_on=other.local_on)
    other.address_hash = token_links.address_hash("elsewhere@example.org")
    other.save()
    mark = row.subscriber.unsubscribe_token
    event = Event(kind=ReportKind.COMPLAINED, source="arf", event_id="a", unsubscribe_hint=mark)
    assert not act_on_report.take_in(event, now=NOON + timedelta(days=1))


@pytest.mark.parametrize(
    ("phase", "source"), [(Phase.API, "provider"), (Phase.RCPT, "smtp"), (Phase.COMPOSE, "compose")]
)
def test_an_event_names_who_said_it(phase: Phase, source: str) -> None:
    row = sent()[0]
    outcome = Outcome(row.pk, OutcomeKind.REJECTED, phase, 422, text="No.")
    assert record_outcomes.event_of(outcome, kind=DeliveryEvent.Kind.REJECTED, now=NOON).source == source


def test_an_unsubscribe_mail_with_the_readers_token_is_obeyed() -> None:
    row = sent()[0]
    reader = row.subscriber
    event = Event(
        kind=ReportKind.UNSUBSCRIBED, source="mailto", event_id="m", unsubscribe_token=reader.unsubscribe_token
    )
    assert act_on_report.take_in(event, now=NOON)
    assert state_of(row) == State.UNSUBSCRIBED


def test_a_message_id_of_five_thousand_digits_is_about_no_delivery() -> None:
    event = Event(kind=ReportKind.HARD, source="dsn", event_id="d", message_id=f"{'9' * 5000}.x@{settings.MAIL_DOMAIN}")
    assert not act_on_report.take_in(event, now=NOON)


def test_the_bounce_mailbox_is_read_and_what_is_not_for_us_is_kept(
    tmp_path: Path, settings: pytest.FixtureRequest
) -> None:
    row = sent()[0]
    folder = mailbox.Maildir(tmp_path / "bounces", create=True)
    dsn = (
        f"From: MAILER-DAEMON@mx.example\r\nTo: {bounce_address(row.pk)}\r\nSubject: Undelivered\r\n"
        "MIME-Version: 1.0\r\nMessage-ID: <r1@mx.example>\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nNo such user.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        "Final-Recipient: rfc822; nobody@example.net\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 user unknown\r\n\r\n--b--\r\n"
    )
    folder.add(dsn.encode())
    folder.add(
        b"From: friend@example.net\r\nTo: hello@papers.example.org\r\nSubject: Nice digest\r\n\r\nThank you!\r\n"
    )
    settings.BOUNCE_MAILBOX_URL = f"maildir://{tmp_path / 'bounces'}"
    assert act_on_report.read_mailbox(now=NOON) == 1
    act_on_report.act_on_events(now=NOON)
    assert state_of(row) == State.SUPPRESSED
    left = list(mailbox.Maildir(tmp_path / "bounces", create=False))
    assert [letter["Subject"] for letter in left] == ["Nice digest"]
    assert act_on_report.read_mailbox(now=NOON) == 0


def test_a_bounce_address_of_five_thousand_digits_is_about_no_delivery() -> None:
    event = Event(
        kind=ReportKind.HARD, source="dsn", event_id="d", bounce_address=f"b+{'f' * 5000}.x@{settings.BOUNCE_DOMAIN}"
    )
    assert not act_on_report.take_in(event, now=NOON)


def test_an_event_that_cannot_be_acted_upon_does_not_stop_those_behind_it() -> None:
    first, second = sent(2)
    DeliveryEvent.objects.create(delivery=first, kind="riddle", at=NOON, source="webhook", event_id="r")
    act_on_report.take_in(told(second, ReportKind.COMPLAINED), now=NOON)
    assert act_on_report.act_on_events(now=NOON) == 1
    assert state_of(second) == State.SUPPRESSED
    assert DeliveryEvent.objects.get(handled_at__isnull=True).delivery == first


@pytest.mark.django_db(transaction=True)
def test_a_letter_that_the_database_refuses_is_set_aside_and_the_next_is_read(
    tmp_path: Path, settings: pytest.FixtureRequest
) -> None:
    row = sent()[0]
    folder = mailbox.Maildir(tmp_path / "bounces", create=True)
    for letter in ("poison", "fine"):
        folder.add(
            f"From: a@example.net\r\nTo: x@papers.example.org\r\nMessage-ID: <{letter}@example.net>\r\n"
            f"Subject: unsubscribe {row.subscriber.unsubscribe_token}\r\n\r\n{letter}\r\n".encode()
        )
    refusals = iter([True])

    def refuse_the_first(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE") and "subscriber" in sql and next(refusals, False):
            raise DataError("not in my table")
        return execute(sql, params, many, context)

    settings.BOUNCE_MAILBOX_URL = f"maildir://{tmp_path / 'bounces'}"
    with connection.execute_wrapper(refuse_the_first):
        assert act_on_report.read_mailbox(now=NOON) == 1
    assert state_of(row) == State.UNSUBSCRIBED
    assert len(list(folder)) == 1
