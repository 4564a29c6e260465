"""Who was owed what, who got what, and what the rows say: the account that must balance whatever happened.

In: the database after the run, what the relay accepted, when the leavers had their answer. Out: the numbers of
var/chaos.json. What the relay accepted is the truth; a row that says otherwise counts as a reader lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.chaos.relay import Relay
from tests.chaos.stage import CONNECTIONS, Leaver, Stage

TERMINAL = {"sent", "failed", "skipped", "unknown"}
LEGAL = {
    "queued": {"claimed", "skipped"},
    "retry": {"claimed", "skipped"},
    "claimed": {"sending", "queued", "retry", "skipped", "failed"},
    "sending": {"sent", "retry", "failed", "unknown", "claimed"},  # claimed: a mark whose answer was lost
    "unknown": {"sent", "retry", "failed", "claimed"},  # the worker was alive after all
    "sent": set(),
    "failed": set(),
    "skipped": set(),
}
# A trigger writes down each change of state with the database's own clock: the only honest witness of "before".
WITNESS = """
CREATE TABLE chaos_witness (delivery bigint, old text, new text, at timestamptz);
CREATE FUNCTION chaos_witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO chaos_witness VALUES (NEW.id, OLD.state, NEW.state, clock_timestamp()); RETURN NULL; END $$;
CREATE TRIGGER chaos_witness AFTER UPDATE OF state ON newsletter_delivery FOR EACH ROW
WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION chaos_witness();
"""
LAST_MARK = "SELECT delivery, extract(epoch FROM max(at))::float8 FROM chaos_witness WHERE new = 'sending' GROUP BY 1"
READERS = "SELECT email, state FROM subscriptions_subscriber"
ROWS = """
SELECT s.email, d.id, d.state, d.skip_reason
FROM newsletter_delivery d JOIN subscriptions_subscriber s ON s.id = d.subscriber_id
"""
# A reader's answer may overtake the UPDATE that was under way when it was given, by that UPDATE's own duration.
MARK_SECONDS = 0.05


@dataclass
class Account:
    lost: list[str] = field(default_factory=list)
    received_twice: list[str] = field(default_factory=list)
    unsubscribed_received: list[str] = field(default_factory=list)
    wrongly_suppressed: list[str] = field(default_factory=list)
    illegal: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    unknown_bound: int = 0
    received: int = 0

    @property
    def unknown(self) -> int:
        return self.states["unknown"]

    @property
    def balances(self) -> bool:
        wrong = [*self.lost, *self.received_twice, *self.unsubscribed_received, *self.wrongly_suppressed, *self.illegal]
        return not wrong and self.unknown <= self.unknown_bound


def draw_up(stage: Stage, *, left: Sequence[Leaver]) -> Account:
    account = Account()
    readers = dict(stage.ask(READERS) or [])
    rows = {email: (pk, state, why) for email, pk, state, why in stage.ask(ROWS) or []}
    marked_at = dict(stage.ask(LAST_MARK) or [])
    received = stage.relay.received()
    account.received = len(received)
    account.states.update(state for _, state, _ in rows.values())
    account.received_twice = [f"{email}: {count} mails" for email, count in received.items() if count > 1]
    account.wrongly_suppressed = suppressed(stage)
    for email, reader in readers.items():
        fault = _fault(rows.get(email), reader=reader, got=received.get(email, 0), relay=stage.relay, email=email)
        if fault:
            account.lost.append(f"{email}: {fault}")
    for leaver in left:
        pk = rows[leaver.email][0] if leaver.email in rows else 0
        if leaver.email in received and marked_at.get(pk, float("inf")) > leaver.answered_at + MARK_SECONDS:
            account.unsubscribed_received.append(leaver.email)
    changes = "SELECT old, new, count(*) FROM chaos_witness GROUP BY 1, 2"
    account.illegal = [f"{old} to {new}: {n}" for old, new, n in stage.ask(changes) or [] if new not in LEGAL[old]]
    account.unknown_bound = CONNECTIONS * stage.kills + stage.relay.cut_in_flight
    return account


def suppressed(stage: Stage) -> list[str]:
    """No answer of this relay says that an address does not exist."""
    return [email for email, reader in stage.ask(READERS) or [] if reader == "suppressed"]


def _fault(row: tuple[int, str, str] | None, *, reader: str, got: int, relay: Relay, email: str) -> str:
    """What is wrong with the account of one reader; empty when nothing is."""
    if row is None:
        return "was never planned" if reader == "confirmed" else "has no row and got a mail" if got else ""
    _, state, why = row
    if state not in TERMINAL:
        return f"is still {state}"
    if state == "sent" and not got:
        return "sent, says the row, and the relay never took it"
    if state == "failed" and email not in relay.refused:
        return "failed, says the row, and nobody refused it"
    if state in {"failed", "skipped"} and got:
        return f"{state}, says the row, and the relay took it"
    if state == "skipped" and reader == "confirmed":
        return f"skipped ({why}) although still a reader"
    return ""
