"""The public pages: a day of papers, a topic, one paper. Read-only, the same for everybody, harmless to repeat.

In: the address asked for. Out: pages made of rows behind the ``published()`` gate, in a number of queries that does
not grow with the papers shown. Paper data is text: templates escape it, links out of the site are http(s) only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import F
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from newsletter.models import Paper
from subscriptions.models import Topic

if TYPE_CHECKING:
    from datetime import date

    from django.http import HttpRequest, HttpResponse

    from newsletter.models import PaperQuerySet

PAPERS_PER_PAGE = 50
LAST_PAGE = 200  # deeper than anybody reads; an offset costs the database what it skips
NEWEST_FIRST = (F("listed_on").desc(nulls_last=True), "-score_daily", "-upvotes", "-id")


@dataclass(frozen=True)
class Leaf:
    """One page of a list of papers. It never counts the whole list, so it costs the same on a million papers."""

    papers: list[Paper]
    number: int
    has_next: bool

    @property
    def first_rank(self) -> int:
        return (self.number - 1) * PAPERS_PER_PAGE + 1


def site(request: HttpRequest) -> dict[str, str]:
    """Context processor: the names that every template needs."""
    return {"site_name": settings.SITE_NAME, "site_url": settings.SITE_URL}


def home(request: HttpRequest) -> HttpResponse:
    """The newest day that has papers; before there is one, the catalogue."""
    day = Paper.objects.newest_day()
    if day is not None:
        return _day_page(request, day, nav="home")
    leaf = _leaf(request, Paper.objects.published().order_by("-first_seen_at", "id"))
    return render(request, "newsletter/catalogue.html", {"leaf": leaf, "nav": "home"} | _frame(request))


def day(request: HttpRequest, day: date) -> HttpResponse:
    return _day_page(request, day, nav="")


def topic(request: HttpRequest, slug: str) -> HttpResponse:
    topic = get_object_or_404(Topic, slug=slug, is_active=True)
    leaf = _leaf(request, Paper.objects.published().about(topic).order_by(*NEWEST_FIRST))
    return render(request, "newsletter/topic.html", {"topic": topic, "leaf": leaf, "nav": "topics"} | _frame(request))


def topics(request: HttpRequest) -> HttpResponse:
    return render(request, "newsletter/topics.html", {"nav": "topics"} | _frame(request))


def paper(request: HttpRequest, pk: int) -> HttpResponse:
    """One paper. A row that was merged away leads for good to the one that lives on."""
    found = Paper.objects.published().with_topics().filter(pk=pk).first()
    if found is None:
        merged = get_object_or_404(Paper, pk=pk, is_hidden=False, merged_into__isnull=False)
        return redirect("newsletter:paper", merged.merged_into_id, permanent=True)
    return render(request, "newsletter/paper.html", {"paper": found} | _frame(request))


def _day_page(request: HttpRequest, day: date, *, nav: str) -> HttpResponse:
    papers = Paper.objects.listed_on(day).order_by("-score_daily", "-upvotes", "-id")
    context = {
        "day": day,
        "leaf": _leaf(request, papers),
        "earlier": Paper.objects.day_before(day),
        "later": Paper.objects.day_after(day),
        "is_future": day > timezone.now().date(),
        "is_weekend": day.weekday() >= 5,
        "nav": nav,
    }
    return render(request, "newsletter/day.html", context | _frame(request))


def _frame(request: HttpRequest) -> dict[str, object]:
    """What every listing shows around the papers. The topics are a lazy query: pages without the list don't run it."""
    return {"topic_list": Topic.objects.filter(is_active=True), "canonical": settings.SITE_URL + request.path}


def _leaf(request: HttpRequest, papers: PaperQuerySet) -> Leaf:
    asked = request.GET.get("page", "1")
    if not (asked.isascii() and asked.isdigit() and 1 <= int(asked) <= LAST_PAGE):
        raise Http404
    number = int(asked)
    start = (number - 1) * PAPERS_PER_PAGE
    found = list(papers.with_topics()[start : start + PAPERS_PER_PAGE + 1])
    if not found and number > 1:
        raise Http404
    return Leaf(found[:PAPERS_PER_PAGE], number, has_next=len(found) > PAPERS_PER_PAGE and number < LAST_PAGE)
