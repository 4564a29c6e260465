"""A whole site in one signed file: what goes in comes out, on another database, and nothing else is taken in."""

from __future__ import annotations

import json
import shutil
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from newsletter.interests import library_entries
from newsletter.management import site_archive
from newsletter.management.site_archive import LEFT, MANIFEST, SIGNATURE, ArchiveError, kept_models, write_archive
from newsletter.models import Delivery, Edition, Paper, Verdict
from subscriptions import lifecycle, suppression
from subscriptions.models import Follow, Interest, Subscriber, Suppression
from subscriptions.token_links import address_hash
from tests.builders import NOON, make_reader
from tests.fakes import MemoryTransport
from tests.processes import Command
from tests.test_delivery import planned, run

pytestmark = pytest.mark.django_db(transaction=True)
SECRETS = ("SECRET_KEY", "PASSWORD", "password", "EMAIL_URL", "DSN", "TOKEN")


@pytest.fixture
def lived_in() -> None:
    """A site with readers of every state, a digest that was sent, and what readers told."""
    first, second, third = (row.subscriber for row in planned(3, language="de"))
    run(MemoryTransport())
    paper = Paper.objects.order_by("pk").first()
    assert paper
    Verdict.objects.create(subscriber=first, paper=paper, value=1, at=NOON)
    library_entries.save_paper(first, paper=paper, now=NOON)
    Follow.objects.create(subscriber=first, key="author:x", text="author:x", at=NOON)
    Interest.objects.create(subscriber=second, name="Thesis – “α”", is_first=True, share=50)
    lifecycle.unsubscribe(second, now=NOON, method="test", origin=lifecycle.Origin())
    with transaction.atomic():
        suppression.suppress(third, reason=Suppression.Reason.COMPLAINT, source="test", now=NOON)
        suppression.bar_address(address_hash("grace@example.org"), reason="admin", source="test", now=NOON)
    make_reader("a.long+tag@example.net", state="pending", confirmed_at=None)
    curator = User.objects.create_user("curator", password="s3cret-of-a-person")
    Edition.objects.update(approved_by=curator)
    Subscriber.objects.update(created_at=NOON - timedelta(days=400))


@pytest.fixture
def archive(lived_in: None, tmp_path: Path) -> Path:
    file = tmp_path / "site.zip"
    write_archive(file, now=timezone.now())
    return file


def tables_of(file: Path) -> dict[str, list[dict[str, object]]]:
    with zipfile.ZipFile(file) as opened:
        names = [name for name in opened.namelist() if name.endswith(".jsonl")]
        return {name: [json.loads(line) for line in opened.read(name).splitlines()] for name in names}


@pytest.fixture(scope="module")
def new_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of SQLite as the migrations leave it; with PostgreSQL made here, so that an archive changes its kind."""
    if connection.vendor == "sqlite":
        return Path(request.getfixturevalue("migrated_file"))
    folder = tmp_path_factory.mktemp("migrated")
    env = {"DEBUG": "1", "DATABASE_URL": f"sqlite:///{folder / 'new.sqlite3'}"}
    migrate = Command("migrate", "--verbosity", "0", env=env, folder=folder)
    migrate.start()
    assert migrate.wait() == 0, migrate.log_text()
    return folder / "new.sqlite3"


class NewSite:
    """A migrated SQLite database that nobody used, and commands on it in processes of their own."""

    def __init__(self, migrated: Path, folder: Path, **env: str) -> None:
        self.folder = folder
        folder.mkdir()
        shutil.copy(migrated, folder / "new.sqlite3")
        self._env = {"DEBUG": "1", "DATABASE_URL": f"sqlite:///{folder / 'new.sqlite3'}", **env}

    def run(self, *arguments: str) -> tuple[int, str]:
        command = Command(*arguments, env=self._env, folder=self.folder)
        command.start()
        return command.wait(), command.log_text()


def test_another_site_takes_in_everything_and_nothing_changes(
    archive: Path, new_database: Path, tmp_path: Path
) -> None:
    site = NewSite(new_database, tmp_path / "new")
    code, said = site.run("import_site", str(archive))
    assert (code, "Taken in." in said) == (0, True), said
    again = tmp_path / "again.zip"
    assert site.run("export_site", str(again))[0] == 0
    before, after = tables_of(archive), tables_of(again)
    for row in before["newsletter.Edition.jsonl"]:
        assert row["fields"]["approved_by"]  # type: ignore[index]
        row["fields"]["approved_by"] = None  # type: ignore[index]  # staff accounts stay behind
    assert after == before
    assert len(after["subscriptions.Subscriber.jsonl"]) == 4
    assert again.stat().st_mode & 0o777 == 0o600


@pytest.mark.any_database
def test_what_comes_next_takes_a_fresh_id(archive: Path, new_database: Path, tmp_path: Path) -> None:
    site = NewSite(new_database, tmp_path / "new")
    assert site.run("import_site", str(archive))[0] == 0
    code = (
        "from tests.builders import make_reader; from subscriptions.models import Subscriber; "
        "n = make_reader('new@example.net').pk; "
        "print('fresh', n == max(Subscriber.objects.values_list('pk', flat=True)))"
    )
    assert "fresh True" in site.run("shell", "-c", code)[1]


@pytest.mark.any_database
def test_a_site_in_use_takes_in_nothing(archive: Path, new_database: Path, tmp_path: Path) -> None:
    site = NewSite(new_database, tmp_path / "new")
    assert site.run("import_site", str(archive))[0] == 0
    code, said = site.run("import_site", str(archive))
    assert code == 1
    assert "by a new site alone" in said


@pytest.mark.any_database
def test_another_key_is_refused_with_what_to_set(archive: Path, new_database: Path, tmp_path: Path) -> None:
    site = NewSite(new_database, tmp_path / "new", ADDRESS_HASH_KEY="k" * 40)
    code, said = site.run("import_site", str(archive))
    assert code == 1
    assert "Set ADDRESS_HASH_KEY" in said


def changed(archive: Path, to: Path, member: str, data: bytes) -> Path:
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(to, "w") as new:
        for name in old.namelist():
            new.writestr(name, data if name == member else old.read(name))
    return to


@pytest.mark.parametrize("member", ["subscriptions.Suppression.jsonl", MANIFEST, SIGNATURE, "newsletter.Paper.jsonl"])
@pytest.mark.parametrize("data", [b"", b"no json\n", b"{}\n"])
def test_what_was_changed_is_refused_whole(archive: Path, member: str, data: bytes, tmp_path: Path) -> None:
    broken = changed(archive, tmp_path / "broken.zip", member, data)
    for model in reversed(kept_models()):  # this site is a new one now
        model._base_manager.all().delete()
    with pytest.raises(ArchiveError):
        site_archive.read_archive(broken)
    assert not Subscriber.objects.exists()
    assert not Delivery.objects.exists()


@pytest.mark.any_database
@pytest.mark.parametrize("cut", [0, 10, 0.5, 0.98])
def test_a_file_that_is_cut_or_no_archive_is_refused(cut: float, archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    broken = tmp_path / "cut.zip"
    broken.write_bytes(whole[: int(len(whole) * cut)] if cut < 1 else b"no archive")
    with pytest.raises(ArchiveError, match="Copy it again"):
        site_archive.read_archive(broken)


@pytest.mark.any_database
def test_no_secret_and_no_staff_account_is_in_it(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        text = "".join(opened.read(name).decode() for name in opened.namelist())
        told = json.loads(opened.read(MANIFEST))["settings"]
    assert "s3cret-of-a-person" not in text
    assert "pbkdf2" not in text
    assert not [name for name in told if any(secret in name for secret in SECRETS)]


def test_every_model_moves_or_says_that_it_stays() -> None:
    names = {model.__name__ for model in kept_models()}
    assert names >= {"Subscriber", "ConsentEvent", "Suppression", "Interest", "Follow", "Topic", "TopicPreference"}
    assert names >= {"Paper", "Edition", "EditionItem", "Compiled", "Delivery", "LibraryEntry", "Verdict", "DigestFeed"}
    assert not names & LEFT
