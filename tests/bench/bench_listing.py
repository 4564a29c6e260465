"""What the listing pages cost on a large catalogue: `python -m tests.bench.bench_listing [papers]`.

A PostgreSQL of its own is filled with papers of two years (default: 1,000,000, each of two topics) and every kind of
list is asked for again and again. Prints, for each address, the 95th percentile of its list query (the keys of a page,
in order), of its slowest query of all, and of the whole page; and that of the slowest lists in the minute after a pass
of the scores, before autovacuum has swept what it wrote.
"""

from __future__ import annotations

import gzip
import os
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
DAYS = 730
ROUNDS = 30
LISTS = {
    "newest day": "/?",
    "day": "/date/2026-03-10/?",
    "week": "/week/2026-W11/?",
    "month": "/month/2026-02/?",
    "old month": "/month/2025-03/?",
    "trending, 7 days": "/trending/?",
    "trending, 30 days": "/trending/?window=month&",
}
TOPICS = ("language-models", "vision", "evaluation")  # the fullest, one in the middle, and the emptiest


def addresses() -> dict[str, str]:
    """Every list in every order, whole, with code, in a topic, and in a topic with code."""
    found = {}
    for sort in ("trending", "newest", "votes"):
        for code in ("", "&code=yes"):
            for name, path in LISTS.items():
                for topic in ("", "&topic=language-models"):
                    words = ", ".join(filter(None, (name, sort, "with code" * bool(code), "in a topic" * bool(topic))))
                    found[words] = f"{path}sort={sort}{code}{topic}"
            for topic in TOPICS:
                words = ", ".join(filter(None, (f"topic {topic}", sort, "with code" * bool(code))))
                found[words] = f"/topic/{topic}/?sort={sort}{code}"
    return found | {"topic language-models, newest, page 20": "/topic/language-models/?page=20"}


def fill(papers: int) -> None:
    """Rows copied from one that the models made, so that a new column needs no change here. Old papers come first.

    The first topic has about every second paper, the others less and less; every fourth paper came with code.
    """
    from django.db import connection

    from newsletter.models import Paper, PaperTopic
    from subscriptions.models import Topic

    Paper.objects.create(
        title="Study 0",
        title_key="study 0",
        abstract="We study one thing and learn another. " * 30,
        authors=["Ada Lovelace", "Alan Turing", "Grace Hopper", "Emmy Noether", "Kurt Gödel"],
        first_seen_at=NOW,
        listed_on=NOW.date(),
    )
    age = f"n * {DAYS / papers}"
    score = f"CASE WHEN {age} < 30 THEN mod(abs(hashint4(n + %d)), 1000) / 100.0 ELSE 0 END"
    own = {
        "title": "'A study of many things and of how they come about, number ' || n",
        "title_key": "'study ' || n",
        "first_seen_at": f"%s - interval '1 day' * ({age})",
        "listed_on": f"(%s - interval '1 day' * ({age}))::date",
        "upvotes": "power(mod(abs(hashint4(n)), 1000) / 100.0, 3)::int",
        "code_url": "CASE WHEN mod(abs(hashint4(n + 9)), 4) = 0 THEN 'https://github.com/a/' || n ELSE '' END",
        "score_daily": score % 1,
        "score_weekly": score % 2,
        "score_monthly": score % 3,
        "is_hidden": "mod(n, 997) = 0",
    }
    columns = [field.column for field in Paper._meta.local_fields if not field.primary_key]
    values = ", ".join(own.get(column, column) for column in columns)
    table, topics = Paper._meta.db_table, PaperTopic._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values}"
            f" FROM {table}, generate_series(1, {papers - 1}) n ORDER BY n DESC",
            [NOW] * sum("%s" in own.get(column, "") for column in columns),
        )
        cursor.execute(
            f"INSERT INTO {topics} (paper_id, topic_id, score, is_assigned, is_primary, origin,"
            " listed_on, upvotes, has_code)"
            " SELECT p.id, t.id, 0.5, true, false, 'classifier', p.listed_on, p.upvotes, p.code_url <> ''"
            f" FROM {table} p, (SELECT id, row_number() OVER (ORDER BY position, id) AS place"
            f" FROM {Topic._meta.db_table}) t"
            " WHERE mod(abs(hashint8(p.id * 31 + t.place)), 1000) < 550.0 / t.place"
        )


def sweep() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def score_anew() -> int:
    """What a pass of the scores leaves behind: every young paper written, nothing swept."""
    from django.db.models import F

    from newsletter.models import Paper

    return Paper.objects.filter(score_daily__gt=0).update(score_daily=F("score_daily") + 0.01, scored_at=NOW)


@contextmanager
def timed() -> Iterator[list[tuple[str, float]]]:
    """The statements of the block, each with its seconds."""
    from django.db import connection

    found: list[tuple[str, float]] = []

    def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            found.append((sql, time.perf_counter() - began))

    with connection.execute_wrapper(watch):
        yield found


def p95(seconds: list[float]) -> float:
    return sorted(seconds)[max(0, -(-len(seconds) * 95 // 100) - 1)] * 1000


def is_list(sql: str) -> bool:
    """Whether this statement finds the keys of a page's papers, in their order."""
    return 'AS "pk" FROM "newsletter_paper"' in sql and "ORDER BY" in sql


def measure() -> dict[str, dict[str, float]]:
    """For each address the 95th percentiles, in milliseconds."""
    from django.test import Client

    client = Client(headers={"host": "localhost"})
    found: dict[str, dict[str, float]] = {}
    for name, path in addresses().items():
        runs: dict[str, list[float]] = defaultdict(list)
        for number in range(ROUNDS + 3):
            began = time.perf_counter()
            with timed() as statements:
                answer = client.get(path)
            assert answer.status_code == 200, path
            if number >= 3:
                runs["page"].append(time.perf_counter() - began)
                runs["query"].append(max(seconds for _, seconds in statements))
                runs["list"].append(max(seconds for sql, seconds in statements if is_list(sql)))
        found[name] = {kind: p95(seconds) for kind, seconds in runs.items()}
    return found


def show(papers: int) -> None:
    from django.test import Client

    began = time.perf_counter()
    fill(papers)
    sweep()
    print(f"{papers:,} papers filled in {time.perf_counter() - began:.0f} s", flush=True)
    print(f"{'p95 of ' + str(ROUNDS) + ' warm requests, ms':70} {'list':>6} {'query':>6} {'page':>6}")
    swept = measure()
    for name, figures in swept.items():
        print(f"{name:70} {figures['list']:6.1f} {figures['query']:6.1f} {figures['page']:6.1f}")
    print(f"slowest list query: {max(figures['list'] for figures in swept.values()):.1f} ms")
    scored = score_anew()
    print(f"in the minute after {scored:,} papers were scored anew, the slowest:")
    after = sorted(measure().items(), key=lambda item: -item[1]["list"])
    for name, figures in after[:5]:
        print(f"{name:70} {figures['list']:6.1f} {figures['query']:6.1f} {figures['page']:6.1f}")
    weight = len(gzip.compress(Client(headers={"host": "localhost"}).get("/").content, 6))
    print(f"first page of fifty papers: {weight / 1000:.1f} kB by gzip; load average {os.getloadavg()[0]:.1f}")


def main() -> None:
    from tests.services import PostgresServer

    papers = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    server = PostgresServer()
    server.start()
    os.environ |= {"DATABASE_URL": server.url, "DEBUG": "1", "DJANGO_SETTINGS_MODULE": "newsletter.settings"}
    try:
        import django
        from django.conf import settings

        django.setup()
        settings.DEBUG = False  # else every statement is kept, and templates are read anew for every page
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        show(papers)
    finally:
        server.close()


if __name__ == "__main__":
    main()
