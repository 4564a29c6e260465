"""Thresholds of all alarms, in one place so that an operator can change them."""

from __future__ import annotations

from datetime import timedelta

NOTICE_PATIENCE = timedelta(minutes=5)
DELIVERY_PATIENCE = timedelta(minutes=15)
RELAY_PATIENCE = timedelta(minutes=5)  # since the digests were first owed, even if they were put off since
CLAIM_PATIENCE = timedelta(minutes=5)
EDITION_PATIENCE = timedelta(days=2)
WEBHOOK_PATIENCE = timedelta(days=1)
INGEST_PATIENCE = timedelta(minutes=30)
MAILBOX_PATIENCE = timedelta(minutes=30)
CLOCK_MEMORY = timedelta(minutes=15)  # after that a machine without a heartbeat is forgotten
UNKNOWN_PATIENCE = timedelta(hours=1)  # a bounce or a report may settle it by itself
OVERDUE = timedelta(hours=1)  # an owed digest this late counts as not there
APPROVAL_WARNING = timedelta(hours=2)  # before the cut-off
APPROVAL_PATIENCE = timedelta(minutes=15)  # after it, before it is called missed
LOOK_BACK = timedelta(days=7)  # of editions whose deliveries are counted
RECENT = timedelta(days=2)  # failed and late digests of older editions are history
DAY = timedelta(days=1)
SHARE, AT_LEAST = 0.05, 3  # of digests that failed, are late, or of readers without mail; half of a short list as well
DEFERRED_SHARE = 0.3  # of an edition's digests waiting after a "not now"; greylisting of new addresses is below
HOLDS = 3  # of a recipient domain in a row for its own limit
BUSY_NETWORKS = 5  # networks whose sign-ups are refused at once; one is a campus or a nuisance
FREE_MEGABYTES = 200  # of the disk of VAR_DIR


def is_many(bad: int, of: int) -> bool:
    """Whether they are enough for an alarm: a share of a long list, or half of a short one."""
    return bad > 0 and ((bad >= AT_LEAST and bad >= SHARE * of) or 2 * bad >= of)
