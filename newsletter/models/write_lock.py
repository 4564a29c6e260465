"""The lock of those who add papers, merge them, or keep what is derived from them.

Taken inside a transaction and held until it ends; the second writer waits. Readers are never held up.
"""

from __future__ import annotations

from django.db import connection

_INGEST_LOCK = 0x70617065  # "pape": one writer of papers at a time, so that two workers never add the same one


def wait_for_other_writers() -> None:
    """Until this transaction ends, nobody else adds papers or merges them."""
    # SQLite's transactions are immediate (settings), so there the lock is already held.
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_INGEST_LOCK])
