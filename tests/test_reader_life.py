"""Whatever happens to a reader in whatever order, a model of a few lines says who may be mailed and with which wishes.

Request, confirm, change, pause, move, bounce, complain, leave, undo, erase, come back, and a restored copy (export and
import into an empty site), by Hypothesis, on either database.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from subscriptions import address_change, csv_transfer, gdpr, lifecycle, links, schedule, suppression
from subscriptions.addresses import Address, parse_address
from subscriptions.lifecycle import Origin
from subscriptions.models import Allowance, ConsentEvent, Notice, Subscriber, Suppression
from subscriptions.preferences import Preferences, preferences_of
from tests.builders import NOON, make_topic

ADDRESSES = [parse_address(text) for text in ("ada@example.net", "bob@example.org")]
TOPICS = ("vision", "robotics")
ACTIVE = {"confirmed", "paused"}
SILENT = {"complaint", "admin"}
addresses = st.sampled_from(ADDRESSES)
any_preferences = st.builds(
    Preferences,
    cadence=st.sampled_from(Subscriber.Cadence.values),
    hour=st.integers(0, 23),
    time_zone=st.sampled_from(["UTC", "Asia/Tokyo", "America/Los_Angeles"]),
    mail_format=st.sampled_from(Subscriber.MailFormat.values),
    stances=st.dictionaries(st.sampled_from(TOPICS), st.sampled_from(["follow", "more", "mute"])),
)


@dataclass
class Person:
    """What the model knows of the reader at one address."""

    state: str = "nobody"
    preferences: Preferences = field(default_factory=Preferences)
    asked: Preferences | None = None  # by the newest request that can still be confirmed
    asked_at: Any = None
    left_at: Any = None
    paused_until: Any = None
    was_confirmed: bool = False


class ReadersLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.now = NOON
        self.people = {address.key: Person() for address in ADDRESSES}
        self.barred: dict[str, str] = {}  # address -> reason
        self.barred_at: dict[str, Any] = {}

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    def act(self) -> dict[str, Any]:
        self.now += timedelta(seconds=1)
        return {"now": self.now, "method": "test", "origin": Origin(ip="192.0.2.1")}

    def row(self, address: Address) -> Subscriber | None:
        return Subscriber.objects.filter(address_key=address.key).first()

    def bar(self, address: Address, reason: str) -> None:
        if self.barred.get(address.key) not in SILENT or reason in SILENT:
            self.barred[address.key] = reason
        self.barred_at[address.key] = self.now

    @rule(minutes=st.integers(1, 60 * 24 * 3))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        lifecycle.resume_rested(now=self.now)
        for person in self.people.values():
            if person.state == "paused" and person.paused_until <= self.now:
                person.state, person.paused_until = "confirmed", None

    @rule(address=addresses, preferences=any_preferences)
    def request(self, address: Address, preferences: Preferences) -> None:
        Allowance.objects.all().delete()
        person = self.people[address.key]
        lifecycle.request(address, preferences=preferences, **self.act())
        if person.state in ACTIVE:
            return
        person.state = "pending" if person.state == "nobody" else person.state
        person.asked, person.asked_at = preferences, self.now

    @rule(address=addresses, chosen=st.none() | any_preferences)
    def confirm(self, address: Address, chosen: Preferences | None) -> None:
        reader, person = self.row(address), self.people[address.key]
        if reader is None or person.asked is None:
            return
        asked = reader.consent_events.filter(kind=ConsentEvent.Kind.REQUESTED).latest("pk")
        was_void = (
            (person.left_at is not None and person.left_at >= person.asked_at)
            or self.barred_at.get(address.key, person.asked_at - timedelta(1)) >= person.asked_at
            or self.barred.get(address.key) in SILENT
        )
        done = lifecycle.confirm(asked, preferences=chosen, **self.act())
        assert done == (person.state in ACTIVE or not was_void)
        if person.state in ACTIVE or was_void:
            return
        person.state, person.preferences, person.was_confirmed = "confirmed", chosen or person.asked, True
        person.left_at = person.paused_until = None
        self.barred.pop(address.key, None)

    @rule(address=addresses, preferences=any_preferences)
    def change(self, address: Address, preferences: Preferences) -> None:
        reader, person = self.row(address), self.people[address.key]
        if reader is None:
            return
        zone = person.preferences.time_zone
        lifecycle.change(reader, preferences=preferences, **self.act())
        person.preferences = preferences
        if person.paused_until:
            day = schedule.local_day(person.paused_until, zone)
            person.paused_until = schedule.local_midnight(day, preferences.time_zone)

    @rule(address=addresses, days=st.integers(1, 30))
    def pause(self, address: Address, days: int) -> None:
        reader, person = self.row(address), self.people[address.key]
        if reader is None:
            return
        day = schedule.local_day(self.now, reader.time_zone) + timedelta(days=days)
        until = schedule.local_midnight(day, reader.time_zone)
        lifecycle.pause(reader, until=until, **self.act())
        if person.state in ACTIVE:
            person.state, person.paused_until = "paused", until

    @rule(address=addresses)
    def resume(self, address: Address) -> None:
        reader, person = self.row(address), self.people[address.key]
        if reader is not None:
            lifecycle.resume(reader, **self.act())
            if person.state == "paused":
                person.state, person.paused_until = "confirmed", None

    @rule(address=addresses)
    def leave(self, address: Address) -> None:
        reader, person = self.row(address), self.people[address.key]
        if reader is not None:
            lifecycle.unsubscribe(reader, **self.act())
            if person.state in ACTIVE | {"pending"}:
                person.state, person.left_at = "unsubscribed", self.now

    @rule(address=addresses)
    def undo(self, address: Address) -> None:
        reader, person = self.row(address), self.people[address.key]
        if reader is None:
            return
        done = lifecycle.undo(reader, **self.act())
        may = (
            person.state == "unsubscribed"
            and person.was_confirmed
            and self.now - person.left_at <= timedelta(minutes=10)
            and address.key not in self.barred
        )
        assert done == may
        if may:
            is_resting = person.paused_until and person.paused_until > self.now
            person.state, person.left_at = ("paused" if is_resting else "confirmed"), None
            person.paused_until = person.paused_until if is_resting else None

    @rule(address=addresses, reason=st.sampled_from(["bounce", "complaint", "admin"]))
    def report(self, address: Address, reason: str) -> None:
        """What came back for a mail to this address, whoever has the address now."""
        self.act()
        hashed = links.address_hash(address.key)
        suppression.suppress_address(hashed, reason=reason, source="test", now=self.now)
        self.bar(address, reason)
        person = self.people[address.key]
        if person.state not in {"nobody", "suppressed"}:
            person.state, person.left_at, person.paused_until = "suppressed", self.now, None

    @rule(address=addresses)
    def erase(self, address: Address) -> None:
        reader = self.row(address)
        if reader is not None:
            self.act()
            gdpr.erase(reader, now=self.now, method="test")
            self.people[address.key] = Person()
            self.bar(address, "erased")

    @rule(source=addresses)
    def move(self, source: Address) -> None:
        (to,) = [address for address in ADDRESSES if address != source]
        reader, person, there = self.row(source), self.people[source.key], self.people[to.key]
        if reader is None or person.state not in ACTIVE:
            return
        Allowance.objects.all().delete()
        act = self.act()
        notice = address_change.ask_move(reader, to=to, now=self.now, origin=act["origin"])
        assert notice
        if there.state in ACTIVE:
            assert notice.kind == Notice.Kind.ALREADY, "its holder is told"
            return
        done = address_change.move(notice, **self.act())
        assert done == (self.barred.get(to.key) not in SILENT)
        if done:
            self.people[to.key], self.people[source.key] = replace(person, asked=None), Person()
            self.barred.pop(to.key, None)

    @precondition(lambda self: any(person.state in ACTIVE for person in self.people.values()))
    @rule()
    def carry_to_another_site(self) -> None:
        """Everybody is exported, the site is emptied, and the file is read: pending requests are left behind."""
        states = ["confirmed", "paused", "unsubscribed", "suppressed"]
        out = io.StringIO(newline="")
        csv.writer(out).writerows(csv_transfer.export_lines(states=states))
        Subscriber.objects.all().delete()
        Suppression.objects.all().delete()
        out.seek(0)
        refused: list[csv_transfer.Refusal] = []
        csv_transfer.import_readers(out, file_name="x.csv", now=self.now, on_refusal=refused.append)
        assert refused == []
        for key, person in self.people.items():
            person.asked = None
            if person.state in {"pending", "nobody"}:
                self.people[key] = Person()
                self.barred.pop(key, None)  # known to the other site by its key only

    @invariant()
    def rows_are_as_the_model_says(self) -> None:
        for address in ADDRESSES:
            person, reader = self.people[address.key], self.row(address)
            assert (reader.state if reader else "nobody") == person.state
            if reader is None:
                continue
            if person.state == "pending":
                assert preferences_of(reader) in (Preferences(), person.preferences), "nothing that anybody typed"
            else:
                assert preferences_of(reader) == person.preferences
            assert reader.paused_until == person.paused_until
            assert (reader.next_due_at is not None) == (person.state == "confirmed")
            assert reader.next_due_at is None or reader.next_due_at > self.now - timedelta(days=31)

    @invariant()
    def only_who_agreed_and_is_not_barred_is_mailed(self) -> None:
        mailable = set(Subscriber.objects.mailable().values_list("address_key", flat=True))
        assert mailable == {
            key for key, person in self.people.items() if person.state == "confirmed" and key not in self.barred
        }
        in_force = dict(Suppression.objects.in_force().values_list("address_hash", "reason"))
        assert in_force == {links.address_hash(key): reason for key, reason in self.barred.items()}


@pytest.mark.django_db
def test_a_readers_life_goes_as_the_model_says() -> None:
    for slug in TOPICS:
        make_topic(slug)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        ReadersLife, settings=settings(max_examples=20, stateful_step_count=25)
    )
