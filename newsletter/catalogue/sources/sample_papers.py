"""The papers that come with Paperboy: made-up ones of the last days, and well-known ones with summaries of our own.

In: `data/made_up_papers.json` and `data/sample_papers.json`, and the moment at which their histories shall end.
Out: one observation per paper and count, as if the last days had just gone by. What is made up says so in every list
and has no arXiv number. The well-known papers serve the classifier as its background of ordinary papers. Pure but for
reading the files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING, Any

from newsletter.catalogue.sources.observed_paper import Observation

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE = "sample"
LABEL = "sample papers"
TEXT_AUTHORITY, LINK_AUTHORITY = 1, 1
OWN_VOTES: dict[str, int] = {}
MADE_UP = "Sample paper, made up"  # where others name their institution: lists, pages and mails show it
_DATA = Path(__file__).resolve().parents[2] / "data"
_FADES = 4.0  # counts after which a paper gains a third of what it gained at first
_BETWEEN_COUNTS = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class SamplePaper:
    arxiv_id: str
    title: str
    abstract: str
    authors: tuple[str, ...]
    published_on: date
    code_url: str
    upvotes: tuple[int, ...]  # every twelve hours since it was listed; the last is the present
    stars: tuple[int, ...]  # the same, or empty without code


@lru_cache(maxsize=1)
def papers() -> tuple[SamplePaper, ...]:
    return tuple(
        SamplePaper(
            arxiv_id=row["arxiv_id"],
            title=row["title"],
            abstract=row["abstract"],
            authors=tuple(row["authors"]),
            published_on=date.fromisoformat(row["published_on"]),
            code_url=row.get("code_url", ""),
            upvotes=tuple(row["upvotes"]),
            stars=tuple(row.get("stars", ())),
        )
        for row in json.loads((_DATA / "sample_papers.json").read_text(encoding="utf-8"))
    )


def made_up(*, until: datetime) -> list[Observation]:
    """Every made-up paper at each of its counts; the newest are on the list of `until`, on a weekend on Friday's."""
    rows = json.loads((_DATA / "made_up_papers.json").read_text(encoding="utf-8"))
    return [one for row in rows for one in _made_up_history(row, until=until)]


def _made_up_history(row: dict[str, Any], *, until: datetime) -> Iterator[Observation]:
    listed_on = _weekday_before(until.date(), row["weekdays_ago"])
    counts = 2 * (until.date() - listed_on).days + 2
    for count in range(1, counts + 1):
        share = (1 - exp(-count / _FADES)) / (1 - exp(-counts / _FADES))
        yield Observation(
            source=SOURCE,
            key=row["key"],
            title=row["title"],
            abstract=row["abstract"],
            authors=tuple(row["authors"]),
            organization=MADE_UP,
            published_on=listed_on - timedelta(days=1),
            listed_on=listed_on,
            code_url=f"https://example.org/{row['key']}" if row["stars"] else "",
            metrics={"upvotes": round(row["upvotes"] * share)}
            | ({"stars": round(row["stars"] * share)} if row["stars"] else {}),
            seen_at=until - _BETWEEN_COUNTS * (counts - count),
        )


def _weekday_before(day: date, weekdays: int) -> date:
    """Return the day so many weekdays before; of a weekend, before its Friday."""
    while day.weekday() >= 5 or weekdays:
        weekdays -= day.weekday() < 5
        day -= timedelta(days=1)
    return day


def observations(*, until: datetime) -> list[Observation]:
    """Every well-known paper at each of its counts, the last of them at `until`."""
    return [one for paper in papers() for one in _history(paper, until=until)]


def _history(paper: SamplePaper, *, until: datetime) -> list[Observation]:
    listed_at = until - _BETWEEN_COUNTS * (len(paper.upvotes) - 1)
    listed_on = until.date() - timedelta(days=(len(paper.upvotes) - 1) // 2)  # the same at any hour of the day
    return [
        Observation(
            source=SOURCE,
            key=paper.arxiv_id,
            arxiv_id=paper.arxiv_id,
            title=paper.title,
            abstract=paper.abstract,
            authors=paper.authors,
            published_on=paper.published_on,
            listed_on=listed_on,
            url=f"https://arxiv.org/abs/{paper.arxiv_id}",
            code_url=paper.code_url,
            metrics={"upvotes": upvotes} | ({"stars": paper.stars[count]} if paper.stars else {}),
            seen_at=listed_at + _BETWEEN_COUNTS * count,
        )
        for count, upvotes in enumerate(paper.upvotes)
    ]
