"""Sign-up: the form, its banner and frame, and the confirmation page.

GET, HEAD and OPTIONS never change anything: scanners follow every link. The answers are the same for every state
of an address.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from csp.decorators import csp_replace
from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS
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

from subscriptions import follows, lifecycle, papers_at_signup, posted_form_values, token_links
from subscriptions import refused_requests as refusals
from subscriptions.forms import TOO_MANY, ConfirmForm, SignupForm, TopicsForm, consent_words, errors_of
from subscriptions.lifecycle import TooMany
from subscriptions.models import ConsentEvent, Follow, RefusedRequest, Subscriber
from subscriptions.preferences import Preferences, preferences_of
from subscriptions.tasks import wake_sender
from subscriptions.views.guards import (
    hide_timing,
    next_digest_of,
    origin_of,
    page,
    posted,
    secret_page,
    see_other,
)


@csrf_exempt
@page
@hide_timing
def subscribe(request: HttpRequest) -> HttpResponse:
    """Sign-up form. The banner of other pages posts here too, with the address alone: the rest has defaults."""
    if request.method != "POST":
        wanted = {"follow": request.GET.get("follow", "")[: Follow.LONGEST], "topics": request.GET.getlist("topics")}
        return _signup_page(request, SignupForm(initial=wanted))
    form = SignupForm(posted(request), request.FILES)
    is_accepted = _take_signup(request, form, method="banner")
    if request.accepts("application/json") and not request.accepts("text/html"):
        return _told(form, is_accepted=is_accepted)
    return see_other(reverse("subscriptions:sent")) if is_accepted else _signup_page(request, form)


def _take_signup(request: HttpRequest, form: SignupForm, *, method: str) -> bool:
    """Hand a valid sign-up to `lifecycle`; False: the form has errors. ``method``: its way when not the form."""
    if not form.is_valid():
        return False
    now = timezone.now()
    if why := form.looks_automatic or ("" if _passes_guard(request) else RefusedRequest.Reason.GUARD):
        refusals.count(why, now=now)
        form.ask_again(why)
        return False
    with transaction.atomic():
        try:
            lifecycle.request(
                form.address,
                preferences=form.preferences(Preferences()),
                now=now,
                method="page" if form.has_seen_form else method,
                origin=origin_of(request, came_from=request.headers.get("Referer", ""), words=consent_words()),
            )
        except TooMany:  # caught in here, so that the refusal stays counted
            form.ask_again(TOO_MANY)
            return False
        papers_at_signup.attach(form.library, address=form.address, now=now)
    transaction.on_commit(wake_sender, robust=True)
    return True


def _status(form: SignupForm) -> int:
    return 429 if form.has_error(NON_FIELD_ERRORS, TOO_MANY) else 200


def _passes_guard(request: HttpRequest) -> bool:
    """The operator's own captcha or proof of work, if there is one (SIGNUP_GUARD)."""
    return not settings.SIGNUP_GUARD or bool(import_string(settings.SIGNUP_GUARD)(request))


def _told(form: SignupForm, *, is_accepted: bool) -> JsonResponse:
    """Answer of the banner, shown in place."""
    if is_accepted:
        return JsonResponse(
            {
                "is_accepted": True,
                "message": gettext("Check your inbox: open the link we sent you and press the button to confirm."),
            }
        )
    message = " ".join(str(error) for errors in form.errors.values() for error in errors)
    return JsonResponse({"is_accepted": False, "message": message}, status=max(422, _status(form)))


@csrf_exempt
@page
@xframe_options_exempt
@csp_replace({"frame-ancestors": ["*"]})
@hide_timing
def embed(request: HttpRequest) -> HttpResponse:
    """The form in a frame on somebody else's site. It answers inside the frame."""
    form = SignupForm(posted(request) if request.method == "POST" else None)
    is_accepted = request.method == "POST" and _take_signup(request, form, method="embed")
    context = {"form": form, "is_accepted": is_accepted, "words": consent_words(), "hours": token_links.CONFIRM_HOURS}
    return render(request, "subscriptions/embed.html", context | {"errors": errors_of(form)}, status=_status(form))


def _signup_page(request: HttpRequest, form: SignupForm) -> HttpResponse:
    context = {"form": form, "errors": errors_of(form), "words": consent_words(), "nav": "subscribe"}
    context["preview"] = follows.preview(request.GET.get("follow", ""))
    return render(request, "subscriptions/subscribe.html", context, status=_status(form))


@require_safe
def sent(request: HttpRequest) -> HttpResponse:
    """ "Check your inbox": the same page for every sign-up and every request for a link, known address or not."""
    about = request.GET.get("about", "")
    hours = token_links.MANAGE_HOURS if about in {"link", "kept"} else token_links.CONFIRM_HOURS
    context = {"about": about, "hours": hours, "contact": settings.REPLY_TO_EMAIL}
    return render(request, "subscriptions/sent.html", context)


@secret_page
def confirm(request: HttpRequest, token: str) -> HttpResponse:
    now = timezone.now()
    asked = _request_of(token)
    if asked is None:
        return _void_link(request)
    reader = asked.subscriber
    if reader.state in lifecycle.ACTIVE:
        return _confirmed_page(request, reader, is_other=_chose_otherwise(request, asked))
    asked_for = lifecycle.preferences_asked(asked)
    form = ConfirmForm(posted(request) if request.method == "POST" else None, asked=asked_for)
    if request.method != "POST" or not form.is_valid():
        context = {"form": form, "errors": errors_of(form), "reader": reader, "keep_zone": asked_for.time_zone != "UTC"}
        brought = papers_at_signup.told(papers_at_signup.asked_for(asked))
        return render(request, "subscriptions/confirm.html", context | brought)
    if not _confirm(request, asked, form, asked_for, now=now):
        return _void_link(request)
    reader.refresh_from_db()
    return _confirmed_page(request, reader)


def _void_link(request: HttpRequest) -> HttpResponse:
    """Answer to a link that confirms nothing; what was chosen behind it is kept in the form for a new link."""
    data = posted(request)
    typed = posted_form_values.fields_of(TopicsForm(), data)
    if not typed:
        return render(request, "subscriptions/link_expired.html", {"about": "confirm"}, status=410)
    chosen = {name: values if name == "topics" else values[0] for name, values in typed.items()}
    form = SignupForm(initial=chosen | {"follow": data.get("follows", "")[: Follow.LONGEST]})
    again = gettext(
        "This link no longer works, so nothing was confirmed. What you chose is still below: enter your address to get "
        "a new link."
    )
    context = {"form": form, "errors": [("id_email", again)], "words": consent_words(), "keep_zone": True}
    return render(request, "subscriptions/subscribe.html", context, status=410)


def _chose_otherwise(request: HttpRequest, asked: ConsentEvent) -> bool:
    """Whether a reader who is confirmed presses again behind the same link, in another tab, with other choices."""
    asked_for = lifecycle.preferences_asked(asked)
    form = ConfirmForm(posted(request) if request.method == "POST" else None, asked=asked_for)
    if "topics_shown" not in form.data or not form.is_valid():
        return False
    now, chosen = preferences_of(asked.subscriber), form.preferences(asked_for)
    shown = {name: getattr(chosen, name) for name in ("stances", "follows", *lifecycle.RHYTHM) if name != "weekdays"}
    return replace(now, **shown) != now


def _confirm(
    request: HttpRequest, asked: ConsentEvent, form: ConfirmForm, asked_for: Preferences, *, now: datetime
) -> bool:
    """Confirm with what the form says, or, when only its button was pressed, with what was asked for."""
    has_seen_form = "topics_shown" in form.data
    preferences = form.preferences(asked_for) if has_seen_form else None
    with transaction.atomic():
        library = papers_at_signup.asked_for(asked) if "library" in form.data or not has_seen_form else {}
        origin = origin_of(request)
        is_confirmed = lifecycle.confirm(asked, preferences=preferences, now=now, method="confirm page", origin=origin)
        if is_confirmed:
            papers_at_signup.keep(asked.subscriber, library, now=now)
    return is_confirmed


def _request_of(token: str) -> ConsentEvent | None:
    pk = token_links.read_confirm_token(token, now=timezone.now())
    requests = ConsentEvent.objects.select_related("subscriber").filter(kind=ConsentEvent.Kind.REQUESTED)
    asked = requests.filter(pk=pk).first() if pk is not None else None
    return None if asked is None or asked.subscriber.state == Subscriber.State.ERASED else asked


def _confirmed_page(request: HttpRequest, reader: Subscriber, *, is_other: bool = False) -> HttpResponse:
    context = {
        "reader": reader,
        "is_other": is_other,
        "next_digest": next_digest_of(reader),
        "is_welcomed": settings.WELCOME_DIGEST and reader.welcome_due_at is not None,
    }
    return render(request, "subscriptions/confirmed.html", context)
