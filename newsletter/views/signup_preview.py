"""The sign-up preview: two example papers per topic, and today's digest for the topics ticked.

In: topic slugs from the signup form, and the papers brought there. Out: titles that are public anyway. Reads only; what
was brought is kept nowhere.
`subscriptions` shows these without knowing them: by the address of the page and by the setting TOPIC_EXAMPLES.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b

from django.core.cache import cache
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from newsletter import planning
from newsletter.interests.library import Entry, read_library
from newsletter.interests.profile import JUDGED_MIN
from newsletter.models import Edition, PaperTopic
from newsletter.views.archive import visible_items
from newsletter.views.library import brought_file
from subscriptions.models import Subscriber, Topic
from subscriptions.rate_limits import may_preview
from subscriptions.views.guards import origin_of

EXAMPLES, SHOWN = 2, 5
BROUGHT_BYTES, BROUGHT = 65_536, 100  # as much of what was brought shapes the preview
FRESH = timedelta(days=30)
KEEP_SECONDS = 600


def examples() -> dict[str, list[str]]:
    """Return titles of the most trending papers of each topic, by slug."""
    found: dict[str, list[str]] = cache.get_or_set("signup-examples", _read_examples, KEEP_SECONDS) or {}
    return found


def _read_examples() -> dict[str, list[str]]:
    young = PaperTopic.objects.filter(
        is_primary=True,
        paper__merged_into__isnull=True,
        paper__is_hidden=False,
        paper__withdrawn_at__isnull=True,
        paper__first_seen_at__gte=timezone.now() - FRESH,
    )
    place = Window(
        RowNumber(), partition_by="topic_id", order_by=[F("paper__score_daily").desc(), F("paper_id").desc()]
    )
    rows = young.annotate(place=place).filter(place__lte=EXAMPLES).order_by("place")
    titles: dict[str, list[str]] = {}
    for slug, title in rows.values_list("topic__slug", "paper__title"):
        titles.setdefault(slug, []).append(title)
    return titles


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def signup_preview(request: HttpRequest) -> HttpResponse:
    """Serve a fragment of HTML: what the latest digest had for these topics. A script puts it beside the form.

    POST brings papers too: pasted, or the beginning of a file. Too many of these from one network get 429.
    """
    if request.method != "POST":
        response = _fragment(request, [])
        patch_cache_control(response, public=True, max_age=300)
        return response
    if may_preview(origin_of(request).ip, now=timezone.now()):
        response = _fragment(request, _brought(request))
    else:
        response = render(request, "newsletter/signup_preview.html", {"has_too_many": True}, status=429)
    patch_cache_control(response, no_store=True)
    return response


def _brought(request: HttpRequest) -> list[Entry]:
    data = brought_file(request)[:BROUGHT_BYTES]
    return read_library(data, today=timezone.now().date()).entries[:BROUGHT] if data.strip() else []


def _fragment(request: HttpRequest, brought: list[Entry]) -> HttpResponse:
    cadence = request.GET.get("cadence", "")
    cadence = cadence if cadence in Subscriber.Cadence.values else Subscriber.Cadence.DAILY
    known = set(Topic.objects.filter(is_active=True).values_list("slug", flat=True))
    topics, mutes = (sorted(known.intersection(request.GET.getlist(name))) for name in ("topics", "mutes"))
    edition = _latest(cadence) or _latest(Subscriber.Cadence.DAILY)
    chosen = blake2b(repr((topics, mutes)).encode(), digest_size=16).hexdigest()  # memcached takes 250 characters
    key = f"signup-preview:{edition.pk if edition else 0}:{chosen}"
    titles: list[str] = []
    if edition and brought:
        titles = _titles(edition, topics, mutes, brought)
    elif edition:
        titles = cache.get_or_set(key, lambda: _titles(edition, topics, mutes), KEEP_SECONDS) or []
    context = {"edition": edition, "titles": titles, "topics": topics, "brought": len(brought), "needed": JUDGED_MIN}
    return render(request, "newsletter/signup_preview.html", context)


def _latest(cadence: str) -> Edition | None:
    return Edition.objects.issued().filter(cadence=cadence).order_by("-period_on").first()


def _titles(edition: Edition, topics: list[str], mutes: list[str], brought: Sequence[Entry] = ()) -> list[str]:
    picks = planning.picks_for(edition, follows=topics, mutes=mutes, limit=SHOWN, library=brought)
    items = visible_items([edition]).filter(pk__in=[pick[0] for pick in picks], paper__withdrawn_at__isnull=True)
    by_item = dict(items.values_list("pk", "paper__title"))
    return [by_item[pick[0]] for pick in picks if pick[0] in by_item]
