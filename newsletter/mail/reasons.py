"""Reasons why a paper is in a digest, a line each; the same in the mail and on the digest's page.

In: an item with what was recorded of it, and the names of topics. Out: lines in the active language. Reads the paper's
topics and writes nothing.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext as _

from newsletter.mail.one_part import FOLLOW
from newsletter.models import EditionItem
from newsletter.ranking.explain_trend import call_trending, gains_line, stands_out
from subscriptions import plain_text as mail_text

if TYPE_CHECKING:
    from collections.abc import Mapping

LIKED_TITLE_WIDTH = 60
TOP_WIDTH = 24  # columns of a reason in the list at the top of a mail
QUERY_WIDTH = 100
_ONE_AUTHOR = re.compile(r'author:(?:["“„«](?P<quoted>[^"“”„«»]+)["”“»]|(?P<bare>[^\s"“”„«»]+))')
_ONE_PHRASE = re.compile(r'["“„«](?P<words>[^"“”„«»]+)["”“»]')


def reasons(item: EditionItem, *, topics: Mapping[str, str]) -> dict[str, str]:
    """Return the line of each reason the item may be chosen for, from the components recorded at the draft.

    A line names one topic: the one that its reader follows, else the paper's first.
    """
    scored = [row.topic.slug for row in item.paper.paper_topics.all()]
    primary = topics.get(primary_topic(item), "")
    chosen = chosen_by_editor(item)
    gains, trending = _trend(item.parts, primary)
    if chosen:
        gains, trending = (chosen + (f" · {line}" if line else "") for line in (gains, trending))
    else:
        trending = trending or (_("New in %s") % primary if primary else _("New"))
        gains = gains or _("New")
    lines = {
        "trending": trending,
        "outside": _("Outside your topics · %s") % trending,
        "for_you": _("Close to papers you liked · %s") % trending,
        "lead": trending,
        "pick": trending if chosen else _("Editor’s pick · %s") % trending,
    }
    for slug in dict.fromkeys([*scored, item.parts.get("topic") or ""]):
        if slug in topics:
            lines[f"topic:{slug}"] = _("%(trending)s · you follow %(topic)s") % {
                "trending": gains,
                "topic": topics[slug],
            }
    for liked, title in item.parts.get("akin", ()):
        lines[f"like:{liked}"] = _("%(trending)s · like “%(title)s”, which you liked") % {
            "trending": gains,
            "title": mail_text.shorten(title, width=LIKED_TITLE_WIDTH),
        }
    if missed := item.parts.get("missed"):
        day = date_format(datetime.fromisoformat(missed), _("j F"))
        lines = {
            reason: _("From %(day)s, when you were away · %(line)s") % {"day": day, "line": line}
            for reason, line in lines.items()
        }
    return lines


def short_reasons(item: EditionItem, *, topics: Mapping[str, str]) -> dict[str, str]:
    """Return the reason in a few words, by the queries that found the item, and for every other reason under ""."""
    primary = topics.get(primary_topic(item), "")
    first_gain = _trend(item.parts, primary)[0].partition(_(", "))[0]
    line = first_gain or (_("New in %s") % primary if primary else _("New"))
    line = chosen_by_editor(item) or line
    found = {"": line} | {FOLLOW + query: follow_line(query) for _key, query in item.found_by}
    return {reason: mail_text.shorten(line, width=TOP_WIDTH) for reason, line in found.items()}


def grouped(number: float) -> str:
    """Return the number as the active language writes it: 1,250.5 is 1.250,5 in German."""
    whole = int(number)
    return number_format(whole if whole == number else number, use_l10n=True, force_grouping=True)


def chosen_by_editor(item: EditionItem) -> str:
    """Return what a paper that an editor chose is called; "" for one of the ranking."""
    return {EditionItem.Lane.PICK.value: _("Editor’s pick"), EditionItem.Lane.LEAD.value: _("Lead story")}.get(
        item.lane, ""
    )


def primary_topic(item: EditionItem) -> str:
    """Return the slug of the topic a paper trends in, else of its first; "" for a paper of none."""
    return item.parts.get("topic") or next((row.topic.slug for row in item.paper.paper_topics.all()), "")


def _trend(parts: Mapping[str, Any], topic: str) -> tuple[str, str]:
    """Return its gains, and why it trends. A gain in votes that the cohort had too is left out."""
    telling = {name: value for name, value in parts.items() if name != "cohort_median"}
    if parts.get("upvotes_gain", 0) <= (parts.get("cohort_median") or 0):
        telling.pop("upvotes_gain", None)
    line = gains_line(telling, gettext=gettext, ngettext=ngettext, grouped=grouped)
    return line, call_trending(line, topic or None, gettext=gettext) if stands_out(parts) else line


def follow_line(query: str) -> str:
    """Why a paper comes that a followed query found: "You follow Nora Quist", 'You follow “diffusion -image”'."""
    if author := _ONE_AUTHOR.fullmatch(query.strip()):
        return _("You follow %s") % mail_text.shorten(author["quoted"] or author["bare"], width=QUERY_WIDTH)
    phrase = _ONE_PHRASE.fullmatch(query.strip())
    return _("You follow “%s”") % mail_text.shorten(phrase["words"] if phrase else query, width=QUERY_WIDTH)


def line_of(reason: str, lines: Mapping[str, str]) -> str:
    """Return the line of a recorded reason, from the item's ``lines``."""
    if reason.startswith(FOLLOW):
        return follow_line(reason.removeprefix(FOLLOW))
    return lines.get(reason, lines["trending"])
