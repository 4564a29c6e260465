"""Preferences page, opened by a freshly mailed link; change of address; erasure and export.

In: a manage link, at most a day old, or an address to mail one to. Out: calls of lifecycle, gdpr and address_change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt

from subscriptions import (
    address_change,
    catch_up,
    click_consent,
    follows,
    gdpr,
    interests,
    lifecycle,
    own_data,
    papers_at_signup,
    posted_form_values,
    preferences_link,
    schedule,
    token_links,
)
from subscriptions.forms import (
    LinkForm,
    MoveForm,
    PauseForm,
    PreferencesForm,
    click_words,
    errors_of,
    too_many_words,
)
from subscriptions.models import Follow, Notice, Subscriber
from subscriptions.preference_parts import ONLY_ACTIVE, SAVED, TITLES, parts_of
from subscriptions.preferences import Preferences, preferences_of
from subscriptions.tasks import wake_sender
from subscriptions.views.guards import (
    by_old_link,
    hide_timing,
    link_expired,
    local_time,
    mail_link,
    next_digest_of,
    origin_of,
    page,
    page_of,
    plain,
    posted,
    reader_of,
    reader_of_old_link,
    secret_page,
    see_other,
)


@csrf_exempt
@page
@hide_timing
def ask_link(request: HttpRequest) -> HttpResponse:
    form = LinkForm(posted(request) if request.method == "POST" else None)
    if not form.is_valid():
        return render(request, "subscriptions/ask_link.html", {"form": form, "errors": errors_of(form)})
    return mail_link(request, form.cleaned_data["email"])


@secret_page
def preferences(request: HttpRequest, token: str, part: str = "") -> HttpResponse:
    """List the parts of the preferences with what stands there now; with ``part``, show that one to be changed."""
    if part and part not in TITLES:
        raise Http404("The preferences have no such part.")
    reader = reader_of(token)
    if reader is None:
        filled_in = _shown_on_old_link(token, posted(request).get("action", "save"), part)
        return by_old_link(request, token, *filled_in, page=page_of(request, token) if part else "")
    is_closed = part in ONLY_ACTIVE and reader.state not in lifecycle.ACTIVE
    if request.method != "POST" and "q" in request.GET and not part and "saved" not in request.GET:
        return see_other(_queries(request), query=urlencode({"q": request.GET["q"]}))  # a page from before the parts
    if request.method != "POST":
        return see_other(_home(request)) if is_closed else _preferences_page(request, reader)
    action = posted(request).get("action", "save")
    if action in _ONLY_ACTIVE and reader.state not in lifecycle.ACTIVE:
        return see_other(_home(request))  # they left in another tab: the page says so
    return _ACTIONS.get(action, _save)(request, reader)


def _home(request: HttpRequest) -> str:
    """The address of the page that lists the parts."""
    return reverse("subscriptions:preferences", args=[_token(request)])


def _part(request: HttpRequest) -> str:
    return str(request.resolver_match.kwargs.get("part", "")) if request.resolver_match else ""


def _shown_on_old_link(token: str, action: str, part: str) -> Iterable[forms.Form]:
    """The form that was sent; every form, when nobody can be told whose the link was."""
    reader = reader_of_old_link(token)
    if reader is not None:
        return [_form(action, reader, part=part)] if action in _FORMS else []
    today = timezone.now().date()
    saved = PreferencesForm(preferences=Preferences(), part=part)
    return saved, follows.FollowForm(known={}), PauseForm(today=today), MoveForm()


def _form(action: str, reader: Subscriber, data: Any = None, *, part: str = "") -> forms.Form:
    """The form of the page that ``action`` sends."""
    if action == "pause":
        return PauseForm(data, today=schedule.local_day(timezone.now(), reader.time_zone))
    if action == "move":
        return MoveForm(data, present=str(reader.email))
    if action in {"follow", "leave-out"}:
        return follows.FollowForm(data, known=interests.every_follow(preferences_of(reader)))
    counts_clicks = reader.clicks_agreed_at is not None
    return PreferencesForm(data, preferences=preferences_of(reader), counts_clicks=counts_clicks, part=part)


def _preferences_page(request: HttpRequest, reader: Subscriber, **over: Any) -> HttpResponse:
    part, tried = _part(request), request.GET.get("q", "")
    shown = {name: _form(action, reader, part=part) for action, name in _FORMS.items()}
    shown["following"].initial = {} if "saved" in request.GET else {"q": tried[: Follow.LONGEST]}
    kept = preferences_link.kept_fields(reader, now=timezone.now())
    kept_at = kept.get("page", "").replace("*", _token(request), 1) or _home(request)
    opened = [name for name in _PARTS_OF if name in over]
    if kept and kept_at == request.path:
        opened = opened or [_FORMS[kept["action"]]]
        shown[_FORMS[kept["action"]]] = _form(
            kept["action"], reader, posted_form_values.as_data(kept["fields"]), part=part
        )
    open_parts = [part] if part else [one for name in opened for one in _PARTS_OF[name]]
    shown |= {name: over[name] for name in shown.keys() & over.keys()}
    context = {
        "reader": reader,
        "token": _token(request),
        "kept": kept,
        "kept_url": kept_at if kept_at != request.path else "",
        **shown,
        "errors": errors_of(*shown.values()),
        "open_parts": open_parts,
        "is_saved_together": bool(set(open_parts) & set(SAVED)),
        "title": TITLES.get(part, ""),
        "follows": reader.follows.filter(interest=None),
        "interests": reader.interests.all(),
        "offered": follows.offered(reader, now=timezone.now()),
        **papers_at_signup.told(papers_at_signup.offered(reader, now=timezone.now())),
        "preview": follows.preview(tried),
        "next_digest": next_digest_of(reader),
        "is_active": reader.state in lifecycle.ACTIVE,
        "saved": request.GET.get("saved", ""),
        "absence": catch_up.offered(reader, now=timezone.now()),
        "gentler": lifecycle.gentler_than(reader.cadence),
        "paused": _paused_words(reader),
    }
    if not open_parts:
        context["parts"] = parts_of(reader, preferences_of(reader), paused=str(context["paused"]))
    return render(request, "subscriptions/preferences.html", context | over)


def _paused_words(reader: Subscriber) -> str:
    """Until when the reader's digests rest, by their own clock; empty when they do not."""
    day = local_time(reader.paused_until, reader) if reader.state == Subscriber.State.PAUSED else None
    return gettext("Paused until %(day)s.") % {"day": date_format(day, gettext("j F Y"))} if day else ""


def _token(request: HttpRequest) -> str:
    return str(request.resolver_match.kwargs["token"]) if request.resolver_match else ""


def _save(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    form = PreferencesForm(posted(request), preferences=preferences_of(reader), part=_part(request))
    if not form.is_valid():
        return _preferences_page(request, reader, form=form)
    lifecycle.change(reader, preferences=form.preferences(), **_act(request))
    _answer_about_clicks(request, reader, agrees=form.cleaned_data.get("counts_clicks"))
    return _done(request, reader, action="save", saved="wishes")


def _done(request: HttpRequest, reader: Subscriber, *, action: str, saved: str) -> HttpResponse:
    """Go back to the list of parts, which shows what is stored now."""
    preferences_link.drop_kept_fields(reader, action=action, page=_kept_page(request))
    return see_other(_home(request), query=f"saved={saved}")


def _kept_page(request: HttpRequest) -> str:
    return page_of(request, _token(request)) if _part(request) else ""


def _answer_about_clicks(request: HttpRequest, reader: Subscriber, *, agrees: bool | None) -> None:
    """Record that the reader agrees to counted clicks or withdraws it; None: the form did not ask."""
    if agrees:
        origin = origin_of(request, words=click_words())
        click_consent.agree(reader, **_act(request) | {"origin": origin})
    elif agrees is not None:
        click_consent.withdraw(reader, **_act(request))


def _follow(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    """Follow a query, or see nothing of it, and show what it would have brought."""
    before, action = preferences_of(reader), posted(request)["action"]
    form = _form(action, reader, posted(request))
    if not form.is_valid():
        return _preferences_page(request, reader, following=form)
    query = form.cleaned_data["q"]
    stance = Follow.Stance.NOT if action == "leave-out" else Follow.Stance.FOLLOW
    wanted = interests.follow(before, "", query, stance.value)
    lifecycle.change(reader, preferences=wanted, **_act(request))
    preferences_link.drop_kept_fields(reader, action=action, page=_kept_page(request))
    return see_other(_queries(request), query=urlencode({"saved": stance.value, "q": query}) + "#follows")


def _unfollow(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    before, text = preferences_of(reader), posted(request).get("follow", "")
    wanted = replace(before, follows={query: stance for query, stance in before.follows.items() if query != text})
    lifecycle.change(reader, preferences=wanted, **_act(request))
    return see_other(_queries(request), query="saved=unfollow#follows")


def _queries(request: HttpRequest) -> str:
    return reverse("subscriptions:preferences_part", args=[_token(request), "queries"])


def _take_papers(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    """Put the papers that were brought with the reader's address into their library."""
    with transaction.atomic():
        papers_at_signup.keep(reader, papers_at_signup.offered(reader, now=timezone.now()), now=timezone.now())
        papers_at_signup.drop_offer(reader)
    return see_other(_home(request), query="saved=papers")


def _drop_papers(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    papers_at_signup.drop_offer(reader)
    return see_other(_home(request), query="saved=no-papers")


def _pause(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    form = _form("pause", reader, posted(request))
    if not form.is_valid():
        return _preferences_page(request, reader, pause=form)
    until = schedule.local_midnight(form.cleaned_data["until"], reader.time_zone)
    lifecycle.pause(reader, until=until, **_act(request))
    return _done(request, reader, action="pause", saved="pause")


def _resume(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    lifecycle.resume(reader, **_act(request))
    return see_other(_home(request), query="saved=resume")


def _catch_up(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    catch_up.ask(reader, now=timezone.now())
    return see_other(_home(request), query="saved=catch-up")


def _gentler(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    lifecycle.slow_down(reader, to=posted(request).get("action", ""), **_act(request))
    return see_other(_home(request), query="saved=wishes")


def _leave(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    lifecycle.unsubscribe(reader, reason=plain(posted(request).get("reason", "")), **_act(request))
    return see_other(_home(request), query="saved=left")


def _export(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    everything = gdpr.export(reader, **_act(request))
    response = JsonResponse(everything, json_dumps_params={"indent": 2, "ensure_ascii": False})
    response["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return response


def _bring(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    """Take over the preferences and papers of a file that `_export` gave, here or on another site."""
    file = request.FILES.get("file") if posted(request) else None
    try:
        brought = own_data.bring(reader, file.read() if isinstance(file, UploadedFile) else b"", **_act(request))
    except ValueError as error:
        return _preferences_page(request, reader, errors=[("id_file", str(error))])
    reader.refresh_from_db()
    return _preferences_page(request, reader, brought_data=brought)


def _erase(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    if posted(request).get("sure") != "yes":
        ask_sure = [("id_sure", gettext("Tick “I am sure” to erase your data."))]
        return _preferences_page(request, reader, errors=ask_sure)
    gdpr.erase(reader, now=timezone.now(), method="preferences")
    return render(request, "subscriptions/erased.html")


def _ask_move(request: HttpRequest, reader: Subscriber) -> HttpResponse:
    form = _form("move", reader, posted(request))
    if not form.is_valid():
        return _preferences_page(request, reader, moving=form)
    to = form.cleaned_data["new_email"]
    try:
        address_change.ask_move(reader, to=to, now=timezone.now(), origin=origin_of(request))
    except lifecycle.TooMany:
        form.add_error("new_email", too_many_words())
        return _preferences_page(request, reader, moving=form)
    transaction.on_commit(wake_sender, robust=True)
    return _done(request, reader, action="move", saved="move")


# What is shown again on the page of all parts, when it is sent there and refused -> the parts that hold it.
_PARTS_OF = {
    "form": SAVED,
    "following": ("queries",),
    "pause": ("pause",),
    "moving": ("address",),
    "errors": ("data",),
}
# What the page calls the form of an action.
_FORMS = {"save": "form", "follow": "following", "leave-out": "following", "pause": "pause", "move": "moving"}
_ONLY_ACTIVE = frozenset({"pause", "resume", "move"})
_ACTIONS = {
    "move": _ask_move,
    "save": _save,
    "follow": _follow,
    "leave-out": _follow,
    "unfollow": _unfollow,
    "take-papers": _take_papers,
    "drop-papers": _drop_papers,
    "pause": _pause,
    "resume": _resume,
    "catch-up": _catch_up,
    "weekly": _gentler,
    "monthly": _gentler,
    "leave": _leave,
    "export": _export,
    "bring": _bring,
    "erase": _erase,
}


def _act(request: HttpRequest) -> dict[str, Any]:
    return {"now": timezone.now(), "method": "preferences", "origin": origin_of(request)}


@secret_page
def move(request: HttpRequest, token: str) -> HttpResponse:
    """Page of the link in the mail to a reader's new address."""
    now = timezone.now()
    pk = token_links.read_move_token(token, now=now)
    requests = Notice.objects.select_related("subscriber").filter(kind=Notice.Kind.MOVE)
    notice = requests.filter(pk=pk).first() if pk is not None else None
    if notice is None:
        return link_expired(request, about="move")
    if request.method != "POST":
        return render(request, "subscriptions/move.html", {"address": notice.context["to"]})
    if not address_change.move(notice, now=now, method="move page", origin=origin_of(request)):
        return link_expired(request, about="move")
    transaction.on_commit(wake_sender, robust=True)
    return render(request, "subscriptions/moved.html", {"address": notice.context["to"]})
