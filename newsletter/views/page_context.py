"""What pages of papers share: one page of a list, query parameters, the frame around them.

In: a request and a query of papers. Out: context for templates. A list is never counted, so that a page costs the same
on a million papers. Unknown values of a parameter are a 404.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpResponseBadRequest
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page

from newsletter.mail.reasons import grouped
from newsletter.models.papers import slice_of_union
from newsletter.ranking.explain_trend import short_gain
from subscriptions.models import Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise

    from newsletter.models import Paper, PaperQuerySet

PAPERS_PER_PAGE = 50
LAST_PAGE = 200  # pages; nobody reads deeper, and the database walks every row that an offset skips
WISHES = (
    "q",
    "show",
    "cadence",
    "window",
    "topic",
    "sort",
    "code",
    "page",
)  # in the order addresses hold them, so that a page has one address


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 without reading the form data, which Django's own handler would do again."""
    return HttpResponseBadRequest(render_to_string("400.html"))


def public_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Make a view public: no cookie, proxies may keep it for a minute, 304 when it has not changed."""
    return conditional_page(cache_control(public=True, max_age=60)(view))


def sites_own_picture() -> HttpResponse:
    """Return the site's default picture, cached for a minute only, as the real one may follow."""
    response = redirect(static("newsletter/share.png"))
    response["Cache-Control"] = "max-age=60"  # the shorter of this and what the view says is taken
    return response


def gained(parts: dict[str, Any]) -> str:
    """Return the first gain in few words: "+61 in 24 h". The others, and their comparison, are on the paper's page."""
    return short_gain(parts, gettext=gettext, ngettext=ngettext, grouped=grouped)


@dataclass(frozen=True)
class ListPage:
    """One page of a list of papers. It never counts the whole list, so it costs the same on a million papers."""

    papers: list[Paper]
    number: int
    has_next: bool
    params: Mapping[str, str]
    cadence: str = ""  # the trend score that ordered it, if one did

    @property
    def first_rank(self) -> int:
        return (self.number - 1) * PAPERS_PER_PAGE + 1

    @property
    def rows(self) -> list[tuple[int, Paper, str]]:
        """Return each paper with its rank and, where a trend score ordered the list, what it gained."""
        return [
            (rank, paper, gained(paper.score_parts.get(self.cadence) or {}))
            for rank, paper in enumerate(self.papers, start=self.first_rank)
        ]

    @property
    def is_ranked(self) -> bool:
        """Whether any trend has been measured; without one the list is ordered by votes."""
        return any(paper.score_parts.get(self.cadence) for paper in self.papers)

    @property
    def is_narrowed(self) -> bool:
        """Whether a filter left papers out; order and window do not count."""
        return "topic" in self.params or "code" in self.params

    @property
    def query(self) -> str:
        return self._query(self.number)

    @property
    def query_before(self) -> str:
        return self._query(self.number - 1)

    @property
    def query_after(self) -> str:
        return self._query(self.number + 1)

    @property
    def canonical_query(self) -> str:
        """Return the query of the address that search engines should keep, without order and first page."""
        params = {name: value for name, value in self.params.items() if name != "sort" or self.number > 1}
        return query_of(params | self._page(self.number))

    def _query(self, number: int) -> str:
        return query_of({**self.params, **self._page(number)})

    def _page(self, number: int) -> dict[str, str]:
        return {"page": str(number)} if number > 1 else {}


@dataclass(frozen=True)
class Choice:
    """One value of a choice that the address can hold, as a link."""

    label: str | _StrPromise
    query: str
    is_on: bool


def site(request: HttpRequest) -> dict[str, str]:
    """Context processor: the names that every template needs."""
    return {"site_name": settings.SITE_NAME, "site_url": settings.SITE_URL}


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return the context around every listing. Topics are a lazy query, which pages without their list do not run."""
    topics = Topic.objects.filter(is_active=True).defer("keywords")
    return {"topic_list": topics, "canonical": settings.SITE_URL + request.path}


def query_choice(request: HttpRequest, name: str, known: Mapping[str, object]) -> str:
    """Return the value of a query parameter: the first known value by default, 404 for an unknown one."""
    value = request.GET.get(name, next(iter(known)))
    if value not in known:
        raise Http404
    return value


def query_params(**asked: tuple[str, str]) -> dict[str, str]:
    """Keep only parameters that differ from the default, so that a page has one address."""
    return {name: value for name, (value, default) in asked.items() if value != default}


def query_of(params: Mapping[str, str]) -> str:
    return urlencode([(name, params[name]) for name in WISHES if name in params])


def choices(name: str, known: Mapping[str, str | _StrPromise], chosen: str, params: Mapping[str, str]) -> list[Choice]:
    default = next(iter(known))
    others = {key: value for key, value in params.items() if key != name}
    return [
        Choice(label, query_of(others | ({} if value == default else {name: value})), value == chosen)
        for value, label in known.items()
    ]


def page_of(request: HttpRequest) -> int:
    """Return the page number in the address; 404 when it is none."""
    asked = request.GET.get("page", "1")
    if not (asked.isascii() and asked.isdigit() and len(asked) < 5 and 1 <= int(asked) <= LAST_PAGE):
        raise Http404
    return int(asked)


def list_page_of(
    request: HttpRequest, *lists: PaperQuerySet, params: Mapping[str, str] | None = None, cadence: str = ""
) -> ListPage:
    """Return the page in the address of these lists, set one after the other."""
    number = page_of(request)
    start = (number - 1) * PAPERS_PER_PAGE
    found = slice_of_union(lists, start, start + PAPERS_PER_PAGE + 1)
    if not found and number > 1:
        raise Http404
    has_next = len(found) > PAPERS_PER_PAGE and number < LAST_PAGE
    return ListPage(found[:PAPERS_PER_PAGE], number, has_next, params or {}, cadence)
