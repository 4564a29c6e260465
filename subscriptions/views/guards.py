"""Shared parts of the readers' pages: protection, reading a request, common answers.

In: requests. Out: guarded views, the form data, the Origin for the consent record. No page here needs a cookie: a form
is either open to everybody or lies behind a secret in its address, so there is no session to forge. Nothing remote
happens in a request: rows are committed and the sender is woken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.http.multipartparser import MultiPartParserError
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from subscriptions import lifecycle, posted_form_values, preferences_link, schedule, token_links
from subscriptions.addresses import Address, client_address, parse_address
from subscriptions.forms import FORM_VERSION, LinkForm, too_many_words
from subscriptions.lifecycle import Origin, TooMany
from subscriptions.models import Subscriber
from subscriptions.tasks import wake_sender

View = Callable[..., HttpResponse]
LEAST_SECONDS = 0.025  # well above what the slowest of the cases takes, well below what anybody notices
page = require_http_methods(["GET", "HEAD", "POST"])


def secret_page(view: View) -> View:
    """Decorator for pages whose address holds a token: keeps it out of referrers, caches and search engines."""

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


def hide_timing(view: View) -> View:
    """Decorator: POST takes at least LEAST_SECONDS, so that its time does not reveal if an address is known."""

    @wraps(view)
    def slowed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        started = time.monotonic()
        response = view(request, *args, **kwargs)
        if request.method == "POST":
            time.sleep(max(0.0, LEAST_SECONDS - (time.monotonic() - started)))
        return response

    return slowed


def posted(request: HttpRequest) -> QueryDict | dict[str, str]:
    """The form data; none when it cannot be read. Leaving must work whatever a mail program sends."""
    try:
        return request.POST
    except (MultiPartParserError, SuspiciousOperation, BadRequest, UnicodeDecodeError):
        return {}  # broken, too big, too many fields, another charset than UTF-8


def reader_of(token: str) -> Subscriber | None:
    """The reader a manage link was mailed to; None when it is too old, or the address is not theirs any more."""
    return _reader_of(token_links.read_manage_token(token, now=timezone.now()))


def reader_of_old_link(token: str) -> Subscriber | None:
    """The reader a manage link was mailed to, however long ago; None when the address is not theirs any more."""
    return _reader_of(token_links.read_manage_token(token, now=timezone.now(), max_age=timedelta.max))


def _reader_of(link: token_links.ManageLink | None) -> Subscriber | None:
    reader = Subscriber.objects.filter(pk=link.subscriber_id, email__isnull=False).first() if link else None
    return reader if link is not None and reader is not None and link.fits(reader) else None


def is_of_the_erased(token: str) -> bool:
    """Whether a manage link was mailed to somebody whose data has been erased since."""
    link = token_links.read_manage_token(token, now=timezone.now(), max_age=timedelta.max)
    return link is not None and Subscriber.objects.filter(pk=link.subscriber_id, email__isnull=True).exists()


def link_expired(request: HttpRequest, *, status: int = 410, **context: Any) -> HttpResponse:
    return render(request, "subscriptions/link_expired.html", {"about": "manage"} | context, status=status)


def by_old_link(request: HttpRequest, token: str, *filled_in: forms.Form, page: str = "") -> HttpResponse:
    """What an expired link still allows: unsubscribe, and have a new one mailed that brings what was filled in.

    ``page``: the address of these forms with * for the token, where they are not those of the preferences.
    """
    if is_of_the_erased(token):
        return render(request, "subscriptions/erased.html", status=410)
    reader, data = reader_of_old_link(token), posted(request)
    typed = [line for form in filled_in for line in posted_form_values.in_words(form, data)]
    if reader is None or request.method != "POST":
        return link_expired(request, may_leave=reader is not None, typed=typed)
    action = data.get("action", "save")
    if action == "leave":
        reason = plain(data.get("reason", ""))
        origin = origin_of(request)
        lifecycle.unsubscribe(reader, reason=reason, now=timezone.now(), method="preferences", origin=origin)
        return render(request, "subscriptions/left.html", {})
    fields = {name: kept for form in filled_in for name, kept in posted_form_values.fields_of(form, data).items()}
    if page and not fields and action != "link":
        return link_expired(request, may_leave=True)  # nothing was typed: a mail for it would be a surprise
    kept = {"action": action, "fields": fields} | ({"page": page} if page else {}) if fields else None
    try:
        return send_link(request, parse_address(str(reader.email)), kept=kept)
    except TooMany:
        errors = [("", too_many_words())]
        return link_expired(request, status=429, may_leave=True, errors=errors, kept=kept, typed=typed)


def page_of(request: HttpRequest, token: str) -> str:
    """The address of this page with * for the token, as `by_old_link` keeps it."""
    return request.path.replace(token, "*", 1)


def kept_for(request: HttpRequest, reader: Subscriber, token: str) -> Mapping[str, Any]:
    """What was filled in on this very page behind an expired link and is not saved yet; empty for nothing."""
    kept = preferences_link.kept_fields(reader, now=timezone.now())
    return kept if request.method != "POST" and kept.get("page") == page_of(request, token) else {}


def kept_data(kept: Mapping[str, Any]) -> QueryDict | None:
    """The kept fields as form data; None without any, so that a form stays unbound."""
    return posted_form_values.as_data(kept["fields"]) if kept else None


def origin_of(request: HttpRequest, *, came_from: str = "", words: str = "") -> Origin:
    """Origin of the request for the consent record. Of a secret page only the kind is noted, never its address."""
    match = request.resolver_match
    client = client_address(
        request.META.get("REMOTE_ADDR", ""),
        request.headers.get("X-Forwarded-For", ""),
        trusted_proxies=settings.TRUSTED_PROXY_COUNT,
    )
    return Origin(
        ip=client,
        user_agent=plain(request.headers.get("User-Agent", "")),
        source_url=plain(came_from) or (match.url_name or "" if match else ""),
        form_version=FORM_VERSION,
        words=words,
    )


def plain(text: str, *, at_most: int = 300) -> str:
    """Remove from ``text`` the characters that PostgreSQL cannot store or a log cannot show."""
    return "".join(char for char in text if char.isprintable())[:at_most]


def see_other(where: str, *, query: str = "") -> HttpResponseRedirect:
    return HttpResponseRedirect(f"{where}?{query}" if query else where, status=303)


def local_time(instant: datetime | None, reader: Subscriber) -> datetime | None:
    """``instant`` by the reader's wall clock, naive so that templates do not convert it again."""
    return instant.astimezone(schedule.zone_named(reader.time_zone)).replace(tzinfo=None) if instant else None


def next_digest_of(reader: Subscriber) -> dict[str, Any] | None:
    """When the reader's next digest comes, by their own clock, and of which edition it is; None when none is due."""
    told = import_string(settings.NEXT_DIGEST)(reader)
    if told is None:
        return None
    due_at, edition = told
    return {"due": local_time(due_at, reader), "is_now": due_at <= timezone.now(), "edition": edition}


def mail_link(request: HttpRequest, address: Address) -> HttpResponse:
    """Send the link to the preferences, and say that it is on its way; or that too many ask for one."""
    try:
        return send_link(request, address)
    except TooMany:
        form = LinkForm(initial={"email": posted(request).get("email", "")})
        context = {"form": form, "errors": [("", too_many_words())]}
        return render(request, "subscriptions/ask_link.html", context, status=429)


def send_link(request: HttpRequest, address: Address, *, kept: Mapping[str, Any] | None = None) -> HttpResponse:
    """Send the link to the preferences, and say that it is on its way. Raises TooMany when too many ask for one.

    The page never names ``address``: somebody else may hold an old mail or a forwarded digest.
    """
    preferences_link.ask_link(address, now=timezone.now(), origin=origin_of(request), kept=kept)
    transaction.on_commit(wake_sender, robust=True)
    return see_other(reverse("subscriptions:sent"), query="about=kept" if kept else "about=link")
