"""What readers see and press. GET, HEAD and OPTIONS never change anything (SS2): scanners follow every link.

In: requests. Out: pages, the same for every state of an address (SS10), and calls of lifecycle. No page here needs a
cookie: a form is either open to everybody or lies behind a secret in its address, so there is no session to forge.
Nothing remote happens in a request: rows are committed and a doorbell is rung (DP6).
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from subscriptions import lifecycle, links, moving, rights, schedule
from subscriptions.addresses import Address, client_address, parse_address
from subscriptions.forms import (
    FORM_VERSION,
    LinkForm,
    MoveForm,
    PauseForm,
    PreferencesForm,
    SignupForm,
    TopicsForm,
    consent_words,
)
from subscriptions.lifecycle import Origin, Wishes
from subscriptions.models import ConsentEvent, Notice, Subscriber
from subscriptions.tasks import ring

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from django.http import HttpRequest, QueryDict

    View = Callable[..., HttpResponse]

EVEN_SECONDS = 0.025  # well above what the slowest of the cases takes, well below what anybody notices
FEW_PAPERS = 5
REST = timedelta(weeks=4)

page = require_http_methods(["GET", "HEAD", "POST"])


def secret_page(view: View) -> View:
    """For pages whose address is a secret: it must not leak by referrer, cache or search engine (SS7)."""

    @csrf_exempt
    @page
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Referrer-Policy"] = "no-referrer"
        response["Cache-Control"] = "no-store"
        response["X-Robots-Tag"] = "noindex"
        return response

    return guarded


def even(view: View) -> View:
    """For answers that must not tell by their time what we know of an address (SS10): POST takes at least so long."""

    @wraps(view)
    def slowed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        started = time.monotonic()
        response = view(request, *args, **kwargs)
        if request.method == "POST":
            time.sleep(max(0.0, EVEN_SECONDS - (time.monotonic() - started)))
        return response

    return slowed


# --- coming ---------------------------------------------------------------------------------------------------------


@csrf_exempt
@page
@even
def subscribe(request: HttpRequest) -> HttpResponse:
    """The form. The banner of other pages posts here too, with the address alone: the rest has defaults."""
    if request.method != "POST":
        return _signup_page(request, SignupForm())
    form = SignupForm(_posted(request))
    if not form.is_valid():
        return _signup_page(request, form)
    if not form.is_by_machine:
        lifecycle.request(
            form.address,
            wishes=form.wishes(Wishes()),
            now=timezone.now(),
            method="page" if form.has_seen_form else "banner",
            origin=_origin(request, came_from=request.headers.get("Referer", ""), words=consent_words()),
        )
        transaction.on_commit(ring, robust=True)
    return _see_other(reverse("subscriptions:sent"))


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
    form = TopicsForm(_posted(request) if request.method == "POST" else None, initial=_rhythm_of(reader))
    wants_topics = not reader.preferences.exists()
    if request.method != "POST" or (wants_topics and not form.is_valid()):
        context = {"form": form, "reader": reader, "wants_topics": wants_topics}
        return render(request, "subscriptions/confirm.html", context)
    wishes = form.wishes(lifecycle.wishes_of(reader)) if wants_topics and "topics_shown" in form.data else None
    if not lifecycle.confirm(asked, wishes=wishes, now=now, method="confirm page", origin=_origin(request)):
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
    return render(
        request, "subscriptions/confirmed.html", {"reader": reader, "next_due": _local(reader.next_due_at, reader)}
    )


def _local(instant: datetime | None, reader: Subscriber) -> datetime | None:
    """The reader's wall clock, without a zone so that templates leave it alone."""
    return instant.astimezone(schedule.zone_named(reader.time_zone)).replace(tzinfo=None) if instant else None


# --- staying --------------------------------------------------------------------------------------------------------


@csrf_exempt
@page
@even
def ask_link(request: HttpRequest) -> HttpResponse:
    form = LinkForm(_posted(request) if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "subscriptions/ask_link.html", {"form": form})
    _mail_link(request, form.cleaned_data["email"])
    return _see_other(reverse("subscriptions:sent"), query="about=link")


def _mail_link(request: HttpRequest, address: Address) -> None:
    lifecycle.ask_link(address, now=timezone.now(), origin=_origin(request))
    transaction.on_commit(ring, robust=True)


@secret_page
def preferences(request: HttpRequest, token: str) -> HttpResponse:
    link = links.read_manage_token(token, now=timezone.now())
    reader = Subscriber.objects.filter(pk=link.subscriber_id, email__isnull=False).first() if link else None
    if link is None or reader is None or not link.fits(reader):
        return render(request, "subscriptions/link_expired.html", {"about": "manage"}, status=410)
    if request.method != "POST":
        return _preferences_page(request, reader)
    act = _ACTIONS.get(_posted(request).get("action", "save"), _save)
    return act(request, reader)


def _preferences_page(request: HttpRequest, reader: Subscriber, **over: Any) -> HttpResponse:
    today = schedule.local_day(timezone.now(), reader.time_zone)
    context = {
        "reader": reader,
        "form": PreferencesForm(wishes=lifecycle.wishes_of(reader)),
        "pause": PauseForm(today=today),
        "moving": MoveForm(),
        "next_due": _local(reader.next_due_at, reader),
        "paused_until": _local(reader.paused_until, reader),
        "is_active": reader.state in lifecycle.ACTIVE,
        "saved": request.GET.get("saved", ""),
    }
    return render(request, "subscriptions/preferences.html", context | over)


def _save(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    form = PreferencesForm(_posted(request), wishes=lifecycle.wishes_of(reader))
    if not form.is_valid():
        return _preferences_page(request, reader, form=form)
    lifecycle.change(reader, wishes=form.wishes(), **_act(request))
    return _see_other(request.path, query="saved=wishes")


def _pause(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    form = PauseForm(_posted(request), today=schedule.local_day(timezone.now(), reader.time_zone))
    if not form.is_valid():
        return _preferences_page(request, reader, pause=form)
    until = schedule.local_midnight(form.cleaned_data["until"], reader.time_zone)
    lifecycle.pause(reader, until=until, **_act(request))
    return _see_other(request.path, query="saved=pause")


def _resume(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    lifecycle.resume(reader, **_act(request))
    return _see_other(request.path, query="saved=resume")


def _leave(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    lifecycle.unsubscribe(reader, reason=_posted(request).get("reason", ""), **_act(request))
    return _see_other(request.path, query="saved=left")


def _export(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    everything = rights.export(reader, **_act(request))
    response = JsonResponse(everything, json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return response


def _erase(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    if _posted(request).get("sure") != "yes":
        return _preferences_page(request, reader, ask_sure=True)
    rights.erase(reader, now=timezone.now(), method="preferences")
    return render(request, "subscriptions/erased.html")


def _ask_move(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    form = MoveForm(_posted(request))
    if not form.is_valid():
        return _preferences_page(request, reader, moving=form)
    moving.ask_move(reader, to=form.cleaned_data["new_email"], now=timezone.now(), origin=_origin(request))
    transaction.on_commit(ring, robust=True)
    return _see_other(request.path, query="saved=move")


_ACTIONS = {
    "move": _ask_move,
    "save": _save,
    "pause": _pause,
    "resume": _resume,
    "leave": _leave,
    "export": _export,
    "erase": _erase,
}


def _act(request: HttpRequest) -> dict[str, Any]:
    return {"now": timezone.now(), "method": "preferences", "origin": _origin(request)}


@secret_page
def move(request: HttpRequest, token: str) -> HttpResponse:
    """The link in the mail to the new address of a reader who changes it."""
    now = timezone.now()
    pk = links.read_move_token(token, now=now)
    wishes = Notice.objects.select_related("subscriber").filter(kind=Notice.Kind.MOVE)
    notice = wishes.filter(pk=pk).first() if pk is not None else None
    if notice is None:
        return render(request, "subscriptions/link_expired.html", {"about": "manage"}, status=410)
    if request.method != "POST":
        return render(request, "subscriptions/move.html", {"address": notice.context["to"]})
    if not moving.move(notice, now=now, method="move page", origin=_origin(request)):
        return render(request, "subscriptions/link_expired.html", {"about": "manage"}, status=410)
    transaction.on_commit(ring, robust=True)
    return render(request, "subscriptions/moved.html", {"address": notice.context["to"]})


# --- leaving --------------------------------------------------------------------------------------------------------


@secret_page
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """The page of the link in every digest, and the address that mail programs post to by themselves (RFC 8058).

    A token nobody has gets the answers of one that somebody has: it may be of a reader who was erased.
    """
    now = timezone.now()
    reader = Subscriber.objects.filter(unsubscribe_hash=links.unsubscribe_hash(token)).first()
    if request.method != "POST":
        has_left = reader is not None and reader.state not in lifecycle.ACTIVE
        return render(request, "subscriptions/unsubscribe.html", {"reader": reader, "has_left": has_left})
    data = _posted(request)
    if data.get("action") in _INSTEAD:
        fewer = reader is not None and _INSTEAD[data["action"]](reader, now=now, origin=_origin(request))
        return render(request, "subscriptions/fewer.html", {"action": data["action"], "fewer": fewer})
    if data.get("action") == "link":
        if reader is not None and reader.email:
            _mail_link(request, parse_address(reader.email))
        return _see_other(reverse("subscriptions:sent"), query="about=link")
    if data.get("action") == "undo":
        is_back = reader is not None and lifecycle.undo(reader, now=now, method="undo", origin=_origin(request))
        return render(request, "subscriptions/back.html" if is_back else "subscriptions/left.html", {})
    if reader is not None:
        by_program = data.get("List-Unsubscribe") == "One-Click"
        lifecycle.unsubscribe(
            reader,
            now=now,
            method="one-click" if by_program else "unsubscribe page",
            origin=_origin(request),
            reason=data.get("reason", ""),
        )
    return render(request, "subscriptions/left.html", {"undo_minutes": lifecycle.UNDO_WINDOW.seconds // 60})


def _weekly(reader: Subscriber, *, now: datetime, origin: Origin) -> bool:
    monthly, weekly = Subscriber.Cadence.MONTHLY, Subscriber.Cadence.WEEKLY
    return _wish(reader, now=now, origin=origin, cadence=monthly if reader.cadence == monthly else weekly)


def _five_papers(reader: Subscriber, *, now: datetime, origin: Origin) -> bool:
    return _wish(reader, now=now, origin=origin, max_papers=min(reader.max_papers, FEW_PAPERS))


def _four_weeks_off(reader: Subscriber, *, now: datetime, origin: Origin) -> bool:
    day = schedule.local_day(now, reader.time_zone) + REST
    until = max(schedule.local_midnight(day, reader.time_zone), reader.paused_until or now)
    return lifecycle.pause(reader, until=until, now=now, method="fewer instead", origin=origin)


def _wish(reader: Subscriber, *, now: datetime, origin: Origin, **wishes: Any) -> bool:
    wanted = replace(lifecycle.wishes_of(reader), **wishes)
    return lifecycle.change(reader, wishes=wanted, now=now, method="fewer instead", origin=origin)


# What the unsubscribe page offers beside its button. Each only ever means less mail: a digest may be in other hands.
_INSTEAD = {"weekly": _weekly, "fewer": _five_papers, "rest": _four_weeks_off}


# --- what we know ---------------------------------------------------------------------------------------------------


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """What we keep, for how long and who else sees it: written from the settings that decide it (PL8)."""
    context = {
        "controller": settings.PRIVACY_CONTROLLER,
        "postal_address": settings.POSTAL_ADDRESS,
        "contact": settings.REPLY_TO_EMAIL,
        "processors": settings.PRIVACY_PROCESSORS,
        "unconfirmed_days": settings.RETENTION_UNCONFIRMED_DAYS,
        "origin_days": settings.RETENTION_ORIGIN_DAYS,
        "left_days": settings.RETENTION_LEFT_DAYS,
        "delivery_days": settings.RETENTION_DELIVERY_DAYS,
        "version": FORM_VERSION,
    }
    return render(request, "subscriptions/privacy.html", context)


# --- shared ---------------------------------------------------------------------------------------------------------


def _posted(request: HttpRequest) -> QueryDict | dict[str, str]:
    """The form data; none when it cannot be read. Leaving must work whatever a mail program sends."""
    try:
        return request.POST
    except (MultiPartParserError, RequestDataTooBig, UnicodeDecodeError):
        return {}


def _origin(request: HttpRequest, *, came_from: str = "", words: str = "") -> Origin:
    """Where this wish comes from. Of a secret page only the kind is noted, never its address."""
    match = request.resolver_match
    client = client_address(
        request.META.get("REMOTE_ADDR", ""),
        request.headers.get("X-Forwarded-For", ""),
        trusted_proxies=settings.TRUSTED_PROXY_COUNT,
    )
    return Origin(
        ip=client,
        user_agent=_plain(request.headers.get("User-Agent", "")),
        source_url=_plain(came_from) or (match.url_name or "" if match else ""),
        form_version=FORM_VERSION,
        words=words,
    )


def _plain(text: str) -> str:
    """Without what PostgreSQL cannot store and a log cannot show."""
    return "".join(char for char in text if char.isprintable())[:300]


def _see_other(where: str, *, query: str = "") -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{where}?{query}" if query else where, status=303)
