"""Links that observations give become rows, and the first of code and of pages the paper's own two columns.

In: what sources say, and which links are gone or were taken away. Out: rows of PaperLink; `Paper.code_url` and
`project_url`, which lists, search and indexes read. May run twice: an address of a paper is one row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.catalogue.sources.paper_links import CODE, MOST, PAGE, STATED, Link, distinct, first_url
from newsletter.models import Paper, PaperLink, SearchEntry

KIND_OF = {"code_url": CODE, "project_url": PAGE}  # by column
_OF_A_PAPER = 2 * MOST  # rows


@dataclass(slots=True)
class KnownLinks:
    """The links of one paper while a batch is merged. An address counts once, however its letters are written."""

    stands: dict[str, bool] = field(default_factory=dict)  # by address in small letters
    new: list[PaperLink] = field(default_factory=list)
    are_doubted: bool = False  # those that programs gave

    def know(self, row: PaperLink) -> None:
        self.stands[row.url.lower()] = row.is_standing

    def usable(self, url: str, seen: Observation, *, instead_of: str) -> str:
        """Return the address for a column, or "" where it is gone or was taken away.

        With nothing in the column, ``instead_of``, the next of its kind takes its place.
        """
        if self.stands.get(url.lower(), True):
            return url
        links = _links_of(seen)
        kind = next((link.kind for link in links if link.url == url), "")
        standing = [link for link in links if self.stands.get(link.url.lower(), True)]
        return "" if instead_of else first_url(standing, kind)

    def add(self, seen: Observation, *, sayer: str) -> None:
        for link in _links_of(seen):
            self.add_one(link, sayer=sayer)

    def add_one(self, link: Link, *, sayer: str) -> None:
        if link.url.lower() not in self.stands and len(self.stands) < _OF_A_PAPER:
            self.stands[link.url.lower()] = True
            self.new.append(PaperLink(kind=link.kind, url=link.url, place=link.place, source=sayer))


def store_links(found: Iterable[tuple[Paper, KnownLinks]], *, now: datetime) -> None:
    """Insert the new links of these papers, to be checked from now on."""
    rows: list[PaperLink] = []
    for paper, links in found:
        if links.are_doubted:
            paper.links.filter(source__startswith="api:").delete()
        for row in links.new:
            row.paper, row.seen_at, row.check_after = paper, now, now
            rows.append(row)
    PaperLink.objects.bulk_create(rows, ignore_conflicts=True)


def add_links(paper: Paper, found: Iterable[Link], *, source: str, now: datetime) -> None:
    """Add links that stood elsewhere than in an observation, and lead the paper to them where it has none."""
    known = KnownLinks()
    for row in paper.links.all():
        known.know(row)
    for link in found:
        known.add_one(link, sayer=source)
    store_links([(paper, known)], now=now)
    if known.new:
        renew_first_links(paper)


def renew_first_links(paper: Paper) -> None:
    """Lead a column whose link is gone or was taken away, or that is empty, to the first that stands."""
    rows = list(paper.links.all())
    fallen = {row.url.lower() for row in rows if not row.is_standing}
    renewed = {
        name: next((row.url for row in rows if row.kind == kind and row.is_standing), "")
        for name, kind in KIND_OF.items()
        if not getattr(paper, name) or getattr(paper, name).lower() in fallen
    }
    changed = {name: url for name, url in renewed.items() if url != getattr(paper, name)}
    if changed:
        Paper.objects.filter(pk=paper.pk).update(**changed)
        if bool(changed.get("code_url", paper.code_url)) != bool(paper.code_url):  # queries ask for that
            SearchEntry.objects.filter(paper=paper).update(is_stale=True)
        for name, url in changed.items():
            setattr(paper, name, url)


def forget_links_of_programs(paper: Paper) -> None:
    """Delete the links that programs gave, also from a column for which no source stands."""
    theirs = paper.links.filter(source__startswith="api:")
    addresses = set(theirs.values_list("url", flat=True))
    theirs.delete()
    unsaid = [name for name in KIND_OF if name not in paper.said_by and getattr(paper, name) in addresses]
    if unsaid:
        Paper.objects.filter(pk=paper.pk).update(**dict.fromkeys(unsaid, ""))
        for name in unsaid:
            setattr(paper, name, "")
    renew_first_links(paper)


def replace_link(paper: Paper, name: str, *, instead_of: str, now: datetime) -> None:
    """Keep the links in step with what a curator wrote in a column: the address of before is taken away."""
    told = {"kind": KIND_OF[name], "source": "curator", "seen_at": now}
    if instead_of:
        PaperLink.objects.update_or_create(
            paper=paper, url=instead_of, defaults={"is_removed": True}, create_defaults=told | {"is_removed": True}
        )
    if url := getattr(paper, name):
        PaperLink.objects.update_or_create(
            paper=paper,
            url=url,
            defaults={"is_removed": False, "is_gone": False, "check_after": now},
            create_defaults=told | {"check_after": now},
        )


def _links_of(seen: Observation) -> tuple[Link, ...]:
    columns = ((kind, getattr(seen, name)) for name, kind in KIND_OF.items())
    return distinct([*seen.links, *(Link(kind, url, STATED) for kind, url in columns if url)])
