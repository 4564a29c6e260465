"""Reading lists: papers named in an address, as a page and as a file for reference managers. Read-only.

In: `?papers=3,14`, the numbers of papers. The site stores no list: the browser or the address holds it.
Out: the papers in that order, or BibTeX, RIS and CSL-JSON of them. Merged papers appear as what they were merged into.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from newsletter.interests.library.write_formats import Written
from newsletter.models import Paper
from newsletter.views.library import FORMATS
from newsletter.views.page_context import ListPage, frame, public_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from django.http import HttpRequest

NAMES = {"bib": "BibTeX", "ris": "RIS", "json": "CSL-JSON"}
MOST = 200  # papers: as many as lists.js keeps, and an address of less than 2,000 characters


@public_page
def reading_list(request: HttpRequest) -> HttpResponse:
    papers = _papers(_asked(request))
    context = {
        "list_page": ListPage(papers, 1, False, {}),
        "formats": cited_as(papers),
        "references": "\n".join(paper.arxiv_id or paper.title for paper in papers),
    }
    response = render(request, "newsletter/reading_list.html", frame(request) | context)
    response["X-Robots-Tag"] = "noindex"
    return response


@public_page
def cite(request: HttpRequest, suffix: str) -> HttpResponse:
    """Serve references to these papers as a file; 404 without any."""
    papers = _papers(_asked(request))
    if not papers or suffix not in FORMATS:
        raise Http404
    write, kind = FORMATS[suffix]
    response = HttpResponse(write(map(reference_to, papers)), content_type=f"{kind}; charset=utf-8")
    name = f"paper-{papers[0].pk}" if len(papers) == 1 else "papers"
    response["Content-Disposition"] = f'attachment; filename="{name}.{suffix}"'
    response["X-Robots-Tag"] = "noindex"
    return response


def cited_as(papers: Sequence[Paper]) -> list[tuple[str, str]]:
    """Return the name of each format and the address of a file of references to these papers."""
    query = urlencode({"papers": ",".join(str(paper.pk) for paper in papers)}, safe=",")
    return [(name, f"{reverse('newsletter:cite', args=[suffix])}?{query}") for suffix, name in NAMES.items() if papers]


def reference_to(paper: Paper) -> Written:
    return Written(
        number=paper.pk,
        title=paper.title,
        authors=[str(name) for name in paper.authors],
        on=paper.published_on or paper.listed_on,
        arxiv_id=paper.arxiv_id or "",
        category=str(paper.categories[0]) if paper.arxiv_id and paper.categories else "",
        doi=paper.doi,
        url=paper.home_url,
    )


def _asked(request: HttpRequest) -> list[int]:
    """Return the numbers in the address, each once. Raises 404 when something else is there."""
    said = [each for each in request.GET.get("papers", "").split(",") if each]
    if len(said) > MOST or not all(each.isascii() and each.isdigit() and len(each) < 19 for each in said):
        raise Http404
    return list(dict.fromkeys(map(int, said)))


def _papers(asked: Iterable[int]) -> list[Paper]:
    keys = list(asked)
    merged = dict(
        Paper.objects.filter(pk__in=keys, merged_into__isnull=False).values_list("pk", "merged_into")  # few
    )
    keys = list(dict.fromkeys(merged.get(key) or key for key in keys))
    found = Paper.objects.published().with_topics().prefetch_related("identifiers").in_bulk(keys)
    return [found[key] for key in keys if key in found]
