"""A curator adds a paper on the edition's own page."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.test import Client

from newsletter import search
from newsletter.catalogue.sources import arxiv_query
from newsletter.models import Edition, EditionItem, Submission
from tests.builders import NOON, make_edition, make_paper

pytestmark = pytest.mark.django_db


@pytest.fixture
def curator(client: Client) -> Client:
    user = User.objects.create_user("curator", is_staff=True)
    user.groups.add(Group.objects.get(name="Curators"))
    client.force_login(user)
    return client


def address(edition: Edition, typed: str = "") -> str:
    return f"/admin/newsletter/edition/{edition.pk}/add/" + (f"?q={typed}" if typed else "")


@pytest.mark.parametrize(
    "typed", ["2603.00123", "https://arxiv.org/abs/2603.00123v2", "gliding snails", "author:quist"]
)
def test_a_paper_is_found_as_researchers_name_it_and_picked_with_one_button(curator: Client, typed: str) -> None:
    edition = make_edition(papers=[make_paper()])
    paper = make_paper(arxiv_id="2603.00123", title="On gliding snails", authors=["Nóra Quist"])
    search.keep_up(now=NOON, deadline=NOON.replace(year=2100))
    assert 'role="search"' in curator.get(f"/admin/newsletter/edition/{edition.pk}/change/").content.decode()
    page = curator.get(address(edition, typed)).content.decode()
    assert f'name="paper" value="{paper.pk}"' in page
    answer = curator.post(address(edition), {"paper": paper.pk}, follow=True)
    assert "“On gliding snails” is an editor&#x27;s pick now." in answer.content.decode()
    item = edition.items.get(paper=paper)
    assert (item.lane, item.standing) == (EditionItem.Lane.PICK, EditionItem.Standing.PINNED)
    assert LogEntry.objects.filter(object_id=str(edition.pk), change_message__contains="gliding").exists()
    again = curator.post(address(edition), {"paper": paper.pk}, follow=True).content.decode()
    assert "is an editor&#x27;s pick of this edition already" in again


def test_a_paper_that_is_not_here_is_fetched_on_request(curator: Client, settings: Any) -> None:
    settings.SOURCES = [arxiv_query.SOURCE]
    edition = make_edition(papers=[make_paper()])
    assert 'name="fetch" value="2603.00456"' in curator.get(address(edition, "2603.00456")).content.decode()
    answer = curator.post(address(edition), {"fetch": "2603.00456"}, follow=True).content.decode()
    assert "arXiv is asked for 2603.00456. Look for it here again in a minute or two." in answer
    submission = Submission.objects.get()
    assert (submission.arxiv_id, submission.state, submission.decided_by.username) == (
        "2603.00456",
        Submission.State.ACCEPTED,
        "curator",
    )
    assert (
        "There is no arXiv paper nonsense"
        in curator.post(address(edition), {"fetch": "nonsense"}, follow=True).content.decode()
    )


def test_what_cannot_be_added_says_why(curator: Client) -> None:
    edition = make_edition(papers=[make_paper()])
    gone = make_paper(title="A withdrawn study", withdrawn_at=NOON)
    answer = curator.post(address(edition), {"paper": gone.pk}, follow=True).content.decode()
    assert "The authors withdrew this paper. Choose another one." in answer
    assert "Nothing was found." in curator.get(address(edition, "xyzzyplugh")).content.decode()
    frozen = make_edition(papers=[make_paper()], state="frozen", cadence="weekly")
    assert curator.get(address(frozen)).status_code == 403


def test_who_may_only_look_cannot_add(client: Client) -> None:
    user = User.objects.create_user("observer", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_edition"))
    client.force_login(user)
    edition = make_edition(papers=[make_paper()])
    assert 'id="add-paper"' not in client.get(f"/admin/newsletter/edition/{edition.pk}/change/").content.decode()
    assert client.post(address(edition), {"paper": make_paper().pk}).status_code == 403
    assert edition.items.count() == 1
