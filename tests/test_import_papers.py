import contextlib
import json
import os
import pty
import sys
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command, execute_from_command_line
from django.db import connections

from newsletter.models import Paper, PaperTopic, Sighting

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent
OURS = sorted((Path(__file__).parent / "data" / "listing-pages").glob("*.txt"))
REAL = sorted((ROOT.parent / "shared" / "data" / "listing-pages").glob("*.txt"))


def run(*arguments: str | Path) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("import_papers", *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def counts(*arguments: str | Path) -> dict[str, int]:
    read: dict[str, int] = json.loads(run("--json", *arguments)[0])
    return read


def test_json_is_the_three_numbers_and_nothing_else() -> None:
    out, err = run("--json", *OURS)
    assert out == '{"read": 8, "new": 7, "merged": 1}\n'
    assert err == ""


def test_a_person_reads_files_rows_new_and_merged() -> None:
    assert run(*OURS)[0] == "2 files, 8 rows read: 7 new, 1 merged\n"


def test_importing_twice_adds_nothing() -> None:
    run(*OURS)
    rows = (Paper.objects.count(), Sighting.objects.count(), PaperTopic.objects.count())
    assert counts(*OURS) == {"read": 8, "new": 0, "merged": 8}
    assert (Paper.objects.count(), Sighting.objects.count(), PaperTopic.objects.count()) == rows


def test_every_imported_paper_has_a_primary_topic_when_its_words_say_anything() -> None:
    run(*OURS)
    graph = Paper.objects.get(title__startswith="Counting Sheep")
    assert graph.paper_topics.get(is_primary=True).topic.slug == "graphs-tabular"


def test_a_broken_page_stores_nothing_of_itself_and_the_others_come_in(tmp_path: Path) -> None:
    cut = tmp_path / "cut.txt"
    text = OURS[0].read_text()
    cut.write_text(text[: text.rindex("\n\n")])
    out, err = StringIO(), StringIO()
    files = [cut, OURS[1], tmp_path / "missing.txt"]
    with pytest.raises(CommandError, match="2 of 3 files"):
        call_command("import_papers", "--json", *map(str, files), stdout=out, stderr=err)
    assert json.loads(out.getvalue()) == {"read": 3, "new": 3, "merged": 0}
    assert (
        f"{cut}:{text[: text.rindex(chr(10) * 2)].count(chr(10)) + 1}: the page ends after the title" in err.getvalue()
    )
    assert f"{files[2]}: No such file" in err.getvalue()
    assert not Paper.objects.filter(title="0").exists()


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is no listing. Commands run as manage.py runs them, but leave the test its database connection."""
    monkeypatch.setattr(connections, "close_all", lambda: None)
    path = tmp_path / "notes.txt"
    path.write_text("not a listing")
    return path


def test_the_exit_code_of_a_broken_page_is_one(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        execute_from_command_line(["manage.py", "import_papers", "--json", str(page)])
    shown = capsys.readouterr()
    assert stopped.value.code == 1
    assert shown.out == '{"read": 0, "new": 0, "merged": 0}\n'
    assert f"{page}:1: no date line" in shown.err
    assert "Traceback" not in shown.err


def test_a_person_at_a_terminal_sees_progress_and_a_program_still_reads_pure_json(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal, stderr = pty.openpty()
    with os.fdopen(stderr, "w") as shown_there:
        monkeypatch.setattr(sys, "stderr", shown_there)
        with pytest.raises(SystemExit):
            execute_from_command_line(["manage.py", "import_papers", "--json", str(page)])
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed and everything was read
        while piece := os.read(terminal, 10_000):
            shown += piece
    os.close(terminal)
    assert capsys.readouterr().out == '{"read": 0, "new": 0, "merged": 0}\n'
    assert b"Importing" in shown


@pytest.mark.skipif(not REAL, reason="the real pages are not part of the repository")
def test_the_real_pages_count_as_known() -> None:
    assert counts(*REAL) == {"read": 224, "new": 184, "merged": 40}
    assert counts(*REAL) == {"read": 224, "new": 0, "merged": 224}
    assert not Paper.objects.filter(abstract__contains="workers.dev").exists()
    with_code = Paper.objects.exclude(code_url="")
    assert 60 <= with_code.count() <= 75
    elsewhere = with_code.exclude(code_url__startswith="https://github.com/").values_list("code_url", flat=True)
    assert {urlsplit(url).hostname for url in elsewhere} == {"monai.io", "anonymous.4open.science"}  # in so many words


@pytest.mark.skipif(not REAL, reason="the real pages are not part of the repository")
def test_real_pages_saved_with_other_line_ends_or_one_header_line_less_count_the_same(tmp_path: Path) -> None:
    for page in REAL:
        data = page.read_bytes().replace(b"Daily Papers\n\n", b"").replace(b"\n", b"\r\n")
        (tmp_path / page.name).write_bytes(b"\xef\xbb\xbf" + data + b"\r\n")
    assert counts(*sorted(tmp_path.iterdir())) == {"read": 224, "new": 184, "merged": 40}
    assert counts(*REAL)["new"] == 0
    assert Sighting.objects.count() == 224
