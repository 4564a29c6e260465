"""No test falls between the parts: `make test` or `make test-both` has each, on each of its databases."""

from __future__ import annotations

from itertools import chain, combinations
from types import SimpleNamespace
from typing import Any

import pytest

from tests.environment import runs_here

MARKS = ("services", "any_database", "both_databases", "more_examples", "thorough", "model", "django_db")


def item_of(marks: tuple[str, ...], *, commits: bool = False) -> Any:
    found = {name: SimpleNamespace(kwargs={"transaction": commits}) for name in marks}
    return SimpleNamespace(get_closest_marker=found.get, fixturenames=[])


@pytest.mark.parametrize("db", ["sqlite", "postgres"])
@pytest.mark.parametrize("commits", [False, True])
def test_each_test_is_in_one_part_and_in_both_only_with_more_examples(db: str, commits: bool) -> None:
    for marks in chain.from_iterable(combinations(MARKS, size) for size in range(len(MARKS) + 1)):
        item = item_of(marks, commits=commits)
        parts = [part for part in ("quick", "rest") if runs_here(item, db=db, part=part)]
        assert bool(parts) == runs_here(item, db=db, part="all"), marks
        assert len(parts) < 2 or "more_examples" in marks, marks


@pytest.mark.parametrize(
    ("marks", "where"),
    [
        ((), {"sqlite": "quick"}),
        (("django_db",), {"sqlite": "quick", "postgres": "rest"}),
        (("django_db", "both_databases"), {"sqlite": "quick", "postgres": "quick"}),
        (("django_db", "thorough"), {"sqlite": "rest", "postgres": "rest"}),
        (("services",), {"postgres": "quick"}),
        (("services", "thorough"), {"postgres": "rest"}),
    ],
)
def test_where_a_test_runs_follows_from_its_marks(marks: tuple[str, ...], where: dict[str, str]) -> None:
    places = [(db, part) for db in ("sqlite", "postgres") for part in ("quick", "rest")]
    item = item_of(marks)
    assert {db: part for db, part in places if runs_here(item, db=db, part=part)} == where
