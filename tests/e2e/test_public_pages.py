"""The public pages in a real browser: what a reader with a phone, a keyboard or a screen reader meets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from newsletter.models import Paper
from tests.builders import NOON, make_edition, make_paper, make_topic
from tests.e2e.shots import SHIFTS, faults_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page
    from pytest_django import Settings
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = "The abstract goes on and says what was done. " * 20
PAGES = [
    "/",
    "/date/2026-03-14/",
    "/trending/",
    "/topic/vision/",
    "/topics/",
    "/api/",
    "/paper/1/",
    "/subscribe/",
    "/privacy/",
]
PAGES += ["/editions/", "/edition/weekly/2026-03-23/", "/saved/", "/saved/?papers=1,4"]
PAGES += ["/search/", "/search/?q=topic%3Avision", "/search/?q=colour%3Ared"]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(autouse=True)
def _papers() -> None:
    topic = make_topic("vision")
    awkward = {"title": "Supercalifragilistic" * 8, "abstract": f"See https://example.org/{'long' * 40} for more."}
    for pk, over in enumerate([{}, {"authors": []}, awkward, {"upvotes": 12, "code_url": "https://github.com/a/b"}], 1):
        fields = {"pk": pk, "abstract": LONG, "score_daily": 10 - pk} | over
        make_paper(**fields).paper_topics.create(topic=topic, score=0.9, is_primary=True)
    sent = make_edition(
        papers=Paper.objects.order_by("pk"),
        cadence="weekly",
        period_on=NOON.date().replace(day=23),
        editor_note=f"{LONG}\n\nhttps://example.org/{'long' * 40}",
        state="done",
    )
    sent.items.filter(position=1).update(note=LONG[:300], lane="pick")
    make_paper(pk=9, listed_on=NOON.date().replace(day=17), title="Of the day before")


@pytest.fixture
def phone(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 360, "height": 740})
    context.set_default_timeout(10_000)
    context.add_init_script(SHIFTS)
    yield context
    context.close()


def focused(page: Page) -> str:
    text: str = page.evaluate("document.activeElement.textContent.trim()")
    return text


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_pages_fit_their_screen_hold_still_and_call_nobody_else(
    phone: BrowserContext, live_server: LiveServer, path: str, width: int
) -> None:
    page = phone.new_page()
    page.set_viewport_size({"width": width, "height": 800})

    assert faults_of(page, live_server.url + path) == []


def test_pages_hold_still_while_somebody_reads_on(phone: BrowserContext, live_server: LiveServer) -> None:
    """Nothing that comes late moves what is being read: the shift stays zero to the end of the page."""
    page = phone.new_page()
    page.goto(live_server.url)
    page.reload()  # what a cold browser does with the machine's fonts is not the page's doing

    for _ in range(8):
        page.mouse.wheel(0, 700)
        page.wait_for_timeout(50)

    assert page.evaluate("window.scrollY") > 0
    assert page.evaluate("window.layoutShift") == 0


def test_a_phone_shows_the_first_paper_on_its_first_screen(chromium: Browser, live_server: LiveServer) -> None:
    with chromium.new_context(viewport={"width": 375, "height": 667}) as context:
        page = context.new_page()
        page.goto(f"{live_server.url}/trending/")
        sentence = page.locator(".paper .abstract p").first.bounding_box()
        assert sentence
        assert sentence["y"] < 667
        filters = page.locator(".filters").bounding_box()
        assert filters
        assert filters["height"] < 60
        banners = page.locator(".banner")
        assert [banners.nth(place).is_visible() for place in range(banners.count())] == [False, True]


def test_keys_walk_a_list_open_save_and_search(chromium: Browser, live_server: LiveServer) -> None:
    with chromium.new_context(viewport={"width": 1280, "height": 700}) as context:
        page = context.new_page()
        page.goto(live_server.url)
        titles = page.locator(".paper-title a").all_inner_texts()
        for key in "jjkj":
            page.keyboard.press(key)
        assert focused(page) == titles[1]
        page.keyboard.press("s")
        page.get_by_role("link", name="Saved papers (1)").wait_for()
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.type") == "search"
        page.keyboard.type("sjk")
        assert page.locator("#site-search").input_value() == "sjk"
        page.locator("h1").click()
        page.get_by_role("button", name="Turn the keys off").click()
        page.keyboard.press("j")
        assert focused(page) == "Turn the keys on"
        page.get_by_role("link", name="Saved papers (1)").click()
        assert page.locator(".paper-title a").all_inner_texts() == [titles[1]]
        page.locator("button[data-save]").click()
        page.goto(f"{live_server.url}/saved/")
        page.get_by_text("No papers saved yet.").wait_for()


def test_going_back_leads_to_where_one_was(phone: BrowserContext, live_server: LiveServer) -> None:
    page = phone.new_page()
    page.goto(live_server.url)
    last = page.locator(".paper-title a").last
    last.scroll_into_view_if_needed()
    was = page.evaluate("window.scrollY")
    last.click()
    page.locator(".paper-page").wait_for()
    page.go_back()
    page.wait_for_function(f"Math.abs(window.scrollY - {was}) < 2")
    assert was > 0


def test_what_is_done_with_a_paper_lies_at_a_thumbs_reach(phone: BrowserContext, live_server: LiveServer) -> None:
    page = phone.new_page()
    page.goto(live_server.url)
    sizes = [each.bounding_box() for each in page.locator(".paper-links :is(a, button), .filters summary").all()]
    assert len(sizes) > 10
    assert min(min(size["width"], size["height"]) for size in sizes if size) >= 44


def test_a_topic_is_picked_without_javascript(chromium: Browser, live_server: LiveServer) -> None:
    with chromium.new_context(java_script_enabled=False, viewport={"width": 375, "height": 800}) as context:
        page = context.new_page()
        page.goto(f"{live_server.url}/week/2026-W12/")
        page.locator(".picker summary").click()
        page.locator(".picker-list").get_by_text("Vision", exact=False).first.click()

        page.wait_for_url("**/week/2026-W12/?topic=vision")
        page.locator(".paper").nth(3).wait_for()
        assert page.locator(".paper").count() == 4


def test_the_list_of_topics_folds_when_somebody_turns_away(phone: BrowserContext, live_server: LiveServer) -> None:
    page = phone.new_page()
    page.goto(f"{live_server.url}/trending/")
    picker, summary = page.locator(".picker"), page.locator(".picker summary")

    summary.click()
    assert picker.get_attribute("open") is not None
    page.keyboard.press("Escape")
    assert picker.get_attribute("open") is None
    assert focused(page).startswith("Filters")
    summary.click()
    page.locator("h1").click()
    assert picker.get_attribute("open") is None


def test_a_reference_is_copied_where_there_is_a_clipboard(chromium: Browser, live_server: LiveServer) -> None:
    with chromium.new_context(permissions=["clipboard-read", "clipboard-write"]) as context:
        page = context.new_page()
        page.goto(f"{live_server.url}/paper/1/")
        page.get_by_role("button", name="Copy BibTeX").click()
        page.get_by_text("Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()").startswith("@misc{lovelace2026study-1,")

        page.get_by_role("button", name="Copy link").click()
        page.get_by_text("Copied").nth(1).wait_for()
        assert page.evaluate("navigator.clipboard.readText()").endswith("/paper/1/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_have_no_accessibility_violation(
    chromium: Browser, live_server: LiveServer, path: str, scheme: str
) -> None:
    with chromium.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark" if scheme == "dark" else "light", bypass_csp=True
    ) as context:
        page = context.new_page()
        page.goto(live_server.url + path)

        found = Axe().run(page, options=RULES)

        assert found.violations_count == 0, found.generate_report()


def test_an_abstract_opens_without_javascript(chromium: Browser, live_server: LiveServer) -> None:
    with chromium.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        page.goto(live_server.url)
        whole = page.locator(".abstract details p").first
        expect(whole).to_be_hidden()
        page.locator(".abstract summary").first.click()

        expect(whole).to_be_visible()
        assert page.locator(".abstract summary").first.inner_text() == "Less"


def test_the_first_tab_stop_skips_to_the_content(phone: BrowserContext, live_server: LiveServer) -> None:
    page = phone.new_page()
    page.goto(live_server.url)

    page.keyboard.press("Tab")
    skip = focused(page)
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    assert skip == "Skip to content"
    assert focused(page) == "Day"


def test_arrow_keys_turn_the_days_but_not_while_somebody_types(phone: BrowserContext, live_server: LiveServer) -> None:
    page = phone.new_page()
    page.goto(live_server.url)

    page.locator("input[type=email]:visible").press("ArrowLeft")
    while_typing = page.url
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("ArrowLeft")
    page.wait_for_url("**/date/2026-03-17/")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**/date/2026-03-18/")

    assert while_typing == live_server.url + "/"


@pytest.mark.parametrize("width", [375, 1280])
def test_a_language_from_right_to_left_turns_the_page_and_its_arrows(
    chromium: Browser, live_server: LiveServer, settings: Settings, width: int
) -> None:
    settings.LANGUAGES = [*settings.LANGUAGES, ("ar", "Arabic")]
    with chromium.new_context(locale="ar", viewport={"width": width, "height": 740}) as context:
        page = context.new_page()
        page.add_init_script(SHIFTS)
        assert faults_of(page, f"{live_server.url}/date/2026-03-18/") == []
        expect(page.locator("html")).to_have_attribute("dir", "rtl")
        expect(page.locator("[rel=prev] [aria-hidden]")).to_have_css("transform", "matrix(-1, 0, 0, 1, 0, 0)")
        turn, heading = (page.locator(one).bounding_box() for one in ("[rel=prev]", "h1"))
        assert turn is not None
        assert heading is not None
        assert turn["x"] < width / 2 < heading["x"] + heading["width"], "mirrored"
        for paper in page.locator("article.paper").all():
            title, picture = (paper.locator(one).bounding_box() for one in ("h2 a", ".picture"))
            assert title is not None
            assert picture is None or picture["x"] + picture["width"] <= title["x"], "they overlap"


def test_the_signup_form_starts_from_the_time_zone_of_the_browser(chromium: Browser, live_server: LiveServer) -> None:
    with chromium.new_context(timezone_id="Asia/Tokyo") as context:
        page = context.new_page()
        page.goto(f"{live_server.url}/subscribe/")

        assert page.locator("[name=time_zone]").input_value() == "Asia/Tokyo"
