"""Reading the search, and papers like a given one. The finding is done elsewhere; here the keys become public facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import Http404
from ninja import Router

from newsletter.api import shapes
from newsletter.api.door import said
from newsletter.api.papers import NOT_HERE, PK_MAX, SIMILAR, listed
from newsletter.models import Paper
from newsletter.views.paper import similar_to

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

router = Router(tags=["Papers"])


@router.get(
    "papers/{int:paper_id}/similar/",
    response={200: shapes.SimilarPapers} | NOT_HERE,
    url_name="similar_papers",
    summary="Papers like one",
)
def similar_papers(request: HttpRequest, paper_id: int) -> HttpResponse:
    found = Paper.objects.published().with_topics().filter(pk=min(paper_id, PK_MAX)).first()
    if found is None:
        raise Http404
    return said({"papers": listed([paper.pk for paper in similar_to(found)][:SIMILAR])})
