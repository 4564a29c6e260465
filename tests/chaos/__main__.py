"""`make chaos`: send one edition to many readers while everything breaks, then count.

In: `--readers`, `--faults`, `--seconds` (in which the faults fall), `--only`, `--transport`, `--seed`. Out: a log of
the faults, one table, var/chaos.json, and exit code 1 when the account does not balance. The seed repeats the faults
and their moments; what they meet is up to the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import tests.environment  # noqa: F401  (settings of the developer stay outside, a safe default each)
from tests.chaos import faults
from tests.chaos.account import WITNESS, Account, draw_up, suppressed
from tests.chaos.aftermath import Aftermath, Outcome
from tests.chaos.stage import CONNECTIONS, METRICS_TOKEN, WORKERS, Leaver, Stage
from tests.processes import ROOT
from tests.watcher import Watcher, replay

BATCHES = 10  # one half of the readers comes due during the run, in so many batches
LEAVING = 0.03  # of the readers leave during the run
GONE = 0.01  # had left before it
PATIENCE_SECONDS = 240  # after the last fault
OPEN = "SELECT count(*) FROM newsletter_delivery WHERE state NOT IN ('sent', 'failed', 'skipped', 'unknown')"
UNPLANNED = """
SELECT count(*) FROM subscriptions_subscriber s
WHERE s.state = 'confirmed' AND NOT EXISTS (SELECT FROM newsletter_delivery d WHERE d.subscriber_id = s.id)
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--readers", type=int, default=5000)
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--seconds", type=float, help="the faults fall within; default: five a fault")
    parser.add_argument("--transport", choices=["smtp", "backend"], default="smtp", help="DIGEST_TRANSPORT")
    parser.add_argument("--only", default="", metavar="WORD", help="faults whose name holds it, such as relay")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--output", type=Path, default=ROOT / "var" / "chaos.json")
    parser.add_argument("--faults-only", action="store_true", help="without the mailbox, the approval and the restore")
    parser.add_argument("--watched", action="store_true", help="Prometheus beside it: its rules must fire and clear")
    options = parser.parse_args()
    seconds = options.seconds or 5.0 * options.faults
    folder = options.output.with_suffix("")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"seed {options.seed}: {options.readers} readers, {options.faults} faults; logs in {folder}", flush=True)
    with Stage(folder=folder, seed=options.seed) as stage:
        stage.env["DIGEST_TRANSPORT"] = options.transport
        os.environ.update(stage.env)
        leavers, gone = _prepare(stage, readers=options.readers, seconds=seconds)
        plan = faults.schedule(stage.chance, count=options.faults, seconds=seconds, only=options.only)
        # As slow a relay as makes the faults meet a run that is going on.
        mean = WORKERS * CONNECTIONS * seconds / options.readers
        stage.relay.pace = (0.5 * mean, 1.5 * mean)
        stage.start_programs()
        stage.started_at = time.time()
        leaving = stage.hands.submit(stage.let_leave, leavers)
        coming = stage.hands.submit(_let_come, stage, sorted(stage.chance.uniform(0, seconds) for _ in range(BATCHES)))
        _break(stage, plan)
        rules = _watch(stage) if options.watched else []
        left = leaving.result()
        coming.result()
        mended_at = time.time()
        stage.relay.pace = (0.0, 0.0)
        stage.say("everything is mended")
        is_over = _wait(stage)
        recovery = time.time() - mended_at
        stage.say("everything is settled" if is_over else "it does not come to an end")
        time.sleep(3)  # whoever would send a second time does it now
        account = draw_up(stage, left=[*left, *gone])
        after = Outcome() if options.faults_only else Aftermath(stage).play()
        account.lost += after.lost
        account.received_twice += after.twice
        account.wrongly_suppressed = suppressed(stage)
    result = {
        "seed": options.seed,
        "readers": options.readers,
        "faults": len(plan),
        "lost": len(account.lost),
        "received_twice": len(account.received_twice),
        "unknown": account.unknown,
        "unknown_bound": account.unknown_bound,
        "unsubscribed_received": len(account.unsubscribed_received),
        "wrongly_suppressed": len(account.wrongly_suppressed),
        "recovery_s": round(recovery, 1),
        "sent_while_restored": after.left_while_restored,
        "after_try_now_s": round(after.after_try_now, 1),
        "alarms_rang": len(after.rang),
        "alarms_silent": len(after.silent),
        "alarms_stuck": len(after.stuck),
        "rules_fired_and_cleared": len(rules),
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    _show(result, account, stage)
    return 0 if account.balances and after.balances else 1


def _prepare(stage: Stage, *, readers: int, seconds: float) -> tuple[list[Leaver], list[Leaver]]:
    """An empty database, an edition, its readers: (those who will leave, those who have left before)."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "newsletter.settings"
    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.db.models import F

    from subscriptions.models import Subscriber
    from tests.bench import world

    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(WITNESS)
    world.make_edition()
    world.make_readers(readers)
    tokens = dict(Subscriber.objects.order_by("pk").values_list("email", "unsubscribe_token"))
    chosen = stage.chance.sample(sorted(tokens), round((GONE + LEAVING) * readers))
    gone, leaving = chosen[: round(GONE * readers)], chosen[round(GONE * readers) :]
    Subscriber.objects.filter(email__in=gone).update(state=Subscriber.State.UNSUBSCRIBED, next_due_at=None)
    Subscriber.objects.alias(batch=F("pk") % (2 * BATCHES)).filter(batch__lt=BATCHES).update(next_due_at=None)
    connection.close()
    return (
        [Leaver(email, tokens[email], stage.chance.uniform(0, seconds)) for email in leaving],
        [Leaver(email, tokens[email], 0.0, answered_at=0.0) for email in gone],
    )


def _let_come(stage: Stage, moments: list[float]) -> None:
    """Readers come due all the time, so that planning is under fire too."""
    for batch, moment in enumerate(moments):
        time.sleep(max(0.0, stage.started_at + moment - time.time()))
        these = f"state = 'confirmed' AND id % {2 * BATCHES} = {batch}"
        while stage.ask(f"UPDATE subscriptions_subscriber SET next_due_at = now() WHERE {these} RETURNING id") is None:
            time.sleep(0.2)


def _break(stage: Stage, plan: list[tuple[float, str]]) -> None:
    """Each fault at its moment, whether or not the ones before it are mended."""
    running: list[Future[None]] = []
    for after, name in plan:
        time.sleep(max(0.0, stage.started_at + after - time.time()))
        stage.say(name)
        running.append(stage.hands.submit(faults.ALL[name], stage, random.Random(stage.chance.random())))
    for fault in running:
        fault.result()


def _watch(stage: Stage) -> list[str]:
    """Outages as long as Prometheus needs to tell of them; the rules that fired in one and ended after it."""
    with Watcher(site=stage.site.url, token=METRICS_TOKEN, folder=stage.folder) as watcher:
        watcher.wait("PaperboyAway", is_firing=False)
        stage.say("Redis away until Prometheus says so")
        with stage.lock("redis"), stage.redis.stopped():
            watcher.wait("PaperboyBrokerAway", is_firing=True)
            watcher.wait_for_record("max(paperboy_broker_up)", alert="PaperboyBrokerAway")
        watcher.wait("PaperboyBrokerAway", is_firing=False)
        stage.say("the site away until Prometheus says so")
        stage.site.kill()
        watcher.wait("PaperboyAway", is_firing=True)
        stage.site.start()
        watcher.wait("PaperboyAway", is_firing=False)
        seconds = watcher.recorded("max(paperboy_broker_up)")
    replay("paperboy_broker_up", seconds, alert="PaperboyBrokerAway", folder=stage.folder)
    return ["PaperboyBrokerAway", "PaperboyAway"]


def _wait(stage: Stage) -> bool:
    """Until every reader is planned and every row is settled."""
    give_up = time.time() + PATIENCE_SECONDS
    while time.time() < give_up:
        if stage.ask(UNPLANNED) == [(0,)] and stage.ask(OPEN) == [(0,)]:
            return True
        time.sleep(0.2)
    return False


def _show(result: dict[str, float], account: Account, stage: Stage) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Chaos", title_justify="left", pad_edge=False)
    table.add_column("what")
    table.add_column("count", justify="right")
    table.add_column("allowed", justify="right")
    allowed = dict.fromkeys(("lost", "received_twice", "unsubscribed_received", "wrongly_suppressed"), "0")
    allowed |= dict.fromkeys(("sent_while_restored", "alarms_silent", "alarms_stuck"), "0")
    allowed["unknown"] = str(account.unknown_bound)
    for name, value in result.items():
        if name != "unknown_bound":
            table.add_row(name, f"{value:g}", allowed.get(name, ""))
    table.add_row("illegal changes of state", str(len(account.illegal)), "0")
    console = Console(highlight=False)
    console.print(table)
    counted = ", ".join(f"{state} {count}" for state, count in sorted(account.states.items()))
    console.print(
        f"{counted}; {account.received} readers got a mail; {stage.kills} kills,"
        f" {stage.relay.cut_in_flight} connections cut in flight, {stage.relay.connections} opened"
    )
    for name in ("lost", "received_twice", "unsubscribed_received", "wrongly_suppressed", "illegal"):
        for line in getattr(account, name)[:10]:
            console.print(f"{name}: {line}")


if __name__ == "__main__":
    sys.exit(main())
