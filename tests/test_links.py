"""Links that stand for a person: three scopes, none of which opens the door of another."""

from datetime import timedelta
from itertools import pairwise

import pytest
from pytest_django import Settings

from subscriptions import links
from subscriptions.models import ConsentEvent, Subscriber
from tests.builders import NOON, make_reader

pytestmark = pytest.mark.django_db

LATER = timedelta(minutes=1)


def make_request(reader: Subscriber) -> ConsentEvent:
    return reader.consent_events.create(kind=ConsentEvent.Kind.REQUESTED, at=NOON, method="page")


def test_a_confirm_token_stands_for_its_request_for_72_hours() -> None:
    token = links.confirm_token(42, now=NOON)
    assert links.read_confirm_token(token, now=NOON + timedelta(hours=72)) == 42
    assert links.read_confirm_token(token, now=NOON + timedelta(hours=72, seconds=1)) is None


def test_a_manage_token_stands_for_its_reader_for_24_hours() -> None:
    reader = make_reader()
    token = links.manage_token(reader, now=NOON)
    link = links.read_manage_token(token, now=NOON + timedelta(hours=24))
    assert link is not None
    assert link.subscriber_id == reader.pk
    assert link.fits(reader)
    assert links.read_manage_token(token, now=NOON + timedelta(hours=24, seconds=1)) is None


def test_a_manage_token_dies_with_the_address_it_was_mailed_to() -> None:
    reader = make_reader()
    link = links.read_manage_token(links.manage_token(reader, now=NOON), now=NOON)
    reader.address_hash = links.address_hash("somebody.else@example.net")
    assert link is not None
    assert not link.fits(reader)


def test_no_scope_opens_another() -> None:
    reader = make_reader()
    confirm, manage = links.confirm_token(reader.pk, now=NOON), links.manage_token(reader, now=NOON)
    assert links.read_manage_token(confirm, now=NOON) is None
    assert links.read_confirm_token(manage, now=NOON) is None
    for token in (reader.unsubscribe_token, links.row_token("view", reader.pk)):
        assert links.read_manage_token(token, now=NOON) is None
        assert links.read_confirm_token(token, now=NOON) is None
    for token in (confirm, manage):
        assert not Subscriber.objects.filter(unsubscribe_hash=links.unsubscribe_hash(token)).exists()


def test_changing_any_character_of_a_token_voids_it() -> None:
    for token, read in (
        (links.confirm_token(7, now=NOON), links.read_confirm_token),
        (links.manage_token(make_reader(), now=NOON), links.read_manage_token),
    ):
        for at, char in enumerate(token):
            other = "A" if char != "A" else "B"
            assert read(token[:at] + other + token[at + 1 :], now=NOON) is None


@pytest.mark.parametrize("junk", ["", "~", "a~b", "1.~", "1.zz~", "é~é", "\x00", "." * 200, "1.0~" + "A" * 43])
def test_junk_is_no_token(junk: str) -> None:
    assert links.read_confirm_token(junk, now=NOON) is None
    assert links.read_manage_token(junk, now=NOON) is None


def test_tokens_of_an_older_secret_key_count_while_it_is_a_fallback(settings: Settings) -> None:
    reader = make_reader()
    confirm, manage = links.confirm_token(7, now=NOON), links.manage_token(reader, now=NOON)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "a new key"
    assert links.read_confirm_token(confirm, now=NOON) == 7
    assert links.read_manage_token(manage, now=NOON) is not None
    settings.SECRET_KEY_FALLBACKS = []
    assert links.read_confirm_token(confirm, now=NOON) is None
    assert links.read_manage_token(manage, now=NOON) is None


def test_unsubscribe_tokens_are_random_and_their_links_short(settings: Settings) -> None:
    tokens = sorted(links.new_unsubscribe_token()[0] for _ in range(1000))
    assert all(one != other for one, other in pairwise(tokens))
    assert all(len(token) == 24 for token in tokens)
    settings.SITE_URL = "https://papers.example.org"
    assert len(links.unsubscribe_url(tokens[0])) <= 60


def test_addresses_in_links_come_from_the_settings(settings: Settings) -> None:
    settings.SITE_URL = "https://elsewhere.example"
    reader = make_reader()
    urls = [
        links.confirm_url(1, now=NOON),
        links.manage_url(reader, now=NOON),
        links.unsubscribe_url(reader.unsubscribe_token),
        links.privacy_url(),
    ]
    assert all(url.startswith("https://elsewhere.example/") for url in urls)


def test_rotating_the_secret_key_leaves_address_hashes_alone(settings: Settings) -> None:
    before = links.address_hash("alice@example.net")
    settings.SECRET_KEY = "a new key"
    assert links.address_hash("alice@example.net") == before
    assert "alice" not in before
