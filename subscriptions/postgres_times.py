"""PostgreSQL's points in time, read by Python's own ISO parser.

Django's loader takes each apart with a regular expression: 3 us, where this takes a fifth of it, and planning and
sending read one to three a reader.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db.backends.signals import connection_created


def read_times_fast(*, connection: Any, **_signal: Any) -> None:
    """Teach a new connection to PostgreSQL, unless its times are to be in another zone than UTC."""
    if connection.vendor == "postgresql" and connection.timezone == UTC:
        connection.connection.adapters.register_loader("timestamptz", _loader())


connection_created.connect(read_times_fast)


@cache
def _loader() -> type:
    from django.db.backends.postgresql.psycopg_any import BaseTzLoader

    class IsoLoader(BaseTzLoader):  # type: ignore[misc]  # django-stubs do not know it
        timezone = UTC  # Django compares it with the connection's

        def load(self, data: Any) -> Any:
            try:
                read = datetime.fromisoformat(bytes(data).decode("ascii"))
            except ValueError:  # infinity, years beyond 9999 or before Christ
                return super().load(data)
            return read.astimezone(UTC)

    return IsoLoader
