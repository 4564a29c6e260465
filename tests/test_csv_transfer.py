"""Readers in and out as CSV: proof of consent or nothing, and nothing a spreadsheet would run."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from subscriptions import csv_cells, csv_transfer, gdpr, suppression
from subscriptions.models import ConsentEvent, InterestTopic, Subscriber, Suppression
from subscriptions.preferences import follow_key
from tests.builders import NOON, make_reader, make_topic

pytestmark = pytest.mark.django_db

HEADER = "email,confirmed_at,consent_source,topics,cadence,hour,time_zone"
PROOF = "2025-06-01T09:30:00+02:00,https://old.example/form"


def run(*lines: str, header: str = HEADER, **over: Any) -> tuple[csv_transfer.Tally, list[csv_transfer.Refusal]]:
    refusals: list[csv_transfer.Refusal] = []
    text = io.StringIO("\n".join([header, *lines]) + "\n", newline="")
    tally = csv_transfer.import_readers(text, file_name="old.csv", now=NOON, on_refusal=refusals.append, **over)
    return tally, refusals


def test_a_reader_with_proof_comes_in_confirmed_with_wishes_and_record() -> None:
    make_topic("vision")
    make_topic("speech-audio")
    tally, refusals = run(f"Alice@Example.net,{PROOF},vision:more speech-audio,weekly,7,Europe/Berlin")
    assert (tally.read, tally.imported, refusals) == (1, 1, [])
    reader = Subscriber.objects.mailable().get()
    assert (reader.email, reader.address_key) == ("Alice@example.net", "alice@example.net")
    assert reader.confirmed_at == datetime(2025, 6, 1, 7, 30, tzinfo=UTC)
    assert reader.next_due_at == datetime(2026, 3, 23, 6, tzinfo=UTC)
    assert dict(reader.preferences.values_list("topic__slug", "stance")) == {"vision": "more", "speech-audio": "follow"}
    event = reader.consent_events.get()
    assert (event.kind, event.source_url) == ("imported", "https://old.example/form")
    assert event.detail == {"confirmed_at": "2025-06-01T09:30:00+02:00", "file": "old.csv", "line": 2}
    assert len(reader.unsubscribe_token) == 24


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"nobody,{PROOF}", "address"),
        ("a@example.net,,https://old.example", "confirmed_at is not a date"),
        ("a@example.net,yesterday,https://old.example", "confirmed_at is not a date"),
        ("a@example.net,2025-06-01T09:30:00,https://old.example", "no time zone"),
        ("a@example.net,2027-06-01T09:30:00Z,https://old.example", "lies in the future"),
        ("a@example.net,0001-01-01T00:00:00+14:00,https://old.example", "lies before 1970"),
        ("a@example.net,2025-06-01T09:30:00Z,", "consent_source is empty"),
        (f"a\x1b[31m\x07@example.net,{PROOF}", "address"),
        (f"a@example.net,{PROOF},alchemy", "no topic 'alchemy'"),
        (f"a@example.net,{PROOF},vision:hate", "'hate' is not one of"),
        (f"a@example.net,{PROOF},,hourly", "cadence"),
        (f"a@example.net,{PROOF},,daily,24", "hour is not a number from 0 to 23"),
        (f"a@example.net,{PROOF},,daily,8,Mars/Olympus", "time_zone"),
        ("a@example.net", "consent_source is empty"),
        (f"a\0@example.net,{PROOF},,daily,8,Mars", "time_zone"),
    ],
)
def test_a_line_without_proof_or_sense_is_refused_with_its_reason(line: str, reason: str) -> None:
    make_topic("vision")
    tally, (refusal,) = run(line)
    assert reason in refusal.reason
    assert refusal.line == 2
    assert (tally.imported, tally.refused.total()) == (0, 1)
    assert not Subscriber.objects.exists()


def test_importing_twice_adds_nobody_twice() -> None:
    lines = [f"a{n}@example.net,{PROOF}" for n in range(3)]
    run(*lines)
    tally, refusals = run(*lines)
    assert tally.imported == 0
    assert {refusal.reason for refusal in refusals} == {"known already, confirmed"}
    assert Subscriber.objects.count() == ConsentEvent.objects.count() == 3


def test_the_same_address_twice_in_a_file_comes_in_once() -> None:
    tally, (refusal,) = run(f"a@example.net,{PROOF}", f"A@EXAMPLE.NET,{PROOF}")
    assert (tally.imported, refusal.line, refusal.reason) == (1, 3, "twice in this file")


def test_who_left_or_complained_does_not_come_back_by_a_file() -> None:
    make_reader("left@example.net", state="unsubscribed", next_due_at=None, left_at=NOON)
    suppression.suppress(make_reader("gone@example.net"), reason="complaint", source="arf", now=NOON)
    gdpr.erase(make_reader("erased@example.net"), now=NOON, method="test")
    tally, refusals = run(*(f"{name}@example.net,{PROOF}" for name in ("left", "gone", "erased")))
    assert tally.imported == 0
    assert [refusal.reason for refusal in refusals] == [
        "known already, unsubscribed",
        "known already, suppressed",
        "on the suppression list",
    ]
    assert not Subscriber.objects.mailable().exists()
    assert Suppression.objects.in_force().count() == 2


def test_a_dry_run_tells_the_same_and_changes_nothing() -> None:
    make_reader("known@example.net")
    lines = [f"a@example.net,{PROOF}", f"known@example.net,{PROOF}", f"a@example.net,{PROOF}", "nobody"]
    before = list(Subscriber.objects.values())
    dry = run(*lines, is_dry_run=True)
    assert list(Subscriber.objects.values()) == before
    assert run(*lines) == dry


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("email,topics", "missing: confirmed_at, consent_source"),
        ("", "missing: email"),
        (f"{HEADER},password", "Unknown columns: password"),
    ],
)
def test_a_file_without_the_columns_of_consent_is_refused_whole(header: str, said: str) -> None:
    with pytest.raises(csv_transfer.UnreadableFile, match=said):
        run(f"a@example.net,{PROOF}", header=header)


def test_a_file_broken_in_the_middle_says_where_and_keeps_whole_chunks_only() -> None:
    with pytest.raises(csv_transfer.UnreadableFile, match="Line 3"):
        run(f"a@example.net,{PROOF}", '"b@example.net')
    assert not Subscriber.objects.exists()


def test_chunks_share_one_memory_of_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_transfer, "CHUNK", 2)
    tally, refusals = run(*(f"a{n % 5}@example.net,{PROOF}" for n in range(10)), is_dry_run=True)
    assert (tally.read, tally.imported, len(refusals)) == (10, 5, 5)


def test_rows_are_written_many_at_a_time(django_assert_max_num_queries: Any) -> None:
    make_topic("vision")
    with django_assert_max_num_queries(40):
        run(*(f"a{n}@example.net,{PROOF},vision" for n in range(200)))


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
    for cells in list(csv_transfer.export_lines(states=["confirmed"]))[1:]:
        assert not any(cell.startswith(start) for cell in cells)


def test_an_export_of_those_who_left_subscribes_nobody_elsewhere() -> None:
    make_reader("left@example.net", state="unsubscribed", next_due_at=None, left_at=NOON)
    rows = list(csv_transfer.export_lines(states=["unsubscribed"]))
    Subscriber.objects.all().delete()
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    out.seek(0)
    tally = csv_transfer.import_readers(out, file_name="x.csv", now=NOON + timedelta(days=1))
    assert (tally.read, tally.imported) == (1, 1)
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
        rows[-1]["named"] = list(named.values_list("interest__name", "topic__slug", "stance", "muted_from"))
    return rows


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
    make_reader("paused@example.net", state="paused", paused_until=NOON + timedelta(days=9), next_due_at=None, **odd)
    make_reader("left@example.net", state="unsubscribed", **left, **odd)
    make_reader("never@example.net", state="unsubscribed", confirmed_at=None, **left)
    for reason in ("bounce", "complaint", "admin"):
        gone = make_reader(f"{reason}@example.net")
        suppression.suppress(gone, reason=reason, source="test", now=NOON)
    for reader in Subscriber.objects.all():
        reader.consent_events.create(kind="confirmed", at=NOON - timedelta(days=9), method="page")
    states = ["confirmed", "paused", "unsubscribed", "suppressed"]
    before, exported = everything_carried(), list(csv_transfer.export_lines(states=states))
    Subscriber.objects.all().delete()
    Suppression.objects.all().delete()
    out = io.StringIO(newline="")
    csv.writer(out).writerows(exported)
    out.seek(0)
    refusals: list[csv_transfer.Refusal] = []
    tally = csv_transfer.import_readers(out, file_name="x.csv", now=NOON, on_refusal=refusals.append)
    assert (refusals, tally.imported) == ([], 7)
    assert everything_carried() == before
    assert list(csv_transfer.export_lines(states=states)) == exported


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
    assert tally.imported == 1
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
    assert tally.imported == 1
    (refusal,) = refused
    assert why in refusal.reason
    assert list(Subscriber.objects.get().interests.values_list("name", flat=True)) == ["thesis", "teaching"]


def test_empty_cells_and_lines_of_commas_are_no_refusal_and_the_language_is_the_sites(settings: Any) -> None:
    settings.LANGUAGE_CODE = "de"
    tally, refused = run(f"a@example.net,{PROOF},", ",,,,", "  , ,", header="email,confirmed_at,consent_source,state")
    assert (tally.read, tally.imported, refused) == (1, 1, [])
    assert Subscriber.objects.get().language == "de"


def test_an_export_reads_readers_in_chunks(django_assert_max_num_queries: Any) -> None:
    for _ in range(20):
        make_reader(follows=("vision",))
    with django_assert_max_num_queries(8):
        assert len(list(csv_transfer.export_lines(states=["confirmed"]))) == 21


def test_the_command_writes_refused_lines_with_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, refused = tmp_path / "in.csv", tmp_path / "refused.csv"
    source.write_text(f"\ufeff{HEADER}\r\nalice@example.net,{PROOF}\r\n=bad,{PROOF}\r\n", encoding="utf-8")
    call_command("import_readers", str(source), "--refused", str(refused))
    assert "2 read, imported 1, refused 1" in capsys.readouterr().out
    assert refused.read_text().startswith("3,'=bad,address: ")
    with pytest.raises(CommandError, match="No such file"):
        call_command("import_readers", str(tmp_path / "nowhere.csv"))


def test_the_command_shows_the_first_refusals_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.csv"
    source.write_text(HEADER + "\n" + f"nobody,{PROOF}\n" * 50)
    call_command("import_readers", str(source), "--dry-run")
    out = capsys.readouterr().out
    assert out.count("Line ") == 20
    assert "50 read, would import 0, refused 50" in out
    assert "--refused FILE" in out
