"""The curator's queue of papers that readers handed in: accept and decline, one or many, each written down."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from pytest_django import Settings

from newsletter.models import Submission
from tests.builders import NOON, make_paper, make_reader

pytestmark = pytest.mark.django_db
LIST = "/admin/newsletter/submission/"


@pytest.fixture(autouse=True)
def _arxiv_is_asked(settings: Settings) -> None:
    settings.SOURCES = ["arxiv_query"]


@pytest.fixture
def curator(client: Client) -> Client:
    user = User.objects.create_user("carla", is_staff=True)
    user.groups.add(Group.objects.get(name="Curators"))
    client.force_login(user)
    return client


def handed_in(number: int = 1, **over: object) -> Submission:
    reader = make_reader(f"secret{number}@hidden.example")
    identifier = f"2403.{number:05d}"
    fields = {"subscriber": reader, "link": f"https://arxiv.org/abs/{identifier}", "arxiv_id": identifier, "at": NOON}
    return Submission.objects.create(**(fields | over))


def act(client: Client, action: str, *rows: Submission) -> str:
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    answer = client.post(LIST, data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_queue_shows_what_waits_and_no_address(curator: Client) -> None:
    handed_in(1, link="write to secret1@hidden.example")
    page = curator.get(LIST).content.decode()
    assert "arXiv:2403.00001" in page
    assert "0 accepted, 0 declined" in page
    assert "hidden.example" not in page


def test_many_are_accepted_at_once_and_it_is_written_down_who_did(curator: Client) -> None:
    rows = [handed_in(number) for number in (1, 2)]
    assert "2 papers accepted. They are being fetched from arXiv." in act(curator, "accept", *rows)
    assert {row.state for row in Submission.objects.all()} == {"accepted"}
    assert {row.decided_by.username for row in Submission.objects.all() if row.decided_by} == {"carla"}
    assert LogEntry.objects.count() == 2
    assert "0 papers accepted" in act(curator, "accept", *rows)


DESCRIBED = {
    "title": "Sparse <i>gates</i> for long texts",
    "authors": ["Ada Fern", "Bo Lund"],
    "abstract": "We gate attention by need.",
    "topics": ["language-models", "gone-since"],
}


def button(page: str, word: str) -> dict[str, str]:
    """The address and the value that the button of a row sends."""
    found = re.search(rf'<button[^>]*formaction="([^"]*)"(?:[^>]*name="reason" value="([^"]*)")?[^>]*>{word}<', page)
    assert found, word
    return {"path": found[1], "reason": found[2] or ""}


def press(client: Client, word: str) -> str:
    wanted = button(client.get(LIST).content.decode(), word)
    return client.post(wanted["path"], {"reason": wanted["reason"]}, follow=True).content.decode()


def test_a_row_says_what_the_paper_is(curator: Client) -> None:
    handed_in(1, found=DESCRIBED)
    handed_in(2)
    handed_in(3, found={})
    page = curator.get(LIST).content.decode()
    for said in (
        *("Sparse &lt;i&gt;gates&lt;/i&gt; for long texts", "Ada Fern, Bo Lund", "We gate attention by need."),
        *("Language models", "arXiv is being asked what it is.", "arXiv does not know it yet."),
    ):
        assert said in page, said
    assert "Sparse" in curator.get(f"{LIST}?q=gates").content.decode()
    assert "Sparse" not in curator.get(f"{LIST}?q=nothing").content.decode()


def test_one_press_accepts_and_one_takes_it_back(curator: Client) -> None:
    handed_in()
    page = press(curator, "Accept")
    assert "1 paper accepted." in page
    assert Submission.objects.get().state == "accepted"
    curator.post(button(page, "Undo")["path"])
    row = Submission.objects.get()
    assert (row.state, row.decided_by, row.decided_at, row.note) == ("waiting", None, None, "")


def test_one_press_declines_with_its_reason_and_one_takes_it_back(curator: Client) -> None:
    handed_in()
    page = press(curator, "Too old")
    assert "1 paper declined." in page
    assert Submission.objects.get().note == "It is too old to be news."
    assert "waits for a decision again" in press(curator, "Take back")
    assert Submission.objects.get().state == "waiting"
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "decline: It is too old to be news.",
        "reopen",
    ]


def test_what_came_in_or_was_handed_in_again_cannot_be_taken_back(curator: Client) -> None:
    done = {"decided_at": NOON, "decided_by": User.objects.get()}
    fetched = handed_in(1, state="accepted", paper=make_paper(), **done)
    declined = handed_in(2, state="declined", note="No.", **done)
    handed_in(3, arxiv_id=declined.arxiv_id)
    for row in (fetched, declined):
        page = curator.post(f"{LIST}{row.pk}/reopen/", follow=True).content.decode()
        assert "This cannot be taken back" in page
        assert Submission.objects.get(pk=row.pk).state == row.state
        curator.get(f"{LIST}{row.pk}/reopen/")


def test_one_is_accepted_on_its_page(curator: Client) -> None:
    row = handed_in()
    assert f'action="{LIST}{row.pk}/accept/"' in curator.get(f"{LIST}{row.pk}/change/").content.decode()
    curator.get(f"{LIST}{row.pk}/accept/")
    assert Submission.objects.get().state == "waiting"
    curator.post(f"{LIST}{row.pk}/accept/")
    assert Submission.objects.get().state == "accepted"
    assert f"{row.pk}/accept/" not in curator.get(f"{LIST}{row.pk}/change/").content.decode()


def test_a_reason_is_asked_for_before_anything_is_declined(curator: Client) -> None:
    rows = [handed_in(number) for number in (1, 2)]
    page = act(curator, "decline", *rows)
    assert "will see your reason" in page
    data = {"rows": ",".join(str(row.pk) for row in rows)}
    assert "Please give a reason." in curator.post(f"{LIST}decline/", data).content.decode()
    assert {row.state for row in Submission.objects.all()} == {"waiting"}
    page = curator.post(f"{LIST}decline/", data | {"own": "Not <b>about</b> us."}, follow=True).content.decode()
    assert "2 papers declined." in page
    assert set(Submission.objects.values_list("state", "note")) == {("declined", "Not <b>about</b> us.")}
    assert "<b>about</b>" not in page


@pytest.mark.parametrize("rows", ["", "x", "0", "9" * 40, "1,,2", "²"])
def test_nonsense_declines_nothing(curator: Client, rows: str) -> None:
    handed_in()
    assert curator.post(f"{LIST}decline/", {"rows": rows, "own": "No."}).status_code in {200, 302}
    assert LogEntry.objects.count() == Submission.objects.filter(state="declined").count()


def test_what_could_not_be_fetched_is_not_accepted(curator: Client, settings: Settings) -> None:
    settings.SOURCES = ["hf_daily"]
    assert "add arxiv_query to SOURCES" in act(curator, "accept", handed_in())
    assert Submission.objects.get().state == "waiting"


def test_who_may_only_look_decides_nothing(client: Client) -> None:
    row = handed_in()
    user = User.objects.create_user("guest", is_staff=True)
    client.force_login(user)
    for path in (LIST, f"{LIST}{row.pk}/accept/", f"{LIST}decline/?rows={row.pk}"):
        assert client.post(path, {"own": "No."}).status_code == 403
    assert Submission.objects.get().state == "waiting"


def test_the_desk_counts_what_waits(curator: Client) -> None:
    def sidebar() -> str:
        page = curator.get("/admin/").content.decode()
        return " ".join(page[page.index("Submissions") :][:2500].split())

    assert "min-w-[18px]" not in sidebar()
    for number in (1, 2, 3):
        handed_in(number)
    assert "> 3 <" in sidebar()
