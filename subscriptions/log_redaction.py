"""Removal of secrets from logs: a link with a reader's token is shortened to its kind, mail addresses are hidden.

In: a log line. Out: the same line without usable links and mail addresses. Pure.
"""

from __future__ import annotations

import logging
import re

_SECRET_PATHS = re.compile(r"(/(?:u|d|c|r|confirm|preferences|move)/)(?!…)[^/\s?\"']+")
_FIELDS = re.compile(r"((?:^|[?&\s])(?:new_)?email=)[^&\s\"']+", re.IGNORECASE)
_ADDRESSES = re.compile(r"[^\s<>()\"'=&?/,;:@]{1,64}(?:@|%40)[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE)
_ROWS = re.compile(r"(DETAIL:\s+).*")  # PostgreSQL quotes the whole row it refuses, tokens and all


def redact(line: str) -> str:
    line = _FIELDS.sub(r"\1…", _SECRET_PATHS.sub(r"\1…", line))
    return _ROWS.sub(r"\1…", _ADDRESSES.sub("…", line))


class DiscreetFormatter(logging.Formatter):
    """Redacts the whole text, tracebacks included: Django's own warnings name the requested path."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))
