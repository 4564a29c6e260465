"""Reading papers: lists with filters, one paper by either of its names, papers like it, what trends, the search.

In: a request with its wishes. Out: public facts in a number of queries that does not grow with the papers. A row that
was merged away answers with the address of the one that lives on; a hidden one is not there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import reverse
from ninja import Query, Router
from ninja.errors import HttpError

from newsletter import facts
from newsletter.api import cursors, shapes
from newsletter.api.door import said, told
from newsletter.models import Paper
from newsletter.sources.identifiers import arxiv_id as parsed_arxiv_id
from subscriptions.models import Topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from newsletter.models import PaperQuerySet

PK_MAX = 2**63 - 1
NO_TOPIC = "topic: give the slug of one of our topics, as /api/v1/topics/ lists them."
NO_CURSOR = "cursor: give what `next` had for this very list, or leave it out to begin anew."
ORDERS: dict[str, dict[str, type]] = {
    "newest": {"pk": int},
    "votes": {"upvotes": int, "pk": int},
    "trending-day": {"score_daily": float, "pk": int},
    "trending-week": {"score_weekly": float, "pk": int},
    "trending-month": {"score_monthly": float, "pk": int},
}
NOT_HERE: dict[Any, Any] = {(400, 404, 422, 429, 500): shapes.Error}

router = Router(tags=["Papers"])


@router.get("papers/", response={200: shapes.Papers} | NOT_HERE, url_name="papers", summary="List papers")
def papers(request: HttpRequest, wish: Query[shapes.PapersWish]) -> HttpResponse:
    """Every paper the site shows, filtered and in order. Follow `next` to the end to have them all."""
    order = ORDERS[wish.sort]
    rows = _filtered(_about(wish.topic), wish).with_topics()
    try:
        found, cursor = cursors.page(rows, name=wish.sort, order=order, cursor=wish.cursor, limit=wish.limit)
    except cursors.CursorError:
        return told(NO_CURSOR, status=422)
    return leaf(request, {"papers": [facts.of_paper(paper) for paper in found]}, cursor=cursor)


@router.get(
    "papers/{int:paper_id}/",
    response={200: shapes.Paper, 308: None} | NOT_HERE,
    url_name="paper",
    summary="One paper",
)
def paper(request: HttpRequest, paper_id: int) -> HttpResponse:
    """A paper that was merged into another is answered 308 with the address of the one that lives on."""
    return _one(pk=paper_id) if paper_id <= PK_MAX else _missing()


@router.get(
    "papers/arxiv/{path:arxiv_id}/",
    response={200: shapes.Paper, 308: None} | NOT_HERE,
    url_name="paper_by_arxiv_id",
    summary="One paper by its arXiv id",
)
def paper_by_arxiv_id(request: HttpRequest, arxiv_id: str) -> HttpResponse:
    """`2603.01234` or `math/0309136`; a version is ignored."""
    parsed = parsed_arxiv_id(arxiv_id)
    return _one(arxiv_id=parsed[0]) if parsed else _missing()


@router.get(
    "trending/", response={200: shapes.Trending} | NOT_HERE, url_name="trending", summary="What trends, and why"
)
def trending(request: HttpRequest, wish: Query[shapes.TrendingWish]) -> HttpResponse:
    """Only papers with a measured gain, each with the numbers behind its place. Scored four times an hour."""
    score = f"score_{facts.CADENCE_OF[wish.window]}"
    rows = _about(wish.topic).filter(**{f"{score}__gt": 0}).with_topics().order_by(f"-{score}", "-pk")[: wish.limit]
    told_papers = [facts.of_paper(paper) for paper in rows]
    items = [
        {"rank": rank, "trend": one["trend"][wish.window], "paper": one}
        for rank, one in enumerate((one for one in told_papers if one["trend"][wish.window]), start=1)
    ]
    return said({"window": wish.window, "items": items})


def leaf(request: HttpRequest, told_rows: dict[str, Any], *, cursor: str) -> HttpResponse:
    """A page of a list, with the address of the next one in the body and as a Link (RFC 8288)."""
    query = {**request.GET.dict(), "cursor": cursor}
    following = f"{settings.SITE_URL}{request.path}?{urlencode(query)}" if cursor else None
    response = said(told_rows | {"next": following})
    if following:
        response["Link"] = f'<{following}>; rel="next"'
    return response


def _about(slug: str) -> PaperQuerySet:
    rows = Paper.objects.published()
    if not slug:
        return rows
    topic = Topic.objects.filter(slug=slug, is_active=True).first()
    if topic is None:
        raise HttpError(422, NO_TOPIC)
    return rows.about(topic)


def _filtered(rows: PaperQuerySet, wish: shapes.PapersWish) -> PaperQuerySet:
    bounds: Mapping[str, Any] = {
        "listed_on": wish.listed_on,
        "listed_on__gte": wish.since,
        "listed_on__lte": wish.until,
    }
    rows = rows.filter(**{name: value for name, value in bounds.items() if value is not None})
    if wish.sort.startswith("trending"):
        rows = rows.filter(**{f"{next(iter(ORDERS[wish.sort]))}__gt": 0})
    if wish.has_code is None:
        return rows
    return rows.with_code() if wish.has_code else rows.filter(code_url="")


def _one(**name: Any) -> HttpResponse:
    found = Paper.objects.published().with_topics().filter(**name).first()
    if found is not None:
        return said(facts.of_paper(found))
    merged = Paper.objects.filter(**name, is_hidden=False, merged_into__is_hidden=False).first()
    if merged is None:
        return _missing()
    response = HttpResponse(status=308)
    response["Location"] = settings.SITE_URL + reverse("api:paper", args=[merged.merged_into_id])
    return response


def _missing() -> HttpResponse:
    raise Http404
