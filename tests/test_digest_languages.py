"""Digests are in the reader's language when we speak it: compiled once for each language that is read."""

from __future__ import annotations

from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from newsletter import delivery, planning
from newsletter.delivery import claim_deliveries
from newsletter.delivery.compose_message import Composers
from newsletter.editions import lifecycle
from newsletter.mail import compile_edition as mail_compile
from newsletter.models import Compiled, Edition
from subscriptions import token_links
from tests.builders import NOON, assign, make_edition, make_paper, make_reader
from tests.fakes import MemoryTransport
from tests.mail_lint import bodies, lint
from tests.test_preferences import FORM

pytestmark = pytest.mark.django_db
HOSTS = tuple(settings.PAPER_LINK_HOSTS)
LATER = NOON + timedelta(minutes=30)


def freeze() -> Edition:
    parts = {"upvotes_gain": 41, "hours": 24, "cohort_median": 6, "topic": "vision"}
    papers = [
        assign(make_paper(title=f"Seeing {n}", score_daily=9.0 - n, score_parts={"daily": parts}), "vision")
        for n in range(3)
    ]
    edition = make_edition(papers=papers, state=Edition.State.APPROVED)
    edition.items.update(parts=parts)
    lifecycle.freeze(edition, now=NOON - timedelta(minutes=30))
    return edition


def mailed() -> dict[str, bytes]:
    """Each reader's mail, by the part of the address before the @."""
    planning.plan_due(now=NOON)
    transport = MemoryTransport()
    delivery.deliver(transport=transport, deadline=LATER + timedelta(minutes=4), clock=lambda: LATER)
    return {message.recipient.partition("@")[0]: message.data for message in transport.sent}


def test_each_reader_is_written_to_in_their_own_language() -> None:
    make_reader("anna@example.net", follows=("vision",), language="de")
    make_reader("alice@example.net", follows=("vision",))
    make_reader("amelie@example.net", follows=("vision",), language="nl")  # imported; we do not speak it
    freeze()
    mails = mailed()
    assert all(lint(raw, hosts=HOSTS) == [] for raw in mails.values())
    german, english = bodies(mails["anna"]), bodies(mails["alice"])
    assert '<html lang="de"' in german["html"]
    assert '<html lang="en"' in english["html"]
    assert "Sie folgen „Maschinelles Sehen“" in " ".join(german["plain"].split())
    assert "you follow Computer vision" in " ".join(english["plain"].split())
    assert "Abbestellen" in german["plain"]
    assert "Mittwoch, 18. März 2026" in german["plain"]
    assert "am 18. März 2026 bestätigt" in " ".join(german["plain"].split())
    assert '<html lang="en"' in bodies(mails["amelie"])["html"]
    subject = message_from_bytes(mails["anna"], policy=policy.default)["Subject"]
    assert str(subject) == "Seeing 0 + 2 weitere"


def test_a_language_is_compiled_once_and_only_when_somebody_reads_it() -> None:
    make_reader(language="nl")
    make_reader(language="de", state="unsubscribed", next_due_at=None)
    assert mail_compile.languages_in_use() == []
    assert "languages" not in Compiled.objects.get(edition=freeze()).fragments
    for state in ("pending", "paused"):  # about to get digests
        make_reader(language="de", state=state, next_due_at=None)
    assert mail_compile.languages_in_use() == ["de"]


def test_who_came_after_the_freeze_gets_the_sites_language() -> None:
    freeze()
    make_reader("anna@example.net", follows=("vision",), language="de")
    assert '<html lang="en"' in bodies(mailed()["anna"])["html"]


def test_composers_are_shared_by_all_who_read_the_same() -> None:
    for language in ("de", "en", "nl", "xx", "de"):
        make_reader(follows=("vision",), language=language)
    freeze()
    planning.plan_due(now=NOON)
    composers = Composers()
    for row in claim_deliveries.claim_due(token="mine", limit=10, now=LATER) or []:
        composers.message(row, now=LATER)
    assert len(composers._of) == 2


def test_on_a_german_site_it_is_the_other_way_round(settings: Any) -> None:
    settings.LANGUAGE_CODE = "de"
    make_reader("anna@example.net", follows=("vision",), language="de")
    make_reader("alice@example.net", follows=("vision",), language="en")
    freeze()
    mails = mailed()
    assert '<html lang="de"' in bodies(mails["anna"])["html"]
    assert '<html lang="en"' in bodies(mails["alice"])["html"]


def test_the_language_of_mails_is_the_readers_to_choose(client: Client) -> None:
    reader = make_reader(language="de")
    path = f"/preferences/{token_links.manage_token(reader, now=timezone.now())}/"
    assert '<option value="de" selected>Deutsch</option>' in client.get(f"{path}digest/").content.decode()
    client.post(path, FORM)  # a form without the field, as one opened before it came
    reader.refresh_from_db()
    assert reader.language == "de"
    client.post(path, FORM | {"language": "en"})
    reader.refresh_from_db()
    assert reader.language == "en"
    client.post(path, FORM | {"language": "xx"})
    reader.refresh_from_db()
    assert reader.language == "en"
