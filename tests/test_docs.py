"""What README and docs name is there: commands, options, files, pictures, settings, alarms. Prose is judged by people.

A failure here usually means that the code moved on: say it in the page, then run this again.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import get_commands, load_command_class

from newsletter.admin import theme
from newsletter.models import Delivery
from tests import drawing
from tests.processes import ROOT

PAGES = {
    str(path.relative_to(ROOT)): path for path in (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")))
}
README = PAGES["README.md"].read_text()
HANDBOOK = PAGES["docs/operations.md"].read_text()
PACKAGES = ("newsletter", "subscriptions")
NOT_OF_OURS = {"REMAP_SIGTERM", "WEBHOOK_SECRET"}  # of Celery's environment, a key within ANYMAIL
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")

every_page = pytest.mark.parametrize("name", PAGES)


def code_of(text: str) -> list[str]:
    """Every line of the code blocks, and every code span outside them."""
    blocks = [line.partition("  #")[0] for block in FENCE.findall(text) for line in block.splitlines()]
    return [*blocks, *SPAN.findall(FENCE.sub("", text))]


def anchors_of(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def own_commands() -> set[str]:
    return {name for name, app in get_commands().items() if app in PACKAGES}


def variables_of_the_example() -> set[str]:
    return set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))


def commands_run(text: str) -> list[tuple[str, list[str]]]:
    """(command, options) of every `manage.py …` in the code of a page."""
    runs = [run for line in code_of(text) for run in re.findall(r"manage\.py\s+([a-z_]+[^&|]*)", line)]
    return [(run.split()[0], re.findall(r"(?<!\S)--[a-z-]+", run)) for run in runs]


@every_page
def test_every_command_and_option_exists(name: str) -> None:
    for command, options in commands_run(PAGES[name].read_text()):
        if command == "version":  # of manage.py itself
            continue
        assert command in get_commands(), command
        app = get_commands()[command]
        parser = load_command_class(app if isinstance(app, str) else app.__module__, command).create_parser("", command)
        for option in options:
            assert option in parser._option_string_actions, f"{command} {option}"


def test_the_readme_shows_every_command_of_ours_and_its_options() -> None:
    rows = re.findall(r"^\| (`[a-z_]+[^|]*`(?:, `[a-z_]+[^|]*`)*) \|", README, flags=re.MULTILINE)
    shown = {span.split()[0]: re.findall(r"--[a-z-]+", span) for row in rows for span in SPAN.findall(row)}
    assert {command for command in shown if command in own_commands()} == own_commands()
    for command in own_commands():
        parser = load_command_class(get_commands()[command], command).create_parser("", command)
        for option in shown[command]:
            assert option in parser._option_string_actions, f"{command} {option}"


@every_page
def test_every_make_target_exists(name: str) -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert phony
    named = {found for code in code_of(PAGES[name].read_text()) for found in re.findall(r"\bmake ([a-z][a-z-]*)", code)}
    assert named <= set(phony[1].split())


@every_page
def test_every_link_and_picture_within_the_repository_exists(name: str) -> None:
    page = PAGES[name]
    text = FENCE.sub("", page.read_text())
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"\b(?:src|srcset|href)=\"([^\"]+)\"", text)
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors_of(file), target


@every_page
def test_every_file_named_as_code_exists(name: str) -> None:
    """`newsletter/x.py` from the top; `x.py` alone may stand anywhere in the two packages, as the README's map does."""
    for code in code_of(PAGES[name].read_text()):
        for named in re.findall(r"(?<![\w/.*])((?:[a-z_]+/)*[a-z_-]+\.(?:py|toml|yml))\b", code):
            if named not in {"manage.py"} and "NAME" not in code:
                assert (ROOT / named).exists() or any(
                    found for package in PACKAGES for found in (ROOT / package).rglob(named.rpartition("/")[2])
                ), named


@pytest.mark.parametrize("name", ["README.md", "docs/operations.md"])
def test_every_setting_told_to_operators_is_in_the_example(name: str) -> None:
    named = {
        word for code in code_of(PAGES[name].read_text()) for word in re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", code)
    }
    assert named - NOT_OF_OURS <= variables_of_the_example()


@every_page
def test_every_name_in_capitals_is_known_to_the_code(name: str) -> None:
    named = {
        word
        for code in code_of(PAGES[name].read_text())
        for word in re.findall(r"\b_?[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", code)
    }
    sources = [path for package in (*PACKAGES, "tests") for path in (ROOT / package).rglob("*.py")]
    known = "\n".join(path.read_text() for path in (*sources, ROOT / ".env.example", ROOT / "Dockerfile"))
    assert {word for word in named if not re.search(rf"\b{word}\b", known)} == set()


def test_the_map_of_the_code_names_every_module_and_nothing_else() -> None:
    shown = README.partition("## Map of the code")[2].partition("\n## ")[0]
    for package in PACKAGES:
        part = shown.partition(f"**`{package}/`")[2].partition("**`subscriptions/`")[0]
        named = {name for row in re.findall(r"^\| (`.+?) \|", part, flags=re.MULTILINE) for name in SPAN.findall(row)}
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", package],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        ).stdout.split()
        if not listed:
            pytest.skip("not a git checkout: an unpacked archive has no list of its files")
        inside = {path.split("/", 2)[1] + ("/" if path.count("/") > 1 else "") for path in listed}
        assert named == inside - {"__init__.py", "apps.py", "migrations/"}


def test_every_decision_is_listed_and_no_number_is_used_twice() -> None:
    files = sorted(path.name for path in (ROOT / "docs/decisions").glob("[0-9]*.md"))
    listed = re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", PAGES["docs/decisions/README.md"].read_text())
    assert listed == files
    assert len({name[:4] for name in files}) == len(files) > 0
    for name in files:
        assert (ROOT / "docs/decisions" / name).read_text().startswith(f"# {name[:4]} ")


def test_the_glossary_has_a_line_for_each_model_room_and_package() -> None:
    glossary = PAGES["docs/glossary.md"].read_text()
    named = {span for row in re.findall(r"^\| (.+?) \|", glossary, flags=re.MULTILINE) for span in SPAN.findall(row)}
    models = {model.__name__ for package in PACKAGES for model in apps.get_app_config(package).get_models()}
    rooms = {
        str(path.parent.relative_to(ROOT / "newsletter"))
        for path in (ROOT / "newsletter").rglob("__init__.py")
        if path.parent.name not in {"newsletter", "migrations"}
    }
    assert (models | rooms | {"subscriptions"}) - named == set()
    assert {name for name in named if "/" in name} <= rooms, "packages that are gone"


def test_the_drawing_of_the_rooms_is_what_the_imports_say() -> None:
    found = drawing.MARKS.search(PAGES["docs/architecture.md"].read_text())
    assert found
    assert found[0] == drawing.drawing(), "run `make drawing`"


def test_what_an_operator_is_told_to_press_or_open_at_night_is_there() -> None:
    """*Buttons* and pages (`admin → …`) of the runbook and the handbook; “buttons” and commands of the alarms."""
    desk = "".join(path.read_text() for path in (ROOT / "newsletter" / "admin").glob("*.py"))
    buttons = set(re.findall(r"""(?:label=|"label": )_\("([^"]+)"\)""", desk))
    pages = {str(title) for group in theme._PAGES.values() for title, *_ in group}
    told = PAGES["docs/runbook.md"].read_text() + HANDBOOK
    opened = re.findall(r"[Aa]dmin → ([A-Z].*)", told)
    assert len(opened) > 20
    for text in opened:
        assert text.startswith(tuple(pages)), text
    alarms = "".join(path.read_text() for path in (ROOT / "newsletter" / "monitoring").glob("*_alarms.py"))
    pressed = re.findall(r"(?<!\*)\*([A-Z][^*\n]+)\*(?!\*)", PAGES["docs/runbook.md"].read_text())
    pressed += re.findall(r"“([A-Z][^”]+)”", alarms)
    assert set(pressed) - buttons - pages == set()
    assert set(re.findall(r"manage\.py ([a-z_]+)", alarms)) <= own_commands()


def test_every_test_that_is_named_as_evidence_exists() -> None:
    named = re.findall(r"`(test_\w+)`", PAGES["docs/evidence.md"].read_text())
    modules = (path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    there = {test for module in modules for test in re.findall(r"^ *def (test_\w+)\(", module, re.MULTILINE)}
    assert len(named) > 50
    assert set(named) <= there


def test_the_version_stands_in_one_place_and_is_shown() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version == settings.VERSION
    assert f'org.opencontainers.image.version="{version}"' in (ROOT / "Dockerfile").read_text()
    for word in ("version", "--version"):
        told = subprocess.run(
            [sys.executable, "manage.py", word], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        assert told == f"{version}\n"
    released = re.findall(r"^## (\S+)", PAGES["CHANGELOG.md"].read_text(), flags=re.MULTILINE)
    assert released[0] == ("Unreleased" if ".dev" in version else version)


def test_the_handbook_explains_why_a_delivery_was_skipped_and_what_each_queue_carries() -> None:
    for reason in Delivery.Skip.values:
        assert f"`{reason}`" in HANDBOOK, reason
    routes = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()} | {settings.CELERY_TASK_DEFAULT_QUEUE}
    assert routes == set(
        re.findall(
            r"^\| `(\w+)` \| .* \| .* \|$", HANDBOOK.partition("| queue |")[2].partition("\n\n")[0], flags=re.MULTILINE
        )
    )


def test_pictures_are_small_enough_to_look_at_on_a_phone() -> None:
    for picture in (ROOT / "docs/img").iterdir():
        assert picture.stat().st_size <= 250_000, picture.name
