"""Alarms about editions: waiting for a curator, not approved in time, or missing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from newsletter.editions.lifecycle import goes_by_itself, listed_items
from newsletter.models import Edition, Reconciliation
from newsletter.monitoring import alarm_thresholds
from newsletter.monitoring.alarm_names import Alarm, Name, Part, ago, count_of
from subscriptions.models import Subscriber


def approvals(*, now: datetime) -> Iterator[Alarm]:
    """Yield alarms about drafts that wait for approval, before and after their cut-off."""
    for cadence in Subscriber.Cadence.values:
        waiting, missed = _unapproved(cadence, now=now)
        if not waiting and not missed:
            continue
        readers = count_of(Subscriber.objects.mailable().filter(cadence=cadence).count(), "reader")
        if readers.startswith("0 "):
            continue
        if waiting:
            left = waiting.cutoff_at - now
            when = f"in {ago(left)}" if left.total_seconds() > 0 else "now"
            yield Alarm(
                Part.TICK,
                Name.APPROVAL_DUE,
                f"The edition {waiting} waits for approval; its cut-off is {when} and {readers} follow it."
                " Approve it in Editions.",
            )
        if missed:
            yield Alarm(
                Part.TICK,
                Name.APPROVAL_MISSED,
                f"{count_of(len(missed), f'{cadence} edition')} not approved by the cut-off, the last one {missed[0]}:"
                f" {readers} get nothing. Approve the one that waits in Editions, or set EDITION_AUTO_APPROVE=1.",
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
        since = f"since {last.period_on}" if last else "yet"
        yield Alarm(
            Part.TICK,
            Name.NO_EDITION,
            f"There are readers, but no daily edition {since}. Look at the sources and the tick.",
        )


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
            f"{count_of(len(absent), 'edition')} of the last {last.days} days never existed: {which}. The tick did not"
            " run then, or nobody was there; see the runbook.",
        )
    if forgotten := last.report["readers"]["forgotten"]:
        yield Alarm(
            Part.TICK,
            Name.READERS_FORGOTTEN,
            f"{count_of(forgotten, 'reader')} were due within {last.days} days and have neither a digest nor a reason"
            f" (such as reader {last.report['readers']['examples'][0]}). manage.py reader_history NUMBER shows each.",
        )
