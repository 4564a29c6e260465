"""A reader's own digest on the web: what was sent, why, and "more like this / less like this" for each paper.

In: the token of one delivery, from the mail. Out: pages that change nothing on GET, so link scanners do no harm; the
buttons POST. The token shows one digest and records its reader's verdicts; it gives no access to preferences, export
or erasure.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from newsletter.catalogue import submissions
from newsletter.delivery.compose_message import SCOPE
from newsletter.interests import clicks, library_entries, relevance_feedback
from newsletter.interests.place_also_new import others_of
from newsletter.mail import subject_lines
from newsletter.mail.digest_links import links_of, paper_url
from newsletter.mail.editors_words import correction_html, note_html
from newsletter.mail.news_lines import news_line
from newsletter.mail.one_part import FOLLOW
from newsletter.mail.reasons import line_of, primary_topic, reasons
from newsletter.mail.sections import OTHERS, in_sections
from newsletter.models import Click, Delivery, Edition, EditionItem, Paper, Verdict
from newsletter.ranking import votes
from subscriptions import lifecycle, token_links
from subscriptions.catch_up import ask as ask_to_catch_up
from subscriptions.catch_up import offered as catch_up_offered
from subscriptions.models import Follow, Subscriber, Topic
from subscriptions.preferences import preferences_of
from subscriptions.views.guards import origin_of, plain, posted, secret_page, see_other

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PICK = 3  # values of a pick of a reader who keeps no interests apart
VERDICTS = {"more": 1, "less": -1}


@require_safe
@secret_page
def digest(request: HttpRequest, token: str) -> HttpResponse:
    """Show the whole digest."""
    delivery = delivery_of(token)
    context = _context(delivery, token, _items(delivery)) | {"said": request.GET.get("said", "")}
    papers = Paper.objects.in_bulk([paper for paper, _kind in delivery.news])
    context["news"] = [news_line(papers[paper], kind=kind) for paper, kind in delivery.news if paper in papers]
    context["also_count"] = others_of(delivery)[1]
    context["absence"] = catch_up_offered(delivery.subscriber, now=timezone.now())
    return render(request, "newsletter/digest.html", context)


@secret_page
def of_test_mail(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer every link of a test mail, whatever its button would do for a reader."""
    return render(request, "newsletter/test_mail.html", {})


@secret_page
def wish(request: HttpRequest, token: str, *, wish: str, section: str) -> HttpResponse:
    """POST turns what one section of the digests tells off, or on again: a field of the preferences."""
    reader = delivery_of(token).subscriber
    if request.method == "POST":
        change: dict[str, Any] = {wish: posted(request).get("word") == "on"}
        wanted = replace(preferences_of(reader), **change)
        lifecycle.change(
            reader, preferences=wanted, now=timezone.now(), method="digest page", origin=origin_of(request)
        )
    return see_other(f"{reverse('newsletter:digest', args=[token])}#{section}")


@secret_page
def catch_up(request: HttpRequest, token: str) -> HttpResponse:
    """POST asks for the best of the reader's last pause with their next digest."""
    if request.method == "POST":
        ask_to_catch_up(delivery_of(token).subscriber, now=timezone.now())
    return see_other(
        reverse("newsletter:digest", args=[token]), query="said=catch-up" if request.method == "POST" else ""
    )


@secret_page
def item(request: HttpRequest, token: str, item: int) -> HttpResponse:
    """Show one paper of the digest with its buttons; POST records the reader's verdict."""
    delivery = delivery_of(token)
    entries = [entry for entry in _items(delivery) if entry["item"].pk == item]
    if not entries:
        raise Http404("This paper is not in this digest.")
    if request.method == "POST":
        _act(request, delivery, entries[0], now=timezone.now())
        return redirect("newsletter:digest_item", token=token, item=item)
    return render(request, "newsletter/digest_item.html", _context(delivery, token, entries))


@secret_page
def click(request: HttpRequest, token: str, item: int, kind: str) -> HttpResponse:
    """On to a paper of the digest, for as long as its row is there; counted for readers who agreed to it.

    The address names rows only, so it leads nowhere but where the digest itself would.
    """
    row = get_object_or_404(Delivery, pk=token_links.row_of_token(SCOPE, token))
    entry = EditionItem.objects.select_related("paper").filter(pk=item).first()
    if entry is None or kind not in Click.Kind or item not in {pk for pk, *_rest in row.picks}:
        raise Http404("This paper is not in this digest.")
    if request.method == "GET" and not {"Sec-Purpose", "Purpose"}.intersection(request.headers):  # no prefetching
        clicks.note_click(row, item=entry, kind=kind, now=timezone.now())
    return redirect(links_of(entry.paper).get(Click.Kind(kind)) or paper_url(entry.paper))


def _act(request: HttpRequest, delivery: Delivery, entry: dict[str, Any], *, now: datetime) -> None:
    data, paper = posted(request), entry["paper"]
    interest = relevance_feedback.interest_of(delivery, item=entry["item"].pk)
    word = data.get("word", "")
    if word in VERDICTS:
        relevance_feedback.give_verdict(delivery, paper=paper, value=VERDICTS[word], now=now, interest=interest)
    elif word == "take-back":
        relevance_feedback.take_back_verdict(delivery, paper=paper)
    elif word == "save":
        library_entries.save_paper(delivery.subscriber, paper=paper, now=now, interest=interest)
    elif word == "unsave":
        library_entries.remove_paper(delivery.subscriber, paper=paper)
    elif word == "vote":
        votes.vote(delivery.subscriber, paper=paper, now=now)
    elif word == "unvote":
        votes.take_back_vote(delivery.subscriber, paper=paper)
    elif word == "unfollow" and entry["query"]:
        relevance_feedback.stop_following(delivery, key=entry["query_key"])
    elif word == "follow-again" and entry["query"]:
        relevance_feedback.follow_again(
            delivery, key=entry["query_key"], text=entry["query"], now=now, interest=interest
        )
    elif word in {"mute", "unmute"}:
        topic = get_object_or_404(Topic, slug=plain(data.get("topic", "")))
        change = relevance_feedback.mute_topic if word == "mute" else relevance_feedback.unmute_topic
        change(delivery, topic=topic, interest=interest)


def delivery_of(token: str) -> Delivery:
    """The digest that a token stands for, with its edition and reader; 404 when it is gone."""
    pk = token_links.row_of_token(SCOPE, token)
    rows = Delivery.objects.select_related("edition", "subscriber").exclude(subscriber__state=Subscriber.State.ERASED)
    delivery = rows.filter(pk=pk).first() if pk else None
    kept = timedelta(days=settings.RETENTION_DELIVERY_DAYS)
    if delivery is None or timezone.now() - delivery.due_at > kept:
        raise Http404(f"This digest is not here any more: a digest stays for {kept.days} days.")
    return delivery


def _items(delivery: Delivery) -> list[dict[str, Any]]:
    rows = EditionItem.objects.select_related("paper").prefetch_related("paper__paper_topics__topic", "paper__links")
    by_pk = rows.in_bulk([pk for pk, *_ in delivery.picks])
    names = {topic.slug: topic.local_name for topic in Topic.objects.only("slug", "name")}
    lines = {pk: reasons(row, topics=names) for pk, row in by_pk.items()}  # the mail's own, in this page's language
    words = dict(
        Verdict.objects.filter(
            subscriber=delivery.subscriber_id, paper__in=[row.paper_id for row in by_pk.values()]
        ).values_list("paper_id", "value")
    )
    paper_of = {pk: row.paper.merged_into_id or row.paper_id for pk, row in by_pk.items()}
    voted = votes.voted_by(delivery.subscriber, paper_of.values())
    saved = library_entries.saved_by(delivery.subscriber, paper_of.values())
    followed = set(delivery.subscriber.follows.filter(stance=Follow.Stance.FOLLOW).values_list("key", flat=True))
    keys = {pk: interest[0] for pk, _lane, _reason, *interest in delivery.picks if interest}
    apart = {row.pk: row for row in delivery.subscriber.interests.all()} if keys else {}
    beyond = gettext("Beyond your interests") if keys else ""
    muted = {
        row: relevance_feedback.muted_topics(delivery, interest=apart[row].own_rows if row else None)
        for row in {0, *apart}
    }
    picks = _in_order(delivery, by_pk)
    heading_of = {} if keys else names | {OTHERS: gettext("On other topics")}
    sections = {pk: heading_of.get(section, beyond) for pk, _lane, _reason, *rest in picks for section in rest}
    return [
        {
            **_query(by_pk[pk], reason, followed),
            "item": by_pk[pk],
            "paper": by_pk[pk].paper,
            "lane": lane,
            "why": line_of(reason, lines[pk]),
            "word": words.get(by_pk[pk].paper_id, 0),
            "has_vote": paper_of[pk] in voted,
            "is_saved": paper_of[pk] in saved,
            "section": apart[keys[pk]].name if keys.get(pk) in apart else sections.get(pk, beyond),
            "muted": muted[keys[pk] if keys.get(pk) in apart else 0],
        }
        for pk, lane, reason, *_interest in picks
        if pk in by_pk
    ]


def _in_order(delivery: Delivery, items: Mapping[int, EditionItem]) -> Sequence[Sequence[Any]]:
    """The picks in the order of the mail: a week's and a month's in sections by topic, each with its own."""
    if delivery.edition.cadence == Edition.Cadence.DAILY or any(len(pick) > PICK for pick in delivery.picks):
        return list(delivery.picks)
    return in_sections(delivery.picks, {pk: primary_topic(row) for pk, row in items.items()})


def _query(item: EditionItem, reason: str, followed: set[str]) -> dict[str, Any]:
    """The query for which the paper came, and whether its reader still follows it; an empty one for other reasons."""
    query = reason.removeprefix(FOLLOW) if reason.startswith(FOLLOW) else ""
    key = next((key for key, text in item.found_by if text == query), "")
    return {"query": query if key else "", "query_key": key, "is_followed": key in followed}


def _context(delivery: Delivery, token: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "delivery": delivery,
        "edition": delivery.edition,
        "note": "" if delivery.edition.taken_down_at else note_html(delivery.edition),
        "correction": correction_html(delivery.edition),
        "title": subject_lines.headline(delivery.edition),
        "is_public": delivery.edition.is_public,
        "entries": entries,
        "token": token,
        "may_vote": submissions.may_take_part(delivery.subscriber),
        "unsubscribe_url": token_links.unsubscribe_url(delivery.subscriber.unsubscribe_token),
        "site_name": settings.SITE_NAME,
    }
