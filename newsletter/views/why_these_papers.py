"""Why these papers, and why not others: a reader's profile, and what one digest left out.

In: a manage link at most a day old, or the token of one delivery. Out: pages that change nothing on GET; ProfileRemoval
rows on POST, after the reader has seen what they change in the last edition.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from newsletter.catalogue.sources.paper_identifiers import meant_arxiv_id, title_key
from newsletter.delivery.compose_message import SCOPE
from newsletter.interests.load_profiles import Opinion, Portrait, ReaderProfiles, opinions_by_interest
from newsletter.interests.place_also_new import others_of
from newsletter.interests.profile import JUDGED_MIN
from newsletter.interests.profile_in_words import (
    AUTHORS_SHOWN,
    authors_of,
    in_words,
    papers_of,
    put_back,
    removals_named,
    remove,
)
from newsletter.mail.also_new_lines import Line
from newsletter.mail.reasons import follow_line
from newsletter.models import Delivery, EditionItem, Paper, ProfileRemoval
from newsletter.planning import EditionPlan
from newsletter.planning.why_not_chosen import (
    Change,
    Reason,
    Why,
    absence,
    chosen,
    due_of,
    edition_for,
    last_chosen,
    last_digest,
    preview,
    reasons_left_out,
)
from newsletter.search.standing_queries import follow_key
from newsletter.views.digest import delivery_of
from subscriptions import token_links
from subscriptions.models import Interest, Subscriber, Topic, TopicPreference
from subscriptions.views.guards import link_expired, plain, posted, reader_of, secret_page, see_other

ALSO_SHOWN = 200  # other new papers on one page
SENTENCES: dict[Why, str | Promise] = {
    Why.WITHDRAWN: _("Its authors withdrew it."),
    Why.HIDDEN: _("It is no longer shown on this site."),
    Why.EXCLUDED: _("The editors left it out of this edition."),
    Why.LATER: _("It arrived after this edition was closed."),
    Why.EARLIER: _("It arrived before the days of this edition, and has not gained enough since to be in it."),
    Why.UNRANKED: _("It is not among the ranked papers of this edition: others of these days gained more."),
    Why.HAD: _("You had it in an earlier digest."),
    Why.UNWANTED: _("It matches what you asked to see nothing of."),
    Why.MUTED: _("It is on a topic that you muted."),
    Why.OTHER_TOPIC: _("It is on none of the topics you follow."),
    Why.INTEREST_FULL: _("The places of “%(interest)s” in this digest (%(papers)d) went to other papers."),
    Why.LEAD: _("The lead story of this edition, which comes first in every digest, took its place."),
    Why.EXTRAS: _("An editor’s pick, or the paper from outside your topics, took its place."),
    Why.ALIKE: _("It is on much the same topics as papers that were in it, and your digests mix topics."),
    Why.TOPIC_FULL: _("Papers on its main topic that rank higher for you were in it, and your digests mix topics."),
    Why.SIZE: _("Your digests hold at most %(limit)d. In one of %(papers)d it would have been."),
    Why.LOW: _("Other papers rank higher for you."),
}


@secret_page
def profile(request: HttpRequest, token: str) -> HttpResponse:
    """Show what digests are chosen by; POST shows what a removal changes, then stores it, or puts one back."""
    reader = reader_of(token)
    if reader is None:
        return link_expired(request)
    if request.method != "POST":
        return _profile_page(request, reader, token)
    data, now = posted(request), timezone.now()
    if data.get("action") == "put-back":
        wanted = data.get("removal", "")
        put_back(reader, int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < 19 else 0)
        return see_other(request.path, query=_said(request, "back"))
    names = request.POST.getlist("remove") if data else []
    removals = removals_named(reader, names, now=now)
    if not removals:
        return _profile_page(request, reader, token, error=gettext("Tick what you want to remove."))
    if data.get("action") != "save":
        return _profile_page(request, reader, token, removals=removals, names=names)
    remove(removals)
    return see_other(request.path, query=_said(request, "removed"))


def _said(request: HttpRequest, word: str) -> str:
    asked = {"interest": request.GET["interest"]} if "interest" in request.GET else {}
    return urlencode({"said": word, **asked})


def _profile_page(
    request: HttpRequest,
    reader: Subscriber,
    token: str,
    *,
    removals: list[ProfileRemoval] | None = None,
    names: list[str] | None = None,
    error: str = "",
) -> HttpResponse:
    edition, last = edition_for(reader), last_digest(reader)
    plan = EditionPlan(edition) if edition else None
    interest = _interest_shown(request, reader)
    opinion = _opinion_of(reader, interest) if interest else None
    portrait = (plan.profiles if plan else ReaderProfiles([])).portrait(reader.pk, opinion=opinion)
    change = None
    if plan and removals:
        change = preview(plan, due_of(reader), partial(remove, removals), before=last.due_at if last else None)
    rows = interest.topics.all() if interest and not interest.is_first else reader.preferences.all()
    stances = rows.filter(topic__is_active=True).select_related("topic").order_by("topic__position")
    context: dict[str, Any] = {
        "reader": reader,
        "token": token,
        "interest": interest,
        "interests": reader.interests.all() if interest else [],
        "edition": edition,
        "stances": [
            (label, [row.topic.local_name for row in stances if row.stance == stance])
            for stance, label in ((choice.value, choice.label) for choice in TopicPreference.Stance)
        ],
        "follows": reader.follows.filter(interest=interest.own_rows if interest else None),
        "authors": _authors_to_follow(reader, portrait),
        "says": in_words(portrait),
        "percent": round(100 * portrait.trust),
        "papers": papers_of(reader, portrait),
        "judged": len(portrait.opinion),
        "needed": JUDGED_MIN,
        "removed": reader.profile_removals.select_related("topic", "paper").order_by("-at", "-pk"),
        "removing": removals or [],
        "names": names or [],
        "change": _titled(change) if change else None,
        "left_out_url": _left_out_url(last_chosen(reader)),
        "error": error,
        "said": request.GET.get("said", ""),
    }
    return render(request, "newsletter/profile.html", context)


def _authors_to_follow(reader: Subscriber, portrait: Portrait) -> list[tuple[str, str]]:
    """Authors of several liked papers whom the reader does not follow yet, each with the query to follow."""
    asked = [(name, f'author:"{name}"') for name in authors_of(portrait)]
    known = set(reader.follows.values_list("key", flat=True))
    return [(name, text) for name, text in asked if _key_of(text) not in {"", *known}][:AUTHORS_SHOWN]


def _key_of(text: str) -> str:
    try:
        return follow_key(text)
    except ValueError:  # a name that cannot be looked for
        return ""


def _interest_shown(request: HttpRequest, reader: Subscriber) -> Interest | None:
    """Return the interest that is asked for, else the first; None for a reader who keeps none apart."""
    asked = request.GET.get("interest", "")
    named = reader.interests.order_by("-is_first", "position")
    return next((row for row in named if str(row.pk) == asked), named.first())


def _opinion_of(reader: Subscriber, interest: Interest) -> Opinion:
    of = interest.own_rows
    return opinions_by_interest([reader.pk]).get((reader.pk, of.pk if of else None), Opinion({}, {}))


def _left_out_url(last: Delivery | None) -> str:
    return reverse("newsletter:left_out", args=[token_links.row_token(SCOPE, last.pk)]) if last else ""


def _titled(change: Change) -> dict[str, list[str]]:
    titles = dict(EditionItem.objects.filter(pk__in=[*change.enter, *change.leave]).values_list("pk", "paper__title"))
    return {"enter": [titles[item] for item in change.enter], "leave": [titles[item] for item in change.leave]}


@require_safe
@secret_page
def left_out(request: HttpRequest, token: str) -> HttpResponse:
    """The papers of an edition that one digest left out, each with the reason; and the reason for any other paper."""
    delivery = delivery_of(token)
    edition = delivery.edition
    plan, reader = EditionPlan(edition).as_for(due_of(delivery.subscriber))
    reasons = reasons_left_out(plan, reader, before=delivery.due_at)
    sent = [item for item, *_ in delivery.picks]
    also = list(others_of(delivery)[0])
    page = Paginator(also, ALSO_SHOWN).get_page(request.GET.get("page"))
    listed = {item for item, reason in reasons.items() if reason.why != Why.UNRANKED}.difference(sent, dict(also))
    items = EditionItem.objects.select_related("paper").filter(pk__in=listed)
    items = items.exclude(standing=EditionItem.Standing.MISSED)
    now = chosen(plan, reader, before=delivery.due_at)
    asked = plain(request.GET.get("paper", "")).strip()
    context = {
        "delivery": delivery,
        "edition": edition,
        "token": token,
        "also": page,
        "also_papers": _listed_for(page.object_list, reasons, limit=reader.max_papers),
        "papers": [(item.paper, _sentence(reasons[item.pk], reader.max_papers)) for item in items.order_by("position")],
        "has_changed": not delivery.skip_reason and set(now) != set(sent),
        "asked": asked,
        "answer": _answer(asked, delivery, reasons, limit=reader.max_papers) if asked else None,
    }
    return render(request, "newsletter/left_out.html", context)


def _listed_for(lines: Iterable[Line], reasons: dict[int, Reason], *, limit: int) -> list[tuple[Paper, str, str]]:
    """Paper, why it is listed, and why it was left out, of other new papers of the reader's topics and follows."""
    listed = dict(lines)
    rows = EditionItem.objects.select_related("paper").exclude(paper__is_hidden=True)
    items = rows.in_bulk(list(listed))
    topics = {topic.pk: gettext("New in %s") % topic.local_name for topic in Topic.objects.all()}
    return [
        (
            items[item].paper,
            topics.get(why, "") if isinstance(why, int) else follow_line(why),
            _why_not(items[item], reasons, limit=limit),
        )
        for item, why in listed.items()
        if item in items
    ]


def _why_not(item: EditionItem, reasons: dict[int, Reason], *, limit: int) -> str:
    if item.pk in reasons:
        return _sentence(reasons[item.pk], limit)
    is_line = item.has_no_card and not item.paper.withdrawn_at and not item.paper.is_hidden
    why = Why.UNRANKED if is_line else absence(item.edition, item.paper)
    if not is_line and why in {Why.LATER, Why.EARLIER, Why.UNRANKED}:
        return gettext("By what you told us since, it would be in this digest now.")
    return str(SENTENCES[why])


def _answer(asked: str, delivery: Delivery, reasons: dict[int, Reason], *, limit: int) -> tuple[Paper | None, str]:
    """The paper that was meant, and why it was not in the digest; or what to type instead."""
    paper = _paper_named(asked)
    if paper is None:
        return None, gettext("We know no such paper. Paste its address, its arXiv id or its whole title.")
    item = delivery.edition.items.filter(paper=paper).first()
    place = next((place for place, (pick, *_) in enumerate(delivery.picks, start=1) if item and pick == item.pk), 0)
    if place:
        return paper, gettext("It was in this digest: number %d.") % place
    if item:
        return paper, _why_not(item, reasons, limit=limit)
    return paper, str(SENTENCES[absence(delivery.edition, paper)])


def _paper_named(text: str) -> Paper | None:
    """The paper of our own address, of an arXiv id or address, or of a title."""
    papers = Paper.objects.select_related("merged_into")
    number = text.rstrip("/").rpartition("/paper/")[2]
    if number.isascii() and number.isdigit() and len(number) < 19:
        paper = papers.filter(pk=int(number)).first()
    elif identifier := meant_arxiv_id(text, on=timezone.now().date()):
        paper = papers.filter(arxiv_id=identifier).first()
    else:
        paper = papers.filter(title_key=title_key(text)).order_by("pk").first()
    return (paper.merged_into or paper) if paper else None


def _sentence(reason: Reason, limit: int) -> str:
    """The reason in words; where an interest was full, also how long a digest would have held the paper."""
    size = str(SENTENCES[Why.SIZE]) % {"limit": limit, "papers": reason.papers}
    if reason.why == Why.INTEREST_FULL:
        full = str(SENTENCES[reason.why]) % {"interest": reason.interest, "papers": reason.places}
        return f"{full} {size}" if reason.papers else full
    return size if reason.why == Why.SIZE else str(SENTENCES[reason.why])
