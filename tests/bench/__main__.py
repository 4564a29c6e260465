"""`make bench`: how fast digests are planned and delivered, what that costs, and how fast others send the same.

`python -m tests.bench [--readers 20000] [--big 200000] [--runs 3] [--quick] [--profile plan|deliver]`. In: nothing; it
brings its own PostgreSQL and sink, all on loopback. Out: a table, and `var/bench.json`. The parts of a round follow
each other closely, and ratios are taken within it, so that a busy machine slows both sides.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.bench import delivery_relay, delivery_report
from tests.bench.delivery_relay import Sink
from tests.bench.delivery_stage import ROOT, Stage, open_stage

PEERS = ("django_loop", "django_post_office", "nodemailer")
FAR_CONNECTIONS = 40
FAR_MESSAGES = 6000


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--readers", type=int, default=20_000)
    parser.add_argument("--big", type=int, default=200_000, help="readers of the memory run; 0: leave it out")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--connections", type=int, default=48)
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS)
    parser.add_argument("--peer-messages", type=int, default=2000)
    parser.add_argument("--relay", type=int, default=0, help="port of a relay on loopback, instead of a sink of ours")
    parser.add_argument("--just-deliver", action="store_true", help="plan and deliver, nothing else")
    parser.add_argument("--out", type=Path, default=ROOT / "var" / "bench.json")
    parser.add_argument("--quick", action="store_true", help="a look in a minute: 4,000 readers, one run")
    parser.add_argument("--profile", choices=["plan", "deliver"], help="print where one run's time goes, and end")
    args = parser.parse_args()
    if args.quick:
        args.readers, args.big, args.runs, args.peer_messages = 4000, 0, 1, 500
    if args.just_deliver:
        args.big, args.peers = 0, ()
    args.peer_messages = min(args.peer_messages, args.readers)
    return args


def main() -> None:
    args = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and folders go with us then too
    began = time.monotonic()
    load = os.getloadavg()[0]
    with open_stage() as stage, delivery_relay.open_sink(args.relay) as sink:
        stage.env |= {"EMAIL_URL": f"smtp://127.0.0.1:{sink.port}", "SMTP_CONNECTIONS": str(args.connections)}
        with step("a frozen edition, readers"):
            make_world(args.readers)
        if args.profile:
            profile(stage, step_name=args.profile)
            return
        bench = Bench(stage, sink, args)
        rounds = [bench.round(number) for number in range(1, args.runs + 1)]
        missing = bench.missing
        if not args.just_deliver:
            rounds.append(bench.signed())
        if args.big:
            rounds.append(bench.many(args.big))
    figures: dict[str, Any] = delivery_report.summary(rounds) | {
        "message_bytes": bench.size,
        "readers": args.readers,
        "readers_of_the_memory_run": args.big,
        "connections": args.connections,
        "sink": sink.name,
        "missing": missing,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load_before": round(load, 1)},
        "seconds": round(time.monotonic() - began),
        "rounds": rounds,
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(figures, indent=1) + "\n")
    print(
        f"{args.readers:,} readers, 60 papers, 10 for each, {bench.size / 1000:.0f} KB a message, "
        f"{args.connections} connections to {sink.name}; medians of {args.runs}\n"
    )
    print(delivery_report.table(figures, rounds, many=args.big))
    for name, why in missing.items():
        print(f"{name}: {why}")
    print(f"\n{args.out} · {figures['seconds']} s · load before: {load:.1f} on {os.cpu_count()} cores")


class Bench:
    """The measurements of one stage and sink."""

    def __init__(self, stage: Stage, sink: Sink, args: argparse.Namespace) -> None:
        from tests.bench import delivery_peers, world

        self.stage, self.sink, self.args, self.world = stage, sink, args, world
        self._prepared: delivery_peers.Peers | None = None
        self._make_peers = delivery_peers.Peers
        self.size = 0

    @property
    def missing(self) -> dict[str, str]:
        known = dict(self._prepared.missing) if self._prepared else {}
        if not self.args.just_deliver and delivery_relay.tool("smtp-source") is None:
            known["smtp_source"] = "is not installed (Debian's postfix has it)"
        return known

    def round(self, number: int) -> dict[str, float]:
        """Plan, deliver and everybody we compare with, one after the other."""
        args = self.args
        with step(f"round {number}: plan, deliver"):
            found = self.planned() | self.delivered()
        if args.just_deliver:
            return found
        with step(f"round {number}: smtp-source"):
            for name, keeps_open in (("smtp_source_per_s", False), ("smtp_source_kept_open_per_s", True)):
                rate = delivery_relay.smtp_source(self.sink, count=args.readers, size=self.size, keeps_open=keeps_open)
                found |= {name: rate} if rate else {}
        with step(f"round {number}: a relay 20 ms away"):
            found |= self.far()
        with step(f"round {number}: {', '.join(args.peers) or 'no peers'}"):
            for name, figures in self.peers().items():
                found[f"{name}_per_s"] = figures["per_s"]
                found[f"{name}_bytes"] = figures["size"]
        return found

    def planned(self) -> dict[str, float]:
        self.world.due_again()
        figures = self.stage.run("plan")
        expect(figures["done"], self.world.count_readers(), "planned")
        return {
            "plan_readers_per_s": figures["per_s"],
            "plan_cpu_ms": figures["cpu_ms"],
            "plan_postgres_cpu_ms": figures["postgres_cpu_ms"],
            "plan_rss_mb_20k": figures["rss_mb"],
        }

    def delivered(self) -> dict[str, float]:
        self.world.tidy()
        sink_before = self.sink.cpu_seconds()
        figures = self.stage.run("deliver")
        expect(figures["done"], self.world.count_readers(), "sent")
        self.size = self.size or self.world.message_bytes()
        return {
            "deliver_per_s": figures["per_s"],
            "sender_cpu_ms": figures["cpu_ms"],
            "sender_main_thread_cpu_ms": figures["main_thread_cpu_ms"],
            "postgres_cpu_ms": figures["postgres_cpu_ms"],
            "sink_cpu_ms": 1000 * (self.sink.cpu_seconds() - sink_before) / figures["done"],
            "queries_per_1000": figures["queries_per_1000"],
            "rss_mb_20k": figures["rss_mb"],
        }

    def far(self) -> dict[str, float]:
        count = min(self.args.readers, FAR_MESSAGES)
        self.world.queued_again(count)
        with delivery_relay.far_away(self.sink, round_trip=0.020) as port:
            figures = self.stage.run(
                "deliver", EMAIL_URL=f"smtp://127.0.0.1:{port}", SMTP_CONNECTIONS=str(FAR_CONNECTIONS)
            )
        expect(figures["done"], count, "sent far away")
        return {"relay_20ms_per_s": figures["per_s"]}

    def peers(self) -> dict[str, dict[str, Any]]:
        if self._prepared is None:
            args = self.args
            self._prepared = self._make_peers(
                args.peers, self.stage, count=args.peer_messages, size=self.size, port=self.sink.port
            )
        return self._prepared.run()

    def signed(self) -> dict[str, float]:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        file = self.stage.folder / "dkim.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        with step("deliver with DKIM"):
            self.world.queued_again()
            figures = self.stage.run("deliver", DKIM_KEY_FILE=str(file))
        expect(figures["done"], self.args.readers, "sent signed")
        return {"sender_cpu_ms_dkim": figures["cpu_ms"], "deliver_per_s_dkim": figures["per_s"]}

    def many(self, readers: int) -> dict[str, float]:
        """The same with ten times the readers, once: does the memory grow, do the rates hold?"""
        with step(f"{readers:,} readers"):
            self.world.forget()
            self.world.make_readers(readers)
        with step(f"{readers:,} readers: plan, deliver"):
            found = self.planned() | self.delivered()
        return {
            "plan_readers_per_s_200k": found["plan_readers_per_s"],
            "plan_rss_mb_200k": found["plan_rss_mb_20k"],
            "deliver_per_s_200k": found["deliver_per_s"],
            "queries_per_1000_200k": found["queries_per_1000"],
            "rss_mb_200k": found["rss_mb_20k"],
        }


def make_world(readers: int) -> None:
    from tests.bench import world

    world.make_edition()
    world.make_readers(readers)


def profile(stage: Stage, *, step_name: str) -> None:
    if step_name == "deliver":
        stage.run("plan")
    figures = stage.run(step_name, "--profile")
    print(json.dumps(figures, indent=1))


def expect(found: int, wanted: int, what: str) -> None:
    if found != wanted:
        raise SystemExit(f"{found} of {wanted} {what}")


@contextlib.contextmanager
def step(words: str) -> Iterator[None]:
    """Say on stderr what goes on, and for how long it went on."""
    began = time.monotonic()
    yield
    print(f"{words}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
