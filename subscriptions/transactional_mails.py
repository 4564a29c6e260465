"""Mails to one person that are not digests: confirmations, preferences links, goodbyes to an old address.

In: the Notices that are owed. Out: settled Notice rows. Everything here may run twice and side by side: a Notice is
claimed by a conditional UPDATE before it is sent, keeps its Message-ID over retries, and one whose sender died is
`unknown` and left for the reader to ask again.
"""

from __future__ import annotations

import logging
import random
import smtplib
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.crypto import salted_hmac
from django.utils.module_loading import import_string

from subscriptions import mail_settings, token_links
from subscriptions import refused_requests as refusals
from subscriptions.mail import Progress, build_message, follow, han_faces, open_connection, text_part
from subscriptions.models import Notice, RefusedRequest, Subscriber, Suppression
from subscriptions.retry_backoff import backoff
from subscriptions.smtp_replies import OutcomeKind, Phase, classify, enhanced_code_of, redact

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from django.core.mail import EmailMultiAlternatives
    from django.core.mail.backends.base import BaseEmailBackend

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=5)  # longer than any one mail can take: the relay's time-outs are well below
MAX_ATTEMPTS = 8
GIVE_UP_AFTER = timedelta(hours=24)  # a link somebody asked for yesterday is no help today
INFRASTRUCTURE_PAUSE = timedelta(seconds=60)
FAILED = frozenset({OutcomeKind.BOUNCED, OutcomeKind.SOFT, OutcomeKind.REJECTED})

SUPPRESSED = "The address is suppressed."
# Readers who complained or were blocked by an operator get nothing at all, not even a confirmation mail.
SILENT = (Suppression.Reason.COMPLAINT, Suppression.Reason.ADMIN)


def owe_reasons(reasons: Mapping[int, Mapping[str, Any]], *, now: datetime) -> None:
    """Queue for each of these readers, by number, the mail that says why no digest comes; at "due_at", not before."""
    Notice.objects.bulk_create(
        Notice(
            subscriber_id=reader,
            kind=Notice.Kind.NO_DIGEST,
            created_at=now,
            not_before=max(now, told["due_at"]),
            context={name: value for name, value in told.items() if name != "due_at"},
        )
        for reader, told in reasons.items()
    )


def owe_notice(subscriber: Subscriber, *, kind: Notice.Kind, now: datetime, context: Mapping[str, Any]) -> Notice:
    """Queue one mail, in the same transaction as its cause; the next worker sends it."""
    return Notice.objects.create(
        subscriber=subscriber, kind=kind, created_at=now, not_before=now, context=dict(context)
    )


def send_due_notices(*, now: datetime, limit: int = 200, deadline: datetime | None = None) -> int:
    """Send up to ``limit`` owed notices, stop after ``deadline``; returns how many were settled.

    May run in several processes: each notice is sent by the one that claims it first.
    """
    Notice.objects.filter(state=Notice.State.SENDING, lease_until__lt=now).update(
        state=Notice.State.UNKNOWN, settled_at=now, error="The sender died; it may have arrived."
    )
    owed = Notice.objects.filter(state=Notice.State.QUEUED, not_before__lte=now).order_by("not_before", "pk")
    due = list(owed.values_list("pk", flat=True)[:limit])
    settled = 0
    line: _Line | None = None
    try:
        for pk in due:
            if (deadline is not None and timezone.now() >= deadline) or not _may_go(now=now):
                break
            try:
                line = _ready(line)
            except Exception as error:  # the relay is away: no notice is to blame, none loses an attempt
                log.warning("No connection to the mail relay: %s", type(error).__name__)
                owed.update(not_before=now + INFRASTRUCTURE_PAUSE)
                break
            notice = _claim(pk, now=now)
            if notice is None:
                continue
            settled += 1
            if not _send_one(notice, line=line, now=now):
                _close(line)  # after any error the connection may be dead and look alive
                line = None
    finally:
        _close(line)
    return settled


def _may_go(*, now: datetime) -> bool:
    """False while an operator pauses this stream of mail; the function that NOTICE_GATE names decides."""
    return not settings.NOTICE_GATE or bool(import_string(settings.NOTICE_GATE)(now=now))


@dataclass(slots=True)
class _Line:
    """An open connection, and how far the letter on it has come."""

    connection: BaseEmailBackend
    progress: Progress


def _claim(pk: int, *, now: datetime) -> Notice | None:
    notice = Notice.objects.select_related("subscriber").filter(pk=pk, state=Notice.State.QUEUED).first()
    if notice is None:
        return None
    taken = Notice.objects.filter(pk=pk, state=Notice.State.QUEUED, attempts=notice.attempts).update(
        state=Notice.State.SENDING, lease_until=now + LEASE, attempts=notice.attempts + 1
    )
    notice.attempts += 1
    return notice if taken == 1 else None


def _send_one(notice: Notice, *, line: _Line, now: datetime) -> bool:
    """Send and settle one claimed notice. False when the connection must not be used again."""
    why_not = _why_not(notice)
    if why_not:
        _settle(notice, Notice.State.SKIPPED, now=now, error=why_not)
        if why_not == SUPPRESSED:
            refusals.count(RefusedRequest.Reason.SUPPRESSED, now=now)
        return True
    try:
        message = build_notice(notice, now=now)
        message.message()
    except Exception as error:  # a mail that cannot be built must not hold up the others
        log.exception("Notice %s cannot be built", notice.pk)
        _settle(notice, Notice.State.FAILED, now=now, error=f"Cannot be built: {type(error).__name__}")
        return True
    try:
        line.connection.send_messages([message])
    except Exception as error:
        _settle_error(notice, error, step=line.progress.step, now=now)
        return False
    _settle(notice, Notice.State.SENT, now=now, error="")
    return True


def _why_not(notice: Notice) -> str:
    """The reason not to send this notice any more; empty when it may go."""
    reader = notice.subscriber
    if reader.email is None:
        return "The reader was erased."
    if settings.MAIL_DRY_RUN_TO and _recipient(notice) not in settings.MAIL_DRY_RUN_TO:
        return "Dry run: not one of MAIL_DRY_RUN_TO."
    is_active = reader.state in {Subscriber.State.CONFIRMED, Subscriber.State.PAUSED}
    if notice.kind == Notice.Kind.CONFIRM and is_active:
        return "Confirmed meanwhile."
    if notice.kind == Notice.Kind.ALREADY and not is_active:
        return "Left meanwhile."
    if notice.kind == Notice.Kind.NO_DIGEST and not (
        reader.state == Subscriber.State.CONFIRMED and reader.wants_reasons
    ):
        return "Not wanted any more."
    barred = Suppression.objects.in_force().filter(address_hash=notice.context.get("hash", reader.address_hash))
    # Who bounced, or was erased, may ask to come back, and reach their data: they have just asked for this mail.
    if notice.kind in {Notice.Kind.CONFIRM, Notice.Kind.MOVE, Notice.Kind.MANAGE}:
        barred = barred.filter(reason__in=SILENT)
    return SUPPRESSED if barred.exists() else ""


def _recipient(notice: Notice) -> str:
    """The reader's address, or the one that the notice names: a change of address writes to the new and to the old."""
    return str(notice.context.get("to") or notice.subscriber.email)


def _settle_error(notice: Notice, error: Exception, *, step: str, now: datetime) -> None:
    kind = kind_of(error, phase=Phase(step))
    text = redact(f"{type(error).__name__}: {error}")
    if kind is OutcomeKind.UNKNOWN:  # it may have been handed over. The reader can ask for another.
        _settle(notice, Notice.State.UNKNOWN, now=now, error=text)
    elif kind in FAILED or notice.attempts >= MAX_ATTEMPTS or now - notice.created_at > GIVE_UP_AFTER:
        _settle(notice, Notice.State.FAILED, now=now, error=text)
    else:
        delay = retry_delay(notice.attempts, chance=random.random())  # noqa: S311  (jitter, not a secret)
        Notice.objects.filter(pk=notice.pk, state=Notice.State.SENDING).update(
            state=Notice.State.QUEUED, not_before=now + delay, lease_until=None, error=text
        )


def retry_delay(attempts: int, *, chance: float) -> timedelta:
    """Doubling from a minute to an hour, half of it by chance: greylisting relents after five minutes."""
    longest = backoff(attempts + 1, first=timedelta(minutes=1), most=timedelta(hours=1))
    return longest * (0.5 + chance / 2)


def kind_of(error: Exception, *, phase: Phase) -> OutcomeKind:
    """The meaning of a failure to send, by the rules that digests go by; UNKNOWN when it may have been handed over."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, reply = next(iter(error.recipients.values()), (0, b""))
        return _kind_of_reply(Phase.RCPT, code, reply)
    if isinstance(error, smtplib.SMTPServerDisconnected):
        return classify(phase, code=0)
    if isinstance(error, smtplib.SMTPSenderRefused):
        return _kind_of_reply(Phase.MAIL, error.smtp_code, error.smtp_error)
    if isinstance(error, smtplib.SMTPResponseException):
        return _kind_of_reply(phase, error.smtp_code, error.smtp_error)
    status = getattr(error, "status_code", None)  # anymail: the HTTP status
    if isinstance(status, int) and 400 <= status < 600:
        return classify(Phase.API, code=status)
    return classify(phase, code=0)


def _kind_of_reply(phase: Phase, code: int, reply: bytes | str) -> OutcomeKind:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return classify(phase, code=max(0, code), enhanced=enhanced_code_of(text), text=text)


def _settle(notice: Notice, state: Notice.State, *, now: datetime, error: str) -> None:
    Notice.objects.filter(pk=notice.pk, state=Notice.State.SENDING).update(
        state=state, settled_at=now, lease_until=None, error=error
    )


def _ready(line: _Line | None) -> _Line:
    """The given connection unless NOOP shows that it is dead; else a new one."""
    smtp = getattr(line.connection, "connection", None) if line else None
    if line and isinstance(smtp, smtplib.SMTP):
        with suppress(smtplib.SMTPException, OSError):
            if smtp.noop()[0] == 250:
                return line
        _close(line)
        line = None
    if line is None:
        connection = open_connection(mail_settings.in_force())
        line = _Line(connection, follow(connection))
    return line


def _close(line: _Line | None) -> None:
    if line is not None:
        with suppress(smtplib.SMTPException, OSError):
            line.connection.close()


def build_notice(notice: Notice, *, now: datetime) -> EmailMultiAlternatives:
    """The mail of one notice in the reader's language. It says nothing that a stranger could have typed."""
    reader = notice.subscriber
    stem = f"emails/{notice.kind}"
    context = {
        "site_name": settings.SITE_NAME,
        "site_url": settings.SITE_URL,
        "postal_address": settings.POSTAL_ADDRESS,
        "privacy_url": token_links.privacy_url(),
        "confirm_hours": token_links.CONFIRM_HOURS,
        "manage_hours": token_links.MANAGE_HOURS,
        "has_offers": bool(notice.context.keys() & {"follows", "library"}),
        **_links_of(notice, now=now),
    }
    with translation.override(notice.context.get("language") or reader.language):
        context["han_faces"] = han_faces()
        letter = build_message(
            subject=render_to_string(f"{stem}.subject.txt", context),
            text=text_part(f"{stem}.txt", context),
            html=render_to_string(f"{stem}.html", context),
            sender=mail_settings.notice_sender(mail_settings.in_force()),
            recipient=_recipient(notice),
            headers={
                "Message-ID": f"<n{notice.pk}.{_fingerprint(notice)}@{settings.MAIL_DOMAIN}>",
                "Reply-To": settings.REPLY_TO_EMAIL,
                "Auto-Submitted": "auto-generated",
                "List-Help": f"<{token_links.privacy_url()}>",
                **_one_click(notice),
            },
        )
    letter.metadata = {"notice": str(notice.pk)}  # type: ignore[attr-defined]  # anymail gives it back with events
    return letter


def _one_click(notice: Notice) -> dict[str, str]:
    """The header lines by which a mailbox offers to unsubscribe (RFC 8058): in the mail that comes again and again."""
    if notice.kind != Notice.Kind.NO_DIGEST:
        return {}
    leave = token_links.unsubscribe_url(notice.subscriber.unsubscribe_token)
    return {"List-Unsubscribe": f"<{leave}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def _links_of(notice: Notice, *, now: datetime) -> dict[str, Any]:
    """The links of this kind of notice and no others: each link grants access."""
    if notice.kind == Notice.Kind.CONFIRM:
        return {"confirm_url": token_links.confirm_url(notice.context["request"], now=now)}
    if notice.kind == Notice.Kind.MOVE:
        return {"move_url": token_links.move_url(notice.pk, now=now)}
    if notice.kind == Notice.Kind.MOVED:
        return {"contact": settings.REPLY_TO_EMAIL}
    if notice.kind == Notice.Kind.NO_DIGEST:  # no link that opens the preferences: such a mail may be passed on
        leave = token_links.unsubscribe_url(notice.subscriber.unsubscribe_token)
        return {"preferences_url": f"{leave}#preferences", "unsubscribe_url": leave, **_reason_of(notice)}
    return {
        "manage_url": token_links.manage_url(notice.subscriber, now=now),
        "unsubscribe_url": token_links.unsubscribe_url(notice.subscriber.unsubscribe_token),
    }


def _reason_of(notice: Notice) -> dict[str, Any]:
    """Why no digest came, as values for the template."""
    told = notice.context
    return {**told, "edition": date.fromisoformat(told["edition"])}


def _fingerprint(notice: Notice) -> str:
    """The part of the Message-ID that cannot be guessed: the same on every retry."""
    return salted_hmac("subscriptions.notice", str(notice.pk), algorithm="sha256").hexdigest()[:16]
