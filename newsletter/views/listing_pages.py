"""Listing pages: papers of a day, week or month, trending papers, a topic. Read-only, the same for everyone.

In: the address asked for. Out: pages made of rows behind the ``published()`` gate, in a number of queries that does
not grow with the papers shown. Paper data is text: templates escape it, links out of the site are http(s) only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.cache import cache
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from newsletter.editions.public_serializers import CADENCE_OF
from newsletter.mail import subject_lines
from newsletter.models import Edition, Paper
from newsletter.views.page_context import (
    ListPage,
    choices,
    frame,
    list_page_of,
    public_page,
    query_choice,
    query_of,
    query_params,
)
from newsletter.views.period_urls import Period, period_around
from newsletter.views.structured_data import collection_page
from subscriptions.models import Topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise

    from newsletter.models import PaperQuerySet

KINDS = {"day": _("Day"), "week": _("Week"), "month": _("Month")}
WINDOWS = {kind: KINDS[kind] for kind in ("week", "month")}
DAYS_OF = {"week": 7, "month": 30}
KEEP_SECONDS = 600
MONTH = timedelta(days=DAYS_OF["month"])  # for as long papers are scored (trends.YOUNG)
SORTS = {"trending": _("Trending"), "newest": _("Newest"), "votes": _("Most upvotes")}
CODE = {"": _("With and without code"), "yes": _("With code")}


@dataclass(frozen=True)
class ListQuery:
    """Filters and order of a list of papers. Each combination has its own address."""

    sort: str
    code: str
    topic: Topic | None
    params: dict[str, str]


@public_page
def home(request: HttpRequest) -> HttpResponse:
    """Show the newest day that has papers (see `front_day`); the whole catalogue before there is one."""
    day = Paper.objects.front_day(timezone.now().date())
    if day is not None:
        return _period_page(request, period_around("day", day), nav="home", intro=_intro())
    list_page = list_page_of(request, Paper.objects.published().order_by("-first_seen_at", "id"))
    context = frame(request) | {"list_page": list_page, "nav": "home"}
    return render(request, "newsletter/catalogue.html", context)


def today(request: HttpRequest) -> HttpResponse:
    """Redirect to the front page, which is the one address of today."""
    return redirect("newsletter:home", permanent=True)


def newest(request: HttpRequest, kind: str) -> HttpResponse:
    """Redirect to the week or month of the newest list, for addresses that name none."""
    day = Paper.objects.newest_day() or timezone.now().date()
    return redirect(period_around(kind, day).url)


@public_page
def day(request: HttpRequest, day: date) -> HttpResponse:
    return _period_page(request, period_around("day", day))


@public_page
def week(request: HttpRequest, monday: date) -> HttpResponse:
    return _period_page(request, period_around("week", monday))


@public_page
def month(request: HttpRequest, first: date) -> HttpResponse:
    return _period_page(request, period_around("month", first))


@public_page
def trending(request: HttpRequest) -> HttpResponse:
    """Show the trending papers of the week or month up to the newest listed day: a quiet weekend does not empty it."""
    context = frame(request)
    window = query_choice(request, "window", WINDOWS)
    asked = _asked(request, context["topic_list"], window=(window, "week"))
    last = Paper.objects.newest_day() or timezone.now().date()
    first = last - timedelta(days=DAYS_OF[window] - 1)
    cadence = CADENCE_OF[window]
    papers = _papers(asked, days=(first, last), cadence=cadence)
    title = gettext("Trending papers of the month") if window == "month" else gettext("Trending papers of the week")
    context |= _listed(
        request, papers, asked, title=title, cadence=cadence, topics=context["topic_list"], windows=(window, WINDOWS)
    )
    return render(
        request,
        "newsletter/trending.html",
        context
        | {"title": title, "first": first, "last": last, "span": subject_lines.span(first, last)}
        | {"window": window, "nav": "trending"},
    )


@public_page
def topic(request: HttpRequest, slug: str) -> HttpResponse:
    topic = get_object_or_404(Topic, slug=slug, is_active=True)
    asked = _asked(request, (), sorts={"newest": SORTS["newest"]} | SORTS, topic=topic)
    papers = _papers_of_topic(asked, topic)
    context = frame(request) | _listed(
        request, papers, asked, title=topic.local_name, cadence="weekly", default="newest"
    )
    return render(request, "newsletter/topic.html", context | {"topic": topic, "nav": "topics"})


@public_page
def topics(request: HttpRequest) -> HttpResponse:
    return render(request, "newsletter/topics.html", frame(request) | {"nav": "topics"})


def _intro() -> dict[str, Any]:
    """What tells a stranger on the front page what this is; counted once in ten minutes."""
    intro: dict[str, Any] | None = cache.get_or_set("front-page-intro", _read_intro, KEEP_SECONDS)
    return (intro or {}) | {"run_by": settings.PRIVACY_CONTROLLER}


def _read_intro() -> dict[str, Any]:
    last = timezone.now().date()
    example = Edition.objects.issued().order_by("-period_on").first()
    return {
        "papers": Paper.objects.listed_between(last - timedelta(days=6), last).count(),
        "example": example.get_absolute_url() if example else "",
    }


def _period_page(
    request: HttpRequest, period: Period, *, nav: str = "", intro: Mapping[str, Any] | None = None
) -> HttpResponse:
    context = frame(request)
    asked = _asked(request, context["topic_list"])
    papers = _papers(asked, days=(period.first, period.last), cadence=period.cadence)
    context |= _around(period) | _listed(
        request, papers, asked, title=period.title, cadence=period.cadence, topics=context["topic_list"]
    )
    list_page: ListPage = context["list_page"]
    context |= {
        "period": period,
        "title": period.title,
        "is_future": period.first > timezone.now().date(),
        "is_weekend": period.kind == "day" and period.first.weekday() >= 5,
        # Only an empty page has to know whether its filters emptied it.
        "has_others": not list_page.papers
        and list_page.is_narrowed
        and Paper.objects.listed_between(period.first, period.last).exists(),
        "nav": nav,
        "intro": intro,
    }
    return render(request, "newsletter/period.html", context)


def _around(period: Period) -> dict[str, Any]:
    """Return links to the nearest periods of its kind that have papers, and to its day, week and month."""
    before, after = Paper.objects.day_before(period.first), Paper.objects.day_after(period.last)
    newest = None if period.kind == "day" else Paper.objects.listed_between(period.first, period.last).newest_day()
    return {
        "earlier": period_around(period.kind, before) if before else None,
        "later": period_around(period.kind, after) if after else None,
        "kinds": [
            (label, period if kind == period.kind else period_around(kind, newest or period.first))
            for kind, label in KINDS.items()
        ],
    }


def _asked(
    request: HttpRequest,
    topics: Iterable[Topic],
    *,
    sorts: Mapping[str, str | _StrPromise] = SORTS,
    topic: Topic | None = None,
    **more: tuple[str, str],
) -> ListQuery:
    by_slug: dict[str, Topic | None] = {"": None} | {each.slug: each for each in topics}
    slug = query_choice(request, "topic", by_slug)
    sort = query_choice(request, "sort", sorts)
    code = query_choice(request, "code", CODE)
    params = query_params(**more, topic=(slug, ""), sort=(sort, next(iter(sorts))), code=(code, ""))
    return ListQuery(sort, code, topic or by_slug[slug], params)


def _papers(asked: ListQuery, *, days: tuple[date, date], cadence: str) -> list[PaperQuerySet]:
    """Return the lists that follow each other on the page; each walks an index (tests/test_listing_plans.py)."""
    papers = Paper.objects.listed_between(*days)
    votes, newest = ("-upvotes", "-id"), ("-listed_on", "-score_daily", "-upvotes", "-id")
    if asked.topic:
        # Days limit both columns: the database cannot know that one is a copy of the other.
        papers = papers.assigned_to(asked.topic, listed_on__range=days, **_beside(asked))
        votes = ("-paper_topics__upvotes", "-paper_topics__paper_id")
    elif asked.code:
        papers = papers.with_code()
    match asked.sort, cadence:
        case "votes", _cadence:
            return [papers.order_by(*votes)]
        case "newest", "daily":
            return [papers.order_by("-id")]
        case "newest", _cadence:
            return [papers.order_by(*newest)]
        case _trending, "daily":
            return [papers.order_by("-score_daily", "-upvotes", "-id")]
        case _:
            newest_day = Paper.objects.newest_day() or days[1]
            if days[1] <= newest_day - MONTH:  # old papers have no score, and looking for one is slow
                return [papers.order_by(*votes)]
            unscored = papers.filter(**{f"score_{cadence}": 0}).order_by(*votes)
            return [_scored(asked, days, cadence, newest_day), unscored]


def _papers_of_topic(asked: ListQuery, topic: Topic) -> list[PaperQuerySet]:
    """Return all papers of a topic; ordered by trend, only those with a trend score."""
    papers = Paper.objects.published().assigned_to(topic, **_beside(asked))
    match asked.sort:
        case "votes":
            return [papers.order_by("-paper_topics__upvotes", "-paper_topics__paper_id")]
        case "newest":
            return [papers.order_by("-paper_topics__listed_on", "-score_daily", "-upvotes", "-id")]
        case _trending:
            return [papers.filter(score_weekly__gt=0).order_by("-score_weekly", "-upvotes", "-id")]


def _scored(asked: ListQuery, days: tuple[date, date], cadence: str, newest_day: date) -> PaperQuerySet:
    """Return the papers of these days with a trend score, best first.

    Only papers of a month have one, so a whole month up to the newest list needs no limits. Saying them would mislead
    the database, which cannot know that the scored are the young, into gathering them all before it looks for the best.
    """
    papers = Paper.objects.published().filter(listed_on__isnull=False)
    if days != (newest_day - MONTH + timedelta(days=1), newest_day):
        papers = papers.filter(listed_on__range=days)
    if asked.topic:
        papers = papers.assigned_to(asked.topic, **_beside(asked))
    elif asked.code:
        papers = papers.with_code()
    return papers.filter(**{f"score_{cadence}__gt": 0}).order_by(f"-score_{cadence}", "-upvotes", "-id")


def _beside(asked: ListQuery) -> dict[str, Any]:
    return {"has_code": True} if asked.code else {}


def _listed(
    request: HttpRequest,
    lists: list[PaperQuerySet],
    asked: ListQuery,
    *,
    title: str,
    cadence: str,
    topics: Iterable[Topic] = (),
    windows: tuple[str, Mapping[str, str | _StrPromise]] | None = None,
    default: str = "trending",
) -> dict[str, Any]:
    """Return the context of a list page: its papers, its filters, and links that remove each filter."""
    list_page = list_page_of(request, *lists, params=asked.params, cadence=cadence if asked.sort == "trending" else "")
    sorts = {default: SORTS[default]} | SORTS
    known: dict[str, str | _StrPromise] = {"": _("All topics")} | {each.slug: each.local_name for each in topics}
    chosen = asked.params.get("topic", "")
    filters = [
        (_("Order"), choices("sort", sorts, asked.sort, list_page.params)),
        (_("Topic"), choices("topic", known, chosen, list_page.params) if topics else []),
        (_("Code"), choices("code", CODE, asked.code, list_page.params)),
    ]
    return {
        "list_page": list_page,
        "filters": [(title, values) for title, values in filters if values],
        "windows": choices("window", windows[1], windows[0], list_page.params) if windows else [],
        "chosen_topic": known[chosen],
        "without": [
            (label, query_of({name: value for name, value in list_page.params.items() if name != gone}))
            for gone, label in (("topic", _("All topics")), ("code", _("With and without code")))
            if gone in list_page.params
        ],
        "json_ld": collection_page(
            list_page.papers, title=title, address=_address(request, list_page), first=list_page.first_rank
        ),
    }


def _address(request: HttpRequest, list_page: ListPage) -> str:
    return request.path + (f"?{list_page.canonical_query}" if list_page.canonical_query else "")
