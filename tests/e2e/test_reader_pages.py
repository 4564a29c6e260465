"""The readers' pages in a real browser: keyboard, screen reader, and the scanners that run JavaScript (TE8)."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.core import mail
from django.utils import timezone
from playwright.sync_api import expect

from newsletter.models import Edition, Vote
from subscriptions import lifecycle, token_links
from subscriptions.models import ConsentEvent, Notice, Subscriber, Topic
from subscriptions.preference_parts import TITLES
from subscriptions.transactional_mails import owe_notice, send_due_notices
from tests.builders import assign, make_edition, make_paper, make_reader, make_topic
from tests.e2e.shots import SHIFTS, faults_of
from tests.reader_pages import KINDS, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture(autouse=True)
def _papers(settings: Settings) -> None:
    settings.SOURCES = ["arxiv_query"]  # so that papers can be handed in
    make_topic("speech-audio")
    papers = [
        assign(make_paper(title="Seeing well", score_daily=3.0, first_seen_at=timezone.now()), "vision"),
        assign(make_paper(title="Hearing well", score_daily=2.0, first_seen_at=timezone.now()), "speech-audio"),
    ]
    make_edition(papers=papers, state=Edition.State.SENDING)


def confirm_path(email: str) -> str:
    """The link that the newest request of this address was answered with."""
    asked = ConsentEvent.objects.filter(subscriber__email=email, kind=ConsentEvent.Kind.REQUESTED).latest("at")
    return f"/confirm/{token_links.confirm_token(asked.pk, now=timezone.now())}/"


@pytest.mark.parametrize("kind", KINDS)
def test_pages_have_no_accessibility_violation(chromium: Browser, live_server: LiveServer, kind: str) -> None:
    with chromium.new_context(viewport={"width": 390, "height": 844}, bypass_csp=True) as context:
        page = context.new_page()
        url = live_server.url + path_of(kind)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            page.goto(url)  # again: colours that change under the eye pass through all between
            found = Axe().run(page, options=RULES)
            assert found.violations_count == 0, f"{scheme}: {found.generate_report()}"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "old"])
def test_pages_fit_a_phone_and_call_nobody_else(chromium: Browser, live_server: LiveServer, kind: str) -> None:
    with chromium.new_context(viewport={"width": 320, "height": 700}) as context:
        context.add_init_script(SHIFTS)
        assert faults_of(context.new_page(), live_server.url + path_of(kind)) == []


@pytest.mark.parametrize("kind", ["preferences", *TITLES])
def test_no_part_of_the_preferences_is_longer_than_three_screens_of_a_phone(
    chromium: Browser, live_server: LiveServer, kind: str
) -> None:
    for number in range(Topic.objects.filter(is_active=True).count(), 18):
        make_topic(f"field-{number}", name=f"A field of study {number}")
    with chromium.new_context(viewport={"width": 375, "height": 667}) as context:
        page = context.new_page()
        page.goto(live_server.url + path_of(kind), wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollHeight") <= 3 * 667


CUT = """() => [...document.querySelectorAll("button, .button, summary, label, select")]
  .filter((one) => one.offsetWidth > 4 && one.scrollWidth > one.clientWidth + 1)
  .filter((one) => getComputedStyle(one).overflowX !== "visible")
  .map((one) => `cut: ${one.textContent.trim()}`)"""


@pytest.mark.parametrize("language", [code for code, _name in settings.LANGUAGES if code != "en"])
def test_pages_fit_a_phone_in_every_language(chromium: Browser, live_server: LiveServer, language: str) -> None:
    faults: dict[str, list[str]] = {}
    for kind in ("subscribe", "confirm", "preferences", *TITLES, "library", "interest", "leave"):
        Subscriber.objects.all().delete()
        with chromium.new_context(
            viewport={"width": 375, "height": 700}, extra_http_headers={"Accept-Language": language}
        ) as context:
            context.add_init_script(SHIFTS)
            page = context.new_page()
            faults[kind] = faults_of(page, live_server.url + path_of(kind)) + page.evaluate(CUT)
    assert {kind: found for kind, found in faults.items() if found} == {}


def test_a_vote_is_given_and_taken_back_without_a_script(chromium: Browser, live_server: LiveServer) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(live_server.url + path_of("votes"))
        page.get_by_role("button", name=re.compile("Upvote.*Hearing well")).click()
        paper = Vote.objects.get().paper
        assert page.url.endswith(f"#paper-{paper.pk}")
        assert paper.title == "Hearing well"
        page.get_by_role("button", name=re.compile("Remove your vote.*Hearing well")).click()
        assert not Vote.objects.exists()


def test_a_library_is_brought_and_taken_out_without_a_script(chromium: Browser, live_server: LiveServer) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(live_server.url + path_of("library"))
        file = {
            "name": "my.ris",
            "mimeType": "text/plain",
            "buffer": b"TY  - JOUR\nTI  - On Growth and Form\nER  - \nTY  - JOUR\nER  - \n",
        }
        page.locator("#id_file").set_input_files(file)
        page.get_by_role("button", name="Add to your library").click()
        expect(page.get_by_text("1 paper was added.")).to_be_visible()
        expect(page.get_by_text("Line 4:")).to_be_visible()
        with page.expect_download() as saved:
            page.get_by_role("link", name="BibTeX").click()
        assert "{{On Growth and Form}}" in saved.value.path().read_text()
        page.get_by_role("button", name=re.compile("Remove.*On Growth and Form")).click()
        expect(page.get_by_text("On Growth and Form")).to_have_count(0)


def test_two_interests_are_named_and_one_gets_a_share_and_a_query_without_a_script(
    chromium: Browser, live_server: LiveServer
) -> None:
    with chromium.new_context(java_script_enabled=False, viewport={"width": 375, "height": 700}) as context:
        page = context.new_page()
        page.goto(live_server.url + path_of("preferences"))
        page.get_by_role("link", name="Keep subjects apart").click()
        page.get_by_label("A name for what you have now").fill("thesis")
        page.get_by_label("A name for the new one").fill("teaching")
        page.get_by_role("button", name="Add").click()
        expect(page.get_by_role("heading", name="teaching")).to_be_visible()
        page.get_by_label("What to follow").fill("grippers")
        page.get_by_role("button", name="Follow", exact=True).click()
        expect(page.get_by_text("Saved: you follow this")).to_be_visible()
        page.get_by_label("Share", exact=True).fill("4")
        page.get_by_label("Counted in").select_option("papers")
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_role("link", name="Your interests").click()
        expect(page.get_by_text("4 papers in each digest.")).to_be_visible()
    teaching = Subscriber.objects.get().interests.get(name="teaching")
    assert (teaching.share, teaching.unit, teaching.follows.get().text) == (4, "papers", "grippers")


def test_signing_up_by_keyboard_alone(chromium: Browser, live_server: LiveServer) -> None:
    with chromium.new_context(timezone_id="Asia/Tokyo") as context:
        page = context.new_page()
        page.goto(f"{live_server.url}/subscribe/")
        page.locator("[name=topics]").first.focus()
        page.keyboard.press("Space")
        page.get_by_text("Topics chosen:").wait_for()
        page.locator("#id_hour").focus()
        page.keyboard.type("07")
        page.locator("#id_email").focus()
        page.keyboard.type("bob@example.net")
        page.wait_for_timeout(2100)  # nobody fills in a form faster (SIGNUP_SECONDS_MIN)
        page.locator("#id_email").press("Enter")
        page.wait_for_url("**/subscribe/sent/")
        page.goto(live_server.url + confirm_path("bob@example.net"))
        assert page.locator("#id_time_zone").input_value() == "Asia/Tokyo"
        page.get_by_role("button", name="Yes, subscribe me").first.press("Enter")
        page.get_by_role("heading", name="You are subscribed").wait_for()
    reader = Subscriber.objects.get(email="bob@example.net")
    assert (reader.time_zone, reader.hour, reader.preferences.count()) == ("Asia/Tokyo", 7, 1)


def test_the_preview_follows_the_ticks(chromium: Browser, live_server: LiveServer) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"{live_server.url}/subscribe/")
        preview = page.locator("[data-preview]")
        preview.get_by_text("Hearing well").wait_for()
        page.locator("[name=topics][value=vision]").check()
        preview.get_by_text("Hearing well").wait_for(state="detached")
        expect(preview.get_by_text("Seeing well")).to_be_visible()
        page.get_by_text("Bring papers you like").click()
        page.locator("#id_references").fill("1706.03762")
        page.locator("#id_references").blur()
        preview.get_by_text("1 paper was read. With 5 or more").wait_for()


def test_the_banner_answers_in_place(chromium: Browser, live_server: LiveServer) -> None:
    with chromium.new_context(timezone_id="Europe/Berlin") as context:
        page = context.new_page()
        page.goto(live_server.url)
        before = page.url
        page.locator("#banner-email").fill("nobody@localhost")
        page.locator(".banner button").click()
        page.locator(".banner [role=status].error").wait_for()
        page.locator("#banner-email").fill("bob@example.net")
        page.locator(".banner button").click()
        page.get_by_text("Check your inbox").wait_for()
        assert page.url == before
    asked = ConsentEvent.objects.get(subscriber__email="bob@example.net")
    assert lifecycle.preferences_asked(asked).time_zone == "Europe/Berlin"  # it waits there until the mailbox confirms


def test_the_banner_works_without_javascript(chromium: Browser, live_server: LiveServer) -> None:
    with chromium.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(live_server.url)
        page.locator("#banner-email").fill("bob@example.net")
        page.locator(".banner button").click()
        page.wait_for_url("**/subscribe/sent/")
    assert Subscriber.objects.filter(email="bob@example.net").exists()


@pytest.fixture
def blog(live_server: LiveServer) -> Iterator[str]:
    """Somebody else's site, really on another origin, with our form in a frame."""
    body = f'<iframe src="{live_server.url}/embed/" width="600" height="500"></iframe>'.encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_form_works_in_a_frame_of_another_site(chromium: Browser, blog: str) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(blog)
        frame = page.frame_locator("iframe")
        frame.locator("#id_email").fill("bob@example.net")
        frame.locator("button").click()
        frame.get_by_text("We have sent you an email").wait_for()
    assert Subscriber.objects.filter(email="bob@example.net").exists()


def rows() -> list[object]:
    return [list(model.objects.order_by("pk").values()) for model in (Subscriber, ConsentEvent, Notice)]


def scan(page: Page, url: str) -> None:
    """What a mail scanner does: open the link, let its scripts run, move about."""
    page.goto(url)
    page.wait_for_load_state("networkidle")
    page.mouse.wheel(0, 2000)
    page.keyboard.press("Tab")


def test_a_scanner_that_runs_javascript_changes_nothing(chromium: Browser, live_server: LiveServer) -> None:
    now = timezone.now()
    confirmed = make_reader("alice@example.net")
    pending = make_reader("bob@example.net", state="pending", confirmed_at=None, next_due_at=None)
    asked = pending.consent_events.create(kind=ConsentEvent.Kind.REQUESTED, at=now, method="page")
    owe_notice(pending, kind=Notice.Kind.CONFIRM, now=now, context={"request": asked.pk})
    for kind in (Notice.Kind.ALREADY, Notice.Kind.MANAGE):
        owe_notice(confirmed, kind=kind, now=now, context={})
    send_due_notices(now=now)
    found = {path for one in mail.outbox for path in re.findall(r"https://papers\.example\.org(/\S+)", one.body)}
    assert {path.split("/")[1] for path in found} >= {"confirm", "preferences", "u"}
    before = rows()
    with chromium.new_context() as context:
        page = context.new_page()
        for path in sorted(found):
            scan(page, live_server.url + path)
    assert rows() == before


def test_the_preview_of_the_preferences_follows_what_is_muted(chromium: Browser, live_server: LiveServer) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(live_server.url + path_of("topics"))
        preview = page.locator("[data-preview]")
        preview.get_by_text("Seeing well").wait_for()
        page.locator("[name=topic-vision]").select_option("mute")
        preview.get_by_text("Seeing well").wait_for(state="detached")
