"""HTML for admin tables: badges, bars, dates and times. Values in, escaped HTML out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import cached_property
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.paginator import Paginator
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from newsletter.models import Delivery, Edition

COUNTED = 5_000  # rows; further pages are reached by search and filters

TONES = {
    **dict.fromkeys(("sent", "done", "ok", "confirmed", "listed"), "good"),
    **dict.fromkeys(("sending", "claimed", "frozen", "pinned", "pick", "lead"), "busy"),
    **dict.fromkeys(("queued", "retry", "approved", "unchanged", "pending"), "calm"),
    **dict.fromkeys(("failed", "suppressed"), "bad"),
    **dict.fromkeys(("unknown", "paused", "stale", "waiting", "empty", "draft"), "warn"),
}
# Outcomes of an edition's deliveries; each state belongs to exactly one.
GROUPS: dict[str, tuple[str, ...]] = {
    "sent": (Delivery.State.SENT,),
    "owed": (Delivery.State.QUEUED, Delivery.State.CLAIMED, Delivery.State.SENDING, Delivery.State.RETRY),
    "failed": (Delivery.State.FAILED,),
    "unknown": (Delivery.State.UNKNOWN,),
    "skipped": (Delivery.State.SKIPPED,),
}
OUTCOMES = {
    "sent": gettext_lazy("sent"),
    "owed": gettext_lazy("owed"),
    "failed": gettext_lazy("failed"),
    "unknown": gettext_lazy("unknown"),
    "skipped": gettext_lazy("skipped"),
}


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Paginator that stops counting after MOST rows: COUNT(*) over millions costs more than the page itself."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return len(rows) if isinstance(rows, list) else int(rows[:COUNTED].count())


def badge(text: Any, tone: str = "") -> SafeString:
    return format_html('<span class="desk-badge is-{}">{}</span>', tone or "plain", text)


def state_badge(row: Any) -> SafeString:
    return badge(row.get_state_display(), TONES.get(row.state, ""))


def edition_badge(edition: Edition) -> SafeString:
    own = state_badge(edition)
    return format_html("{} {}", own, badge(gettext("paused"), "warn")) if edition.paused_at else own


def moment(at: datetime | None) -> SafeString | str:
    """Return a UTC moment that lines up in a column, with its age as the title."""
    if at is None:
        return "—"
    away = at - timezone.now()
    minutes = abs(int(away.total_seconds() // 60))
    if minutes < 120:
        span = gettext("%d min") % minutes
    else:
        span = gettext("%d h") % (minutes // 60) if minutes < 2880 else gettext("%d days") % (minutes // 1440)
    title = gettext("in %s") % span if away.total_seconds() > 0 else gettext("%s ago") % span
    return format_html('<time class="desk-time" datetime="{}" title="{}">{}</time>', at.isoformat(), title, short(at))


def short(at: datetime) -> str:
    return date_format(at, gettext("d M H:i") if at.year == timezone.now().year else gettext("d M Y"))


def groups_of(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the number of deliveries by outcome; they add up to the total."""
    return {name: sum(counts.get(state, 0) for state in states) for name, states in GROUPS.items()}


def bar(counts: Mapping[str, int]) -> SafeString:
    """Return a bar whose parts are as wide as their shares; readers who were to get nothing are told beside it."""
    groups = groups_of(counts)
    total = sum(groups.values())
    if not total:
        return format_html('<span class="desk-none">{}</span>', gettext("not planned yet"))
    label = ", ".join(f"{number} {OUTCOMES[name]}" for name, number in groups.items() if number)
    skipped = groups.pop("skipped")
    parts = format_html_join(
        "",
        '<i class="is-{}" style="flex-grow:{}"></i>',
        ((name, number) for name, number in groups.items() if number),
    )
    said = gettext("%(sent)s of %(due)s sent") % {"sent": intcomma(groups["sent"]), "due": intcomma(total - skipped)}
    beside = gettext("%(nothing)s not to be sent") % {"nothing": intcomma(skipped)}
    return format_html(
        '<span class="desk-bar" role="img" aria-label="{}" title="{}">{}</span><span class="desk-bar-text">{}</span>',
        label,
        label,
        parts,
        f"{said}; {beside}" if skipped else said,
    )


def day(on: date | None) -> SafeString | str:
    return format_html('<span class="desk-time">{}</span>', date_format(on, gettext("d M Y"))) if on else "—"
