"""`manage.py settle_unknown`: say what became of deliveries that may have been handed over when something died."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from newsletter import delivery
from newsletter.delivery.bounces import relay_log
from newsletter.delivery.compose import delivery_of_message_id
from newsletter.models import Delivery


class Command(BaseCommand):
    help = (
        "Settle deliveries in the state 'unknown' by the relay's log: what the relay took over is 'sent'. "
        "With --absent-failed, what the log does not mention is 'failed' and can be retried."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--log", type=Path, required=True, metavar="FILE", help="Postfix log or JSON lines")
        parser.add_argument(
            "--absent-failed",
            action="store_true",
            help="the log is complete for the time of the edition: what it does not mention never reached the relay",
        )

    def handle(self, *args: Any, log: Path, absent_failed: bool, **options: Any) -> None:
        try:
            with log.open(encoding="utf-8", errors="replace") as lines:
                taken = {delivery_of_message_id(fate.message_id) for fate in relay_log.fates(lines)}
        except OSError as error:
            raise CommandError(f"{log} cannot be read: {error.strerror}.") from error
        unknown = set(Delivery.objects.filter(state=Delivery.State.UNKNOWN).values_list("pk", flat=True))
        sent = self._settle(sorted(unknown & taken), Delivery.State.SENT, "in the relay's log")
        failed = 0
        if absent_failed:
            failed = self._settle(sorted(unknown - taken), Delivery.State.FAILED, "not in the relay's log")
        self.stdout.write(f"{sent} sent, {failed} failed, {len(unknown) - sent - failed} still unknown")

    def _settle(self, pks: list[int], state: str, text: str) -> int:
        return delivery.settle_unknown(pks, state=state, source="relay log", text=text, now=timezone.now())
