"""Provenance of papers: which source gave which field, and removal of what an API key gave.

In: papers, or a key. Out: fields emptied that a program filled, papers hidden that only programs brought. May run
twice: the second finds nothing to take back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from newsletter.catalogue.store_links import forget_links_of_programs
from newsletter.catalogue.topics import assignment
from newsletter.models import Paper, SearchEntry, Sighting
from newsletter.models.write_lock import wait_for_other_writers

if TYPE_CHECKING:
    from django.db.models import QuerySet

API = "api"  # the source that programs with a key are
_NEEDED = {"title", "arxiv_id"}  # a row cannot be without


@dataclass(frozen=True, slots=True)
class TakenBack:
    fields: int = 0
    hidden: int = 0


def is_programs(sayer: str) -> bool:
    """Whether a value of ``Paper.said_by`` names a program's key: "api:7"."""
    return sayer.partition(":")[0] == API


@transaction.atomic
def take_back(papers: QuerySet[Paper]) -> TakenBack:
    """Empty the fields that programs filled in these papers, and hide those that nobody else has shown."""
    wait_for_other_writers()
    emptied, hidden, changed = 0, 0, []
    others = Sighting.objects.exclude(source=API)
    for paper in papers.select_for_update(of=("self",)):
        names = [name for name, sayer in paper.said_by.items() if is_programs(sayer) and name not in _NEEDED]
        for name in names:
            setattr(paper, name, getattr(Paper(), name))
        only_programs = paper.sightings.filter(source=API).exists() and not others.filter(paper=paper).exists()
        if not names and (paper.is_hidden or not only_programs):
            continue
        emptied += len(names)
        hidden += only_programs and not paper.is_hidden
        paper.is_hidden |= only_programs
        paper.said_by = {name: sayer for name, sayer in paper.said_by.items() if name not in names}
        paper.save(update_fields=[*names, "said_by", "is_hidden"])
        forget_links_of_programs(paper)
        changed.append(paper)
    SearchEntry.objects.filter(paper__in=changed).update(is_stale=True)
    assignment.reclassify(changed)
    return TakenBack(fields=emptied, hidden=hidden)
