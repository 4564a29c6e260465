"""Scanners fetch every link of a mail, often, and before the reader does: that must change nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

import pytest
from django.apps import apps
from django.core.mail import EmailMultiAlternatives
from django.test import Client
from django.utils import timezone

from newsletter import delivery, planning
from newsletter.models import Delivery, Edition
from subscriptions import lifecycle, preferences_link
from subscriptions.addresses import parse_address
from subscriptions.lifecycle import Origin
from subscriptions.models import Notice
from subscriptions.preferences import Preferences
from subscriptions.transactional_mails import send_due_notices
from tests.builders import assign, make_edition, make_paper, make_reader
from tests.environment import examples
from tests.fakes import MemoryTransport
from tests.visitor import local

pytestmark = pytest.mark.django_db
SITE = "https://papers.example.org"
TIMES = examples(12)


def digest() -> EmailMessage:
    """A digest as it was handed to the relay today: the pages behind its links expire."""
    now = datetime.now(UTC)
    make_edition(
        papers=[assign(make_paper(score_daily=1.0), "vision")],
        state=Edition.State.FROZEN,
        period_on=now.date(),
        frozen_at=now,
        cutoff_at=now - timedelta(minutes=1),
    )
    make_reader(follows=("vision",), next_due_at=now - timedelta(minutes=15), confirmed_at=now)
    planning.plan_due(now=now)
    Delivery.objects.update(not_before=now)
    transport = MemoryTransport()
    delivery.deliver(transport=transport, deadline=timezone.now() + timedelta(seconds=30))
    (message,) = transport.sent
    return cast("EmailMessage", message_from_bytes(message.data, policy=policy.default))


def notices(mailbox: list[EmailMultiAlternatives]) -> list[EmailMessage]:
    """A confirmation, an "already subscribed" and a preferences link."""
    now = timezone.now()
    origin = Origin(ip="198.51.100.7")
    reader = make_reader("known@example.net")
    for email in ("new@example.org", reader.email):
        address = parse_address(email)
        assert lifecycle.request(address, preferences=Preferences(), now=now, method="page", origin=origin)
    assert preferences_link.ask_link(parse_address(reader.email), now=now, origin=origin)
    assert send_due_notices(now=now) == 3
    assert set(Notice.objects.values_list("state", flat=True)) == {"sent"}
    return [
        cast("EmailMessage", message_from_bytes(sent.message().as_bytes(), policy=policy.default)) for sent in mailbox
    ]


def links_of(message: EmailMessage) -> set[str]:
    """Our own addresses in the headers and in both bodies."""
    parts = [str(value) for value in message.values()]
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        parts.append(body.get_content() if body else "")
    found = {url for part in parts for url in re.findall(rf"{re.escape(SITE)}[^\s\"'<>]*", part)}
    return {local(url.rstrip(".,")) or "/" for url in found}


def every_row() -> dict[str, list[tuple[Any, ...]]]:
    return {model._meta.label: sorted(model._default_manager.values_list(), key=repr) for model in apps.get_models()}


def scan(links: set[str], client: Client) -> None:
    before = every_row()
    for link in links:
        assert client.head(link).status_code == 200, link
        options = client.options(link)
        assert options.status_code == 200 or (options.status_code == 405 and "GET" in options["Allow"]), link
        for _ in range(TIMES):
            assert client.get(link).status_code == 200, link
    assert every_row() == before


@pytest.mark.more_examples
def test_fetching_every_link_of_a_digest_often_changes_nothing(client: Client) -> None:
    links = links_of(digest())
    kinds = {link.split("/")[1] for link in links}
    assert {"d", "u", "preferences", "subscribe"} <= kinds
    scan(links, client)


def test_fetching_every_link_of_a_notice_often_changes_nothing(
    client: Client, mailoutbox: list[EmailMultiAlternatives]
) -> None:
    links = {link for letter in notices(mailoutbox) for link in links_of(letter)}
    kinds = {link.split("/")[1] for link in links}
    assert {"confirm", "preferences", "u", "privacy"} <= kinds
    scan(links, client)
