"""The machine's own Chromium, quiet and without a network of its own. Out: a browser that playwright drives."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-sync",
    "--disable-quic",
]


class BrowserMissing(Exception):
    """There is no Chromium; the message says how to get one."""


def launch(playwright: Playwright, executable: str = "") -> Browser:
    """Start the executable given, else that of CHROMIUM in the environment, else the first one on the path."""
    found = executable or os.environ.get("CHROMIUM", "") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        raise BrowserMissing("No Chromium here: install it (Debian: apt-get install chromium) or set CHROMIUM.")
    return playwright.chromium.launch(executable_path=found, args=ARGS)
