"""Names of alarms, each with an entry in docs/runbook.md. An alarm adds a sentence with a number and the next step."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from django.utils.translation import gettext, ngettext


class Part(StrEnum):
    """The part of the system an alarm is about; the health check of one process asks for its own part."""

    TICK = "tick"
    INGEST = "ingest"
    CONFIRM = "confirm"
    DIGEST = "digest"
    SOURCES = "sources"
    WEBHOOKS = "webhooks"


class Name(StrEnum):
    """Every alarm, except those of sources, which are named `<source>_silent`."""

    RESTORED = "restored"
    NO_TICK = "no_tick"
    TICK_LATE = "tick_late"
    CLOCKS_APART = "clocks_apart"
    DISK_FULL = "disk_full"
    INGEST_LATE = "ingest_late"
    NOTICES_WAITING = "notices_waiting"
    CONFIRM_PAUSED = "confirm_paused"
    LIMITS_BITING = "limits_biting"
    PASSWORD_GUESSED = "password_guessed"  # noqa: S105
    DIGEST_PAUSED = "digest_paused"
    EDITION_PAUSED = "edition_paused"
    DOMAIN_HELD = "domain_held"
    DOMAIN_PAUSED = "domain_paused"
    RELAY_UNREACHABLE = "relay_unreachable"
    RELAY_DEFERS = "relay_defers"
    DELIVERIES_WAITING = "deliveries_waiting"
    CLAIMS_EXPIRED = "claims_expired"
    APPROVAL_DUE = "approval_due"
    APPROVAL_MISSED = "approval_missed"
    NO_EDITION = "no_edition"
    READERS_WITHOUT_MAIL = "readers_without_mail"
    DIGESTS_FAILED = "digests_failed"
    DIGESTS_LATE = "digests_late"
    DIGESTS_UNKNOWN = "digests_unknown"
    MAILBOX_UNREAD = "mailbox_unread"
    LETTERS_WAITING = "letters_waiting"
    EDITIONS_MISSING = "editions_missing"
    READERS_FORGOTTEN = "readers_forgotten"
    WEBHOOK_FAILING = "webhook_failing"
    WEBHOOK_OFF = "webhook_off"


@dataclass(frozen=True)
class Alarm:
    part: Part
    name: str
    sentence: str


def ago(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 1:
        return gettext("%d seconds") % age.total_seconds()
    return gettext("%d minutes") % minutes if minutes < 120 else gettext("%d hours") % (minutes // 60)


def readers_of(number: int) -> str:
    return ngettext("%d reader", "%d readers", number) % number


def digests_of(number: int) -> str:
    return ngettext("%d digest", "%d digests", number) % number
