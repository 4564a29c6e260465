"""Pages of readers who keep several interests apart: name a second, change and remove one, its topics and follows.

In: a manage link, at most a day old, and forms. Out: pages that change nothing on GET; calls of lifecycle.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from subscriptions import follows, interests, lifecycle
from subscriptions.forms import errors_of
from subscriptions.models import Follow, Interest, Subscriber
from subscriptions.preferences import NamedInterest, Preferences, preferences_of
from subscriptions.preferences_link import drop_kept_fields
from subscriptions.stances_form import StancesForm
from subscriptions.views.guards import (
    by_old_link,
    kept_data,
    kept_for,
    origin_of,
    page_of,
    posted,
    reader_of,
    secret_page,
    see_other,
)


class NewInterestForm(forms.Form):
    """The name of one more interest; of what there was before too, when it is the second."""

    first = forms.CharField(label=_("A name for what you have now"), max_length=Interest.LONGEST_NAME)
    name = forms.CharField(label=_("A name for the new one"), max_length=Interest.LONGEST_NAME)

    def __init__(self, *args: Any, before: Preferences, **kwargs: Any) -> None:
        super().__init__(*args, **(kwargs | {"label_suffix": ""}))
        self._before = before
        if before.interests:
            del self.fields["first"]

    def clean(self) -> dict[str, Any]:
        """Add it, as `wanted`."""
        super().clean()
        if not self.errors:
            try:
                self.wanted = interests.add(self._before, **self.cleaned_data)
            except ValueError as error:
                raise forms.ValidationError(str(error), code="interest") from None
        return self.cleaned_data


class InterestForm(StancesForm):
    """One interest: its name, place and share; its topics, unless it is the first."""

    name = forms.CharField(label=_("Name"), max_length=Interest.LONGEST_NAME)
    share = forms.IntegerField(label=_("Share"), min_value=1, max_value=100, required=False)
    unit = forms.ChoiceField(label=_("Counted in"), choices=Interest.Unit.choices)
    place = forms.IntegerField(label=_("Place in the digest"), min_value=1, max_value=interests.MOST)
    is_on = forms.BooleanField(label=_("In my digests"), required=False)

    def __init__(self, *args: Any, before: Preferences, interest: NamedInterest, **kwargs: Any) -> None:
        self._before, self._interest = before, interest
        places = [place for place, one in enumerate(before.interests, start=1) if one == interest]
        initial = interest.columns | {"place": next(iter(places), None)}
        shown = {"stances": interest.stances, "initial": initial, "label_suffix": ""}
        super().__init__(*args, **(kwargs | shown))

    def clean(self) -> dict[str, Any]:
        """Change it, as `wanted`."""
        super().clean()
        if not self.errors:
            columns = {name: self.cleaned_data[name] for name in ("name", "share", "unit", "is_on")}
            stances = {} if self._interest.is_first else self.stances()
            changed = replace(self._interest, stances=stances, **columns)
            place = self.cleaned_data["place"]
            try:
                self.wanted = interests.change(self._before, self._interest.name, changed, place=place)
            except ValueError as error:
                raise forms.ValidationError(str(error), code="interest") from None
        return self.cleaned_data


@secret_page
def several(request: HttpRequest, token: str) -> HttpResponse:
    """List the interests that the reader keeps apart; POST names one more."""
    reader = reader_of(token)
    if reader is None:
        return by_old_link(request, token, NewInterestForm(before=Preferences()), page=page_of(request, token))
    kept = kept_for(request, reader, token)
    form = NewInterestForm(
        posted(request) if request.method == "POST" else kept_data(kept), before=preferences_of(reader)
    )
    if request.method == "POST" and form.is_valid():
        _change(request, reader, form.wanted)
        drop_kept_fields(reader, action="add", page=page_of(request, token))
        return see_other(_page_of(token, reader.interests.get(name=form.wanted.interests[-1].name)))
    context = {
        "reader": reader,
        "token": token,
        "form": form,
        "kept": kept,
        "errors": errors_of(form),
        "interests": reader.interests.all(),
        "is_full": reader.interests.count() >= interests.MOST,
        "saved": request.GET.get("saved", ""),
    }
    return render(request, "subscriptions/interests.html", context)


@secret_page
def one(request: HttpRequest, token: str, interest: int) -> HttpResponse:
    """Show one interest; POST changes it, or removes it."""
    reader = reader_of(token)
    if reader is None:
        is_query = posted(request).get("action") in {"follow", "leave-out"}
        nobodys = InterestForm(before=Preferences(), interest=NamedInterest(""))
        typed = follows.FollowForm(known={}) if is_query else nobodys
        return by_old_link(request, token, typed, page=page_of(request, token))
    row = reader.interests.filter(pk=interest).first()
    if row is None:
        return see_other(reverse("subscriptions:interests", args=[token]))
    if request.method != "POST":
        return _interest_page(request, reader, row)
    match posted(request).get("action", "save"):
        case "remove":
            _change(request, reader, interests.remove(preferences_of(reader), row.name))
            return see_other(reverse("subscriptions:interests", args=[token]), query="saved=removed")
        case "follow" | "leave-out" if not row.is_first:
            return _follow(request, reader, row)
        case "unfollow" if not row.is_first:
            return _unfollow(request, reader, row)
        case _:
            return _save(request, reader, row)


def _save(request: HttpRequest, reader: Subscriber, row: Interest) -> HttpResponse:
    before = preferences_of(reader)
    form = InterestForm(posted(request), before=before, interest=_value(before, row))
    if not form.is_valid():
        return _interest_page(request, reader, row, form=form)
    _change(request, reader, form.wanted)
    _drop_kept(request, reader)
    return see_other(request.path, query="saved=wishes")


def _follow(request: HttpRequest, reader: Subscriber, row: Interest) -> HttpResponse:
    before = preferences_of(reader)
    form = follows.FollowForm(posted(request), known=interests.every_follow(before))
    if not form.is_valid():
        return _interest_page(request, reader, row, following=form)
    query = form.cleaned_data["q"]
    stance = Follow.Stance.NOT if posted(request)["action"] == "leave-out" else Follow.Stance.FOLLOW
    _change(request, reader, interests.follow(before, row.name, query, stance.value))
    _drop_kept(request, reader)
    return see_other(request.path, query=urlencode({"saved": stance.value, "q": query}) + "#follows")


def _unfollow(request: HttpRequest, reader: Subscriber, row: Interest) -> HttpResponse:
    query = posted(request).get("follow", "")
    _change(request, reader, interests.unfollow(preferences_of(reader), row.name, query))
    return see_other(request.path, query="saved=unfollow#follows")


def _drop_kept(request: HttpRequest, reader: Subscriber) -> None:
    drop_kept_fields(reader, action=posted(request).get("action", "save"), page=page_of(request, _token(request)))


def _token(request: HttpRequest) -> str:
    return str(request.resolver_match.kwargs["token"]) if request.resolver_match else ""


def _interest_page(request: HttpRequest, reader: Subscriber, row: Interest, **over: Any) -> HttpResponse:
    before, tried = preferences_of(reader), request.GET.get("q", "")
    asked = {} if "saved" in request.GET else {"q": tried[: Follow.LONGEST]}
    shown: dict[str, forms.Form] = {
        "form": InterestForm(before=before, interest=_value(before, row)),
        "following": follows.FollowForm(known={}, initial=asked),
    }
    kept = kept_for(request, reader, _token(request))
    if kept.get("action") == "save":
        shown["form"] = InterestForm(kept_data(kept), before=before, interest=_value(before, row))
    elif kept:
        shown["following"] = follows.FollowForm(kept_data(kept), known=interests.every_follow(before))
    shown |= over
    context = {
        "reader": reader,
        "token": _token(request),
        "kept": kept,
        "interest": row,
        "errors": errors_of(*shown.values()),
        "follows": row.follows.all(),
        "preview": follows.preview(tried),
        "saved": request.GET.get("saved", ""),
    }
    return render(request, "subscriptions/interest.html", context | shown)


def _value(before: Preferences, row: Interest) -> NamedInterest:
    value = next((one for one in before.interests if one.name == row.name), None)
    if value is None:
        raise Http404("This interest was removed just now.")
    return value


def _change(request: HttpRequest, reader: Subscriber, wanted: Preferences) -> None:
    now = timezone.now()
    lifecycle.change(reader, preferences=wanted, now=now, method="preferences", origin=origin_of(request))


def _page_of(token: str, row: Interest) -> str:
    return reverse("subscriptions:interest", args=[token, row.pk])
