"""The mailed link to a reader's preferences, and what they filled in on a page whose link had expired.

In: an address, `now` and where the request came from. Out: a Notice that is owed, with the kept fields in its context.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from subscriptions import rate_limits, token_links
from subscriptions.lifecycle import count_refusal
from subscriptions.models import Notice, Subscriber
from subscriptions.transactional_mails import owe_notice

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from django.db.models import QuerySet

    from subscriptions.addresses import Address
    from subscriptions.lifecycle import Origin


def ask_link(
    address: Address, *, now: datetime, origin: Origin, kept: Mapping[str, Any] | None = None
) -> Notice | None:
    """Mail the preferences link to this address, if a reader has it.

    ``kept``: what they filled in on the page of an expired link ("action", "fields", and "page" with * for the token
    where it was not the preferences); that page then shows it, unsaved.
    Raises TooMany when a limit that many share is reached.
    """
    if reached := rate_limits.link_refusal(address, client=origin.ip, now=now):
        count_refusal(reached, now=now)
    reader = Subscriber.objects.filter(address_key=address.key).exclude(state=Subscriber.State.PENDING).first()
    if reader is None:
        return None
    context = {"kept": dict(kept)} if kept else {}
    if not reached:
        return owe_notice(reader, kind=Notice.Kind.MANAGE, now=now, context=context)
    if kept and (newest := _links_sent(reader, now=now).first()):  # one is there already: it shows the newest
        Notice.objects.filter(pk=newest.pk).update(context=context)
    return None


def kept_fields(subscriber: Subscriber, *, now: datetime) -> Mapping[str, Any]:
    """Return what was filled in on the page of an expired link and is not saved yet; empty for nothing."""
    newest = _links_sent(subscriber, now=now).filter(context__has_key="kept").first()
    return newest.context["kept"] if newest else {}


def drop_kept_fields(subscriber: Subscriber, *, action: str, page: str = "") -> None:
    """Forget what was kept for this form of the preferences, or of another page."""
    kept = Notice.objects.filter(subscriber=subscriber, kind=Notice.Kind.MANAGE, context__kept__action=action)
    on_page = kept.filter(context__kept__page=page) if page else kept.exclude(context__kept__has_key="page")
    on_page.update(context={})


def _links_sent(subscriber: Subscriber, *, now: datetime) -> QuerySet[Notice]:
    since = now - timedelta(hours=token_links.MANAGE_HOURS)
    return subscriber.notices.filter(kind=Notice.Kind.MANAGE, created_at__gt=since).order_by("-created_at", "-pk")
