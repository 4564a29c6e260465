"""Actions on an edition: who may do what in which state, with labels, warnings and results."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from newsletter import delivery, planning
from newsletter.admin.confirmed_actions import Act, ActError
from newsletter.editions import after_sending, lifecycle, preflight
from newsletter.mail.compile_edition import CompileError
from newsletter.models import Edition

if TYPE_CHECKING:
    from django.http import HttpRequest

State = Edition.State
ERRORS = (lifecycle.EditionStateError, CompileError)


def _in(*states: str) -> Callable[[Edition], str]:
    def refusal(edition: Edition) -> str:
        if edition.state in states:
            return ""
        return gettext("This is not possible while the edition is %s.") % edition.get_state_display()

    return refusal


def _may_pause(edition: Edition) -> str:
    return gettext("It is already paused.") if edition.paused_at else _in(*Edition.UNFINISHED)(edition)


def _may_resume(edition: Edition) -> str:
    return _in(*Edition.UNFINISHED)(edition) if edition.paused_at else gettext("It is not paused.")


def _may_send(edition: Edition) -> str:
    if edition.paused_at:
        return gettext("This edition is paused. Resume it first.")
    if edition.closes_at and edition.closes_at <= timezone.now():
        return gettext("This edition is closed. Its readers get the next one.")
    if edition.send_now_at:
        return gettext("Sending was already requested. Its digests are being planned.")
    return _in(State.FROZEN, State.SENDING)(edition)


def _approve(edition: Edition, request: HttpRequest) -> str:
    lifecycle.approve(edition, by=request.user, now=timezone.now())  # type: ignore[arg-type]
    return gettext("Approved. It will be frozen at its cut-off and sent at each reader's hour.")


def _may_approve(edition: Edition) -> str:
    items = list(edition.items.listed().filter(paper__withdrawn_at__isnull=False).select_related("paper"))
    withdrawn = preflight.withdrawn(items)
    return _in(State.DRAFT)(edition) or (withdrawn.text if withdrawn else "")


def _back_to_draft(edition: Edition, request: HttpRequest) -> str:
    lifecycle.back_to_draft(edition)
    if lifecycle.goes_by_itself(edition):
        return gettext("This is a draft again. Pause it to keep it: drafts go out by themselves at their cut-off here.")
    return gettext("This is a draft again. It is not sent until somebody approves it.")


@transaction.atomic
def _freeze(edition: Edition, request: HttpRequest) -> str:
    if edition.state == State.DRAFT:
        _approve(edition, request)
    if not lifecycle.freeze(edition, now=timezone.now()):
        raise ActError(gettext("It is already frozen."))
    return gettext("Frozen. The email is rendered, and each reader gets it at their hour.")


def _send_now(edition: Edition, request: HttpRequest) -> str:
    waiting = planning.wish_now(edition, now=timezone.now())
    if waiting is None:
        raise ActError(gettext("The edition has been paused, cancelled or closed since. Nothing was sent."))
    return (
        ngettext(
            "%d reader has not had this edition yet. The digest will be planned within a minute and sent at once.",
            "%d readers have not had this edition yet. Their digests will be planned from the next minute on "
            "and sent at once.",
            waiting,
        )
        % waiting
    )


def _pause(edition: Edition, request: HttpRequest) -> str:
    lifecycle.pause(edition, reason=f"by {request.user}", now=timezone.now())
    return gettext("Paused. Messages already being sent will finish; no more are started.")


def _resume(edition: Edition, request: HttpRequest) -> str:
    lifecycle.resume(edition, now=timezone.now())
    return gettext("Resumed.")


def _cancel(edition: Edition, request: HttpRequest) -> str:
    count = lifecycle.cancel(edition, now=timezone.now())
    return (
        ngettext(
            "Cancelled. %d planned digest will not be sent.", "Cancelled. %d planned digests will not be sent.", count
        )
        % count
    )


def _retry_failed(edition: Edition, request: HttpRequest) -> str:
    count = delivery.retry_failed(edition, now=timezone.now())
    return ngettext("%d failed digest was queued again.", "%d failed digests were queued again.", count) % count


def _correct(edition: Edition, request: HttpRequest) -> str:
    text, in_mail = request.POST.get("correction", ""), "in_mail" in request.POST
    after_sending.correct(edition, text, in_mail=in_mail, by=request.user, now=timezone.now())  # type: ignore[arg-type]
    if not edition.correction:
        return gettext("The correction was taken back.")
    if in_mail:
        return gettext("Corrected on the site. The next edition of this cadence carries the correction in its mails.")
    return gettext("Corrected on the site.")


def _take_down(edition: Edition, request: HttpRequest) -> str:
    after_sending.take_down(edition, by=request.user, now=timezone.now())  # type: ignore[arg-type]
    return gettext("Taken off the site: out of archive, feeds and sitemap. Mails that were sent stay as they are.")


def _put_back(edition: Edition, request: HttpRequest) -> str:
    after_sending.put_back(edition, by=request.user)  # type: ignore[arg-type]
    return gettext("The edition is on the site again.")


def _may_take_down(edition: Edition) -> str:
    return _in(*Edition.PUBLIC)(edition) or (gettext("It is off the site already.") if edition.taken_down_at else "")


ACTS = {
    "approve": Act(
        label=_("Approve"),
        warning=_("The edition will be frozen at its cut-off and then sent to each reader at their hour."),
        permission="newsletter.approve_edition",
        do=_approve,
        refusal=_may_approve,
        tone="primary",
        errors=ERRORS,
    ),
    "back-to-draft": Act(
        label=_("Back to draft"),
        warning=_("The approval is taken back. The ranking is refreshed again until somebody approves it."),
        permission="newsletter.approve_edition",
        do=_back_to_draft,
        refusal=_in(State.APPROVED),
        errors=ERRORS,
    ),
    "freeze": Act(
        label=_("Freeze now"),
        warning=_("This fixes the papers and renders the email. The edition cannot be edited afterwards."),
        permission="newsletter.approve_edition",
        do=_freeze,
        refusal=_in(State.DRAFT, State.APPROVED),
        errors=ERRORS,
    ),
    "send-now": Act(
        label=_("Send now"),
        warning=_(
            "Every confirmed reader of this cadence who has not had the edition gets it now, regardless of "
            "their hour. Sending starts within a minute. Pause or cancel the edition to stop it."
        ),
        permission="newsletter.send_edition",
        do=_send_now,
        refusal=_may_send,
        errors=ERRORS,
    ),
    "retry-failed": Act(
        label=_("Retry failed digests"),
        warning=_("Failed digests are queued again, except those of suppressed readers."),
        permission="newsletter.send_edition",
        do=_retry_failed,
        refusal=_in(State.SENDING, State.DONE),
        errors=ERRORS,
    ),
    "correct": Act(
        label=_("Correct"),
        warning=_("The correction stands, with its day, on the edition's page, in archive, feeds and web digests."),
        permission="newsletter.approve_edition",
        do=_correct,
        refusal=_in(*Edition.PUBLIC),
        errors=ERRORS,
    ),
    "take-down": Act(
        label=_("Take off the site"),
        warning=_("Its page says that it is gone; it leaves archive, feeds and sitemap. It can be put back."),
        permission="newsletter.approve_edition",
        do=_take_down,
        refusal=_may_take_down,
        tone="danger",
        errors=ERRORS,
    ),
    "put-back": Act(
        label=_("Put back on the site"),
        warning=_("It is in archive, feeds and sitemap again."),
        permission="newsletter.approve_edition",
        do=_put_back,
        refusal=lambda edition: "" if edition.taken_down_at else gettext("It is on the site."),
        errors=ERRORS,
    ),
    "pause": Act(
        label=_("Pause"),
        warning=_(
            "No more digests of this edition are sent until someone resumes it. Messages already being sent will "
            "finish."
        ),
        permission="newsletter.send_edition",
        do=_pause,
        refusal=_may_pause,
        errors=ERRORS,
    ),
    "resume": Act(
        label=_("Resume"),
        warning=_("Sending continues where it stopped."),
        permission="newsletter.send_edition",
        do=_resume,
        refusal=_may_resume,
        tone="primary",
        errors=ERRORS,
    ),
    "cancel": Act(
        label=_("Cancel the edition"),
        warning=_("Digests that are not being sent yet will never be sent. This cannot be undone."),
        permission="newsletter.send_edition",
        do=_cancel,
        refusal=_in(*Edition.UNFINISHED),
        tone="danger",
        errors=ERRORS,
    ),
}
