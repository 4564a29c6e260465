"""Results: what came of an edition, beside the ten before it, and how the number of readers grows.

In: who may see editions. Out: pages of numbers, charts with the same numbers in a table, and CSV. Never an address.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import date
from io import StringIO
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from newsletter.admin import charts, table_cells
from newsletter.models import Delivery, Edition
from newsletter.monitoring import edition_results
from newsletter.monitoring.edition_results import Details, Results
from subscriptions.csv_cells import safe_cell
from subscriptions.models import Subscriber

MEASURES = {
    "planned": _("planned"),
    "sent": _("sent"),
    "owed": _("owed"),
    "failed": _("failed"),
    "unknown": _("unknown"),
    "late": _("too late"),
    "nothing": _("got nothing"),
    "more": _("more like this"),
    "less": _("less like this"),
    "saves": _("saved"),
    "votes": _("votes"),
    "follows": _("followed a query"),
    "left": _("unsubscribed"),
    "complained": _("marked as spam"),
}
CHARTED = ("sent", "more", "left")


def show_results(request: HttpRequest, edition: Edition) -> HttpResponse:
    """Show what came of one edition; ``?format=csv`` the same as a file."""
    now = timezone.now()
    results = edition_results.results_of(edition, now=now)
    before = edition_results.earlier(edition, now=now)
    details = edition_results.details_of(edition, until=results.until)
    if request.GET.get("format") == "csv":
        return _csv(f"results-{edition.cadence}-{edition.period_on}", _lines(results, before, details))
    rows = [results, *before]
    context = admin.site.each_context(request) | {
        "title": gettext("Results of %s") % edition,
        "edition": edition,
        "opts": Edition._meta,
        "badge": table_cells.edition_badge(edition),
        "until": results.until,
        "outcomes": _named(results.outcomes),
        "reactions": _named(results.reactions),
        "headings": [label for name, label in MEASURES.items() if name != "planned"],
        "compared": [
            (row.edition, [number for name, number in _counts(row) if name != "planned"], row is results)
            for row in rows
        ],
        "charts": [_chart(rows, name) for name in CHARTED],
        "tables": _tables(details),
    }
    return render(request, "admin/newsletter/edition_results.html", context)


def show_readers(request: HttpRequest) -> HttpResponse:
    """Show how the number of readers grew, where they came from, and the last editions of each cadence."""
    now = timezone.now()
    weeks = edition_results.growth(now=now)
    sources = edition_results.signup_sources(now=now)
    if request.GET.get("format") == "csv":
        lines = [(f"{week.starts_at:%Y-%m-%d}", week.joined, week.left, week.readers) for week in weeks]
        return _csv("readers", [("week", "joined", "left", "readers"), *lines])
    shown = [
        charts.Column(_day(week.starts_at), week.joined, is_this=week is weeks[-1], below=week.left) for week in weeks
    ]
    context = admin.site.each_context(request) | {
        "title": gettext("Readers and results"),
        "opts": Edition._meta,
        "weeks": weeks[::-1],
        "readers": weeks[-1].readers,
        "chart": charts.columns(shown, title=gettext("Readers who joined each week, and below the line who left")),
        "sources": sources,
        "cadences": [(cadence.label, found) for cadence in Subscriber.Cadence if (found := _latest(cadence.value))],
        "headings": [label for name, label in MEASURES.items() if name != "planned"],
    }
    return render(request, "admin/newsletter/readers_and_results.html", context)


def _latest(cadence: str) -> list[tuple[Edition, list[int], bool]]:
    """Return the last five editions of the cadence that went out, as rows of the table."""
    editions = Edition.objects.filter(cadence=cadence, state__in=Edition.WENT_OUT).order_by("-period_on")[:5]
    found = [edition_results.results_of(edition, now=timezone.now()) for edition in editions]
    return [_row(row, is_this=False) for row in found]


def _row(row: Results, *, is_this: bool) -> tuple[Edition, list[int], bool]:
    return row.edition, [number for name, number in _counts(row) if name != "planned"], is_this


def _counts(results: Results) -> Iterator[tuple[str, int]]:
    yield from results.outcomes.items()
    yield from results.reactions.items()


def _named(counts: dict[str, int]) -> list[tuple[Any, int]]:
    return [(MEASURES[name], number) for name, number in counts.items()]


def _chart(rows: list[Results], name: str) -> Any:
    """Draw one measure of the editions, the oldest first: as sent, or for 1,000 mails sent."""
    is_share = name in edition_results.REACTIONS
    shown = [
        charts.Column(
            _day(row.edition.period_on),
            (row.per_thousand(name) or 0) if is_share else row.outcomes[name],
            is_this=row is rows[0],
        )
        for row in rows[::-1]
    ]
    label = str(MEASURES[name])
    title = gettext("%(what)s, for 1,000 mails sent") % {"what": label} if is_share else label
    return title, charts.columns(shown, title=title, digits=1 if is_share else 0)


def _day(on: date) -> str:
    return date_format(on, gettext("d M"))


def _tables(details: Details) -> list[dict[str, Any]]:
    """Return the splits as tables: heading, names of the columns, rows."""
    interests = {True: gettext("a further interest"), False: gettext("the first or only interest")}
    tables: list[tuple[Any, dict[str, dict[str, int]]]] = [
        (_("By topic of the paper"), details.topics),
        (_("By interest"), {interests[further]: counts for further, counts in details.interests.items()}),
        (
            _("By mail provider"),
            {name or gettext("all others"): counts for name, counts in details.domains.items()},
        ),
    ]
    made = [
        {
            "heading": heading,
            "columns": [MEASURES[name] for name in next(iter(rows.values()))],
            "rows": [(label, list(counts.values())) for label, counts in rows.items()],
        }
        for heading, rows in tables
        if rows
    ]
    if details.skipped:
        reasons = [(Delivery.Skip(why).label, [number]) for why, number in details.skipped.items()]
        made.append({"heading": _("Why no mail was sent"), "columns": [_("readers")], "rows": reasons})
    return made


def _lines(results: Results, before: list[Results], details: Details) -> Iterator[tuple[Any, ...]]:
    """Yield the page as lines: what it is about, the label, the measure, the number."""
    yield "part", "label", "measure", "number"
    for row in [results, *before]:
        for name, number in _counts(row):
            yield "edition", str(row.edition), name, number
    parts: dict[str, dict[str, dict[str, int]]] = {
        "topic": details.topics,
        "interest": {"further" if key else "first": counts for key, counts in details.interests.items()},
        "provider": {name or "others": counts for name, counts in details.domains.items()},
    }
    for part, labels in parts.items():
        for label, counts in labels.items():
            for name, number in counts.items():
                yield part, label, name, number
    for why, number in details.skipped.items():
        yield "not sent", why, "readers", number


def _csv(name: str, lines: Iterable[Iterable[Any]]) -> HttpResponse:
    text = StringIO()
    csv.writer(text).writerows([safe_cell(str(cell)) for cell in line] for line in lines)
    answer = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer
