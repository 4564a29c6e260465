"""An editor's words on the desk: stored by language, previewed before they are, and never overwritten unseen."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from newsletter.models import Edition
from tests.builders import make_edition, make_paper, make_reader
from tests.edition_form import form_of, url_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def curator(client: Client) -> Client:
    user = User.objects.create_user("carla", is_staff=True)
    user.groups.add(Group.objects.get(name="Curators"))
    client.force_login(user)
    return client


@pytest.fixture
def edition() -> Edition:
    make_reader(language="de")
    return make_edition(papers=[make_paper(title="A calm paper")], editor_note="Hello.")


def test_words_are_stored_in_the_sites_language_and_in_others(curator: Client, edition: Edition) -> None:
    data = form_of(curator, edition)
    changes = {"headline": "Small memories", "subject": "Today: {paper}", "preheader": "And more", "signature": "Carla"}
    changes |= {"editor_note": "Read *this*.", "editor_note__de": "Lest *dies*.", "headline__de": "Kleine Speicher"}

    assert curator.post(url_of(edition), data | changes).status_code == 302

    edition.refresh_from_db()
    for name, text in changes.items():
        if "__" not in name:
            assert getattr(edition, name) == text
    assert edition.translations == {"de": {"headline": "Kleine Speicher", "editor_note": "Lest *dies*."}}
    again = form_of(curator, edition)
    assert curator.post(url_of(edition), again | {"editor_note__de": "", "headline__de": ""}).status_code == 302
    edition.refresh_from_db()
    assert edition.translations == {}


def test_a_plain_note_of_an_older_draft_becomes_markdown_when_it_is_changed(curator: Client, edition: Edition) -> None:
    Edition.objects.update(note_is_markdown=False)
    data = form_of(curator, edition)

    curator.post(url_of(edition), data | {"headline": "Only this"})
    assert not Edition.objects.get().note_is_markdown
    curator.post(url_of(edition), data | {"editor_note": "*Hello*."})
    assert Edition.objects.get().note_is_markdown


def test_the_words_of_a_second_editor_are_not_overwritten_unseen(curator: Client, edition: Edition) -> None:
    data = form_of(curator, edition)
    Edition.objects.update(editor_note="Theirs.", headline="Their headline")

    answer = curator.post(url_of(edition), data | {"editor_note": "Mine.", "signature": "Carla"})

    (told,) = answer.context["errors"][0]
    assert "Somebody else has changed this meanwhile, to: “Theirs.”" in told
    assert Edition.objects.get().editor_note == "Theirs."
    seen = answer.context["adminform"].form.data
    assert curator.post(url_of(edition), seen).status_code == 302
    stored = Edition.objects.get()
    assert (stored.editor_note, stored.headline, stored.signature) == ("Mine.", "Their headline", "Carla")


@pytest.mark.parametrize(
    ("show", "shown"),
    [
        ("mail", '<a class="also-link" href="https://example.org/x" style="color: #191917;">this</a>'),
        ("text", "Read this &lt;https://example.org/x&gt;."),
        ("site", '<link rel="stylesheet" href="http://testserver/static/newsletter/site.css">'),
        ("feed", '<a href="https://example.org/x" rel="noreferrer">this</a>'),
    ],
)
def test_what_is_typed_is_previewed_and_not_stored(curator: Client, edition: Edition, show: str, shown: str) -> None:
    typed = {"headline": "New", "subject": "S: {paper}", "editor_note": "Read [this](https://example.org/x)."}
    answer = curator.post(f"/admin/newsletter/edition/{edition.pk}/words/", typed | {"show": show})

    page = answer.content.decode()
    assert shown in page
    assert "New · 18 March 2026" in page
    assert ("S: A calm paper" in page) == (show == "mail")
    assert "sandbox" in answer["Content-Security-Policy"]
    assert Edition.objects.get().editor_note == "Hello."


def test_a_preview_is_in_the_language_asked_for(curator: Client, edition: Edition) -> None:
    typed = {"editor_note": "Hello.", "editor_note__de": "Guten Tag.", "show": "text", "in": "de"}
    page = curator.post(f"/admin/newsletter/edition/{edition.pk}/words/", typed).content.decode()

    assert "Guten Tag." in page
    assert "18. März 2026" in page


def test_who_may_not_see_editions_previews_nothing(client: Client, edition: Edition) -> None:
    url = f"/admin/newsletter/edition/{edition.pk}/words/"
    assert client.post(url, {}).status_code == 302
    client.force_login(User.objects.create_user("eve", is_staff=True))
    assert client.post(url, {}).status_code == 403


def test_a_preview_is_asked_for_by_post(curator: Client, edition: Edition) -> None:
    assert curator.get(f"/admin/newsletter/edition/{edition.pk}/words/").status_code == 405
