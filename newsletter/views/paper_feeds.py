"""Atom and JSON Feeds of today, trending and each topic; the sitemap; robots.txt.

In: the address asked for. Out: documents whose every link starts with SITE_URL, never with the Host header.
Read-only; unchanged documents are answered 304.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from django.conf import settings
from django.core.cache import cache
from django.db.models import Max, Min, OuterRef, Q, Subquery
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import escape_uri_path
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page

from newsletter.models import Edition, Paper, PaperTopic
from newsletter.models.papers import PAPERS_PER_FEED, UNLISTED, slice_of_union
from newsletter.views.feed_formats import PAGE, PDF, Entry, Feed, write_feed
from newsletter.views.period_urls import period_around
from subscriptions.models import Topic

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from django.http import HttpRequest


LATELY = timedelta(hours=48)  # papers since then stay in a topic's feed, for programs that ask once a day
PAPERS_PER_SITEMAP = 10_000
KEEP_SECONDS = 3600
SITEMAP_PARTS = 50_000  # addresses in one file, the protocol's limit


@dataclass(frozen=True)
class Channel:
    """A feed: its title, the page it belongs to, and its papers."""

    title: str
    description: str
    page: str
    papers: Sequence[Paper]


def _today() -> Channel:
    """The newest two daily lists, and what came late to one of the week: it is there for two days."""
    day = Paper.objects.newest_day()
    if day is None:  # as on the front page
        papers = slice_of_union([Paper.objects.published().order_by("-first_seen_at", "id")], 0, PAPERS_PER_FEED)
    else:
        since = Paper.objects.day_before(day) or day
        is_late = Q(first_seen_at__gte=timezone.now() - LATELY, listed_on__gte=day - timedelta(days=6))
        days = Paper.objects.published().filter(Q(listed_on__range=(since, day)) | is_late)
        papers = list(days.with_topics().order_by("-listed_on", "-score_daily", "-upvotes", "-id"))
    return Channel(
        _("%(site)s: today's papers") % {"site": settings.SITE_NAME},
        _("The papers of the newest two daily lists, by day and trend."),
        reverse("newsletter:home"),
        papers,
    )


def _trending() -> Channel:
    last = Paper.objects.newest_day() or datetime.now(UTC).date()
    return Channel(
        _("%(site)s: trending papers") % {"site": settings.SITE_NAME},
        _("The papers from the last seven days that are gaining attention fastest."),
        reverse("newsletter:trending"),
        slice_of_union([Paper.objects.trending(last)], 0, PAPERS_PER_FEED),
    )


def _topic(slug: str) -> Channel:
    """The newest papers of a topic: all of the last two days, and at least the usual number."""
    topic = get_object_or_404(Topic, slug=slug, is_active=True)
    papers = Paper.objects.published().assigned_to(topic).order_by("-paper_topics__paper_id")
    since = Paper.objects.filter(first_seen_at__gte=timezone.now() - LATELY).aggregate(pk=Min("pk"))["pk"]
    lately = papers.filter(paper_topics__paper_id__gte=since).count() if since else 0
    return Channel(
        f"{settings.SITE_NAME}: {topic.local_name}",
        topic.local_description,
        reverse("newsletter:topic", args=[topic.slug]),
        slice_of_union([papers], 0, max(PAPERS_PER_FEED, lately)),
    )


@conditional_page
@cache_control(public=True, max_age=300)
def today_feed(request: HttpRequest, kind: str) -> HttpResponse:
    return feed_of(request, _today(), kind=kind)


@conditional_page
@cache_control(public=True, max_age=300)
def trending_feed(request: HttpRequest, kind: str) -> HttpResponse:
    return feed_of(request, _trending(), kind=kind)


@conditional_page
@cache_control(public=True, max_age=300)
def topic_feed(request: HttpRequest, slug: str, kind: str) -> HttpResponse:
    return feed_of(request, _topic(slug), kind=kind)


def robots(request: HttpRequest) -> HttpResponse:
    lines = ["User-agent: *", "Allow: /", f"Sitemap: {settings.SITE_URL}{reverse('newsletter:sitemap')}", ""]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")


def web_manifest(request: HttpRequest) -> HttpResponse:
    """Describe the site for phones that keep it among their apps (https://www.w3.org/TR/appmanifest/)."""
    icons = [
        {"src": static("newsletter/mark.svg"), "sizes": "any", "type": "image/svg+xml"},
        {"src": "/apple-touch-icon.png", "sizes": "180x180", "type": "image/png"},
    ]
    colours = {"background_color": "#fbfbf9", "theme_color": "#fbfbf9"}
    home = reverse("newsletter:home")
    about = {"name": settings.SITE_NAME, "short_name": settings.SITE_NAME[:12], "start_url": home, "display": "browser"}
    return JsonResponse({**about, **colours, "icons": icons}, content_type="application/manifest+json")


def security(request: HttpRequest) -> HttpResponse:
    """Say where to report a vulnerability (RFC 9116); the expiry moves with each day."""
    expires = timezone.now().replace(microsecond=0) + timedelta(days=180)
    lines = [
        f"Contact: {settings.SECURITY_CONTACT}",
        f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}",
        "Preferred-Languages: en, de",
        f"Canonical: {settings.SITE_URL}{reverse('newsletter:security')}",
        "",
    ]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")


def feed_of(request: HttpRequest, channel: Channel, *, kind: str) -> HttpResponse:
    feed = Feed(
        title=channel.title,
        description=channel.description,
        page=settings.SITE_URL + channel.page,
        address=settings.SITE_URL + escape_uri_path(request.path),
        entries=[_entry(paper) for paper in channel.papers],
        hub=settings.WEBSUB_HUB_URL,
    )
    return write_feed(feed, kind=kind)


def _entry(paper: Paper) -> Entry:
    links = ((link.url, PAGE) for link in paper.shown_links)
    elsewhere = ((paper.arxiv_url, PAGE), (paper.pdf_url, PDF), *links)
    return Entry(
        title=paper.title,
        link=settings.SITE_URL + paper.get_absolute_url(),
        content=_content(paper),
        summary=paper.key_sentence or "",
        published_at=paper.first_seen_at,
        updated_at=_updated_at(paper),
        authors=[{"name": name} for name in paper.authors],
        tags=[each.topic.name for each in paper.shown_topics],
        more={"external_url": paper.arxiv_url} if paper.arxiv_id else {},
        related=[each for each in elsewhere if each[0]],
    )


def _updated_at(paper: Paper) -> datetime:
    """Return when the entry last changed; feed readers show it again only when this moves (RFC 4287, 4.2.15)."""
    moments = (paper.first_seen_at, paper.reworded_at, paper.withdrawn_at, paper.coded_at)
    return max(moment for moment in moments if moment)


def _content(paper: Paper) -> str:
    withdrawn = _("Withdrawn by its authors.") if paper.withdrawn_at else ""
    return "\n\n".join(filter(None, [withdrawn, paper.abstract]))


@conditional_page
@cache_control(public=True, max_age=3600)
def sitemap(request: HttpRequest) -> HttpResponse:
    """The index. Papers are slice_of_union by ranges of ids, so no part has to count or skip what comes before it."""
    newest = Paper.objects.published().aggregate(pk=Max("pk"))["pk"] or 0
    parts = range(1, -(-newest // PAPERS_PER_SITEMAP) + 1)
    paths = [
        reverse("newsletter:sitemap_pages"),
        *(reverse("newsletter:sitemap_papers", args=[part]) for part in parts),
    ]
    return _sitemap_of("sitemapindex", "sitemap", [(path, None) for path in paths])


@conditional_page
@cache_control(public=True, max_age=3600)
def sitemap_pages(request: HttpRequest) -> HttpResponse:
    of_topic = PaperTopic.objects.filter(topic=OuterRef("pk"), is_assigned=True).order_by("-listed_on")
    lately = Subquery(of_topic.values("listed_on")[:1])
    topics = Topic.objects.filter(is_active=True).annotate(day=lately).values_list("slug", "day")
    days: list[date] = cache.get_or_set("listed-days", _listed_days, KEEP_SECONDS) or []
    periods = [(period_around(kind, day), day) for kind in ("day", "week", "month") for day in days]
    newest = days[0] if days else None
    changed: dict[str, date | None] = {}
    for period, day in periods:
        changed.setdefault(period.url, day)  # the newest list in it
    editions = Edition.objects.issued().only("cadence", "period_on", "frozen_at", "corrected_at")
    issued = [(edition.get_absolute_url(), edition.updated_at) for edition in editions.order_by("-frozen_at")]
    pages: list[tuple[str, date | None]] = [
        (reverse("newsletter:home"), newest),
        (reverse("newsletter:trending"), newest),
        (reverse("newsletter:topics"), None),
        *((reverse("newsletter:topic", args=[slug]), None if day == UNLISTED else day) for slug, day in topics),
        *changed.items(),
        (reverse("newsletter:editions"), issued[0][1] if issued else None),
        *issued,
    ]
    return _sitemap_of("urlset", "url", pages)


def _listed_days() -> list[date]:
    """Return all days that have papers. Reads an index entry of every paper."""
    listed = Paper.objects.published().filter(listed_on__isnull=False).order_by("-listed_on")
    return [day for day in listed.values_list("listed_on", flat=True).distinct() if day]


@conditional_page
@cache_control(public=True, max_age=3600)
def sitemap_papers(request: HttpRequest, part: int) -> HttpResponse:
    if not 1 <= part <= SITEMAP_PARTS:
        raise Http404
    ids = (PAPERS_PER_SITEMAP * (part - 1) + 1, PAPERS_PER_SITEMAP * part)
    papers = Paper.objects.published().filter(pk__range=ids).order_by("pk")
    moments = papers.only("first_seen_at", "reworded_at", "withdrawn_at", "coded_at")
    return _sitemap_of("urlset", "url", [(each.get_absolute_url(), _updated_at(each)) for each in moments])


def _written(changed: date) -> str:
    return f"{changed:%Y-%m-%dT%H:%M:%SZ}" if isinstance(changed, datetime) else f"{changed:%Y-%m-%d}"


def _sitemap_of(root: str, entry: str, paths: Iterable[tuple[str, date | None]]) -> HttpResponse:
    """Return a sitemap of paths and the day or moment when each last changed, where known.

    https://www.sitemaps.org/protocol.html
    """
    lines = [
        f"<{entry}><loc>{escape(settings.SITE_URL + path)}</loc>"
        f"{f'<lastmod>{_written(changed)}</lastmod>' if changed else ''}</{entry}>"
        for path, changed in paths
    ]
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    return HttpResponse("\n".join([head, *lines, f"</{root}>", ""]), content_type="application/xml")
