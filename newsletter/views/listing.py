"""The listing pages: a day of papers, what trends, a topic. Read-only and the same for everybody.

In: the address asked for. Out: pages made of rows behind the ``published()`` gate, in a number of queries that does
not grow with the papers shown. Paper data is text: templates escape it, links out of the site are http(s) only.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import F
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from newsletter.models import Paper
from newsletter.views.frame import choices, frame, leaf_of, public_page, wish, wishes_of
from subscriptions.models import Topic

if TYPE_CHECKING:
    from datetime import date

    from django.db.models.expressions import OrderBy
    from django.http import HttpRequest, HttpResponse

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


@public_page
def home(request: HttpRequest) -> HttpResponse:
    """The newest day that has papers; before there is one, the catalogue."""
    day = Paper.objects.newest_day()
    if day is not None:
        return _day_page(request, day, nav="home")
    leaf = leaf_of(request, Paper.objects.published().order_by("-first_seen_at", "id"))
    return render(request, "newsletter/catalogue.html", {"leaf": leaf, "nav": "home"} | frame(request))


@public_page
def day(request: HttpRequest, day: date) -> HttpResponse:
    return _day_page(request, day, nav="")


@public_page
def trending(request: HttpRequest) -> HttpResponse:
    """The week or the month up to the newest listed day, so that a quiet weekend does not empty it."""
    window = wish(request, "window", WINDOWS)
    sort = wish(request, "sort", SORTS)
    code = wish(request, "code", CODE)
    wishes = wishes_of(window=(window, "week"), sort=(sort, "trending"), code=(code, ""))
    last = Paper.objects.newest_day() or timezone.now().date()
    first = last - timedelta(days=DAYS_OF[window] - 1)
    papers = Paper.objects.published().filter(listed_on__range=(first, last))
    if code:
        papers = papers.with_code()
    cadence = CADENCE_OF[window] if sort == "trending" else ""
    order = (f"-score_{cadence}", "-upvotes", "-id") if cadence else ORDERS[sort]
    context = {
        "leaf": leaf_of(request, papers.order_by(*order), wishes=wishes, cadence=cadence),
        "first": first,
        "last": last,
        "window": window,
        "filters": [
            (_("Period"), choices("window", WINDOWS, window, wishes)),
            (_("Order"), choices("sort", SORTS, sort, wishes)),
            (_("Code"), choices("code", CODE, code, wishes)),
        ],
        "nav": "trending",
    }
    return render(request, "newsletter/trending.html", context | frame(request))


@public_page
def topic(request: HttpRequest, slug: str) -> HttpResponse:
    topic = get_object_or_404(Topic, slug=slug, is_active=True)
    sorts = {"newest": SORTS["newest"]} | SORTS
    sort = wish(request, "sort", sorts)
    code = wish(request, "code", CODE)
    wishes = wishes_of(sort=(sort, "newest"), code=(code, ""))
    papers = Paper.objects.published().about(topic)
    if code:
        papers = papers.with_code()
    context = {
        "topic": topic,
        "leaf": leaf_of(
            request, papers.order_by(*ORDERS[sort]), wishes=wishes, cadence="weekly" if sort == "trending" else ""
        ),
        "filters": [
            (_("Order"), choices("sort", sorts, sort, wishes)),
            (_("Code"), choices("code", CODE, code, wishes)),
        ],
        "nav": "topics",
    }
    return render(request, "newsletter/topic.html", context | frame(request))


@public_page
def topics(request: HttpRequest) -> HttpResponse:
    return render(request, "newsletter/topics.html", {"nav": "topics"} | frame(request))


def _day_page(request: HttpRequest, day: date, *, nav: str) -> HttpResponse:
    papers = Paper.objects.listed_on(day).order_by("-score_daily", "-upvotes", "-id")
    context = {
        "day": day,
        "leaf": leaf_of(request, papers, cadence="daily"),
        "earlier": Paper.objects.day_before(day),
        "later": Paper.objects.day_after(day),
        "is_future": day > timezone.now().date(),
        "is_weekend": day.weekday() >= 5,
        "nav": nav,
    }
    return render(request, "newsletter/day.html", context | frame(request))
