"""The handbook's drill: dump, send, restore, start. Nothing leaves until an operator speaks; every mail comes once."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.core.management import CommandError, call_command

from newsletter import tasks
from newsletter.delivery import restore_detection
from newsletter.management.commands.work import work
from newsletter.models import Delivery, Edition, HighWater, Sighting
from newsletter.monitoring import current_alarms
from subscriptions import lifecycle
from subscriptions.models import Notice, Subscriber
from subscriptions.preferences import preferences_of
from tests.builders import NOON, make_paper, make_reader
from tests.inbox import Inbox
from tests.services import RedisServer, postgres_binaries

pytestmark = pytest.mark.django_db(transaction=True)
EVENING = datetime(2026, 3, 17, 20, 0, tzinfo=UTC)  # before the draft of the 18th, which appears at 22:00
DRAFTED = EVENING.replace(hour=22, minute=30)
FROZEN = NOON.replace(hour=4, minute=10)
PLANNED = NOON.replace(hour=4, minute=55)
SENT = NOON.replace(hour=5, minute=1)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def house(settings: Any, inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(postgres_binaries()), prepend=os.pathsep)  # pg_dump as new as the server
    settings.VAR_DIR = tmp_path
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", inbox.port
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EDITION_AUTO_APPROVE = True
    settings.SEND_JITTER_SECONDS = 0


def one_round(at: datetime) -> None:
    """Everything that `manage.py work` does in one round at that moment."""
    with time_machine.travel(at):
        work(threading.Event(), once=True)


def dump() -> Path:
    file = Path(settings.VAR_DIR) / f"{len(list(Path(settings.VAR_DIR).glob('*.backup')))}.backup"
    call_command("backup", file, stdout=StringIO())
    return file


def restore(file: Path) -> None:
    said = StringIO()
    call_command("restore", file, yes=True, stdout=said)
    assert "manage.py after_restore --since 20" in said.getvalue()


def new_paper(at: datetime) -> None:
    paper = make_paper(first_seen_at=at, listed_on=at.date(), score_daily=1.0)
    Sighting.objects.create(paper=paper, source="hf_daily", key=str(paper.pk), seen_at=at)


def digests(inbox: Inbox) -> Counter[str]:
    return Counter(letter.rcpt_to for letter in inbox.letters)


@pytest.fixture
def readers() -> list[Subscriber]:
    new_paper(EVENING + timedelta(hours=1))  # after the cut-off of the 17th
    five = NOON.replace(hour=5)
    preferences = {"hour": 5, "next_due_at": five, "confirmed_at": EVENING - 9 * DAY}
    readers = [make_reader(f"r{number}@example.net", **preferences) for number in range(3)]
    meanwhile = preferences | {"hour": 6, "next_due_at": NOON.replace(hour=6)}
    later = preferences | {"hour": 15, "next_due_at": NOON.replace(hour=15)}
    return [*readers, make_reader("six@example.net", **meanwhile), make_reader("west@example.net", **later)]


MOMENTS = [EVENING, DRAFTED, FROZEN, PLANNED, SENT]


@pytest.mark.parametrize(
    "dumped",
    [
        pytest.param(EVENING, marks=pytest.mark.any_database, id="no draft yet"),
        pytest.param(DRAFTED, marks=pytest.mark.any_database, id="draft"),
        pytest.param(FROZEN, id="frozen"),
        pytest.param(PLANNED, marks=pytest.mark.any_database, id="planned"),
        pytest.param(SENT, id="sent"),
    ],
)
def test_after_a_restore_every_mail_comes_once(dumped: datetime, readers: list[Subscriber], inbox: Inbox) -> None:
    kept = Path()
    for moment in MOMENTS:
        one_round(moment)
        if moment == dumped:
            kept = dump()
    one_round(SENT + timedelta(minutes=5))
    once = Counter(reader.email for reader in readers[:3])
    assert digests(inbox) == once

    restore(kept)
    six = NOON.replace(hour=6)
    one_round(six)
    one_round(six + timedelta(minutes=1))
    assert digests(inbox) == once, "nothing leaves before the operator has spoken"
    assert "restored" in {alarm.name for alarm in current_alarms.alarms(now=six + timedelta(minutes=2))}

    with time_machine.travel(six + timedelta(minutes=3)):
        call_command("after_restore", since=dumped.isoformat(), stdout=StringIO())
        assert "restored" not in {alarm.name for alarm in current_alarms.alarms(now=six + timedelta(minutes=3))}
    for hour in (6, 8, 12, 15, 16):
        one_round(NOON.replace(hour=hour, minute=5))
    the_day = digests(inbox)
    assert {email: the_day[email] for email in once} == once, "nobody had it twice"
    assert the_day["west@example.net"] == 1, "due later"
    assert the_day["six@example.net"] == 1, "due while nothing could leave"

    new_paper(NOON)
    for moment in MOMENTS:
        one_round(moment + DAY)
    assert {email: digests(inbox)[email] for email in once} == dict.fromkeys(once, 2), (
        "and the next day they have the next"
    )


@pytest.mark.parametrize("dumped", [EVENING, FROZEN], ids=["no draft yet", "frozen"])
def test_another_hour_after_a_restore_brings_no_digest_again(
    dumped: datetime, readers: list[Subscriber], inbox: Inbox
) -> None:
    kept = Path()
    for moment in MOMENTS:
        one_round(moment)
        kept = dump() if moment == dumped else kept
    restore(kept)
    at = NOON.replace(hour=7)
    with time_machine.travel(at):
        call_command("after_restore", since=dumped.isoformat(), stdout=StringIO())
        for reader in Subscriber.objects.filter(hour=5):
            wanted = replace(preferences_of(reader), hour=20)
            lifecycle.change(reader, preferences=wanted, now=at, method="test", origin=lifecycle.Origin())
    for hour in (7, 15, 20, 21):
        one_round(NOON.replace(hour=hour, minute=5))
    assert digests(inbox) == Counter(reader.email for reader in readers)
    row = Delivery.objects.get(subscriber=readers[0])
    assert (row.state, row.skip_reason, row.local_on) == ("skipped", "restored", NOON.date())


@pytest.mark.parametrize("was_sent_now", [False, True])
def test_without_a_mark_the_operator_says_whether_everybody_has_it(
    was_sent_now: bool, readers: list[Subscriber], settings: Any, tmp_path: Path, inbox: Inbox
) -> None:
    one_round(EVENING)
    kept = dump()
    for moment in MOMENTS[1:]:
        one_round(moment)
    if was_sent_now:
        Edition.objects.filter(period_on=NOON.date()).update(send_now_at=SENT)
        one_round(SENT + timedelta(minutes=1))
    restore(kept)
    settings.VAR_DIR, said = tmp_path / "another-machine", StringIO()
    with time_machine.travel(SENT + timedelta(minutes=9)):
        call_command("after_restore", since=EVENING.isoformat(), sent_now=was_sent_now, stdout=said)
    assert ("--sent-now" in said.getvalue()) is not was_sent_now
    for hour in (6, 15, 16):
        one_round(NOON.replace(hour=hour, minute=1))
    assert digests(inbox) == Counter(reader.email for reader in readers)


def test_nothing_is_drafted_or_answered_while_the_record_is_behind(readers: list[Subscriber], inbox: Inbox) -> None:
    one_round(EVENING)
    Notice.objects.create(subscriber=readers[0], kind="manage", created_at=EVENING, not_before=EVENING)
    kept = dump()
    one_round(EVENING + timedelta(minutes=1))
    assert len(inbox.letters) == 1, "the link that somebody asked for"
    restore(kept)
    for minutes in (2, 3, 4):
        one_round(DRAFTED + timedelta(minutes=minutes))
    assert not Edition.objects.filter(period_on=NOON.date()).exists()
    assert len(inbox.letters) == 1
    with time_machine.travel(DRAFTED + timedelta(minutes=5)):
        call_command("after_restore", stdout=StringIO())
    one_round(DRAFTED + timedelta(minutes=6))
    assert len(inbox.letters) == 1, "the link went out before: it is in doubt, and the reader may ask again"
    assert Notice.objects.get().state == Notice.State.UNKNOWN
    assert Edition.objects.get(cadence="daily", period_on=NOON.date()).state == Edition.State.DRAFT, (
        "nothing was frozen since: life goes on"
    )


def test_send_now_closes_the_edition_for_later_hours_too(readers: list[Subscriber], inbox: Inbox) -> None:
    for moment in (EVENING, DRAFTED, FROZEN):
        one_round(moment)
    kept = dump()
    Edition.objects.filter(period_on=NOON.date()).update(send_now_at=FROZEN)
    one_round(FROZEN + timedelta(minutes=5))
    everybody = Counter(reader.email for reader in readers)
    assert digests(inbox) == everybody
    restore(kept)
    with time_machine.travel(FROZEN + timedelta(minutes=9)):
        call_command("after_restore", since=FROZEN.isoformat(), stdout=StringIO())
    for hour in (5, 8, 15, 16):
        one_round(NOON.replace(hour=hour, minute=1))
    assert digests(inbox) == everybody


def test_numbers_given_out_since_the_dump_become_nobody_elses(readers: list[Subscriber]) -> None:
    one_round(EVENING)
    kept = dump()
    one_round(EVENING + timedelta(minutes=1))
    lost = make_reader("newcomer@example.net").pk
    restore(kept)
    with time_machine.travel(EVENING + timedelta(minutes=2)):
        call_command("after_restore", since=EVENING.isoformat(), stdout=StringIO())
    assert make_reader("somebody.else@example.net").pk > lost, "the newcomer's links must not open another's page"


def test_a_database_of_a_dump_on_a_new_machine_waits_too(
    readers: list[Subscriber], settings: Any, tmp_path: Path
) -> None:
    one_round(EVENING)
    settings.VAR_DIR = tmp_path / "another-machine"
    with time_machine.travel(EVENING + timedelta(minutes=30)):
        assert tasks.high_water.advance(now=EVENING + timedelta(minutes=30)), "a second worker joins"
    settings.VAR_DIR = tmp_path / "a-third-machine"
    assert not restore_detection.advance(now=EVENING + timedelta(hours=9))


def test_the_first_start_and_a_long_rest_are_no_restore(readers: list[Subscriber]) -> None:
    assert restore_detection.advance(now=EVENING)
    assert restore_detection.advance(now=EVENING + 30 * DAY), "the machine was off for a month"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"number": "many", "at": ""}'])
def test_a_damaged_mark_stops_nothing(text: str, tmp_path: Path) -> None:
    assert restore_detection.advance(now=EVENING)
    (file,) = (tmp_path / "high-water").glob("*.json")
    file.write_text(text)
    assert restore_detection.advance(now=EVENING + timedelta(minutes=1))
    assert json.loads(file.read_text())["number"] == 2


def test_a_mark_that_cannot_be_written_stops_no_mail(settings: Any, tmp_path: Path) -> None:
    (tmp_path / "in-the-way").write_text("")
    settings.VAR_DIR = tmp_path / "in-the-way"
    assert restore_detection.advance(now=EVENING)
    assert restore_detection.advance(now=EVENING + timedelta(minutes=1))


@pytest.mark.services
def test_redis_keeps_the_mark_too(settings: Any, redis_server: RedisServer, tmp_path: Path) -> None:
    settings.REDIS_URL = redis_server.url
    restore_detection.advance(now=EVENING)
    kept = dump()
    restore_detection.advance(now=EVENING + timedelta(minutes=1))
    restore(kept)
    settings.VAR_DIR = tmp_path / "another-machine"
    assert not restore_detection.advance(now=EVENING + timedelta(minutes=2))
    redis_server.stop()
    assert restore_detection.advance(now=EVENING + timedelta(minutes=2)), "Redis away is no restore"


def test_the_command_refuses_what_was_not_restored(readers: list[Subscriber]) -> None:
    restore_detection.advance(now=datetime.now(UTC))
    with pytest.raises(CommandError, match="knows everything that was sent"):
        call_command("after_restore")
    call_command("after_restore", "--anyway", stdout=StringIO())


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01T00:00", "2026-02-30", "2999-01-01"])
def test_a_moment_that_cannot_be_is_refused(since: str) -> None:
    with pytest.raises(CommandError, match="--since"):
        call_command("after_restore", "--since", since)


def test_owed_deliveries_are_in_doubt_and_settled_by_the_relays_log(readers: list[Subscriber], inbox: Inbox) -> None:
    for moment in (EVENING, DRAFTED, FROZEN, PLANNED):
        one_round(moment)
    kept = dump()
    one_round(SENT)
    restore(kept)
    with time_machine.travel(SENT + timedelta(minutes=4)):
        call_command("after_restore", since=PLANNED.isoformat(), stdout=StringIO())
    rows = Delivery.objects.filter(subscriber__hour=5)
    assert {row.state for row in rows} == {Delivery.State.UNKNOWN}
    assert {row.events.get().source for row in rows} == {"restore"}
    assert HighWater.objects.get().number == restore_detection.outside().number  # type: ignore[union-attr]
