"""The page of one paper: what is known of it, papers like it, and the editions it appeared in. Read-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import TextField, Value
from django.db.models.functions import Concat, Left
from django.shortcuts import get_object_or_404, redirect, render

from newsletter.models import EditionItem, Paper
from newsletter.similar import most_similar
from newsletter.structured import scholarly_article
from newsletter.views.frame import frame, public_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.http import HttpRequest, HttpResponse

SIMILAR_AMONG = 250  # newest papers of the same topic that are compared
SIMILAR_SHOWN = 5


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
    return render(request, "newsletter/paper.html", context | frame(request))


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
