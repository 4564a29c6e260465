"""Papers brought while signing up: kept with the request, in the library once confirmed, in the preview at once."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from newsletter.interests import library_from_signup
from newsletter.models import Edition, LibraryEntry
from subscriptions import token_links
from subscriptions.forms import SignupForm
from subscriptions.models import ConsentEvent, Notice, Subscriber
from subscriptions.transactional_mails import build_notice
from tests.builders import assign, make_edition, make_paper, make_reader

pytestmark = pytest.mark.django_db
WHALES = "".join(f"@misc{{w{n}, title={{Songs of whales, part {n}}}, abstract={{Whales sing.}}}}\n" for n in range(6))


@pytest.fixture(autouse=True)
def _no_haste(settings: object) -> None:
    settings.SIGNUP_SECONDS_MIN = 0  # type: ignore[attr-defined]


def sign_up(client: Client, email: str = "ada@example.org", **brought: object) -> str:
    """The page that answers; empty when the request was taken."""
    data = {"email": email, "started": SignupForm.new_start(), "topics": [], **brought}
    answer = client.post("/subscribe/", data)
    return answer.content.decode() if answer.status_code == 200 else ""


def confirm_address() -> str:
    asked = ConsentEvent.objects.filter(kind="requested").latest("pk")
    return f"/confirm/{token_links.confirm_token(asked.pk, now=timezone.now())}/"


def test_what_was_pasted_waits_for_the_confirmation_and_then_is_the_library(client: Client) -> None:
    assert sign_up(client, references=WHALES + "@misc{x, year={2020}}") == ""
    assert not LibraryEntry.objects.exists()
    shown = client.get(confirm_address()).content.decode()
    assert "Put 6 papers into my library" in shown
    assert "Songs of whales, part 0" in shown
    assert "Line 7: This entry has neither a title nor an arXiv id nor a DOI." in shown
    assert not LibraryEntry.objects.exists(), "looking changes nothing"
    client.post(confirm_address(), {"topics_shown": "1", "library": "1"})
    assert sorted(LibraryEntry.objects.values_list("title", "text", "source"))[0] == (
        "Songs of whales, part 0", "Whales sing.", "uploaded",
    )  # fmt: skip
    assert not any("library" in event.detail for event in ConsentEvent.objects.all())


def test_a_file_counts_too_and_a_button_without_the_form_brings_it(client: Client) -> None:
    upload = SimpleUploadedFile("papers.txt", b"1706.03762\n10.1038/s41586-020-2649-2\n")
    assert sign_up(client, file=upload) == ""
    client.post(confirm_address())
    assert sorted(LibraryEntry.objects.values_list("identity", flat=True)) == [
        "arxiv:1706.03762", "doi:10.1038/s41586-020-2649-2",
    ]  # fmt: skip


def test_who_unticks_the_papers_gets_none_and_nothing_is_kept(client: Client) -> None:
    sign_up(client, references=WHALES)
    client.post(confirm_address(), {"topics_shown": "1"})
    assert not LibraryEntry.objects.exists()
    assert not any("library" in event.detail for event in ConsentEvent.objects.all())


def preferences_of(reader: Subscriber) -> str:
    return f"/preferences/{token_links.manage_token(reader, now=timezone.now())}/"


def test_what_is_brought_with_a_readers_address_waits_until_they_take_it(client: Client) -> None:
    reader = make_reader()
    sign_up(client, email=str(reader.email), references=WHALES)
    sign_up(client, email=str(reader.email), references=f"{WHALES}@misc{{x, title={{Songs of the wren}}}}")
    assert not LibraryEntry.objects.exists()
    notice = Notice.objects.get(kind=Notice.Kind.ALREADY)
    assert "waits on your preferences page" in str(build_notice(notice, now=timezone.now()).body)
    page = client.get(preferences_of(reader)).content.decode()
    assert "Put 7 papers into my library" in page, "both, each paper once"
    assert "Songs of whales, part 0" in page
    client.post(preferences_of(reader), {"action": "take-papers"})
    assert reader.library.count() == 7
    assert "into my library" not in client.get(preferences_of(reader)).content.decode()
    assert not Notice.objects.filter(context__icontains="whales").exists(), "kept once"


def test_a_reader_discards_what_a_stranger_brought_and_others_see_nothing_of_it(client: Client) -> None:
    reader, other = make_reader(), make_reader()
    sign_up(client, email=str(reader.email), references=WHALES)
    assert "into my library" not in client.get(preferences_of(other)).content.decode()
    client.post(preferences_of(reader), {"action": "drop-papers"})
    client.post(preferences_of(reader), {"action": "take-papers"})
    assert not LibraryEntry.objects.exists()
    assert not Notice.objects.filter(context__icontains="whales").exists()


def test_papers_stop_waiting_when_the_link_they_lie_behind_is_over(client: Client) -> None:
    reader = make_reader()
    sign_up(client, email=str(reader.email), references=WHALES)
    Notice.objects.update(created_at=timezone.now() - timedelta(hours=token_links.MANAGE_HOURS + 1))
    assert "into my library" not in client.get(preferences_of(reader)).content.decode()


@pytest.mark.parametrize(
    ("brought", "why"),
    [
        ("%PDF-1.7", "Line 1: This is not a text file."),
        ("nothing here", "Line 1: No reference was found."),
        ("x" * (library_from_signup.MOST_BYTES + 1), "Line 1: This is too large for signing up."),
    ],
)
def test_what_cannot_be_read_is_told_before_anything_is_sent(client: Client, brought: str, why: str) -> None:
    page = sign_up(client, references=brought)
    assert why in page
    assert re.search(r"<details[^>]* open>", page), "the field is in sight"
    assert not ConsentEvent.objects.exists()


def test_a_long_list_says_where_it_was_cut(client: Client) -> None:
    sign_up(client, references="".join(f"2401.{number:05}\n" for number in range(1, 601)))
    page = client.get(confirm_address()).content.decode()
    assert "Put 500 papers into my library" in page
    assert "Line 501: From here on nothing was read." in page


def test_what_is_brought_changes_the_preview_at_once_and_is_kept_nowhere(client: Client) -> None:
    papers = [make_paper(title=f"A new timetable of trains {n}", abstract="Trains run south.") for n in range(9)]
    papers.append(make_paper(title="A new song of whales", abstract="Whales sing in the north."))
    make_edition(
        papers=[assign(paper, "vision") for paper in papers], state=Edition.State.FROZEN, frozen_at=timezone.now()
    )
    Edition.objects.update(state=Edition.State.DONE)
    before = client.get("/subscribe/preview/?topics=vision")
    assert "A new song of whales" not in before.content.decode()
    answer = client.post("/subscribe/preview/?topics=vision", {"references": WHALES})
    assert "6 papers were read." in answer.content.decode()
    assert "A new song of whales" in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    fewer = client.post("/subscribe/preview/?topics=vision", {"references": WHALES[: WHALES.index("@misc{w3")]})
    assert "With 5 or more" in fewer.content.decode()
    assert client.post("/subscribe/preview/", {"references": "%PDF"}).status_code == 200
    again = client.get("/subscribe/preview/?topics=vision")
    assert again.content == before.content
    assert "public" in again["Cache-Control"]


def test_what_is_kept_with_the_request_is_json() -> None:
    kept = library_from_signup.read_at_signup(WHALES.encode())
    assert library_from_signup.entries_of(json.loads(json.dumps(kept)))[0].title == "Songs of whales, part 0"
