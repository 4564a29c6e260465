"""A short mail that says why no digest came: by choice, once a digest that is not sent, at its hour."""

from __future__ import annotations

import os
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from newsletter import planning
from newsletter.models import Delivery, Edition
from subscriptions import lifecycle
from subscriptions.lifecycle import Origin
from subscriptions.models import Notice, Subscriber
from subscriptions.transactional_mails import build_notice, owe_notice, send_due_notices
from tests.builders import NOON, assign, make_edition, make_paper, make_reader, make_topic

if TYPE_CHECKING:
    from django.core.mail import EmailMultiAlternatives

pytestmark = pytest.mark.django_db
GOLDEN = Path(__file__).parent / "golden"


def shelf(*, papers: int = 2) -> Edition:
    chosen = [assign(make_paper(score_daily=2.0 - number), "vision") for number in range(papers)]
    return make_edition(papers=chosen, state=Edition.State.FROZEN)


def owed() -> dict[int, str]:
    return {one.subscriber_id: one.context["why"] for one in Notice.objects.filter(kind="no_digest")}


def test_who_wishes_hears_why_and_nobody_else_does() -> None:
    edition = shelf()
    make_topic("security")
    nothing = make_reader(follows=("security",), wants_outside=False, wants_reasons=True)
    had_all = make_reader(follows=("vision",), wants_outside=False, wants_also=False, wants_reasons=True)
    thin = make_reader(follows=("vision",), wants_outside=False, thin_policy="skip", wants_reasons=True)
    held = make_reader(follows=("vision",), wants_outside=False, thin_policy="hold", wants_reasons=True)
    make_reader(follows=("security",), wants_outside=False)
    make_reader(follows=("security",), wants_outside=False, wants_reasons=True, mail_format="feed")
    fed = make_reader(follows=("vision",), wants_outside=False, wants_reasons=True)
    earlier = make_edition(
        papers=[item.paper for item in edition.items.all()], state=Edition.State.DONE, period_on=date(2026, 3, 16)
    )
    picks = [[pk, "trending", "trending"] for pk in earlier.items.values_list("pk", flat=True)]
    Delivery.objects.create(
        edition=earlier,
        subscriber=had_all,
        state="sent",
        picks=picks,
        local_on=date(2026, 3, 16),
        due_at=NOON - timedelta(days=2),
        expires_at=NOON,
    )
    planning.plan_due(now=NOON)
    assert owed() == {nothing.pk: "nothing", had_all.pk: "had", thin.pk: "skip", held.pk: "hold"}
    assert Delivery.objects.get(subscriber=fed, edition=edition).state == Delivery.State.QUEUED
    assert Notice.objects.get(subscriber=held).context["papers"] == 2


def test_it_comes_once_at_the_hour_of_the_digest_and_the_digest_stays_as_it_was() -> None:
    shelf()
    make_topic("security")
    due_at = NOON + timedelta(minutes=5)
    reader = make_reader("ada@example.net", follows=("security",), wants_reasons=True, next_due_at=due_at)
    Subscriber.objects.filter(pk=reader.pk).update(wants_outside=False)
    for minutes in (0, 1, 30):
        planning.plan_due(now=NOON + timedelta(minutes=minutes))
    notice = Notice.objects.get()
    row = Delivery.objects.get()
    assert (row.state, row.skip_reason, notice.not_before) == ("skipped", "empty", row.due_at)
    send_due_notices(now=due_at - timedelta(seconds=1))
    assert not mail.outbox
    for _ in range(2):
        send_due_notices(now=due_at)
    (message,) = mail.outbox
    assert message.subject == "No papers today: nothing new on what you follow"
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert reader.unsubscribe_token in message.extra_headers["List-Unsubscribe"]
    assert "/preferences/" not in message.body, "such a mail may be passed on"


@pytest.mark.parametrize("then", ["left", "unticked"])
def test_who_left_or_wishes_it_no_more_meanwhile_gets_none(then: str) -> None:
    shelf()
    make_topic("security")
    reader = make_reader(follows=("security",), wants_outside=False, wants_reasons=True)
    planning.plan_due(now=NOON)
    if then == "left":
        lifecycle.unsubscribe(reader, now=NOON, method="test", origin=Origin(), reason="")
    else:
        Subscriber.objects.update(wants_reasons=False)
    send_due_notices(now=NOON)
    assert not mail.outbox
    assert Notice.objects.get(kind="no_digest").error == "Not wanted any more."


def test_a_chunk_asks_no_more_queries_for_many_readers_than_for_one() -> None:
    counts = []
    for readers in (1, 12):
        Delivery.objects.all().delete()
        Notice.objects.all().delete()
        Edition.objects.all().delete()
        Subscriber.objects.all().delete()
        shelf()
        make_topic("security")
        for _ in range(readers):
            make_reader(follows=("security",), wants_outside=False, wants_reasons=True)
        with CaptureQueriesContext(connection) as queries:
            planning.plan_due(now=NOON)
        assert Notice.objects.count() == readers
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("why", "cadence", "papers", "language"),
    [
        ("nothing", "weekly", 0, "en"),
        ("nothing", "weekly", 0, "de"),
        ("had", "daily", 0, "en"),
        ("hold", "daily", 1, "en"),
        ("skip", "monthly", 2, "de"),
    ],
)
def test_the_mail_is_the_golden_one(why: str, cadence: str, papers: int, language: str) -> None:
    reader = make_reader("ada@example.net", language=language, unsubscribe_token="t" * 24, cadence=cadence)
    context = {"why": why, "papers": papers, "cadence": cadence, "edition": "2026-03-18"}
    notice = owe_notice(reader, kind=Notice.Kind.NO_DIGEST, now=NOON, context=context)
    message = build_notice(notice, now=timezone.now())
    told = golden_of(message)
    path = GOLDEN / f"no-digest-{why}-{language}.txt"
    if os.environ.get("PAPERBOY_WRITE_GOLDENS"):
        path.write_text(told)
    assert told == path.read_text()
    assert max(map(len, message.body.splitlines())) < 998


def golden_of(message: EmailMultiAlternatives) -> str:
    html = str(message.alternatives[0].content) if message.alternatives else ""
    return f"Subject: {message.subject}\n\n{message.body}\n{html[html.index('<body') :]}"
