"""A reader's own digests as a feed, Atom or JSON: at a secret address, beside the mails or instead of them.

In: a manage link at most a day old for the page that makes and revokes the address; the address itself for feed
readers. Out: an entry for each digest that was planned for this reader and sent, by mail or here, with its papers and
why each was chosen. GET changes nothing; an unchanged feed is answered 304.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.views.decorators.http import conditional_page, require_safe

from newsletter.delivery.compose_message import SCOPE as DELIVERY
from newsletter.mail import subject_lines
from newsletter.mail.digest_links import paper_url
from newsletter.mail.reasons import line_of, reasons
from newsletter.models import Delivery, DigestFeed, EditionItem
from newsletter.views.edition_feeds import corrected
from newsletter.views.feed_formats import Entry, Feed, site_as_author, write_feed, xml_text
from subscriptions import lifecycle, token_links
from subscriptions.models import Subscriber, Topic
from subscriptions.preferences import preferences_of
from subscriptions.views.guards import (
    by_old_link,
    link_expired,
    origin_of,
    page_of,
    posted,
    reader_of,
    secret_page,
    see_other,
)

SCOPE = "digest-feed"
SHOWN = 20
KINDS = ("atom", "json")


@secret_page
def private_feed(request: HttpRequest, token: str) -> HttpResponse:
    """Show the address, if there is one; POST makes a new one, revokes it, or turns the mails off and on."""
    reader = reader_of(token)
    if reader is None:
        return by_old_link(request, token, page=page_of(request, token))
    if request.method != "POST":
        return _page(request, reader)
    match posted(request).get("action"):
        case "address":
            DigestFeed.objects.filter(subscriber=reader).delete()  # a new row, and so another address
            DigestFeed.objects.create(subscriber=reader, at=timezone.now())
        case "revoke":
            DigestFeed.objects.filter(subscriber=reader).delete()
            if reader.mail_format == Subscriber.MailFormat.FEED:  # or nothing would reach the reader any more
                _choose_form(request, reader, Subscriber.MailFormat.HTML)
        case "feed-alone" if DigestFeed.objects.filter(subscriber=reader).exists():
            _choose_form(request, reader, Subscriber.MailFormat.FEED)
        case "mail-too":
            _choose_form(request, reader, Subscriber.MailFormat.HTML)
    return see_other(request.path)


@require_safe
@secret_page
@conditional_page
def digests(request: HttpRequest, token: str, kind: str) -> HttpResponse:
    """Serve the feed behind the secret address, in the reader's own language; 410 once it is revoked."""
    pk = token_links.row_of_token(SCOPE, token) or 0
    row = DigestFeed.objects.select_related("subscriber").filter(pk=pk).first()
    if row is None or row.subscriber.email is None:
        return link_expired(request)
    with translation.override(row.subscriber.language or settings.LANGUAGE_CODE):
        feed = Feed(
            title=_("%(site)s: your digests") % {"site": settings.SITE_NAME},
            description=_("Papers chosen for you, and why."),
            page=f"{settings.SITE_URL}/",
            address=_address(row, kind),
            entries=_entries(row.subscriber),
        )
        return write_feed(feed, kind=kind)


def _page(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    row = DigestFeed.objects.filter(subscriber=reader).first()
    context = {
        "reader": reader,
        "addresses": [(kind, _address(row, kind)) for kind in KINDS] if row else [],
        "is_alone": reader.mail_format == Subscriber.MailFormat.FEED,
    }
    return render(request, "newsletter/private_feed.html", context)


def _choose_form(request: HttpRequest, reader: Subscriber, form: Subscriber.MailFormat) -> None:
    wanted = replace(preferences_of(reader), mail_format=form.value)
    lifecycle.change(reader, preferences=wanted, now=timezone.now(), method="feed page", origin=origin_of(request))


def _address(row: DigestFeed, kind: str) -> str:
    secret = token_links.row_token(SCOPE, row.pk)
    return settings.SITE_URL + reverse("newsletter:private_digests", args=[secret, kind])


def _entries(reader: Subscriber) -> list[Entry]:
    since = timezone.now() - timedelta(days=settings.RETENTION_DELIVERY_DAYS)
    sent = reader.deliveries.filter(state=Delivery.State.SENT, due_at__gt=since).select_related("edition")
    rows = list(sent.order_by("-sent_at", "-pk")[:SHOWN])
    wanted = {pk for row in rows for pk, *_rest in row.picks}
    items = EditionItem.objects.select_related("paper").prefetch_related("paper__paper_topics__topic").in_bulk(wanted)
    names = {topic.slug: topic.local_name for topic in Topic.objects.only("slug", "name")}
    return [
        _entry(row, [(items[pk], why) for pk, _lane, why, *_rest in row.picks if pk in items], names) for row in rows
    ]


def _entry(row: Delivery, papers: Sequence[tuple[EditionItem, str]], names: dict[str, str]) -> Entry:
    listed = format_html_join(
        "\n",
        '<li><a href="{}">{}</a><br>{}<br>{}</li>',
        (
            (
                paper_url(item.paper),
                xml_text(item.paper.title),
                xml_text(line_of(why, reasons(item, topics=names))),
                xml_text(item.paper.key_sentence or ""),
            )
            for item, why in papers
        ),
    )
    first = papers[0][0].paper.title if papers else ""
    return Entry(
        title=subject_lines.headline(row.edition),
        link=f"{settings.SITE_URL}{reverse('newsletter:digest', args=[token_links.row_token(DELIVERY, row.pk)])}",
        content=format_html("{}<ol>\n{}\n</ol>", corrected(row.edition), listed),
        published_at=row.sent_at,
        updated_at=max(filter(None, (row.sent_at, row.edition.corrected_at)), default=None),
        authors=[site_as_author()],
        tags=[row.edition.get_cadence_display()],
        summary=xml_text(first),
        more={},
    )
