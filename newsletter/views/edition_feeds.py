"""Atom and JSON Feeds of editions: all of them, and those of one cadence.

In: the address asked for. Out: an entry for each edition that went out lately, with its papers as links. Every link
starts with SITE_URL, never with the Host header. Read-only; unchanged documents are answered 304.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.http import Http404, HttpResponse
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page

from newsletter.mail.editors_words import correction_html, note_html
from newsletter.models import Edition
from newsletter.views.archive import TITLES_SHOWN, newest_first, shown_of
from newsletter.views.feed_formats import Entry, Feed, site_as_author, write_feed, xml_text

if TYPE_CHECKING:
    from django.http import HttpRequest

    from newsletter.views.archive import Shown

EDITIONS_PER_FEED = 20
PAPERS_SHOWN = 10


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
    page = settings.SITE_URL + reverse("newsletter:editions") + (f"?cadence={cadence}" if cadence else "")
    feed = Feed(
        title=titles[cadence] % {"site": settings.SITE_NAME},
        description=_("Every edition sent to readers, in the editors' order."),
        page=page,
        address=settings.SITE_URL + request.path,
        entries=[_entry(shown) for shown in shown_of(newest, limit=PAPERS_SHOWN)],
        hub=settings.WEBSUB_HUB_URL,
    )
    return write_feed(feed, kind=kind)


def corrected(edition: Edition) -> SafeString:
    """Return the correction for a feed, with its day; "" for none."""
    if not edition.correction or edition.corrected_at is None:
        return SafeString("")
    said = _("Corrected on %(day)s") % {"day": date_format(edition.corrected_at, _("j F Y"))}
    return format_html("<p><strong>{}</strong></p>\n{}", said, xml_text(correction_html(edition)))


def _entry(shown: Shown) -> Entry:
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
    return Entry(
        title=shown.headline,
        link=settings.SITE_URL + edition.get_absolute_url(),
        content=format_html("{}{}<ol>\n{}\n</ol>", corrected(edition), xml_text(note_html(edition)), listed),
        published_at=edition.frozen_at,
        updated_at=edition.updated_at,
        authors=[site_as_author()],
        tags=[edition.get_cadence_display()],
        summary="; ".join(xml_text(lead.title) for lead in shown.leads[:TITLES_SHOWN]),
        more={},
    )
