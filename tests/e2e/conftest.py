"""A browser for the tests of pages. It starts once; each test gets a fresh context."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.e2e.chromium import BrowserMissing, launch


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Playwright keeps an event loop in this thread; the rows that tests write beside it are written by nobody else.
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        try:
            browser = launch(playwright)
        except BrowserMissing as missing:
            pytest.fail(str(missing), pytrace=False)
        yield browser
        browser.close()
