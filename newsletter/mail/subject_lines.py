"""Subject lines and titles of editions: the day, week or month covered, in the active language.

In: an edition. Out: lines for mails, pages and feeds. Reads rows only to number an edition.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from newsletter.mail.editors_words import said
from newsletter.models import Edition, EditionItem
from subscriptions import plain_text as mail_text

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

Cadence = Edition.Cadence
REMEMBERED = 30  # editions, this one among them: no two of their subjects begin alike
TOP_PAPER = "{paper}"  # in an editor's subject: the title of the reader's first paper
SHOWN_WIDTH = 40  # columns of a subject that a phone shows


def covered(edition: Edition) -> tuple[date, date]:
    """Return the first and last day covered: a weekly edition of a Monday covers the week before."""
    first = edition.period_on
    if edition.cadence == Cadence.WEEKLY:
        return first - timedelta(days=7), first - timedelta(days=1)
    if edition.cadence == Cadence.MONTHLY:
        last = first - timedelta(days=1)
        return last.replace(day=1), last
    return first, first


def period(edition: Edition) -> str:
    """ "18 March 2026", "16–22 March 2026", "March 2026"."""
    first, last = covered(edition)
    if edition.cadence == Cadence.MONTHLY:
        return date_format(first, _("F Y"))
    return date_format(first, _("j F Y")) if first == last else span(first, last)


def headline(edition: Edition) -> str:
    """Return the editor's title and the period, else a day with its weekday, "the week in papers", "the month …"."""
    if own := mail_text.one_line(said(edition, "headline")):
        return f"{own} · {period(edition)}"
    if edition.cadence == Cadence.WEEKLY:
        return _("The week in papers, %s") % period(edition)
    if edition.cadence == Cadence.MONTHLY:
        return _("The month in papers, %s") % period(edition)
    return capfirst(date_format(edition.period_on, _("l, j F Y")))


def subject(title: str, *, author: str, others: Collection[str]) -> str:
    """Return the subject of its mails: the first paper's title, behind its author where another's begins alike."""
    is_alike = any(_beginning(other) == _beginning(title) for other in others)
    return f"{author}: {title}" if is_alike and author else title


def own_subject(edition: Edition, title: str, *, width: int) -> str:
    """Return the editor's subject for mails whose first paper has this title, the title shortened; "" for none."""
    own = mail_text.one_line(said(edition, "subject"))
    room = width - mail_text.columns(own.replace(TOP_PAPER, ""))
    return own.replace(TOP_PAPER, mail_text.shorten(title, width=max(room, SHOWN_WIDTH)))


def more(cadence: str) -> str:
    """Return what stands behind the title for the papers after it, with `%d` for their number."""
    if cadence == Cadence.WEEKLY:
        return _("+ %d more this week")
    return _("+ %d more this month") if cadence == Cadence.MONTHLY else _("+ %d more")


def recent_titles(edition: Edition) -> list[tuple[int, str]]:
    """Return the papers of the last thirty editions of its cadence, this one among them, with their titles."""
    last = Edition.objects.filter(cadence=edition.cadence, period_on__lte=edition.period_on)
    newest = list(last.order_by("-period_on").values_list("pk", flat=True)[:REMEMBERED])
    return list(EditionItem.objects.listed().filter(edition__in=newest).values_list("paper", "paper__title"))


def _beginning(title: str) -> str:
    return mail_text.shorten(title, width=SHOWN_WIDTH).casefold()


def preheader(edition: Edition, gist: str) -> str:
    """Return the preview text behind the subject: names the week or month; a daily mail needs no date."""
    return gist if edition.cadence == Cadence.DAILY else f"{period(edition)} · {gist}"


def issue(edition: Edition) -> str:
    """Return the edition's number in its cadence; an edition cancelled while being sent keeps its number."""
    frozen = Edition.objects.filter(cadence=edition.cadence, frozen_at__isnull=False)
    before = frozen.filter(period_on__lt=edition.period_on).count()
    names = {
        Cadence.DAILY: _("Daily digest no. %d"),
        Cadence.WEEKLY: _("Weekly digest no. %d"),
        Cadence.MONTHLY: _("Monthly digest no. %d"),
    }
    return names[Cadence(edition.cadence)] % (before + 1)


def span(first: date, last: date) -> str:
    """Return two days in words, the year said once: with the first where the language begins with it, else behind."""
    day, long = _("j F"), _("j F Y")
    begin, end = (long, day) if long.startswith("Y") else (day, long)
    if first.year != last.year:
        begin = end = long
    elif begin == day and first.month == last.month:
        return f"{date_format(first, _('j'))}–{date_format(last, long)}"
    return _("%(first)s – %(last)s") % {"first": date_format(first, begin), "last": date_format(last, end)}
