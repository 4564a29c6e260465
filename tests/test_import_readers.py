"""Readers in and out: proof of consent or nothing, who left stays away, and nothing a spreadsheet would run."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from newsletter.interests.library import Entry
from newsletter.interests.library_entries import add_entries, save_paper
from newsletter.models import LibraryEntry, Paper, ProfileRemoval, Verdict
from subscriptions import csv_cells, csv_export, gdpr, suppression
from subscriptions.list_import import import_file as lists
from subscriptions.list_import.columns import OWN
from subscriptions.list_import.entries import Refusal
from subscriptions.list_import.reading_plan import Answers
from subscriptions.models import CatchUp, ConsentEvent, Interest, InterestTopic, ListImport, Subscriber, Suppression
from subscriptions.preferences import follow_key
from tests.builders import NOON, make_paper, make_reader, make_topic
from tests.lists import csv_of, import_list, source_of

pytestmark = pytest.mark.django_db

HEADER = "email,confirmed_at,consent_source,topics,cadence,hour,time_zone"
PROOF = "2025-06-01T09:30:00+02:00,https://old.example/form"
AGREED: dict[str, Any] = {"consent_source": "https://old.example/form", "confirmed_at": "2024-05-31", "zone": "UTC"}


def run(*lines: str, header: str = HEADER, **over: Any) -> tuple[ListImport, list[Refusal]]:
    return import_list("\n".join([header, *lines]) + "\n", **over)


def preview(text: str, **answers: Any) -> tuple[lists.Tally, list[Refusal]]:
    source, refusals = source_of(text), list[Refusal]()
    plan = lists.plan_file(source, Answers(**answers))
    return lists.preview(source, plan, now=NOON, on_refusal=refusals.append), refusals


def counts(tally: Any) -> tuple[int, ...]:
    return tally.read, tally.new, tally.known, tally.suppressed, tally.refused


def states() -> dict[str, str]:
    return dict(Subscriber.objects.values_list("email", "state"))


def barred() -> list[str]:
    return sorted(Suppression.objects.in_force().values_list("reason", flat=True))


def test_a_reader_with_proof_comes_in_confirmed_with_wishes_and_record() -> None:
    make_topic("vision")
    make_topic("speech-audio")
    tally, refusals = run(f"Alice@Example.net,{PROOF},vision:more speech-audio,weekly,7,Europe/Berlin")
    assert (tally.read, tally.new, refusals) == (1, 1, [])
    reader = Subscriber.objects.mailable().get()
    assert (reader.email, reader.address_key) == ("Alice@example.net", "alice@example.net")
    assert reader.confirmed_at == datetime(2025, 6, 1, 7, 30, tzinfo=UTC)
    assert reader.next_due_at == datetime(2026, 3, 23, 6, tzinfo=UTC)
    assert dict(reader.preferences.values_list("topic__slug", "stance")) == {"vision": "more", "speech-audio": "follow"}
    event = reader.consent_events.get()
    assert (event.kind, event.source_url) == ("imported", "https://old.example/form")
    assert event.detail == {
        "confirmed_at": "2025-06-01T09:30:00+02:00", "file": "old.csv", "list": tally.pk, "line": 2,
    }  # fmt: skip
    assert len(reader.unsubscribe_token) == 24


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"nobody,{PROOF}", "address"),
        ("a@example.net,,https://old.example", "confirmed_at is empty"),
        ("a@example.net,yesterday,https://old.example", "confirmed_at is not a date"),
        ("a@example.net,2027-06-01T09:30:00Z,https://old.example", "lies in the future"),
        ("a@example.net,0001-01-01T00:00:00+14:00,https://old.example", "lies before 1970"),
        ("a@example.net,2025-06-01T09:30:00Z,", "consent_source is empty"),
        (f"a\x1b[31m\x07@example.net,{PROOF}", "address"),
        (f"a@example.net,{PROOF},alchemy", "no topic 'alchemy'"),
        (f"a@example.net,{PROOF},vision:hate", "'hate' is not one of"),
        (f"a@example.net,{PROOF},,hourly", "cadence"),
        (f"a@example.net,{PROOF},,daily,24", "hour is not a number from 0 to 23"),
        (f"a@example.net,{PROOF},,daily,8,Mars/Olympus", "time_zone"),
        ("a@example.net,2025-06-01T09:30:00Z", "consent_source is empty"),
        (f"a\0@example.net,{PROOF},,daily,8,Mars", "time_zone"),
    ],
)
def test_a_line_without_proof_or_sense_is_refused_with_its_reason(line: str, reason: str) -> None:
    make_topic("vision")
    tally, (refusal,) = run(line)
    assert reason in refusal.reason
    assert refusal.line == 2
    assert (tally.new, tally.refused) == (0, 1)
    assert not Subscriber.objects.exists()


def test_importing_twice_adds_nobody_twice() -> None:
    lines = [f"a{n}@example.net,{PROOF}" for n in range(3)]
    run(*lines)
    tally, refusals = run(*lines)
    assert (counts(tally), refusals) == ((3, 0, 3, 0, 0), [])
    assert Subscriber.objects.count() == ConsentEvent.objects.count() == 3


def test_the_same_address_twice_in_a_file_comes_in_once() -> None:
    lines = (f"a@example.net,{PROOF}", f"A@EXAMPLE.NET,{PROOF}")
    assert counts(run(*lines)[0]) == (2, 1, 1, 0, 0)


def test_who_left_or_complained_does_not_come_back_by_a_file() -> None:
    make_reader("left@example.net", state="unsubscribed", next_due_at=None, left_at=NOON)
    suppression.suppress(make_reader("gone@example.net"), reason="complaint", source="arf", now=NOON)
    gdpr.erase(make_reader("erased@example.net"), now=NOON, method="test")
    tally, _none = run(*(f"{name}@example.net,{PROOF}" for name in ("left", "gone", "erased")))
    assert counts(tally) == (3, 0, 0, 3, 0)
    assert not Subscriber.objects.mailable().exists()
    assert Suppression.objects.in_force().count() == 2


def test_a_dry_run_tells_the_same_and_changes_nothing() -> None:
    make_reader("known@example.net")
    lines = [f"a@example.net,{PROOF}", f"known@example.net,{PROOF}", f"a@example.net,{PROOF}", "nobody"]
    before = list(Subscriber.objects.values())
    dry, dry_refusals = preview("\n".join([HEADER, *lines]))
    assert list(Subscriber.objects.values()) == before
    done, refusals = run(*lines)
    assert (counts(dry), dry_refusals) == (counts(done), refusals)
    assert counts(done) == (4, 1, 2, 0, 1)


def test_batches_agree_with_a_dry_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "BATCH", 2)
    text = "email,status\n" + "".join(f"a{n % 5}@example.net,{'left' if n == 7 else 'active'}\n" for n in range(10))
    dry, _none = preview(text, **AGREED)
    done, _none = import_list(text, **AGREED)
    assert counts(dry) == counts(done) == (10, 5, 4, 1, 0)
    assert states()["a2@example.net"] == "unsubscribed", "what the file says last and gravest"


# --- who left elsewhere ---

GONE = "email,status\nr@example.net,active\nl@example.net,unsubscribed\nb@example.net,bounced\n"
GONE += "c@example.net,complained\nx@example.net,blocklisted\ne@example.net,erased\np@example.net,pending\n"


def test_those_who_left_elsewhere_become_records_and_suppressions_of_the_right_kind() -> None:
    tally, (refusal,) = import_list(GONE, **AGREED)
    assert counts(tally) == (7, 1, 0, 5, 1)
    assert "not confirmed there" in refusal.reason
    assert states() == {"r@example.net": "confirmed", "l@example.net": "unsubscribed"}
    assert barred() == ["admin", "bounce", "complaint", "erased"]


def test_nobody_of_them_comes_back_by_a_later_file() -> None:
    import_list(GONE, **AGREED)
    everybody = "email\n" + "".join(f"{one}@example.net\n" for one in "rlbcxe")
    tally, _none = import_list(everybody, **AGREED)
    assert counts(tally) == (6, 0, 1, 5, 0)
    assert list(Subscriber.objects.mailable().values_list("email", flat=True)) == ["r@example.net"]


def test_a_file_of_those_who_left_ends_what_an_earlier_file_began() -> None:
    import_list("email\n" + "".join(f"{one}@example.net\n" for one in "rlbcx"), **AGREED)
    tally, _none = import_list(GONE, **AGREED)
    assert counts(tally) == (7, 0, 1, 5, 1)
    assert list(Subscriber.objects.mailable().values_list("email", flat=True)) == ["r@example.net"]
    assert ConsentEvent.objects.filter(kind="complained", method="import").count() == 1


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2), (2, 3, 0, 1)])
def test_in_whatever_order_the_files_come_nobody_who_is_gone_is_mailed(order: tuple[int, ...]) -> None:
    files: list[tuple[str, dict[str, Any]]] = [
        ("email,joined\n" + "".join(f"{one}@example.net,2021-01-01\n" for one in "rlbx"), AGREED),
        ("email,unsubscribed_at\nl@example.net,2024-01-01T00:00:00Z\n", AGREED),
        ("email,status\nb@example.net,bounced\nr@example.net,active\n", AGREED),
        ("x@example.net\n", {"kind": "barred"}),
    ]
    for place in order:
        import_list(files[place][0], **files[place][1])
    assert list(Subscriber.objects.mailable().values_list("email", flat=True)) == ["r@example.net"]
    assert barred() == ["admin", "bounce"]


@pytest.mark.parametrize(
    ("status", "left_at", "state"),
    [
        ("unsubscribed", "", "confirmed"),
        ("bounced", "", "confirmed"),
        ("unsubscribed", "2026-03-01T00:00:00Z", "confirmed"),
        ("unsubscribed", "2026-03-18T11:59:59Z", "unsubscribed"),
        ("complained", "", "suppressed"),
        ("blocked", "", "suppressed"),
    ],
)
def test_who_confirmed_here_since_stays_unless_they_complained(status: str, left_at: str, state: str) -> None:
    reader = make_reader("a@example.net", confirmed_at=NOON - timedelta(days=1))
    reader.consent_events.create(kind="confirmed", at=NOON - timedelta(days=1), method="page")
    import_list(f"email,status,unsubscribed_at\na@example.net,{status},{left_at}\n", now=NOON)
    assert states() == {"a@example.net": state}


def test_a_plain_list_of_addresses_is_barred_and_asks_nothing() -> None:
    make_reader("here@example.net")
    tally, _none = import_list("here@example.net\nAda <ada@example.net>\n", name="x.txt", kind="barred")
    assert counts(tally) == (2, 0, 0, 2, 0)
    assert barred() == ["admin", "admin"]
    assert states() == {"here@example.net": "suppressed"}
    assert counts(import_list("ada@example.net\n", **AGREED)[0]) == (1, 0, 0, 1, 0)


# --- what a person said ---


def test_the_proof_of_the_whole_file_is_in_each_record() -> None:
    text = "email,created_at,source\na@example.net,2024-05-31 10:00,form 7\nb@example.net,2024-06-30,\n"
    row, _none = import_list(text, zone="Europe/Berlin", consent_source="Form at old.example, double opt-in")
    reader = Subscriber.objects.get(email="a@example.net")
    event = reader.consent_events.get()
    assert (event.kind, event.source_url) == ("imported", "Form at old.example, double opt-in")
    assert event.detail == {
        "confirmed_at": "2024-05-31T10:00:00+02:00", "source": "form 7", "file": "old.csv", "list": row.pk, "line": 2,
    }  # fmt: skip
    assert reader.confirmed_at == datetime(2024, 5, 31, 8, tzinfo=UTC)
    assert reader.time_zone == "Europe/Berlin", "the hour of their digest is meant there too"
    assert (row.digest, row.program) == (source_of(text).digest(), "unknown")


def test_zones_languages_and_tags_of_other_programs_are_kept_where_they_mean_something() -> None:
    text = 'email,TIMEZONE,locale,tags\na@example.net,Asia/Tokyo,de_AT,"LLM, vision, x"\nb@example.net,GMT+7,xx,\n'
    import_list(text, tags={"LLM": "language-models"}, **AGREED)
    first, second = Subscriber.objects.order_by("email")
    assert (first.time_zone, first.language) == ("Asia/Tokyo", "de")
    assert set(first.preferences.values_list("topic__slug", flat=True)) == {"language-models", "vision"}
    assert (second.time_zone, second.language) == ("UTC", "en")


def test_what_was_said_about_a_file_counts_for_the_next_with_the_same_headings() -> None:
    text = "one,two,when,tags\n{0}@example.net,x@example.net,03/04/2024,LLM\n"
    said: dict[str, Any] = {"columns": {"one": "email", "two": ""}, "dates": "mdy", "zone": "Asia/Tokyo"}
    import_list(text.format("a"), **said, tags={"LLM": "vision"}, consent_source="form")
    plan = lists.plan_file(source_of(text.format("b")), Answers())
    assert [question.id for question in plan.questions if question.is_required] == ["consent_source"]
    assert (plan.order, plan.answers.zone, plan.topics["llm"]) == ("mdy", "Asia/Tokyo", "vision")
    assert lists.plan_file(source_of(text.format("b")), Answers(dates="dmy")).order == "dmy"


def test_a_line_without_a_date_takes_that_of_the_file_or_is_refused() -> None:
    text = "email,created_at\na@example.net,2024-01-01T00:00:00Z\nb@example.net,\n"
    _row, (refusal,) = import_list(text, consent_source="form")
    assert "confirmed_at is empty" in refusal.reason
    assert counts(import_list(text, **AGREED)[0]) == (2, 1, 1, 0, 0)


# --- broken files, broken imports ---


def test_damaged_lines_are_refused_and_all_others_come_in() -> None:
    lines = [f"a{n}@example.net,{PROOF}" for n in range(1500)]
    lines[700] = '"b@example.net'
    lines[900] = f"c@example.net,{PROOF},a,b,c,d,e,f"
    tally, refusals = run(*lines)
    assert counts(tally) == (1500, 1498, 0, 0, 2)
    assert [(one.line, one.reason.partition(":")[0]) for one in refusals] == [(702, "quotation mark"), (902, "cells")]


def test_an_import_that_was_broken_off_goes_on_and_keeps_its_tally(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "BATCH", 2)
    source = source_of("email\n" + "".join(f"a{n}@example.net\n" for n in range(7)))
    plan = lists.plan_file(source, Answers(**AGREED))
    row = lists.begin(source, plan, by="me", now=NOON, are_welcomed=False)
    done = []

    def break_off(_lines: int) -> None:
        done.append(1)
        if len(done) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lists.go_on(row, source, plan, now=NOON, on_batch=break_off)
    assert Subscriber.objects.count() == 4
    again = lists.begin(source, plan, by="me", now=NOON, are_welcomed=False)
    assert (again.pk, again.line, again.new) == (row.pk, 5, 4)
    assert lists.go_on(again, source, plan, now=NOON)
    again.refresh_from_db()
    assert (again.state, counts(again)) == ("done", (7, 7, 0, 0, 0))
    assert not lists.go_on(row, source, plan, now=NOON), "the one that was broken off does nothing more"
    assert Subscriber.objects.count() == 7


def test_addresses_side_by_side_in_one_long_line_all_come_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "BATCH", 2)
    tally, _none = import_list(", ".join(f"a{n}@example.net" for n in range(7)) + "\nb@example.net\n", **AGREED)
    assert counts(tally) == (8, 8, 0, 0, 0)


def test_an_import_stops_at_its_deadline_and_says_so() -> None:
    source = source_of("email\na@example.net\n")
    plan = lists.plan_file(source, Answers(**AGREED))
    row = lists.begin(source, plan, by="me", now=NOON, are_welcomed=False)
    assert not lists.go_on(row, source, plan, now=NOON, deadline=timezone.now())
    assert not Subscriber.objects.exists()
    assert lists.go_on(row, source, plan, now=NOON)


def test_rows_are_written_many_at_a_time(django_assert_max_num_queries: Any) -> None:
    make_topic("vision")
    with django_assert_max_num_queries(60):
        run(*(f"a{n}@example.net,{PROOF},vision" for n in range(200)))


def test_every_column_of_our_export_is_one_that_is_read() -> None:
    assert {"email", *OWN} == set(csv_export.COLUMNS)


def test_an_export_comes_back_as_it_was(tmp_path: Path) -> None:
    make_topic("vision")
    lines = [f"+plus@example.net,{PROOF},vision:mute,monthly,0,Asia/Kathmandu", f"=1+1@example.net,{PROOF}"]
    run(*lines)
    before = sorted(Subscriber.objects.values_list("email", "cadence", "hour", "time_zone", "confirmed_at"))
    file = tmp_path / "readers.csv"
    file.write_text("an older export")  # which anybody on the machine could read
    file.chmod(0o644)
    call_command("export_readers", str(file), verbosity=0)
    assert file.stat().st_mode & 0o077 == 0
    Subscriber.objects.all().delete()
    call_command("import_readers", str(file), verbosity=0)
    assert sorted(Subscriber.objects.values_list("email", "cadence", "hour", "time_zone", "confirmed_at")) == before
    assert Subscriber.objects.get(email="+plus@example.net").preferences.get().stance == "mute"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\0"])
def test_no_cell_of_an_export_is_a_formula(start: str) -> None:
    assert csv_cells.safe_cell(f"{start}SUM(A1)") == f"'{start}SUM(A1)"
    make_reader("=cmd@example.net", language=f"{start}x".replace("\0", ""))  # PostgreSQL stores no NUL
    for cells in list(csv_export.export_lines(states=["confirmed"]))[1:]:
        assert not any(cell.startswith(start) for cell in cells)


def test_an_export_of_those_who_left_subscribes_nobody_elsewhere() -> None:
    make_reader("left@example.net", state="unsubscribed", next_due_at=None, left_at=NOON)
    rows = list(csv_export.export_lines(states=["unsubscribed"]))
    Subscriber.objects.all().delete()
    assert counts(import_list(csv_of(rows), now=NOON + timedelta(days=1))[0]) == (1, 0, 0, 1, 0)
    assert Subscriber.objects.get().state == "unsubscribed"
    assert not Subscriber.objects.mailable().exists()


def everything_carried() -> list[dict[str, Any]]:
    rows = []
    for reader in Subscriber.objects.order_by("email"):
        skipped = {"id", "created_at", "unsubscribe_token", "unsubscribe_hash", "next_due_at", "next_on"}
        row = {name: value for name, value in vars(reader).items() if name[0] != "_" and name not in skipped}
        stances = reader.preferences.values_list("topic__slug", "stance", "muted_from").order_by("topic__slug")
        barred = Suppression.objects.filter(address_hash=reader.address_hash).values_list("reason", flat=True)
        follows = reader.follows.values_list("text", "key", "stance", "interest__name")
        interests = reader.interests.values_list("name", "is_first", "is_on", "share", "unit", "position")
        named = InterestTopic.objects.filter(interest__subscriber=reader).order_by("interest__name", "topic__slug")
        rows.append(row | {"stances": list(stances), "barred": list(barred), "follows": list(follows)})
        rows[-1]["interests"] = list(interests)
        for name in ("library", "verdicts", "profile_removals", "catch_ups"):
            own = getattr(reader, name).order_by("pk").values()
            keys = {"id", "subscriber_id", "interest_id"}
            rows[-1][name] = [{key: value for key, value in one.items() if key not in keys} for one in own]
        rows[-1]["of interests"] = [
            list(getattr(reader, name).order_by("pk").values_list("interest__name", flat=True))
            for name in ("library", "verdicts")
        ]
        rows[-1]["named"] = list(named.values_list("interest__name", "topic__slug", "stance", "muted_from"))
    return rows


def tell_of_papers(reader: Subscriber, *, interest: Interest) -> None:
    """A library, verdicts, removals of each kind, and a catch-up that waits."""
    papers = [make_paper() for _ in range(3)]
    note = "=1+1\nline two, with “quotes”, a \u200bzero-width blank and \u00a0 others"
    added = [
        Entry(papers[0].title, papers[0].arxiv_id, None, 0),
        Entry("Song of the wren", None, "10.1/Ab", 0, "Wrens."),
    ]
    add_entries(reader, added, source=LibraryEntry.Source.ZOTERO, now=NOON - timedelta(days=2))
    save_paper(reader, paper=papers[1], now=NOON - timedelta(days=1))
    reader.library.filter(paper=papers[1]).update(note=note, interest=interest)
    for paper, value, own in ((papers[0], 1, None), (papers[2], -1, interest)):
        Verdict.objects.create(subscriber=reader, paper=paper, value=value, at=NOON, interest=own)
    for kind, what in (("word", {"word": "bias"}), ("topic", {"topic": make_topic("vision")}), ("all", {}),
                       ("paper", {"paper": papers[2]})):  # fmt: skip
        ProfileRemoval.objects.create(subscriber=reader, kind=kind, at=NOON, **what)
    since = NOON - timedelta(days=9)
    CatchUp.objects.create(subscriber=reader, since=since, until=NOON - timedelta(days=2), asked_at=NOON)


def test_export_and_import_are_the_identity_for_every_wish_and_state() -> None:
    odd = {
        "cadence": "monthly", "weekdays": 0b1000001, "hour": 0, "time_zone": "Asia/Kathmandu", "max_papers": 7,
        "thin_policy": "hold", "wants_outside": False, "mail_format": "text", "language": "de",
        "clicks_agreed_at": NOON - timedelta(days=3),
    }  # fmt: skip
    left = {"next_due_at": None, "left_at": NOON - timedelta(days=1)}
    reader = make_reader("Confirmed@example.net", **odd)
    reader.preferences.create(topic=make_topic("vision"), stance="mute", muted_from="more")
    reader.preferences.create(topic=make_topic("robotics"), stance="more")
    for query, stance in (('author:"Nora Quist"', "follow"), ("-image planners", "follow"), ("gripper", "not")):
        reader.follows.create(text=query, key=follow_key(query), stance=stance, at=NOON)
    reader.interests.create(name="Thèse, 2e partie", is_first=True, share=60)
    named = reader.interests.create(name='"Lehre": =1+1', position=1, is_on=False, share=3, unit="papers")
    named.topics.create(topic=make_topic("vision"), stance="mute", muted_from="follow")
    named.topics.create(topic=make_topic("speech-audio"), stance="more")
    reader.follows.create(text="lectures", key=follow_key("lectures"), at=NOON, interest=named)
    tell_of_papers(reader, interest=named)
    make_reader("paused@example.net", state="paused", paused_until=NOON + timedelta(days=9), next_due_at=None, **odd)
    make_reader("left@example.net", state="unsubscribed", **left, **odd)
    make_reader("never@example.net", state="unsubscribed", confirmed_at=None, **left)
    for reason in ("bounce", "complaint", "admin"):
        gone = make_reader(f"{reason}@example.net")
        suppression.suppress(gone, reason=reason, source="test", now=NOON)
    for reader in Subscriber.objects.all():
        reader.consent_events.create(kind="confirmed", at=NOON - timedelta(days=9), method="page")
    states = ["confirmed", "paused", "unsubscribed", "suppressed"]
    before, exported = everything_carried(), list(csv_export.export_lines(states=states))
    Subscriber.objects.all().delete()
    Suppression.objects.all().delete()
    tally, refusals = import_list(csv_of(exported), name="x.csv", now=NOON)
    assert (refusals, counts(tally)) == ([], (7, 2, 0, 5, 0))
    assert everything_carried() == before
    assert list(csv_export.export_lines(states=states)) == exported


def test_what_names_a_paper_that_is_not_here_is_counted_and_the_library_comes_whole(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reader = make_reader("a@example.net")
    reader.consent_events.create(kind="confirmed", at=NOON, method="page")
    named = reader.interests.create(name="teaching", position=1)
    tell_of_papers(reader, interest=named)
    named.delete()
    exported = list(csv_export.export_lines(states=["confirmed"]))
    Subscriber.objects.all().delete()
    Paper.objects.all().delete()
    assert counts(import_list(csv_of(exported), now=NOON)[0]) == (1, 1, 0, 0, 0)
    assert "3 verdicts and removals name papers" in caplog.text, "two verdicts and a removal"
    assert LibraryEntry.objects.count() == 3
    assert ProfileRemoval.objects.count() == 3


def test_a_library_longer_than_other_cells_comes_whole() -> None:
    reader = make_reader("a@example.net")
    reader.consent_events.create(kind="confirmed", at=NOON, method="page")
    entries = [Entry(f"Song of wren number {n}", None, None, 0, "Wrens sing. " * 40) for n in range(400)]
    add_entries(reader, entries, source=LibraryEntry.Source.UPLOADED, now=NOON)
    text = csv_of(list(csv_export.export_lines(states=["confirmed"])))
    assert len(text) > 131_072, "as long as Python's csv module takes"
    Subscriber.objects.all().delete()
    assert counts(import_list(text, now=NOON)[0]) == (1, 1, 0, 0, 0)
    assert LibraryEntry.objects.count() == 400


@pytest.mark.parametrize(
    ("column", "cell", "why"),
    [
        ("library", '[{"title": "A wr', "library: Invalid JSON"),
        ("library", '[{"at": "2026-03-01T00:00:00Z", "source": "saved"}]', "neither a title"),
        ("library", '[{"title": "a", "at": "2026-03-01T00:00:00", "source": "saved"}]', "0 at"),
        (
            "library",
            '[{"title": "a", "arxiv_id": "a b", "at": "2026-03-01T00:00:00Z", "source": "saved"}]',
            "0 arxiv_id",
        ),
        ("library", '[{"title": "a", "at": "2026-03-01T00:00:00Z", "source": "stolen"}]', "0 source"),
        ("verdicts", '[{"title": "a", "at": "2026-03-01T00:00:00Z", "value": 2}]', "0 value"),
        ("removals", '[{"kind": "word", "at": "2026-03-01T00:00:00Z"}]', "something else than its kind"),
        (
            "removals",
            '[{"kind": "word", "word": "a", "topic": "vision", "at": "2026-03-01T00:00:00Z"}]',
            "something else",
        ),
        ("removals", '[{"kind": "all", "word": "a", "at": "2026-03-01T00:00:00Z"}]', "something else than its kind"),
        ("catch_ups", '{"since": 1}', "catch_ups: Input should be a valid"),
    ],
)
def test_rows_that_cannot_be_read_are_refused_with_the_reason(column: str, cell: str, why: str) -> None:
    quoted = cell.replace('"', '""')
    header = f"email,confirmed_at,consent_source,{column}"
    tally, refused = run(f'a@example.net,{PROOF},"{quoted}"', f"b@example.net,{PROOF},", header=header)
    assert tally.new == 1
    (refusal,) = refused
    assert why in refusal.reason


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("bengio", "not a JSON object"),
        ('{"bengio": "love"}', "not one of follow, not"),
        ('{"-image": "not"}', "leave out"),
    ],
)
def test_follows_that_cannot_be_read_are_refused_with_the_reason(cell: str, why: str) -> None:
    quoted = cell.replace('"', '""')
    header = "email,confirmed_at,consent_source,follows"
    tally, refused = run(f'a@example.net,{PROOF},"{quoted}"', f"b@example.net,{PROOF},", header=header)
    assert tally.new == 1
    (refusal,) = refused
    assert why in refusal.reason


FIRST = '{"name": "thesis", "is_first": true}'


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("thesis", "not a JSON list"),
        ('["thesis", "teaching"]', "not a JSON list"),
        (f"[{FIRST}]", "Name two at least"),
        ('[{"name": "thesis"}, {"name": "teaching"}]', "one of them the first"),
        (f'[{FIRST}, {{"name": "Thesis"}}]', "same name"),
        (f'[{FIRST}, {{"name": " "}}]', "Give a name"),
        (f'[{FIRST}, {{"name": 7}}]', "Give a name"),
        (f'[{FIRST}, {{"name": "a\\u202eb"}}]', "Give a name"),
        (f'[{FIRST}, {{"name": "teaching", "share": 0}}]', "Give a share"),
        (f'[{FIRST}, {{"name": "teaching", "share": true}}]', "Give a share"),
        (f'[{FIRST}, {{"name": "teaching", "unit": "pages"}}]', "Give a share"),
        ('[{"name": "a", "is_first": true, "share": 60}, {"name": "b", "share": 60}]', "more than 100"),
        ('[{"name": "a", "is_first": true, "is_on": false}, {"name": "b", "is_on": false}]', "switched on"),
        (f'[{FIRST}, {{"name": "teaching", "topics": "alchemy"}}]', "no topic 'alchemy'"),
        (f'[{FIRST}, {{"name": "teaching", "topics": ["vision"]}}]', "topics is not text"),
        (f'[{FIRST}, {{"name": "teaching", "follows": {{"a": "love"}}}}]', "not one of follow, not"),
        (json.dumps([{"name": f"n{number}", "is_first": not number} for number in range(9)]), "are the most"),
    ],
)
def test_interests_that_cannot_be_read_are_refused_with_the_reason(cell: str, why: str) -> None:
    quoted = cell.replace('"', '""')
    header = "email,confirmed_at,consent_source,interests"
    good = f'[{FIRST}, {{"name": "teaching"}}]'.replace('"', '""')
    tally, refused = run(f'a@example.net,{PROOF},"{quoted}"', f'b@example.net,{PROOF},"{good}"', header=header)
    assert tally.new == 1
    (refusal,) = refused
    assert why in refusal.reason
    assert list(Subscriber.objects.get().interests.values_list("name", flat=True)) == ["thesis", "teaching"]


def test_empty_cells_and_lines_of_commas_are_no_refusal_and_the_language_is_the_sites(settings: Any) -> None:
    settings.LANGUAGE_CODE = "de"
    tally, refused = run(f"a@example.net,{PROOF},", ",,,,", "  , ,", header="email,confirmed_at,consent_source,state")
    assert (counts(tally), refused) == ((1, 1, 0, 0, 0), [])
    assert Subscriber.objects.get().language == "de"


def test_an_export_reads_readers_in_chunks(django_assert_max_num_queries: Any) -> None:
    for _ in range(20):
        make_reader(follows=("vision",))
    with django_assert_max_num_queries(12):
        assert len(list(csv_export.export_lines(states=["confirmed"]))) == 21


@pytest.mark.parametrize("program", ["mailchimp", "listmonk"])
def test_other_programs_get_the_columns_they_import_and_no_formula(program: str, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    reader = make_reader("+ada@example.net", follows=("vision",), cadence="weekly")
    reader.preferences.create(topic=make_topic("robotics"), stance="mute")
    reader.consent_events.create(kind="imported", at=NOON, method="import", source_url="https://old.example/form")
    make_reader("=cmd|'/C'!A0@example.net")
    make_reader("left@example.net", state="unsubscribed", next_due_at=None, left_at=NOON)
    call_command("export_readers", str(file), "--for", program, verbosity=0)
    first, *lines = csv.reader(file.open(newline=""))
    attributes = {
        "topics": ["vision"], "cadence": "weekly", "time_zone": "UTC", "language": "en",
        "confirmed_at": NOON.isoformat(), "consent_source": "https://old.example/form",
    }  # fmt: skip
    assert (first, lines) == {
        "mailchimp": (
            ["Email Address", "Tags", "CONFIRM_TIME", "SOURCE"],
            [["+ada@example.net", "vision,weekly", NOON.isoformat(), "https://old.example/form"]],
        ),
        "listmonk": (["email", "name", "attributes"], [["+ada@example.net", "", json.dumps(attributes)]]),
    }[program]
    Subscriber.objects.all().delete()
    assert counts(import_list(file.read_text(), **AGREED)[0]) == (1, 1, 0, 0, 0)


# --- archives ---


def zipped(**files: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


def test_the_lists_of_a_zip_are_read_each_by_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "export.zip"
    file.write_bytes(zipped(**{"a/subscribed.csv": "r@example.net\n", "a/cleaned.csv": "b@example.net\n",
                               "__MACOSX/a/._subscribed.csv": "x", "a/read.me": "x"}))  # fmt: skip
    call_command("import_readers", str(file), "--dry-run", "--json")
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["new"], second["questions"][0]["suggestion"]) == (1, "bounced")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped(**{"[Content_Types].xml": "", "xl/workbook.xml": ""}), "Excel workbook.*CSV"),
        (b"\xd0\xcf\x11\xe0 workbook", "Excel workbook.*CSV"),
        (b"%PDF-1.7", "PDF.*CSV"),
        (zipped(**{"readme.md": ""}), "no .csv, .tsv or .txt"),
    ],
)
def test_what_is_no_list_is_told_with_what_to_do(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(content)
    with pytest.raises(CommandError, match=said):
        call_command("import_readers", str(file))


# --- the command ---


def test_the_command_writes_refused_lines_with_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, refused = tmp_path / "in.csv", tmp_path / "refused.csv"
    source.write_text(f"\ufeff{HEADER}\r\nalice@example.net,{PROOF}\r\n=bad,{PROOF}\r\n", encoding="utf-8")
    call_command("import_readers", str(source), "--refused", str(refused))
    assert "2 read, 1 new, 0 known, 0 suppressed, 1 refused" in capsys.readouterr().out
    assert refused.read_text().startswith("3,'=bad,address: ")
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_readers", str(tmp_path / "nowhere.csv"))


def test_the_command_shows_the_first_refusals_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.csv"
    source.write_text(HEADER + "\n" + f"nobody,{PROOF}\n" * 50)
    call_command("import_readers", str(source), "--dry-run")
    out = capsys.readouterr().out
    assert out.count("Line ") == 20
    assert "50 read, 0 new, 0 known, 0 suppressed, 50 refused (nothing is written yet)" in out
    assert "--refused FILE" in out


def test_the_command_asks_before_it_imports_and_takes_the_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, second = tmp_path / "in.csv", tmp_path / "suppression-list.txt"
    source.write_text("email,mail 2,added,tags\na@example.net,b@example.net,03/04/2024 10:00,LLM\n")
    second.write_text("barred@example.net\n")
    with pytest.raises(CommandError) as told:
        call_command("import_readers", str(source))
    for wanted in ('--map "email=email"', "--dates", "--zone", "--consent-source", "dmy, mdy", "03/04/2024 10:00"):
        assert wanted in str(told.value)
    assert not ListImport.objects.exists()
    answers = ["--map", "mail 2=email", "--map", "email=", "--dates", "dmy", "--zone", "Asia/Tokyo"]
    call_command(
        "import_readers", str(source), *answers, "--tag", "LLM=language-models", "--consent-source", "form", "--welcome"
    )
    reader = Subscriber.objects.get(email="b@example.net")
    assert reader.confirmed_at == datetime(2024, 4, 3, 1, tzinfo=UTC)
    assert reader.preferences.get().topic.slug == "language-models"
    assert reader.welcome_due_at is not None
    with pytest.raises(CommandError, match="The name of the file says"):
        call_command("import_readers", str(second))
    call_command("import_readers", str(second), "--as", "barred")
    assert barred() == ["admin"]
    assert "suppression-list.txt: addresses" in capsys.readouterr().out


def test_the_command_tells_everything_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.csv"
    source.write_text("email,name,status,joined\na@example.net,Ada,active,2021-01-01\nnobody,B,active,2021-01-01\n")
    call_command("import_readers", str(source), str(source), "--dry-run", "--json", "--zone", "UTC")
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == second
    assert first["columns"] == {"email": "email", "name": None, "status": "state", "joined": "signed_up_at"}
    assert {name: first[name] for name in ("format", "read", "new", "known", "suppressed", "refused")} == {
        "format": "unknown", "read": 2, "new": 1, "known": 0, "suppressed": 0, "refused": 1,
    }  # fmt: skip
    assert [one["line"] for one in first["refusals"]] == [3]
    assert [one["id"] for one in first["questions"]] == ["consent_source"]
    assert not Subscriber.objects.exists()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--map", "email"], "no = in it"),
        (["--map", "email=mail"], "not one of"),
        (["--word", "gone=away"], "not one of"),
        (["--tag", "LLM=llms"], "not one of"),
        (["--zone", "Mars"], "IANA"),
        (["--confirmed-at", "yesterday"], "not a date"),
    ],
)
def test_the_command_refuses_an_answer_that_means_nothing(option: list[str], said: str, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("a@example.net\n")
    with pytest.raises(CommandError, match=said):
        call_command("import_readers", str(source), *option)
    assert not Subscriber.objects.exists()
