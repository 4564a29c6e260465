"""Tell a WebSub hub which feeds have changed, so that it tells their subscribers at once (https://www.w3.org/TR/websub).

In: WEBSUB_HUB_URL, and what came, changed or went out since the hub last accepted a ping. Out: POSTs to the hub, a
hundred feeds each. Nothing is recorded while the hub refuses, so its next accepted ping covers all changes since, of a
day at most. May run twice at once: one process has the turn. A change may be told twice, and is told at least once.

The recommendation leaves open how publishers ping; all hubs take `hub.mode=publish` and `hub.url` (PubSubHubbub 0.4).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import blake2b
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Q
from django.urls import reverse

from newsletter.delivery import webhooks
from newsletter.delivery.webhooks.http_post import Letter, WebhookResponse, post_all
from newsletter.models import Edition, Heartbeat, Paper, PaperTopic, SourceHost
from newsletter.models.papers import PAPERS_PER_FEED
from newsletter.search.person_names import author_slug, institution_slug
from subscriptions.retry_backoff import backoff

log = logging.getLogger(__name__)
NAME = "websub"  # of the heartbeat and of the turn
EVERY = timedelta(minutes=5)  # feeds may be cached for as long
_OVERLAP = timedelta(minutes=5)  # papers bear the moment they were asked for, and are stored a little later
_LONGEST = timedelta(days=1)
_LONGEST_WAIT = timedelta(hours=6)
_AT_ONCE, _REQUESTS = 100, 20  # feeds in one POST, POSTs in one call
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def ping_due(*, now: datetime) -> int:
    """Tell the hub what has changed, if it is time; returns how many feeds it accepted."""
    if not settings.WEBSUB_HUB_URL or not _claim(now):
        return 0
    last = Heartbeat.objects.filter(name=NAME).first()
    since = max(last.at - _OVERLAP, now - _LONGEST) if last else now - EVERY
    ranked = _fingerprint()
    feeds = dict.fromkeys(_changed(since, is_ranked_anew=not last or last.detail != ranked))
    addresses = [f"{settings.SITE_URL}{path}" for path in feeds]
    for start in range(0, min(len(addresses), _AT_ONCE * _REQUESTS), _AT_ONCE):
        answer = _tell(addresses[start : start + _AT_ONCE])
        if not answer.is_taken:
            _put_off(answer, now=now)
            return 0
    Heartbeat.objects.update_or_create(name=NAME, defaults={"at": now, "detail": ranked})
    SourceHost.objects.filter(host=NAME).update(strikes=0)
    return len(addresses)


def _tell(addresses: list[str]) -> WebhookResponse:
    form = urlencode([("hub.mode", "publish"), *(("hub.url", address) for address in addresses)])
    [answer] = post_all([Letter(settings.WEBSUB_HUB_URL, form.encode(), _FORM)], rules=webhooks.rules())
    return answer


def _claim(now: datetime) -> bool:
    SourceHost.objects.get_or_create(host=NAME, defaults={"free_at": now})
    return SourceHost.objects.filter(host=NAME, free_at__lte=now).update(free_at=now + EVERY) == 1


def _put_off(answer: WebhookResponse, *, now: datetime) -> None:
    """Wait as long as the hub asks, or longer with each refusal in a row."""
    strikes = SourceHost.objects.values_list("strikes", flat=True).get(host=NAME) + 1
    wait = answer.wait or backoff(strikes, first=EVERY, most=_LONGEST_WAIT)
    SourceHost.objects.filter(host=NAME).update(free_at=now + max(EVERY, min(wait, _LONGEST_WAIT)), strikes=strikes)
    log.warning("The WebSub hub took no word: %s. It is told again in %s.", answer.status or answer.excerpt, wait)


def _fingerprint() -> str:
    """What no moment tells: which papers trend, in their order, and which editions are out and corrected."""
    newest = Paper.objects.newest_day()
    papers = Paper.objects.trending(newest).values_list("pk", flat=True)[:PAPERS_PER_FEED] if newest else []
    editions = Edition.objects.issued().order_by("-pk").values_list("pk", "corrected_at")[:PAPERS_PER_FEED]
    return blake2b(repr((list(papers), list(editions))).encode(), digest_size=16).hexdigest()


def _changed(since: datetime, *, is_ranked_anew: bool) -> Iterator[str]:
    """The addresses of feeds whose entries came or changed since then, those with most subscribers first."""
    if is_ranked_anew:
        yield from _feeds("trending")
        yield from _feeds("editions")
        for cadence in Edition.Cadence.values:
            yield from _feeds("cadence", cadence=cadence)
    papers = _changed_papers(since)
    if papers:
        yield from _feeds("today")
    topics = PaperTopic.objects.filter(paper__any_of=list(papers), is_assigned=True, topic__is_active=True)
    for slug in topics.order_by().values_list("topic__slug", flat=True).distinct():
        yield from _feeds("topic", slug=slug)
    for organization, authors in papers.values():
        yield from _feeds("institution", slug=institution_slug(organization))
        for name in authors:
            yield from _feeds("author", slug=author_slug(str(name)))


def _changed_papers(since: datetime) -> dict[int, tuple[str, list[str]]]:
    """Institution and authors of papers that came, were reworded or withdrawn, or whose code came out."""
    changed = Q()
    for moment in ("first_seen_at", "reworded_at", "withdrawn_at", "coded_at"):  # by four indexes; OR would use none
        changed |= Q(pk__in=Paper.objects.filter(**{f"{moment}__gt": since}).order_by().values("pk"))
    rows = Paper.objects.published().filter(changed).values_list("pk", "organization", "authors")
    return {pk: (organization, authors) for pk, organization, authors in rows}


def _feeds(name: str, **words: str) -> list[str]:
    """The paths of both forms of a feed; none where a name has no letters for its address."""
    if not all(words.values()):
        return []
    return [reverse(f"newsletter:{name}_feed", kwargs=words | {"kind": kind}) for kind in ("atom", "json")]
