"""News of papers that readers liked or saved: withdrawn, a new version, accepted at a venue, or code that came later.

In: papers and the moments at which the catalogue learned these things; readers. Out: what an edition may tell, written
down once when it is frozen; later, what of it each reader has not been told. At most once a week each, and never twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef

from newsletter.models import Delivery, Edition, LibraryEntry, Paper, Verdict

# Kind -> the moment of the paper, the more important first. Of a version the kind names which ("v3"): each is told.
MOMENTS = {"withdrawn": "withdrawn_at", "v": "revised_at", "accepted": "accepted_at", "code": "coded_at"}
LATELY = timedelta(days=35)  # a monthly reader hears of all
APART = timedelta(days=6, hours=12)
MOST_OF_A_KIND = 1_000  # of one edition
MOST = 5  # in one digest; the rest comes a week later

Told = list[list[int | str]]  # [paper, kind], as a delivery stores it


def add_news(edition: Edition, *, now: datetime) -> None:
    """Record on the edition what happened lately to papers that somebody had liked or saved before."""
    found = []
    is_any = Verdict.objects.filter(value__gt=0).exists() or LibraryEntry.objects.exists()
    for kind, moment in MOMENTS.items() if is_any else ():
        happened = Paper.objects.filter(**{f"{moment}__gt": now - LATELY, f"{moment}__lte": now})
        happened = happened.filter(is_hidden=False, merged_into=None)
        before = {"paper": OuterRef("pk"), "at__lt": OuterRef(moment)}
        liked = Exists(Verdict.objects.filter(value__gt=0, **before))
        owned = happened.filter(liked | Exists(LibraryEntry.objects.filter(**before))).order_by(f"-{moment}", "-pk")
        told = owned.values_list("pk", moment, "version")[:MOST_OF_A_KIND]
        found += [[paper, f"v{version}" if kind == "v" else kind, at.isoformat()] for paper, at, version in told]
    Edition.objects.filter(pk=edition.pk).update(news=found)
    edition.news = found


def news_of(edition: Edition, readers: Sequence[int], *, due_at: datetime) -> dict[int, Told]:
    """Map each reader to the news in their digest of this edition. No query when the edition has none."""
    if not edition.news:
        return {}
    moments = {(paper, kind): datetime.fromisoformat(at) for paper, kind, at in edition.news}
    owned: dict[int, dict[int, datetime]] = defaultdict(dict)
    mine: dict[str, Any] = {"subscriber__any_of": readers, "subscriber__wants_news": True}
    mine["paper__any_of"] = list({paper for paper, _kind in moments})
    for rows in (LibraryEntry.objects.filter(**mine), Verdict.objects.filter(value__gt=0, **mine)):
        for reader, paper, at in rows.values_list("subscriber_id", "paper_id", "at"):
            owned[reader][paper] = min(at, owned[reader].get(paper, at))
    told = _told(owned, since=due_at - LATELY - APART)
    found: dict[int, Told] = {}
    for reader, papers in owned.items():
        if any(at > due_at - APART for at, _news in told[reader]):
            continue
        before = [entry for _at, news in told[reader] for entry in news]
        new = [
            [paper, kind]
            for (paper, kind), moment in moments.items()
            if paper in papers and papers[paper] < moment and [paper, kind] not in before
        ]
        if new:
            found[reader] = new[:MOST]
    return found


def _told(readers: Iterable[int], *, since: datetime) -> dict[int, list[tuple[datetime, Told]]]:
    """Map each reader to when and what they were told lately, or may have been."""
    found: dict[int, list[tuple[datetime, Told]]] = defaultdict(list)
    rows = Delivery.objects.remembered().filter(subscriber__any_of=list(readers), due_at__gt=since).exclude(news=[])
    for reader, at, news in rows.values_list("subscriber_id", "due_at", "news"):
        found[reader].append((at, news))
    return found
