"""A stranger's way, on a phone: from a digest that somebody forwarded to the first one of their own, tap by tap."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from newsletter import planning
from newsletter.delivery.claim_deliveries import claim_due
from newsletter.delivery.compose_message import Composers
from subscriptions.models import Notice, Subscriber
from subscriptions.transactional_mails import build_notice
from tests.builders import make_reader
from tests.e2e.test_a_readers_way import Walk, mail_of, papers_of_a_day

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
STRANGER = "stranger@example.net"
PHONE = {"viewport": {"width": 375, "height": 667}, "has_touch": True, "is_mobile": True, "bypass_csp": True}


class Phone(Walk):
    """Counts each tap; typing an address is none."""

    taps = 0

    def tap(self, selector: str) -> None:
        self.page.locator(selector).first.tap()
        self.taps += 1
        self.look()

    def open_mail(self, html: str, *, file: Path) -> None:
        file.write_text(html)
        self.page.goto(file.as_uri())
        self.look()


def test_six_taps_lead_from_a_forwarded_mail_to_the_first_digest(
    chromium: Browser, live_server: LiveServer, settings: Settings, tmp_path: Path
) -> None:
    settings.SITE_URL, settings.SIGNUP_SECONDS_MIN = live_server.url, 0
    now = timezone.now()
    papers_of_a_day(now, 1)
    forwarded = mail_of(make_reader(follows=("robotics",)), now=now)
    with chromium.new_context(**PHONE) as context:  # type: ignore[arg-type]
        phone = Phone(context.new_page(), live_server.url)
        phone.open_mail(forwarded, file=tmp_path / "forwarded.html")
        phone.tap("text=Get your own")
        phone.tap("label:has([name=topics][value=robotics])")
        phone.tap("#id_email")
        phone.page.keyboard.type(STRANGER)
        phone.tap("main form button[type=submit]:visible")
        phone.says("Check your inbox")
        confirmation = build_notice(Notice.objects.get(subscriber__email=STRANGER), now=timezone.now())
        phone.open_mail(str(confirmation.alternatives[0][0]), file=tmp_path / "confirm.html")
        phone.tap("a[href*='/confirm/']")
        phone.tap("text=Yes, subscribe me")
        phone.says("You are subscribed")

    assert phone.taps == 6
    reader = Subscriber.objects.get(email=STRANGER)
    assert [row.topic.slug for row in reader.preferences.all()] == ["robotics"]
    planning.plan_due(now=timezone.now())
    (row,) = [one for one in claim_due(token="first", limit=5, now=timezone.now()) or [] if one.email == STRANGER]
    first = message_from_bytes(Composers().message(row, now=now).data, policy=policy.default)
    assert str(first["Subject"]).startswith("Welcome: Robots of day 1")
