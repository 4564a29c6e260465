"""`manage.py preview_digest`: the files of the very mail that would be sent, and a database left as it was."""

from __future__ import annotations

from email import message_from_bytes, policy
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from newsletter.models import Edition, Paper
from tests.builders import NOON
from tests.mail_lint import lint
from tests.mail_samples import PAPERS, make_edition

pytestmark = pytest.mark.django_db


def preview(folder: Path, *arguments: str) -> str:
    out = StringIO()
    call_command("preview_digest", "--output", str(folder), *arguments, stdout=out)
    return out.getvalue()


def test_it_writes_html_text_and_mail_of_the_reader_asked_for(tmp_path: Path) -> None:
    make_edition(cadence="weekly", period_on=NOON.date().replace(day=16))
    printed = preview(tmp_path, "--as", "topics=speech-audio,vision papers=3", "--cadence", "weekly")
    assert {file.suffix for file in tmp_path.glob("weekly-*")} == {".html", ".txt", ".eml"}
    (mail,) = tmp_path.glob("*.eml")
    assert str(mail) in printed
    raw = mail.read_bytes()
    assert lint(raw, hosts=("arxiv.org", "github.com")) == []
    assert str(message_from_bytes(raw, policy=policy.default)["Subject"]).endswith("+ 2 more this week")
    text = mail.with_suffix(".txt").read_text()
    assert "The week in papers" in text
    assert PAPERS[0]["title"] in text
    assert mail.with_suffix(".html").name in (tmp_path / "index.html").read_text()


def test_without_wishes_three_sample_readers_are_shown(tmp_path: Path) -> None:
    make_edition()
    preview(tmp_path)
    assert len(list(tmp_path.glob("*.eml"))) == 3


def test_a_text_reader_and_a_new_reader_are_shown_as_they_are(tmp_path: Path) -> None:
    make_edition()
    preview(tmp_path, "--as", "format=text", "--as", "topics=vision new=yes")
    assert len(list(tmp_path.glob("daily-*.html"))) == 1
    (welcomed,) = tmp_path.glob("*new-yes.txt")
    assert "Here is your first digest" in " ".join(welcomed.read_text().split())


def test_where_there_is_no_edition_one_is_drafted_and_not_kept(tmp_path: Path) -> None:
    call_command("load_sample", stdout=StringIO())
    preview(tmp_path, "--cadence", "monthly")
    assert list(tmp_path.glob("monthly-*.eml"))
    assert not Edition.objects.exists()


@pytest.mark.parametrize(
    ("wishes", "answer"),
    [("topics=unheard", "There is no topic unheard"), ("papers=99", "1 to 50"), ("colour=red", "do not know colour")],
)
def test_wishes_that_make_no_sense_are_answered_by_a_sentence(tmp_path: Path, wishes: str, answer: str) -> None:
    make_edition()
    with pytest.raises(CommandError, match=answer):
        preview(tmp_path, "--as", wishes)


def test_without_papers_it_says_what_to_do(tmp_path: Path) -> None:
    assert not Paper.objects.exists()
    with pytest.raises(CommandError, match="load_sample"):
        preview(tmp_path)
