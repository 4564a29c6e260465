"""The dashboard: upcoming editions, today's deliveries, and alarms.

In: a person and the rows they may see. Out: numbers and links, never an address. Reads only.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from newsletter import delivery
from newsletter.admin import table_cells
from newsletter.admin.list_counts import counts_of, readers_of
from newsletter.catalogue import polling
from newsletter.models import Edition, SourceRun, Stream
from newsletter.monitoring import current_alarms, sending_now

RECENT = timedelta(days=2)
COUNTED_SECONDS = 20  # each costs a pass over the deliveries of a week or of what is being sent
_QUEUES = {
    "digests": _("digests that could go"),
    "notices": _("confirmations and notices"),
    "webhooks": _("webhooks"),
    "submissions": _("papers handed in"),
}
_TROUBLES = {"held": _("on hold"), "limited": _("limits mail"), "failing": _("failed within a day")}
_EDITIONS = (_("Open the editions"), "newsletter_edition_changelist", "", "newsletter.view_edition")
_STREAMS = (_("Open the streams"), "newsletter_stream_changelist", "", "newsletter.view_stream")
_HOOKS = (_("Open the webhooks"), "newsletter_webhookendpoint_changelist", "", "newsletter.view_webhookendpoint")
_RUNS = (_("Open the source runs"), "newsletter_sourcerun_changelist", "", "newsletter.view_sourcerun")
_BEATS = (_("Open the heartbeats"), "newsletter_heartbeat_changelist", "", "newsletter.view_heartbeat")
_LIST = "newsletter_delivery_changelist", "newsletter.view_delivery"
_PAGES: dict[str, tuple[Any, str, str, str]] = {
    **dict.fromkeys(("approval_due", "approval_missed", "no_edition", "edition_paused", "editions_missing"), _EDITIONS),
    **dict.fromkeys(("digest_paused", "confirm_paused", "relay_unreachable", "relay_defers"), _STREAMS),
    **dict.fromkeys(("webhook_failing", "webhook_off"), _HOOKS),
    **dict.fromkeys(("no_tick", "tick_late", "clocks_apart", "ingest_late"), _BEATS),
    "": _RUNS,  # a source that is silent
    "digests_failed": (_("Show the failed ones"), _LIST[0], "?outcome=failed", _LIST[1]),
    "digests_unknown": (_("Show those in doubt"), _LIST[0], "?outcome=unknown", _LIST[1]),
    "deliveries_waiting": (_("Show what is owed"), _LIST[0], "?outcome=owed", _LIST[1]),
    "letters_waiting": (_("Open the letters"), "newsletter_letter_changelist", "", "newsletter.view_letter"),
    "domain_paused": (_("Open the domains"), "newsletter_domainhold_changelist", "", "newsletter.view_domainhold"),
    "notices_waiting": (_("Open the notices"), "subscriptions_notice_changelist", "", "subscriptions.view_notice"),
    "password_guessed": (_("Open the sign-ins"), "newsletter_signin_changelist", "", "newsletter.view_signin"),
}


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the dashboard, limited to what this person may see (Unfold's DASHBOARD_CALLBACK)."""
    now = timezone.now()
    may = request.user.has_perm
    context["now"] = now
    context["alarms"] = [(alarm, _next_step(request, alarm.name)) for alarm in current_alarms.alarms(now=now)]
    if may("newsletter.view_edition"):
        context |= _editions()
    if may("newsletter.view_sourcerun"):
        context["sources"] = _sources()
    if may("newsletter.view_stream"):
        context["streams"] = _streams(may_change=may("newsletter.change_stream"))
    if may("newsletter.view_stream"):
        context["sending"] = _sending(now)
    context["sees_deliveries"] = may("newsletter.view_delivery")
    return context


def _next_step(request: HttpRequest, name: str) -> tuple[Any, str] | None:
    """Return the label and address of the page where the alarm is answered, when this person may open it."""
    key = "" if name.endswith("_silent") else name
    label, page, query, permission = _PAGES.get(key, (None, "", "", ""))
    return (label, reverse(f"admin:{page}") + query) if label and request.user.has_perm(permission) else None


def _sending(now: datetime) -> dict[str, Any]:
    """What is on its way now: rate and end, queues, readers without their mail, providers."""
    if not (counted := cache.get("desk-sending-now")):
        counted = sending_now.without_mail(now=now), sending_now.rate(now=now)
        cache.set("desk-sending-now", counted, COUNTED_SECONDS)
    (without, due), rate = counted
    return {
        "rate": rate,
        "without": without,
        "due": due,
        "queues": [
            {"label": _QUEUES[queue.name], "waiting": queue.waiting, "oldest": table_cells.moment(queue.oldest)}
            for queue in sending_now.queues(now=now)
        ],
        "providers": [(domain, _TROUBLES[what], number) for domain, what, number in sending_now.providers(now=now)],
    }


def _editions() -> dict[str, Any]:
    """The newest editions of each cadence, and the deliveries of those of today and yesterday."""
    newest = [
        edition
        for cadence in Edition.Cadence.values
        for edition in Edition.objects.filter(cadence=cadence).order_by("-period_on")[: 3 if cadence == "daily" else 1]
    ]
    counts = counts_of(newest)
    lines = [
        {
            "edition": edition,
            "badge": table_cells.edition_badge(edition),
            "bar": table_cells.bar(counts[edition.pk]) if edition.pk in counts else "",
            "readers": readers_of(edition.cadence) if edition.is_editable else None,
            "needs": edition.state == Edition.State.DRAFT,
        }
        for edition in newest
    ]
    recent = timezone.now().date() - RECENT
    counted = [one for one in newest if one.period_on > recent or one.state == Edition.State.SENDING]
    total: dict[str, int] = {}
    for edition in counted:
        for state, number in counts.get(edition.pk, {}).items():
            total[state] = total.get(state, 0) + number
    groups = table_cells.groups_of(total)
    tones = {"failed": "bad", "unknown": "warn"}
    deliveries = reverse("admin:newsletter_delivery_changelist")
    these = ",".join(str(edition.pk) for edition in counted)
    figures = [
        {
            "name": table_cells.OUTCOMES[name],
            "number": groups[name],
            "tone": tones.get(name, "") if groups[name] else "",
            "url": f"{deliveries}?outcome={name}&edition__in={these}",
        }
        for name in groups
    ]
    return {"editions": lines, "figures": figures, "planned": sum(groups.values())}


def _sources() -> list[dict[str, Any]]:
    """Each source's latest run, those in trouble first."""
    names = list(SourceRun.objects.order_by("source").values_list("source", flat=True).distinct())
    silent = {trouble.source for trouble in polling.troubles(now=timezone.now())}
    latest = [SourceRun.objects.filter(source=name).order_by("-started_at").first() for name in names]
    return [
        {
            "run": run,
            "badge": table_cells.state_badge(run),
            "at": table_cells.moment(run.started_at),
            "is_silent": run.source in silent,
        }
        for run in latest
        if run
    ]


def _streams(*, may_change: bool) -> list[dict[str, Any]]:
    known = {stream.name: stream for stream in Stream.objects.all()}
    return [
        {"stream": known.get(name) or Stream(name=name), "acts": _acts_of(known.get(name)) if may_change else []}
        for name in dict.fromkeys([delivery.STREAM, delivery.CONFIRM_STREAM, *sorted(known)])
    ]


def _acts_of(stream: Stream | None) -> list[dict[str, Any]]:
    if stream and stream.paused_at:
        return [{"verb": "resume", "label": _("Resume")}]
    wait = [{"verb": "try", "label": _("Try now")}] if stream and stream.trouble else []
    return [*wait, {"verb": "pause", "label": _("Pause")}]
