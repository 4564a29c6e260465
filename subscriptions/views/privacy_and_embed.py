"""Public pages that change nothing: the privacy notice, and how to embed the sign-up form."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from subscriptions.forms import FORM_VERSION


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """Privacy notice: what we keep, for how long and who else sees it, filled in from the settings."""
    context = {
        "controller": settings.PRIVACY_CONTROLLER,
        "postal_address": settings.POSTAL_ADDRESS,
        "contact": settings.REPLY_TO_EMAIL,
        "processors": settings.PRIVACY_PROCESSORS,
        "unconfirmed_days": settings.RETENTION_UNCONFIRMED_DAYS,
        "origin_days": settings.RETENTION_ORIGIN_DAYS,
        "left_days": settings.RETENTION_LEFT_DAYS,
        "delivery_days": settings.RETENTION_DELIVERY_DAYS,
        "counts_clicks": settings.CLICK_TRACKING,
        "version": FORM_VERSION,
    }
    return render(request, "subscriptions/privacy.html", context)


@require_safe
def embed_code(request: HttpRequest) -> HttpResponse:
    """HTML to copy into another site: a frame, or a plain form."""
    urls = {name: settings.SITE_URL + reverse(f"subscriptions:{name}") for name in ("embed", "subscribe")}
    context = {"frame_url": urls["embed"], "form_url": urls["subscribe"]}
    return render(request, "subscriptions/embed_code.html", context)
