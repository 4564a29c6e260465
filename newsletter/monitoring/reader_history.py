"""Everything we did for one reader, in order: the answer to "why did I not get it?".

In: a subscriber. Out: lines of consent, notices, deliveries or why there was none, what came back, what came into
the library and what they follow, oldest first.
Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from newsletter.models import Delivery, LibraryEntry
from subscriptions.models import Subscriber, Suppression

LIMIT = 500


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One event in a reader's history."""

    at: datetime
    subject: str  # in English
    what: str
    detail: str = ""


def history_of(reader: Subscriber) -> list[Line]:
    """Return the latest lines, oldest first; a delivery is placed at its due time, its events when they happened."""
    lines = [
        *_consent(reader),
        *_notices(reader),
        *_deliveries(reader),
        *_misses(reader),
        *_library(reader),
        *_follows(reader),
        *_suppressions(reader),
    ]
    return sorted(lines)[-LIMIT:]


def standing_of(reader: Subscriber) -> str:
    """Return one sentence: does this reader get digests, and when is the next?"""
    barred = Suppression.objects.in_force().filter(address_hash=reader.address_hash).first()
    if barred:
        reason, since = barred.get_reason_display(), f"{barred.first_at:%Y-%m-%d}"
        said = _("Gets no mail: the address is suppressed (%(reason)s) since %(since)s.")
        return said % {"reason": reason, "since": since}
    if reader.state != Subscriber.State.CONFIRMED:
        return _("Gets no mail: the reader is %s.") % reader.get_state_display()
    if reader.next_due_at is None:
        return _("Gets no mail: no next digest is scheduled. Save the preferences again to schedule one.")
    says = _("Gets %(cadence)s digests; the next is due %(at)s UTC.")
    says %= {"cadence": reader.get_cadence_display(), "at": f"{reader.next_due_at:%Y-%m-%d %H:%M}"}
    if not reader.welcome_due_at:
        return says
    first = _("A first one has been due since %s UTC and is sent once there is an edition.")
    return f"{says} {first % f'{reader.welcome_due_at:%Y-%m-%d %H:%M}'}"


def _consent(reader: Subscriber) -> Iterator[Line]:
    for event in reader.consent_events.order_by("-at")[:LIMIT]:
        yield Line(event.at, gettext_noop("consent"), event.get_kind_display(), event.method)


def _notices(reader: Subscriber) -> Iterator[Line]:
    for notice in reader.notices.order_by("-created_at")[:LIMIT]:
        what = f"{notice.get_kind_display()}: {notice.get_state_display()}"
        yield Line(notice.created_at, gettext_noop("notice"), what, notice.error)


def _deliveries(reader: Subscriber) -> Iterator[Line]:
    rows = Delivery.objects.filter(subscriber=reader).select_related("edition").prefetch_related("events")
    for row in rows.order_by("-due_at")[:LIMIT]:
        why = row.get_skip_reason_display() if row.skip_reason else row.reply
        papers = ngettext("%d paper", "%d papers", len(row.picks)) % len(row.picks)
        what = f"{row.edition}: {row.get_state_display()}, {papers}"
        if row.is_welcome:
            what = _("first digest, right after confirming, %s") % what
        yield Line(row.due_at, gettext_noop("delivery"), what, why)
        for event in row.events.all():
            doubt = "" if event.is_proven else _("(told by a Message-ID alone, not acted upon)")
            detail = " ".join(part for part in (event.source, event.phase, event.code, event.text, doubt) if part)
            yield Line(event.at, gettext_noop("event"), event.get_kind_display(), detail)


def _misses(reader: Subscriber) -> Iterator[Line]:
    for row in reader.misses.order_by("-due_at")[:LIMIT]:
        yield Line(row.due_at, gettext_noop("no digest"), row.get_why_display())


def _library(reader: Subscriber) -> Iterator[Line]:
    """Return a line for each time papers were added to the library, without those removed since."""
    came = reader.library.order_by("-at").values_list("at", "source").annotate(papers=Count("pk"))
    for at, source, papers in came[:LIMIT]:
        what = ngettext("%d paper", "%d papers", papers) % papers
        yield Line(at, gettext_noop("library"), what, str(LibraryEntry.Source(source).label))


def _follows(reader: Subscriber) -> Iterator[Line]:
    """What they follow now; what they followed before stands in the consent record."""
    for row in reader.follows.order_by("-pk")[:LIMIT]:
        yield Line(row.at, gettext_noop("follow"), row.text, row.get_stance_display())


def _suppressions(reader: Subscriber) -> Iterator[Line]:
    for row in Suppression.objects.filter(address_hash=reader.address_hash):
        yield Line(row.first_at, gettext_noop("suppression"), row.get_reason_display(), row.source)
        if row.lifted_at:
            yield Line(row.lifted_at, gettext_noop("suppression"), _("lifted"))
