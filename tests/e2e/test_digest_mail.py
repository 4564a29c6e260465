"""Digests in a real browser: axe finds nothing, nothing scrolls sideways or is fetched, in light and in dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from newsletter.mail import compile_edition as mail_compile
from newsletter.mail.assemble import Composer
from tests.builders import NOON
from tests.e2e.shots import SHIFTS, faults_of
from tests.mail_lint import bodies
from tests.mail_samples import IDENTITY, PAPERS, make_edition, make_recipient
from tests.test_golden_mails import CASES

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.django_db]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# A mail stands inside the client's own landmarks and has none itself.
OPTIONS = {"runOnly": TAGS, "rules": {"region": {"enabled": False}, "landmark-one-main": {"enabled": False}}}
LONG = [PAPERS[0] | {"arxiv_id": f"2603.{number:05d}", "title": "大规模弱监督" * 40} for number in range(50)]
MAILS: dict[str, dict[str, Any]] = {
    "daily": {
        "papers": [*CASES["998-octets"], *PAPERS[:5]],
        "editor_note": "Quiet day on arXiv, loud day on GitHub.\n\nTwo papers came with code.",
    },
    "weekly": {"papers": CASES["arabic"], "cadence": "weekly"},
    "monthly": {"papers": LONG, "cadence": "monthly"},
}


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_is_accessible_and_fits_every_width_in_both_schemes(
    chromium: Browser, tmp_path: Path, name: str
) -> None:
    over = dict(MAILS[name])
    edition = make_edition(over.pop("papers"), **over)
    composer = Composer(mail_compile.compile_edition(edition, now=NOON), IDENTITY)
    file = tmp_path / "mail.html"
    file.write_text(bodies(composer.compose(make_recipient(edition, is_welcome=name == "weekly")))["html"])
    grounds = set()
    for width in (320, 390, 700):
        for scheme in ("light", "dark"):
            with chromium.new_context(
                viewport={"width": width, "height": 900}, color_scheme="dark" if scheme == "dark" else "light"
            ) as context:
                context.add_init_script(SHIFTS)
                page = context.new_page()
                assert faults_of(page, file.as_uri()) == []
                grounds.add(page.evaluate("getComputedStyle(document.querySelector('.column')).backgroundColor"))
                if (width, scheme) not in {(320, "light"), (390, "dark")}:
                    continue
                found = Axe().run(page, options=OPTIONS)
                assert found.violations_count == 0, f"{width} {scheme}\n{found.generate_report()}"
    assert len(grounds) == 2, "the dark scheme is not applied"
