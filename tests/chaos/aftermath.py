"""What no random moment shows: an outage, a mailbox that cannot be opened, an edition nobody approves, a restored dump.

In: the stage when everything is settled. Out: how many of the weekly readers lost their mail or had it twice, and which
alarms rang and cleared. Each step waits for its alarm, mends as the runbook says, and waits until it is gone; clocks
are turned back by moving a row's time, for alarms are patient. tests/test_every_alarm.py has those that are not here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.chaos.stage import PROVIDER, Stage
from tests.processes import ROOT

if TYPE_CHECKING:  # Django is not there yet when this is read
    from newsletter.models import Edition
    from subscriptions.models import Subscriber

READERS = 60  # become weekly ones: a third is due in an outage, one after the restore, one when connections break
SOFT = ("SoftBounce", "Transient", "DnsError", "AutoResponder", "Unknown")  # as Postmark calls them
STEP_SECONDS = 60
QUIET_SECONDS = 6  # ticks in which nothing may leave
LATER = timedelta(hours=3)


@dataclass
class Outcome:
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    left_while_restored: int = 0
    rang: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)  # alarms that rang and did not clear
    after_try_now: float = 0.0  # seconds until everybody had their mail

    @property
    def balances(self) -> bool:
        return not (self.lost or self.twice or self.left_while_restored or self.silent or self.stuck)


class Aftermath:
    def __init__(self, stage: Stage) -> None:
        self.stage, self.outcome = stage, Outcome()

    def play(self) -> Outcome:
        from django.db.models import F
        from django.utils import timezone

        from newsletter.models import Delivery, Edition
        from subscriptions.models import Subscriber

        before = Counter(self.stage.relay.received())
        self._soft_events()
        self._unopened_mailbox()
        self._strange_letter()
        self._missed_ticks()
        chosen = list(Subscriber.objects.filter(state="confirmed", deliveries__state="sent").order_by("pk")[:READERS])
        Delivery.objects.filter(subscriber__in=chosen).update(
            local_on=F("local_on") - timedelta(days=1)
        )  # no day has two
        Subscriber.objects.filter(pk__in=[reader.pk for reader in chosen]).update(
            cadence="weekly", next_due_at=timezone.now() + LATER, next_on=None
        )
        edition = self._unapproved_edition()
        self.stage.say("the database is dumped while the edition is a draft")
        self._dump()
        self._approve(edition)
        self._outage(before, chosen[::3])
        self._restored_dump()
        self._approve(Edition.objects.get(pk=edition.pk))
        self._come_due(chosen[1::3])
        self._wait(lambda: self._all_have(before, chosen[1::3]), "a third have theirs after the restore")
        self._doubt(before, chosen[2::3])
        self._wait(lambda: not self._names(), "no alarm is left")
        self.outcome.stuck += sorted(self._names() - {*self.outcome.stuck})
        time.sleep(QUIET_SECONDS)  # a second mail would leave now
        got = Counter(self.stage.relay.received()) - before
        emails = {reader.email for reader in chosen}
        self.outcome.lost = sorted(emails - got.keys())
        self.outcome.twice = sorted(email for email, count in got.items() if count > (email in emails))
        return self.outcome

    def _soft_events(self) -> None:
        """A provider tells of each kind of trouble that passes, of as many readers: nobody is suppressed for it."""
        from newsletter.models import Delivery, DeliveryEvent

        sent = Delivery.objects.filter(state="sent").select_related("subscriber")[: len(SOFT)]
        with httpx.Client(base_url=self.stage.site.url, auth=PROVIDER, trust_env=False) as web:
            for kind, row in zip(SOFT, sent, strict=True):
                told = {"RecordType": "Bounce", "Type": kind, "Email": row.subscriber.email, "ID": row.pk}
                told |= {"Details": "account disabled, mailbox full", "Metadata": {"delivery": str(row.pk)}}
                web.post("/anymail/postmark/tracking/", json=told).raise_for_status()
        waiting = DeliveryEvent.objects.filter(source="webhook")
        self._wait(lambda: waiting.exists() and not waiting.filter(handled_at=None).exists(), "soft events are counted")

    def _strange_letter(self) -> None:
        from newsletter.models import Letter

        (self.stage.mailbox / "new" / "1.strange").write_text(
            "From: someone@example.org\nSubject: Hm\n\nWho is this?\n"
        )
        self._rings("letters_waiting")
        Letter.objects.waiting().update(judgement=Letter.Judgement.NOTHING, judged_at=datetime.now(UTC))
        self._clears("letters_waiting")

    def _missed_ticks(self) -> None:
        """Its worker is gone, not beat: on a busy machine the ticks that wait in Redis outlast beat by minutes."""
        self.stage.keeper.kill()
        self._rings("tick_late")
        self.stage.keeper.start()
        self._clears("tick_late")

    def _outage(self, before: Counter[str], readers: list[Subscriber]) -> None:
        """The relay is away until its alarm rings; then the operator presses "Try now"."""
        from newsletter import delivery

        with self.stage.relay.misbehaving("refuse connections"):
            self._come_due(readers, since=timedelta(minutes=10))
            self._rings("relay_unreachable")
        delivery.try_now(now=datetime.now(UTC))
        pressed_at = time.time()
        self._wait(lambda: self._all_have(before, readers), "a third have their mail")
        self.outcome.after_try_now = time.time() - pressed_at
        self._clears("relay_unreachable")

    def _doubt(self, before: Counter[str], readers: list[Subscriber]) -> None:
        """Connections break after each last dot: the relay's log says who has it, and the others are tried again."""
        from newsletter import delivery
        from newsletter.models import Delivery, Edition

        doubtful = Delivery.objects.filter(edition__cadence="weekly", subscriber__in=readers, state="unknown")
        with self.stage.relay.misbehaving("drop after the dot"):
            self._come_due(readers)
            self._wait(lambda: doubtful.count() == len(readers), "a third are in doubt")
        doubtful.update(due_at=datetime.now(UTC) - LATER)
        self._rings("digests_unknown")
        self._manage("settle_unknown", "--log", str(self._log_of_the_relay()), "--absent-failed")
        self._clears("digests_unknown")
        delivery.retry_failed(Edition.objects.get(cadence="weekly"), now=datetime.now(UTC))
        self._wait(lambda: self._all_have(before, readers), "the relay's log settles them, and all have their mail")

    def _log_of_the_relay(self) -> Path:
        """A line for each message it took, between two of other people's."""
        taken = [(mail.at, mail.message_id) for mail in self.stage.relay.accepted]
        taken = [(time.time() - 3600, "<before@example.org>"), *taken, (time.time(), "<after@example.org>")]
        lines = [json.dumps({"time": at, "message_id": name, "status": "sent"}) for at, name in taken]
        log = self.stage.folder / "relay.log"
        log.write_text("\n".join(lines) + "\n")
        return log

    def _come_due(self, readers: list[Subscriber], *, since: timedelta = timedelta(0)) -> None:
        from subscriptions.models import Subscriber

        due_at = datetime.now(UTC) - since
        Subscriber.objects.filter(pk__in=[reader.pk for reader in readers]).update(next_due_at=due_at)

    def _manage(self, *arguments: str) -> None:
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, cwd=ROOT, env={**self.stage.workers[0].env}, check=True, capture_output=True)

    def _unopened_mailbox(self) -> None:
        from newsletter.models import Heartbeat

        folder, aside = self.stage.mailbox, self.stage.mailbox.with_suffix(".away")
        self._wait(lambda: Heartbeat.objects.filter(name="mailbox", detail="").exists(), "the mailbox is read")
        folder.rename(aside)
        self._wait(lambda: Heartbeat.objects.filter(name="mailbox").exclude(detail="").exists(), "and cannot be opened")
        read_at = Heartbeat.objects.get(name="mailbox").at
        Heartbeat.objects.filter(name="mailbox").update(at=read_at - timedelta(hours=1))
        self._rings("mailbox_unread")
        aside.rename(folder)
        self._clears("mailbox_unread")

    def _unapproved_edition(self) -> Edition:
        from newsletter.editions import lifecycle
        from newsletter.models import Edition, Paper

        self._wait(lambda: Edition.objects.filter(cadence="weekly", state="draft").exists(), "a weekly draft")
        edition = Edition.objects.get(cadence="weekly", state="draft")
        for paper in Paper.objects.order_by("-pk"):
            lifecycle.add_pick(edition, paper=paper)
        Edition.objects.filter(pk=edition.pk).update(cutoff_at=edition.cutoff_at - timedelta(hours=1))
        self._rings("approval_missed")
        return edition

    def _approve(self, edition: Edition) -> None:
        from django.utils import timezone

        from newsletter.editions import lifecycle

        lifecycle.approve(edition, by=None, now=timezone.now())
        self._clears("approval_missed")

    def _dump(self) -> None:
        self._while_nothing_runs("DROP DATABASE IF EXISTS dump", "CREATE DATABASE dump TEMPLATE paperboy")

    def _restored_dump(self) -> None:
        self._while_nothing_runs("DROP DATABASE paperboy WITH (FORCE)", "CREATE DATABASE paperboy TEMPLATE dump")
        self.stage.say("the dump is restored")
        accepted = len(self.stage.relay.accepted)
        self._rings("restored")
        time.sleep(QUIET_SECONDS)
        self.outcome.left_while_restored = len(self.stage.relay.accepted) - accepted
        self._manage("after_restore")
        self._clears("restored")

    def _while_nothing_runs(self, *statements: str) -> None:
        from django.db import connection

        programs = [program for program in self.stage.programs if program.running]
        list(self.stage.hands.map(lambda program: program.kill(), programs))
        connection.close()
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'paperboy'"
        with self.stage.postgres.connect("postgres") as database:
            for statement in (others, *statements):
                database.execute(statement)
        list(self.stage.hands.map(lambda program: program.start(), programs))

    def _all_have(self, before: Counter[str], readers: list[Subscriber]) -> bool:
        got = self.stage.relay.received()
        return all(got.get(reader.email, 0) > before[reader.email] for reader in readers)

    def _names(self) -> set[str]:
        from django.utils import timezone

        from newsletter.monitoring import current_alarms

        return {alarm.name for alarm in current_alarms.alarms(now=timezone.now())}

    def _rings(self, name: str) -> None:
        rang = self._wait(lambda: name in self._names(), f"the alarm {name} rings")
        (self.outcome.rang if rang else self.outcome.silent).append(name)

    def _clears(self, name: str) -> None:
        if not self._wait(lambda: name not in self._names(), f"the alarm {name} is over"):
            self.outcome.stuck.append(name)

    def _wait(self, is_so: Callable[[], bool], what: str) -> bool:
        give_up = time.time() + STEP_SECONDS
        while not (happened := is_so()) and time.time() < give_up:
            time.sleep(0.2)
        self.stage.say(what if happened else f"not within {STEP_SECONDS} s: {what}")
        return happened
