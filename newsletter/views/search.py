"""The search page, and the document by which browsers offer the site's search (OpenSearch). Read-only.

In: `?q=` as somebody typed it. Out: papers, best first, newest first or by votes; a sentence when the query is
refused or partly not understood; hints when it is empty. The same for everybody; kept out of other search engines.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from xml.sax.saxutils import escape, quoteattr

from django.conf import settings
from django.db.models import F
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from newsletter import search
from newsletter.catalogue import submissions
from newsletter.catalogue.sources.paper_identifiers import meant_arxiv_id
from newsletter.models import Paper
from newsletter.search.query import LONGEST
from newsletter.search.query_errors import sentence_of
from newsletter.views.page_context import (
    PAPERS_PER_PAGE,
    ListPage,
    choices,
    frame,
    page_of,
    public_page,
    query_choice,
    query_params,
)
from subscriptions.views.guards import origin_of, posted, see_other

if TYPE_CHECKING:
    from django.http import HttpRequest

SORTS = {
    "relevance": gettext_lazy("Best match"),
    "newest": gettext_lazy("Newest"),
    "votes": gettext_lazy("Most upvotes"),
}
ORDERS = {
    "newest": (F("listed_on").desc(nulls_last=True), "-pk"),
    "votes": (F("upvotes").desc(), "-pk"),
}
SAID = {
    "taken": gettext_lazy("Thank you. A curator will look at the paper; it is here once they have accepted it."),
    "waiting": gettext_lazy("Somebody has already suggested this paper. A curator will look at it."),
    "declined": gettext_lazy("A curator declined this paper recently."),
    "hidden": gettext_lazy("A curator declined this paper recently."),
    "impossible": gettext_lazy("arXiv has not given out this number yet. Check it for a slip."),
    "enough": gettext_lazy("Too many papers were suggested today. Suggest this one again tomorrow."),
}
EXAMPLES = (
    ("diffusion transformer", gettext_lazy("words in any order; typos are corrected")),
    ("yejin choi", gettext_lazy("a person: their papers come first")),
    ("making robots fold laundry", gettext_lazy("plain words: also finds papers that use the technical terms")),
    ('"flow matching"', gettext_lazy("an exact phrase")),
    ("topic:robotics", gettext_lazy("papers on one topic, named as in the address of its page")),
    ("author:bengio", gettext_lazy('papers by an author; author:"yoshua bengio" for the full name')),
    ("org:deepmind", gettext_lazy("papers of an institution, where a source names it")),
    ("diffusion -image", gettext_lazy("leave out a word; also -topic:vision or -author:bengio")),
    ("has:code", gettext_lazy("papers with code")),
    ("after:2026-01 before:2026-03", gettext_lazy("papers from January to February; a year or a day works too")),
)  # fmt: skip


@public_page
def search_page(request: HttpRequest) -> HttpResponse:
    text = request.GET.get("q", "").strip()
    sort = query_choice(request, "sort", SORTS)
    number = page_of(request)
    context = {"q": text[:LONGEST], "longest": LONGEST, "examples": EXAMPLES, "nav": "search"}
    context["said"] = SAID.get(request.GET.get("said", ""), "")
    try:
        found = search.find(text)
    except search.QueryError as error:
        context |= {"problem": sentence_of(error)}
    else:
        params = query_params(q=(text, ""), sort=(sort, "relevance"))
        list_page = _list_page(found, sort=sort, number=number, params=params)
        if number > 1 and not list_page.papers:
            raise Http404
        context |= {
            "list_page": list_page,
            "missing": found.missing,
            "may_suggest": submissions.accepts_submissions(),
            "author": found.author,
            "ignored": " ".join(found.ignored),
            "filters": [(_("Order"), choices("sort", SORTS, sort, params))] if list_page.papers else [],
            "read_as": _rewritten(text, dict(found.corrected)),
            "as_written": _rewritten(text, {typed: f'"{typed}"' for typed, _read in found.corrected}),
        }
    response = render(request, "newsletter/search.html", context | frame(request))
    response["X-Robots-Tag"] = "noindex"
    return response


@csrf_exempt
@require_POST
def suggest(request: HttpRequest) -> HttpResponse:
    """Hand a paper that we do not have in to the curators. Open to everybody, so there is no session to forge."""
    text = str(posted(request).get("q", ""))
    identifier = meant_arxiv_id(text, on=timezone.now().date())
    if identifier is None or not submissions.accepts_submissions():
        raise Http404
    said = submissions.suggest(identifier, client=origin_of(request).ip, now=timezone.now())
    return see_other(reverse("newsletter:search"), query=urlencode({"q": f"arXiv:{identifier}", "said": said}))


def _list_page(found: search.Found, *, sort: str, number: int, params: dict[str, str]) -> ListPage:
    start = (number - 1) * PAPERS_PER_PAGE
    stop = start + PAPERS_PER_PAGE + 1
    if sort == "relevance" and found.query.has_words:
        ids = [paper for paper, _score in found.papers[start:stop]]
        by_pk = Paper.objects.published().with_topics().in_bulk(ids)
        papers = [by_pk[pk] for pk in ids if pk in by_pk]
    else:
        order = ORDERS["newest" if sort == "relevance" else sort]
        fitting = Paper.objects.published().with_topics().filter(pk__any_of=found.fitting)
        papers = list(fitting.order_by(*order)[start:stop])
    return ListPage(papers[:PAPERS_PER_PAGE], number, len(papers) > PAPERS_PER_PAGE, params)


def _rewritten(text: str, words: dict[str, str]) -> str:
    """Return the text with these words corrected; empty when there are none."""
    for typed, instead in words.items():
        text = re.sub(rf"(?<!\w){re.escape(typed)}(?!\w)", instead, text, flags=re.IGNORECASE)
    return text if words else ""


@cache_control(public=True, max_age=7 * 86400)
def opensearch(request: HttpRequest) -> HttpResponse:
    """Describe the search for browsers (https://github.com/dewitt/opensearch/blob/master/opensearch-1-1-draft-6.md)."""
    address = f"{settings.SITE_URL}{reverse('newsletter:search')}?q={{searchTerms}}"
    name = settings.SITE_NAME
    body = f"""<?xml version="1.0" encoding="UTF-8"?>
<OpenSearchDescription xmlns="http://a9.com/-/spec/opensearch/1.1/">
  <ShortName>{escape(name[:16])}</ShortName>
  <Description>{escape(_("Research papers at %(site)s") % {"site": name})}</Description>
  <InputEncoding>UTF-8</InputEncoding>
  <Url type="text/html" template={quoteattr(address)}/>
</OpenSearchDescription>
"""
    return HttpResponse(body, content_type="application/opensearchdescription+xml; charset=utf-8")
