"""What a line in the log belongs to: the request, task, claim or edition at work in this thread. JSON lines carry it.

In: names and values for the length of a block. Out: they are added to each record of this thread. Pure.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from subscriptions.log_redaction import redact

_current: ContextVar[Mapping[str, str]] = ContextVar("log_context", default={})  # noqa: B039  (never changed in place)
FIELDS = ("request", "task", "task_id", "claim", "edition")


@contextmanager
def about(**values: object) -> Iterator[None]:
    """Add these values (of FIELDS) to every JSON line that is logged within the block."""
    token = _current.set({**_current.get(), **{name: str(value) for name, value in values.items()}})
    try:
        yield
    finally:
        _current.reset(token)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, error, and its context. No address, no reader's link."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redact(record.getMessage()),
            "process": record.process,
            **_current.get(),
        }
        said |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            said["error"] = redact(self.formatException(record.exc_info))
        return json.dumps(said, ensure_ascii=False, default=str)
