"""Signals of young papers -> the trend scores on their rows, one per cadence, with the numbers behind them.

In: signals of papers first seen or listed within 30 days, chunk by chunk. Out: score_daily, _weekly, _monthly,
score_parts and scored_at. Papers known from saved listing pages only are never trending, nor are merged ones; papers
that grew out of the window go back to zero. Safe to run twice and at once: the same signals give the same scores.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, cast

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef, Q

from newsletter.catalogue.topics import fields
from newsletter.models import Paper, Sighting, Signal
from newsletter.models.papers import UNMEASURED
from newsletter.ranking import trend_formula

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.db.models import Field

    from newsletter.models import PaperQuerySet

YOUNG = timedelta(days=30)
CHUNK = 2000  # papers whose signals are in memory at once
CADENCES = tuple(trend_formula.HALF_LIVES)
SCORES = tuple(f"score_{cadence}" for cadence in CADENCES)
ZERO: dict[str, Any] = dict.fromkeys(SCORES, 0.0) | {"score_parts": {}}


def score_papers(*, now: datetime) -> int:
    """Score every young paper at ``now``. Returns how many were looked at."""
    field_of: dict[int, str] = {}
    born_at = dict(_births(_young(now), field_of))
    papers = sorted(born_at)
    numbers: dict[tuple[str, str], int] = {}  # (source, metric) -> its column, in the order of appearance
    chunks = [papers[start : start + CHUNK] for start in range(0, len(papers), CHUNK)]
    gains = [trend_formula.gains_of(_snapshots(chunk, numbers, now)) for chunk in chunks]
    scores = trend_formula.score_papers(trend_formula.join(gains), born_at, now=now, field_of=field_of) if gains else {}
    scored = sorted(set().union(*scores.values()))
    _forget(scored, now)
    _write(scored, scores, now)
    for chunk in chunks:
        Paper.objects.filter(pk__any_of=chunk).update(scored_at=now)
    return len(papers)


def _young(now: datetime) -> PaperQuerySet:
    seen_elsewhere = Sighting.objects.filter(paper=OuterRef("pk")).exclude(source__in=UNMEASURED)
    seen_on_page = Sighting.objects.filter(paper=OuterRef("pk"), source__in=UNMEASURED)
    return (
        Paper.objects.filter(merged_into__isnull=True)
        .filter(Q(first_seen_at__gt=now - YOUNG) | Q(listed_on__gt=(now - YOUNG).date()))
        .filter(Exists(seen_elsewhere) | ~Exists(seen_on_page))
    )


def _births(young: PaperQuerySet, field_of: dict[int, str]) -> Iterator[tuple[int, float]]:
    """Return since when each paper could be voted for: the day of its list, else when we first saw it.

    Its field goes into ``field_of``, when its categories tell.
    """
    rows = young.values_list("pk", "listed_on", "first_seen_at", "categories")
    for paper, listed_on, first_seen_at, categories in rows.iterator():
        field_of[paper] = fields.field_of(categories)
        born = datetime.combine(listed_on, time(0), tzinfo=UTC) if listed_on else first_seen_at
        yield paper, born.timestamp()


def _snapshots(papers: list[int], numbers: dict[tuple[str, str], int], now: datetime) -> trend_formula.Snapshots:
    import numpy as np

    rows = (
        Signal.objects.filter(paper__any_of=papers, at__lte=now)
        .exclude(source__in=UNMEASURED)
        .exclude(metric__in=settings.MUTED_SIGNALS)
        .values_list("paper_id", "source", "metric", "value", "at")
    )
    flat = np.array(
        [
            (paper, numbers.setdefault((source, metric), len(numbers)), value, at.timestamp())
            for paper, source, metric, value, at in rows.iterator(chunk_size=10_000)
        ],
        dtype=np.float64,
    ).reshape(-1, 4)
    return trend_formula.Snapshots(
        papers=flat[:, 0].astype(np.int64),
        counters=flat[:, 1].astype(np.int64),
        values=flat[:, 2].astype(np.int64),
        at=flat[:, 3],
        names=tuple(numbers),
    )


def _forget(scored: list[int], now: datetime) -> None:
    """Set scores back to zero for papers that no longer trend: old, merged, or of a silent source."""
    had = Paper.objects.filter(Q(score_daily__gt=0) | Q(score_weekly__gt=0) | Q(score_monthly__gt=0))
    stale = sorted(set(had.values_list("pk", flat=True)) - set(scored))
    for start in range(0, len(stale), CHUNK):
        Paper.objects.filter(pk__any_of=stale[start : start + CHUNK]).update(**ZERO, scored_at=now)


def _write(scored: list[int], scores: dict[str, dict[int, trend_formula.TrendScore]], now: datetime) -> None:
    """Write all rows by one prepared statement: `bulk_update` builds a CASE a row and column, ten times as slow."""
    if not scored:
        return
    columns_of = [cast("Field[Any, Any]", Paper._meta.get_field(name)) for name in ("score_parts", "scored_at")]

    def row(pk: int) -> list[Any]:
        found = {cadence: scores[cadence].get(pk) for cadence in CADENCES}
        parts = {cadence: trend.parts for cadence, trend in found.items() if trend}
        prepared = [
            field.get_db_prep_save(value, connection) for field, value in zip(columns_of, (parts, now), strict=True)
        ]
        return [*(trend.score if trend else 0.0 for trend in found.values()), *prepared, pk]

    columns = ", ".join(f"{name} = %s" for name in (*SCORES, "score_parts", "scored_at"))
    statement = f"UPDATE {Paper._meta.db_table} SET {columns} WHERE id = %s"  # noqa: S608  (names of our own columns)
    for start in range(0, len(scored), CHUNK):
        with connection.cursor() as cursor:
            cursor.executemany(statement, [row(pk) for pk in scored[start : start + CHUNK]])
