"""Checks of one installation: settings, database, broker, relays, DNS, clock, disk, mailbox, versions, the site itself.

In: the settings and every service they name. Out: findings, a sentence each that says what to do. A check that breaks
is a finding too. Nothing is changed but this machine's clock on record, and no mail leaves without an address for it.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import django
import httpx
import redis
from django.conf import settings
from django.core import checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from newsletter.delivery import trial_mail
from newsletter.delivery.bounces import mailbox
from newsletter.delivery.transports import OutcomeKind
from newsletter.monitoring import alarm_thresholds, clock_skew, current_alarms, mail_checks
from newsletter.monitoring.mail_checks import Finding, Level
from newsletter.monitoring.sender_dns import Dns, sender_of_settings
from subscriptions import mail_settings
from subscriptions.addresses import Address
from subscriptions.log_redaction import redact

SECONDS = 10.0  # to wait for the broker, the site and the mailbox
OLDEST_POSTGRESQL = 15
MEGABYTE = 2**20
_MEND_RELAY = "Mend the relay, or its address: Mail settings in the admin, else EMAIL_URL and DIGEST_RELAYS."
_OK, _ADVICE, _PROBLEM = Level.OK, Level.ADVICE, Level.PROBLEM


def check_installation(
    *, test_mail_to: Address | None = None, selectors: Sequence[str] = (), dns_server: str = ""
) -> Iterator[Finding]:
    """Yield every finding as soon as it is known; with an address, send a real test mail by each way out."""
    steps: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("Versions", versions),
        ("Settings", configuration),
        ("Database", database),
        ("Broker", broker),
        ("Clock", clock),
        ("Disk", disk),
        ("Pipeline", pipeline),
        ("Relay", partial(relays, test_mail_to=test_mail_to)),
        ("Mailbox", bounce_mailbox),
        ("DNS", partial(sender_domain, selectors=selectors, dns_server=dns_server)),
        ("Site", site),
    ]
    for subject, step in steps:
        try:
            yield from step()
        except Exception as error:
            words = redact(f"{type(error).__name__}: {error}".splitlines()[0])
            yield Finding(
                _PROBLEM, subject, f"This could not be checked ({words}). Mend what is named, then ask again."
            )


def versions() -> Iterator[Finding]:
    yield Finding(
        _OK,
        "Versions",
        f"Paperboy {settings.VERSION}, Python {platform.python_version()}, Django {django.__version__}.",
    )


def configuration() -> Iterator[Finding]:
    """Yield what Django's own deployment checks and ours say of the settings."""
    said = checks.run_checks(include_deployment_checks=not settings.DEBUG)
    for one in said:
        if not one.is_silenced():
            level = _PROBLEM if one.is_serious() else _ADVICE
            yield Finding(level, "Settings", f"{one.msg} {one.hint or ''} ({one.id})".replace("  ", " "))
    if settings.DEBUG:
        yield Finding(_ADVICE, "Settings", "DEBUG is on: errors are shown to everybody. Take it out for a real site.")
    if settings.MAIL_DRY_RUN_TO:
        only = len(settings.MAIL_DRY_RUN_TO)
        yield Finding(_ADVICE, "Settings", f"MAIL_DRY_RUN_TO is set: only {only} of all addresses get mail. Unset it.")
    if not said:
        yield Finding(_OK, "Settings", "No check of Django or ours has anything to say.")


def database() -> Iterator[Finding]:
    before = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    took = f"answers in {(time.monotonic() - before) * 1000:.0f} ms"
    if connection.vendor == "postgresql":
        number = int(str(connection.pg_version)) // 10_000  # type: ignore[attr-defined]
        name = f"PostgreSQL {number}"
        if number < OLDEST_POSTGRESQL:
            yield Finding(_PROBLEM, "Database", f"{name} is too old: move to {OLDEST_POSTGRESQL} or newer.")
    else:
        name = f"SQLite {connection.Database.sqlite_version}"  # type: ignore[attr-defined]
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield Finding(_PROBLEM, "Database", f"{name}, {len(missing)} migrations missing: run manage.py migrate.")
    else:
        yield Finding(_OK, "Database", f"{name}, {took}, no migration missing.")


def broker() -> Iterator[Finding]:
    """Yield whether Redis answers, never evicts, keeps what it holds over a restart, and is the right time."""
    if not settings.REDIS_URL:
        yield Finding(_OK, "Broker", "None is set (REDIS_URL): manage.py work does everything.")
        return
    with redis.from_url(settings.REDIS_URL, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as client:
        try:
            told = client.info()
        except redis.RedisError as error:
            text = (
                f"Redis does not answer ({redact(str(error))}). Start it, or correct REDIS_URL; mail waits meanwhile."
            )
            yield Finding(_PROBLEM, "Broker", text)
            return
    yield Finding(_OK, "Broker", f"Redis {told.get('redis_version', '(version unknown)')} answers.")
    if told.get("maxmemory") and told.get("maxmemory_policy") != "noeviction":
        text = f"It may evict tasks ({told.get('maxmemory_policy')}). Set maxmemory-policy noeviction."
        yield Finding(_PROBLEM, "Broker", text)
    if not told.get("aof_enabled"):
        yield Finding(_ADVICE, "Broker", "A restart empties it; the next tick asks again. Set appendonly yes.")


def clock() -> Iterator[Finding]:
    """Compare this machine's clock with the database's and the broker's."""
    others = {"database": clock_skew.measure()} if connection.vendor == "postgresql" else {}
    if settings.REDIS_URL:
        with redis.from_url(settings.REDIS_URL, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as client:
            seconds, micro = client.time()
        others["broker"] = timezone.now() - datetime.fromtimestamp(seconds + micro / 1e6, tz=UTC)
    apart = {name: ahead for name, ahead in others.items() if abs(ahead) > clock_skew.APART}
    for name, ahead in apart.items():
        text = f"This machine is {clock_skew.in_words(ahead)} the {name}'s. Start time synchronisation (NTP) on both."
        yield Finding(_PROBLEM, "Clock", text)
    if not apart:
        with_whom = " and ".join(others) or "no other machine is asked, so run NTP"
        largest = max((abs(ahead) for ahead in others.values()), default=timedelta(0)).total_seconds()
        yield Finding(_OK, "Clock", f"{timezone.now():%H:%M:%S} UTC, {largest:.1f} s apart ({with_whom}).")


def disk() -> Iterator[Finding]:
    """Yield whether VAR_DIR can be written to and has room, and so the folder of an SQLite database."""
    folders = [Path(settings.VAR_DIR)]
    if connection.vendor == "sqlite" and Path(str(connection.settings_dict["NAME"])).is_file():
        folders.append(Path(str(connection.settings_dict["NAME"])).resolve().parent)
    for folder in dict.fromkeys(folders):
        free = shutil.disk_usage(folder).free // MEGABYTE
        if not os.access(folder, os.W_OK):
            yield Finding(_PROBLEM, "Disk", f"{folder} cannot be written to: give it to the user that runs Paperboy.")
            continue
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"doctor")
        is_low = free < alarm_thresholds.FREE_MEGABYTES
        text = f"{free:,} MB free at {folder}{': free some space.' if is_low else '.'}"
        yield Finding(_PROBLEM if is_low else _OK, "Disk", text)


def pipeline() -> Iterator[Finding]:
    """Yield the alarms of this moment."""
    found = current_alarms.alarms(now=timezone.now())
    for alarm in found:
        yield Finding(_PROBLEM, "Pipeline", f"{alarm.sentence} ({alarm.name}, see docs/runbook.md)")
    if not found:
        yield Finding(_OK, "Pipeline", "No alarms.")


def relays(*, test_mail_to: Address | None = None) -> Iterator[Finding]:
    """Try every way out: greet it, or send a test mail by it."""
    for route in trial_mail.routes(mail_settings.in_force()):
        if test_mail_to is not None:
            yield test_mail(route, test_mail_to)
        elif fault := trial_mail.greet(route):
            yield Finding(_PROBLEM, "Relay", f"{route}: {fault}. {_MEND_RELAY}")
        else:
            yield Finding(_OK, "Relay", f"{route}: it greets us and lets us in.")


def test_mail(route: trial_mail.Route, address: Address) -> Finding:
    """Send one test mail and return what came of it."""
    result = trial_mail.send(route, address, now=timezone.now())
    said = " ".join(filter(None, (str(result.code or ""), result.text)))
    if result.kind is OutcomeKind.SENT:
        return Finding(_OK, "Relay", f"{route}: accepted ({said}). See that it arrives, and not as spam.")
    text = f"{route}: {result.kind} at {result.phase} ({said or 'no answer'}). {_MEND_RELAY}"
    return Finding(_PROBLEM, "Relay", text)


def bounce_mailbox() -> Iterator[Finding]:
    if not settings.BOUNCE_MAILBOX_URL:
        if not settings.ANYMAIL:
            text = "Nobody reads what bounces. Set BOUNCE_MAILBOX_URL to the mailbox of BOUNCE_DOMAIN."
            yield Finding(_ADVICE, "Mailbox", text)
        return
    try:
        with mailbox.open_mailbox(
            settings.BOUNCE_MAILBOX_URL,
            aside=Path(settings.VAR_DIR) / "letters",
            ca_file=settings.EMAIL_CA_FILE,
            timeout=SECONDS,
        ):
            yield Finding(_OK, "Mailbox", "The bounce mailbox opens.")
    except mailbox.MailboxError as error:
        yield Finding(_PROBLEM, "Mailbox", f"{redact(str(error))} Correct BOUNCE_MAILBOX_URL or the mail server.")


def sender_domain(*, selectors: Sequence[str] = (), dns_server: str = "") -> Iterator[Finding]:
    yield from mail_checks.check_sender(sender_of_settings(selectors), lookup=Dns(server=dns_server))


def site() -> Iterator[Finding]:
    """Ask the site by its public address, through whatever proxy stands before it, as a mail program would."""
    if not settings.DEBUG and not (Path(settings.STATIC_ROOT) / "staticfiles.json").exists():
        text = f"No style sheets in {settings.STATIC_ROOT}: run manage.py collectstatic --noinput, or pages answer 500."
        yield Finding(_PROBLEM, "Site", text)
    try:
        with httpx.Client(timeout=SECONDS, follow_redirects=False) as client:
            alive = client.get(f"{settings.SITE_URL}/healthz").status_code
            leaving = client.post(f"{settings.SITE_URL}/u/doctor/").status_code
    except httpx.HTTPError as error:
        text = (
            f"{settings.SITE_URL} does not answer from here ({error}). Start the site, its proxy, or correct SITE_URL."
        )
        yield Finding(_PROBLEM, "Site", text)
        return
    if alive != 200:
        text = f"{settings.SITE_URL}/healthz answers {alive}: another program, or a proxy that cannot reach the site."
        yield Finding(_PROBLEM, "Site", text)
    elif leaving in {301, 302, 303, 307, 308}:
        text = f"POST {settings.SITE_URL}/u/… is redirected ({leaving}): one-click unsubscribing fails. Mend the proxy."
        yield Finding(_PROBLEM, "Site", text)
    else:
        yield Finding(_OK, "Site", f"{settings.SITE_URL} answers, and POST /u/… is not redirected.")
