"""A reader's library: what a file adds, what it costs, how it shapes the next digest, and who forgets it when."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter import planning
from newsletter.catalogue import merging
from newsletter.delivery.compose_message import SCOPE as COMPOSE_SCOPE
from newsletter.interests.library import read_library
from newsletter.interests.library_entries import add_entries
from newsletter.interests.load_profiles import ReaderProfiles
from newsletter.models import Delivery, Edition, LibraryEntry, LibraryLink, Paper, Verdict
from newsletter.monitoring.reader_history import history_of
from subscriptions import gdpr, token_links
from subscriptions.lifecycle import Origin
from subscriptions.log_redaction import redact
from subscriptions.models import Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader

pytestmark = pytest.mark.django_db
UPLOADED = LibraryEntry.Source.UPLOADED
WHALES = "".join(f"@misc{{w{n}, title={{Songs of whales, part {n}}}, abstract={{Whales sing.}}}}\n" for n in range(6))


def page_of(reader: Subscriber) -> str:
    return f"/r/{token_links.manage_token(reader, now=timezone.now())}/library/"


def bring(reader: Subscriber, text: str, **over: object) -> None:
    add_entries(reader, read_library(text.encode(), today=NOON.date()).entries, source=UPLOADED, now=NOON)
    if over:
        reader.library.update(**over)


def test_an_uploaded_file_is_read_and_the_page_says_what_of_it_was_not(client: Client) -> None:
    reader = make_reader()
    known = make_paper(arxiv_id="1706.03762", title="Attention Is All You Need")
    data = (
        b"@misc{a, title={Attention}, eprint={1706.03762}}\n@misc{b, year={2020}}\n@book{c, title={On Growth and Form}}"
    )
    upload = SimpleUploadedFile("my.bib", data)
    answer = client.post(page_of(reader), {"action": "add", "file": upload, "references": ""}).content.decode()
    assert "2 papers were added." in answer
    assert "Line 2: This entry has neither a title nor an arXiv id nor a DOI." in answer
    assert {(row.paper, row.shown_title, row.source) for row in reader.library.all()} == {
        (known, "Attention Is All You Need", "uploaded"),
        (None, "On Growth and Form", "uploaded"),
    }
    again = client.post(page_of(reader), {"references": "arXiv:1706.03762v2\n10.1038/s41586-020-2649-2"})
    assert "1 paper was added." in again.content.decode()
    assert "1 was in your library already." in again.content.decode()


def test_what_cannot_be_read_is_told_in_the_readers_language(client: Client) -> None:
    reader = make_reader(language="de")
    answer = client.post(page_of(reader), {"references": "%PDF-1.7"}, headers={"accept-language": "de"})
    assert "Das ist keine Textdatei." in answer.content.decode()
    answer = client.post(page_of(reader), {"references": " "})
    assert "Choose a file of at most 8 MB, or paste references." in answer.content.decode()
    assert not reader.library.exists()


@pytest.mark.parametrize("text", ['[{"title": "a\\u0000b\\ud800 c"}]', '[{"title": "a", "DOI": "10.1000/\\ud800"}]'])
def test_what_json_can_escape_and_no_database_keeps_is_left_out(client: Client, text: str) -> None:
    reader = make_reader()
    assert client.post(page_of(reader), {"references": text}).status_code == 200
    assert reader.library.get().title.startswith("a")


def test_a_paper_is_known_by_its_title_and_stands_once(client: Client) -> None:
    reader = make_reader()
    known = make_paper(arxiv_id="2401.00001", title="Large models of small whales")
    bring(reader, "@misc{a, title={Large Models of Small Whales.}}\n@misc{b, title={x}, eprint={2401.00001}}")
    assert reader.library.get().paper == known


def test_one_or_all_are_removed_and_nobody_elses(client: Client) -> None:
    reader, other = make_reader(), make_reader()
    bring(reader, WHALES)
    bring(other, WHALES)
    first, foreign = reader.library.order_by("pk").first(), other.library.order_by("pk").first()
    assert first is not None
    assert foreign is not None
    for entry in (first.pk, foreign.pk):
        assert client.post(page_of(reader), {"action": "remove", "entry": str(entry)}).status_code == 303
    assert (reader.library.count(), other.library.count()) == (5, 6)
    assert "Tick “I am sure”" in client.post(page_of(reader), {"action": "remove-all"}).content.decode()
    client.post(page_of(reader), {"action": "remove-all", "sure": "yes"})
    assert (reader.library.count(), other.library.count()) == (0, 6)


def test_the_address_is_a_secret_of_one_reader(client: Client) -> None:
    address = page_of(make_reader())
    assert address.split("/")[2] not in redact(address)
    assert client.get("/r/nobody/library/").status_code == 410


def test_two_thousand_entries_are_kept_within_five_seconds(client: Client) -> None:
    reader = make_reader()
    Paper.objects.bulk_create(
        Paper(arxiv_id=f"2401.{n:05}", title=f"Paper {n}", title_key=f"paper {n}", first_seen_at=NOON)
        for n in range(900)
    )
    text = "".join(
        f"@misc{{k{n},\n title={{Paper {n} of many}},\n eprint={{2401.{n:05}}},\n abstract={{{'word ' * 150}}}\n}}\n"
        for n in range(2000)
    )
    began = time.process_time()
    answer = client.post(page_of(reader), {"file": SimpleUploadedFile("l.bib", text.encode())})
    assert time.process_time() - began < 5
    assert "2000 papers were added." in answer.content.decode()
    assert reader.library.filter(paper__isnull=False).count() == 900


def test_five_entries_shape_the_digest_and_a_verdict_outranks_them() -> None:
    whale = make_paper(title="A new song of whales", abstract="Whales sing in the north.")
    train = make_paper(title="A new timetable of trains", abstract="Trains run in the south.")
    reader, fewer = make_reader(), make_reader()
    bring(reader, WHALES)
    bring(fewer, WHALES[: WHALES.index("@misc{w4")])
    found, trust = ReaderProfiles([whale.pk, train.pk]).of([reader.pk, fewer.pk])
    assert found is not None
    assert trust is not None
    assert found[0][0] > found[0][1]
    assert trust.tolist() == pytest.approx([6 / 30, 0])
    LibraryEntry.objects.filter(subscriber=reader).update(title="", text="")
    for number in range(6):
        paper = make_paper(title=f"Timetables of trains, part {number}", abstract="Trains run.")
        LibraryEntry.objects.create(subscriber=fewer, paper=paper, identity=f"p{number}", source="saved", at=NOON)
        Verdict.objects.create(subscriber=fewer, paper=paper, value=-1, at=NOON)
    found, _trust = ReaderProfiles([whale.pk, train.pk]).of([fewer.pk])
    assert found is not None
    assert found[0][0] > found[0][1]


def test_ids_of_papers_we_do_not_know_say_nothing_until_we_do() -> None:
    reader, candidate = make_reader(), make_paper(title="A new song of whales")
    bring(reader, "".join(f"2401.{number:05}\n" for number in range(9)))
    assert ReaderProfiles([candidate.pk]).of([reader.pk]) == (None, None)
    for number in range(9):
        make_paper(title=f"Songs of whales, part {number}", arxiv_id=f"2401.{number:05}")
    _found, trust = ReaderProfiles([candidate.pk]).of([reader.pk])
    assert trust is not None
    assert trust.tolist() == pytest.approx([9 / 30])


def test_newer_entries_weigh_more() -> None:
    whale = make_paper(title="A new song of whales", abstract="Whales sing in the north.")
    train = make_paper(title="A new timetable of trains", abstract="Trains run in the south.")
    reader = make_reader()
    bring(reader, WHALES, at=NOON - timedelta(days=700))
    bring(reader, WHALES.replace("Songs of whales", "Timetables of trains").replace("Whales sing", "Trains run"))
    found, _trust = ReaderProfiles([whale.pk, train.pk]).of([reader.pk])
    assert found is not None
    assert found[0][1] > found[0][0]


def test_the_number_of_queries_does_not_grow_with_readers_or_entries() -> None:
    readers = [make_reader() for _ in range(8)]
    for reader in readers:
        bring(reader, WHALES)
    profiles = ReaderProfiles([make_paper(title="A song of whales").pk])
    profiles.of([readers[0].pk])
    with CaptureQueriesContext(connection) as one:
        profiles.of([readers[0].pk])
    for reader in readers:
        bring(reader, WHALES.replace("part", "volume"))
    with CaptureQueriesContext(connection) as many:
        profiles.of([reader.pk for reader in readers])
    assert len(one) == len(many) <= 8  # one asks whether anybody here has a library


def test_the_own_export_holds_the_library_and_can_be_brought_again() -> None:
    reader, other = make_reader(), make_reader()
    bring(reader, WHALES + "@misc{a, title={Attention}, eprint={1706.03762}, doi={10.1000/182}}", note="Read by May.")
    told = gdpr.export(reader, now=NOON, method="test", origin=Origin())
    bring(other, json.dumps(told, cls=DjangoJSONEncoder))
    columns = ("identity", "title", "arxiv_id", "doi", "text", "note")
    assert sorted(other.library.values_list(*columns)) == sorted(reader.library.values_list(*columns))
    assert all(other.library.values_list("note", flat=True))


def test_the_library_is_in_the_history_and_goes_with_its_reader() -> None:
    reader = make_reader()
    bring(reader, WHALES)
    (line,) = [line for line in history_of(reader) if line.subject == "library"]
    assert (line.at, line.what, line.detail) == (NOON, "6 papers", "from a file or a list")
    gdpr.erase(reader, now=NOON, method="test")
    assert not LibraryEntry.objects.exists()


def test_merged_papers_stand_once_in_a_library_and_apart_again_when_split() -> None:
    reader, both = make_reader(), make_reader()
    one, other = make_paper(title="Whales sing"), make_paper(title="Whales do sing")
    LibraryEntry.objects.create(subscriber=reader, paper=one, identity="a", source="saved", at=NOON)
    for identity, paper in (("a", one), ("b", other)):
        LibraryEntry.objects.create(subscriber=both, paper=paper, identity=identity, source="saved", at=NOON)
    merging.merge(one, into=other, now=NOON, by=None)
    assert reader.library.get().paper == other
    assert both.library.count() == 2
    merging.split(one)
    assert reader.library.get().paper == one


def delivery_of(paper: Paper) -> Delivery:
    """A digest with this paper."""
    edition = make_edition(papers=[assign(paper, "vision")], state=Edition.State.FROZEN)
    planning.plan_due(now=NOON)
    Delivery.objects.update(due_at=timezone.now())
    return Delivery.objects.get(edition=edition)


def test_save_in_a_digest_is_a_button_that_posts_and_can_be_undone(client: Client) -> None:
    reader, paper = make_reader(follows=("vision",)), make_paper(arxiv_id="2401.00001", title="Songs of whales")
    bring(reader, "2401.00001")
    LibraryEntry.objects.update(paper=None)
    row = delivery_of(paper)
    address = f"/d/{token_links.row_token(COMPOSE_SCOPE, row.pk)}/{row.picks[0][0]}"
    page = client.get(address).content.decode()
    assert 'id="save"' in page
    client.get(f"{address}?word=save")
    assert reader.library.get().paper is None, "a link scanner saves nothing"
    client.post(address, {"word": "save"})
    assert reader.library.get().paper == paper, "the entry of the file, not a second one"
    assert "This paper is in your library." in client.get(address).content.decode()
    client.post(address, {"word": "unsave"})
    assert not reader.library.exists()
    client.post(address, {"word": "save"})
    client.post(address, {"word": "save"})
    assert reader.library.get().source == "saved"


def test_a_note_is_kept_and_leaves_with_every_format(client: Client) -> None:
    reader, other = make_reader(), make_reader()
    bring(reader, WHALES)
    bring(other, "1706.03762")
    entry, foreign = reader.library.order_by("pk")[0], other.library.get()
    for one in (entry, foreign):
        client.post(page_of(reader), {"action": "note", "entry": str(one.pk), "note": "Ask \0May\nabout it"})
    foreign.refresh_from_db()
    assert foreign.note == ""
    assert "Ask May\nabout it</textarea>" in client.get(page_of(reader)).content.decode()
    for suffix in ("bib", "ris", "json"):
        answer = client.get(page_of(reader).rstrip("/") + f".{suffix}")
        assert answer["Content-Disposition"] == f'attachment; filename="library.{suffix}"'
        assert "about it" in answer.content.decode()
        assert len(read_library(answer.content, today=NOON.date()).entries) == 6
    assert client.get(page_of(reader).rstrip("/") + ".exe").status_code == 410


def test_the_live_address_can_be_revoked_and_another_is_made(client: Client) -> None:
    reader = make_reader()
    bring(reader, WHALES)

    def address() -> str:
        client.post(page_of(reader), {"action": "address"})
        return str(re.search(r'value="http[^"]*(/r/[^"]+\.bib)"', client.get(page_of(reader)).content.decode())[1])  # type: ignore[index]

    first = address()
    assert address() == first
    assert first.split("/")[2] not in redact(first)
    bring(reader, "1706.03762")
    answer = client.get(first)
    assert answer.content.decode().count("@misc") == 7
    assert answer["Cache-Control"] == "no-store"
    client.post(page_of(reader), {"action": "revoke"})
    assert client.get(first).status_code == 410
    assert address() != first
    assert client.get(first).status_code == 410
    gdpr.erase(reader, now=NOON, method="test")
    assert not LibraryLink.objects.exists()
    assert client.get(first.replace("library.bib", "library/")).status_code == 410, "it shows no page"
