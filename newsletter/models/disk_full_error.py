"""A disk that is full: recognised by its own error, and remembered in a file, for no row can be written then."""

from __future__ import annotations

import errno
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

_SQLITE_FULL, _POSTGRES_FULL = "SQLITE_FULL", "53100"


def note(error: BaseException) -> bool:
    """Whether the error says that a disk is full; `since` then tells from when on, until `forget`."""
    causes = [error, error.__cause__]
    full = any(
        getattr(one, "sqlite_errorname", "") == _SQLITE_FULL
        or getattr(one, "sqlstate", "") == _POSTGRES_FULL
        or (isinstance(one, OSError) and one.errno == errno.ENOSPC)
        for one in causes
    )
    if full:
        # It is there since then, or it is the same disk and its free space tells.
        with suppress(OSError):
            _file().open("x").close()
    return full


def forget() -> None:
    """Something was written: there is room again."""
    _file().unlink(missing_ok=True)


def since() -> datetime | None:
    try:
        return datetime.fromtimestamp(_file().stat().st_mtime, tz=UTC)
    except OSError:
        return None


def _file() -> Path:
    return Path(settings.VAR_DIR) / "disk-full"
