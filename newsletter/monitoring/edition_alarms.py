"""Alarms about editions: waiting for a curator, not approved in time, or missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from newsletter.editions.lifecycle import goes_by_itself, listed_items
from newsletter.models import Edition, Reconciliation
from newsletter.monitoring import alarm_thresholds
from newsletter.monitoring.alarm_names import Alarm, Name, Part, ago, readers_of
from subscriptions.models import Subscriber


def approvals(*, now: datetime) -> Iterator[Alarm]:
    """Yield alarms about drafts that wait for approval, before and after their cut-off."""
    for cadence in Subscriber.Cadence.values:
        waiting, missed = _unapproved(cadence, now=now)
        if not waiting and not missed:
            continue
        number = Subscriber.objects.mailable().filter(cadence=cadence).count()
        if not number:
            continue
        readers = readers_of(number)
        if waiting:
            left = waiting.cutoff_at - now
            when = _("in %s") % ago(left) if left.total_seconds() > 0 else _("now")
            yield Alarm(
                Part.TICK,
                Name.APPROVAL_DUE,
                _(
                    "The edition %(edition)s waits for approval; its cut-off is %(when)s and %(readers)s follow it."
                    " Approve it in Editions."
                )
                % {"edition": waiting, "when": when, "readers": readers},
            )
        if missed:
            yield Alarm(
                Part.TICK,
                Name.APPROVAL_MISSED,
                ngettext(
                    "%(number)d %(cadence)s edition not approved by the cut-off, the last one %(edition)s: %(readers)s"
                    " get nothing. Approve the one that waits in Editions, or set EDITION_AUTO_APPROVE=1.",
                    "%(number)d %(cadence)s editions not approved by the cut-off, the last one %(edition)s: %(readers)s"
                    " get nothing. Approve the one that waits in Editions, or set EDITION_AUTO_APPROVE=1.",
                    len(missed),
                )
                % {
                    "number": len(missed),
                    "cadence": missed[0].get_cadence_display(),
                    "edition": missed[0],
                    "readers": readers,
                },
            )


def _unapproved(cadence: str, *, now: datetime) -> tuple[Edition | None, list[Edition]]:
    """Return the draft whose cut-off is near, and the latest editions in a row that passed it without approval."""
    waiting, missed = None, []
    newest = Edition.objects.filter(cadence=cadence, cutoff_at__gt=now - alarm_thresholds.LOOK_BACK)
    for edition in newest.order_by("-period_on"):
        is_draft = edition.state == Edition.State.DRAFT and not goes_by_itself(edition)
        was_draft = edition.state == Edition.State.SKIPPED and not edition.approved_at and not edition.frozen_at
        if not is_draft and not was_draft:
            break
        if not listed_items(edition).exists():
            continue  # nothing to approve: the alarm of the sources says so
        if edition.cutoff_at < now - alarm_thresholds.APPROVAL_PATIENCE:
            missed.append(edition)
        elif is_draft and edition.cutoff_at <= now + alarm_thresholds.APPROVAL_WARNING:
            waiting = edition
    return waiting, missed


def missing(*, now: datetime) -> Iterator[Alarm]:
    """Yield an alarm when no daily edition was drafted; there is one every day, even if it is then skipped."""
    if not Subscriber.objects.mailable().exists():
        return
    last = Edition.objects.filter(cadence=Edition.Cadence.DAILY).order_by("-period_on").first()
    if last is None or now.date() - last.period_on > alarm_thresholds.EDITION_PATIENCE:
        since = _("since %s") % last.period_on if last else _("yet")
        said = _("There are readers, but no daily edition %s. Look at the sources and the tick.") % since
        yield Alarm(Part.TICK, Name.NO_EDITION, said)


def reconciled(*, now: datetime) -> Iterator[Alarm]:
    """Yield alarms about what the daily reconciliation of the last seven days found missing."""
    last = Reconciliation.objects.filter(days__gt=1).order_by("-at").first()
    if last is None:
        return
    if absent := [one for one in last.report["missing"] if one["why"] == "absent"]:
        which = ", ".join(f"{one['cadence']} {one['period_on']}" for one in absent)
        yield Alarm(
            Part.TICK,
            Name.EDITIONS_MISSING,
            ngettext(
                "%(number)d edition of the last %(days)d days never existed: %(which)s. The tick did not run then, or"
                " nobody was there; see the runbook.",
                "%(number)d editions of the last %(days)d days never existed: %(which)s. The tick did not run then, or"
                " nobody was there; see the runbook.",
                len(absent),
            )
            % {"number": len(absent), "days": last.days, "which": which},
        )
    if forgotten := last.report["readers"]["forgotten"]:
        yield Alarm(
            Part.TICK,
            Name.READERS_FORGOTTEN,
            _(
                "%(readers)s were due within %(days)d days and have neither a digest nor a reason (such as reader"
                " %(example)s). manage.py reader_history NUMBER shows each."
            )
            % {
                "readers": readers_of(forgotten),
                "days": last.days,
                "example": last.report["readers"]["examples"][0],
            },
        )
