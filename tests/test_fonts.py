"""The type we ship: small, complete, free to pass on, and nobody else's server."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

STATIC = Path(settings.BASE_DIR) / "newsletter" / "static" / "newsletter"
CSS = (STATIC / "fonts.css").read_text()
FILES = {file.name: file for file in (STATIC / "fonts").glob("*.woff2")}
BUDGET = 70_000  # bytes that a page in Latin letters may fetch


def test_latin_fonts_are_within_their_budget_and_no_script_is_a_burden() -> None:
    assert sum(FILES[name].stat().st_size for name in ("serif-latin.woff2", "sans-latin.woff2")) <= BUDGET
    assert max(file.stat().st_size for file in FILES.values()) <= 40_000


def test_every_font_is_declared_and_every_declared_font_is_there() -> None:
    assert sorted(re.findall(r'url\("fonts/([^"]+)"\)', CSS)) == sorted(FILES)


def test_both_families_cover_the_same_scripts() -> None:
    scripts = {
        family: {name.split("-", 1)[1] for name in FILES if name.startswith(family)} for family in ("serif", "sans")
    }
    assert scripts["serif"] == scripts["sans"] >= {"latin.woff2", "greek.woff2"}


def test_nothing_moves_when_a_font_comes_late() -> None:
    faces = re.findall(r"@font-face \{(.*?)\}", CSS, flags=re.DOTALL)
    for face in faces:
        assert "font-display: optional" in face if "url(" in face else "size-adjust" in face


def test_the_licence_comes_with_the_fonts_and_our_cuts_do_not_bear_the_reserved_name() -> None:
    licence = (STATIC / "fonts" / "LICENSE").read_text()
    assert "SIL OPEN FONT LICENSE" in licence
    assert not re.search(r'font-family: "Source', CSS)
