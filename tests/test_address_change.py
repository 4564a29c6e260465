"""Another address: confirmed by the new one, told to the old one; and fewer mails instead of none."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.utils import timezone

from subscriptions import gdpr, lifecycle, token_links
from subscriptions.models import ConsentEvent, Notice, Subscriber, Suppression
from subscriptions.transactional_mails import send_due_notices
from tests.builders import NOON, make_reader

pytestmark = pytest.mark.django_db

NEW = "alice.new@example.org"


def preferences_of(reader: Subscriber) -> str:
    return f"/preferences/{token_links.manage_token(reader, now=timezone.now())}/"


def ask(client: Client, reader: Subscriber, to: str = NEW) -> Any:
    return client.post(preferences_of(reader), {"action": "move", "new_email": to})


def link_mailed_to(address: str) -> str:
    send_due_notices(now=timezone.now())
    (message,) = [one for one in mail.outbox if one.to == [address]]
    found = re.search(r"https://papers\.example\.org(/move/\S+)", message.body)
    assert found is not None
    return found[1]


def test_the_reader_moves_with_wishes_and_history_and_the_old_address_is_told(client: Client) -> None:
    reader = make_reader("alice@example.net", follows=("vision",), cadence="weekly")
    ask(client, reader)
    path = link_mailed_to(NEW)
    reader.refresh_from_db()
    assert reader.email == "alice@example.net"  # nothing before the press
    assert client.get(path).status_code == 200
    assert "Your address has been changed" in client.post(path).content.decode()
    reader.refresh_from_db()
    assert (reader.email, reader.address_key, reader.domain) == (NEW, NEW, "example.org")
    assert reader.address_hash == token_links.address_hash(NEW)
    assert (reader.cadence, reader.preferences.count(), reader.state) == ("weekly", 1, "confirmed")
    mail.outbox.clear()
    send_due_notices(now=timezone.now())
    (told,) = mail.outbox
    assert told.to == ["alice@example.net"]
    assert told.subject == "Your address at Paperboy was changed"
    assert NEW not in told.message().as_string() + told.body


def test_looking_at_the_link_moves_nobody(client: Client) -> None:
    reader = make_reader()
    ask(client, reader)
    path = link_mailed_to(NEW)
    before = Subscriber.objects.values().get()
    for _ in range(50):
        client.get(path)
        client.head(path)
        client.options(path)
    assert Subscriber.objects.values().get() == before


def test_a_second_press_moves_once(client: Client) -> None:
    ask(client, make_reader())
    path = link_mailed_to(NEW)
    assert client.post(path).status_code == client.post(path).status_code == 200
    assert ConsentEvent.objects.filter(kind="changed").count() == 1
    assert Notice.objects.filter(kind="moved").count() == 1


def test_preferences_links_mailed_to_the_old_address_are_dead_afterwards(client: Client) -> None:
    reader = make_reader()
    old = preferences_of(reader)
    ask(client, reader)
    client.post(link_mailed_to(NEW))
    assert client.get(old).status_code == 410


def test_unsubscribe_links_in_old_mails_still_work_after_a_move(client: Client) -> None:
    reader = make_reader()
    ask(client, reader)
    client.post(link_mailed_to(NEW))
    client.post(f"/u/{reader.unsubscribe_token}", {"List-Unsubscribe": "One-Click"})
    reader.refresh_from_db()
    assert reader.state == "unsubscribed"


def test_an_address_of_another_reader_cannot_be_taken_nor_found_out(client: Client) -> None:
    reader, other = make_reader("alice@example.net"), make_reader("bob@example.net")
    fresh, taken = ask(client, reader, NEW), ask(client, reader, "bob@example.net")
    assert fresh["Location"].partition("?")[2] == taken["Location"].partition("?")[2]
    send_due_notices(now=timezone.now())
    assert [one.subject for one in mail.outbox if one.to == [other.email]] == ["You are already subscribed to Paperboy"]


def test_an_address_that_became_another_readers_meanwhile_is_not_taken(client: Client) -> None:
    reader = make_reader("alice@example.net")
    ask(client, reader)
    path = link_mailed_to(NEW)
    make_reader(NEW)
    assert client.post(path).status_code == 410
    reader.refresh_from_db()
    assert reader.email == "alice@example.net"


def test_a_former_row_of_the_new_address_gives_way(client: Client) -> None:
    former = make_reader(NEW, state="unsubscribed", next_due_at=None, left_at=NOON)
    reader = make_reader("alice@example.net")
    ask(client, reader)
    client.post(link_mailed_to(NEW))
    former.refresh_from_db()
    assert former.state == "erased"
    assert list(Subscriber.objects.mailable()) == [reader]


def test_who_left_or_moved_elsewhere_is_not_moved_by_an_old_link(client: Client) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        reader = make_reader("alice@example.net")
        ask(client, reader)
        first = link_mailed_to(NEW)
        clock.shift(timedelta(hours=2))
        ask(client, reader, "third@example.com")
        client.post(link_mailed_to("third@example.com"))
        assert client.post(first).status_code == 410
        reader.refresh_from_db()
        assert reader.email == "third@example.com"
        lifecycle.unsubscribe(reader, now=timezone.now(), method="test", origin=lifecycle.Origin())
        clock.shift(timedelta(hours=80))
        assert client.post(first).status_code == 410


def test_an_address_that_complained_is_not_written_to(client: Client) -> None:
    Suppression.objects.create(
        address_hash=token_links.address_hash(NEW), reason="complaint", first_at=NOON, last_at=NOON, source="arf"
    )
    ask(client, make_reader())
    send_due_notices(now=timezone.now())
    assert not mail.outbox


def test_asking_is_limited_like_a_signup(client: Client) -> None:
    reader = make_reader()
    for _ in range(3):
        ask(client, reader)
    assert Notice.objects.count() == 1


@pytest.mark.parametrize("bad", ["", "nobody", "a@localhost"])
def test_a_bad_address_is_refused_with_a_reason(client: Client, bad: str) -> None:
    answer = ask(client, make_reader(), bad)
    assert answer.status_code == 200
    assert "Nothing was saved" in answer.content.decode()
    assert not Notice.objects.exists()


def test_a_move_link_opens_nothing_else_and_nothing_else_opens_a_move(client: Client) -> None:
    reader = make_reader()
    notice = lifecycle.owe_notice(reader, kind=Notice.Kind.MANAGE, now=NOON, context={})
    now = timezone.now()
    assert client.post(f"/move/{token_links.confirm_token(notice.pk, now=now)}/").status_code == 410
    assert client.post(f"/move/{token_links.move_token(notice.pk, now=now)}/").status_code == 410  # not a move
    assert client.get(f"/preferences/{token_links.move_token(reader.pk, now=now)}/").status_code == 410


def test_erasure_forgets_the_new_address_too(client: Client) -> None:
    reader = make_reader()
    ask(client, reader)
    gdpr.erase(reader, now=timezone.now(), method="test")
    assert not Notice.objects.exists()


@pytest.mark.parametrize(
    ("action", "column", "value"),
    [("weekly", "cadence", "weekly"), ("fewer", "max_papers", 5), ("rest", "state", "paused")],
)
def test_fewer_mails_instead(client: Client, action: str, column: str, value: object) -> None:
    reader = make_reader()
    page = client.get(f"/u/{reader.unsubscribe_token}").content.decode()
    assert page.index('value="leave"') < page.index(f'value="{action}"')  # leaving comes first
    answer = client.post(f"/u/{reader.unsubscribe_token}", {"action": action})
    assert 'value="leave"' in answer.content.decode()
    reader.refresh_from_db()
    assert getattr(reader, column) == value
    assert reader.consent_events.get().method == "fewer instead"


def test_fewer_never_means_more(client: Client) -> None:
    reader = make_reader(max_papers=3)
    client.post(f"/u/{reader.unsubscribe_token}", {"action": "fewer"})
    monthly = make_reader(cadence="monthly")
    client.post(f"/u/{monthly.unsubscribe_token}", {"action": "weekly"})
    long_off = make_reader(state="paused", next_due_at=None, paused_until=timezone.now() + timedelta(days=200))
    client.post(f"/u/{long_off.unsubscribe_token}", {"action": "rest"})
    until = long_off.paused_until
    for one in (reader, monthly, long_off):
        one.refresh_from_db()
    assert (reader.max_papers, monthly.cadence, long_off.paused_until) == (3, "monthly", until)


def test_fewer_mails_for_a_token_nobody_has_answers_the_same(client: Client) -> None:
    unknown, _hash = token_links.new_unsubscribe_token()
    reader = make_reader()
    for action in ("weekly", "fewer", "rest"):
        known, other = (client.post(f"/u/{token}", {"action": action}) for token in (reader.unsubscribe_token, unknown))
        assert (known.status_code, known.content) == (other.status_code, other.content)


def test_another_spelling_of_ones_own_address_is_a_move_and_the_same_one_is_an_error(client: Client) -> None:
    reader = make_reader("j08@example.org")
    page = client.post(preferences_of(reader), {"action": "move", "new_email": "j08@example.org"}).content.decode()
    assert "Your digests go to this address already." in page
    ask(client, reader, to="J08@Example.org")
    client.post(link_mailed_to("J08@example.org"))
    reader.refresh_from_db()
    assert (reader.email, reader.address_key, reader.state) == ("J08@example.org", "j08@example.org", "confirmed")
