"""Links that stand for a person: three scopes, none of which opens the door of another."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from pytest_django import Settings

from subscriptions import token_links
from subscriptions.models import ConsentEvent, Subscriber
from tests.builders import NOON, make_reader

pytestmark = pytest.mark.django_db

LATER = timedelta(minutes=1)


def make_request(reader: Subscriber) -> ConsentEvent:
    return reader.consent_events.create(kind=ConsentEvent.Kind.REQUESTED, at=NOON, method="page")


def test_a_confirm_token_stands_for_its_request_for_72_hours() -> None:
    token = token_links.confirm_token(42, now=NOON)
    assert token_links.read_confirm_token(token, now=NOON + timedelta(hours=72)) == 42
    assert token_links.read_confirm_token(token, now=NOON + timedelta(hours=72, seconds=1)) is None


def test_a_manage_token_stands_for_its_reader_for_24_hours() -> None:
    reader = make_reader()
    token = token_links.manage_token(reader, now=NOON)
    link = token_links.read_manage_token(token, now=NOON + timedelta(hours=24))
    assert link is not None
    assert link.subscriber_id == reader.pk
    assert link.fits(reader)
    assert token_links.read_manage_token(token, now=NOON + timedelta(hours=24, seconds=1)) is None


def test_a_manage_token_dies_with_the_address_it_was_mailed_to() -> None:
    reader = make_reader()
    link = token_links.read_manage_token(token_links.manage_token(reader, now=NOON), now=NOON)
    reader.address_hash = token_links.address_hash("somebody.else@example.net")
    assert link is not None
    assert not link.fits(reader)


def test_no_scope_opens_another() -> None:
    reader = make_reader()
    confirm, manage = token_links.confirm_token(reader.pk, now=NOON), token_links.manage_token(reader, now=NOON)
    assert token_links.read_manage_token(confirm, now=NOON) is None
    assert token_links.read_confirm_token(manage, now=NOON) is None
    for token in (reader.unsubscribe_token, token_links.row_token("view", reader.pk)):
        assert token_links.read_manage_token(token, now=NOON) is None
        assert token_links.read_confirm_token(token, now=NOON) is None
    for token in (confirm, manage):
        assert not Subscriber.objects.filter(unsubscribe_hash=token_links.unsubscribe_hash(token)).exists()


def test_links_mailed_by_an_earlier_release_still_work(settings: Settings) -> None:
    settings.SECRET_KEY, mailed = "the key of an earlier release", datetime(2026, 11, 30, 12, tzinfo=UTC)
    confirm = "42.6b0d6540~ME1nX8LEYBpxuNnWZ4OUccA74z9ssBHRlSfUsI3h8lI"
    move = "42.6b0d6540~YdQS5kFrsoIVn7mpE-UCOh5gSskGyRXskkvx-oYugxk"
    assert token_links.read_confirm_token(confirm, now=mailed) == 42
    assert token_links.read_move_token(move, now=mailed) == 42
    assert token_links.row_of_token("delivery", "AAAAAAAAACoAApTyUGxoM6Ni") == 42


def test_changing_any_character_of_a_token_voids_it() -> None:
    for token, read in (
        (token_links.confirm_token(7, now=NOON), token_links.read_confirm_token),
        (token_links.manage_token(make_reader(), now=NOON), token_links.read_manage_token),
    ):
        for at, char in enumerate(token):
            other = "A" if char != "A" else "B"
            assert read(token[:at] + other + token[at + 1 :], now=NOON) is None


@pytest.mark.parametrize("junk", ["", "~", "a~b", "1.~", "1.zz~", "é~é", "\x00", "." * 200, "1.0~" + "A" * 43])
def test_junk_is_no_token(junk: str) -> None:
    assert token_links.read_confirm_token(junk, now=NOON) is None
    assert token_links.read_manage_token(junk, now=NOON) is None


def test_tokens_of_an_older_secret_key_count_while_it_is_a_fallback(settings: Settings) -> None:
    reader = make_reader()
    confirm, manage = token_links.confirm_token(7, now=NOON), token_links.manage_token(reader, now=NOON)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "a new key"
    assert token_links.read_confirm_token(confirm, now=NOON) == 7
    assert token_links.read_manage_token(manage, now=NOON) is not None
    settings.SECRET_KEY_FALLBACKS = []
    assert token_links.read_confirm_token(confirm, now=NOON) is None
    assert token_links.read_manage_token(manage, now=NOON) is None


def test_unsubscribe_tokens_are_random_and_their_links_short(settings: Settings) -> None:
    tokens = sorted(token_links.new_unsubscribe_token()[0] for _ in range(1000))
    assert all(one != other for one, other in pairwise(tokens))
    assert all(len(token) == 24 for token in tokens)
    settings.SITE_URL = "https://papers.example.org"
    assert len(token_links.unsubscribe_url(tokens[0])) <= 60


def test_addresses_in_links_come_from_the_settings(settings: Settings) -> None:
    settings.SITE_URL = "https://elsewhere.example"
    reader = make_reader()
    urls = [
        token_links.confirm_url(1, now=NOON),
        token_links.manage_url(reader, now=NOON),
        token_links.unsubscribe_url(reader.unsubscribe_token),
        token_links.privacy_url(),
    ]
    assert all(url.startswith("https://elsewhere.example/") for url in urls)


def test_rotating_the_secret_key_leaves_address_hashes_alone(settings: Settings) -> None:
    before = token_links.address_hash("alice@example.net")
    settings.SECRET_KEY = "a new key"
    assert token_links.address_hash("alice@example.net") == before
    assert "alice" not in before
