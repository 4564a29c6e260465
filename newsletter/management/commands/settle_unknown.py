"""`manage.py settle_unknown`: settle deliveries whose outcome is unknown because a process died while sending."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from newsletter import delivery
from newsletter.delivery.bounces import relay_log
from newsletter.delivery.bounces.relay_log import Fate, Reading
from newsletter.delivery.compose_message import delivery_of_bounce_address, delivery_of_message_id
from newsletter.management.relay_log_file import add_log_arguments, open_log, zone_of
from newsletter.models import Delivery, DeliveryEvent

WITNESSES = 1000
SLOWEST_ANSWER = timedelta(minutes=10)  # from the first byte of a message to the moment its answer is given up


class Command(BaseCommand):
    help = (
        "Settle deliveries in the state 'unknown' by the relay's log: what the relay took over is 'sent', what it "
        "refused or returned is 'failed'. With --absent-failed, what it never took is 'failed' too and can be retried."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--log", type=Path, required=True, metavar="FILE", help=relay_log.KNOWN)
        parser.add_argument(
            "--absent-failed",
            action="store_true",
            help="what the log does not show as taken never reached the relay; refused unless the log covers the time",
        )
        add_log_arguments(parser)

    def handle(self, *args: Any, log: Path, absent_failed: bool, time_zone: str = "UTC", **options: Any) -> None:
        unknown = set(Delivery.objects.filter(state=Delivery.State.UNKNOWN).values_list("pk", flat=True))
        witnesses = _sent_meanwhile(unknown) if absent_failed else set()
        kept = unknown | witnesses
        with open_log(log) as lines:
            reading = relay_log.read(
                lines, now=timezone.now(), zone=zone_of(time_zone), wanted=lambda fate: _delivery_of(fate) in kept
            )
        found = {pk: fate for fate in reading.fates if (pk := _delivery_of(fate)) is not None}
        fates = {pk: fate for pk, fate in found.items() if pk in unknown}
        if absent_failed:
            silent = sorted(unknown - fates.keys())
            _require_proof(log, reading, silent=silent, missed=len(witnesses - found.keys()))
        with transaction.atomic():
            sent, failed = _settle(fates)
            if absent_failed:
                rest = sorted(unknown - {pk for pk, fate in fates.items() if fate.status != relay_log.UNKNOWN})
                failed += _say(rest, Delivery.State.FAILED, "the relay's log does not show that it took it")
        self.stdout.write(f"{sent} sent, {failed} failed, {len(unknown) - sent - failed} still unknown")
        if not reading.recognised:
            self.stderr.write(f"{log} holds no line of a mail server that is known here. {relay_log.KNOWN}")


def _delivery_of(fate: Fate) -> int | None:
    if fate.message_id:
        return delivery_of_message_id(fate.message_id)
    return delivery_of_bounce_address(fate.sender)


def _settle(fates: Mapping[int, Fate]) -> tuple[int, int]:
    """Settle what the log proves. Returns how many were sent and how many failed."""
    has_it = {relay_log.SENT: "the relay took it", relay_log.DEFERRED: "the relay has it and keeps trying"}
    is_back = {relay_log.REFUSED: "the relay refused it", relay_log.BOUNCED: "the relay returned it"}
    numbers = []
    for state, words in ((Delivery.State.SENT, has_it), (Delivery.State.FAILED, is_back)):
        by_status = {status: sorted(pk for pk, fate in fates.items() if fate.status == status) for status in words}
        numbers.append(sum(_say(pks, state, words[status]) for status, pks in by_status.items()))
    return numbers[0], numbers[1]


def _say(pks: Sequence[int], state: str, text: str) -> int:
    return delivery.settle_unknown(pks, state=state, source="relay log", text=text, now=timezone.now())


def _sent_meanwhile(unknown: Collection[int]) -> set[int]:
    """Deliveries that the relays accepted in that time: a complete log has them all."""
    if not unknown:
        return set()
    rows = Delivery.objects.filter(state=Delivery.State.SENT, sent_at__range=_in_doubt(unknown))
    return set(rows.order_by("-sent_at").values_list("pk", flat=True)[:WITNESSES])


def _require_proof(log: Path, reading: Reading, *, silent: Sequence[int], missed: int) -> None:
    """Refuse a log that was not kept while the messages were handed over: a gap in it proves nothing."""
    if not reading.recognised:
        raise CommandError(
            f"{log} holds no line of a mail server that is known here, so it cannot prove that anything is missing. "
            f"Nothing was changed. {relay_log.KNOWN}"
        )
    if not silent:
        return
    begin, end = _in_doubt(silent)
    needed = (
        f"{len(silent)} deliveries were handed over between {begin:%Y-%m-%d %H:%M:%S} and {end:%Y-%m-%d %H:%M:%S} UTC"
    )
    if reading.first is None or reading.last is None:
        raise CommandError(
            f"{log} names no times, so it cannot prove that anything is missing: {needed}. Nothing was changed. "
            "Give the relay's own log of that time."
        )
    if reading.first > begin or reading.last < end:
        raise CommandError(
            f"{log} tells of {reading.first:%Y-%m-%d %H:%M:%S} to {reading.last:%Y-%m-%d %H:%M:%S} UTC, but {needed}. "
            "Nothing was changed. Give a log of all that time (join rotated files by: zcat -f OLD NEW); if its times "
            "are in another zone, say so with --time-zone."
        )
    if missed:
        raise CommandError(
            f"{log} lacks {missed} digests that a relay took at that time, so it cannot prove that others are missing. "
            "Nothing was changed. Give the logs of all your relays, joined by: zcat -f ONE TWO."
        )


def _in_doubt(pks: Collection[int]) -> tuple[datetime, datetime]:
    """Return from when to when these deliveries may have been handed over, which the log must cover."""
    doubt = Q(events__kind=DeliveryEvent.Kind.UNKNOWN)
    lease = timedelta(seconds=settings.DELIVERY_LEASE_SECONDS)
    begins, ends = [], []
    rows = Delivery.objects.filter(pk__any_of=pks).annotate(
        noticed_at=Max("events__at", filter=doubt),
        reaped_at=Max("events__at", filter=doubt & Q(events__source="reaper")),
    )
    for due_at, noticed_at, reaped_at in rows.values_list("due_at", "noticed_at", "reaped_at"):
        if noticed_at is None:
            begins.append(due_at)
            ends.append(due_at)
        elif reaped_at == noticed_at:  # its worker had died at least three quarters of a lease before
            begins.append(due_at)
            ends.append(max(due_at, noticed_at - lease / 2))
        else:
            begins.append(max(due_at, noticed_at - SLOWEST_ANSWER))
            ends.append(noticed_at)
    return min(begins), max(ends)
