"""How well search finds and how fast: `python -m tests.bench.bench_search [pages folder] [--papers N]`.

The judged queries of tests/data/search_judgments.json are asked of the saved listing pages (in
../shared/data/listing-pages unless given; without them of the sample papers), with and without the extra `semantic`,
against FTS5's own order. Half of the queries were looked at while the weights were chosen (tuning), half were not
(held-out). Then the latency of the same queries over N made-up papers (100,000) on SQLite and on PostgreSQL;
`--papers 0` leaves that out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT.parent / "shared" / "data" / "listing-pages"
JUDGMENTS = ROOT / "tests" / "data" / "search_judgments.json"
CUT = 10
NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)


def ndcg(ranked: Iterable[str], relevant: Mapping[str, int], *, cut: int = CUT) -> float:
    """Gains 2^grade - 1, as is usual; the ideal order is that of all judged papers."""

    def discounted(grades: Iterable[int]) -> float:
        return sum((2**grade - 1) / math.log2(place + 2) for place, grade in zip(range(cut), grades, strict=False))

    found = [relevant.get(title, 0) for title in ranked]
    return discounted(found) / discounted(sorted(relevant.values(), reverse=True))


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("pages", nargs="?", type=Path, default=PAGES)
    arguments.add_argument("--papers", type=int, default=100_000)
    arguments.add_argument("--only", choices=["quality", "speed"], help=argparse.SUPPRESS)
    arguments.add_argument("--label", default="", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.only:
        _set_up()
        print_quality(given.pages, given.label) if given.only == "quality" else print_speed(given.papers, given.label)
        return
    for semantic, label in (
        ("off", "without the extra"),
        ("auto", "half read by the extra"),
        ("auto", "with the extra"),
    ):
        _in_a_process_of_its_own(given, "quality", label, SEMANTIC=semantic)
    if given.papers:
        from tests.services import PostgresServer

        _in_a_process_of_its_own(given, "speed", "SQLite", SEMANTIC="off")
        server = PostgresServer()
        server.start()
        try:
            _in_a_process_of_its_own(given, "speed", "PostgreSQL", SEMANTIC="off", DATABASE_URL=server.url)
        finally:
            server.close()


def _in_a_process_of_its_own(given: argparse.Namespace, only: str, label: str, **settings: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"DEBUG": "1", "VAR_DIR": folder, "OPENBLAS_NUM_THREADS": "1"} | settings
        command = [sys.executable, "-m", "tests.bench.bench_search", str(given.pages), "--papers", str(given.papers)]
        subprocess.run([*command, "--only", only, "--label", label], env=environment, check=True)


def _set_up() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "newsletter.settings")
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    settings.DEBUG = False  # or every query would be kept in memory
    call_command("migrate", verbosity=0)


# --- quality ----------------------------------------------------------------------------------------------------------


def judged_titles(catalogue: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(JUDGMENTS.read_text(encoding="utf-8"))[catalogue]
    return entries


def print_quality(folder: Path, label: str) -> None:
    from newsletter import search
    from newsletter.catalogue.ingest import ingest
    from newsletter.catalogue.sources import hf_saved_listing, sample_papers
    from newsletter.catalogue.topics import embeddings
    from newsletter.models import Paper, PaperVector

    pages = sorted(folder.glob("*.txt"))
    observations = [one for page in pages for one in hf_saved_listing.parse(page.read_bytes())]
    observations = observations or sample_papers.observations(until=NOW)
    ingest(observations, now=NOW)
    far = datetime.now(UTC) + timedelta(minutes=10)
    search.keep_up(now=NOW, deadline=far)
    embeddings.embed_due(now=NOW, deadline=far)
    if label.startswith("half"):
        PaperVector.objects.filter(
            paper__in=[pk for pk in Paper.objects.values_list("pk", flat=True) if pk % 2]
        ).delete()
    entries = judged_titles("listing_pages" if pages else "sample")
    titles = dict(Paper.objects.published().values_list("pk", "title"))
    known = set(titles.values())
    entries = [one for one in entries if known.issuperset(one["relevant"])]
    print(f"\n{len(titles)} papers, {len(entries)} judged queries, {label}: nDCG@{CUT}")
    methods: dict[str, Callable[[str], list[str]]] = {"ours": lambda query: [titles[pk] for pk, _ in _found(query)]}
    if label.startswith("without"):
        methods = {"FTS5's bm25": lambda query: [titles[pk] for pk in _by_fts5(query)]} | methods
    for name, method in methods.items():
        print_row(name, entries, method, kinds=("field", "plain"))
    by_title = {title: pk for pk, title in titles.items()}
    print_row("ours", entries, lambda title: [titles[pk] for pk in _like(by_title[title])], kinds=("similar",))


def print_row(
    name: str, entries: list[dict[str, Any]], method: Callable[[str], list[str]], *, kinds: tuple[str, ...]
) -> None:
    values = defaultdict[tuple[str, str], list[float]](list)
    for one in entries:
        if one["kind"] in kinds:
            values[one["kind"], one["half"]].append(ndcg(method(one["query"]), one["relevant"]))
    cells = [f"{kind} {half} {sum(got) / len(got):.3f}" for (kind, half), got in sorted(values.items())]
    if cells:
        print(f"  {name:12} " + "   ".join(cells))


def _found(query: str) -> list[tuple[int, float]]:
    from newsletter import search

    return list(search.find(query).papers[:CUT])


def _like(pk: int) -> list[int]:
    from newsletter.models import Paper
    from newsletter.search.similar_papers import similar_to

    return [other for other, _ in similar_to(Paper.objects.get(pk=pk), limit=CUT)]


def _by_fts5(query: str) -> list[int]:
    """The database's own order of the same stems, the title three times as heavy."""
    from django.db import connection

    from newsletter.search.tokens import stems_of

    sought = " OR ".join(f'"{stem}"' for stem in stems_of(query))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rowid FROM newsletter_searchwords WHERE newsletter_searchwords MATCH %s"
            " ORDER BY bm25(newsletter_searchwords, 3.0, 1.0, 0.0) LIMIT %s",
            [sought or '""', CUT],
        )
        return [row[0] for row in cursor.fetchall()]


# --- speed ------------------------------------------------------------------------------------------------------------


def print_speed(papers: int, label: str) -> None:
    from django.db import connection

    from newsletter import search
    from newsletter.models import Paper
    from newsletter.search.similar_papers import similar_to
    from newsletter.search.update_index import learn_if_due
    from tests.bench.made_up_papers import fill

    began = time.perf_counter()
    fill(papers)
    filled = time.perf_counter() - began
    began = time.process_time()
    search.keep_up(now=NOW, deadline=datetime.now(UTC) + timedelta(hours=1))
    written = time.process_time() - began
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    assert not learn_if_due(now=NOW)
    print(f"\n{papers:,} papers on {label}: filled in {filled:.0f} s, entries and learning {written:.0f} s of our CPU")
    queries = [one["query"] for one in judged_titles("listing_pages") if one["kind"] != "similar"]
    queries += ["language model", "model", "efficient large language model inference", '"language model" after:2025']
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    search.find("warm up")
    _print_times("search", [_seconds(lambda query=query: search.find(query)) for query in queries * 2])
    some = list(Paper.objects.order_by("?")[:100])
    _print_times("similar", [_seconds(lambda paper=paper: similar_to(paper, limit=5)) for paper in some])
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"  peak memory {before / 1024:.0f} MB while learning, {after / 1024:.0f} MB at the end")


def _seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _print_times(name: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    median, late, most = (1000 * ordered[int((len(ordered) - 1) * share)] for share in (0.5, 0.95, 1))
    print(f"  {name:8} {len(ordered)} times: median {median:.0f} ms, p95 {late:.0f} ms, most {most:.0f} ms")


if __name__ == "__main__":
    main()
