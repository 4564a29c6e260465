"""Every address of the site. One-click unsubscribe has no slash to add: it must never redirect (RFC 8058)."""

from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, include, path

pages: list[URLPattern] = []

urlpatterns = [
    path(settings.ADMIN_PATH, admin.site.urls),
    path("", include("subscriptions.urls")),
    path("", include((pages, "newsletter"))),
]
