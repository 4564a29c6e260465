"""Detection of a restored backup: when the database does not know everything that was sent, nothing may leave.

In: the mark in the database and the same mark outside it: a file in VAR_DIR, and Redis when there is one. Out: both one
step further, or the word that the database was put back. The database moves first and what is outside follows, so that
outside is ahead only after a restore. Each tick and each run that plans or sends moves it on.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import F, Max

from newsletter.models import Edition, HighWater

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)
MOVED = timedelta(hours=1)  # an installation that last ticked so long ago and has no mark here came from a dump
BROKER_SECONDS = 2
WORLD_HAS_IT = (Edition.State.FROZEN, Edition.State.SENDING, Edition.State.DONE, Edition.State.CANCELLED)


@dataclass(frozen=True)
class Mark:
    """The mark kept outside the database: how far the record went, and which editions had been frozen by then."""

    number: int
    at: str
    frozen: dict[str, str] = field(default_factory=dict)  # cadence -> its newest period that was frozen
    hurried: dict[str, str] = field(default_factory=dict)  # cadence -> the newest period somebody chose "send now" for


def advance(*, now: datetime) -> bool:
    """Advance the mark by one. False: the database was restored, and nothing may be sent until `catch_up`."""
    if is_behind(now=now):
        return False
    row = _row(now=now)
    HighWater.objects.update(number=F("number") + 1, at=now)
    number = HighWater.objects.values_list("number", flat=True).get()
    _write(row.installation, _mark(number, before=outside(), now=now))
    return True


def is_behind(*, now: datetime) -> bool:
    """Whether the mark outside is ahead of the database, or an old database runs on a machine without a mark."""
    if not HighWater.objects.exists():
        return False  # the first start
    known = outside()  # first, for the database is never behind what was outside a moment ago
    row = HighWater.objects.get()
    return row.at < now - MOVED if known is None else known.number > row.number


def outside() -> Mark | None:
    """The furthest mark that is kept outside of this very database; None when there is none."""
    installation = HighWater.objects.values_list("installation", flat=True).first()
    marks = [] if installation is None else list(_read(installation))
    return max(marks, key=lambda mark: mark.number, default=None)


def catch_up(*, now: datetime) -> None:
    """Let mail leave again after an operator said what was sent: the database's mark passes the one outside."""
    row, known = _row(now=now), outside()
    number = max(row.number, known.number if known else 0) + 1
    HighWater.objects.update(number=number, at=now)
    _write(row.installation, _mark(number, before=known, now=now))


def _row(*, now: datetime) -> HighWater:
    fresh = {"installation": uuid.uuid4().hex, "at": now}
    return HighWater.objects.get_or_create(pk=1, defaults=fresh)[0]


def _mark(number: int, *, before: Mark | None, now: datetime) -> Mark:
    newest = Edition.objects.filter(state__in=WORLD_HAS_IT).values("cadence").annotate(on=Max("period_on")).order_by()
    wished = (
        Edition.objects.filter(send_now_at__isnull=False).values("cadence").annotate(on=Max("period_on")).order_by()
    )
    frozen = {row["cadence"]: row["on"].isoformat() for row in newest}
    hurried = {row["cadence"]: row["on"].isoformat() for row in wished}
    if before:
        frozen, hurried = _later(frozen, before.frozen), _later(hurried, before.hurried)
    return Mark(number, now.isoformat(), frozen, hurried)


def _later(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    return {cadence: max(one.get(cadence, ""), other.get(cadence, "")) for cadence in one.keys() | other.keys()}


# --- where it is kept -------------------------------------------------------------------------------------------------


def _file(installation: str) -> Path:
    return Path(settings.VAR_DIR) / "high-water" / f"{installation}.json"


def _key(installation: str) -> str:
    return f"paperboy:high-water:{installation}"


def _with_broker(ask: Callable[[Redis], Any]) -> Any:
    """Return what Redis answers; None when it is away or there is none."""
    if not settings.REDIS_URL:
        return None
    from redis import Redis, RedisError

    try:
        with Redis.from_url(
            settings.REDIS_URL, socket_timeout=BROKER_SECONDS, socket_connect_timeout=BROKER_SECONDS
        ) as broker:
            return ask(broker)
    except RedisError as error:
        log.info("Redis did not answer for the high-water mark: %s", type(error).__name__)
        return None


def _read(installation: str) -> Iterator[Mark]:
    """The marks kept outside; a place that cannot be read is left out."""
    texts: list[str | bytes | None] = []
    try:
        texts.append(_file(installation).read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning("The high-water mark cannot be read: %s", error.strerror)
    texts.append(_with_broker(lambda broker: broker.get(_key(installation))))
    for text in texts:
        if text:
            try:
                told = json.loads(text)
                yield Mark(int(told["number"]), told["at"], dict(told["frozen"]), dict(told["hurried"]))
            except (KeyError, TypeError, ValueError):
                log.warning("A high-water mark is damaged; it is written anew by the next tick")


def _write(installation: str, mark: Mark) -> None:
    """Write the mark outside. A place that cannot be written stops no mail: the next tick tries again."""
    text = json.dumps(asdict(mark))
    path = _file(installation)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{installation}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(name, path)
    except OSError as error:
        log.warning("The high-water mark cannot be written: %s", error.strerror)
    _with_broker(lambda broker: broker.set(_key(installation), text))
