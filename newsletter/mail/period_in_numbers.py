"""What a week or month brought, in numbers, for its mails: how much came in, on what, and what rose most.

In: an edition with its items. Out: values for the templates, in the active language, the same for every reader; two
queries, when the edition is frozen. A daily edition has none.
"""

from __future__ import annotations

from datetime import timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter.mail.digest_links import public_url
from newsletter.mail.reasons import grouped, short_reasons
from newsletter.models import Edition, EditionItem, Paper, PaperTopic
from newsletter.models.papers import WITH_CODE
from subscriptions import plain_text as mail_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TOPICS_SHOWN = 6
RISEN_SHOWN = 3
TITLE_WIDTH = 100
NAME_WIDTH, BAR_WIDTH = 34, 20  # columns of the plot in the text part


def in_numbers(edition: Edition, items: Sequence[EditionItem], *, topics: Mapping[str, str]) -> dict[str, Any]:
    """Return `title`, `sentence`, `bars` and `risen` for a week or month that brought papers; else nothing."""
    if edition.cadence == Edition.Cadence.DAILY:
        return {}
    came, earlier = _windows(edition)
    papers = Paper.objects.published().aggregate(
        new=Count("pk", filter=came), before=Count("pk", filter=earlier), coded=Count("pk", filter=came & WITH_CODE)
    )
    if not papers["new"]:
        return {}
    is_week = edition.cadence == Edition.Cadence.WEEKLY
    sentence = _sentence(**papers, is_week=is_week)
    return {
        "title": _("The week in numbers") if is_week else _("The month in numbers"),
        "sentence": sentence,
        "sentence_text": mail_text.wrap(sentence),
        "bars": _bars(edition, topics, has_before=papers["before"] > 0),
        "risen": _risen(items, topics),
    }


def _windows(edition: Edition, to: str = "") -> tuple[Q, Q]:
    """Return what finds the papers of the edition's time, and of as long a time before it."""
    start, end = edition.window_start_at, edition.cutoff_at
    before = start - max(end - start, timedelta(days=1))
    came, earlier = (
        Q(**{f"{to}first_seen_at__gt": since, f"{to}first_seen_at__lte": until})
        for since, until in ((start, end), (before, start))
    )
    return came, earlier


def _sentence(*, new: int, before: int, coded: int, is_week: bool) -> str:
    said = [ngettext("%(number)s new paper", "%(number)s new papers", new) % {"number": grouped(new)}]
    if before:
        against = _("%(change)s against the week before") if is_week else _("%(change)s against the month before")
        said.append(against % {"change": _signed(new - before)})
    if coded:
        said.append(_("%(number)s of them with code") % {"number": grouped(coded)})
    facts = reduce(lambda one, other: _("%(first)s, %(second)s") % {"first": one, "second": other}, said)
    return _("%(facts)s.") % {"facts": facts}


def _bars(edition: Edition, topics: Mapping[str, str], *, has_before: bool) -> list[dict[str, Any]]:
    """Return the topics with the most new papers, each with the share of the first that its bar takes."""
    came, earlier = _windows(edition, to="paper__")
    rows = PaperTopic.objects.filter(came | earlier, is_assigned=True, topic__slug__in=list(topics))
    rows = rows.filter(paper__is_hidden=False, paper__merged_into=None)
    counts = (
        rows.order_by()
        .values_list("topic__slug")
        .annotate(new=Count("pk", filter=came), before=Count("pk", filter=earlier))
    )
    most = [row for row in sorted(counts, key=lambda row: (-row[1], row[0])) if row[1]][:TOPICS_SHOWN]
    found = []
    for slug, new, before in most:
        change = _signed(new - before) if has_before else ""
        said = f"{grouped(new)} ({change})" if change else grouped(new)
        bar = "█" * max(round(BAR_WIDTH * new / most[0][1]), 1)
        name = mail_text.shorten(topics[slug], width=NAME_WIDTH)
        text = f"{_filled(name, NAME_WIDTH)}  {_filled(bar, BAR_WIDTH)}  {said}"
        percent = max(round(100 * new / most[0][1]), 1)
        found.append({"name": topics[slug], "number": grouped(new), "change": change, "percent": percent, "text": text})
    return found


def _risen(items: Sequence[EditionItem], topics: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the papers of the edition that gained the most votes."""
    gained = sorted(items, key=lambda item: -item.parts.get("upvotes_gain", 0))[:RISEN_SHOWN]
    found = []
    for item in gained:
        if item.parts.get("upvotes_gain", 0) > 0 and item.standing not in EditionItem.UNLISTED:
            title = mail_text.shorten(item.paper.title, width=TITLE_WIDTH)
            gain = short_reasons(item, topics=topics)[""]
            text = mail_text.wrap(_("%(label)s: %(what)s") % {"label": gain, "what": title}, indent="  ")
            found.append({"title": title, "gain": gain, "url": public_url(item.paper), "text": text})
    return found


def _signed(number: int) -> str:
    sign = "+" if number > 0 else "\u2212" if number < 0 else "±"
    return sign + grouped(abs(number))


def _filled(text: str, width: int) -> str:
    return text + " " * (width - mail_text.columns(text))
