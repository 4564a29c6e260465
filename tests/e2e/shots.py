"""Take pictures of pages or of HTML files, so that a person can look at them.

    python -m tests.e2e.shots http://localhost:8000 var/shots / /subscribe/ "/topic/vision/"
    python -m tests.e2e.shots http://localhost:8000 var/shots prefs=/preferences/TOKEN/
    python -m tests.e2e.shots file var/shots var/mail/digest.html

In: a base address (or ``file``), a folder, paths. Out: NAME-WIDTH-SCHEME.png for each width and colour scheme, and a
line for each picture; a page that scrolls sideways, shifts, logs an error or calls a third party is named and ends
the command with status 1. Safe to repeat: pictures are overwritten.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from playwright.sync_api import sync_playwright

from tests.e2e.chromium import launch

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SHIFTS = """
window.layoutShift = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.layoutShift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


def named(argument: str) -> tuple[str, str]:
    """The picture's name and the path: from ``name=path``, or the name made of the path itself."""
    given = re.fullmatch(r"([a-z0-9-]+)=(.+)", argument)
    return (given[1], given[2]) if given else (name_of(argument), argument)


def name_of(path: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", path.lower().removesuffix(".html")).strip("-")[-80:] or "home"


def faults_of(page: Page, url: str) -> list[str]:
    """Open ``url`` and say what a reader would notice: errors, foreign requests, sideways scrolling, shifting."""
    faults: list[str] = []
    host = urlsplit(url).netloc

    def foreign(address: str) -> bool:
        return urlsplit(address).scheme in {"http", "https"} and urlsplit(address).netloc != host

    page.on("console", lambda message: faults.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.on("request", lambda request: faults.append(f"foreign: {request.url}") if foreign(request.url) else None)
    page.goto(url, wait_until="networkidle")  # what scripts fetch late is judged too, and done before the page closes
    sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if sideways > 0:
        faults.append(f"scrolls {sideways}px sideways")
    shift = page.evaluate("window.layoutShift")
    if shift > 0.01:
        faults.append(f"layout shift {shift:.3f}")
    return faults


def shoot(browser: Browser, url: str, folder: Path, name: str, *, width: int, scheme: str, full: bool) -> list[str]:
    context = browser.new_context(
        viewport={"width": width, "height": 844 if width < 600 else 900},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=2 if width < 600 else 1,
        locale="en-GB",
        timezone_id="Europe/Berlin",
    )
    page = context.new_page()
    page.add_init_script(SHIFTS)
    faults = faults_of(page, url)
    page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=full)
    context.close()
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("base", help="address of the running site, or the word file")
    parser.add_argument("folder", type=Path)
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--widths", default="375,768,1280")
    parser.add_argument("--schemes", default="light,dark")
    parser.add_argument("--screen", action="store_true", help="the first screen only, not the whole page")
    parser.add_argument("--chromium", default="", help="the executable; else CHROMIUM, else the one on the path")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    failed = False
    with sync_playwright() as playwright:
        browser = launch(playwright, options.chromium)
        for name, path in map(named, options.paths):
            url = Path(path).resolve().as_uri() if options.base == "file" else options.base.rstrip("/") + path
            for width in map(int, options.widths.split(",")):
                for scheme in options.schemes.split(","):
                    faults = shoot(
                        browser, url, options.folder, name, width=width, scheme=scheme, full=not options.screen
                    )
                    failed = failed or bool(faults)
                    print(f"{name}-{width}-{scheme}.png", *faults, sep="  ")
        browser.close()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
