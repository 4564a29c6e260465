"""Send owed webhook messages: claim, post, settle, retry for three days, switch off endpoints that are gone.

In: WebhookDelivery rows that are due. Out: their new state, with what each try came to. May run anywhere at once: a
claim moves ``next_at`` from the value that was read, so of two workers one gets it. A worker that dies in between
leaves a claim that is due again a minute later: a receiver may get a message twice, and tells by its id.
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.utils import timezone

from newsletter.catalogue.http_client import FetchPolicy
from newsletter.delivery.webhooks import endpoint_secrets, http_post
from newsletter.delivery.webhooks.signature import signed_headers
from newsletter.models import WebhookDelivery, WebhookEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable

State = WebhookDelivery.State
AT_ONCE = 8  # endpoints
LEASE = timedelta(seconds=60)  # longer than any try
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
# Between tries, about three days in all, each a fifth longer or shorter so that many don't come back at once.
WAITS = (MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
JITTER = 0.2
LONGEST_ASKED = timedelta(days=1)
TRIES_KEPT = 20
GONE = 410


def deliver_due(*, deadline: datetime, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Try what is due until nothing is, or ``deadline`` has come; returns how many tries were made."""
    tried = 0
    while (now := timezone.now()) < deadline and not should_stop():
        claimed = _claim(now=now)
        if not claimed:
            break
        for delivery, answer in zip(claimed, _post(claimed, now=now), strict=True):
            _settle(delivery, answer, now=timezone.now())
        tried += len(claimed)
    return tried


def is_due(*, now: datetime) -> bool:
    return WebhookDelivery.objects.due(now).exists()


def send_again(deliveries: QuerySet[WebhookDelivery], *, now: datetime) -> int:
    """Send these messages again, whatever their state; returns how many. Those of endpoints that are off stay."""
    active = WebhookEndpoint.objects.filter(is_active=True)
    return deliveries.filter(endpoint__in=active).update(state=State.QUEUED, next_at=now, attempts=0, settled_at=None)


def switch_off(endpoint: int, *, reason: str, now: datetime) -> None:
    """Switch an endpoint off until somebody switches it on again; what it is owed counts as failed."""
    WebhookEndpoint.objects.filter(pk=endpoint, is_active=True).update(is_active=False, off_reason=reason[:200])
    WebhookDelivery.objects.filter(endpoint=endpoint, next_at__isnull=False).update(
        state=State.FAILED, next_at=None, settled_at=now
    )


def rules() -> FetchPolicy:
    return http_post.PRIVATE if settings.WEBHOOK_PRIVATE_TARGETS else http_post.PUBLIC


def _claim(*, now: datetime) -> list[WebhookDelivery]:
    """Claim the longest due message of each of a few endpoints, so that a slow endpoint holds up no other."""
    due = WebhookDelivery.objects.due(now)
    longest = due.filter(endpoint=OuterRef("endpoint")).order_by("next_at", "pk").values("pk")[:1]
    found = due.filter(pk=Subquery(longest)).select_related("endpoint", "event").order_by("next_at", "pk")[:AT_ONCE]
    return [delivery for delivery in found if _claim_one(delivery, now=now)]


def _claim_one(delivery: WebhookDelivery, *, now: datetime) -> bool:
    until = now + LEASE
    won = WebhookDelivery.objects.filter(pk=delivery.pk, next_at=delivery.next_at).update(
        next_at=until, attempts=F("attempts") + 1
    )
    delivery.next_at, delivery.attempts = until, delivery.attempts + 1
    return won == 1


def _post(deliveries: list[WebhookDelivery], *, now: datetime) -> list[http_post.WebhookResponse]:
    answers: dict[int, http_post.WebhookResponse] = {}
    letters: dict[int, http_post.Letter] = {}
    for delivery in deliveries:
        body = delivery.event.body.encode()
        try:
            secrets = endpoint_secrets.signing_secrets(delivery.endpoint, now=now)
        except endpoint_secrets.KeyLostError:
            answers[delivery.pk] = http_post.WebhookResponse(
                None, "the secret was lost with the old SECRET_KEY: make a new one", 0
            )
            continue
        headers = signed_headers(body, uid=delivery.event.uid, at=now, secrets=secrets)
        letters[delivery.pk] = http_post.Letter(delivery.endpoint.url, body, headers)
    posted = http_post.post_all(list(letters.values()), rules=rules(), seconds=http_post.SECONDS) if letters else []
    answers |= dict(zip(letters, posted, strict=True))
    return [answers[delivery.pk] for delivery in deliveries]


def _settle(delivery: WebhookDelivery, answer: http_post.WebhookResponse, *, now: datetime) -> None:
    """Record the result, only while the claim is ours."""
    told = [now.isoformat(), answer.status, answer.milliseconds, answer.excerpt]
    is_last = answer.status == GONE or delivery.attempts > len(WAITS)
    if answer.is_taken:
        state, next_at = State.SENT, None
    elif is_last:
        state, next_at = State.FAILED, None
    else:
        state, next_at = State.RETRY, now + _wait(delivery.attempts, asked=answer.wait)
    is_ours = WebhookDelivery.objects.filter(pk=delivery.pk, next_at=delivery.next_at).update(
        state=state,
        next_at=next_at,
        status=answer.status,
        excerpt=answer.excerpt,
        tries=[*delivery.tries, told][-TRIES_KEPT:],
        settled_at=None if next_at else now,
    )
    if is_ours:
        _judge(delivery.endpoint, answer, now=now)


def _wait(attempts: int, *, asked: timedelta | None) -> timedelta:
    wait = WAITS[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  (nothing secret)
    return max(wait, min(asked, LONGEST_ASKED)) if asked else wait


def _judge(endpoint: WebhookEndpoint, answer: http_post.WebhookResponse, *, now: datetime) -> None:
    """Update the endpoint by its answer: working again, failing from now on, or gone."""
    if answer.is_taken:
        WebhookEndpoint.objects.filter(pk=endpoint.pk, failing_since__isnull=False).update(failing_since=None)
        return
    WebhookEndpoint.objects.filter(pk=endpoint.pk, failing_since__isnull=True).update(failing_since=now)
    since = WebhookEndpoint.objects.values_list("failing_since", flat=True).get(pk=endpoint.pk)
    patience = timedelta(days=settings.WEBHOOK_OFF_AFTER_DAYS)
    if answer.status == GONE:
        switch_off(endpoint.pk, reason="it answered 410 Gone", now=now)
    elif since and now - since >= patience:
        switch_off(endpoint.pk, reason=f"nothing was taken for {patience.days} days", now=now)
