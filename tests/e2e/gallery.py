"""Digests of sample readers as pictures to look at: `make gallery`.

In: the sample papers, in a database of its own. Out: var/gallery/index.html, where every reader x cadence stands as
phone and desktop, light and dark, beside its text and its .eml; first of all, the titles that break careless mailers.
Made anew each time.
"""

from __future__ import annotations

import os
import shutil
import sys
from html import escape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import django
from playwright.sync_api import sync_playwright

from tests.e2e.chromium import BrowserMissing, launch
from tests.e2e.shots import shoot

if TYPE_CHECKING:
    from newsletter.management.preview_files import Preview

FOLDER = Path(__file__).resolve().parents[2] / "var" / "gallery"
READERS = (
    "topics=speech-audio",
    "topics=vision,generation papers=5",
    "topics=language-models,efficiency,robotics mutes=vision",
    "",
    "topics=language-models new=yes",
)
WIDTHS = (390, 700)
SCHEMES = ("light", "dark")
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem; color-scheme: light dark; }
section { margin: 3rem 0; } h2 { margin: 0; } .row { display: flex; gap: 1rem; flex-wrap: wrap; margin-top: 1rem; }
.frame { height: 800px; overflow-y: auto; border: 1px solid #8888; } img { display: block; width: 390px; }
.frame.is-700 img { width: 500px; }
"""


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="newsletter.settings",
        DEBUG="1",
        VAR_DIR=str(FOLDER),
        DATABASE_URL=f"sqlite:///{FOLDER / 'gallery.sqlite3'}",
        SITE_URL="https://papers.example.org",
    )
    django.setup()
    shown = mails()
    try:
        faults = picture(shown)
    except BrowserMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    page = FOLDER / "index.html"
    page.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Digests</title><style>{STYLE}</style>'
        f"<h1>Digests</h1>{''.join(map(section, shown))}</html>",
        encoding="utf-8",
    )
    print(*faults, f"{len(shown)} digests: {page}", sep="\n")
    return int(bool(faults))


def mails() -> list[Preview]:
    """The mails of every sample reader and cadence, and one of awkward titles."""
    from django.core.management import call_command
    from django.utils import timezone

    from newsletter.management.preview_files import edition_to_show, persona_of, write_preview
    from newsletter.models import Edition
    from newsletter.monitoring.digest_previews import Persona
    from newsletter.ranking import update_trend_scores
    from tests.mail_samples import make_edition
    from tests.test_golden_mails import CASES

    now = timezone.now()
    call_command("migrate", verbosity=0)
    call_command("load_sample", stdout=StringIO())
    update_trend_scores.score_papers(now=now)
    shown = []
    for cadence in Edition.Cadence.values:
        with edition_to_show(cadence, now=now) as edition:
            edition.editor_note = "A note from the editor, in two paragraphs.\n\nThis is the second of them."
            for wishes in READERS:
                shown.append(write_preview(edition, persona=persona_of(wishes), folder=FOLDER, now=now))
    titles = [paper for name, papers in CASES.items() if name != "plain" for paper in papers]
    topics = ["vision", "robotics", "speech-audio", "efficiency", "generation"]  # at most three of one in a digest
    awkward = make_edition([paper | {"topics": [topics[n % 5]]} for n, paper in enumerate(titles)])
    everything = Persona("awkward titles", max_papers=20)
    return [write_preview(awkward, persona=everything, folder=FOLDER, now=now), *shown]


def picture(shown: list[Preview]) -> list[str]:
    """Take the pictures. Returns what a reader would stumble over."""
    faults = []
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for each in shown:
            url = each.stem.with_suffix(".html").as_uri()
            for width in WIDTHS:
                for scheme in SCHEMES:
                    found = shoot(browser, url, FOLDER, each.stem.name, width=width, scheme=scheme, full=True)
                    faults += [f"{each.title}, {width}, {scheme}: {fault}" for fault in found]
        browser.close()
    return faults


def section(shown: Preview) -> str:
    name = shown.stem.name
    frames = "".join(
        f'<div class="frame is-{width}"><img loading="lazy" src="{name}-{width}-{scheme}.png" '
        f'alt="{width} pixels wide, {scheme}"></div>'
        for scheme in SCHEMES
        for width in WIDTHS
    )
    links = " ".join(f'<a href="{name}{suffix}">{suffix[1:]}</a>' for suffix in (".html", ".txt", ".eml"))
    return (
        f"<section><h2>{escape(shown.title)}</h2><p>{escape(shown.subject)}<br>{links}</p>"
        f'<div class="row">{frames}</div></section>'
    )


if __name__ == "__main__":
    sys.exit(main())
