"""What a pass of the trend score costs: `python -m tests.bench.bench_scoring [papers] [signals a paper]`.

A PostgreSQL of its own is filled with papers of two years, each measured hourly after its listing, and all are scored
twice: the first pass writes every young paper, the second what an ordinary quarter of an hour costs. Default: 100,000
papers and 2,000,000 signals. The cost follows the young papers (30 days), not the catalogue.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from datetime import UTC, datetime, timedelta

from tests.services import PostgresServer

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)


def fill(papers: int, signals: int) -> None:
    """Rows copied from one that the models made, so that a new column needs no change here."""
    from django.db import connection

    from newsletter.models import Paper, Sighting, Signal

    pattern = Paper.objects.create(title="Study 0", title_key="study 0", abstract="We study. " * 80, first_seen_at=NOW)
    own = {
        "title": "'Study ' || n",
        "title_key": "'study ' || n",
        "first_seen_at": f"%s - interval '1 hour' * (n * {730 * 24 / papers})",
        "listed_on": f"(%s - interval '1 hour' * (n * {730 * 24 / papers}))::date",
    }
    columns = [field.column for field in Paper._meta.local_fields if not field.primary_key]
    values = ", ".join(own.get(column, column) for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Paper._meta.db_table} ({', '.join(columns)})"
            f" SELECT {values} FROM {Paper._meta.db_table}, generate_series(1, {papers - 1}) n",
            [NOW] * sum("%s" in own.get(column, "") for column in columns),
        )
        cursor.execute(
            f"INSERT INTO {Sighting._meta.db_table} (paper_id, source, key, seen_at)"
            f" SELECT id, 'hf_daily', id, first_seen_at FROM {Paper._meta.db_table}"
        )
        cursor.execute(
            f"INSERT INTO {Signal._meta.db_table} (paper_id, source, metric, value, at)"
            " SELECT id, 'hf_daily', CASE n % 2 WHEN 0 THEN 'upvotes' ELSE 'stars' END, 1 + n * (id % 11) / 4,"
            f" first_seen_at + interval '1 hour' * (n / 2) FROM {Paper._meta.db_table},"
            f" generate_series(0, {signals - 1}) n"
        )
        cursor.execute("ANALYZE")
    pattern.refresh_from_db()


def main() -> None:
    papers = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    signals = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    server = PostgresServer()
    server.start()
    os.environ |= {"DATABASE_URL": server.url, "DEBUG": "1", "DJANGO_SETTINGS_MODULE": "newsletter.settings"}
    try:
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        began = time.perf_counter()
        fill(papers, signals)
        print(f"{papers:,} papers, {papers * signals:,} signals, filled in {time.perf_counter() - began:.0f} s")
        _print_passes()
    finally:
        server.close()


def _print_passes() -> None:
    from django.db import connection, reset_queries

    from newsletter.ranking.update_trend_scores import score_papers

    for moment in (NOW, NOW + timedelta(minutes=15)):
        reset_queries()
        wall, cpu = time.perf_counter(), time.process_time()
        looked_at = score_papers(now=moment)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{looked_at:,} young papers scored in {wall:.1f} s ({cpu:.1f} s of our CPU),"
            f" {len(connection.queries):,} queries, peak RSS {peak:.0f} MB"
        )


if __name__ == "__main__":
    main()
