"""The parts of the preferences, each a page of its own: its address, its fields, and what stands there now in words.

In: a reader and their preferences. Out: values for the page that lists the parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from subscriptions import lifecycle
from subscriptions.models import Subscriber, Topic, TopicPreference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.utils.functional import _StrPromise

    from subscriptions.preferences import Preferences

NAMED = 3  # topics or queries named before the rest are counted
TITLES: Mapping[str, _StrPromise] = {
    "topics": _("Topics"),
    "queries": _("You follow"),
    "schedule": _("Days and time"),
    "digest": _("Length, format and language"),
    "pause": _("Pause or unsubscribe"),
    "address": _("Change your address"),
    "data": _("Your data"),
}
FIELDS: Mapping[str, Sequence[str]] = {
    "schedule": ("cadence", "hour", "time_zone", "weekdays"),
    "digest": (
        *("max_papers", "thin_policy", "mail_format", "language", "wants_outside", "wants_also", "wants_news"),
        "wants_reasons",
        "counts_clicks",
    ),
}
SAVED = ("topics", "schedule", "digest")  # the parts with a form to save; `topics` has a field for each topic
ONLY_ACTIVE = frozenset({"pause", "address"})


@dataclass(frozen=True)
class Part:
    slug: str
    title: str
    value: str  # what stands there now, in words


def parts_of(reader: Subscriber, preferences: Preferences, *, paused: str) -> list[Part]:
    """The parts that this reader can open, with their present values in words; ``paused`` says until when."""
    said = {
        "topics": _topics(preferences),
        "queries": _listed(preferences.follows) or gettext("Nothing yet."),
        "schedule": _schedule(preferences),
        "digest": _digest(preferences),
        "pause": paused or gettext("No pause."),
        "address": str(reader.email),
        "data": gettext("Download it, bring it here, erase it."),
    }
    shown = [slug for slug in TITLES if reader.state in lifecycle.ACTIVE or slug not in ONLY_ACTIVE]
    return [Part(slug, str(TITLES[slug]), said[slug]) for slug in shown]


def _topics(preferences: Preferences) -> str:
    topics = {topic.slug: topic.local_name for topic in Topic.objects.filter(slug__in=preferences.stances)}
    muted = [name for slug, name in topics.items() if preferences.stances[slug] == TopicPreference.Stance.MUTE]
    wanted = [name for slug, name in topics.items() if preferences.stances[slug] != TopicPreference.Stance.MUTE]
    said = _listed(wanted) or gettext("All topics")
    return gettext("%(topics)s; without %(muted)s") % {"topics": said, "muted": _listed(muted)} if muted else said


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    more = len(shown) - NAMED
    rest = [ngettext("and %(number)s more", "and %(number)s more", more) % {"number": more}] if more > 0 else []
    return gettext(", ").join([*shown[:NAMED], *rest])


def _schedule(preferences: Preferences) -> str:
    days = [str(name) for day, name in WEEKDAYS_ABBR.items() if preferences.weekdays >> day & 1]
    is_some = preferences.cadence == Subscriber.Cadence.DAILY and len(days) < len(WEEKDAYS_ABBR)
    rhythm = str(Subscriber.Cadence(preferences.cadence).label)
    when = f"{preferences.hour:02}:00 ({preferences.time_zone})"
    return " · ".join([rhythm, *([gettext(", ").join(days)] if is_some else []), when])


def _digest(preferences: Preferences) -> str:
    most = preferences.max_papers
    papers = ngettext("at most %(number)s paper", "at most %(number)s papers", most) % {"number": most}
    language = dict(settings.LANGUAGES).get(preferences.language, preferences.language)
    return " · ".join([papers, str(Subscriber.MailFormat(preferences.mail_format).label), str(language)])
