"""Atom and JSON Feeds of editions: all of them, and those of one cadence.

In: the address asked for. Out: an entry for each edition that went out lately, with its papers as links. Every link
starts with SITE_URL, never with the Host header. Read-only; unchanged documents are answered 304.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.http import Http404, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.feedgenerator import Atom1Feed
from django.utils.html import format_html, format_html_join, linebreaks
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page

from newsletter.models import Edition
from newsletter.views.archive import TITLES_SHOWN, newest_first, shown_of
from newsletter.views.feeds import xml_text

if TYPE_CHECKING:
    from django.http import HttpRequest

    from newsletter.views.archive import Shown

EDITIONS_PER_FEED = 20
PAPERS_SHOWN = 10


@dataclass(frozen=True)
class Item:
    """One edition as feed readers show it."""

    edition: Edition
    title: str
    link: str
    summary: str
    content: SafeString


@conditional_page
@cache_control(public=True, max_age=300)
def editions_feed(request: HttpRequest, kind: str, cadence: str = "") -> HttpResponse:
    titles = {
        "": _("%(site)s: editions"),
        Edition.Cadence.DAILY: _("%(site)s: daily editions"),
        Edition.Cadence.WEEKLY: _("%(site)s: the week in papers"),
        Edition.Cadence.MONTHLY: _("%(site)s: the month in papers"),
    }
    if cadence not in titles:
        raise Http404
    found = Edition.objects.issued()
    if cadence:
        found = found.filter(cadence=cadence)
    newest = list(newest_first(found)[:EDITIONS_PER_FEED])
    items = [_item(shown) for shown in shown_of(newest, limit=PAPERS_SHOWN)]
    page = settings.SITE_URL + reverse("newsletter:editions") + (f"?cadence={cadence}" if cadence else "")
    write = {"atom": _atom, "json": _json}[kind]
    return write(items, title=titles[cadence] % {"site": settings.SITE_NAME}, page=page, address=request.path)


def _item(shown: Shown) -> Item:
    edition = shown.edition
    listed = format_html_join(
        "\n",
        '<li><a href="{}">{}</a>{}</li>',
        (
            (
                settings.SITE_URL + lead.url,
                xml_text(lead.title),
                format_html(": {}", xml_text(lead.note)) if lead.note else "",
            )
            for lead in shown.leads
        ),
    )
    note = SafeString(linebreaks(xml_text(edition.editor_note), autoescape=True)) if edition.editor_note else ""
    return Item(
        edition=edition,
        title=shown.headline,
        link=settings.SITE_URL + edition.get_absolute_url(),
        summary="; ".join(xml_text(lead.title) for lead in shown.leads[:TITLES_SHOWN]),
        content=format_html("{}<ol>\n{}\n</ol>", note, listed),
    )


def _atom(items: list[Item], *, title: str, page: str, address: str) -> HttpResponse:
    feed = Atom1Feed(
        title=xml_text(title),
        link=page,
        description=_description(),
        subtitle=_description(),
        feed_url=settings.SITE_URL + address,
        feed_guid=settings.SITE_URL + address,
    )
    for item in items:
        feed.add_item(
            title=xml_text(item.title),
            link=item.link,
            description=item.content,  # the generator says type="html" of it
            unique_id=item.link,
            author_name=xml_text(settings.SITE_NAME),
            pubdate=item.edition.frozen_at,
            updateddate=item.edition.frozen_at,
            categories=[item.edition.get_cadence_display()],
        )
    return HttpResponse(feed.writeString("utf-8"), content_type="application/atom+xml; charset=utf-8")


def _json(items: list[Item], *, title: str, page: str, address: str) -> HttpResponse:
    """https://www.jsonfeed.org/version/1.1/"""
    body = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": title,
        "description": _description(),
        "home_page_url": page,
        "feed_url": settings.SITE_URL + address,
        "items": [
            {
                "id": item.link,
                "url": item.link,
                "title": item.title,
                "summary": item.summary,
                "content_html": item.content,
                "date_published": item.edition.frozen_at.isoformat() if item.edition.frozen_at else None,
                "authors": [{"name": settings.SITE_NAME, "url": f"{settings.SITE_URL}/"}],
                "tags": [item.edition.get_cadence_display()],
            }
            for item in items
        ],
    }
    return JsonResponse(body, content_type="application/feed+json", json_dumps_params={"ensure_ascii": False})


def _description() -> str:
    return _("Every edition sent to readers, in the editors' order.")
