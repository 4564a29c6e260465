"""A reader's page of the week: votes and suggested papers. Behind the manage link; public pages are anonymous.

In: a manage link at most a day old. Out: pages that change nothing on GET, calls of ranking.votes and
catalogue.submissions on POST. Voting twice counts once. A reader who may not vote sees the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from newsletter.catalogue import submissions
from newsletter.catalogue.submissions import SubmissionResult, SubmittedLink
from newsletter.models import Paper, PaperQuerySet, PaperTopic, Submission
from newsletter.ranking import votes
from newsletter.views.page_context import choices, list_page_of, query_choice, query_params
from subscriptions.models import Subscriber, TopicPreference
from subscriptions.preferences_link import drop_kept_fields
from subscriptions.views.guards import (
    by_old_link,
    kept_for,
    page_of,
    plain,
    posted,
    reader_of,
    secret_page,
    see_other,
)

DAYS = 7
SUBMISSIONS_SHOWN = 20
SHOWS = {"all": _("All"), "mine": _("My topics"), "voted": _("My votes")}
WHY_NOT = {
    Subscriber.State.PENDING: _("Please confirm your address first: open the link in the email we sent you."),
    Subscriber.State.UNSUBSCRIBED: _(
        "You have unsubscribed, so you cannot vote. Your earlier votes stay. Subscribe again to cast new ones."
    ),
    Subscriber.State.SUPPRESSED: _("We can no longer send to your address, so you cannot vote."),
}


class SuggestedLink(forms.Form):
    """The field of a suggestion, to be given back behind an expired link."""

    link = forms.CharField(label=_("Link to a paper on arXiv"))


@secret_page
def papers(request: HttpRequest, token: str) -> HttpResponse:
    """Show this week's papers with vote buttons, and the reader's votes and suggestions."""
    reader = reader_of(token)
    if reader is None:
        return by_old_link(request, token, SuggestedLink(), page=page_of(request, token))
    if request.method != "POST":
        return _page(request, reader, token, kept=kept_for(request, reader, token))
    if not submissions.may_take_part(reader):
        return _page(request, reader, token, status=403)
    data = posted(request)
    if data.get("action") == "submit":
        return _submit(request, reader, token, link=data.get("link", ""))
    return _vote(request, reader, wanted=plain(data.get("paper", "")), is_vote=data.get("action") == "vote")


def _vote(request: HttpRequest, reader: Subscriber, *, wanted: str, is_vote: bool) -> HttpResponse:
    number = int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 19 else 0
    paper = Paper.objects.select_related("merged_into").filter(pk=number).first()
    if paper is None:
        return see_other(request.get_full_path())
    if not is_vote:
        votes.take_back_vote(reader, paper=paper)
    elif not votes.vote(reader, paper=paper, now=timezone.now()):
        return see_other(request.path, query="said=too-many-votes")
    return see_other(f"{request.get_full_path()}#paper-{paper.pk}")


def _submit(request: HttpRequest, reader: Subscriber, token: str, *, link: str) -> HttpResponse:
    if not submissions.accepts_submissions():
        return see_other(request.path)
    handed = submissions.submit(reader, link=link, now=timezone.now())
    drop_kept_fields(reader, action="submit", page=page_of(request, token))
    if handed.answer == SubmissionResult.TAKEN:
        return see_other(request.path, query="said=taken#hand-in")
    return _page(request, reader, token, handed=handed, link=link)


def _page(
    request: HttpRequest,
    reader: Subscriber,
    token: str,
    *,
    handed: SubmittedLink | None = None,
    link: str = "",
    kept: Mapping[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    show = query_choice(request, "show", SHOWS)
    params = query_params(show=(show, "all"))
    list_page = list_page_of(request, _papers(reader, show), params=params, cadence="weekly")
    shown = {paper.pk for paper in list_page.papers} | ({handed.paper.pk} if handed and handed.paper else set())
    context: dict[str, Any] = {
        "reader": reader,
        "token": token,
        "list_page": list_page,
        "show": show,
        "filters": [(_("Which papers"), choices("show", SHOWS, show, params))],
        "voted": votes.voted_by(reader, shown),
        "may_vote": submissions.may_take_part(reader),
        "why_not": WHY_NOT.get(Subscriber.State(reader.state), ""),
        "accepts_submissions": submissions.accepts_submissions(),
        "submissions": Submission.objects.filter(subscriber=reader)
        .select_related("paper")
        .order_by("-at")[:SUBMISSIONS_SHOWN],
        "handed": handed,
        "kept": kept,
        "link": plain(link) or (kept["fields"]["link"][0] if kept else ""),
        "said": request.GET.get("said", ""),
    }
    return render(request, "newsletter/votes_and_submissions.html", context, status=status)


def _papers(reader: Subscriber, show: str) -> PaperQuerySet:
    published = Paper.objects.published()
    if show == "voted":
        return published.filter(votes__subscriber=reader).order_by("-votes__at", "-votes__pk")
    last = Paper.objects.newest_day() or timezone.now().date()
    week = published.filter(listed_on__range=(last - timedelta(days=DAYS - 1), last))
    if show == "mine":
        followed = reader.preferences.exclude(stance=TopicPreference.Stance.MUTE).values("topic")
        week = week.filter(pk__in=PaperTopic.objects.filter(topic__in=followed, is_assigned=True).values("paper"))
    return week.order_by("-score_weekly", "-upvotes", "-id")
