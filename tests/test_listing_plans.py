"""How PostgreSQL finds a page of papers: by an index, and without reading more than the list's own period."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.bench.bench_listing import addresses, fill, is_list, sweep

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

PAPERS = 20_000  # of 730 days: 27 a day, 850 in a month
MONTH = 31 * 28
TABLES = {"newsletter_paper", "newsletter_papertopic"}


@pytest.fixture
def _papers() -> None:
    fill(PAPERS)
    sweep()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def lists_of(client: Client, path: str) -> list[str]:
    """The statements that find a page's keys: mostly one, two where papers without a score follow those with one."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(path).status_code == 200
    found = [query["sql"] for query in captured.captured_queries if is_list(query["sql"])]
    assert found
    return found


def run(sql: str) -> list[dict[str, Any]]:
    """The steps of the plan, each with the rows it really handled."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        [(found,)] = cursor.fetchall()
    plans = json.loads(found) if isinstance(found, str) else found
    return list(nodes(plans[0]["Plan"]))


def bound(name: str) -> int:
    """Rows that a step may handle for this list: a page, or the papers of a month that are sorted for one."""
    if "page" in name:
        return 1500  # a page deep in a list skips what comes before it
    if "trending" in name and "topic" in name:
        return 3000  # a topic may be gathered while it is small; the fullest has eleven thousand papers here
    return MONTH + 50


def handled(step: dict[str, Any]) -> int:
    rows: float = (step["Actual Rows"] + step.get("Rows Removed by Filter", 0)) * step["Actual Loops"]
    return round(rows)


@pytest.mark.usefixtures("_papers")
def test_no_list_reads_a_whole_table_or_more_than_its_period(client: Client) -> None:
    for name, path in addresses().items():
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200
        for query in captured.captured_queries:
            if "newsletter_paper" not in query["sql"] or not query["sql"].startswith("SELECT"):
                continue
            for step in run(query["sql"]):
                told = f"{name}: {step['Node Type']} in {query['sql'][:2000]}"
                assert not (step["Node Type"] == "Seq Scan" and step["Relation Name"] in TABLES), told
                assert handled(step) <= bound(name), told


@pytest.mark.usefixtures("_papers")
def test_the_keys_of_a_page_come_from_indexes_alone(client: Client) -> None:
    for path in (
        "/",
        "/week/2026-W11/?sort=votes",
        "/month/2025-03/",
        "/month/2025-03/?code=yes&sort=newest",
        "/trending/",
    ):
        for sql in lists_of(client, path):
            steps = [step["Node Type"] for step in run(sql) if "Relation Name" in step]

            assert steps == ["Index Only Scan"], path


@pytest.mark.usefixtures("_papers")
def test_a_page_of_a_topic_walks_its_index_and_stops(client: Client) -> None:
    for path, index in (
        ("/topic/language-models/", "newest_of_a_topic"),
        ("/topic/language-models/?code=yes", "newest_coded_of_a_topic"),
        ("/topic/language-models/?sort=votes", "most_voted_of_a_topic"),
        ("/topic/language-models/?sort=votes&code=yes", "voted_coded_of_a_topic"),
    ):
        [sql] = lists_of(client, path)
        walked = [step for step in run(sql) if step.get("Relation Name") == "newsletter_papertopic"]

        assert [step["Index Name"] for step in walked] == [index]
        assert sum(map(handled, walked)) < 150, "of some ten thousand papers of this topic"
