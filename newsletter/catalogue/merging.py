"""Two rows that are one paper: a curator puts one into the other, and can take it back.

In: two papers and a curator. Out: the one row's sightings, counters, readers' votes and open places at the other;
ingest, listings and the never-twice memory follow ``merged_into``. What went out stays as it went out. May run twice:
the second is refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils.translation import gettext

from newsletter.catalogue.topics import assignment
from newsletter.models import (
    Edition,
    EditionItem,
    LibraryEntry,
    Merge,
    Paper,
    PaperLink,
    SearchEntry,
    Sighting,
    Signal,
    Vote,
)
from newsletter.models.write_lock import wait_for_other_writers

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FILLED = (
    *("abstract", "authors", "published_on", "url", "code_url", "project_url", "thumbnail_url"),
    *("organization", "categories"),
)
TELLING = {"abstract", "categories"}  # its topics go by them
EARLIER = {"listed_on": date.fromisoformat, "first_seen_at": datetime.fromisoformat}
COUNTERS = {"upvotes": "upvotes", "stars": "github_stars", "votes": "reader_votes"}


class MergeError(Exception):
    """The merge or its undoing was refused; the message says why."""


@transaction.atomic
def merge(paper: Paper, *, into: Paper, by: User | None, now: datetime) -> Merge:
    """Merge ``paper`` into ``into``, or into what that one was merged into."""
    wait_for_other_writers()
    paper, into = _locked(paper.pk), _locked(into.pk)
    if into.merged_into_id:
        into = _locked(into.merged_into_id)
    if paper.merged_into_id:
        raise MergeError(gettext("This paper is merged already. Take that back first."))
    if paper.pk == into.pk:
        raise MergeError(gettext("A paper cannot be merged into itself."))
    moved: dict[str, Any] = {
        "papers": list(paper.merged.values_list("pk", flat=True)),
        "sightings": _foreign(paper.sightings.all(), into.sightings.all(), ("source", "key")),
        "signals": _foreign(paper.signals.all(), into.signals.all(), ("source", "metric")),
        "items": list(
            paper.edition_items.filter(edition__state__in=Edition.EDITABLE)
            .exclude(edition__in=into.edition_items.values("edition"))
            .values_list("pk", flat=True)
        ),
        "links": _foreign(paper.links.all(), into.links.all(), ("url",)),
        # Who voted for both has one vote; the other stays behind, should the merge be taken back.
        "votes": list(paper.votes.exclude(subscriber__in=into.votes.values("subscriber")).values_list("pk", flat=True)),
        "library": list(
            paper.library_entries.exclude(subscriber__in=into.library_entries.values("subscriber")).values_list(
                "pk", flat=True
            )
        ),
    }
    moved["filled"], moved["earlier"] = _fill(into, paper)
    Sighting.objects.filter(pk__in=moved["sightings"]).update(paper=into)
    Signal.objects.filter(pk__in=moved["signals"]).update(paper=into)
    PaperLink.objects.filter(pk__in=moved["links"]).update(paper=into)
    EditionItem.objects.filter(pk__in=moved["items"]).update(paper=into)
    Vote.objects.filter(pk__in=moved["votes"]).update(paper=into)
    LibraryEntry.objects.filter(pk__in=moved["library"]).update(paper=into)
    paper.edition_items.filter(edition__state__in=Edition.EDITABLE).delete()  # the other has its place there
    Paper.objects.filter(pk__in=[*moved["papers"], paper.pk]).update(merged_into=into)
    _show_counters(into)
    if TELLING.intersection(moved["filled"]):
        assignment.reclassify([into])
    return Merge.objects.create(paper=paper, into=into, at=now, by=by, moved=moved)


@transaction.atomic
def split(paper: Paper) -> None:
    """Undo a merge: each paper gets back what it had. What came since stays with the paper it came to."""
    wait_for_other_writers()
    merged = Merge.objects.select_for_update().filter(paper=paper).select_related("into").first()
    if merged is None:
        raise MergeError(gettext("This paper was not merged by hand; there is nothing to take back."))
    moved, into = merged.moved, _locked(merged.into_id)
    Sighting.objects.filter(pk__in=moved["sightings"], paper=into).update(paper=paper)
    Signal.objects.filter(pk__in=moved["signals"], paper=into).update(paper=paper)
    PaperLink.objects.filter(pk__in=moved.get("links", []), paper=into).update(paper=paper)
    EditionItem.objects.filter(pk__in=moved["items"], paper=into, edition__state__in=Edition.EDITABLE).update(
        paper=paper
    )
    Vote.objects.filter(pk__in=moved.get("votes", []), paper=into).update(paper=paper)
    LibraryEntry.objects.filter(pk__in=moved.get("library", []), paper=into).update(paper=paper)
    for name in moved["filled"]:
        if getattr(into, name) == getattr(merged.paper, name):
            setattr(into, name, getattr(Paper(), name))
            if name == "abstract":
                into.abstract_source = ""
    for name, before in moved["earlier"].items():
        if getattr(into, name) == getattr(merged.paper, name):
            setattr(into, name, EARLIER[name](before) if before else None)
    into.save(update_fields=[*moved["filled"], *moved["earlier"], "abstract_source"])
    SearchEntry.objects.filter(paper=into).update(is_stale=True)
    Paper.objects.filter(pk=paper.pk).update(merged_into=None)
    Paper.objects.filter(pk__in=moved["papers"], merged_into=into).update(merged_into=paper)
    merged.delete()
    for one in (into, _locked(paper.pk)):
        _show_counters(one)
    if TELLING.intersection(moved["filled"]):
        assignment.reclassify([into])


def _locked(pk: int) -> Paper:
    return Paper.objects.select_for_update().get(pk=pk)


def _foreign(theirs: Any, ours: Any, names: Iterable[str]) -> list[int]:
    """Keys of their rows that differ from ours in these fields: two series of one counter would look like leaps."""
    have = set(ours.values_list(*names))
    return [pk for pk, *name in theirs.values_list("pk", *names) if tuple(name) not in have]


def _fill(into: Paper, paper: Paper) -> tuple[list[str], dict[str, str | None]]:
    """Fill what ``into`` lacks from ``paper``. Returns the fields filled, and the former values of dates that moved."""
    filled = [name for name in FILLED if getattr(paper, name) and not getattr(into, name)]
    for name in filled:
        setattr(into, name, getattr(paper, name))
        if name == "abstract":
            into.abstract_source = paper.abstract_source
        into.said_by = into.said_by | ({name: paper.said_by[name]} if name in paper.said_by else {})
    earlier: dict[str, str | None] = {}
    for name in EARLIER:
        ours, theirs = getattr(into, name), getattr(paper, name)
        if theirs and (ours is None or theirs < ours):
            earlier[name] = ours.isoformat() if ours else None
            setattr(into, name, theirs)
    into.save(update_fields=[*filled, *earlier, "said_by", "abstract_source"])
    SearchEntry.objects.filter(paper=into).update(is_stale=True)
    return filled, earlier


def _show_counters(paper: Paper) -> None:
    """Set a paper's counts to the latest of its signals; a paper without signals keeps its counts."""
    latest: dict[str, int] = {}
    rows = paper.signals.filter(metric__in=COUNTERS).order_by("-at")
    for metric, name in COUNTERS.items():
        value = rows.filter(metric=metric).values_list("value", flat=True).first()
        if value is not None:
            latest[name] = value
    if latest:
        Paper.objects.filter(pk=paper.pk).update(**latest)
