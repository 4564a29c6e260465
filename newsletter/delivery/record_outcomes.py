"""Record the outcome of each message, in batches, and decide when to retry.

In: outcomes of a transport for rows we hold. Out: rows in their next state and a DeliveryEvent for all that went
wrong. Settling twice is harmless: a row moves only while it still bears our claim.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Q

from newsletter.delivery.claim_deliveries import HELD, STREAM, State, give_back
from newsletter.delivery.transports import Outcome, OutcomeKind, Phase
from newsletter.models import Delivery, DeliveryEvent, Stream
from subscriptions import retry_backoff as waits
from subscriptions.smtp_replies import Verdict, judge

LONGEST_RETRY = 12  # times the first wait
LONGEST_PROBE = timedelta(seconds=30)
LATELY = timedelta(hours=1)  # a domain that took nothing for so long, and puts off …
PUT_OFF_BY_DOMAIN = 3  # … so many, puts off everybody; so does a relay when in such domains …
PUT_OFF_BY_RELAY, SHARE_BY_RELAY = 10, 0.05  # … so many wait, and this share of what was tried
UNTOUCHED = {OutcomeKind.INFRASTRUCTURE, OutcomeKind.LIMITED}  # nobody took them, nothing is wrong with them
SOURCES = {Phase.API: "provider", Phase.COMPOSE: "compose"}  # any other phase is a conversation by SMTP
SETTLED = {
    OutcomeKind.BOUNCED: (State.FAILED, DeliveryEvent.Kind.BOUNCED),
    OutcomeKind.SOFT: (State.FAILED, DeliveryEvent.Kind.SOFT),
    OutcomeKind.REJECTED: (State.FAILED, DeliveryEvent.Kind.REJECTED),
    OutcomeKind.UNKNOWN: (State.UNKNOWN, DeliveryEvent.Kind.UNKNOWN),
}
ABOUT_THE_ADDRESS = {DeliveryEvent.Kind.BOUNCED, DeliveryEvent.Kind.SOFT}


def backoff(attempts: int, *, chance: float) -> timedelta:
    """Wait before the next try: doubling from five minutes to an hour, with full jitter above half. 0 <= chance < 1."""
    first = timedelta(seconds=settings.DELIVERY_RETRY_SECONDS)
    longest = waits.backoff(attempts, first=first, most=first * LONGEST_RETRY)
    return longest * (1 + chance / 2) if attempts <= 1 else longest * (0.5 + chance / 2)


def infrastructure_wait() -> timedelta:
    """Return how long to leave an unreachable relay alone: less than a tick, so that each tick tries."""
    return min(timedelta(seconds=settings.DELIVERY_RETRY_SECONDS / 10), LONGEST_PROBE)


@transaction.atomic
def settle(outcomes: Sequence[Outcome], *, token: str, now: datetime, sizes: Mapping[int, int]) -> None:
    """Record outcomes. The common one, sent, is a single statement for the whole batch."""
    sent = [outcome for outcome in outcomes if outcome.kind is OutcomeKind.SENT]
    if sent:
        _settle_sent(sent, token=token, now=now, sizes=sizes)
    untouched = [outcome for outcome in outcomes if outcome.kind in UNTOUCHED]
    if untouched:
        _put_back(untouched, token=token, now=now)
    troubled = [outcome for outcome in outcomes if outcome.kind not in {OutcomeKind.SENT, *UNTOUCHED}]
    if troubled:
        _settle_troubled(troubled, token=token, now=now)


def _settle_sent(outcomes: Iterable[Outcome], *, token: str, now: datetime, sizes: Mapping[int, int]) -> None:
    """Mark accepted rows `sent`, also those that the rescue marked unknown meanwhile."""
    rows = [(outcome.key, reply_line(outcome), sizes.get(outcome.key, 0)) for outcome in outcomes]
    table = Delivery._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"UPDATE {table} d SET state='sent', sent_at=%s, attempts=d.attempts+1, "  # noqa: S608
                "reply=v.reply, size=v.size FROM unnest(%s::bigint[], %s::text[], %s::int[]) AS v(id, reply, size) "
                "WHERE d.id=v.id AND d.claim=%s AND d.state IN ('claimed', 'sending', 'unknown')",
                [now, *(list(column) for column in zip(*rows, strict=True)), token],
            )
        else:
            cursor.executemany(
                f"UPDATE {table} SET state='sent', sent_at=%s, attempts=attempts+1, "  # noqa: S608
                "reply=%s, size=%s WHERE id=%s AND claim=%s AND state IN ('claimed', 'sending', 'unknown')",
                [(now, reply, size, pk, token) for pk, reply, size in rows],
            )


def _put_back(outcomes: Sequence[Outcome], *, token: str, now: datetime) -> None:
    """Queue untouched rows again with the answer and no attempt counted; also those the rescue marked unknown."""
    by_reply: dict[str, list[int]] = defaultdict(list)
    for outcome in outcomes:
        by_reply[reply_line(outcome)].append(outcome.key)
    for reply, keys in by_reply.items():
        ours = Delivery.objects.filter(pk__in=keys, claim=token, state__in=[*HELD, State.UNKNOWN])
        ours.update(state=State.CLAIMED, reply=reply)
        give_back(keys, token=token, not_before=now + infrastructure_wait())


def _settle_troubled(outcomes: Sequence[Outcome], *, token: str, now: datetime) -> None:
    """Settle messages that were not accepted. A definite reply also settles rows that the rescue marked unknown.

    While the relay or a domain puts off everything no reader is to blame: that spends no attempt beyond the first.
    """
    ours = Delivery.objects.filter(
        pk__in=[outcome.key for outcome in outcomes], claim=token, state__in=[*HELD, State.UNKNOWN]
    )
    # Locked: the reaper must not give a row to somebody else between this look and the save.
    rows = {
        row.pk: row
        for row in ours.only("pk", "attempts", "expires_at", "state", "domain", "edition").select_for_update()
    }
    events = []
    in_storm = Stream.objects.filter(name=STREAM, trouble=Stream.Trouble.DEFERRED).exists()
    silent = cache(partial(_silent_domains, now=now))
    for outcome in outcomes:
        row = rows.get(outcome.key)
        if row is None or (row.state == State.UNKNOWN and outcome.kind is OutcomeKind.UNKNOWN):
            continue
        is_last = row.attempts + 1 >= settings.DELIVERY_MAX_ATTEMPTS  # asked only then: it counts an edition's rows
        is_general = outcome.kind is OutcomeKind.RETRY and (
            in_storm or (is_last and row.domain in silent(row.edition_id))
        )
        row.attempts = 1 if is_general else row.attempts + 1
        row.reply = reply_line(outcome)
        if outcome.kind is OutcomeKind.RETRY:
            row.state, kind = _retry_or_give_up(row, now=now), DeliveryEvent.Kind.DEFERRED
            if row.state == State.FAILED:
                is_theirs = not is_general and _blames_mailbox(outcome)
                kind = DeliveryEvent.Kind.SOFT if is_theirs else DeliveryEvent.Kind.FAILED
        else:
            row.state, kind = SETTLED[outcome.kind]
        events.append(event_of(outcome, kind=kind, now=now))
        row.save(update_fields=["state", "attempts", "reply", "not_before"])
    DeliveryEvent.objects.bulk_create(events)


def _silent_domains(edition: int, *, now: datetime) -> set[str]:
    """Domains that put off several readers of the edition and took nothing lately.

    A domain with few readers is among them when so many were put off altogether that it must be the relay.
    """
    rows = Delivery.objects.filter(edition=edition).values("domain")
    waiting = Count("pk", filter=Q(state__in=[State.RETRY, *HELD], attempts__gte=1))
    lately = Count("pk", filter=Q(state=State.SENT, sent_at__gt=now - LATELY))
    counted = rows.annotate(waiting=waiting, lately=lately, sent=Count("pk", filter=Q(state=State.SENT))).order_by()
    found = list(counted.values_list("domain", "waiting", "lately", "sent"))
    silent = {domain: waiting for domain, waiting, lately, _sent in found if waiting and not lately}
    tried = sum(waiting + sent for _domain, waiting, _lately, sent in found)
    is_relay = sum(silent.values()) >= max(PUT_OFF_BY_RELAY, SHARE_BY_RELAY * tried)
    return {domain for domain, waiting in silent.items() if is_relay or waiting >= PUT_OFF_BY_DOMAIN}


def _retry_or_give_up(row: Delivery, *, now: datetime) -> str:
    """Retry while the digest is still news, else fail: a daily digest is not sent tomorrow."""
    again_at = now + backoff(row.attempts, chance=random.random())  # noqa: S311
    if row.attempts >= settings.DELIVERY_MAX_ATTEMPTS or again_at >= row.expires_at:
        return State.FAILED
    row.not_before = again_at
    return State.RETRY


def _blames_mailbox(outcome: Outcome) -> bool:
    """Whether a refusal that outlasted all tries counts towards the limit of soft bounces: not what blames us."""
    if not outcome.code or outcome.phase not in {Phase.RCPT, Phase.DATA, Phase.DOT}:
        return False
    verdict = judge(outcome.text, codes=[outcome.enhanced], phase=outcome.phase)
    return verdict not in {Verdict.SENDER, Verdict.LIMIT}


def event_of(outcome: Outcome, *, kind: str, now: datetime) -> DeliveryEvent:
    return DeliveryEvent(
        delivery_id=outcome.key,
        kind=kind,
        at=now,
        source=SOURCES.get(outcome.phase, "smtp"),
        code=f"{outcome.code or ''} {outcome.enhanced}".strip(),
        phase=outcome.phase.value,
        text=outcome.text[:300],
        handled_at=None if kind in ABOUT_THE_ADDRESS else now,  # bounces.act_on_report acts on these alone
    )


def reply_line(outcome: Outcome) -> str:
    """The relay's answer in one line, with the relay's own id of the message."""
    text = outcome.text.removeprefix(outcome.enhanced).lstrip()
    return f"{outcome.code or ''} {outcome.enhanced} {text}".strip()[:300]
