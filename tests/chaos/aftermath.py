"""What no random moment shows: a mailbox that cannot be opened, an edition nobody approves, a dump that is restored.

In: the stage when everything is settled. Out: how many of the weekly readers lost their mail or had it twice, and which
alarms rang and cleared. Each step waits for its alarm, mends, and waits until it is gone; clocks are turned back by
moving a row's time, for alarms are patient.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from tests.chaos.stage import Stage
from tests.processes import ROOT

if TYPE_CHECKING:  # Django is not there yet when this is read
    from newsletter.models import Edition
    from subscriptions.models import Subscriber

READERS = 40  # become weekly ones: half are due at once, half after the restore
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
        self._unopened_mailbox()
        chosen = list(Subscriber.objects.filter(state="confirmed", deliveries__state="sent").order_by("pk")[:READERS])
        Delivery.objects.filter(subscriber__in=chosen).update(
            local_on=F("local_on") - timedelta(days=1)
        )  # no day has two
        soon, later = chosen[: READERS // 2], chosen[READERS // 2 :]
        now = timezone.now()
        Subscriber.objects.filter(pk__in=[reader.pk for reader in chosen]).update(
            cadence="weekly", next_due_at=now + LATER
        )
        Subscriber.objects.filter(pk__in=[reader.pk for reader in soon]).update(next_due_at=now)
        edition = self._unapproved_edition()
        self.stage.say("the database is dumped while the edition is a draft")
        self._dump()
        self._approve(edition)
        self._wait(lambda: self._all_have(before, soon), "half of the weekly readers have their mail")
        self._restored_dump()
        self._approve(Edition.objects.get(pk=edition.pk))
        Subscriber.objects.filter(pk__in=[reader.pk for reader in later]).update(next_due_at=timezone.now())
        self._wait(lambda: self._all_have(before, later), "the other half have theirs after the restore")
        time.sleep(QUIET_SECONDS)  # a second mail would leave now
        got = Counter(self.stage.relay.received()) - before
        emails = {reader.email for reader in chosen}
        self.outcome.lost = sorted(emails - got.keys())
        self.outcome.twice = sorted(email for email, count in got.items() if count > (email in emails))
        return self.outcome

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
        command = [sys.executable, "manage.py", "after_restore"]
        subprocess.run(command, cwd=ROOT, env={**self.stage.workers[0].env}, check=True, capture_output=True)
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
