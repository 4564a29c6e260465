"""Every address of the site. One-click unsubscribe has no slash to add: it must never redirect (RFC 8058)."""

from datetime import date

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, include, path, register_converter

from newsletter import digest_pages, views


class DayConverter:
    regex = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"

    def to_python(self, value: str) -> date:
        return date.fromisoformat(value)

    def to_url(self, value: date) -> str:
        return value.isoformat()


register_converter(DayConverter, "day")

pages: list[URLPattern] = [
    path("", views.home, name="home"),
    path("date/<day:day>/", views.day, name="day"),
    path("topics/", views.topics, name="topics"),
    path("topic/<slug:slug>/", views.topic, name="topic"),
    path("paper/<int:pk>/", views.paper, name="paper"),
    path("d/<str:token>", digest_pages.digest, name="digest"),
    path("d/<str:token>/<int:item>", digest_pages.item, name="digest_item"),
]

urlpatterns = [
    path(settings.ADMIN_PATH, admin.site.urls),
    path("", include("subscriptions.urls")),
    path("", include((pages, "newsletter"))),
]
