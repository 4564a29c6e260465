"""Points in time come back from PostgreSQL as they were, by whatever parser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import DataError, connection

pytestmark = [pytest.mark.django_db, pytest.mark.services]
OSLO = timezone(timedelta(hours=1))


def select(expression: str, *params: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {expression}", params)
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 30, 8, 0, tzinfo=UTC),
        datetime(2026, 11, 30, 8, 0, 0, 120000, tzinfo=UTC),
        datetime(2026, 11, 30, 8, 0, 0, 1, tzinfo=OSLO),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_a_moment_comes_back_in_utc(moment: datetime) -> None:
    found = select("%s::timestamptz", moment)
    assert found == moment
    assert found.tzinfo is UTC


def test_none_stays_none() -> None:
    assert select("NULL::timestamptz") is None


def test_what_python_cannot_hold_is_refused_as_before() -> None:
    with pytest.raises(DataError, match=r"timestamp too large|parse timestamp"):
        select("'20261-11-30 17:00:00+00'::timestamptz")


def test_a_session_in_another_zone_is_read_right() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Europe/Oslo'")
        cursor.execute("SELECT '2026-11-30 08:00:00+00'::timestamptz")
        assert cursor.fetchone()[0] == datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


def test_django_makes_no_loader_of_its_own_for_each_cursor() -> None:
    with connection.cursor() as cursor:
        loader: Any = connection.connection.adapters.get_loader(1184, 0)
        assert loader.__name__ == "IsoLoader"
        assert cursor.cursor.adapters.get_loader(1184, 0) is loader
