"""Pages and feeds of one author, and of one institution: their papers, the latest first. Read-only.

In: a name as the address writes it (author_links). Out: a page or a feed; 404 when nobody of that name has a paper.
A page names the person as most of the papers on it do. Pages of fewer than three papers stay out of search engines.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page

from newsletter.models import Paper
from newsletter.models.papers import PAPERS_PER_FEED
from newsletter.search.by_name import papers_by, papers_from
from newsletter.search.person_names import author_slug, institution_slug, is_same_person, name_of
from newsletter.views.page_context import LAST_PAGE, PAPERS_PER_PAGE, ListPage, frame, page_of, public_page
from newsletter.views.paper_feeds import Channel, feed_of
from newsletter.views.structured_data import collection_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.http import HttpRequest, HttpResponse

INDEXED_FROM = 3  # papers: a page of one or two says no more than the papers' own


@public_page
def author(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the papers of one person."""
    if (written := author_slug(slug.replace("-", " "))) != slug:
        return _moved("newsletter:author", written)
    start = _start(request)
    papers = _read(papers_by(_person(slug), start=start, stop=start + PAPERS_PER_PAGE + 1))
    name, initials = _name_on(papers, slug), any(map(_has_initial, _names_on(papers, slug)))
    return _page(request, papers, slug=slug, name=name, kind=_("Author"), field="author", has_initials=initials)


@public_page
def institution(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the papers from one institution."""
    if (written := institution_slug(slug)) != slug:
        return _moved("newsletter:institution", written)
    start = _start(request)
    papers = _read(papers_from(slug, start=start, stop=start + PAPERS_PER_PAGE + 1))
    return _page(request, papers, slug=slug, name=papers[0].organization, kind=_("Institution"), field="org")


@conditional_page
@cache_control(public=True, max_age=300)
def author_feed(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    papers = _read(papers_by(_person(slug), start=0, stop=PAPERS_PER_FEED))
    return _feed(
        request, papers, kind=kind, name=_name_on(papers, slug), page=reverse("newsletter:author", args=[slug])
    )


@conditional_page
@cache_control(public=True, max_age=300)
def institution_feed(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    papers = _read(papers_from(slug, start=0, stop=PAPERS_PER_FEED))
    page = reverse("newsletter:institution", args=[slug])
    return _feed(request, papers, kind=kind, name=papers[0].organization, page=page)


def _moved(page: str, slug: str) -> HttpResponse:
    """Redirect for good to the address as our own links write it."""
    if not slug:
        raise Http404
    return redirect(page, slug, permanent=True)


def _person(slug: str) -> tuple[str, ...]:
    return tuple(part for part in slug.split("-") if part)


def _start(request: HttpRequest) -> int:
    return (page_of(request) - 1) * PAPERS_PER_PAGE


def _read(keys: Iterable[int]) -> list[Paper]:
    """Return the papers in the order of their keys. Raises 404 when there is none."""
    by_pk = Paper.objects.published().with_topics().in_bulk(list(keys))
    if not by_pk:
        raise Http404
    return [by_pk[pk] for pk in keys if pk in by_pk]


def _name_on(papers: Sequence[Paper], slug: str) -> str:
    """Return the person's name as most papers write it whole, else as any does."""
    names = _names_on(papers, slug)
    whole = [name for name in names if name_of(name) == _person(slug)]
    return Counter(whole or names).most_common(1)[0][0]


def _names_on(papers: Sequence[Paper], slug: str) -> list[str]:
    wanted = _person(slug)
    return [str(name) for paper in papers for name in paper.authors if is_same_person(wanted, str(name))]


def _has_initial(name: str) -> bool:
    """Whether the given name is an initial; a name in a script without capital letters is whole."""
    given, *family = name_of(name)
    return bool(family) and len(given) == 1 and given != given.upper()


def _page(request: HttpRequest, papers: list[Paper], *, slug: str, **told: Any) -> HttpResponse:
    number = page_of(request)
    has_next = len(papers) > PAPERS_PER_PAGE and number < LAST_PAGE
    list_page = ListPage(papers[:PAPERS_PER_PAGE], number, has_next, {})
    page = request.resolver_match.view_name if request.resolver_match else ""
    context: dict[str, Any] = told | {
        "list_page": list_page,
        "atom_url": reverse(f"{page}_feed", args=[slug, "atom"]),
        "json_url": reverse(f"{page}_feed", args=[slug, "json"]),
        "is_indexed": number == 1 and len(papers) >= INDEXED_FROM,
        "json_ld": collection_page(
            list_page.papers, title=told["name"], address=request.path, first=list_page.first_rank
        ),
    }
    return render(request, "newsletter/author_or_institution.html", frame(request) | context)


def _feed(request: HttpRequest, papers: Sequence[Paper], *, kind: str, name: str, page: str) -> HttpResponse:
    description = _("The latest papers of %(name)s.") % {"name": name}
    return feed_of(request, Channel(f"{settings.SITE_NAME}: {name}", description, page, papers), kind=kind)
