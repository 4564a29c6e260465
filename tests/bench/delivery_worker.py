"""The process that is measured: plans or delivers everything that is due, as a worker does, and says what it cost.

`python -m tests.bench.delivery_worker plan|deliver [--profile]`. In: a worker's environment. Out: one line of JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import json
import pstats
import resource
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import django
from django.db import connection
from django.db.backends.signals import connection_created
from django.utils import timezone

LONGEST = timedelta(minutes=10)
queries = 0


def count_queries(**signal: Any) -> None:
    """On every connection this process opens; the ledger's thread has one of its own."""
    signal["connection"].execute_wrappers.append(counted)


def counted(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    global queries
    queries += 1
    return execute(sql, params, many, context)


@contextlib.contextmanager
def profiled() -> Iterator[None]:
    """Two tables: this thread, which composes and sends, and the others, which write rows and open connections."""
    own, others = cProfile.Profile(), list[cProfile.Profile]()

    def join_in(*_: Any) -> None:
        others.append(cProfile.Profile())
        others[-1].enable()  # takes the place of this very function in its thread

    threading.setprofile(join_in)
    with own:
        yield
    threading.setprofile(None)
    print_top("this thread", [own])
    print_top("the other threads", others)


def print_top(words: str, profiles: list[cProfile.Profile]) -> None:
    print(f"--- {words}")
    if profiles:
        stats = pstats.Stats(profiles[0])
        stats.add(*profiles[1:])
        stats.sort_stats("tottime").print_stats(35)


def plan() -> int:
    from newsletter import planning

    return planning.plan_due(now=timezone.now(), deadline=timezone.now() + LONGEST).readers


def deliver() -> int:
    from newsletter import tasks

    run = tasks.deliver_due(deadline=timezone.now() + LONGEST)
    return run.sent if run else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=["plan", "deliver"])
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    django.setup()
    import newsletter.tasks  # noqa: F401  (what a worker has loaded before its first task)

    connection_created.connect(count_queries)
    connection.ensure_connection()
    step = {"plan": plan, "deliver": deliver}[args.step]
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu_began, wire_began = time.perf_counter(), time.process_time(), time.thread_time()
    with profiled() if args.profile else contextlib.nullcontext():
        done = step()
    seconds = time.perf_counter() - began
    cpu, wire = time.process_time() - cpu_began, time.thread_time() - wire_began
    figures = {
        "done": done,
        "seconds": seconds,
        "per_s": done / seconds,
        "cpu_ms": 1000 * cpu / max(1, done),
        "main_thread_cpu_ms": 1000 * wire / max(1, done),
        "queries_per_1000": 1000 * queries / max(1, done),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "rss_mb_loaded": loaded / 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
