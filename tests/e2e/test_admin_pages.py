"""The desk in a real browser: it fits a phone, calls nobody else, and an edition is approved by its buttons."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.db import connection

from newsletter.models import Edition, EditionRevision, Stream
from tests.builders import assign, make_edition, make_paper, make_reader
from tests.e2e.shots import SHIFTS, faults_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGES = ["", "newsletter/edition/", "newsletter/edition/{edition}/change/", "newsletter/edition/{edition}/preview/"]
LISTS = ["newsletter/paper/", "newsletter/paper/{paper}/change/", "newsletter/edition/{edition}/act/approve/"]
OURS = (
    ".desk-stage",
    ".desk-words",
    ".desk-ranking",
    ".desk-phones",
    ".desk-try",
    ".desk-findings",
    ".desk-bar-row",
    ".desk-grid",
    ".desk-ask",
    ".desk-alarms",
)
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture
def edition() -> Edition:
    make_reader(follows=("vision",))
    titles = ("Supercalifragilistic" * 8, "A calm paper", "<script>document.title = 'taken over'</script>")
    return make_edition(papers=[assign(make_paper(title=title), "vision", "robotics") for title in titles])


@pytest.fixture(params=[(390, "light"), (1280, "dark")], ids=["phone", "desktop"])
def page(request: pytest.FixtureRequest, chromium: Browser, live_server: LiveServer) -> Iterator[Page]:
    """A curator who has signed in."""
    migration = importlib.import_module("newsletter.migrations.0003_groups")
    migration.add_groups(apps, SimpleNamespace(connection=connection))  # the test before emptied the tables
    user = User.objects.create_user("carla", password="a-long-enough-password", is_staff=True)
    user.groups.add(Group.objects.get(name="Curators"))
    width, scheme = request.param
    with chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        context.set_default_timeout(20_000)
        context.add_init_script(SHIFTS)
        page = context.new_page()
        page.goto(f"{live_server.url}/admin/login/")
        page.fill("[name=username]", "carla")
        page.fill("[name=password]", "a-long-enough-password")
        page.click("[type=submit]")
        yield page


def test_pages_fit_and_call_nobody_else(page: Page, live_server: LiveServer, edition: Edition) -> None:
    paper = edition.items.first()
    assert paper
    for path in (*PAGES, *LISTS):
        url = f"{live_server.url}/admin/{path.format(edition=edition.pk, paper=paper.paper_id)}"
        assert faults_of(page, url) == [], path
        assert "taken over" not in page.title()


def test_a_long_answer_of_a_relay_is_read_whole_in_the_list(page: Page, live_server: LiveServer) -> None:
    reply = "451 4.7.1 Try again later, this relay is short of everything it needs to take a message. " * 3
    User.objects.update(is_superuser=True)
    Stream.objects.create(name="digest", trouble=Stream.Trouble.DEFERRED, last_reply=reply)
    page.goto(f"{live_server.url}/admin/newsletter/stream/")
    cell = page.locator("#result_list [data-label]").filter(has_text="451 4.7.1")
    assert cell.evaluate("cell => cell.scrollHeight - cell.clientHeight") <= 1
    assert faults_of(page, page.url) == []


def test_what_we_drew_has_no_accessibility_violation(page: Page, live_server: LiveServer, edition: Edition) -> None:
    for path in (PAGES[0], *PAGES[2:], LISTS[-1]):
        page.goto(f"{live_server.url}/admin/{path.format(edition=edition.pk)}")
        drawn = [[part] for part in OURS if page.locator(part).count()]
        found = Axe().run(page, context={"include": drawn, "exclude": [["iframe"]]}, options={"runOnly": WCAG})
        assert found.violations_count == 0, f"{path}\n{found.generate_report()}"


def test_a_curator_moves_a_paper_previews_and_approves(page: Page, live_server: LiveServer, edition: Edition) -> None:
    page.goto(f"{live_server.url}/admin/newsletter/edition/{edition.pk}/change/")
    row = page.locator(".desk-row", has_text="A calm paper")
    row.get_by_role("button", name="To the top").click()
    page.locator(".desk-row").first.get_by_text("A calm paper").wait_for()
    row.locator("summary").click()
    row.locator("input[type=text][name$=-note]").fill("Read *this* first.")
    page.locator("[data-saved]", has_text="Saved at").wait_for()
    page.get_by_text("edited: ").first.wait_for(state="attached")
    page.click("text=Try it: preview and test mail")
    page.frame_locator("iframe").first.get_by_text("Read this first.").wait_for()
    page.get_by_label("Mutes topics").select_option("robotics")
    page.get_by_label("Format").select_option("text")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**format=text**")
    assert page.locator("iframe").count() == 1
    page.click(".desk-bar-row >> text=Approve")
    page.click("button:has-text('Approve')")
    page.get_by_text("Approved. It will be frozen").wait_for()
    assert Edition.objects.get().state == Edition.State.APPROVED


def test_a_sent_edition_is_corrected_for_all_to_see_and_taken_off(page: Page, live_server: LiveServer) -> None:
    sent = make_edition(papers=[assign(make_paper(), "vision")], state=Edition.State.DONE)
    address, public = (
        f"{live_server.url}/admin/newsletter/edition/{sent.pk}/",
        live_server.url + sent.get_absolute_url(),
    )
    page.goto(f"{address}change/")
    page.get_by_role("link", name="Correct").click()
    page.get_by_label("What was wrong").fill("It was *Ada*.")
    assert faults_of(page, f"{address}act/correct/") == []
    page.get_by_label("What was wrong").fill("It was *Ada*.")
    found = Axe().run(page, context={"include": [[".desk-ask"]]}, options={"runOnly": WCAG})
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("button", name="Correct").click()
    page.get_by_text("Corrected on the site.").wait_for()
    assert faults_of(page, public) == []
    page.locator(".edition-correction em", has_text="Ada").wait_for()
    found = Axe().run(page, context={"include": [[".edition-correction"]]}, options={"runOnly": WCAG})
    assert found.violations_count == 0, found.generate_report()
    page.goto(f"{address}act/take-down/")
    page.get_by_role("button", name="Take off the site").click()
    page.get_by_text("Taken off the site: out of archive").wait_for()
    answer = page.goto(f"{public}?again")  # the page itself may be kept by browsers for some minutes
    assert answer
    assert answer.status == 410
    page.get_by_text("The other editions are in the archive.").wait_for()


@pytest.fixture
def sixty() -> Edition:
    papers = [assign(make_paper(title=f"Paper number {place} of sixty"), "vision") for place in range(1, 61)]
    return make_edition(papers=papers)


def places(edition: Edition) -> list[int]:
    titles = edition.items.order_by("position").values_list("paper__title", flat=True)
    return [int(title.split()[2]) for title in titles]


def settle(page: Page, done: str) -> None:
    page.locator(".desk-last", has_text=done).wait_for()


def test_the_curators_week_takes_few_clicks(page: Page, live_server: LiveServer, sixty: Edition) -> None:
    """Before: a pick took six clicks, a move typing, scrolling and a new page."""
    page.goto(f"{live_server.url}/admin/newsletter/edition/{sixty.pk}/change/")
    assert page.viewport_size
    if page.viewport_size["width"] == 1280:
        assert page.locator(".desk-rows").evaluate("rows => rows.offsetHeight") <= 2 * 900
    row = page.locator(".desk-row", has_text="Paper number 30 of")
    row.get_by_role("button", name="Pick").click()
    settle(page, "made an editor's pick")
    field = row.locator(".desk-place input[type=number]")
    field.fill("2")
    field.press("Enter")
    settle(page, ": moved")
    assert places(sixty)[:3] == [1, 30, 2]
    assert sixty.items.get(lane="pick").paper.title == "Paper number 30 of sixty"
    page.locator(".desk-last button").click()
    settle(page, "took back")
    assert places(sixty)[28:31] == [29, 30, 31]
    row.locator("summary").press("Alt+ArrowUp")
    settle(page, "moved up")
    assert places(sixty)[28:31] == [30, 29, 31]


def test_a_paper_is_dragged_and_many_are_filtered_chosen_and_excluded(
    page: Page, live_server: LiveServer, sixty: Edition
) -> None:
    page.goto(f"{live_server.url}/admin/newsletter/edition/{sixty.pk}/change/")
    if page.viewport_size and page.viewport_size["width"] == 1280:
        upper = page.locator(".desk-row", has_text="Paper number 2 of")
        page.locator(".desk-row", has_text="Paper number 12 of").locator(".desk-reached").drag_to(
            upper.locator(".desk-reached"), target_position={"x": 5, "y": 2}
        )
        settle(page, ": moved")
        assert places(sixty)[:3] == [1, 12, 2]
    page.locator("[data-filter]").fill("number 5")
    page.locator("[data-choose-all]").check()
    page.get_by_role("group", name="With the chosen papers").get_by_role("button", name="Exclude").click()
    settle(page, "more: excluded")
    gone = set(sixty.items.filter(standing="excluded").values_list("paper__title", flat=True))
    assert gone == {f"Paper number {place} of sixty" for place in (5, 15, 25, 35, 45, *range(50, 60))}


def test_a_paper_is_dragged_with_a_finger_by_its_handle(page: Page, live_server: LiveServer, sixty: Edition) -> None:
    """Elsewhere a finger scrolls: a row is left where it is."""
    page.goto(f"{live_server.url}/admin/newsletter/edition/{sixty.pk}/change/")
    fingers = page.context.new_cdp_session(page)
    fingers.send("Emulation.setTouchEmulationEnabled", {"enabled": True})

    def drag(part: str) -> None:
        page.locator(".desk-row", has_text="Paper number 4 of").evaluate(
            "row => row.scrollIntoView({block: 'center', behavior: 'instant'})"
        )
        start = page.locator(".desk-row", has_text="Paper number 5 of").locator(part).bounding_box()
        goal = page.locator(".desk-row", has_text="Paper number 3 of").bounding_box()
        assert start
        assert goal
        x, y, top = start["x"] + start["width"] / 2, start["y"] + start["height"] / 2, goal["y"] + 2
        fingers.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, 9):
            at = {"x": x, "y": y + (top - y) * step / 8}
            fingers.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [at]})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    drag(".desk-handle")
    settle(page, "“Paper number 5 of sixty”: moved")
    assert places(sixty)[:6] == [1, 2, 5, 3, 4, 6]
    drag(".desk-reached")
    page.locator(".desk-row", has_text="Paper number 7 of").get_by_role("button", name="Pick").press("Enter")
    settle(page, "made an editor's pick")  # one request after the other: a second move would stand before it
    assert EditionRevision.objects.count() == 2


def test_words_are_previewed_and_saved_while_they_are_typed(
    page: Page, live_server: LiveServer, edition: Edition
) -> None:
    page.goto(f"{live_server.url}/admin/newsletter/edition/{edition.pk}/change/")
    page.locator(".desk-words > summary").click()
    page.locator("[name=editor_note]").fill("Read **this**.")
    page.frame_locator("iframe[name=words-preview]").locator("strong", has_text="this").wait_for()
    page.locator("[data-saved]", has_text="Saved at").wait_for()
    assert Edition.objects.get().editor_note == "Read **this**."
    Edition.objects.update(editor_note="Theirs.")
    page.locator("[name=editor_note]").fill("Mine.")
    page.locator("[data-saved]", has_text="Somebody else has changed this").wait_for()
    assert Edition.objects.get().editor_note == "Theirs."


def test_the_desk_works_without_scripts(page: Page, live_server: LiveServer, chromium: Browser, sixty: Edition) -> None:
    with chromium.new_context(
        java_script_enabled=False, storage_state=page.context.storage_state(), viewport=page.viewport_size
    ) as context:
        plain = context.new_page()
        plain.goto(f"{live_server.url}/admin/newsletter/edition/{sixty.pk}/change/")
        row = plain.locator(".desk-row", has_text="Paper number 30 of")
        row.locator("summary").click()
        row.locator("input[type=text][name$=-note]").fill("Kept.")
        row.get_by_role("button", name="Pick").click()
        plain.get_by_text("made an editor's pick").first.wait_for()
        item = sixty.items.get(lane="pick")
        assert (item.paper.title, item.note) == ("Paper number 30 of sixty", "Kept.")
        plain.locator(".desk-words > summary").click()
        plain.locator("[name=editor_note]").fill("Read **this**.")
        plain.get_by_role("button", name="Show").click()
        plain.frame_locator("iframe[name=words-preview]").locator("strong", has_text="this").wait_for()
