"""Adding a paper on an edition's own page: found by id, link, title or author, and picked with one button.

In: what a curator typed, as in the search box of the site. Out: an editor's pick; or, for an arXiv id that is not here,
a hand-in that is accepted at once, so that the next tick fetches it.
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from newsletter.catalogue import submissions
from newsletter.editions import lifecycle
from newsletter.models import Edition, EditionItem, Paper
from newsletter.search import search_papers
from newsletter.search.query import QueryError
from newsletter.search.query_errors import sentence_of

SHOWN = 20
FETCH = "newsletter.change_submission"


def find_and_add(site: admin.AdminSite, request: HttpRequest, edition: Edition, *, log_change: Any) -> HttpResponse:
    """Show what was found; on POST, add the paper or have it fetched. Staff who may not change it are refused."""
    if request.method == "POST":
        return _pick(request, edition, log_change=log_change) if "paper" in request.POST else _fetch(request, edition)
    typed = " ".join(request.GET.get("q", "").split())
    context = site.each_context(request) | {"edition": edition, "typed": typed, "opts": Edition._meta}
    return render(request, "admin/newsletter/add_paper.html", context | (_found(request, typed) if typed else {}))


def _found(request: HttpRequest, typed: str) -> dict[str, Any]:
    try:
        found = search_papers.find(typed)
    except QueryError as error:
        return {"refused": sentence_of(error)}
    pks = [pk for pk, _score in found.papers[:SHOWN]]
    papers = Paper.objects.published().in_bulk(pks)
    missing = found.missing if submissions.accepts_submissions() and request.user.has_perm(FETCH) else ""
    return {"papers": [papers[pk] for pk in pks if pk in papers], "missing": missing, "searched": True}


def _pick(request: HttpRequest, edition: Edition, *, log_change: Any) -> HttpResponse:
    paper = get_object_or_404(Paper.objects.published(), pk=request.POST["paper"])
    try:
        had = EditionItem.objects.filter(edition=edition, paper=paper, lane=EditionItem.Lane.PICK).exists()
        lifecycle.add_pick(edition, paper=paper)
    except lifecycle.EditionStateError as error:
        messages.error(request, str(error))
    else:
        log_change(request, edition, _("pick: %s") % paper)
        text = _("“%s” is an editor's pick of this edition already.") if had else _("“%s” is an editor's pick now.")
        messages.success(request, text % paper.title)
    return HttpResponseRedirect(reverse("admin:newsletter_edition_change", args=[edition.pk]))


def _fetch(request: HttpRequest, edition: Edition) -> HttpResponse:
    if not request.user.has_perm(FETCH):
        raise PermissionDenied
    identifier = request.POST.get("fetch", "")
    if submissions.fetch(identifier, by=cast(User, request.user), now=timezone.now()):
        messages.success(request, _("arXiv is asked for %s. Look for it here again in a minute or two.") % identifier)
    else:
        messages.error(request, _("There is no arXiv paper %s. Check the number.") % identifier)
    return HttpResponseRedirect(reverse("admin:newsletter_edition_add_paper", args=[edition.pk]) + f"?q={identifier}")
