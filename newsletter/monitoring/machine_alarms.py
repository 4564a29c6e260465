"""Alarms about machines and other services: ticks, clocks, disks, sources, webhooks, the bounce mailbox."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter.catalogue import polling
from newsletter.delivery import restore_detection
from newsletter.models import Heartbeat, SignIn, WebhookEndpoint, disk_full_error
from newsletter.monitoring import alarm_thresholds
from newsletter.monitoring import clock_skew as clocks
from newsletter.monitoring.alarm_names import Alarm, Name, Part, ago
from subscriptions import rate_limits

MEGABYTE = 2**20


def restored(*, now: datetime) -> Iterator[Alarm]:
    if restore_detection.is_behind(now=now):
        yield Alarm(
            Part.DIGEST,
            Name.RESTORED,
            _(
                "The database is older than what was sent: it was restored."
                " Nothing leaves until manage.py after_restore."
            ),
        )


def machine(*, now: datetime) -> Iterator[Alarm]:
    yield from _tick(now)
    yield from _clocks(now)
    yield from _disk(now)


def _tick(now: datetime) -> Iterator[Alarm]:
    """Yield an alarm after three missed ticks: beat, the broker or the maintenance worker is gone."""
    last = _last("tick")
    if last is None:
        yield Alarm(
            Part.TICK, Name.NO_TICK, _("The pipeline has never ticked: start beat and a worker, or manage.py work.")
        )
    elif now - last > timedelta(seconds=3 * settings.TICK_SECONDS):
        yield Alarm(
            Part.TICK,
            Name.TICK_LATE,
            _("The last tick was %s ago. Look at beat, Redis, the worker of `maintenance`, or work.") % ago(now - last),
        )


def _clocks(now: datetime) -> Iterator[Alarm]:
    """Yield an alarm for each wrong clock: its machine drops tasks as expired, or plans at the wrong time."""
    for one in Heartbeat.objects.filter(name__startswith=clocks.PREFIX, at__gt=now - alarm_thresholds.CLOCK_MEMORY):
        ahead = timedelta(seconds=float(one.detail))
        if abs(ahead) > clocks.APART:
            machine_name = one.name.removeprefix(clocks.PREFIX)
            yield Alarm(
                Part.TICK,
                Name.CLOCKS_APART,
                _("The clock of %(machine)s is %(ahead)s the database's. Start time synchronisation there.")
                % {"machine": machine_name, "ahead": clocks.in_words(ahead)},
            )


def _disk(now: datetime) -> Iterator[Alarm]:
    free = shutil.disk_usage(settings.VAR_DIR).free // MEGABYTE
    since = disk_full_error.since()
    if free < alarm_thresholds.FREE_MEGABYTES:
        words = _("%(free)d MB are free on the disk of %(folder)s.") % {"free": free, "folder": settings.VAR_DIR}
    elif since:
        words = _("The database says since %s that its disk is full.") % ago(now - since)
    else:
        return
    what = _("Free some space: nothing can be written, leaving the list included.")
    yield Alarm(Part.TICK, Name.DISK_FULL, f"{words} {what}")


def ingest(*, now: datetime) -> Iterator[Alarm]:
    """Yield alarms when no worker asks the sources, or none reads the bounce mailbox."""
    last = _last("papers")
    if settings.SOURCES and last and now - last > alarm_thresholds.INGEST_PATIENCE:
        yield Alarm(
            Part.INGEST,
            Name.INGEST_LATE,
            _("No worker has asked the sources for %s. Start a worker for the queue `ingest`.") % ago(now - last),
        )
    read = Heartbeat.objects.filter(name="mailbox").first()
    if settings.BOUNCE_MAILBOX_URL and read and now - read.at > alarm_thresholds.MAILBOX_PATIENCE:
        yield Alarm(
            Part.INGEST,
            Name.MAILBOX_UNREAD,
            _("The bounce mailbox was not read for %(time)s (%(why)s). Check BOUNCE_MAILBOX_URL and the mail server.")
            % {"time": ago(now - read.at), "why": read.detail or _("no worker of `ingest`")},
        )


def strangers(*, now: datetime) -> Iterator[Alarm]:
    """Yield alarms about refused sign-ups and many failed sign-ins."""
    empty = rate_limits.empty_buckets(now=now)
    if empty.get(rate_limits.NETWORK, 0) < alarm_thresholds.BUSY_NETWORKS:
        empty.pop(rate_limits.NETWORK, None)
    if empty:
        which = ", ".join(f"{name} ({number})" for name, number in sorted(empty.items()))
        yield Alarm(
            Part.CONFIRM,
            Name.LIMITS_BITING,
            _("Limits refuse sign-ups right now: %s. Look at who asks; for a launch raise SIGNUPS_PER_….") % which,
        )
    for account, tries in SignIn.objects.guessed(now=now):
        yield Alarm(
            Part.CONFIRM,
            Name.PASSWORD_GUESSED,
            ngettext(
                "%(number)d failed sign-in to %(account)s within two hours. See Sign-ins in the admin; block the"
                " network at your proxy.",
                "%(number)d failed sign-ins to %(account)s within two hours. See Sign-ins in the admin; block the"
                " network at your proxy.",
                tries,
            )
            % {"number": tries, "account": account or _("accounts that do not exist")},
        )


def sources(*, now: datetime) -> Iterator[Alarm]:
    """Yield an alarm for each silent source. Digests go on without it."""
    for trouble in polling.troubles(now=now):
        since = _("since %s") % f"{trouble.since:%Y-%m-%d %H:%M} UTC" if trouble.since else _("ever")
        said = _("Nothing usable from %(source)s %(since)s: %(why)s.")
        said %= {"source": trouble.source, "since": since, "why": trouble.detail}
        yield Alarm(Part.SOURCES, f"{trouble.source}_silent", said)


def webhooks(*, now: datetime) -> Iterator[Alarm]:
    """Yield an alarm for each endpoint that was switched off, until an operator switches it on or leaves it off."""
    is_off = Q(is_active=False) & ~Q(off_reason="")
    failing = Q(is_active=True, failing_since__lte=now - alarm_thresholds.WEBHOOK_PATIENCE)
    for one in WebhookEndpoint.objects.filter(is_off | failing):
        if one.is_active:
            since = f"{one.failing_since:%Y-%m-%d %H:%M} UTC"
            said = _("The webhook %(name)s has taken nothing since %(since)s.") % {"name": one, "since": since}
            yield Alarm(Part.WEBHOOKS, Name.WEBHOOK_FAILING, said)
        else:
            said = _("The webhook %(name)s was switched off: %(why)s.") % {"name": one, "why": one.off_reason}
            yield Alarm(Part.WEBHOOKS, Name.WEBHOOK_OFF, said)


def _last(name: str) -> datetime | None:
    return Heartbeat.objects.filter(name=name).values_list("at", flat=True).first()
