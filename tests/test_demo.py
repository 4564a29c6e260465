"""The story of `make demo`: the same at any hour, on a weekend, at a month's and a year's end, in one process here."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import httpx
import pytest
import time_machine
from django.conf import settings
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.core.management import call_command

from newsletter.management.demo_story import ALICE, CHARLIE, DANA, FRANK, STAYED, WALTER, take_in, tell
from newsletter.management.mail_catcher import MailCatcher
from newsletter.models import Delivery, Edition, Paper, Submission

if TYPE_CHECKING:
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db(transaction=True)
MOMENTS = [
    datetime(2026, 11, 30, 23, 41, tzinfo=UTC),  # Berlin has tomorrow already
    datetime(2026, 12, 1, 0, 1, tzinfo=UTC),  # Honolulu still has the month before
    datetime(2027, 1, 1, 3, 59, tzinfo=UTC),  # before the daily cut-off of a new year, a holiday
    datetime(2028, 2, 29, 12, 30, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 30, tzinfo=UTC),  # a Sunday, when Europe's clocks go forward
]


@pytest.fixture
def catcher(tmp_path: Path, settings: Settings) -> Iterator[MailCatcher]:
    cache.clear()  # what another moment left there is of another time
    caught = MailCatcher(tmp_path / "mail", ("127.0.0.1", 0))
    caught.start()
    host, port = caught.smtp_address
    settings.EMAIL_HOST, settings.EMAIL_PORT = host, port
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.SIGNUP_SECONDS_MIN = 0
    yield caught
    caught.stop()


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_the_demo_tells_the_same_story_at_any_moment(catcher: MailCatcher, moment: datetime) -> None:
    with time_machine.travel(moment, tick=True):
        take_in(todays=False)
        transport = httpx.WSGITransport(app=WSGIHandler())
        with httpx.Client(
            transport=transport, base_url=settings.SITE_URL, headers={"Referer": f"{settings.SITE_URL}/"}
        ) as web:
            first, weekly, second = tell(web, catcher)

    stayed = {each.email: "sent" for each in STAYED}
    assert _of(first) == stayed | {CHARLIE.email: "sent", FRANK.email: "failed", DANA.email: "sent"}
    assert _of(weekly) == {WALTER.email: "sent"}
    assert {email: state for email, state in _of(second).items() if email != DANA.email} == stayed
    assert Submission.objects.filter(subscriber__email=ALICE.email).count() == 1
    draft = Edition.objects.get(state=Edition.State.DRAFT)
    assert draft.period_on == moment.date() + timedelta(days=1)


@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_made_up_papers_are_of_their_own_week_and_say_what_they_are(moment: datetime) -> None:
    with time_machine.travel(moment, tick=False):
        call_command("load_sample", verbosity=0)

    listed = [cast("datetime", day) for day in Paper.objects.values_list("listed_on", flat=True)]
    assert max(listed) == moment.date() - timedelta(days=max(0, moment.weekday() - 4))
    assert min(listed) >= moment.date() - timedelta(days=13)
    assert all(day.weekday() < 5 for day in listed), "as the site says: no list on weekends"
    assert set(Paper.objects.values_list("organization", flat=True)) == {"Sample paper, made up"}
    assert not Paper.objects.exclude(arxiv_id=None).exists(), "their links must not lead to somebody's real paper"


def _of(edition: Edition) -> dict[str, str]:
    return dict(Delivery.objects.filter(edition=edition).values_list("subscriber__email", "state"))
