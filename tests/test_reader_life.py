"""Whatever happens to a reader in whatever order, a model of a few lines says who may be mailed and with which wishes.

Request, confirm, change, pause, move, bounce and complain (by letters to the bounce mailbox), leave, undo, erase, come
back, export and import into an empty site, dump and restore, by Hypothesis, on either database. PAPERBOY_EXAMPLES=500
tries that many lives.
"""

from __future__ import annotations

import itertools
import mailbox
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.serializers import deserialize, serialize
from django.db import transaction
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from newsletter.delivery.after_restore import after_restore
from newsletter.delivery.bounces import act_on_report
from newsletter.delivery.compose_message import bounce_address
from newsletter.models import Delivery, DeliveryEvent, Edition, HighWater
from subscriptions import address_change, csv_export, gdpr, lifecycle, schedule, suppression, token_links
from subscriptions.addresses import Address, parse_address
from subscriptions.lifecycle import Origin
from subscriptions.models import Allowance, ConsentEvent, Notice, Subscriber, Suppression, TopicPreference
from subscriptions.preferences import Preferences, preferences_of
from tests.builders import NOON, make_topic
from tests.environment import examples
from tests.lists import csv_of, import_list
from tests.processes import ROOT

ADDRESSES = [parse_address(text) for text in ("ada@example.net", "bob@example.org")]
TOPICS = ("vision", "robotics")
ACTIVE = {"confirmed", "paused"}
SILENT = {"complaint", "admin"}
LETTERS = {"bounce": "postfix-unknown-user.eml", "complaint": "complaint.eml"}
IN_THE_LETTERS = b"b+1f.0123456789abcdef0123@papers.example.org"  # the address that our mail came from
DUMPED = (Subscriber, TopicPreference, ConsentEvent, Notice, Suppression, Edition, Delivery, DeliveryEvent)
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
    confirmed_at: Any = None
    moved_at: Any = None

    def has_spoken_since(self, moment: datetime) -> bool:
        """Whether its owner has confirmed the address since then: an older bounce says nothing of it any more."""
        return any(at is not None and at > moment for at in (self.confirmed_at, self.moved_at))


@dataclass
class Model:
    people: dict[str, Person]
    barred: dict[str, str] = field(default_factory=dict)  # address -> reason
    barred_at: dict[str, Any] = field(default_factory=dict)
    mails: dict[int, tuple[str, datetime, int]] = field(default_factory=dict)  # delivery -> address, sent at, reader


class ReadersLife(RuleBasedStateMachine):
    letterbox: mailbox.Maildir

    def __init__(self) -> None:
        super().__init__()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.now = NOON
        self.model = Model({address.key: Person() for address in ADDRESSES})
        self.numbers = itertools.count()
        self.dump: tuple[str, Model, datetime] | None = None

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    def act(self) -> dict[str, Any]:
        self.now += timedelta(seconds=1)
        return {"now": self.now, "method": "test", "origin": Origin(ip="192.0.2.1")}

    def row(self, address: Address) -> Subscriber | None:
        return Subscriber.objects.filter(address_key=address.key).first()

    def bar(self, key: str, reason: str) -> None:
        if self.model.barred.get(key) not in SILENT or reason in SILENT:
            self.model.barred[key] = reason
        self.model.barred_at[key] = self.now

    @initialize(address=addresses, preferences=any_preferences, does_read=st.booleans())
    def begin(self, address: Address, preferences: Preferences, does_read: bool) -> None:
        """Most of what can happen happens to readers: every other life begins as one's and with a digest."""
        if does_read:
            self.request(address, preferences)
            self.confirm(address, None)
            self.send(address)

    @rule(minutes=st.integers(1, 60 * 24 * 3))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        lifecycle.resume_rested(now=self.now)
        for person in self.model.people.values():
            if person.state == "paused" and person.paused_until <= self.now:
                person.state, person.paused_until = "confirmed", None

    @rule(address=addresses, preferences=any_preferences)
    def request(self, address: Address, preferences: Preferences) -> None:
        Allowance.objects.all().delete()
        person = self.model.people[address.key]
        lifecycle.request(address, preferences=preferences, **self.act())
        if person.state in ACTIVE:
            return
        person.state = "pending" if person.state == "nobody" else person.state
        person.asked, person.asked_at = preferences, self.now

    @rule(address=addresses, chosen=st.none() | any_preferences)
    def confirm(self, address: Address, chosen: Preferences | None) -> None:
        reader, person = self.row(address), self.model.people[address.key]
        if reader is None or person.asked is None:
            return
        asked = reader.consent_events.filter(kind=ConsentEvent.Kind.REQUESTED).latest("pk")
        was_void = (
            (person.left_at is not None and person.left_at >= person.asked_at)
            or self.model.barred_at.get(address.key, person.asked_at - timedelta(1)) >= person.asked_at
            or self.model.barred.get(address.key) in SILENT
        )
        done = lifecycle.confirm(asked, preferences=chosen, **self.act())
        assert done == (person.state in ACTIVE or not was_void)
        if person.state in ACTIVE or was_void:
            return
        person.state, person.preferences, person.confirmed_at = "confirmed", chosen or person.asked, self.now
        person.left_at = person.paused_until = None
        self.model.barred.pop(address.key, None)

    @rule(address=addresses, preferences=any_preferences)
    def change(self, address: Address, preferences: Preferences) -> None:
        reader, person = self.row(address), self.model.people[address.key]
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
        reader, person = self.row(address), self.model.people[address.key]
        if reader is None:
            return
        day = schedule.local_day(self.now, reader.time_zone) + timedelta(days=days)
        until = schedule.local_midnight(day, reader.time_zone)
        lifecycle.pause(reader, until=until, **self.act())
        if person.state in ACTIVE:
            person.state, person.paused_until = "paused", until

    @rule(address=addresses)
    def resume(self, address: Address) -> None:
        reader, person = self.row(address), self.model.people[address.key]
        if reader is not None:
            lifecycle.resume(reader, **self.act())
            if person.state == "paused":
                person.state, person.paused_until = "confirmed", None

    @rule(address=addresses)
    def leave(self, address: Address) -> None:
        reader, person = self.row(address), self.model.people[address.key]
        if reader is not None:
            lifecycle.unsubscribe(reader, **self.act())
            if person.state in ACTIVE | {"pending"}:
                person.state, person.left_at = "unsubscribed", self.now

    @rule(address=addresses)
    def undo(self, address: Address) -> None:
        reader, person = self.row(address), self.model.people[address.key]
        if reader is None:
            return
        done = lifecycle.undo(reader, **self.act())
        may = (
            person.state == "unsubscribed"
            and person.confirmed_at is not None
            and self.now - person.left_at <= timedelta(minutes=10)
            and address.key not in self.model.barred
        )
        assert done == may
        if may:
            is_resting = person.paused_until and person.paused_until > self.now
            person.state, person.left_at = ("paused" if is_resting else "confirmed"), None
            person.paused_until = person.paused_until if is_resting else None

    @rule(address=addresses)
    def suppress_by_hand(self, address: Address) -> None:
        self.act()
        suppression.suppress_address(token_links.address_hash(address.key), reason="admin", source="test", now=self.now)
        self.end(address.key, "admin")

    def end(self, key: str, reason: str) -> None:
        self.bar(key, reason)
        person = self.model.people[key]
        if person.state not in {"nobody", "suppressed"}:
            person.state, person.left_at, person.paused_until = "suppressed", self.now, None

    @rule(address=addresses)
    def send(self, address: Address) -> None:
        """A digest of an edition of its own, so that no storm is seen in what comes back."""
        reader = self.row(address)
        if reader is None or self.model.people[address.key].state != "confirmed":
            return
        self.act()
        day = date(2020, 1, 1) + timedelta(days=next(self.numbers))
        edition = Edition.objects.create(
            cadence="daily", period_on=day, state="done",
            window_start_at=NOON, cutoff_at=NOON, frozen_at=NOON, closes_at=NOON,
        )  # fmt: skip
        row = Delivery.objects.create(
            edition=edition, subscriber=reader, state="sent", local_on=day, due_at=self.now, sent_at=self.now,
            expires_at=self.now, domain=reader.domain, address_hash=reader.address_hash,
        )  # fmt: skip
        self.model.mails[row.pk] = address.key, self.now, reader.pk

    @precondition(lambda self: self.model.mails)
    @rule(kind=st.sampled_from(sorted(LETTERS)), data=st.data())
    def come_back(self, kind: str, data: st.DataObject) -> None:
        """A letter about one of the mails, however old and whoever has its address now."""
        self.act()
        pk = data.draw(st.sampled_from(sorted(self.model.mails)))
        key, sent_at, _reader = self.model.mails[pk]
        text = (ROOT / "tests" / "data" / "bounces" / LETTERS[kind]).read_bytes()
        text = text.replace(IN_THE_LETTERS, bounce_address(pk).encode())
        self.letterbox.add(text.replace(b"\nMessage-ID: <", b"\nMessage-ID: <%d." % next(self.numbers)))
        assert act_on_report.read_mailbox(now=self.now) == 1
        assert act_on_report.act_on_events(now=self.now) == 1
        if kind == "complaint" or not self.model.people[key].has_spoken_since(sent_at):
            self.end(key, kind)

    @rule(address=addresses)
    def erase(self, address: Address) -> None:
        reader = self.row(address)
        if reader is not None:
            self.act()
            gdpr.erase(reader, now=self.now, method="test")
            self.model.people[address.key] = Person()
            self.bar(address.key, "erased")
            self.forget_mails_of(reader)

    def forget_mails_of(self, reader: Subscriber) -> None:
        self.model.mails = {pk: mail for pk, mail in self.model.mails.items() if mail[2] != reader.pk}

    @rule(source=addresses)
    def move(self, source: Address) -> None:
        (to,) = [address for address in ADDRESSES if address != source]
        reader, person, there = self.row(source), self.model.people[source.key], self.model.people[to.key]
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
        assert done == (self.model.barred.get(to.key) not in SILENT)
        if done:
            self.model.people[to.key], self.model.people[source.key] = (
                replace(person, asked=None, moved_at=self.now),
                Person(),
            )
            self.model.barred.pop(to.key, None)

    @precondition(lambda self: any(person.state in ACTIVE for person in self.model.people.values()))
    @rule()
    def carry_to_another_site(self) -> None:
        """Everybody is exported, the site is emptied, and the file is read: pending requests are left behind."""
        states = ["confirmed", "paused", "unsubscribed", "suppressed"]
        exported = csv_of(csv_export.export_lines(states=states))
        for table in reversed(DUMPED):
            table._default_manager.all().delete()
        self.model.mails = {}
        _row, refused = import_list(exported, name="x.csv", now=self.now)
        assert refused == []
        for key, person in self.model.people.items():
            person.asked = None
            if person.state in {"pending", "nobody"}:
                self.model.people[key] = Person()
                self.model.barred.pop(key, None)  # known to the other site by its key only

    @rule()
    def dump_rows(self) -> None:
        rows = itertools.chain.from_iterable(model._default_manager.order_by("pk") for model in DUMPED)
        self.dump = serialize("json", rows), deepcopy(self.model), self.now

    @precondition(lambda self: self.dump)
    @rule()
    def restore_rows(self) -> None:
        """What happened since the dump is forgotten, and nobody is owed a mail that may have left meanwhile."""
        assert self.dump is not None
        rows, model, dumped_at = self.dump
        self.act()
        for table in reversed(DUMPED):
            table._default_manager.all().delete()
        for row in deserialize("json", rows):
            row.save()
        HighWater.objects.all().delete()  # a mark outside would prove that nothing was frozen here, so nothing left
        after_restore(since=dumped_at, now=self.now)
        self.model = deepcopy(model)
        assert not Subscriber.objects.filter(next_due_at__lte=self.now).exists()

    @invariant()
    def rows_are_as_the_model_says(self) -> None:
        for address in ADDRESSES:
            person, reader = self.model.people[address.key], self.row(address)
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
        confirmed = {key for key, person in self.model.people.items() if person.state == "confirmed"}
        assert mailable == confirmed - self.model.barred.keys()
        in_force = dict(Suppression.objects.in_force().values_list("address_hash", "reason"))
        assert in_force == {token_links.address_hash(key): reason for key, reason in self.model.barred.items()}


@pytest.mark.long
@pytest.mark.both_databases
@pytest.mark.more_examples
@pytest.mark.django_db
def test_a_readers_life_goes_as_the_model_says(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR, settings.BOUNCE_MAILBOX_URL = tmp_path, f"maildir://{tmp_path}/bounces"
    ReadersLife.letterbox = mailbox.Maildir(tmp_path / "bounces")
    for slug in TOPICS:
        make_topic(slug)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        ReadersLife, settings=hypothesis_settings(max_examples=examples(20), stateful_step_count=30)
    )
