"""Which changes of a delivery's state exist at all: the database is watched while everything is done to the rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection

from newsletter import delivery, planning
from newsletter.delivery import claim
from newsletter.delivery.transports import Message, Outcome, OutcomeKind, Phase
from newsletter.editions import lifecycle
from newsletter.models import Delivery, Edition
from subscriptions.models import Subscriber
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
    claim.claim_due(token="dead", limit=10, now=LATER + timedelta(minutes=11))
    held = list(Delivery.objects.filter(claim="dead", state="claimed").values_list("pk", flat=True))
    claim.mark_sending(held[:3], token="dead", now=LATER + timedelta(minutes=11))
    delivery.reap_expired(now=LATER + timedelta(minutes=30))
    Subscriber.objects.filter(deliveries__state="queued").update(state="unsubscribed")
    run(MemoryTransport(), minutes=40)
    lifecycle.cancel(edition, now=LATER)
    made = changes()
    assert made <= LEGAL
    assert {("queued", "claimed"), ("claimed", "sending"), ("sending", "sent"), ("failed", "queued")} <= made
    assert len(made) >= 10
