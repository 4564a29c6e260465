"""Days, weeks and months as pages: their first and last day, their addresses, their names.

In: a day and a kind of period. Out: the period around it, with its address and its names in the reader's language.
Reads only the active language and the addresses.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from newsletter.editions.public_serializers import CADENCE_OF
from newsletter.mail import subject_lines


@dataclass(frozen=True)
class Period:
    kind: str
    first: date
    last: date

    @property
    def cadence(self) -> str:
        """Return the cadence whose trend score ranks its papers."""
        return CADENCE_OF[self.kind]

    @property
    def url(self) -> str:
        return reverse(f"newsletter:{self.kind}", args=[self.first])

    @property
    def name(self) -> str:
        match self.kind:
            case "day":
                return date_format(self.first, _("j F Y"))
            case "week":
                year, week, _day = self.first.isocalendar()
                return _("Week %(week)s, %(year)s") % {"week": week, "year": year}
            case _kind:
                return date_format(self.first, _("F Y"))

    @property
    def title(self) -> str:
        match self.kind:
            case "day":
                return _("Papers of %(day)s") % {"day": self.name}
            case "week":
                year, week, _day = self.first.isocalendar()
                return _("Papers of week %(week)s, %(year)s") % {"week": week, "year": year}
            case _kind:
                return _("Papers of %(month)s") % {"month": self.name}

    @property
    def short_name(self) -> str:
        match self.kind:
            case "day":
                return date_format(self.first, _("j M"))
            case "week":
                return _("Week %(week)s") % {"week": self.first.isocalendar().week}
            case _kind:
                return date_format(self.first, _("M Y"))

    @property
    def span(self) -> str:
        """Return its first and last day in words; empty for a day, whose title says it."""
        return subject_lines.span(self.first, self.last) if self.kind == "week" else ""


def period_around(kind: str, day: date) -> Period:
    match kind:
        case "day":
            return Period(kind, day, day)
        case "week":
            first = day - timedelta(days=day.weekday())
            return Period(kind, first, first + min(timedelta(days=6), date.max - first))
        case _:
            return Period(kind, day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1]))


class WeekConverter:
    """ISO 8601 weeks, such as 2026-W47, as their Monday."""

    regex = r"[0-9]{4}-W[0-9]{2}"

    def to_python(self, value: str) -> date:
        return date.fromisocalendar(int(value[:4]), int(value[6:]), 1)

    def to_url(self, value: date) -> str:
        year, week, _day = value.isocalendar()
        return f"{year:04}-W{week:02}"


class MonthConverter:
    """Months, such as 2026-11, as their first day."""

    regex = r"[0-9]{4}-[0-9]{2}"

    def to_python(self, value: str) -> date:
        return date(int(value[:4]), int(value[5:]), 1)

    def to_url(self, value: date) -> str:
        return f"{value.year:04}-{value.month:02}"
