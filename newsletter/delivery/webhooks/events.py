"""Webhook events: editions that are done, and tests. Each becomes one row with its bytes, once.

In: done editions and the endpoints that want to hear of them. Out: WebhookEvent and WebhookDelivery rows, which outlive
any crash: what was missed is found by the next tick. Safe to run twice and at once. No reader is in any payload.
"""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from newsletter.editions import public_serializers
from newsletter.models import Edition, WebhookDelivery, WebhookEndpoint, WebhookEvent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

REACH = timedelta(days=7)  # an edition done longer ago is no news, whatever kept the ticks away
KEPT = timedelta(days=90)
Kind = WebhookEvent.Kind
# Of each paper what fits into a message; the rest stands at the address of the edition.
TOLD = ("id", "arxiv_id", "title", "authors", "page_url", "source_url", "pdf_url", "code_url", "topics", "upvotes")


def announce_due(*, now: datetime) -> int:
    """Queue for each endpoint the editions finished since it was added; returns the number of messages."""
    endpoints = [one for one in WebhookEndpoint.objects.filter(is_active=True) if Kind.EDITION_SENT in one.events]
    if not endpoints:
        return 0
    since = max(now - REACH, min(one.created_at for one in endpoints))
    told = set(
        WebhookDelivery.objects.filter(event__kind=Kind.EDITION_SENT, event__edition__done_at__gte=since).values_list(
            "endpoint_id", "event__edition_id"
        )
    )
    owed = 0
    for edition in Edition.objects.filter(state=Edition.State.DONE, done_at__gte=since).order_by("done_at"):
        new = [one for one in endpoints if _is_news(edition, one) and (one.pk, edition.pk) not in told]
        owed += _owe(_event_of(edition, now=now), new, now=now) if new else 0
    return owed


def send_test(endpoint: WebhookEndpoint, *, now: datetime) -> WebhookDelivery:
    """Queue a test message for an endpoint; it is signed and sent as all others are."""
    data = {"message": "This is a test: nothing happened.", "endpoint": endpoint.pk}
    with transaction.atomic():
        event = WebhookEvent.objects.create(
            kind=Kind.TEST, uid=_new_uid(), body=_body(Kind.TEST, data, now=now), created_at=now
        )
        return WebhookDelivery.objects.create(endpoint=endpoint, event=event, next_at=now, created_at=now)


def forget_old(*, now: datetime) -> int:
    """Delete events older than 90 days, and their deliveries. Returns the number of rows."""
    return WebhookEvent.objects.filter(created_at__lt=now - KEPT).delete()[0]


def _is_news(edition: Edition, endpoint: WebhookEndpoint) -> bool:
    """Whether an edition first finished after the endpoint was added: a welcome digest reopens an old edition."""
    done = [moment for moment in (edition.done_at, edition.closes_at) if moment]
    return edition.done_at is not None and min(done) >= endpoint.created_at


def _event_of(edition: Edition, *, now: datetime) -> WebhookEvent:
    """Return the one event of this edition; the first caller writes it."""
    found = WebhookEvent.objects.filter(kind=Kind.EDITION_SENT, edition=edition).first()
    if found is not None:
        return found
    fields = {"uid": _new_uid(), "body": _body(Kind.EDITION_SENT, _told_of(edition), now=now), "created_at": now}
    return WebhookEvent.objects.get_or_create(kind=Kind.EDITION_SENT, edition=edition, defaults=fields)[0]


def _owe(event: WebhookEvent, endpoints: Sequence[WebhookEndpoint], *, now: datetime) -> int:
    WebhookDelivery.objects.bulk_create(
        [WebhookDelivery(endpoint=one, event=event, next_at=now, created_at=now) for one in endpoints],
        ignore_conflicts=True,
    )
    return len(endpoints)


def _told_of(edition: Edition) -> dict[str, Any]:
    items = public_serializers.of_items(public_serializers.items_of(edition))
    told = [item | {"paper": {name: item["paper"][name] for name in TOLD}} for item in items]
    api_url = settings.SITE_URL + reverse("api:edition", args=[edition.pk])
    return public_serializers.of_edition(edition, papers=len(items)) | {"api_url": api_url, "items": told}


def _body(kind: str, data: dict[str, Any], *, now: datetime) -> str:
    message = {"type": kind, "timestamp": now.isoformat(), "data": data}
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def _new_uid() -> str:
    return f"msg_{uuid.uuid4().hex}"
