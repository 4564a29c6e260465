"""The search in Chromium: from any page to what was looked for, by keyboard and on a phone."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from newsletter import search
from tests.builders import make_paper

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from pytest_django.live_server_helper import LiveServer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _papers() -> None:
    make_paper(title="Walking robots")
    make_paper(title="Melting glaciers")
    search.keep_up(now=timezone.now(), deadline=timezone.now() + timedelta(minutes=1))


def test_words_typed_into_the_header_find_papers(chromium: Browser, live_server: LiveServer) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    page.goto(live_server.url + "/topics/")
    page.get_by_role("searchbox", name="Search papers").fill("robots")
    page.keyboard.press("Enter")
    page.wait_for_url("**/search/?q=robots")
    assert page.get_by_role("heading", level=2).first.inner_text() == "Walking robots"
    assert page.get_by_role("searchbox").input_value() == "robots"
    page.close()


def test_on_a_phone_a_sign_in_the_header_leads_to_the_box(chromium: Browser, live_server: LiveServer) -> None:
    page = chromium.new_page(viewport={"width": 320, "height": 640})
    page.goto(live_server.url + "/topics/")
    page.get_by_role("banner").get_by_role("link", name="Search").click()
    page.wait_for_url("**/search/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("glaciers")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/search/?q=glaciers")
    assert page.get_by_role("heading", level=2).first.inner_text() == "Melting glaciers"
    page.close()
