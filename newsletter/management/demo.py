"""`make demo`: the whole way of a paper into an inbox, on sample papers, with real HTTP and real SMTP on this machine.

In: an empty folder. Out: a table of what each reader got, and a site, an admin and a mail catcher to look at.
Everything lives in VAR_DIR (var/demo) and is made anew each time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import django
import httpx
from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from newsletter.management.mail_catcher import MailCatcher
    from newsletter.models import Edition

ROOT = Path(__file__).resolve().parent.parent.parent
LOGIN, PASSWORD = "demo", "paperboy-demo"
STORY_SECONDS = 300  # what the story may take: it happens on one day of UTC
console = Console(highlight=False)


def main() -> int:
    site, smtp, http = _free_port(8000), _free_port(2525), _free_port(8025)
    folder = ROOT / "var" / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="newsletter.settings",
        DEBUG="1",
        VAR_DIR=str(folder),
        DATABASE_URL=f"sqlite:///{folder / 'paperboy.sqlite3'}",
        REDIS_URL="",
        SITE_URL=f"http://127.0.0.1:{site}",
        EMAIL_URL=f"smtp://127.0.0.1:{smtp}",
        LOG_LEVEL="WARNING",
    )
    oneshot = os.environ.get("ONESHOT", "") not in {"", "0"}
    django.setup()
    from newsletter.management.demo_story import DemoError, tell
    from newsletter.management.mail_catcher import MailCatcher

    catcher = MailCatcher(folder / "mail", ("127.0.0.1", smtp), ("127.0.0.1", http))
    try:
        _wait_for_the_day()
        _prepare()
        bind = ("--bind", f"127.0.0.1:{site}")
        with _running(catcher), _process("gunicorn", "newsletter.wsgi", *bind, "--workers=2", "--no-control-socket"):
            address = f"http://127.0.0.1:{site}"
            with httpx.Client(base_url=address, timeout=20, headers={"Referer": f"{address}/"}) as web:
                for edition in tell(web, catcher):
                    _table(edition)
            _where_to_look(address, f"http://127.0.0.1:{http}", folder)
            if not oneshot:
                _keep_serving()
    except DemoError as error:
        console.print(f"\n[bold red]The demo stopped:[/] {error}")
        return 1
    return 0


def _wait_for_the_day() -> None:
    """Wait for midnight (UTC) where it is near: a story of two days would be another one."""
    now = datetime.now(UTC)
    left = 86_400 - (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds()
    if left < STORY_SECONDS:
        console.print(f"  It is nearly midnight (UTC). The story needs one day for itself: it begins in {left:.0f} s.")
        time.sleep(left + 1)


def _prepare() -> None:
    """Make a fresh database with sample papers, their trends and a curator."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from newsletter.management.demo_story import step, take_in

    with step("A fresh SQLite database"):
        call_command("migrate", verbosity=0)
        User.objects.create_superuser(LOGIN, "demo@example.net", PASSWORD)
    with step("Made-up papers of the last days, with made-up votes and stars"):
        take_in(todays=False)


def _table(edition: Edition) -> None:
    from newsletter.models import Delivery
    from subscriptions.models import Subscriber

    table = Table(
        title=f"Edition: {edition}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for heading in ("reader", "topics", "papers", "bytes", "state"):
        width = 27 if heading == "topics" else None
        is_number = heading in {"papers", "bytes"}
        table.add_column(heading, justify="right" if is_number else "left", max_width=width, no_wrap=True)
    rows = {row.subscriber_id: row for row in Delivery.objects.filter(edition=edition)}
    readers = Subscriber.objects.filter(cadence=edition.cadence).prefetch_related("preferences__topic")
    for reader in readers.order_by("pk"):
        row = rows.get(reader.pk)
        topics = ", ".join(preference.topic.slug for preference in reader.preferences.all())
        # Who left has no row: none was planned. Nor has who had a digest of that day already.
        had_one = reader.state == Subscriber.State.CONFIRMED
        state = row.state if row else "had one" if had_one else reader.state
        table.add_row(str(reader), topics, str(len(row.picks)) if row else "0", f"{row.size:,}" if row else "0", state)
    console.print()
    console.print(table)


def _where_to_look(site: str, mails: str, folder: Path) -> None:
    console.print(f"\n  [bold]Site[/]   {site}/")
    console.print(f"  [bold]Mails[/]  {mails}/   (also as files in {folder.relative_to(ROOT) / 'mail'})")
    console.print(f"  [bold]Admin[/]  {site}/admin/   login {LOGIN}, password {PASSWORD}")
    console.print("         There: the draft of tomorrow to curate, and what Alice suggested.\n")


def _keep_serving() -> None:
    console.print("Serving until Ctrl-C; `manage.py work` keeps sending what is due.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _process("work"), contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)
    console.print("\nStopped.")


@contextlib.contextmanager
def _running(catcher: MailCatcher) -> Iterator[None]:
    catcher.start()
    try:
        yield
    finally:
        catcher.stop()


@contextlib.contextmanager
def _process(name: str, *arguments: str) -> Iterator[None]:
    """A part of Paperboy in its own process, ended with the demo."""
    command = [sys.executable, "-m", name] if name == "gunicorn" else [sys.executable, str(ROOT / "manage.py"), name]
    with (Path(os.environ["VAR_DIR"]) / f"{name}.log").open("wb") as log:
        process = subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=log, stderr=log)  # noqa: S603
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_port(wanted: int) -> int:
    """Return the usual port, or any free one when something else uses it."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("There is no free port on 127.0.0.1.")


if __name__ == "__main__":
    sys.exit(main())
