"""`make demo`: the whole way of a paper into an inbox, on sample papers, with real HTTP and real SMTP on this machine.

In: an empty folder. Out: a table of what each reader got, and a site, an admin and a mail catcher to look at.
Everything lives in VAR_DIR (var/demo) and is made anew each time.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
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
console = Console(highlight=False)


@dataclass(frozen=True)
class Person:
    email: str
    topics: tuple[str, ...]
    leaves: bool = False


PEOPLE = (
    Person("alice@example.net", ("language-models", "efficiency")),
    Person("bob@example.net", ("vision", "generation")),
    Person("charlie@example.net", ("robotics", "rl-agents"), leaves=True),
)
LATECOMER = Person("dana@example.net", ("language-models", "retrieval"))


class DemoError(Exception):
    """A step of the demo failed; the message says which and how."""


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
    from newsletter.management.mail_catcher import MailCatcher

    catcher = MailCatcher(folder / "mail", ("127.0.0.1", smtp), ("127.0.0.1", http))
    try:
        _prepare()
        bind = ("--bind", f"127.0.0.1:{site}")
        with _running(catcher), _process("gunicorn", "newsletter.wsgi", *bind, "--workers=2", "--no-control-socket"):
            _tell_the_story(f"http://127.0.0.1:{site}", catcher)
            _where_to_look(f"http://127.0.0.1:{site}", f"http://127.0.0.1:{http}", folder)
            if not oneshot:
                _keep_serving()
    except DemoError as error:
        console.print(f"\n[bold red]The demo stopped:[/] {error}")
        return 1
    return 0


def _prepare() -> None:
    """Make a fresh database with sample papers, their trends and a curator."""
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.utils import timezone

    from newsletter.ranking import update_trend_scores

    with _step("A fresh SQLite database"):
        call_command("migrate", verbosity=0)
        User.objects.create_superuser(LOGIN, "demo@example.net", PASSWORD)
    with _step("Sample papers with ten days of votes and stars"):
        call_command("load_sample", stdout=io.StringIO())
    with _step("Trend scores"):
        update_trend_scores.score_papers(now=timezone.now())


def _tell_the_story(site: str, catcher: MailCatcher) -> None:
    from django.utils import timezone

    from newsletter import planning, tasks
    from newsletter.editions import lifecycle
    from newsletter.models import Delivery, Edition
    from subscriptions import transactional_mails

    with httpx.Client(base_url=site, timeout=20, headers={"Referer": f"{site}/"}) as web:
        _until(lambda: _answers(web), "the site does not answer")
        with _step("Three readers sign up on the site"):
            for person in PEOPLE:
                _sign_up(web, person)
        with _step("They confirm by the link in their mail"):
            transactional_mails.send_due_notices(now=timezone.now())
            for person in PEOPLE:
                _confirm(web, catcher, person)

        def publish(days_ahead: int) -> Edition:
            now = timezone.now()
            day = now.date() + timedelta(days=days_ahead)
            edition = lifecycle.draft(cadence=Edition.Cadence.DAILY, period_on=day, now=now)
            lifecycle.approve(edition, by=None, now=now)
            lifecycle.freeze(edition, now=now)
            planning.plan_now(edition, now=now)
            tasks.deliver_due(deadline=now + timedelta(seconds=60))
            return edition

        with _step("An edition is drafted, approved, frozen and delivered"):
            first = publish(0)
            for person in PEOPLE:
                _digest_of(catcher, person, number=1)
        with _step(f"{_name(LATECOMER)} signs up later and has a first digest at once"):
            _sign_up(web, LATECOMER)
            transactional_mails.send_due_notices(now=timezone.now())
            _confirm(web, catcher, LATECOMER)
            planning.plan_due(now=timezone.now())
            tasks.deliver_due(deadline=timezone.now() + timedelta(seconds=60))
            welcome = _digest_of(catcher, LATECOMER, number=1)
            if not str(welcome["Subject"]).startswith("Welcome: "):
                raise DemoError(f"{LATECOMER.email} was not welcomed.")
        leaver = next(person for person in PEOPLE if person.leaves)
        with _step(f"{_name(leaver)} leaves by one click in the mail program"):
            _leave(web, _digest_of(catcher, leaver, number=1))
        with _step("The next edition goes to those who stayed, with new papers only"):
            second = publish(1)
            for person in PEOPLE:
                if not person.leaves:
                    _digest_of(catcher, person, number=2)
    if Delivery.objects.filter(edition=second, subscriber__email=leaver.email).exists():
        raise DemoError(f"{leaver.email} left and was planned for the second edition all the same.")
    for edition in (first, second):
        _table(edition)


def _name(person: Person) -> str:
    return person.email.partition("@")[0].title()


def _sign_up(web: httpx.Client, person: Person) -> None:
    page = web.get("/subscribe/").raise_for_status().text
    fields = dict(re.findall(r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page))
    wishes = {"email": person.email, "topics": list(person.topics), "cadence": "daily", "hour": "8"}
    from django.conf import settings

    time.sleep(settings.SIGNUP_SECONDS_MIN + 0.2)  # the form counts anything quicker as a machine
    answer = web.post("/subscribe/", data=fields | wishes | {"time_zone": "Europe/Berlin"}, follow_redirects=True)
    if answer.status_code != 200 or not answer.url.path.endswith("/sent/"):
        raise DemoError(f"The signup of {person.email} was answered {answer.status_code} at {answer.url}.")


def _confirm(web: httpx.Client, catcher: MailCatcher, person: Person) -> None:
    letter = _wait_for_mail(catcher, person.email, lambda message: "List-Unsubscribe" not in message)
    body = letter.get_body(("plain",))
    link = re.search(r"https?://\S+/confirm/\S+", body.get_content() if body else "")
    if not link:
        raise DemoError(f"The confirmation mail to {person.email} has no link.")
    web.get(link[0]).raise_for_status()
    web.post(link[0], data={}).raise_for_status()
    from subscriptions.models import Subscriber

    if not Subscriber.objects.filter(email=person.email, state=Subscriber.State.CONFIRMED).exists():
        raise DemoError(f"{person.email} pressed the button and is not confirmed.")


def _leave(web: httpx.Client, digest: EmailMessage) -> None:
    link = re.search(r"<(https?://[^>]+)>", str(digest["List-Unsubscribe"]))
    if not link:
        raise DemoError("The digest has no List-Unsubscribe address.")
    answer = web.post(link[1], data={"List-Unsubscribe": "One-Click"})
    if answer.status_code != 200:
        raise DemoError(f"One-click unsubscribe was answered {answer.status_code}.")


def _digest_of(catcher: MailCatcher, person: Person, *, number: int) -> EmailMessage:
    return _wait_for_mail(catcher, person.email, lambda message: "List-Unsubscribe" in message, number=number)


def _wait_for_mail(
    catcher: MailCatcher, to: str, wanted: Callable[[EmailMessage], bool], *, number: int = 1
) -> EmailMessage:
    def caught() -> list[EmailMessage]:
        mails = [mail.parsed for mail in catcher.messages]
        return [mail for mail in mails if to in str(mail["To"]) and wanted(mail)]

    _until(lambda: len(caught()) >= number, f"no mail number {number} for {to} arrived")
    return caught()[number - 1]


def _table(edition: Edition) -> None:
    from newsletter.models import Delivery
    from subscriptions.models import Subscriber

    table = Table(
        title=f"Edition: {edition}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for heading in ("reader", "topics", "papers", "bytes", "state"):
        table.add_column(heading, justify="right" if heading in {"papers", "bytes"} else "left", no_wrap=True)
    rows = {row.subscriber_id: row for row in Delivery.objects.filter(edition=edition)}
    for reader in Subscriber.objects.order_by("pk").prefetch_related("preferences__topic"):
        row = rows.get(reader.pk)
        topics = ", ".join(preference.topic.slug for preference in reader.preferences.all())
        state = row.state if row else reader.state  # who left has no row: none was planned
        table.add_row(str(reader), topics, str(len(row.picks)) if row else "0", f"{row.size:,}" if row else "0", state)
    console.print()
    console.print(table)


def _where_to_look(site: str, mails: str, folder: Path) -> None:
    console.print(f"\n  [bold]Site[/]   {site}/")
    console.print(f"  [bold]Mails[/]  {mails}/   (also as files in {folder.relative_to(ROOT) / 'mail'})")
    console.print(f"  [bold]Admin[/]  {site}/admin/   login {LOGIN}, password {PASSWORD}\n")


def _keep_serving() -> None:
    console.print("Serving until Ctrl-C; `manage.py work` keeps sending what is due.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _process("work"), contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)
    console.print("\nStopped.")


@contextlib.contextmanager
def _step(says: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    console.print(f"  [green]✓[/] {says} [dim]{time.monotonic() - start:.1f} s[/]")


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


def _answers(web: httpx.Client) -> bool:
    try:
        return web.get("/").status_code == 200
    except httpx.HTTPError:
        return False


def _until(condition: Callable[[], bool], complaint: str, *, seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            raise DemoError(f"{complaint} within {seconds:.0f} seconds; see the logs in var/demo.")
        time.sleep(0.1)


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
    raise DemoError("no free port on 127.0.0.1")


if __name__ == "__main__":
    sys.exit(main())
