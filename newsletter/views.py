"""The public pages: a day of papers, what trends, a topic, one paper. Read-only and the same for everybody.

In: the address asked for. Out: pages made of rows behind the ``published()`` gate, in a number of queries that does
not grow with the papers shown. Paper data is text: templates escape it, links out of the site are http(s) only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import F, TextField, Value
from django.db.models.functions import Concat, Left
from django.http import Http404, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page

from newsletter.models import EditionItem, Paper
from newsletter.ranking import why_trending
from newsletter.similar import most_similar
from newsletter.structured import scholarly_article
from subscriptions.models import Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date

    from django.db.models.expressions import OrderBy
    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise

    from newsletter.models import PaperQuerySet

PAPERS_PER_PAGE = 50
LAST_PAGE = 200  # deeper than anybody reads; an offset costs the database what it skips
SIMILAR_AMONG = 250  # newest papers of the same topic that are compared
SIMILAR_SHOWN = 5

WINDOWS = {"week": _("Week"), "month": _("Month")}
DAYS_OF = {"week": 7, "month": 30}
CADENCE_OF = {"week": "weekly", "month": "monthly"}
SORTS = {"trending": _("Trending"), "newest": _("Newest"), "votes": _("Most upvotes")}
ORDERS: dict[str, tuple[str | OrderBy, ...]] = {
    "newest": (F("listed_on").desc(nulls_last=True), "-score_daily", "-upvotes", "-id"),
    "votes": ("-upvotes", "-id"),
    "trending": ("-score_weekly", "-upvotes", "-id"),
}
CODE = {"": _("All"), "yes": _("With code")}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's own asks for the form data once more, which may be the very thing that cannot be read."""
    return HttpResponseBadRequest(render_to_string("400.html"))


def public_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The same for everybody, without a cookie: proxies may keep it for a minute, unchanged it is answered 304."""
    return conditional_page(cache_control(public=True, max_age=60)(view))


def _why(parts: dict[str, Any]) -> str:
    """The reason in the reader's language."""
    return why_trending(parts, None, gettext=gettext, ngettext=ngettext)


@dataclass(frozen=True)
class Leaf:
    """One page of a list of papers. It never counts the whole list, so it costs the same on a million papers."""

    papers: list[Paper]
    number: int
    has_next: bool
    wishes: Mapping[str, str]
    cadence: str = ""  # the trend score that ordered it, if one did

    @property
    def first_rank(self) -> int:
        return (self.number - 1) * PAPERS_PER_PAGE + 1

    @property
    def rows(self) -> list[tuple[int, Paper, str]]:
        """Each paper with its rank and, where a trend score ordered the list, why it trends."""
        return [
            (rank, paper, _why(paper.score_parts.get(self.cadence) or {}))
            for rank, paper in enumerate(self.papers, start=self.first_rank)
        ]

    @property
    def is_ranked(self) -> bool:
        """Whether any trend has been measured: without one, the order is that of the votes."""
        return any(paper.score_parts.get(self.cadence) for paper in self.papers)

    @property
    def query(self) -> str:
        return self._query(self.number)

    @property
    def query_before(self) -> str:
        return self._query(self.number - 1)

    @property
    def query_after(self) -> str:
        return self._query(self.number + 1)

    def _query(self, number: int) -> str:
        return urlencode({**self.wishes, **({"page": str(number)} if number > 1 else {})})


@dataclass(frozen=True)
class Choice:
    """One value of a wish that the address can hold, as a link."""

    label: str | _StrPromise
    query: str
    is_on: bool


def site(request: HttpRequest) -> dict[str, str]:
    """Context processor: the names that every template needs."""
    return {"site_name": settings.SITE_NAME, "site_url": settings.SITE_URL}


@public_page
def home(request: HttpRequest) -> HttpResponse:
    """The newest day that has papers; before there is one, the catalogue."""
    day = Paper.objects.newest_day()
    if day is not None:
        return _day_page(request, day, nav="home")
    leaf = _leaf(request, Paper.objects.published().order_by("-first_seen_at", "id"))
    return render(request, "newsletter/catalogue.html", {"leaf": leaf, "nav": "home"} | _frame(request))


@public_page
def day(request: HttpRequest, day: date) -> HttpResponse:
    return _day_page(request, day, nav="")


@public_page
def trending(request: HttpRequest) -> HttpResponse:
    """The week or the month up to the newest listed day, so that a quiet weekend does not empty it."""
    window = _wish(request, "window", WINDOWS)
    sort = _wish(request, "sort", SORTS)
    code = _wish(request, "code", CODE)
    wishes = _wishes(window=(window, "week"), sort=(sort, "trending"), code=(code, ""))
    last = Paper.objects.newest_day() or timezone.now().date()
    first = last - timedelta(days=DAYS_OF[window] - 1)
    papers = Paper.objects.published().filter(listed_on__range=(first, last))
    if code:
        papers = papers.with_code()
    cadence = CADENCE_OF[window] if sort == "trending" else ""
    order = (f"-score_{cadence}", "-upvotes", "-id") if cadence else ORDERS[sort]
    context = {
        "leaf": _leaf(request, papers.order_by(*order), wishes=wishes, cadence=cadence),
        "first": first,
        "last": last,
        "window": window,
        "filters": [
            (_("Period"), _choices("window", WINDOWS, window, wishes)),
            (_("Order"), _choices("sort", SORTS, sort, wishes)),
            (_("Code"), _choices("code", CODE, code, wishes)),
        ],
        "nav": "trending",
    }
    return render(request, "newsletter/trending.html", context | _frame(request))


@public_page
def topic(request: HttpRequest, slug: str) -> HttpResponse:
    topic = get_object_or_404(Topic, slug=slug, is_active=True)
    sorts = {"newest": SORTS["newest"]} | SORTS
    sort = _wish(request, "sort", sorts)
    code = _wish(request, "code", CODE)
    wishes = _wishes(sort=(sort, "newest"), code=(code, ""))
    papers = Paper.objects.published().about(topic)
    if code:
        papers = papers.with_code()
    context = {
        "topic": topic,
        "leaf": _leaf(
            request, papers.order_by(*ORDERS[sort]), wishes=wishes, cadence="weekly" if sort == "trending" else ""
        ),
        "filters": [
            (_("Order"), _choices("sort", sorts, sort, wishes)),
            (_("Code"), _choices("code", CODE, code, wishes)),
        ],
        "nav": "topics",
    }
    return render(request, "newsletter/topic.html", context | _frame(request))


@public_page
def topics(request: HttpRequest) -> HttpResponse:
    return render(request, "newsletter/topics.html", {"nav": "topics"} | _frame(request))


@public_page
def paper(request: HttpRequest, pk: int) -> HttpResponse:
    """One paper. A row that was merged away leads for good to the one that lives on."""
    found = Paper.objects.published().with_topics().filter(pk=pk).first()
    if found is None:
        merged = get_object_or_404(Paper, pk=pk, is_hidden=False, merged_into__isnull=False)
        return redirect("newsletter:paper", merged.merged_into_id, permanent=True)
    context = {
        "paper": found,
        "json_ld": scholarly_article(found),
        "similar": _similar_to(found),
        "items": EditionItem.objects.issued().filter(paper=found).select_related("edition"),
    }
    return render(request, "newsletter/paper.html", context | _frame(request))


def _day_page(request: HttpRequest, day: date, *, nav: str) -> HttpResponse:
    papers = Paper.objects.listed_on(day).order_by("-score_daily", "-upvotes", "-id")
    context = {
        "day": day,
        "leaf": _leaf(request, papers, cadence="daily"),
        "earlier": Paper.objects.day_before(day),
        "later": Paper.objects.day_after(day),
        "is_future": day > timezone.now().date(),
        "is_weekend": day.weekday() >= 5,
        "nav": nav,
    }
    return render(request, "newsletter/day.html", context | _frame(request))


def _similar_to(paper: Paper) -> Sequence[Paper]:
    shown = paper.shown_topics
    if not shown:
        return []
    near = Paper.objects.published().about(shown[0].topic).exclude(pk=paper.pk).order_by("-id")
    words = Concat("title", Value(" "), "title", Value(" "), Left("abstract", 400), output_field=TextField())
    texts = dict(near.values_list("pk", words)[:SIMILAR_AMONG])
    best = most_similar(f"{paper.title} {paper.title} {paper.abstract}", texts, limit=SIMILAR_SHOWN)
    found = Paper.objects.only("title", "listed_on").in_bulk(best)
    return [found[pk] for pk in best]


def _frame(request: HttpRequest) -> dict[str, object]:
    """What every listing shows around the papers. The topics are a lazy query: pages without the list don't run it."""
    return {"topic_list": Topic.objects.filter(is_active=True), "canonical": settings.SITE_URL + request.path}


def _wish(request: HttpRequest, name: str, known: Mapping[str, object]) -> str:
    """The value of a query parameter: one of the known ones (the first is the default), else there is no such page."""
    value = request.GET.get(name, next(iter(known)))
    if value not in known:
        raise Http404
    return value


def _wishes(**asked: tuple[str, str]) -> dict[str, str]:
    """Only what differs from the default goes into addresses, so that a page has one address."""
    return {name: value for name, (value, default) in asked.items() if value != default}


def _choices(name: str, known: Mapping[str, str | _StrPromise], chosen: str, wishes: Mapping[str, str]) -> list[Choice]:
    default = next(iter(known))
    others = {key: value for key, value in wishes.items() if key != name}
    return [
        Choice(label, urlencode(others | ({} if value == default else {name: value})), value == chosen)
        for value, label in known.items()
    ]


def _leaf(
    request: HttpRequest, papers: PaperQuerySet, *, wishes: Mapping[str, str] | None = None, cadence: str = ""
) -> Leaf:
    asked = request.GET.get("page", "1")
    if not (asked.isascii() and asked.isdigit() and len(asked) < 5 and 1 <= int(asked) <= LAST_PAGE):
        raise Http404
    number = int(asked)
    start = (number - 1) * PAPERS_PER_PAGE
    found = list(papers.with_topics()[start : start + PAPERS_PER_PAGE + 1])
    if not found and number > 1:
        raise Http404
    has_next = len(found) > PAPERS_PER_PAGE and number < LAST_PAGE
    return Leaf(found[:PAPERS_PER_PAGE], number, has_next, wishes or {}, cadence)
