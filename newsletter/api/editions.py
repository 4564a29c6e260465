"""Read topics and sent editions with their papers.

In: a request with its parameters. Out: public facts; unsent and cancelled editions are not found.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Q
from django.db.models.functions import Coalesce
from django.shortcuts import get_object_or_404
from ninja import Query, Router

from newsletter.api import cursors, schemas
from newsletter.api.papers import NO_CURSOR, NOT_HERE, PK_MAX, page_response
from newsletter.api.request_checks import error_response, json_response
from newsletter.editions import public_serializers
from newsletter.models import Edition, EditionItem
from subscriptions.models import Topic

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

router = Router(tags=["Editions and topics"])


@router.get("topics/", response={200: schemas.Topics} | NOT_HERE, url_name="topics", summary="List topics")
def topics(request: HttpRequest) -> HttpResponse:
    return json_response(
        {"topics": [public_serializers.of_topic(topic) for topic in Topic.objects.filter(is_active=True)]}
    )


@router.get("editions/", response={200: schemas.Editions} | NOT_HERE, url_name="editions", summary="List editions")
def editions(request: HttpRequest, params: Query[schemas.EditionsParams]) -> HttpResponse:
    """Those that went out, newest first."""
    rows = Edition.objects.issued().annotate(shown=_SHOWN)
    if params.cadence:
        rows = rows.filter(cadence=params.cadence)
    order: dict[str, Any] = {"period_on": date, "pk": int}
    try:
        found, cursor = cursors.page_of(rows, name="editions", order=order, cursor=params.cursor, limit=params.limit)
    except cursors.CursorError:
        return error_response(NO_CURSOR, status=422)
    found_rows = [public_serializers.of_edition(one, papers=getattr(one, "shown", 0)) for one in found]
    return page_response(request, {"editions": found_rows}, cursor=cursor)


@router.get(
    "editions/{int:edition_id}/",
    response={200: schemas.WholeEdition} | NOT_HERE,
    url_name="edition",
    summary="One edition and its papers",
)
def edition(request: HttpRequest, edition_id: int) -> HttpResponse:
    found = get_object_or_404(Edition.objects.issued(), pk=min(edition_id, PK_MAX))
    items = public_serializers.of_items(public_serializers.items_of(found))
    return json_response(public_serializers.of_edition(found, papers=len(items)) | {"items": items})


_SHOWN = Count(
    Coalesce("items__paper__merged_into", "items__paper"),
    distinct=True,  # two papers merged into one are one, as on the edition's page
    filter=~Q(items__standing__in=EditionItem.UNLISTED)
    & (
        Q(items__paper__merged_into__isnull=True, items__paper__is_hidden=False)
        | Q(items__paper__merged_into__is_hidden=False)
    ),
)
