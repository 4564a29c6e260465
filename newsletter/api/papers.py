"""Read papers: filtered lists, one paper by id or arXiv id, similar papers, trending papers, search.

In: a request with its parameters. Out: public facts in a number of queries that does not grow with the papers. A row
that was merged answers with the address of the paper it was merged into; a hidden one is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils import timezone
from ninja import Query, Router
from ninja.errors import HttpError

from newsletter.api import cursors, schemas
from newsletter.api.request_checks import error_response, json_response
from newsletter.catalogue.sources.paper_identifiers import arxiv_id as parsed_arxiv_id
from newsletter.editions import public_serializers
from newsletter.models import Paper, PaperTopic
from subscriptions.models import Topic

if TYPE_CHECKING:
    from django.http import HttpRequest

Listing = Callable[[str, int], tuple[list[Paper], str]]  # a cursor and a limit give papers and the next cursor
PK_MAX = 2**63 - 1
NO_TOPIC = "topic: there is no such topic. Give a slug from /api/v1/topics/."
NO_CURSOR = "cursor: not valid for this list. Use the address in `next`, or leave cursor out to start again."
NO_SPAN = "sort: votes needs a topic, listed_on, or from (and to) within three months. Add one of them."
SPAN = timedelta(days=92)
NOT_HERE: dict[Any, Any] = {(400, 404, 422, 429, 500): schemas.Error}

router = Router(tags=["Papers"])


@router.get("papers/", response={200: schemas.Papers} | NOT_HERE, url_name="papers", summary="List papers")
def papers(request: HttpRequest, params: Query[schemas.PapersParams]) -> HttpResponse:
    """Every paper the site shows, filtered and in order. Follow `next` to the end to have them all."""
    topic = _topic(params.topic)
    if params.sort == "votes" and topic is None and not _is_short(params):
        return error_response(NO_SPAN, status=422)
    listing = _in_topic(topic, params) if topic and params.sort in {"newest", "votes"} else _in_catalogue(topic, params)
    try:
        found, cursor = listing(params.cursor, params.limit)
    except cursors.CursorError:
        return error_response(NO_CURSOR, status=422)
    return page_response(request, {"papers": [public_serializers.of_paper(paper) for paper in found]}, cursor=cursor)


@router.get(
    "papers/{int:paper_id}/",
    response={200: schemas.Paper, 308: None} | NOT_HERE,
    url_name="paper",
    summary="One paper",
)
def paper(request: HttpRequest, paper_id: int) -> HttpResponse:
    """A paper that was merged is answered 308 with the address of the paper it was merged into."""
    return _one(pk=paper_id) if paper_id <= PK_MAX else _missing()


@router.get(
    "papers/arxiv/{path:arxiv_id}/",
    response={200: schemas.Paper, 308: None} | NOT_HERE,
    url_name="paper_by_arxiv_id",
    summary="One paper by its arXiv id",
)
def paper_by_arxiv_id(request: HttpRequest, arxiv_id: str) -> HttpResponse:
    """`2603.01234` or `math/0309136`; a version is ignored."""
    parsed = parsed_arxiv_id(arxiv_id)
    return _one(arxiv_id=parsed[0]) if parsed else _missing()


@router.get(
    "trending/",
    response={200: schemas.Trending} | NOT_HERE,
    url_name="trending",
    summary="Trending papers, with reasons",
)
def trending(request: HttpRequest, params: Query[schemas.TrendingParams]) -> HttpResponse:
    """Only papers with a measured gain, each with the numbers behind its place. Scored four times an hour."""
    score = f"score_{public_serializers.CADENCE_OF[params.window]}"
    rows = Paper.objects.published().filter(**{f"{score}__gt": 0}).with_topics()
    if topic := _topic(params.topic):
        rows = rows.about(topic)
    shown_papers = [public_serializers.of_paper(paper) for paper in rows.order_by(f"-{score}", "-pk")[: params.limit]]
    items = [
        {"rank": rank, "trend": one["trend"][params.window], "paper": one}
        for rank, one in enumerate((one for one in shown_papers if one["trend"][params.window]), start=1)
    ]
    return json_response({"window": params.window, "items": items})


def page_response(request: HttpRequest, found_rows: dict[str, Any], *, cursor: str) -> HttpResponse:
    """Return a page of a list, with the address of the next in the body and as a Link (RFC 8288)."""
    query = {**request.GET.dict(), "cursor": cursor}
    following = f"{settings.SITE_URL}{request.path}?{urlencode(query)}" if cursor else None
    response = json_response(found_rows | {"next": following})
    if following:
        response["Link"] = f'<{following}>; rel="next"'
    return response


def _topic(slug: str) -> Topic | None:
    if not slug:
        return None
    topic = Topic.objects.filter(slug=slug, is_active=True).first()
    if topic is None:
        raise HttpError(422, NO_TOPIC)
    return topic


def _is_short(params: schemas.PapersParams) -> bool:
    """Whether the request covers few enough days to sort their papers by votes."""
    last = params.until or timezone.now().date()
    return params.listed_on is not None or (params.since is not None and last - params.since <= SPAN)


def _days(params: schemas.PapersParams) -> dict[str, date]:
    bounds = {"listed_on": params.listed_on, "listed_on__gte": params.since, "listed_on__lte": params.until}
    return {name: day for name, day in bounds.items() if day is not None}


def _in_catalogue(topic: Topic | None, params: schemas.PapersParams) -> Listing:
    rows = Paper.objects.published().filter(**_days(params)).with_topics()
    if topic:
        rows = rows.about(topic)
    if params.has_code is not None:
        rows = rows.with_code() if params.has_code else rows.filter(code_url="")
    if params.sort.startswith("trending"):
        score = f"score_{public_serializers.CADENCE_OF[params.sort.removeprefix('trending-')]}"
        rows, order = rows.filter(**{f"{score}__gt": 0}), {score: float, "pk": int}
    else:
        order = _order(params) | {"pk": int}
    return lambda cursor, limit: cursors.page_of(rows, name=params.sort, order=order, cursor=cursor, limit=limit)


def _in_topic(topic: Topic, params: schemas.PapersParams) -> Listing:
    """Filter by the sort keys copied to the topic: one walk along one index."""
    rows = PaperTopic.objects.filter(
        topic=topic, is_assigned=True, paper__merged_into__isnull=True, paper__is_hidden=False, **_days(params)
    )
    if _days(params):
        rows = rows.filter(paper__listed_on__isnull=False)  # the copy dates papers of no list too
    if params.has_code is not None:
        rows = rows.filter(has_code=params.has_code)
    order = _order(params) | {"paper_id": int}

    def listing(cursor: str, limit: int) -> tuple[list[Paper], str]:
        found, following = cursors.page_of(rows, name=params.sort, order=order, cursor=cursor, limit=limit)
        by_pk = Paper.objects.with_topics().in_bulk([row.paper_id for row in found])
        return [by_pk[row.paper_id] for row in found], following

    return listing


def _order(params: schemas.PapersParams) -> dict[str, type]:
    """Return the sort columns before the key: the latest day first within days, else the newest row first."""
    if params.sort == "votes":
        return {"upvotes": int}
    return {"listed_on": date} if _days(params) else {}


def _one(**name: Any) -> HttpResponse:
    found = Paper.objects.published().with_topics().filter(**name).first()
    if found is not None:
        return json_response(public_serializers.of_paper(found))
    merged = Paper.objects.filter(**name, is_hidden=False, merged_into__is_hidden=False).first()
    if merged is None:
        return _missing()
    response = HttpResponse(status=308)
    response["Location"] = settings.SITE_URL + reverse("api:paper", args=[merged.merged_into_id])
    return response


def _missing() -> HttpResponse:
    raise Http404
