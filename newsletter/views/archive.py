"""The archive: every sent edition by month, and a public page for each.

In: the address asked for. Out: pages made of rows behind the ``issued()`` gate, in a number of queries that does not
grow with what is shown. An edition is shown as it was sent, without papers that were hidden since. Read-only.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Count, Prefetch, Window
from django.db.models.functions import Coalesce, RowNumber
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import condition

from newsletter.editions import share_card_cache
from newsletter.mail import subject_lines
from newsletter.mail.editors_words import correction_html, line_html, note_html, said
from newsletter.mail.reasons import chosen_by_editor
from newsletter.models import Edition, EditionItem, Paper, PaperTopic
from newsletter.views.page_context import (
    choices,
    frame,
    gained,
    page_of,
    public_page,
    query_choice,
    query_of,
    query_params,
    sites_own_picture,
)
from newsletter.views.structured_data import publication_issue
from subscriptions import plain_text as mail_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date

    from django.http import HttpRequest
    from django.utils.safestring import SafeString

    from newsletter.models import EditionItemQuerySet, EditionQuerySet, Paper

EDITIONS_PER_PAGE = 40
TITLES_SHOWN = 3
TITLE_WIDTH = 80  # columns of each title in the line about an edition
CADENCES = {"": _("All"), "daily": _("Daily"), "weekly": _("Weekly"), "monthly": _("Monthly")}


@dataclass(frozen=True)
class Lead:
    """One of the first papers of an edition, with the few fields that a list shows."""

    paper: int
    title: str
    note: SafeString

    @property
    def url(self) -> str:
        return reverse("newsletter:paper", args=[self.paper])


@dataclass(frozen=True)
class Shown:
    """One edition in the list: title, number of papers, and the first of them."""

    edition: Edition
    papers: int
    leads: Sequence[Lead]

    @property
    def headline(self) -> str:
        return subject_lines.headline(self.edition)

    @property
    def month(self) -> date:
        """Return the month it covers: the edition of 1 March covers February."""
        return subject_lines.covered(self.edition)[1].replace(day=1)


@dataclass(frozen=True)
class Entry:
    """One paper of an edition, with what it had gained when it was sent."""

    rank: int
    paper: Paper
    why: str
    note: SafeString
    chosen_by_editor: str


@public_page
def editions(request: HttpRequest) -> HttpResponse:
    cadence = query_choice(request, "cadence", CADENCES)
    number = page_of(request)
    found = Edition.objects.issued()
    if cadence:
        found = found.filter(cadence=cadence)
    start = (number - 1) * EDITIONS_PER_PAGE
    page = list(newest_first(found)[start : start + EDITIONS_PER_PAGE + 1])
    if not page and number > 1:
        raise Http404
    params = query_params(cadence=(cadence, ""))
    months = [
        (month, list(shown)) for month, shown in groupby(shown_of(page[:EDITIONS_PER_PAGE]), lambda one: one.month)
    ]
    frame_of = frame(request)
    query = _query(params, number)
    context = {
        "months": months,
        "cadence": cadence,
        "filters": [(_("Frequency"), choices("cadence", CADENCES, cadence, params))],
        "number": number,
        "query_before": _query(params, number - 1) if number > 1 else None,
        "query_after": _query(params, number + 1) if len(page) > EDITIONS_PER_PAGE else None,
        "nav": "editions",
    }
    return render(
        request,
        "newsletter/editions.html",
        frame_of | context | {"canonical": f"{frame_of['canonical']}{'?' if query else ''}{query}"},
    )


@public_page
def edition(request: HttpRequest, cadence: str, period: date) -> HttpResponse:
    found = get_object_or_404(Edition, cadence=cadence, period_on=period, state__in=Edition.PUBLIC)
    if not found.is_public:
        return render(request, "newsletter/edition_gone.html", frame(request), status=410)
    entries = list(entries_of(found))
    others = Edition.objects.issued().filter(cadence=cadence)
    earlier = others.filter(period_on__lt=period).order_by("-period_on").first()
    later = others.filter(period_on__gt=period).order_by("period_on").first()
    title = subject_lines.headline(found)
    papers = [entry.paper for entry in entries]
    context = {
        "edition": found,
        "note": note_html(found),
        "correction": correction_html(found),
        "title": title,
        "issue": subject_lines.issue(found),
        "gist": gist([paper.title for paper in papers]),
        "entries": entries,
        "earlier": earlier,
        "earlier_name": subject_lines.period(earlier) if earlier else "",
        "later": later,
        "later_name": subject_lines.period(later) if later else "",
        "og_image": reverse("newsletter:edition_share", args=[cadence, period]),
        "json_ld": publication_issue(
            papers, title=title, address=found.get_absolute_url(), published_at=found.frozen_at
        ),
        "nav": "editions",
    }
    return render(request, "newsletter/edition.html", context | frame(request))


def _share_etag(request: HttpRequest, cadence: str, period: date) -> str | None:
    """Return a hash of what the picture shows."""
    words = _share_words(cadence, period)
    return f'"{share_card_cache.name_of(*words)}"' if words else None


@cache_control(public=True, max_age=7 * 86400)
@condition(etag_func=_share_etag)
def share(request: HttpRequest, cadence: str, period: date) -> HttpResponse:
    """Serve the picture of an edition: what it covers and its first paper, if that can be drawn."""
    words = _share_words(cadence, period)
    title, first, issue, picture = words or ("", "", "", "")
    for line in (f"{title}: {first}" if first else title, title):
        if drawn := share_card_cache.card(line, issue, picture):
            return HttpResponse(drawn, content_type="image/png")
    return sites_own_picture()


def _share_words(cadence: str, period: date) -> tuple[str, str, str, str] | None:
    """Return what the share card shows, in the site's language; social networks cache one card for everyone."""
    found = Edition.objects.issued().filter(cadence=cadence, period_on=period).first()
    if found is None:
        return None
    (shown,) = shown_of([found])
    with translation.override(settings.LANGUAGE_CODE):
        lead = shown.leads[0] if shown.leads else None
        picture = Paper.objects.values_list("picture", flat=True).get(pk=lead.paper) if lead else ""
        return subject_lines.headline(found), lead.title if lead else "", subject_lines.issue(found), picture


def newest_first(found: EditionQuerySet) -> EditionQuerySet:
    """Order by period, newest first, and within a day daily, monthly, weekly."""
    return found.order_by("-period_on", "cadence")


def shown_of(found: Sequence[Edition], *, limit: int = TITLES_SHOWN) -> list[Shown]:
    """Return the editions with their numbers of papers and first papers, in two further queries for all."""
    items = visible_items(found)
    counts = dict(
        items.order_by()
        .values("edition")
        .annotate(papers=Count(Coalesce("paper__merged_into", "paper"), distinct=True))
        .values_list("edition", "papers")
    )
    place = Window(RowNumber(), partition_by="edition", order_by=["position", "pk"])
    first = items.annotate(place=place).filter(place__lte=2 * limit)  # some may have been merged into one
    leads: dict[int, dict[int, Lead]] = defaultdict(dict)
    by_pk = {one.pk: one for one in found}
    for pk, paper, title, note in first.order_by("edition", "place").values_list(
        "edition",
        Coalesce("paper__merged_into", "paper"),
        Coalesce("paper__merged_into__title", "paper__title"),
        "note",
    ):
        leads[pk].setdefault(paper, Lead(paper, title, line_html(by_pk[pk], note)))
    return [Shown(one, counts.get(one.pk, 0), list(leads[one.pk].values())[:limit]) for one in found]


def entries_of(found: Edition) -> Iterator[Entry]:
    """Yield the papers in the curator's order.

    A merged paper appears once, as its survivor; hidden ones are left out.
    """
    assigned = PaperTopic.objects.filter(is_assigned=True).select_related("topic")
    items = (
        visible_items([found])
        .order_by("position", "pk")
        .select_related("paper__merged_into")
        .prefetch_related(
            Prefetch("paper__paper_topics", queryset=assigned),
            Prefetch("paper__merged_into__paper_topics", queryset=assigned),
            "paper__links",
            "paper__merged_into__links",
        )
    )
    seen: set[int] = set()
    for item in items:
        paper = item.paper.merged_into or item.paper
        if paper.pk in seen:
            continue
        seen.add(paper.pk)
        yield Entry(
            rank=len(seen),
            paper=paper,
            why=gained(item.parts),
            note=line_html(found, said(item, "note")),
            chosen_by_editor=chosen_by_editor(item),
        )


def gist(titles: Sequence[str]) -> str:
    """Return a summary of two lines: the first papers and how many more there are."""
    first = "; ".join(mail_text.shorten(title, width=TITLE_WIDTH) for title in titles[:TITLES_SHOWN])
    rest = len(titles) - TITLES_SHOWN
    if rest <= 0:
        return first
    return ngettext("%(titles)s; and %(rest)d more paper", "%(titles)s; and %(rest)d more papers", rest) % {
        "titles": first,
        "rest": rest,
    }


def visible_items(found: Iterable[Edition]) -> EditionItemQuerySet:
    items = EditionItem.objects.issued().filter(edition__in=found).filter(paper__is_hidden=False)
    return items.exclude(paper__merged_into__is_hidden=True)


def _query(params: dict[str, str], number: int) -> str:
    pages: dict[str, Any] = {"page": str(number)} if number > 1 else {}
    return query_of(params | pages)
