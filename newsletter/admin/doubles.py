"""Suspected duplicates: pairs of papers with a button each for "the same paper" and "not the same".

In: a curator's click. Out: a merge, or a word that is remembered; a message with the button that takes it back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from newsletter.catalogue import merging, suspected_doubles
from newsletter.models import Edition, Paper


def decide_doubles(site: admin.AdminSite, request: HttpRequest, *, log_change: Callable[..., Any]) -> HttpResponse:
    """Show the pairs, of one edition with ``?edition=``; on POST do what the pressed button says."""
    if request.method == "POST":
        _decide(request, log_change=log_change)
        return HttpResponseRedirect(request.get_full_path())
    asked = request.GET.get("edition", "")
    edition = get_object_or_404(Edition, pk=asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else None
    papers = (
        Paper.objects.filter(edition_items__edition=edition) if edition else suspected_doubles.young(now=timezone.now())
    )
    context = site.each_context(request) | {
        "title": _("Suspected duplicates"),
        "edition": edition,
        "pairs": suspected_doubles.suspected(papers),
        "days": suspected_doubles.YOUNG.days,
        "opts": Paper._meta,
    }
    return render(request, "admin/newsletter/doubles.html", context)


def _decide(request: HttpRequest, *, log_change: Callable[..., Any]) -> None:
    """``same``, ``apart`` and their opposites ``split`` and ``maybe`` each name the double and the paper kept."""
    verb = next((name for name in ("same", "apart", "split", "maybe") if name in request.POST), "")
    keys = [int(one) for one in request.POST.get(verb, "").split(":") if one.isascii() and one.isdigit()]
    papers = Paper.objects.in_bulk([key for key in keys if key < 2**63])
    if not verb or len(papers) != 2:
        messages.error(request, _("These papers are not known any more. Nothing was changed."))
        return
    double, kept = (papers[key] for key in keys)
    by, now = cast(User, request.user), timezone.now()
    try:
        if verb == "same":
            merging.merge(double, into=kept, by=by, now=now)
            _tell(request, _("One paper now: “%s”.") % kept.title, undo="split", pair=request.POST[verb])
        elif verb == "apart":
            suspected_doubles.tell_apart(double.pk, kept.pk, by=by, now=now)
            _tell(request, _("Not the same: “%s”.") % double.title, undo="maybe", pair=request.POST[verb])
        elif verb == "split":
            merging.split(double)
            messages.success(request, _("Two papers again."))
        else:
            suspected_doubles.suspect_again(double.pk, kept.pk)
            messages.success(request, _("The two are listed again."))
    except merging.MergeError as error:
        messages.error(request, str(error))
    else:
        log_change(request, double, f"{verb}: {kept}")


def _tell(request: HttpRequest, text: str, *, undo: str, pair: str) -> None:
    button = '{} <button type="submit" class="desk-button is-small" form="doubles" name="{}" value="{}">{}</button>'
    messages.success(request, format_html(button, text, undo, pair, _("Undo")))
