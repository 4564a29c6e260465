"""Reading the search, and papers like a given one. The finding is done elsewhere; here the keys become public facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404
from django.utils import translation
from ninja import Query, Router

from newsletter import search
from newsletter.api import cursors, schemas
from newsletter.api.papers import NO_CURSOR, NOT_HERE, PK_MAX, page_response
from newsletter.api.request_checks import error_response, json_response
from newsletter.editions import public_serializers
from newsletter.models import Paper
from newsletter.search.query_errors import sentence_of
from newsletter.search.similar_papers import similar_to

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from django.http import HttpRequest, HttpResponse

SIMILAR = 10

router = Router(tags=["Papers"])


@router.get("search/", response={200: schemas.FoundPapers} | NOT_HERE, url_name="search", summary="Search papers")
def search_papers(request: HttpRequest, params: Query[schemas.SearchParams]) -> HttpResponse:
    """Words in any order, also plain ones for what the field calls otherwise; slips of the keyboard are corrected.

    Names of people need no field: their papers come first. Follow `next` to have all that was found.
    """
    try:
        start = cursors.place_of(params.cursor, name="search")
        found = search.find(params.q)
    except cursors.CursorError:
        return error_response(NO_CURSOR, status=422)
    except search.QueryError as error:
        with translation.override("en"):
            return error_response(str(sentence_of(error)), status=422)
    stop = start + params.limit
    body = {
        "query": params.q,
        "corrected": [{"typed": typed, "read": read} for typed, read in found.corrected],
        "author": found.author,
        "ignored": list(found.ignored),
        "found": len(found.papers),
        "papers": _scored(found.papers[start:stop]),
    }
    following = cursors.cursor_at(stop, name="search") if stop < len(found.papers) else ""
    return page_response(request, body, cursor=following)


@router.get(
    "papers/{int:paper_id}/similar/",
    response={200: schemas.FoundSimilar} | NOT_HERE,
    url_name="similar_papers",
    summary="Similar papers",
)
def similar_papers(request: HttpRequest, paper_id: int) -> HttpResponse:
    paper = Paper.objects.published().filter(pk=min(paper_id, PK_MAX)).first()
    if paper is None:
        raise Http404
    return json_response({"papers": _scored(similar_to(paper, limit=SIMILAR))})


def _scored(found: Iterable[tuple[int, float]]) -> list[dict[str, Any]]:
    """Return the papers in their order, without those hidden or merged since."""
    scores = dict(found)
    by_pk = Paper.objects.published().with_topics().in_bulk(list(scores))
    return [
        {"score": round(score, 4), "paper": public_serializers.of_paper(by_pk[pk])}
        for pk, score in scores.items()
        if pk in by_pk
    ]
