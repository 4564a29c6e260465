"""Unsubscribe: the page of the link in every digest, and one-click POSTs by mail programs (RFC 8058).

In: the token of the link. Out: a reader who left, at once; or who gets fewer digests. An unknown token is
answered like a known one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from subscriptions import lifecycle, schedule, token_links
from subscriptions.addresses import parse_address
from subscriptions.lifecycle import Origin
from subscriptions.models import Subscriber
from subscriptions.preferences import preferences_of
from subscriptions.views.guards import mail_link, next_digest_of, origin_of, plain, posted, secret_page, see_other

FEW_PAPERS = 5
REST = timedelta(weeks=4)


@secret_page
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Unsubscribe page (GET) and one-click unsubscribe (POST, RFC 8058).

    An unknown token is answered like a known one: it may be of a reader who was erased.
    """
    now = timezone.now()
    reader = Subscriber.objects.filter(unsubscribe_hash=token_links.unsubscribe_hash(token)).first()
    if request.method != "POST":
        has_left = reader is not None and reader.state not in lifecycle.ACTIVE
        return render(request, "subscriptions/unsubscribe.html", {"reader": reader, "has_left": has_left})
    data = posted(request)
    is_active = reader is not None and reader.state in lifecycle.ACTIVE
    if data.get("action") in _INSTEAD:
        if reader is not None and not is_active:
            return _left_page(request, reader, now=now)
        fewer = reader is not None and _INSTEAD[data["action"]](reader, now=now, origin=origin_of(request))
        return render(request, "subscriptions/fewer.html", {"action": data["action"], "fewer": fewer})
    if data.get("action") == "link":
        if reader is not None and reader.email:
            return mail_link(request, parse_address(reader.email))
        return see_other(reverse("subscriptions:sent"), query="about=link")
    if data.get("action") == "undo":
        if reader is None or not (
            is_active or lifecycle.undo(reader, now=now, method="undo", origin=origin_of(request))
        ):
            return render(request, "subscriptions/left.html", {})
        reader.refresh_from_db()
        context = {"reader": reader, "next_digest": next_digest_of(reader)}
        return render(request, "subscriptions/back.html", context)
    if reader is not None:
        by_program = data.get("List-Unsubscribe") == "One-Click"
        lifecycle.unsubscribe(
            reader,
            now=now,
            method="one-click" if by_program else "unsubscribe page",
            origin=origin_of(request),
            reason=plain(data.get("reason", "")),
        )
        reader.refresh_from_db()
    return _left_page(request, reader, now=now)


def _left_page(request: HttpRequest, reader: Subscriber | None, *, now: datetime) -> HttpResponse:
    can_undo = reader is None or lifecycle.can_undo(reader, now=now)
    minutes = lifecycle.UNDO_WINDOW.seconds // 60 if can_undo else None
    return render(request, "subscriptions/left.html", {"undo_minutes": minutes})


def _weekly(reader: Subscriber, *, now: datetime, origin: Origin) -> bool:
    return lifecycle.slow_down(reader, to=Subscriber.Cadence.WEEKLY, now=now, method="fewer instead", origin=origin)


def _monthly(reader: Subscriber, *, now: datetime, origin: Origin) -> bool:
    return lifecycle.slow_down(reader, to=Subscriber.Cadence.MONTHLY, now=now, method="fewer instead", origin=origin)


def _five_papers(reader: Subscriber, *, now: datetime, origin: Origin) -> bool:
    wanted = replace(preferences_of(reader), max_papers=min(reader.max_papers, FEW_PAPERS))
    return lifecycle.change(reader, preferences=wanted, now=now, method="fewer instead", origin=origin)


def _four_weeks_off(reader: Subscriber, *, now: datetime, origin: Origin) -> bool:
    day = schedule.local_day(now, reader.time_zone) + REST
    until = max(schedule.local_midnight(day, reader.time_zone), reader.paused_until or now)
    return lifecycle.pause(reader, until=until, now=now, method="fewer instead", origin=origin)


# What the unsubscribe page offers beside its button. Each only ever means less mail: a digest may be in other hands.
_INSTEAD = {"weekly": _weekly, "monthly": _monthly, "fewer": _five_papers, "rest": _four_weeks_off}
