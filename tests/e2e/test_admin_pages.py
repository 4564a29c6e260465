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

from newsletter.models import Edition, Stream
from tests.builders import assign, make_edition, make_paper, make_reader
from tests.e2e.shots import SHIFTS, faults_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAGES = ["", "newsletter/edition/", "newsletter/edition/{edition}/change/", "newsletter/edition/{edition}/preview/"]
LISTS = ["newsletter/paper/", "newsletter/paper/{paper}/change/", "newsletter/edition/{edition}/act/approve/"]
OURS = (".desk-stage", ".desk-ranking", ".desk-phones", ".desk-bar-row", ".desk-grid", ".desk-ask", ".desk-alarms")
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
    page.fill("[name=items-1-position]", "1")
    page.fill("[name=items-1-note]", "Read this first.")
    page.click("[name=_continue]")
    assert page.locator(".desk-paper a").first.inner_text() == "A calm paper"
    page.click("text=Preview as three readers")
    frame = page.frame_locator("iframe").first
    assert "Read this first." in frame.locator("body").inner_text()
    page.click(".desk-bar-row >> text=Approve")
    page.click("button:has-text('Approve')")
    page.get_by_text("Approved. It will be frozen").wait_for()
    assert Edition.objects.get().state == Edition.State.APPROVED
