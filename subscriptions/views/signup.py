"""Coming: the form, its banner and frame, and the button that confirms.

GET, HEAD and OPTIONS never change anything (SS2): scanners follow every link. The answers are the same for every state
of an address (SS10).
"""

from __future__ import annotations

from typing import Any

from csp.decorators import csp_replace
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.module_loading import import_string
from django.utils.translation import gettext
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from subscriptions import lifecycle, links
from subscriptions.forms import (
    SignupForm,
    TopicsForm,
    consent_words,
)
from subscriptions.lifecycle import Wishes
from subscriptions.models import ConsentEvent, Subscriber
from subscriptions.tasks import ring
from subscriptions.views.guards import even, next_digest_of, origin_of, page, posted, secret_page, see_other


@csrf_exempt
@page
@even
def subscribe(request: HttpRequest) -> HttpResponse:
    """The form. The banner of other pages posts here too, with the address alone: the rest has defaults."""
    if request.method != "POST":
        return _signup_page(request, SignupForm())
    form = SignupForm(posted(request))
    is_accepted = _take_signup(request, form, method="banner")
    if request.accepts("application/json") and not request.accepts("text/html"):
        return _told(form, is_accepted=is_accepted)
    return see_other(reverse("subscriptions:sent")) if is_accepted else _signup_page(request, form)


def _take_signup(request: HttpRequest, form: SignupForm, *, method: str) -> bool:
    """Pass a signup on; False when the form has errors. ``method``: how it came when not by the full form."""
    if not form.is_valid():
        return False
    if not form.is_by_machine and _passes_guard(request):
        lifecycle.request(
            form.address,
            wishes=form.wishes(Wishes()),
            now=timezone.now(),
            method="page" if form.has_seen_form else method,
            origin=origin_of(request, came_from=request.headers.get("Referer", ""), words=consent_words()),
        )
        transaction.on_commit(ring, robust=True)
    return True


def _passes_guard(request: HttpRequest) -> bool:
    """The operator's own captcha or proof of work, if there is one (SIGNUP_GUARD)."""
    return not settings.SIGNUP_GUARD or bool(import_string(settings.SIGNUP_GUARD)(request))


def _told(form: SignupForm, *, is_accepted: bool) -> JsonResponse:
    """For the banner, which answers in place."""
    if is_accepted:
        return JsonResponse(
            {
                "is_accepted": True,
                "message": gettext("Check your inbox: open the link we sent you and press the button to confirm."),
            }
        )
    message = " ".join(str(error) for errors in form.errors.values() for error in errors)
    return JsonResponse({"is_accepted": False, "message": message}, status=422)


@csrf_exempt
@page
@xframe_options_exempt
@csp_replace({"frame-ancestors": ["*"]})
@even
def embed(request: HttpRequest) -> HttpResponse:
    """The form in a frame on somebody else's site. It answers inside the frame."""
    form = SignupForm(posted(request) if request.method == "POST" else None)
    is_accepted = request.method == "POST" and _take_signup(request, form, method="embed")
    context = {"form": form, "is_accepted": is_accepted, "words": consent_words(), "hours": links.CONFIRM_HOURS}
    return render(request, "subscriptions/embed.html", context)


def _signup_page(request: HttpRequest, form: SignupForm) -> HttpResponse:
    context = {"form": form, "started": SignupForm.new_start(), "words": consent_words(), "nav": "subscribe"}
    return render(request, "subscriptions/subscribe.html", context)


@require_safe
def sent(request: HttpRequest) -> HttpResponse:
    """The answer to every signup and every wish for a link, whoever asked and whatever we know."""
    about_link = request.GET.get("about") == "link"
    hours = links.MANAGE_HOURS if about_link else links.CONFIRM_HOURS
    return render(request, "subscriptions/sent.html", {"about_link": about_link, "hours": hours})


@secret_page
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    now = timezone.now()
    asked = _request_of(token)
    if asked is None:
        return render(request, "subscriptions/link_expired.html", {"about": "confirm"}, status=410)
    reader = asked.subscriber
    if reader.state in lifecycle.ACTIVE:
        return _confirmed_page(request, reader)
    form = TopicsForm(posted(request) if request.method == "POST" else None, initial=_rhythm_of(reader))
    wants_topics = not reader.preferences.exists()
    if request.method != "POST" or (wants_topics and not form.is_valid()):
        context = {"form": form, "reader": reader, "wants_topics": wants_topics}
        return render(request, "subscriptions/confirm.html", context)
    wishes = form.wishes(lifecycle.wishes_of(reader)) if wants_topics and "topics_shown" in form.data else None
    if not lifecycle.confirm(asked, wishes=wishes, now=now, method="confirm page", origin=origin_of(request)):
        return render(request, "subscriptions/link_expired.html", {"about": "confirm"}, status=410)
    reader.refresh_from_db()
    return _confirmed_page(request, reader)


def _request_of(token: str) -> ConsentEvent | None:
    pk = links.read_confirm_token(token, now=timezone.now())
    requests = ConsentEvent.objects.select_related("subscriber").filter(kind=ConsentEvent.Kind.REQUESTED)
    asked = requests.filter(pk=pk).first() if pk is not None else None
    return None if asked is None or asked.subscriber.state == Subscriber.State.ERASED else asked


def _rhythm_of(reader: Subscriber) -> dict[str, Any]:
    return {"cadence": reader.cadence, "hour": reader.hour, "time_zone": reader.time_zone}


def _confirmed_page(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    context = {
        "reader": reader,
        "next_digest": next_digest_of(reader),
        "is_welcomed": settings.WELCOME_DIGEST and reader.welcome_due_at is not None,
    }
    return render(request, "subscriptions/confirmed.html", context)
