"""Which changes of state exist at all: a delivery's, with the database watched while everything is done to the rows;
and a reader's, when something is reported of a mail to the address they have or had.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product

import pytest
from django.db import connection

from newsletter import delivery, planning
from newsletter.delivery import claim_deliveries
from newsletter.delivery.bounces import act_on_report
from newsletter.delivery.transports import Message, Outcome, OutcomeKind, Phase
from newsletter.editions import lifecycle
from newsletter.models import Delivery, DeliveryEvent, Edition
from subscriptions import token_links
from subscriptions.models import ConsentEvent, Subscriber, Suppression
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.fakes import MemoryTransport

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(minutes=30)

# architecture.md, "States". Every other change is a mistake.
LEGAL = {
    ("queued", "claimed"),
    ("queued", "skipped"),
    ("retry", "claimed"),
    ("retry", "skipped"),
    ("claimed", "sending"),
    ("claimed", "queued"),
    ("claimed", "retry"),
    ("claimed", "skipped"),
    ("claimed", "failed"),  # could not be composed, or refused before its body was due
    ("claimed", "sent"),  # the mark's answer was lost and the relay said yes: never seen here, legal all the same
    ("sending", "sent"),
    ("sending", "retry"),
    ("sending", "failed"),
    ("sending", "unknown"),
    ("sending", "claimed"),  # no conversation came about: nothing of the body left
    ("unknown", "sent"),
    ("unknown", "failed"),
    ("unknown", "retry"),
    ("failed", "queued"),
}


@pytest.fixture
def _noted() -> Iterator[None]:
    """Every change of state the database sees, written down by a trigger."""
    table = Delivery._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE state_changes (before varchar(8), after varchar(8))")
        if connection.vendor == "postgresql":
            cursor.execute(
                "CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS "
                "$$BEGIN INSERT INTO state_changes VALUES (OLD.state, NEW.state); RETURN NEW; END$$"
            )
            cursor.execute(
                f"CREATE TRIGGER note AFTER UPDATE ON {table} FOR EACH ROW "
                "WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION note_change()"
            )
        else:
            cursor.execute(
                f"CREATE TRIGGER note AFTER UPDATE OF state ON {table} WHEN OLD.state <> NEW.state "
                "BEGIN INSERT INTO state_changes VALUES (OLD.state, NEW.state); END"
            )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE state_changes")


def changes() -> set[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT before, after FROM state_changes")
        return {(before, after) for before, after in cursor.fetchall()}


def run(transport: MemoryTransport, *, minutes: int = 0) -> None:
    at = LATER + timedelta(minutes=minutes)
    delivery.deliver(transport=transport, deadline=at + timedelta(minutes=4), clock=lambda: at)


@pytest.mark.usefixtures("_noted")
def test_whatever_happens_only_legal_changes_of_state_are_made() -> None:
    edition = make_edition(papers=[assign(make_paper(score_daily=1.0), "vision")], state=Edition.State.FROZEN)
    for _ in range(40):
        make_reader()
    planning.plan_due(now=NOON)
    kinds = [kind for kind in OutcomeKind if kind is not OutcomeKind.INFRASTRUCTURE]

    def answer(message: Message) -> Outcome:
        return Outcome(message.key, kinds[message.key % len(kinds)], Phase.DOT, 250)

    run(MemoryTransport(answer))
    run(MemoryTransport(lambda message: Outcome(message.key, OutcomeKind.INFRASTRUCTURE, Phase.CONNECT)), minutes=10)
    first = Delivery.objects.filter(state="unknown").first()
    assert first is not None
    delivery.settle_unknown([first.pk], state="sent", source="operator", text="", now=LATER)
    rest = list(Delivery.objects.filter(state="unknown").values_list("pk", flat=True))
    delivery.settle_unknown(rest, state="failed", source="operator", text="", now=LATER)
    delivery.retry_failed(edition, now=LATER)
    claim_deliveries.claim_due(token="dead", limit=10, now=LATER + timedelta(minutes=11))
    held = list(Delivery.objects.filter(claim="dead", state="claimed").values_list("pk", flat=True))
    claim_deliveries.mark_sending(held[:3], token="dead", now=LATER + timedelta(minutes=11))
    delivery.rescue_expired(now=LATER + timedelta(minutes=30))
    Subscriber.objects.filter(deliveries__state="queued").update(state="unsubscribed")
    run(MemoryTransport(), minutes=40)
    lifecycle.cancel(edition, now=LATER)
    made = changes()
    assert made <= LEGAL
    assert {("queued", "claimed"), ("claimed", "sending"), ("sending", "sent"), ("failed", "queued")} <= made
    assert len(made) >= 10


# --- what a report does to a reader -----------------------------------------------------------------------------------

Kind = DeliveryEvent.Kind
STATES = [state.value for state in Subscriber.State]
LEAVERS = {"pending": "unsubscribed", "confirmed": "unsubscribed", "paused": "unsubscribed"}
BARRED = {state: "suppressed" for state in STATES if state != "erased"}
# Kind of report -> the reader's next state by the present one, while they have the address the mail went to; the same
# once they have moved away from it; whether that address is barred. What is not named stays as it is. An erased reader
# has no address any more: nothing can be barred that was not barred when they were erased.
TABLE: dict[str, tuple[dict[str, str], dict[str, str], bool]] = {
    Kind.DEFERRED: ({}, {}, False),
    Kind.REJECTED: ({}, {}, False),
    Kind.FAILED: ({}, {}, False),
    Kind.UNKNOWN: ({}, {}, False),
    Kind.DELIVERED: ({}, {}, False),
    Kind.BOUNCED: (BARRED, {}, True),
    Kind.SOFT: ({}, {}, False),
    Kind.COMPLAINED: (BARRED, {}, True),
    Kind.UNSUBSCRIBED: (LEAVERS, LEAVERS, False),
    Kind.SETTLED: ({}, {}, False),
}
EVERYTHING = list(product(Kind.values, STATES, [False, True]))


def mailed_to(state: str, *, moved: bool) -> Delivery:
    """A digest that went to old@example.net, and its reader in that state, at old@ or at new@ by now."""
    reader = make_reader("old@example.net")
    row = Delivery.objects.create(
        edition=make_edition(),
        subscriber=reader,
        state=Delivery.State.SENT,
        local_on=NOON.date(),
        due_at=NOON,
        expires_at=LATER,
        sent_at=LATER,
        address_hash=reader.address_hash,
    )
    if moved:
        new = {"email": "new@example.org", "address_key": "new@example.org", "domain": "example.org"}
        Subscriber.objects.update(**new, address_hash=token_links.address_hash("new@example.org"))
        at = LATER + timedelta(hours=1)
        reader.consent_events.create(
            kind=ConsentEvent.Kind.CHANGED, at=at, method="mail", detail={"address": "changed"}
        )
    gone = {"email": None, "address_key": None, "address_hash": "", "domain": ""} if state == "erased" else {}
    Subscriber.objects.update(state=state, **gone)
    if gone:
        Delivery.objects.update(address_hash=None)
    return Delivery.objects.get(pk=row.pk)


def report(row: Delivery, kind: str, *, tied_by: str = "verp") -> None:
    later = LATER + timedelta(hours=2)
    DeliveryEvent.objects.create(delivery=row, kind=kind, at=later, source="dsn", event_id="d", tied_by=tied_by)
    act_on_report.act_on_events(now=later)


def test_the_table_has_a_line_for_every_kind_of_report() -> None:
    assert set(TABLE) == set(Kind.values)


@pytest.mark.any_database
@pytest.mark.parametrize(("kind", "state", "moved"), EVERYTHING)
def test_a_report_acts_on_the_address_the_mail_went_to(kind: str, state: str, moved: bool) -> None:
    row = mailed_to(state, moved=moved)
    report(row, kind)
    at_the_address, after_moving, bars = TABLE[kind]
    assert Subscriber.objects.get().state == (after_moving if moved else at_the_address).get(state, state)
    barred = {token_links.address_hash("old@example.net")} if bars and state != "erased" else set()
    assert set(Suppression.objects.values_list("address_hash", flat=True)) == barred


@pytest.mark.any_database
@pytest.mark.parametrize(("kind", "state", "moved"), EVERYTHING)
def test_a_message_id_alone_changes_no_reader(kind: str, state: str, moved: bool) -> None:
    row = mailed_to(state, moved=moved)
    report(row, kind, tied_by=DeliveryEvent.MESSAGE_ID)
    assert Subscriber.objects.get().state == state
    assert not Suppression.objects.exists()
    assert DeliveryEvent.objects.get(event_id="d").handled_at is not None
