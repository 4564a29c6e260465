"""The whole way of one reader through their interests, in a browser: phone in the dark, desktop in light.

Brings a .bib while signing up, follows three authors, names two interests, gets a mail with sections, saves a paper
from it, exports, removes a term, pauses and comes back. Every page on the way fits its screen.
"""

from __future__ import annotations

import re
from datetime import timedelta
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Literal

import pytest
from django.conf import settings as site
from django.utils import timezone
from playwright.sync_api import expect

from newsletter import planning, search
from newsletter.delivery.claim_deliveries import claim_due
from newsletter.delivery.compose_message import Composers
from newsletter.models import Edition
from subscriptions import token_links
from subscriptions.models import Subscriber
from tests.builders import assign, make_edition, make_paper, make_topic
from tests.e2e.test_reader_pages import confirm_path

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from playwright.sync_api import Browser, Page
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
READER = "alice@example.net"
AUTHORS = ("Nora Quist", "Rui Song", "Ada Berg")
BIB = "\n".join(f"@misc{{b{n}, title={{Whales sing in winter {n}}}, eprint={{2401.0000{n}}}}}" for n in range(1, 6))
DAY = timedelta(days=1)
TODAY = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)
WEDNESDAY = TODAY + (1 + (1 - TODAY.weekday()) % 7) * DAY  # the next one: the pages go by the real clock


class Walk:
    """A page, and what is done on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url

    def go(self, path: str) -> None:
        self.page.goto(self.url + path.removeprefix(site.SITE_URL))
        self.look()

    def press(self, name: str | re.Pattern[str], *, within: str = "body") -> None:
        self.page.locator(within).get_by_role("button", name=name, exact=isinstance(name, str)).first.click()
        self.look()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name).first.click()
        self.look()

    def look(self) -> None:
        self.page.wait_for_load_state()
        whole = self.page.locator("html")  # waited for: between two pages there is none
        sideways = whole.evaluate("html => html.scrollWidth - html.clientWidth")
        assert sideways <= 0, f"{self.page.url} scrolls {sideways} px sideways"

    def says(self, text: str) -> None:
        expect(self.page.get_by_text(text).locator("visible=true").first).to_be_visible()


def preferences_path(reader: Subscriber) -> str:
    return f"/preferences/{token_links.manage_token(reader, now=timezone.now())}/"


def papers_of_a_day(now: datetime, number: int) -> Edition:
    """An edition of robots and whales, and beside it a paper of each author that nobody voted for."""
    came = {"first_seen_at": now - timedelta(hours=3), "listed_on": now.date(), "published_on": now.date()}
    ranked = [
        assign(make_paper(title=f"{subject} of day {number}, no. {place}", score_daily=9.0 - place, **came), topic)
        for place in range(4)
        for subject, topic in (("Robots", "robotics"), ("Whales", "speech-audio"))
    ]
    for author in AUTHORS:
        assign(make_paper(title=f"{author}, day {number}", authors=[author], **came), "robotics")
    late = timezone.now() + timedelta(minutes=1)
    search.keep_up(now=now, deadline=late)
    search.keep_queries(now=now, deadline=late)
    return make_edition(
        papers=ranked, state=Edition.State.FROZEN, period_on=now.date(), window_start_at=now - DAY,
        cutoff_at=now - timedelta(hours=1), frozen_at=now - timedelta(minutes=30),
    )  # fmt: skip


def mail_of(reader: Subscriber, *, now: datetime) -> str:
    """The HTML of the digest that is due now."""
    Subscriber.objects.filter(pk=reader.pk).update(next_due_at=now, welcome_due_at=None)
    planning.plan_due(now=now)
    (row,) = claim_due(token="walk", limit=5, now=now + timedelta(hours=1)) or []
    message = message_from_bytes(Composers().message(row, now=now).data, policy=policy.default)
    html = message.get_body(("html",))
    assert html is not None
    return str(html.get_content())


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1280, "light")])
def test_a_reader_brings_follows_divides_saves_exports_removes_pauses_and_comes_back(
    chromium: Browser,
    live_server: LiveServer,
    settings: Settings,
    tmp_path: Path,
    width: int,
    scheme: Literal["dark", "light"],
) -> None:
    settings.SIGNUP_SECONDS_MIN = 0
    for slug in ("robotics", "speech-audio"):
        make_topic(slug)
    with chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme) as context:
        walk = Walk(context.new_page(), live_server.url)
        reader = sign_up(walk)
        divide(walk, reader)
        papers_of_a_day(WEDNESDAY, 1)
        read_mail(walk, mail_of(reader, now=WEDNESDAY), file=tmp_path / "mail.html")
        keep_and_export(walk, reader)
        remove_a_term(walk, reader)
        pause_and_come_back(walk, reader)


def sign_up(walk: Walk) -> Subscriber:
    page = walk.page
    walk.go("/subscribe/")
    page.locator("[name=topics][value=robotics]").check()
    page.get_by_text("Bring papers you like").click()
    page.locator("#id_file").set_input_files({"name": "my.bib", "mimeType": "text/plain", "buffer": BIB.encode()})
    page.locator("#id_email").fill(READER)
    page.locator("#id_email").press("Enter")
    page.wait_for_url("**/subscribe/sent/")
    walk.go(confirm_path(READER))
    walk.press("Yes, subscribe me")
    walk.says("You are subscribed")
    reader = Subscriber.objects.get(email=READER)
    assert reader.library.count() == 5
    walk.go(preferences_path(reader) + "queries/")
    for author in AUTHORS:
        page.get_by_label("What to follow").fill(f'author:"{author}"')
        walk.press("Follow", within="#follows")
        walk.says("Saved: you follow this")
    assert reader.follows.count() == 3
    return reader


def divide(walk: Walk, reader: Subscriber) -> None:
    page = walk.page
    walk.go(preferences_path(reader))
    walk.follow("Keep subjects apart")
    page.get_by_label("A name for what you have now").fill("thesis")
    page.get_by_label("A name for the new one").fill("teaching")
    walk.press("Add")
    page.locator("[name=topic-speech-audio]").select_option("follow")
    walk.press("Save", within="form.signup")
    walk.says("Saved.")


def read_mail(walk: Walk, html: str, *, file: Path) -> None:
    file.write_text(html)
    page = walk.page
    page.goto(file.as_uri())
    walk.look()
    headings = page.get_by_role("heading").all_inner_texts()
    assert headings.index("thesis") < headings.index("teaching") < headings.index("Also new")
    for author in AUTHORS:
        walk.says(f"You follow {author}")
    walk.says("Robots of day 1, no. 3")
    save = page.get_by_role("link", name=re.compile("Save")).first.get_attribute("href")
    assert save
    walk.go(save.partition("#")[0])
    walk.press("Save")
    walk.says("This paper is in your library.")


def keep_and_export(walk: Walk, reader: Subscriber) -> None:
    walk.go(f"/r/{token_links.manage_token(reader, now=timezone.now())}/library/")
    with walk.page.expect_download() as saved:
        walk.page.get_by_role("link", name="BibTeX").first.click()
    text = saved.value.path().read_text()
    assert text.count("@") == 6
    assert "Whales sing in winter 3" in text


def remove_a_term(walk: Walk, reader: Subscriber) -> None:
    walk.go(f"/r/{token_links.manage_token(reader, now=timezone.now())}/profile/")
    walk.page.locator("[name=remove][value='word:whales']").check()
    walk.press(re.compile("Remove what is ticked"))
    walk.says("Not saved yet: this is what would change")
    walk.press("Remove", within="#preview")
    walk.says("Removed. It applies from your next digest.")
    assert reader.profile_removals.get().word == "whales"


def pause_and_come_back(walk: Walk, reader: Subscriber) -> None:
    walk.go(preferences_path(reader) + "pause/")
    walk.page.locator("#id_until").fill(f"{timezone.now() + 20 * DAY:%Y-%m-%d}")
    walk.press("Pause")
    reader.refresh_from_db()
    assert reader.state == Subscriber.State.PAUSED
    walk.says("Paused until")
    walk.go(preferences_path(reader) + "pause/")
    walk.press("Resume now")
    walk.says("Your digests have started again.")
    reader.refresh_from_db()
    assert reader.state == Subscriber.State.CONFIRMED
    papers_of_a_day(WEDNESDAY + DAY, 2)
    html = mail_of(reader, now=WEDNESDAY + DAY)
    assert "day 2" in html
    assert "day 1" not in html, "never twice"
