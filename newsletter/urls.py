"""Every address of the site. One-click unsubscribe has no slash to add: it must never redirect (RFC 8058)."""

from contextlib import suppress
from datetime import date

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.urls import Resolver404, URLPattern, URLResolver, include, path, register_converter
from django.urls.resolvers import RegexPattern

from newsletter import api
from newsletter.api.docs_page import api_page
from newsletter.monitoring.digest_previews import TOKEN
from newsletter.views import (
    archive,
    authors,
    digest,
    edition_feeds,
    library,
    page_context,
    paper,
    private_feed,
    reading_list,
    search,
    signup_preview,
    topic_drawings,
    votes_and_submissions,
    why_these_papers,
)
from newsletter.views import listing_pages as listing
from newsletter.views import paper_feeds as feeds
from newsletter.views.period_urls import MonthConverter, WeekConverter


class DayConverter:
    regex = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> date:
        return date.fromisoformat(value)

    def to_url(self, value: date) -> str:
        return value.isoformat()


class CadenceConverter:
    regex = "daily|weekly|monthly"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class FeedKindConverter:
    regex = "atom|json"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(DayConverter, "day")
register_converter(WeekConverter, "week")
register_converter(MonthConverter, "month")
register_converter(CadenceConverter, "cadence")
register_converter(FeedKindConverter, "feed")

pages: list[URLPattern] = [
    path("", listing.home, name="home"),
    path("today/", listing.today, name="today"),
    path("date/<day:day>/", listing.day, name="day"),
    path("week/", listing.newest, {"kind": "week"}, name="newest_week"),
    path("week/<week:monday>/", listing.week, name="week"),
    path("month/", listing.newest, {"kind": "month"}, name="newest_month"),
    path("month/<month:first>/", listing.month, name="month"),
    path("trending/", listing.trending, name="trending"),
    path("topics/", listing.topics, name="topics"),
    path("topic/<slug:slug>/", listing.topic, name="topic"),
    path("author/<str:slug>/", authors.author, name="author"),
    path("institution/<str:slug>/", authors.institution, name="institution"),
    path("paper/<int:pk>/", paper.paper, name="paper"),
    path("abs/<path:name>", paper.by_arxiv_id, name="by_arxiv_id"),
    path("pdf/<path:name>", paper.by_arxiv_id),
    path("papers/<path:name>", paper.by_arxiv_id),
    path("saved/", reading_list.reading_list, name="reading_list"),
    path("cite.<str:suffix>", reading_list.cite, name="cite"),
    path("search/", search.search_page, name="search"),
    path("search/suggest/", search.suggest, name="suggest"),
    path("opensearch.xml", search.opensearch, name="opensearch"),
    path("editions/", archive.editions, name="editions"),
    path("edition/<cadence:cadence>/<day:period>/", archive.edition, name="edition"),
    path("edition/<cadence:cadence>/<day:period>/share.png", archive.share, name="edition_share"),
    path("picture/<str:name>.webp", paper.picture, name="picture"),
    path("picture/<str:name>.jpg", paper.jpeg, name="jpeg"),
    path("picture/<slug:slug>/<int:variant>.svg", topic_drawings.topic_drawing, name="topic_drawing"),
    path("paper/<int:pk>/share.png", paper.share, name="share"),
    path("subscribe/preview/", signup_preview.signup_preview, name="signup_preview"),
    path("feeds/today.<feed:kind>", feeds.today_feed, name="today_feed"),
    path("feeds/trending.<feed:kind>", feeds.trending_feed, name="trending_feed"),
    path("feeds/topic/<slug:slug>.<feed:kind>", feeds.topic_feed, name="topic_feed"),
    path("feeds/author/<str:slug>.<feed:kind>", authors.author_feed, name="author_feed"),
    path("feeds/institution/<str:slug>.<feed:kind>", authors.institution_feed, name="institution_feed"),
    path("feeds/editions.<feed:kind>", edition_feeds.editions_feed, name="editions_feed"),
    path("feeds/editions/<cadence:cadence>.<feed:kind>", edition_feeds.editions_feed, name="cadence_feed"),
    path("sitemap.xml", feeds.sitemap, name="sitemap"),
    path("sitemap-pages.xml", feeds.sitemap_pages, name="sitemap_pages"),
    path("sitemap-papers-<int:part>.xml", feeds.sitemap_papers, name="sitemap_papers"),
    path("api/", api_page, name="api_page"),
    path(".well-known/security.txt", feeds.security, name="security"),
    path("robots.txt", feeds.robots, name="robots"),
    path("site.webmanifest", feeds.web_manifest, name="web_manifest"),
    path("r/<str:token>/papers/", votes_and_submissions.papers, name="reader_papers"),
    path("r/<str:token>/library/", library.library, name="library"),
    path("r/<str:token>/library.<str:suffix>", library.library_file, name="library_file"),
    path("r/<str:token>/feed/", private_feed.private_feed, name="private_feed"),
    path("r/<str:token>/digests.<feed:kind>", private_feed.digests, name="private_digests"),
    path("r/<str:token>/profile/", why_these_papers.profile, name="profile"),
    *(path(f"d/{TOKEN}{rest}", digest.of_test_mail) for rest in ("", "/<path:rest>")),
    path("d/<str:token>", digest.digest, name="digest"),
    path("d/<str:token>/news", digest.wish, {"wish": "wants_news", "section": "news"}, name="news"),
    path("d/<str:token>/also-new", digest.wish, {"wish": "wants_also", "section": "also-new"}, name="also_new"),
    path("d/<str:token>/catch-up", digest.catch_up, name="catch_up"),
    path("d/<str:token>/left-out", why_these_papers.left_out, name="left_out"),
    path("d/<str:token>/<int:item>", digest.item, name="digest_item"),
    path("c/<str:token>/<int:item>/<str:kind>", digest.click, name="click"),
]

handler400 = page_context.bad_request
admin.autodiscover()
urlpatterns = [
    path(f"{settings.ADMIN_PATH}passkey/", include("django_otp_webauthn.urls")),  # before the admin, which takes all
    path(settings.ADMIN_PATH, admin.site.urls),
    *([path("anymail/", include("anymail.urls"))] if settings.ANYMAIL else []),
    path("api/v1/", api.urls),
    path("", include("subscriptions.urls")),
    path("", include((pages, "newsletter"))),
]
with suppress(Resolver404):
    URLResolver(RegexPattern(""), urlpatterns[2:]).resolve(settings.ADMIN_PATH)
    raise ImproperlyConfigured(f"ADMIN_PATH must be a path that no page of the site has, not {settings.ADMIN_PATH!r}.")
