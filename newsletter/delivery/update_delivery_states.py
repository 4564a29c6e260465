"""The write of the hot path: record outcomes and mark rows as `sending`, in one transaction.

In: a transport's turn. Out: the keys whose bodies may leave. On PostgreSQL one statement and one round trip for the
common case; the same rules as record_outcomes.py and claim_deliveries.py, which do the rest and every other database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import connection, transaction

from newsletter.delivery.claim_deliveries import mark_sending
from newsletter.delivery.record_outcomes import reply_line, settle
from newsletter.delivery.transports import Outcome, OutcomeKind, Turn
from newsletter.models import Delivery, Edition
from subscriptions.models import Subscriber, Suppression

_DELIVERY = Delivery._meta.db_table
# Consent, suppression and pause are asked in the very UPDATE that lets a body go.
_SQL = f"""
WITH settled AS (
  UPDATE {_DELIVERY} d SET state = 'sent', sent_at = %s, attempts = d.attempts + 1, reply = v.reply, size = v.size
  FROM unnest(%s::bigint[], %s::text[], %s::int[]) AS v(id, reply, size)
  WHERE d.id = v.id AND d.claim = %s AND d.state IN ('claimed', 'sending', 'unknown')
), marked AS (
  UPDATE {_DELIVERY} d SET state = 'sending'
  FROM {Subscriber._meta.db_table} r, {Edition._meta.db_table} e
  WHERE d.id = ANY(%s) AND d.claim = %s AND d.state IN ('claimed', 'sending')
    AND e.id = d.edition_id AND e.state IN ('frozen', 'sending') AND e.paused_at IS NULL
    AND r.id = d.subscriber_id AND r.state = 'confirmed'
    AND NOT EXISTS (
      SELECT FROM {Suppression._meta.db_table} s WHERE s.address_hash = r.address_hash AND s.lifted_at IS NULL
    )
  RETURNING d.id
)
SELECT id FROM marked
"""  # noqa: S608  (table names are Django's own)


def settle_and_mark(turn: Turn, *, token: str, now: datetime, sizes: Mapping[int, int]) -> set[int]:
    """Record the outcomes, make the ready rows `sending`; returns those that may go. May run twice."""
    if connection.vendor != "postgresql":
        with transaction.atomic():
            settle(turn.outcomes, token=token, now=now, sizes=sizes)
            return mark_sending(turn.ready, token=token, now=now)
    sent = [outcome for outcome in turn.outcomes if outcome.kind is OutcomeKind.SENT]
    marked = _settle_and_mark(sent, turn.ready, token=token, now=now, sizes=sizes)
    rest = [outcome for outcome in turn.outcomes if outcome.kind is not OutcomeKind.SENT]
    if rest:
        settle(rest, token=token, now=now, sizes=sizes)
    if len(marked) < len(turn.ready):
        marked |= mark_sending([pk for pk in turn.ready if pk not in marked], token=token, now=now)
    return marked


def _settle_and_mark(
    sent: Sequence[Outcome], ready: Sequence[int], *, token: str, now: datetime, sizes: Mapping[int, int]
) -> set[int]:
    keys = [outcome.key for outcome in sent]
    replies = [reply_line(outcome) for outcome in sent]
    with connection.cursor() as cursor:
        cursor.execute(_SQL, [now, keys, replies, [sizes.get(key, 0) for key in keys], token, list(ready), token])
        return {pk for (pk,) in cursor.fetchall()}
