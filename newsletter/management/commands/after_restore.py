"""`manage.py after_restore`: after restoring a dump, say that sending may go on, without mailing anybody twice."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from newsletter.delivery import after_restore
from newsletter.delivery import restore_detection as high_water
from newsletter.models import HighWater


class Command(BaseCommand):
    help = (
        "After restoring a dump: take what may have been sent since the dump for sent, and let mail leave again. "
        "Run it before any worker is started, or as soon as the alarm `restored` says so."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--since", metavar="TIME", help="when the dump was made, such as 2026-12-01T20:00 (UTC unless it says more)"
        )
        parser.add_argument(
            "--anyway", action="store_true", help="also when the database does not look like a restored one"
        )

        parser.add_argument(
            "--sent-now",
            action="store_true",
            help='somebody chose "Send now" since the dump, and neither var/high-water nor Redis is left to know it: '
            "readers whose hour comes later had the open edition too",
        )

    def handle(self, *args: Any, since: str | None, anyway: bool, sent_now: bool, **options: Any) -> None:
        now = timezone.now()
        known = high_water.outside()
        if known and not high_water.is_behind(now=now) and not anyway:
            raise CommandError(
                "This database knows everything that was sent: it was not restored, or this was run already. Nothing "
                "was changed. To take what is owed now for sent all the same, add --anyway."
            )
        done = after_restore.after_restore(since=_moment(since, now=now), now=now, was_sent_now=sent_now)
        self.stdout.write(
            f"{done.readers} readers wait for their next hour, {done.editions} editions are closed, {done.deliveries} "
            f"deliveries and {done.notices} notices are in doubt. Mail may leave again: start the workers."
        )
        if known is None and not sent_now:
            self.stdout.write(
                'If somebody chose "Send now" for an edition since the dump, run this again with --sent-now --anyway '
                "before you start the workers: nothing outside the database is left that knows it."
            )
        if done.deliveries:
            self.stdout.write("Settle the deliveries in doubt by the relay's log: manage.py settle_unknown --log FILE")


def _moment(text: str | None, *, now: datetime) -> datetime:
    """Return the moment of the dump: the one given, else the latest that the database knows of."""
    if text is None:
        at = HighWater.objects.values_list("at", flat=True).first()
        if at is None:
            raise CommandError("Say when the dump was made: --since 2026-12-01T20:00. The database does not know.")
        return at
    try:
        moment = parse_datetime(text)
        day = None if moment else parse_date(text)
    except ValueError:
        moment = day = None
    if day:
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if moment is None:
        raise CommandError(f"--since must be a moment such as 2026-12-01T20:00, not {text!r}.")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment > now:
        raise CommandError(f"--since {text} is in the future: it is {now:%Y-%m-%dT%H:%M} UTC now.")
    return moment
