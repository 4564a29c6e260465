"""Every address of the site. One-click unsubscribe has no slash to add: it must never redirect (RFC 8058)."""

from datetime import date

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, include, path, register_converter

from newsletter.views import digest, feeds, frame, listing, paper, signup_preview


class DayConverter:
    regex = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> date:
        return date.fromisoformat(value)

    def to_url(self, value: date) -> str:
        return value.isoformat()


class FeedKindConverter:
    regex = "atom|json"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(DayConverter, "day")
register_converter(FeedKindConverter, "feed")

pages: list[URLPattern] = [
    path("", listing.home, name="home"),
    path("date/<day:day>/", listing.day, name="day"),
    path("trending/", listing.trending, name="trending"),
    path("topics/", listing.topics, name="topics"),
    path("topic/<slug:slug>/", listing.topic, name="topic"),
    path("paper/<int:pk>/", paper.paper, name="paper"),
    path("subscribe/preview/", signup_preview.signup_preview, name="signup_preview"),
    path("feeds/today.<feed:kind>", feeds.today_feed, name="today_feed"),
    path("feeds/trending.<feed:kind>", feeds.trending_feed, name="trending_feed"),
    path("feeds/topic/<slug:slug>.<feed:kind>", feeds.topic_feed, name="topic_feed"),
    path("sitemap.xml", feeds.sitemap, name="sitemap"),
    path("sitemap-pages.xml", feeds.sitemap_pages, name="sitemap_pages"),
    path("sitemap-papers-<int:part>.xml", feeds.sitemap_papers, name="sitemap_papers"),
    path("robots.txt", feeds.robots, name="robots"),
    path("d/<str:token>", digest.digest, name="digest"),
    path("d/<str:token>/<int:item>", digest.item, name="digest_item"),
]

handler400 = frame.bad_request
admin.autodiscover()
urlpatterns = [
    path(settings.ADMIN_PATH, admin.site.urls),
    *([path("anymail/", include("anymail.urls"))] if settings.ANYMAIL else []),
    path("", include("subscriptions.urls")),
    path("", include((pages, "newsletter"))),
]
