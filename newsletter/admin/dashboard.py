"""The dashboard: upcoming editions, today's deliveries, and alarms.

In: a person and the rows they may see. Out: numbers and links, never an address. Reads only.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from newsletter import delivery
from newsletter.admin import table_cells
from newsletter.admin.list_counts import counts_of, readers_of
from newsletter.catalogue import polling
from newsletter.models import Edition, SourceRun, Stream
from newsletter.monitoring import current_alarms

RECENT = timedelta(days=2)


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of the dashboard, limited to what this person may see (Unfold's DASHBOARD_CALLBACK)."""
    now = timezone.now()
    may = request.user.has_perm
    context["now"] = now
    context["alarms"] = current_alarms.alarms(now=now)
    if may("newsletter.view_edition"):
        context |= _editions()
    if may("newsletter.view_sourcerun"):
        context["sources"] = _sources()
    if may("newsletter.view_stream"):
        context["streams"] = _streams(may_change=may("newsletter.change_stream"))
    context["sees_deliveries"] = may("newsletter.view_delivery")
    return context


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
            "name": name,
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
