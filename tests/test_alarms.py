"""Alarms on what readers got: each rings by a number and clears by itself, and each has an entry in the runbook."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from newsletter import tasks
from newsletter.delivery.bounces import unrecognised
from newsletter.models import (
    Delivery,
    Edition,
    Heartbeat,
    Letter,
    Miss,
    PaceBucket,
    Reconciliation,
    Stream,
    disk_full_error,
)
from newsletter.monitoring import current_alarms, find_missing_digests, machine_alarms
from newsletter.monitoring.alarm_names import Name
from subscriptions.models import Allowance, ConsentEvent, Notice, Subscriber
from tests.builders import NOON, make_edition, make_paper, make_reader
from tests.processes import ROOT

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def ringing(now: Any = NOON) -> dict[str, str]:
    return {str(alarm.name): alarm.sentence for alarm in current_alarms.alarms(now=now)}


@pytest.fixture(autouse=True)
def well(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    tasks.beat("tick", now=NOON)


@pytest.fixture
def edition() -> Edition:
    return make_edition(papers=[make_paper()], state=Edition.State.SENDING)


def deliver_to(
    edition: Edition, number: int, *, state: str, domain: str = "example.net", **over: Any
) -> list[Delivery]:
    owed = state in {"queued", "retry"}
    fields = {
        "local_on": NOON.date(),
        "due_at": NOON - 4 * HOUR,
        "not_before": NOON - MINUTE if owed else None,
        "expires_at": NOON + 2 * HOUR,
        "skip_reason": "late" if state == "skipped" else "",
        "domain": domain,
    }
    return [
        Delivery.objects.create(edition=edition, subscriber=make_reader(), state=state, **(fields | over))
        for _ in range(number)
    ]


def test_every_alarm_is_in_the_runbook() -> None:
    """Somebody wakes at three in the morning and looks a name up."""
    entries = re.findall(r"^### `([a-z_]+)`$", (ROOT / "docs" / "runbook.md").read_text(), flags=re.MULTILINE)
    assert sorted(entries) == sorted([*Name, "source_silent"])
    for entry in re.split(r"^### ", (ROOT / "docs" / "runbook.md").read_text(), flags=re.MULTILINE)[1:]:
        assert len(entry.split()) > 25, f"says too little: {entry.splitlines()[0]}"


def test_every_alarm_that_is_raised_has_its_name_from_the_list() -> None:
    folder = ROOT / "newsletter" / "monitoring"
    code = "".join(path.read_text() for path in folder.glob("*.py"))
    used = set(re.findall(r"Name\.([A-Z_]+)", code))
    assert used == set(Name.__members__)


# --- what became of the digests ---------------------------------------------------------------------------------------


def test_digests_that_failed_ring_until_they_are_retried(edition: Edition) -> None:
    deliver_to(edition, 7, state="sent")
    failed = deliver_to(edition, 3, state="failed")
    assert "3 of 10 digests of" in ringing()["digests_failed"]
    assert "3 of 10 readers" in ringing()["readers_without_mail"]
    Delivery.objects.filter(pk__in=[row.pk for row in failed]).update(state="sent")
    assert ringing() == {}


def test_a_few_that_failed_of_many_are_no_alarm(edition: Edition) -> None:
    deliver_to(edition, 99, state="sent")
    deliver_to(edition, 1, state="failed")
    assert ringing() == {}


def test_addresses_that_died_are_nobody_without_mail(edition: Edition) -> None:
    for row in deliver_to(edition, 4, state="failed"):
        Subscriber.objects.filter(pk=row.subscriber_id).update(state="suppressed")
    assert ringing() == {}


def test_digests_that_came_too_late_to_leave_ring(edition: Edition) -> None:
    deliver_to(edition, 5, state="sent")
    deliver_to(edition, 5, state="skipped")
    assert "5 of 10 digests" in ringing()["digests_late"]
    assert "digests_late" not in ringing(NOON + 3 * DAY), "history by then"


def test_reasons_of_the_readers_own_are_no_alarm(edition: Edition) -> None:
    for reason in ("empty", "thin", "unsubscribed", "paused"):
        deliver_to(edition, 3, state="skipped", skip_reason=reason)
    assert ringing() == {}


def test_a_digest_in_doubt_rings_until_somebody_settles_it(edition: Edition) -> None:
    deliver_to(edition, 40, state="sent")
    (row,) = deliver_to(edition, 1, state="unknown", due_at=NOON - 10 * MINUTE)
    assert ringing() == {}, "a report may settle it"
    Delivery.objects.filter(pk=row.pk).update(due_at=NOON - 2 * HOUR)
    assert ringing()["digests_unknown"].startswith("1 digest in doubt")
    assert "settle_unknown" in ringing()["digests_unknown"]
    Delivery.objects.filter(pk=row.pk).update(state="sent")
    assert ringing() == {}


def test_a_storm_of_4xx_rings_while_it_lasts(edition: Edition) -> None:
    deliver_to(edition, 10, state="sent")
    waiting = deliver_to(edition, 10, state="retry", attempts=1, not_before=NOON + MINUTE)
    assert "10 of 20 digests" in ringing()["relay_defers"]
    Delivery.objects.filter(pk__in=[row.pk for row in waiting]).update(state="sent", not_before=None)
    assert ringing() == {}


def test_readers_who_found_no_edition_ring_for_a_day() -> None:
    make_edition(papers=[make_paper()], state=Edition.State.SENDING)
    for _ in range(3):
        Miss.objects.create(subscriber=make_reader(), due_at=NOON - 7 * HOUR, why="nothing", at=NOON - HOUR)
    Miss.objects.create(subscriber=make_reader(), due_at=NOON - 7 * HOUR, why="had it", at=NOON - HOUR)
    assert "3 of 3 readers who were due" in ringing()["readers_without_mail"]
    assert "readers_without_mail" not in ringing(NOON + 2 * DAY)


# --- what is owed -----------------------------------------------------------------------------------------------------


def test_a_relay_that_is_away_rings_whatever_puts_its_digests_off(edition: Edition) -> None:
    """26 minutes of a relay that was down raised no alarm: each try gave the rows a new time."""
    stream, _ = Stream.objects.update_or_create(
        name="digest",
        defaults={
            "down_since": NOON - 20 * MINUTE,
            "trouble": "unreachable",
            "last_reply": "refused for a@example.net",
        },
    )
    deliver_to(edition, 60, state="queued", due_at=NOON - 26 * MINUTE, not_before=NOON + 30 * MINUTE)
    found = ringing()
    assert set(found) == {"relay_unreachable"}
    assert "60 digests not sent, the oldest for 26 minutes" in found["relay_unreachable"]
    assert "@" not in found["relay_unreachable"]
    Stream.objects.filter(pk=stream.pk).update(trouble="deferred")
    assert set(ringing()) == {"relay_defers"}
    Stream.objects.filter(pk=stream.pk).update(down_since=None, trouble="")
    Delivery.objects.update(state="sent", not_before=None)
    assert ringing() == {}


def test_a_notice_that_the_relay_puts_off_again_and_again_rings_without_a_break() -> None:
    """It flapped: on in 23 of 53 samples, for each try moved the time of the next."""
    Notice.objects.create(
        subscriber=make_reader(state="pending", next_due_at=None),
        kind="confirm",
        created_at=NOON - 6 * MINUTE,
        not_before=NOON + MINUTE,
    )
    assert set(ringing()) == {"notices_waiting"}


def test_a_domain_held_again_and_again_is_named() -> None:
    bucket = PaceBucket.objects.create(
        scope="gmail.com", tokens=0, refilled_at=NOON, day_on=NOON.date(), held_until=NOON + MINUTE, holds=2
    )
    assert ringing() == {}, "once or twice is what limits are for"
    PaceBucket.objects.filter(pk=bucket.pk).update(holds=3)
    assert "gmail.com" in ringing()["domain_held"]
    assert "domain_held" not in ringing(NOON + 2 * MINUTE)


# --- editions ---------------------------------------------------------------------------------------------------------


def test_a_draft_that_waits_rings_before_its_cut_off_and_after_it() -> None:
    make_reader(next_due_at=NOON + 2 * HOUR)
    draft = make_edition(papers=[make_paper()], cutoff_at=NOON + HOUR)
    assert ringing(NOON - 2 * HOUR).get("approval_due") is None
    due = ringing()["approval_due"]
    assert "its cut-off is in 60 minutes and 1 reader follow" in due
    later = NOON + HOUR + 16 * MINUTE
    tasks.beat("tick", now=later)
    assert set(ringing(later)) == {"approval_missed"}
    Edition.objects.filter(pk=draft.pk).update(state="approved", approved_at=later)
    assert ringing(later) == {}


def test_four_days_without_approval_ring_with_their_number(settings: Any) -> None:
    """Editions were skipped for four days, nobody got a mail, and all was well."""
    make_reader(next_due_at=NOON + DAY)
    for days in range(1, 5):
        day = NOON - days * DAY
        make_edition(papers=[make_paper()], period_on=day.date(), cutoff_at=day, state="skipped")
    today = make_edition(papers=[make_paper()], cutoff_at=NOON + 4 * HOUR)
    assert ringing()["approval_missed"].startswith("4 daily editions not approved")
    Edition.objects.filter(pk=today.pk).update(state="frozen", frozen_at=NOON, closes_at=NOON + DAY)
    assert ringing() == {}


def test_an_edition_that_nobody_reads_or_that_has_no_papers_waits_for_nobody() -> None:
    make_edition(papers=[make_paper()], cutoff_at=NOON - HOUR)
    assert ringing() == {}, "no readers"
    make_reader(next_due_at=NOON + DAY)
    Edition.objects.get().items.all().delete()
    assert ringing() == {}, "no papers: that is the sources' alarm"


def test_what_goes_out_by_itself_needs_no_approval(settings: Any) -> None:
    settings.EDITION_AUTO_APPROVE = True
    make_reader(next_due_at=NOON + DAY)
    make_edition(papers=[make_paper()], cutoff_at=NOON + HOUR)
    assert ringing() == {}


# --- the machine ------------------------------------------------------------------------------------------------------


def test_a_mailbox_that_cannot_be_opened_rings_with_the_reason(settings: Any, tmp_path: Path) -> None:
    settings.BOUNCE_MAILBOX_URL = f"maildir://{tmp_path}/no-such-mailbox"
    tasks.keep_house(now=NOON)
    tasks.listen()
    assert "mailbox_unread" not in ringing(NOON + 29 * MINUTE)
    assert "no-such-mailbox" in ringing(NOON + 31 * MINUTE)["mailbox_unread"]
    for folder in ("new", "cur", "tmp"):
        (tmp_path / "no-such-mailbox" / folder).mkdir(parents=True)
    tasks.listen()
    read = Heartbeat.objects.get(name="mailbox")
    assert read.detail == ""
    assert "mailbox_unread" not in ringing(read.at + MINUTE)


def test_a_mailbox_that_no_worker_reads_rings(settings: Any) -> None:
    settings.BOUNCE_MAILBOX_URL = "imaps://u:p@mail.example.org/INBOX"
    tasks.keep_house(now=NOON)
    assert "not read yet" in ringing(NOON + 31 * MINUTE)["mailbox_unread"]


@pytest.mark.parametrize(
    "cause", [SimpleNamespace(sqlite_errorname="SQLITE_FULL"), SimpleNamespace(sqlstate="53100")], ids=["sqlite", "pg"]
)
def test_a_database_whose_disk_is_full_is_named_until_it_can_write(cause: Any) -> None:
    class Told(Exception):
        pass

    told = Told("disk is full")
    told.__dict__.update(vars(cause))
    error = OperationalError("disk is full")
    error.__cause__ = told
    assert disk_full_error.note(error)
    assert "disk is full" in ringing()["disk_full"]
    assert not disk_full_error.note(OperationalError("server closed the connection"))
    tasks.beat("tick", now=NOON)
    assert ringing() == {}


def test_letters_that_no_program_can_place_ring_until_a_person_has_judged_them() -> None:
    unrecognised.keep(b"Subject: hello\r\n\r\nWho are you?\r\n", why="unread", now=NOON - 3 * HOUR)
    assert ringing()["letters_waiting"].startswith("1 letter set aside")
    Letter.objects.update(judgement="nothing", judged_at=NOON)
    assert ringing() == {}


def test_little_room_is_named_before_it_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_alarms.shutil, "disk_usage", lambda _path: SimpleNamespace(free=50 * 2**20))
    assert "50 MB are free" in ringing()["disk_full"]


def test_limits_that_refuse_people_ring_and_refill(settings: Any) -> None:
    settings.SIGNUPS_PER_HOUR = 10
    full_at = int((NOON + HOUR).timestamp() * 1000)
    Allowance.objects.create(name="everybody:", full_at_ms=full_at)
    assert "everybody (1)" in ringing()["limits_biting"]
    assert "limits_biting" not in ringing(NOON + 30 * MINUTE)


def test_one_busy_network_is_no_alarm_but_five_are() -> None:
    full_at = int((NOON + HOUR).timestamp() * 1000)
    for number in range(4):
        Allowance.objects.create(name=f"network:{number}", full_at_ms=full_at)
    assert ringing() == {}
    Allowance.objects.create(name="network:5", full_at_ms=full_at)
    assert "network (5)" in ringing()["limits_biting"]


# --- the reconciler ---------------------------------------------------------------------------------------------------


@pytest.fixture
def week() -> list[Subscriber]:
    """Four readers who are due at noon each day, and seven editions of which three readers had theirs."""
    readers = [
        make_reader(hour=12, weekdays=127, confirmed_at=NOON - 60 * DAY, next_due_at=NOON + DAY) for _ in range(4)
    ]
    for days in range(8):
        day = NOON - days * DAY
        edition = make_edition(papers=[make_paper()], period_on=day.date(), cutoff_at=day - 8 * HOUR, state="done")
        Edition.objects.filter(pk=edition.pk).update(frozen_at=day - 8 * HOUR, created_at=NOON - 70 * DAY)
        for reader in readers[:3]:
            deliver_to_reader(edition, reader, day)
    return readers


def deliver_to_reader(edition: Edition, reader: Subscriber, day: Any) -> None:
    Delivery.objects.create(
        edition=edition, subscriber=reader, state="sent", local_on=day.date(), due_at=day, domain="gmail.com",
        sent_at=day, expires_at=day + HOUR,
    )  # fmt: skip


def test_the_reconciler_finds_who_was_due_and_has_neither_mail_nor_reason(week: list[Subscriber]) -> None:
    found = find_missing_digests.report(days=7, now=NOON + 10 * HOUR)
    assert found["readers"] == {"checked": 4, "of": 4, "forgotten": 1, "examples": [week[3].pk]}
    Miss.objects.create(subscriber=week[3], due_at=NOON - 8 * DAY, why="nothing", at=NOON + HOUR)
    assert find_missing_digests.report(days=7, now=NOON + 10 * HOUR)["readers"]["forgotten"] == 0, (
        "an outage is a reason"
    )


def test_who_changed_their_hours_since_is_not_judged_by_the_new_ones(week: list[Subscriber]) -> None:
    ConsentEvent.objects.create(subscriber=week[3], kind="changed", at=NOON - DAY, method="page")
    assert find_missing_digests.report(days=7, now=NOON + 10 * HOUR)["readers"]["forgotten"] == 0


def test_the_report_counts_by_edition_provider_and_reason(week: list[Subscriber]) -> None:
    today = Edition.objects.get(period_on=NOON.date())
    deliver_to(today, 2, state="skipped", skip_reason="empty", domain="a-reader.example")
    deliver_to(today, 1, state="failed", domain="gmail.com")
    (one,) = [row for row in find_missing_digests.report(days=1, now=NOON)["editions"] if row["edition"] == today.pk]
    assert (one["planned"], one["sent"], one["skipped"], one["failed"]) == (6, 3, 2, 1)
    assert one["skipped_by_reason"] == {"empty": 2}
    assert one["by_provider"] == {"Google": {"sent": 3, "failed": 1}, "others": {"skipped": 2}}
    assert "a-reader" not in json.dumps(one), "no reader's own domain in a report that is kept"


def test_editions_that_never_were_ring_until_a_later_look_finds_none(week: list[Subscriber]) -> None:
    gone = Edition.objects.get(period_on=(NOON - 3 * DAY).date())
    Delivery.objects.filter(edition=gone).delete()
    gone.items.all().delete()
    gone.delete()
    Miss.objects.bulk_create(
        Miss(subscriber=reader, due_at=NOON - 9 * DAY, why="nothing", at=NOON + HOUR) for reader in week
    )
    evening = NOON + 10 * HOUR
    tasks.beat("tick", now=evening)
    assert find_missing_digests.reconcile_due(now=evening, deadline=evening + DAY * 3650)
    assert "daily 2026-03-15" in ringing(evening)["editions_missing"]
    later = evening + 6 * DAY
    find_missing_digests.reconcile_due(now=later, deadline=later + DAY * 3650)
    assert "daily 2026-03-15" not in ringing(later).get("editions_missing", "")


def test_readers_who_were_forgotten_ring(week: list[Subscriber]) -> None:
    evening = NOON + 10 * HOUR
    tasks.beat("tick", now=evening)
    find_missing_digests.reconcile_due(now=evening, deadline=evening + DAY * 3650)
    assert f"reader {week[3].pk}" in ringing(evening)["readers_forgotten"]


def test_it_looks_each_hour_and_each_day_and_never_more_often() -> None:
    end = NOON + DAY * 3650
    looks = []
    for minutes in range(0, 26 * 60, 10):
        if found := find_missing_digests.reconcile_due(now=NOON + minutes * MINUTE, deadline=end):
            looks.append((minutes // 60, found.days))
    assert looks == [(0, 7), *((hour, 1) for hour in range(1, 24)), (24, 7), (25, 1)]
    assert Reconciliation.objects.count() == len(looks)


def test_a_look_ends_at_its_deadline_and_says_how_far_it_came(week: list[Subscriber]) -> None:
    found = find_missing_digests.report(days=7, now=NOON + 10 * HOUR, deadline=NOON)
    assert found["readers"] == {"checked": 0, "of": 4, "forgotten": 0, "examples": []}


def test_the_command_tells_it_to_people_and_programs(week: list[Subscriber]) -> None:
    out = StringIO()
    call_command("reconcile", "--days", "7", "--json", stdout=out)
    assert set(json.loads(out.getvalue())) >= {"readers_due", "editions", "missing", "readers"}
    out = StringIO()
    call_command("reconcile", stdout=out)
    assert "readers checked" in out.getvalue()
    for days in ("0", "32"):
        with pytest.raises(CommandError, match="from 1 to 31"):
            call_command("reconcile", "--days", days)
