"""Curators get a mail when a draft waits and one before its cut-off: each once, whatever crashes or runs twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse

from newsletter.editions import curator_mails
from newsletter.models import CuratorMail, Edition, StaffPreferences, Stream
from tests.builders import NOON, make_edition, make_paper, make_reader
from tests.inbox import Inbox
from tests.services import free_port

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
CUTOFF = NOON + 6 * HOUR
EVER = NOON + timedelta(days=3650)


@pytest.fixture(autouse=True)
def house(settings: Any, inbox: Inbox) -> None:
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", inbox.port
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    make_reader()


@pytest.fixture
def curator() -> User:
    Group.objects.get_or_create(name="Curators")
    return make_curator("carol")


def make_curator(name: str, **over: Any) -> User:
    fields = {"email": f"{name}@example.org", "is_staff": True} | over
    curator = User.objects.create_user(username=name, **fields)
    curator.groups.add(Group.objects.get(name="Curators"))
    return curator


@pytest.fixture
def draft() -> Edition:
    return make_edition(papers=[make_paper(), make_paper()], cutoff_at=CUTOFF)


def go(now: Any) -> None:
    """The step of the tick and the sending, both twice."""
    for _ in range(2):
        curator_mails.owe_due(now=now)
        curator_mails.send_due(now=now, deadline=EVER)


def test_a_draft_that_waits_is_told_once_and_once_more_before_its_cut_off(
    curator: User, draft: Edition, inbox: Inbox
) -> None:
    for minutes in range(0, 6 * 60, 30):
        go(NOON + timedelta(minutes=minutes))
    first, second = (letter.parsed for letter in inbox.letters)
    assert {letter.rcpt_to for letter in inbox.letters} == {"carol@example.org"}
    assert first["Subject"] == "daily 2026-03-18 waits for your approval"
    assert second["Subject"] == "Last call: daily 2026-03-18 closes at 2026-03-18 18:00 UTC"
    assert "a draft with 2 papers. 1 readers" not in first.get_content()
    assert (
        f"https://papers.example.org{reverse('admin:newsletter_edition_change', args=[draft.pk])}"
        in first.get_content()
    )
    assert first["Message-ID"] != second["Message-ID"]


def test_a_curator_is_written_to_in_the_language_of_their_desk(curator: User, draft: Edition, inbox: Inbox) -> None:
    StaffPreferences.objects.create(user=curator, language="de")
    go(NOON)
    (mail,) = (letter.parsed for letter in inbox.letters)
    assert mail["Subject"] == "täglich 2026-03-18 wartet auf Ihre Freigabe"
    assert "ein Entwurf mit 2 Arbeiten. 1 Leser bekommt sie nur" in " ".join(mail.get_content().split())


def test_who_cannot_approve_or_has_no_address_gets_none(curator: User, draft: Edition, inbox: Inbox) -> None:
    make_curator("dave", email="")
    make_curator("erin", is_active=False)
    make_curator("frank", is_staff=False)
    User.objects.create_user("grace", "grace@example.org", is_staff=True)
    go(NOON)
    assert [letter.rcpt_to for letter in inbox.letters] == ["carol@example.org"]


@pytest.mark.parametrize("why", ["setting", "auto", "approved", "no papers", "no readers", "past"])
def test_nothing_is_told_of_what_waits_for_nobody(
    why: str, curator: User, draft: Edition, inbox: Inbox, settings: Any
) -> None:
    if why == "setting":
        settings.CURATOR_MAILS = False
    elif why == "auto":
        settings.EDITION_AUTO_APPROVE = True
    elif why == "approved":
        Edition.objects.update(state="approved")
    elif why == "no papers":
        draft.items.all().delete()
    elif why == "no readers":
        Edition.objects.update(cadence="weekly")
    go(CUTOFF + HOUR if why == "past" else NOON)
    assert inbox.letters == []


def test_what_was_approved_meanwhile_is_not_told(curator: User, draft: Edition, inbox: Inbox) -> None:
    curator_mails.owe_due(now=NOON)
    Edition.objects.update(state="approved")
    curator_mails.send_due(now=NOON, deadline=EVER)
    assert inbox.letters == []
    assert CuratorMail.objects.get().state == "skipped"


def test_a_sender_that_died_leaves_a_mail_in_doubt_and_it_is_not_sent_again(
    curator: User, draft: Edition, inbox: Inbox
) -> None:
    curator_mails.owe_due(now=NOON)
    CuratorMail.objects.update(state="sending", lease_until=NOON + timedelta(minutes=5), attempts=1)
    go(NOON + timedelta(minutes=6))
    assert inbox.letters == []
    assert CuratorMail.objects.get().state == "unknown"


def test_a_relay_that_is_away_only_puts_it_off(curator: User, draft: Edition, inbox: Inbox, settings: Any) -> None:
    settings.EMAIL_PORT = free_port()
    curator_mails.owe_due(now=NOON)
    curator_mails.send_due(now=NOON, deadline=EVER)
    mail = CuratorMail.objects.get()
    assert (mail.state, mail.attempts) == ("queued", 1)
    assert mail.not_before > NOON
    settings.EMAIL_PORT = inbox.port
    curator_mails.send_due(now=mail.not_before, deadline=EVER)
    assert len(inbox.letters) == 1


def test_the_switch_of_confirmations_and_a_rehearsal_hold_for_curators_too(
    curator: User, draft: Edition, inbox: Inbox, settings: Any
) -> None:
    Stream.objects.update_or_create(name="confirm", defaults={"paused_at": NOON})
    go(NOON)
    assert CuratorMail.objects.get().state == "queued"
    Stream.objects.update(paused_at=None)
    settings.MAIL_DRY_RUN_TO = ["somebody@example.org"]
    go(NOON)
    assert inbox.letters == []
