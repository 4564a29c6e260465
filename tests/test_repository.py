"""Promises about the repository itself: nothing of one machine in it, nothing where it does not belong."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib

import pytest

from tests.processes import ROOT

TOP_LEVEL = {
    *(
        ".github",
        ".ci",
        ".dockerignore",
        ".editorconfig",
        ".env.example",
        ".gitignore",
        "Dockerfile",
        "LICENSE",
        "Makefile",
    ),
    *("README.md", "docker-compose.yml", "docs", "manage.py", "newsletter", "pyproject.toml", "requirements-dev.txt"),
    *("requirements-semantic.txt", "requirements-catcher.txt"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "deploy"),
    *(".pre-commit-config.yaml", ".git-blame-ignore-revs"),
    *("requirements.txt", "subscriptions", "templates", "tests"),
}
LOCKS = ("requirements.txt", "requirements-catcher.txt", "requirements-semantic.txt", "requirements-dev.txt")
TEXT = re.compile(r"\.(py|md|txt|toml|ya?ml|html|css|js|json|cfg|ini|example|eml|po)$|/(run|Makefile|Dockerfile)$")


def files_in_git() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("not a git checkout: an unpacked archive has no list of its files")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def lines_matching(pattern: str) -> list[str]:
    wanted = re.compile(pattern)
    found = []
    for name in files_in_git():
        if TEXT.search(f"/{name}") and name != "tests/test_repository.py":
            for number, line in enumerate((ROOT / name).read_text(errors="replace").splitlines(), 1):
                if wanted.search(line):
                    found.append(f"{name}:{number}: {line.strip()[:120]}")
    return found


def test_only_the_agreed_names_stand_at_the_top() -> None:
    assert {name.split("/")[0] for name in files_in_git()} - TOP_LEVEL == set()


def test_nothing_that_the_program_writes_is_kept() -> None:
    assert not [
        name for name in files_in_git() if re.search(r"(^|/)(var|__pycache__|\.venv)/|\.(pyc|sqlite3|log)$", name)
    ]


def test_no_path_of_somebodys_machine_is_in_any_file() -> None:
    assert lines_matching(r"(?<![\w.])/(root|home/\w+|Users/\w+|work)/") == []


def test_no_package_index_is_named() -> None:
    assert lines_matching(r"(?i)(--(extra-)?index-url\s+\S|https?://[^\s\"']*(/simple/?|\.whl)$)") == []


def test_every_locked_requirement_has_its_hash() -> None:
    for name in LOCKS:
        entries = re.split(r"\n(?=[a-zA-Z0-9])", (ROOT / name).read_text())
        assert len(entries) > 20
        for entry in entries:
            assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", entry), entry[:80]
            assert "--hash=sha256:" in entry, entry[:80]


def test_the_development_lock_agrees_with_the_other_locks() -> None:
    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==(\S+)", (ROOT / name).read_text(), flags=re.MULTILINE))

    development = pins("requirements-dev.txt")
    for smaller in map(pins, LOCKS):
        assert {name: development.get(name) for name in smaller} == smaller


def test_no_conflict_marker_and_no_note_to_self_is_left() -> None:
    assert lines_matching(r"^(<{7}|>{7}) |\b(TODO|FIXME|XXX)\b(?!-)") == []


def test_no_code_of_a_requirement_stands_for_its_reason() -> None:
    """Such lists live elsewhere; a reader of this repository needs the reason in words."""
    assert lines_matching(r"\b(SC|MF|SS|SM|BN|PL|CR|DK|BS)\d{1,2}\b|\(X\d{1,2}\)") == []


def test_code_never_asks_whether_it_is_under_test() -> None:
    asked = lines_matching(r"PYTEST_CURRENT_TEST|[\"']pytest[\"'] in sys\.modules|sys\.argv.*\btest\b")
    assert [line for line in asked if not line.startswith("tests/")] == []


def test_shell_scripts_stop_at_the_first_error() -> None:
    for name in files_in_git():
        path = ROOT / name
        if name.startswith(".ci/"):
            assert path.stat().st_mode & 0o100, f"{name} cannot be executed"
            assert "set -euo pipefail" in path.read_text()


def test_make_explains_every_command_it_has() -> None:
    text = (ROOT / "Makefile").read_text()
    commands = set(re.search(r"^\.PHONY: (.+)$", text, flags=re.MULTILINE)[1].split())  # type: ignore[index]
    told = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  make ([a-z-]+) +\S", told, flags=re.MULTILINE)) == commands


def test_make_alone_explains_and_does_nothing() -> None:
    alone = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "make demo" in alone
    assert "pip install" not in alone


def test_every_module_and_command_that_make_names_exists() -> None:
    text = (ROOT / "Makefile").read_text()
    for module in re.findall(r"\$\(PY\) -m ((?:tests|newsletter)[\w.]+)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
    for command in re.findall(r"manage\.py ([a-z_]+)", text):
        own = ROOT / "newsletter/management/commands" / f"{command}.py"
        assert own.exists() or command in {"migrate", "makemigrations"}, command


def test_the_listing_of_the_program_is_one_screen() -> None:
    """The folder itself shows the way of a paper (docs/architecture.md); more names would hide it."""
    assert len({name.split("/")[1] for name in files_in_git() if name.startswith("newsletter/")}) <= 26


def test_every_module_that_calls_itself_pure_stands_in_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (contract,) = [contract for contract in contracts if contract["name"].startswith("Pure modules")]
    assert not contract.get("allow_indirect_imports")
    named = set(contract["source_modules"])
    said = set()
    for name in files_in_git():
        if re.match(r"(newsletter|subscriptions)/.*\.py$", name) and "/migrations/" not in name:
            docstring = ast.get_docstring(ast.parse((ROOT / name).read_text())) or ""
            if re.search(r"(^|[.;|] )Pure\b", docstring.replace("\n", " ")):
                said.add(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    assert {module for module in said if not any(f"{module}.".startswith(f"{part}.") for part in named)} == set()
    assert len(said) >= 25
