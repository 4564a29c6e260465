"""How long new papers take to find who follows them: `python -m tests.bench.bench_follows [--follows N --queries N]`.

Made-up papers, standing queries of authors, words, phrases and exclusions made from other such papers, and follows of
them; then the CPU seconds, ours and the database server's, in which the new papers have found their queries, rows to
rows, on SQLite and on PostgreSQL. The scale of the design is --follows 1000000 --queries 100000 --papers 2000. With
--plan N instead: how fast the digests of N readers are planned while nobody follows anything and while every third
does, and in how many queries.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
A_READER = 10  # follows
COMMONEST = 0.02  # of the papers have a word that somebody follows, at most
BATCH = 500  # papers, as `search.update_index` writes them


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--follows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--papers", type=int, default=2_000)
    parser.add_argument("--plan", type=int, metavar="READERS")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        measure(given)
        return
    from tests.services import PostgresServer

    if not given.plan:
        in_a_process_of_its_own("SQLite")
    server = PostgresServer()
    server.start()
    try:
        in_a_process_of_its_own("PostgreSQL", DATABASE_URL=server.url)
    finally:
        server.close()


def in_a_process_of_its_own(label: str, **settings: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"DEBUG": "1", "VAR_DIR": folder, "SEMANTIC": "off"} | settings
        command = [sys.executable, "-m", "tests.bench.bench_follows", *sys.argv[1:], "--only", label]
        subprocess.run(command, env=environment, check=True)


def measure(given: argparse.Namespace) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsletter.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    settings.DEBUG = False  # or every query would be kept in memory
    call_command("migrate", verbosity=0)
    if given.plan:
        measure_planning(given.plan)
        return
    fill(given)
    from newsletter.models import Paper, QueryHit, SearchEntry
    from newsletter.search.query_hits import note_hits

    new = list(SearchEntry.objects.order_by("-pk").values_list("pk", flat=True)[: given.papers])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    began, cpu, server = time.monotonic(), time.process_time(), server_cpu()
    for start in range(0, len(new), BATCH):
        note_hits(new[start : start + BATCH], now=NOW)
    seconds, cpu, server = time.monotonic() - began, time.process_time() - cpu, server_cpu() - server
    found, reached = QueryHit.objects.count(), QueryHit.objects.values("paper").distinct().count()
    print(
        f"{given.only}: {given.follows:,} follows of {given.queries:,} queries, {given.papers:,} of "
        f"{Paper.objects.count():,} papers are new: {cpu + server:.1f} s of one core ({server:.1f} of the server, "
        f"{seconds:.1f} by the clock), {found:,} hits, "
        f"{reached:,} papers with some"
    )


def server_cpu() -> float:
    """CPU seconds that our connection's server process has used; none of its own on SQLite."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        fields = Path(f"/proc/{cursor.fetchone()[0]}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_planning(readers: int) -> None:
    """Plan without follows, then with three follows of every third reader."""
    from newsletter.editions import lifecycle
    from newsletter.models import Delivery, Edition, EditionItem
    from tests.bench import world

    world.make_readers(readers)
    edition = world.make_edition()
    without = tell_planning("without follows", readers)
    follow_for_every_third_reader()
    Delivery.objects.all().delete()
    Edition.objects.update(state=Edition.State.APPROVED)
    edition.refresh_from_db()
    cpu = time.process_time()
    lifecycle.freeze(edition, now=edition.frozen_at)
    cpu = time.process_time() - cpu
    also = EditionItem.objects.filter(standing=EditionItem.Standing.ALSO).count()
    print(f"frozen again in {cpu:.1f} s of our CPU, with {also} papers for followers")
    print(f"ratio of rates {without / tell_planning('with follows', readers):.2f}")
    print(f"{Delivery.objects.filter(picks__0__1='follow').count():,} digests begin with a follow")


def tell_planning(label: str, readers: int) -> float:
    """Print the better of two runs; returns its seconds, of our own CPU: other programs do not count."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from newsletter import planning
    from tests.bench import world

    runs = []
    for _ in range(2):
        world.due_again()
        with CaptureQueriesContext(connection) as asked:
            began, cpu = time.monotonic(), time.process_time()
            planning.plan_due(now=timezone.now())
            runs.append((time.process_time() - cpu, time.monotonic() - began))
    cpu, wall = min(runs)
    queries = len(asked) * 1_000 / readers
    print(
        f"{label}: {readers / wall:,.0f} readers/s, {readers / cpu:,.0f} a CPU second, {queries:.1f} queries a thousand"
    )
    return cpu


def follow_for_every_third_reader(*, papers: int = 300, queries: int = 1_000) -> None:
    """Papers of nobody's ranking, standing queries that found three each, and three follows a reader."""
    from django.utils import timezone

    from newsletter.models import Paper, QueryHit, StandingQuery
    from subscriptions.models import Follow, Subscriber

    now = timezone.now()
    at = now - timedelta(hours=5)
    made = Paper.objects.bulk_create(
        Paper(title=f"New {n}", title_key=f"new {n}", abstract="On walks. " * 60, authors=["N. Q."], first_seen_at=at)
        for n in range(papers)
    )
    rows = StandingQuery.objects.bulk_create(
        StandingQuery(key=f"{n:032}", text=f'author:"Reader {n}"', parsed={}, rarest_term=f"author:{n}", created_at=now)
        for n in range(queries)
    )
    QueryHit.objects.bulk_create(
        QueryHit(query=row, paper=made[(n * 7 + place * 31) % papers], at=now)
        for n, row in enumerate(rows)
        for place in range(3)
    )
    third = Subscriber.objects.order_by("pk").values_list("pk", flat=True)[::3]
    Follow.objects.bulk_create(
        [
            Follow(subscriber_id=reader, key=row.key, text=row.text, at=now)
            for n, reader in enumerate(third)
            for row in (rows[(n * 3 + place) % queries] for place in range(3))
        ],
        batch_size=5_000,
    )


def fill(given: argparse.Namespace) -> None:
    """Papers with their words, the queries, the readers and what they follow."""
    from newsletter import search
    from newsletter.models import Paper, StandingQuery
    from newsletter.search.standing_queries import add_queries
    from subscriptions.models import Follow, Subscriber
    from tests.bench.made_up_papers import fill as fill_papers

    fill_papers(given.papers * 3)
    far = datetime.now(UTC).replace(year=datetime.now(UTC).year + 1)
    search.keep_up(now=NOW, deadline=far)
    rows = list(Paper.objects.order_by("pk").values_list("abstract", "authors"))
    random = np.random.default_rng(2)
    papers_with = Counter(word for abstract, _authors in rows for word in set(abstract.lower().split()))
    telling = {word for word, papers in papers_with.items() if papers <= len(rows) * COMMONEST}
    texts = dict.fromkeys(made_up_query(random, rows, telling) for _ in range(given.queries * 2))
    add_queries(texts, now=NOW)
    keys = list(StandingQuery.objects.order_by("pk").values_list("key", "text"))[: given.queries]
    StandingQuery.objects.exclude(key__any_of=[key for key, _text in keys]).delete()
    readers = Subscriber.objects.bulk_create(
        [made_up_reader(number) for number in range(given.follows // A_READER)], batch_size=5_000
    )
    for start in range(0, given.follows, 50_000):
        Follow.objects.bulk_create(
            [
                Follow(subscriber=readers[number // A_READER], key=key, text=text, at=NOW)
                for number in range(start, min(start + 50_000, given.follows))
                for key, text in [keys[(number * 7919) % len(keys)]]
            ],
            batch_size=5_000,
        )


def made_up_query(random: Any, rows: list[tuple[str, list[str]]], telling: set[str]) -> str:
    """A third authors; the others two words of one paper, a phrase, or a word without another: words that tell."""
    abstract, authors = rows[random.integers(len(rows))]
    words = abstract.lower().split()
    places = [place for place, word in enumerate(words[:-1]) if word in telling]
    at, other = random.choice(places, size=2)
    kind = random.random()
    if kind < 0.33:
        return f'author:"{authors[random.integers(len(authors))]}"'
    if kind < 0.6:
        return f"{words[at]} {words[other]}"
    return f'"{words[at]} {words[at + 1]}"' if kind < 0.8 else f"{words[at]} -{words[other]}"


def made_up_reader(number: int) -> Any:
    from subscriptions.models import Subscriber

    email = f"reader{number}@mail.example"
    return Subscriber(
        email=email,
        address_key=email,
        address_hash=f"{number:x}",
        state="confirmed",
        confirmed_at=NOW,
        unsubscribe_token=f"{number}",
        unsubscribe_hash=f"{number}",
    )


if __name__ == "__main__":
    main()
