"""A reader's own digests as a feed: secret, revocable, planned and recorded like a mail, beside the mails or alone."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import feedparser
import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from newsletter.delivery.claim_deliveries import IN_THE_FEED
from newsletter.models import Delivery, DigestFeed
from subscriptions import gdpr, lifecycle, token_links
from subscriptions.log_redaction import redact
from subscriptions.models import ConsentEvent, Subscriber
from tests.fakes import MemoryTransport
from tests.test_delivery import LATER, planned, run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _soon_after() -> object:
    with time_machine.travel(LATER + timedelta(minutes=1), tick=True) as moment:
        yield moment


def page_of(reader: Subscriber) -> str:
    return f"/r/{token_links.manage_token(reader, now=timezone.now())}/feed/"


def press(client: Client, reader: Subscriber, action: str) -> None:
    assert client.post(page_of(reader), {"action": action}).status_code == 303


def address_of(client: Client, reader: Subscriber, kind: str = "atom") -> str:
    """The path of the feed, as the page shows it."""
    (found,) = re.findall(rf'value="https?://[^/"]+(/r/[^"]+\.{kind})"', client.get(page_of(reader)).content.decode())
    return found


@pytest.mark.parametrize("kind", ["atom", "json"])
def test_a_private_feed_names_no_hub_to_which_a_program_would_tell_its_secret(
    client: Client, settings: Any, kind: str
) -> None:
    settings.WEBSUB_HUB_URL = "https://hub.example/"
    (row,) = planned(1)
    press(client, row.subscriber, "address")
    answer = client.get(address_of(client, row.subscriber, kind))
    assert answer.status_code == 200
    assert b"hub" not in answer.content
    assert not answer.has_header("Link")


def test_the_feed_shows_what_was_sent_and_why(client: Client) -> None:
    (row,) = planned(1)
    run(MemoryTransport())
    press(client, row.subscriber, "address")
    found = feedparser.parse(client.get(address_of(client, row.subscriber)).content)
    assert not found.bozo
    (entry,) = found.entries
    row.refresh_from_db()
    content = entry.content[0].value
    papers = [item.paper.title for item in row.edition.items.select_related("paper")]
    assert len(papers) == 3
    assert all(title in content for title in papers)
    assert "you follow" in content.lower()
    assert client.get(urlsplit(entry.link).path).status_code == 200
    told = json.loads(client.get(address_of(client, row.subscriber, "json")).content)
    assert [item["url"] for item in told["items"]] == [entry.link]


def test_a_reader_of_the_feed_alone_gets_no_mail_and_the_row_says_so(client: Client) -> None:
    row, other = planned(2)
    press(client, row.subscriber, "address")
    press(client, row.subscriber, "feed-alone")
    transport = MemoryTransport()
    run(transport)
    assert [message.recipient for message in transport.sent] == [other.subscriber.email]
    row.refresh_from_db()
    assert (row.state, row.reply) == (Delivery.State.SENT, IN_THE_FEED)
    assert row.sent_at is not None
    assert len(feedparser.parse(client.get(address_of(client, row.subscriber)).content).entries) == 1
    assert ConsentEvent.objects.filter(subscriber=row.subscriber, method="feed page").exists()


def test_nothing_stands_there_before_its_hour(client: Client) -> None:
    (row,) = planned(1, mail_format="feed")
    press(client, row.subscriber, "address")
    assert feedparser.parse(client.get(address_of(client, row.subscriber)).content).entries == []
    run(MemoryTransport())
    assert len(feedparser.parse(client.get(address_of(client, row.subscriber)).content).entries) == 1


def test_who_left_gets_nothing_in_the_feed_either(client: Client) -> None:
    (row,) = planned(1, mail_format="feed")
    press(client, row.subscriber, "address")
    address = address_of(client, row.subscriber)
    lifecycle.unsubscribe(row.subscriber, now=timezone.now(), method="test", origin=lifecycle.Origin())
    run(MemoryTransport())
    assert feedparser.parse(client.get(address).content).entries == []


def test_a_revoked_or_renewed_address_is_dead_and_mails_come_again(client: Client) -> None:
    (row,) = planned(1)
    reader = row.subscriber
    press(client, reader, "address")
    first = address_of(client, reader)
    press(client, reader, "address")
    second = address_of(client, reader)
    assert first != second
    assert client.get(first).status_code == 410
    press(client, reader, "feed-alone")
    press(client, reader, "revoke")
    assert client.get(second).status_code == 410
    reader.refresh_from_db()
    assert reader.mail_format == "html"
    assert not DigestFeed.objects.exists()


def test_without_an_address_nobody_is_left_with_neither(client: Client) -> None:
    (row,) = planned(1)
    press(client, row.subscriber, "feed-alone")
    row.subscriber.refresh_from_db()
    assert row.subscriber.mail_format == "html"


def test_an_unchanged_feed_is_not_sent_again(client: Client) -> None:
    (row,) = planned(1)
    run(MemoryTransport())
    press(client, row.subscriber, "address")
    address = address_of(client, row.subscriber)
    first = client.get(address)
    assert client.get(address, headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert first["X-Robots-Tag"] == "noindex"
    assert "Set-Cookie" not in first


def test_one_readers_address_shows_no_other_reader_and_no_log_keeps_it(client: Client) -> None:
    first, second = planned(2)
    run(MemoryTransport())
    press(client, first.subscriber, "address")
    address = address_of(client, first.subscriber)
    assert len(feedparser.parse(client.get(address).content).entries) == 1
    assert client.get(address.replace("/r/", "/r/x", 1)).status_code == 410
    secret = address.split("/")[2].partition(".")[0]
    assert secret not in redact(f"GET {address}")
    assert second.subscriber.email not in client.get(address).content.decode()


def test_erasing_the_reader_ends_the_feed(client: Client) -> None:
    (row,) = planned(1)
    press(client, row.subscriber, "address")
    address = address_of(client, row.subscriber)
    gdpr.erase(row.subscriber, now=timezone.now(), method="test")
    assert client.get(address).status_code == 410


def test_the_feed_speaks_the_readers_language(client: Client) -> None:
    (row,) = planned(1, language="de")
    run(MemoryTransport())
    press(client, row.subscriber, "address")
    assert "Ihre Digests" in feedparser.parse(client.get(address_of(client, row.subscriber)).content).feed.title


def test_many_digests_cost_no_more_queries(client: Client, django_assert_max_num_queries) -> None:  # type: ignore[no-untyped-def]
    (row,) = planned(1)
    run(MemoryTransport())
    press(client, row.subscriber, "address")
    address = address_of(client, row.subscriber)
    with django_assert_max_num_queries(9):
        client.get(address)
