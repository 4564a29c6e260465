"""Curators learn by mail that a draft waits for them, and once more before its cut-off.

In: drafts with papers, staff of the groups Curators and Approvers with an address. Out: one CuratorMail row for each
person, edition and occasion, and the mails. May run twice and at once: rows are unique, a mail is claimed before it is
sent, and one whose sender died is in doubt and never sent again.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.module_loading import import_string

from newsletter.editions.lifecycle import goes_by_itself, listed_items
from newsletter.models import CuratorMail, Edition, StaffPreferences
from subscriptions import mail_settings, transactional_mails
from subscriptions.mail import build_message, follow, open_connection, text_part
from subscriptions.models import Subscriber
from subscriptions.smtp_replies import OutcomeKind, Phase

if TYPE_CHECKING:
    from django.core.mail import EmailMultiAlternatives

GROUPS = ("Curators", "Approvers")
REMIND = timedelta(minutes=90)  # before the cut-off …
APART = timedelta(minutes=60)  # … and so long after the first mail
LEASE = timedelta(minutes=5)
MAX_ATTEMPTS = 8
State, Kind = CuratorMail.State, CuratorMail.Kind


def owe_due(*, now: datetime) -> int:
    """Owe each curator a mail for each draft that waits, and a reminder before its cut-off. Returns how many."""
    if not settings.CURATOR_MAILS:
        return 0
    owed = 0
    for edition in Edition.objects.filter(state=Edition.State.DRAFT, cutoff_at__gt=now, paused_at__isnull=True):
        readers = Subscriber.objects.mailable().filter(cadence=edition.cadence)
        if goes_by_itself(edition) or not readers.exists() or not listed_items(edition).exists():
            continue
        owed += _owe(edition, Kind.DRAFT, now=now)
        told = CuratorMail.objects.filter(edition=edition, kind=Kind.DRAFT, created_at__lte=now - APART)
        if edition.cutoff_at <= now + REMIND and told.exists():
            owed += _owe(edition, Kind.REMINDER, now=now)
    return owed


def _owe(edition: Edition, kind: str, *, now: datetime) -> int:
    staff = get_user_model().objects.filter(is_active=True, is_staff=True).exclude(email="")
    curators = staff.filter(pk__in=staff.filter(groups__name__in=GROUPS))
    told = CuratorMail.objects.filter(edition=edition, kind=kind).values("curator")
    fresh = [
        CuratorMail(edition=edition, curator=curator, kind=kind, created_at=now, not_before=now)
        for curator in curators.exclude(pk__in=told)
    ]
    CuratorMail.objects.bulk_create(fresh, ignore_conflicts=True)
    return len(fresh)


def send_due(*, now: datetime, deadline: datetime) -> int:
    """Send what is owed until ``deadline``, a connection each: they are few. Returns how many were settled."""
    dead = CuratorMail.objects.filter(state=State.SENDING, lease_until__lt=now)
    dead.update(state=State.UNKNOWN, settled_at=now, error="The sender died; it may have arrived.")
    owed = CuratorMail.objects.filter(state=State.QUEUED, not_before__lte=now).order_by("not_before", "pk")
    settled = 0
    for mail in owed.select_related("edition", "curator")[:200]:
        if timezone.now() >= deadline or not import_string(settings.NOTICE_GATE)(now=now):
            break
        taken = CuratorMail.objects.filter(pk=mail.pk, state=State.QUEUED, attempts=mail.attempts)
        if taken.update(state=State.SENDING, lease_until=now + LEASE, attempts=mail.attempts + 1):
            mail.attempts += 1
            _send(mail, now=now)
            settled += 1
    return settled


def _send(mail: CuratorMail, *, now: datetime) -> None:
    if mail.edition.state != Edition.State.DRAFT or mail.edition.cutoff_at <= now:
        return _settle(mail, State.SKIPPED, now=now, error="The draft waits no more.")
    if settings.MAIL_DRY_RUN_TO and mail.curator.email not in settings.MAIL_DRY_RUN_TO:
        return _settle(mail, State.SKIPPED, now=now, error="Dry run: not one of MAIL_DRY_RUN_TO.")
    step = "connect"
    try:
        connection = open_connection(mail_settings.in_force())
        progress = follow(connection)
        try:
            connection.send_messages([_message(mail)])
        except Exception:
            step = progress.step
            raise
        finally:
            connection.close()
    except Exception as error:
        return _settle_error(mail, error, step=step, now=now)
    return _settle(mail, State.SENT, now=now, error="")


def _settle_error(mail: CuratorMail, error: Exception, *, step: str, now: datetime) -> None:
    """Settle a mail that raised an error: unknown when it may have left, failed when refused for good, else retried."""
    text = type(error).__name__
    kind = OutcomeKind.RETRY if step == "connect" else transactional_mails.kind_of(error, phase=Phase(step))
    if kind is OutcomeKind.UNKNOWN:
        _settle(mail, State.UNKNOWN, now=now, error=text)
    elif kind in transactional_mails.FAILED or mail.attempts >= MAX_ATTEMPTS:
        _settle(mail, State.FAILED, now=now, error=text)
    else:
        again_at = now + transactional_mails.retry_delay(mail.attempts, chance=0.5)
        CuratorMail.objects.filter(Q(pk=mail.pk), state=State.SENDING).update(
            state=State.QUEUED, not_before=again_at, lease_until=None, error=text
        )


def _settle(mail: CuratorMail, state: str, *, now: datetime, error: str) -> None:
    CuratorMail.objects.filter(pk=mail.pk, state=State.SENDING).update(
        state=state, settled_at=now, lease_until=None, error=error
    )


def _message(mail: CuratorMail) -> EmailMultiAlternatives:
    edition = mail.edition
    context = {
        "site_name": settings.SITE_NAME,
        "edition": edition,
        "papers": listed_items(edition).count(),
        "readers": Subscriber.objects.mailable().filter(cadence=edition.cadence).count(),
        "cutoff": f"{edition.cutoff_at.astimezone(StaffPreferences.zone_of(mail.curator)):%Y-%m-%d %H:%M %Z}",
        "is_reminder": mail.kind == Kind.REMINDER,
        # Written out, for reverse() would load the whole admin into every worker.
        "url": f"{settings.SITE_URL}/{settings.ADMIN_PATH}newsletter/edition/{edition.pk}/change/",
    }
    with translation.override(StaffPreferences.language_of(mail.curator) or "en"):
        return build_message(
            subject=render_to_string("emails/draft_waits.subject.txt", context),
            text=text_part("emails/draft_waits.txt", context),
            html="",
            sender=mail_settings.notice_sender(mail_settings.in_force()),
            recipient=mail.curator.email,
            headers={
                "Message-ID": f"<d{edition.pk}.{mail.pk}.{mail.kind}@{settings.MAIL_DOMAIN}>",
                "Reply-To": settings.REPLY_TO_EMAIL,
                "Auto-Submitted": "auto-generated",
            },
        )
