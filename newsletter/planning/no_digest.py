"""A short mail that says why no digest comes, for the readers who wish it.

In: rows just written as skipped, in the same transaction: one such mail a row, never two. Out: notices that are owed
at the hour of the digest. A chunk without skipped rows costs no query, one with them a single one; the reasons are
worked out for those who wish to hear them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from newsletter.models import Delivery
from newsletter.planning.bulk_insert import Row
from newsletter.planning.readers_due import Due
from subscriptions.in_long_list_lookup import Keys
from subscriptions.models import Subscriber
from subscriptions.transactional_mails import owe_reasons

if TYPE_CHECKING:
    from newsletter.planning.reader_picks import EditionPlan


def tell_why_none(plan: EditionPlan, rows: Sequence[Row], *, now: datetime) -> None:
    """Owe a mail with the reason for each skipped row whose reader wishes one."""
    skipped = {row.subscriber_id: row for row in rows if row.skip_reason}
    wishing = Subscriber.objects.filter(pk__any_of=Keys(skipped), wants_reasons=True) if skipped else None
    if wishing is None or not (readers := _read(wishing.exclude(mail_format=Subscriber.MailFormat.FEED))):
        return
    unread = [reader for reader in readers if skipped[reader.pk].skip_reason == Delivery.Skip.EMPTY]
    had = plan.had_by(unread).columns  # reads only: this runs beside the choosing for the next chunk
    reasons = {
        reader.pk: _reason(plan, reader, skipped[reader.pk], has_had=bool(had.get(reader.pk))) for reader in readers
    }
    owe_reasons(reasons, now=now)


def _read(readers: Any) -> list[Due]:
    return [Due(*values) for values in readers.values_list(*Due._fields)]


def _reason(plan: EditionPlan, reader: Due, row: Row, *, has_had: bool) -> dict[str, Any]:
    why = "had" if has_had else "nothing" if row.skip_reason == Delivery.Skip.EMPTY else reader.thin_policy
    papers = len(json.loads(row.picks))
    edition = plan.edition.period_on.isoformat()
    return {"why": why, "papers": papers, "cadence": reader.cadence, "edition": edition, "due_at": row.due_at}
