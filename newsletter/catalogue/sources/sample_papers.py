"""The papers that come with Paperboy: real titles and identifiers, summaries of our own, made-up votes and stars.

In: `data/sample_papers.json`, and the moment at which its histories shall end. Out: one observation per paper and
count, as if the last ten days had just gone by. The file also serves the classifier as its background of ordinary
papers. Pure but for reading that file once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from newsletter.catalogue.sources.observed_paper import Observation

SOURCE = "sample"
LABEL = "sample papers"
TEXT_AUTHORITY, LINK_AUTHORITY = 1, 1
OWN_VOTES: dict[str, int] = {}
_FILE = Path(__file__).resolve().parents[2] / "data" / "sample_papers.json"
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
        for row in json.loads(_FILE.read_text(encoding="utf-8"))
    )


def observations(*, until: datetime) -> list[Observation]:
    """Every paper at each of its counts, the last of them at `until`."""
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
