"""Alarms about mail: what is owed and does not leave, and the outcomes of the last days' digests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, Min
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from newsletter import delivery
from newsletter.delivery.bounces import bounce_storms, unrecognised
from newsletter.delivery.expired_leases import CLOSED
from newsletter.delivery.sending_rate import EVERYTHING
from newsletter.models import Claim, Delivery, Edition, Miss, PaceBucket, Stream
from newsletter.monitoring import alarm_thresholds
from newsletter.monitoring.alarm_names import Alarm, Name, Part, ago, digests_of
from newsletter.monitoring.delivery_counts import Tally, tallies
from subscriptions.models import Notice

_TROUBLES = {
    Stream.Trouble.UNREACHABLE.value: gettext_lazy("The relay cannot be reached"),
    Stream.Trouble.DEFERRED.value: gettext_lazy("The relay refuses everything for now"),
    Stream.Trouble.LIMITED.value: gettext_lazy("The relay limits how much it takes"),
}
_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?")


def notices(*, now: datetime) -> Iterator[Alarm]:
    oldest = oldest_notice()
    if oldest and now - oldest > alarm_thresholds.NOTICE_PATIENCE:
        yield Alarm(
            Part.CONFIRM,
            Name.NOTICES_WAITING,
            _("A confirmation or notice has waited for %s. See the worker of `confirm` and the relay.")
            % ago(now - oldest),
        )


def oldest_notice() -> datetime | None:
    """Return when the oldest waiting notice was created, though it was put off since; None while they are paused."""
    paused = Stream.objects.filter(name=delivery.CONFIRM_STREAM, paused_at__isnull=False)
    owed = Notice.objects.filter(state=Notice.State.QUEUED).exclude(Exists(paused))
    oldest: datetime | None = owed.aggregate(oldest=Min("created_at"))["oldest"]
    return oldest


def deliveries(*, now: datetime) -> Iterator[Alarm]:
    """Yield alarms about digests that are late. A relay in trouble is one alarm; waiting digests add no second one."""
    stream = Stream.objects.filter(name=delivery.STREAM).first()
    if stream is None or stream.paused_at is None:
        yield from _relay(stream, now=now) if stream and stream.down_since else _waiting(now)
    yield from _claims(now)
    yield from _held_domains(now)


def _relay(stream: Stream, *, now: datetime) -> Iterator[Alarm]:
    """Yield an alarm about the relay, by the time since digests were first owed: each try puts them off again."""
    owed = Delivery.objects.filter(not_before__isnull=False, edition__in=Edition.objects.sendable())
    since = owed.aggregate(oldest=Min("due_at"))["oldest"]
    if since is None or now - since <= alarm_thresholds.RELAY_PATIENCE:
        return
    is_away = stream.trouble == Stream.Trouble.UNREACHABLE
    said = _ADDRESS.sub("<…>", stream.last_reply[:120]) or _("no answer")
    yield Alarm(
        Part.DIGEST,
        Name.RELAY_UNREACHABLE if is_away else Name.RELAY_DEFERS,
        _(
            "%(trouble)s (%(reply)s): %(digests)s not sent, the oldest for %(time)s. Mend the relay or its address"
            " (Mail settings in the admin, else EMAIL_URL and DIGEST_RELAYS), then press “Try now” on the dashboard."
        )
        % {
            "trouble": _TROUBLES.get(stream.trouble, _("The relay fails")),
            "reply": said,
            "digests": digests_of(owed.count()),
            "time": ago(now - since),
        },
    )


def _held_domains(now: datetime) -> Iterator[Alarm]:
    """Yield an alarm for domains held several times in a row without accepting anything; one hold is normal."""
    held = PaceBucket.objects.filter(held_until__gt=now, holds__gte=alarm_thresholds.HOLDS).exclude(scope=EVERYTHING)
    if domains := list(held.order_by("-holds").values_list("scope", flat=True)):
        yield Alarm(
            Part.DIGEST,
            Name.DOMAIN_HELD,
            ngettext(
                "%(number)d recipient domain held for their limits again and again: %(which)s. Set a rate for them in"
                " DELIVERY_DOMAIN_RATES.",
                "%(number)d recipient domains held for their limits again and again: %(which)s. Set a rate for them in"
                " DELIVERY_DOMAIN_RATES.",
                len(domains),
            )
            % {"number": len(domains), "which": ", ".join(domains[:3])},
        )


def _waiting(now: datetime) -> Iterator[Alarm]:
    oldest = oldest_delivery(now)
    if oldest and now - oldest > alarm_thresholds.DELIVERY_PATIENCE:
        yield Alarm(
            Part.DIGEST,
            Name.DELIVERIES_WAITING,
            _("A digest that may go has waited for %s. Look at the workers of `digest`.") % ago(now - oldest),
        )


def oldest_delivery(now: datetime) -> datetime | None:
    """Return since when the oldest digest could be sent; those held back by pacing or a pause do not count."""
    if Stream.objects.filter(name=delivery.STREAM, paused_at__isnull=False).exists():
        return None
    oldest: datetime | None = Delivery.objects.claimable(now).aggregate(oldest=Min("not_before"))["oldest"]
    return oldest


def _claims(now: datetime) -> Iterator[Alarm]:
    """Yield an alarm about rows of a dead worker that were not rescued: the rescue is not running."""
    dead = list(
        Claim.objects.filter(lease_until__lt=now - alarm_thresholds.CLAIM_PATIENCE).values_list("token", flat=True)
    )
    rows = Delivery.objects.filter(state__in=[Delivery.State.CLAIMED, Delivery.State.SENDING], claim__in=dead)
    # Of the editions that the rescue looks at: no index leads to a state or a claim, and old deliveries are many.
    if held := dead and rows.filter(edition__in=Edition.objects.exclude(state__in=CLOSED)).count():
        yield Alarm(
            Part.DIGEST,
            Name.CLAIMS_EXPIRED,
            _("%s held by workers that are gone: the tick gives them back; see that it runs.") % digests_of(held),
        )


def paused(*, now: datetime) -> Iterator[Alarm]:
    for stream in Stream.objects.filter(paused_at__isnull=False):
        since = f"{stream.paused_at:%Y-%m-%d %H:%M} UTC"
        why = stream.pause_reason or _("no reason given")
        is_confirm = stream.name == delivery.CONFIRM_STREAM
        part, name = (Part.CONFIRM, Name.CONFIRM_PAUSED) if is_confirm else (Part.DIGEST, Name.DIGEST_PAUSED)
        said = _("The %(name)s stream is paused since %(since)s: %(why)s. Resume it on the dashboard.")
        yield Alarm(part, name, said % {"name": stream.name, "since": since, "why": why})
    for edition in Edition.objects.filter(
        paused_at__isnull=False, state__in=[Edition.State.FROZEN, Edition.State.SENDING]
    ):
        why = edition.pause_reason or _("no reason given")
        said = _("The edition %(edition)s is paused: %(why)s. Look, then resume it.")
        yield Alarm(Part.DIGEST, Name.EDITION_PAUSED, said % {"edition": edition, "why": why})


def returned(*, now: datetime) -> Iterator[Alarm]:
    """Yield alarms about unrecognised letters and about domains that failed as a whole: both need a decision."""
    waiting = unrecognised.waiting_letters()
    if waiting.number:
        since = _(", the oldest for %s") % ago(now - waiting.oldest) if waiting.oldest else ""
        yield Alarm(
            Part.DIGEST,
            Name.LETTERS_WAITING,
            ngettext(
                "%(number)d letter set aside, from the bounce mailbox or a provider%(since)s. Read each and say what"
                " it is: admin, Letters set aside.",
                "%(number)d letters set aside, from the bounce mailbox or a provider%(since)s. Read each and say what"
                " it is: admin, Letters set aside.",
                waiting.number,
            )
            % {"number": waiting.number, "since": since},
        )
    for sentence in bounce_storms.held_domains():
        yield Alarm(Part.DIGEST, Name.DOMAIN_PAUSED, sentence)


def outcomes_of_late(*, now: datetime) -> Iterator[Alarm]:
    """Yield alarms about the outcomes of recent digests: failed, late, put off, unknown, and readers without mail."""
    found = tallies(now=now)
    for tally in found:
        if now - tally.frozen_at < alarm_thresholds.RECENT:
            yield from _of_edition(tally)
    yield from _unknown(found)
    yield from _without_mail(found, now=now)


def _of_edition(tally: Tally) -> Iterator[Alarm]:
    if alarm_thresholds.is_many(tally.failed, tally.planned):
        yield Alarm(
            Part.DIGEST,
            Name.DIGESTS_FAILED,
            _(
                "%(number)d of %(of)d digests of %(edition)s failed. Read the relay's answers in Deliveries, then press"
                " “Retry failed digests” on the edition's page."
            )
            % {"number": tally.failed, "of": tally.planned, "edition": tally.name},
        )
    if alarm_thresholds.is_many(tally.late, tally.planned):
        yield Alarm(
            Part.DIGEST,
            Name.DIGESTS_LATE,
            _(
                "%(number)d of %(of)d digests of %(edition)s were skipped: they could not leave in time. Look at the"
                " relay, the workers of `digest` and DELIVERY_RATE."
            )
            % {"number": tally.late, "of": tally.planned, "edition": tally.name},
        )
    tried = tally.sent + tally.failed + tally.retry
    if tally.retry >= alarm_thresholds.AT_LEAST and tally.retry >= alarm_thresholds.DEFERRED_SHARE * tried:
        yield Alarm(
            Part.DIGEST,
            Name.RELAY_DEFERS,
            _(
                "%(number)d of %(of)d digests of %(edition)s were put off with a 4xx answer. Read the answers in"
                " Deliveries (state: retry); they are tried again by themselves."
            )
            % {"number": tally.retry, "of": tried, "edition": tally.name},
        )


def _unknown(found: Sequence[Tally]) -> Iterator[Alarm]:
    if doubtful := sum(tally.doubtful for tally in found):
        which = ", ".join(tally.name for tally in found if tally.doubtful)
        yield Alarm(
            Part.DIGEST,
            Name.DIGESTS_UNKNOWN,
            _(
                "%(digests)s in doubt (%(which)s): only the relay's log can say. Run manage.py settle_unknown --log"
                " FILE, or settle them in Deliveries."
            )
            % {"digests": digests_of(doubtful), "which": which},
        )


def _without_mail(found: Sequence[Tally], *, now: datetime) -> Iterator[Alarm]:
    """Yield an alarm about readers whose hour came within 24 hours and who got no mail for no reason of theirs."""
    missed = (
        Miss.objects.filter(at__gt=now - alarm_thresholds.DAY, at__lte=now, why=Miss.Why.NOTHING)
        .values("subscriber")
        .distinct()
        .count()
    )
    without = missed + sum(tally.day_without for tally in found)
    due = missed + sum(tally.day_due for tally in found)
    if not settings.MAIL_DRY_RUN_TO and alarm_thresholds.is_many(without, due):
        yield Alarm(
            Part.DIGEST,
            Name.READERS_WITHOUT_MAIL,
            _(
                "%(number)d of %(of)d readers who were due in the last 24 hours got nothing (%(missed)d found no"
                " edition). manage.py reconcile --days 1 says where."
            )
            % {"number": without, "of": due, "missed": missed},
        )
