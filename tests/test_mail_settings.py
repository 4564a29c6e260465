"""Relay and sender names in the desk: tried by real mails, in force without a restart, taken back by one click."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from newsletter import planning, tasks
from newsletter.delivery import trial_mail
from newsletter.delivery.choose_transport import digest_relays
from newsletter.management import site_archive
from newsletter.models import Delivery, Edition
from subscriptions import lifecycle, mail_settings, transactional_mails
from subscriptions.models import MailSettings, Notice, Subscriber
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.inbox import Inbox
from tests.services import free_port

pytestmark = pytest.mark.django_db
PAGE = "/admin/subscriptions/mailsettings/"
ME = "operator@example.com"


@pytest.fixture
def environment(settings: Settings, inbox: Inbox) -> Inbox:
    """The relay that the environment names."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", inbox.port
    settings.DIGEST_FROM_EMAIL = "Paperboy <digest@papers.example>"
    return inbox


@pytest.fixture
def other() -> Iterator[Inbox]:
    """Another relay, which an operator types in the desk."""
    inbox = Inbox()
    inbox.start()
    yield inbox
    inbox.stop()


def person(client: Client, group: str) -> Client:
    user = User.objects.create_user(group.lower(), is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client.force_login(user)
    return client


@pytest.fixture
def operator(client: Client) -> Client:
    return person(client, "Operators")


def typed(relay_port: int | str, **over: str) -> dict[str, str]:
    form = {"try": "1", "host": "127.0.0.1", "port": str(relay_port), "scheme": "smtp", "test_address": ME}
    return form | {"digest_name": "The Daily Wave, e. V.", "notice_name": "Die Welle für alle"} | over


def in_force(**over: Any) -> MailSettings:
    now = timezone.now()
    return MailSettings.objects.create(**{"by": "olga", "made_at": now, "tried_at": now, "in_force_at": now} | over)


def send_a_digest() -> None:
    make_edition(papers=[assign(make_paper(), "vision")], state=Edition.State.FROZEN)
    make_reader("ada@example.net", follows=("vision",))
    planning.plan_due(now=NOON)
    now = timezone.now()
    assert Delivery.objects.update(due_at=now, not_before=now, expires_at=now + timedelta(hours=1)) == 1
    tasks.deliver_due(deadline=timezone.now() + timedelta(minutes=1))


def send_a_notice() -> None:
    bob = Subscriber.objects.filter(email="bob@example.net").first() or make_reader("bob@example.net")
    lifecycle.owe_notice(bob, kind=Notice.Kind.MANAGE, now=timezone.now(), context={})
    assert transactional_mails.send_due_notices(now=timezone.now()) == 1


def test_settings_are_tried_put_in_force_and_taken_back(
    operator: Client, environment: Inbox, other: Inbox, any_digest: Callable[[], None]
) -> None:
    page = operator.post(PAGE, typed(other.port)).content.decode()
    assert page.count("accepted (250") == 2
    assert [letter.rcpt_to for letter in other.letters] == [ME, ME]
    assert '"The Daily Wave, e. V." <digest@papers.example>' in str(other.letters[0].parsed["From"])
    assert mail_settings.in_force() is None, "a test alone changes nothing"

    told = operator.post(PAGE, {"use": MailSettings.objects.get().pk}, follow=True).content.decode()
    assert "In force." in told
    any_digest()
    send_a_notice()
    assert str(other.wait_for(1, address="ada@example.net")[0].parsed["From"]).startswith('"The Daily Wave, e. V."')
    assert str(other.wait_for(1, address="bob@example.net")[0].parsed["From"]).startswith("Die Welle für alle")
    assert environment.letters == []

    told = operator.post(PAGE, {"back": "1"}, follow=True).content.decode()
    assert "What was before is in force again" in told
    Notice.objects.all().delete()
    send_a_notice()
    assert len(environment.to("bob@example.net")) == 1


@pytest.fixture(params=["smtp", "backend"])
def any_digest(request: pytest.FixtureRequest, settings: Settings) -> Callable[[], None]:
    settings.DIGEST_TRANSPORT = request.param
    return send_a_digest


def test_a_relay_that_takes_no_mail_changes_nothing(operator: Client, environment: Inbox) -> None:
    page = operator.post(PAGE, typed(free_port())).content.decode()
    assert page.count("not accepted at connect") == 2
    assert "Nothing was changed" in page
    assert not MailSettings.objects.exists()


def test_what_was_never_tried_cannot_come_into_force(operator: Client) -> None:
    now = timezone.now()
    with pytest.raises(IntegrityError), transaction.atomic():
        MailSettings.objects.create(by="x", made_at=now, in_force_at=now)
    untried = MailSettings.objects.create(by="x", made_at=now)
    for pk in (untried.pk, 77, "x"):
        assert "Nothing was changed" in operator.post(PAGE, {"use": pk}, follow=True).content.decode()
    assert mail_settings.in_force() is None


def test_going_back_goes_back_one_version_at_a_time_and_never_forward(operator: Client) -> None:
    first, second = in_force(digest_name="One"), in_force(digest_name="Two")
    assert mail_settings.in_force() == second
    operator.post(PAGE, {"back": "1"})
    assert mail_settings.in_force() == first
    operator.post(PAGE, {"use": second.pk})
    operator.post(PAGE, {"back": "1"})
    assert mail_settings.in_force() is None
    assert "Nothing is set here" in operator.post(PAGE, {"back": "1"}, follow=True).content.decode()


@pytest.mark.parametrize(
    ("over", "sentence"),
    [
        ({"host": "smtp://mail.example.org"}, "No server can be called so"),
        ({"host": "a b"}, "No server can be called so"),
        ({"host": ""}, "Name the server too"),
        ({"port": "70000"}, "less than or equal to 65535"),
        ({"scheme": "gopher"}, "Select a valid choice"),
        ({"username": "me"}, "type both, or neither"),
        ({"host": "mail.example.org", "username": "me", "password": "secret"}, "would travel unencrypted"),
        ({"digest_name": "Paperboy <evil@example.org>"}, "Enter a valid value"),
        ({"digest_name": "Paper\r\nBcc: everybody@example.org"}, "Enter a valid value"),
        ({"notice_name": 'the "best"'}, "Enter a valid value"),
        ({"test_address": "nobody"}, "This is no mail address"),
    ],
)
def test_what_is_typed_is_checked_as_the_environment_is(operator: Client, over: dict[str, str], sentence: str) -> None:
    page = operator.post(PAGE, typed(2525, **over)).content.decode()
    assert sentence in page
    assert not MailSettings.objects.exists()


def test_a_password_is_stored_encrypted_shown_to_nobody_and_kept_for_its_own_server(
    operator: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []

    def routes(chosen: MailSettings | None) -> list[Any]:
        if chosen is not None:
            tried.append(mail_settings.relay_url(chosen))
        return []

    monkeypatch.setattr(trial_mail, "routes", routes)
    account = {"host": "MX.example.org", "scheme": "smtp+tls", "username": "me@x", "password": "p#w/1 ß"}
    operator.post(PAGE, typed("", **account))
    row = MailSettings.objects.get()
    assert tried[0] == "smtp+tls://me%40x:p%23w%2F1%20%C3%9F@mx.example.org:587"
    assert mail_settings.put_in_force(row)
    relay, _weight = digest_relays(mail_settings.in_force())[0]
    assert (relay.username, relay.password, relay.port) == ("me@x", "p#w/1 ß", 587)
    assert mail_settings.backend_options(row)["password"] == "p#w/1 ß"
    page = operator.get(PAGE).content.decode()
    assert "p#w" not in page + row.relay
    assert ">set<" in page

    kept = account | {"password": ""}
    operator.post(PAGE, typed(587, **kept))
    assert "p%23w" in tried[-1]
    for elsewhere in ({"host": "evil.example.org"}, {"port": "588"}, {"username": "you"}):
        assert "type both, or neither" in operator.post(PAGE, typed(587, **kept | elsewhere)).content.decode()

    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another-key-" * 5
    assert mail_settings.relay_url(row)
    settings.SECRET_KEY_FALLBACKS = []
    operator.force_login(User.objects.get())
    assert "SECRET_KEY is another" in operator.get(PAGE).content.decode()
    assert digest_relays(row) == digest_relays(None), "the relay of the environment carries on"


def test_a_run_under_way_notices_another_relay_and_goes_on_by_it(
    environment: Inbox, other: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_settings, "LOOK_EVERY", 0.0)
    opened: list[Any] = []
    open_transport = tasks.open_transport

    def changed_after_opening() -> Any:
        transport = open_transport()
        if not opened:
            in_force(relay=mail_settings.seal(f"smtp://127.0.0.1:{other.port}"))
        opened.append(transport)
        return transport

    monkeypatch.setattr(tasks, "open_transport", changed_after_opening)
    send_a_digest()
    assert len(opened) == 2
    assert len(other.to("ada@example.net")) == 1
    assert environment.letters == []


def test_curators_and_strangers_see_nothing_of_it(client: Client) -> None:
    assert client.get(PAGE).status_code == 302
    curator = person(client, "Curators")
    assert (curator.get(PAGE).status_code, curator.post(PAGE, {"back": "1"}).status_code) == (403, 403)
    assert "mailsettings" not in curator.get("/admin/").content.decode()


def test_no_archive_takes_it_along() -> None:
    assert MailSettings not in site_archive.kept_models()
