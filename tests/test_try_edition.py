"""Trying an edition: the mail of anybody as it would be planned and composed, a test mail that changes nothing."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from newsletter import planning
from newsletter.editions import lifecycle
from newsletter.mail import compile_edition
from newsletter.models import Delivery, Edition, EditionItem, PaperLink, Picture
from newsletter.monitoring import digest_previews
from newsletter.search import update_index
from subscriptions.models import Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.inbox import Inbox
from tests.mail_lint import lint
from tests.services import free_port

pytestmark = pytest.mark.django_db
ME = "carla@example.com"


@pytest.fixture
def relay(settings: Settings, inbox: Inbox) -> Inbox:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", inbox.port
    return inbox


@pytest.fixture
def edition() -> Edition:
    papers = [assign(make_paper(title=f"A paper on vision {n}", score_daily=9.0 - n), "vision") for n in range(4)]
    return make_edition(papers=[*papers, assign(make_paper(title="A paper on robots"), "robotics")])


def person(group: str, *, email: str = ME) -> Client:
    user = User.objects.create_user(group.lower(), email=email, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


def page_of(edition: Edition, query: str = "") -> str:
    return f"/admin/newsletter/edition/{edition.pk}/preview/{query}"


def rows() -> list[Any]:
    """Everything of readers and of what they are owed."""
    return [list(model.objects.order_by("pk").values()) for model in (Subscriber, Delivery, Edition, EditionItem)]


def test_a_test_mail_is_the_readers_mail_with_a_mark_and_changes_nothing(edition: Edition, relay: Inbox) -> None:
    before, client = rows(), person("Editors")
    told = client.post(page_of(edition, "?topics=vision&papers=2"), {"send": ""}, follow=True).content.decode()
    assert f"Sent to {ME} (250" in told
    (letter,) = relay.letters
    assert letter.rcpt_to == ME
    assert str(letter.parsed["Subject"]) == "[Test] A paper on vision 0 + 1 more"
    assert lint(letter.raw.replace(b"Subject: [Test]\r\n ", b"Subject: "), hosts=("arxiv.org",)) == []
    text = letter.parsed.get_body(("plain",))
    assert text
    links = set(re.findall(r"https://papers\.example\.org(/[du]/[^\s#>]+)", text.get_content()))
    assert len(links) >= 4
    for link in links:
        for answer in (Client().get(link), Client().post(link, {"List-Unsubscribe": "One-Click", "word": "more"})):
            assert answer.status_code == 200, link
    assert rows() == before


def test_each_test_mail_has_an_id_of_its_own_and_a_person_gets_ten_an_hour(edition: Edition, relay: Inbox) -> None:
    client = person("Approvers")
    for _ in range(10):
        client.post(page_of(edition), {"send": ""})
    assert len({str(letter.parsed["Message-ID"]) for letter in relay.letters}) == 10
    told = client.post(page_of(edition), {"send": ""}, follow=True).content.decode()
    assert "ten test mails within an hour" in told
    assert len(relay.letters) == 10


def test_an_observer_looks_and_sends_nothing(edition: Edition, relay: Inbox) -> None:
    client = person("Observers")
    page = client.get(page_of(edition)).content.decode()
    assert "A paper on vision 0" in page
    assert 'name="send"' not in page
    assert client.post(page_of(edition), {"send": ""}).status_code == 403
    assert relay.letters == []


def test_who_cannot_get_a_test_mail_reads_why(edition: Edition, relay: Inbox, settings: Settings) -> None:
    without = person("Editors", email="")
    assert "has no mail address" in without.post(page_of(edition), {"send": ""}, follow=True).content.decode()
    settings.MAIL_DRY_RUN_TO = ["other@example.com"]
    barred = person("Approvers")
    assert "MAIL_DRY_RUN_TO" in barred.post(page_of(edition), {"send": ""}, follow=True).content.decode()
    settings.MAIL_DRY_RUN_TO = []
    settings.EMAIL_PORT = free_port()
    assert "The relay did not take it" in barred.post(page_of(edition), {"send": ""}, follow=True).content.decode()


def test_a_real_reader_is_shown_as_planned_and_without_their_address(edition: Edition) -> None:
    reader = make_reader("ada.secret@hidden.example", follows=("robotics",), max_papers=3, language="de")
    make_reader("bob.secret@hidden.example", cadence="weekly")
    client, before = person("Editors"), rows()
    page = client.get(page_of(edition, "?number=1")).content.decode()
    mail = client.get(page_of(edition, "mail/?number=1&show=text")).content.decode()
    assert "hidden.example" not in page + mail
    assert "A paper on robots" in mail
    assert "Tagesauswahl" in mail
    assert rows() == before
    edition = Edition.objects.get()
    Edition.objects.update(state=Edition.State.APPROVED)
    edition.refresh_from_db()
    lifecycle.freeze(edition, now=NOON)
    message = digest_previews.preview(edition, persona=1, now=NOON)
    planning.plan_due(now=NOON)
    picks = Delivery.objects.get(subscriber=reader).picks
    titles = dict(edition.items.values_list("pk", "paper__title"))
    body = str(message.get_body(("plain",)))
    assert [titles[pick[0]] in body for pick in picks] == [True] * len(picks)
    assert "1 and how many" in client.get(page_of(edition, "?number=2")).content.decode()


def test_a_followed_query_brings_its_paper_with_its_reason(edition: Edition) -> None:
    update_index.keep_up(now=NOON, deadline=timezone.now() + timedelta(minutes=1))
    before = rows()
    client = person("Editors")
    mail = client.get(page_of(edition, "mail/?follows=robots&papers=2&show=text")).content.decode()
    assert "1. A paper on robots" in mail
    assert "robots" in mail.split("A paper on robots", 1)[1][:400]
    assert rows() == before
    assert "Follows an author or query" in client.get(page_of(edition, "?follows=topic:nonsense")).content.decode()


def test_the_edition_is_compiled_once_for_all_frames_and_anew_when_it_changes(
    edition: Edition, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    real = compile_edition.compile_in

    def counted(*args: Any, **options: Any) -> Any:
        compiled.append(options["language"])
        return real(*args, **options)

    monkeypatch.setattr(compile_edition, "compile_in", counted)
    client = person("Editors")
    client.get(page_of(edition, "?topics=vision"))
    for show in ("light", "dark", "text"):
        client.get(page_of(edition, f"mail/?topics=robotics&show={show}"))
    assert compiled == ["en"]
    client.get(page_of(edition, "mail/?language=de"))
    Edition.objects.update(editor_note="Something new.")
    assert "Something new." in client.get(page_of(edition, "mail/?show=text")).content.decode()
    assert compiled == ["en", "de", "en"]
    cache.clear()


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("papers=99", "less than or equal to 50"),
        ("topics=unheard", "not one of the available"),
        ("number=7", "between"),
    ],
)
def test_wishes_that_make_no_sense_are_answered_by_a_sentence(edition: Edition, query: str, sentence: str) -> None:
    make_reader()
    client = person("Editors")
    assert sentence in client.get(page_of(edition, f"?{query}")).content.decode()
    assert client.get(page_of(edition, f"mail/?{query}")).status_code == 422


def test_links_and_pictures_are_asked_for_anew_and_own_links_at_once(edition: Edition, settings: Settings) -> None:
    settings.CHECK_LINKS = True
    paper = edition.items.all()[0].paper
    gone = {"is_gone": True, "checked_at": NOON, "seen_at": NOON, "source": "x", "kind": "code"}
    link = PaperLink.objects.create(paper=paper, url="https://github.com/a/b", **gone)
    other = PaperLink.objects.create(paper=make_paper(), url="https://github.com/a/c", **gone)
    paper.thumbnail_url = "https://example.org/a.png"
    paper.save(update_fields=["thumbnail_url"])
    Picture.objects.create(url=paper.thumbnail_url, at=NOON)
    Edition.objects.update(editor_note="See [this](https://dead.invalid/page) and http://plain.invalid/.")
    client = person("Editors")
    told = client.post(page_of(edition), {"links": ""}, follow=True).content.decode()
    assert "2 links and pictures are asked for" in told
    assert "A link of yours does not answer: https://dead.invalid/page (" in told
    assert "plain.invalid" not in told
    assert not Picture.objects.exists()
    assert link in PaperLink.objects.due(timezone.now() + timedelta(seconds=1))
    other.refresh_from_db()
    assert other.check_after is None
    settings.CHECK_LINKS = False
    assert "switched off" in client.post(page_of(edition), {"links": ""}, follow=True).content.decode()
