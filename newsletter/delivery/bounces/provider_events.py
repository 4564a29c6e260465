"""Events of mail providers, as django-anymail's `tracking` signal brings them, in our vocabulary.

In: anymail's event object (only read, so anymail stays optional). Out: an Event, or None for what we do not act on:
opens and clicks are not ours to count, "queued" and "sent" say nothing that the sending did not.
"""

from __future__ import annotations

import hashlib
from datetime import UTC
from typing import TYPE_CHECKING, Any

from newsletter.delivery.bounces import Event, ReportKind, status_codes

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

_KINDS = {
    "delivered": ReportKind.DELIVERED,
    "deferred": ReportKind.DEFERRED,
    "complained": ReportKind.COMPLAINED,
    "unsubscribed": ReportKind.UNSUBSCRIBED,
    "failed": ReportKind.POLICY,
}
# Why a provider refused or gave up. "bounced" is its own list of dead addresses, "spam" of complaints.
_REASONS = {
    "invalid": ReportKind.HARD,
    "bounced": ReportKind.HARD,
    "spam": ReportKind.COMPLAINED,
    "unsubscribed": ReportKind.UNSUBSCRIBED,
    "blocked": ReportKind.POLICY,
    "timed_out": ReportKind.SOFT,
}


def listen(receive: Callable[[Event], None]) -> Callable[..., None]:
    """Call ``receive`` for each event of any provider. Keep the returned receiver: the signal holds it weakly."""
    from anymail.signals import tracking  # the optional extra; only whoever configures webhooks needs it

    def receiver(event: Any, **_: object) -> None:
        ours = event_of(event)
        if ours is not None:
            receive(ours)

    tracking.connect(receiver)
    return receiver


def event_of(event: Any) -> Event | None:
    """``event``: an AnymailTrackingEvent."""
    response = " ".join(str(part) for part in (event.mta_response, event.description) if part)
    kind = _kind(str(event.event_type), reason=str(event.reject_reason or ""), response=response)
    if kind is None:
        return None
    return Event(
        kind=kind,
        source="webhook",
        event_id=_event_id(event),
        delivery=_our_key(event.metadata),
        message_id=str(event.message_id or "").strip("<> "),
        code=status_codes.codes("", diagnostic=response),
        text=status_codes.one_line(response),
        at=_moment(event.timestamp),
    )


def _kind(event_type: str, *, reason: str, response: str) -> ReportKind | None:
    if event_type in {"bounced", "rejected"}:
        # The receiving server's own words outrank the provider's summary: many call every bounce "bounced".
        if status_codes.enhanced_code(response):
            return status_codes.kind_of_failure("", diagnostic=response)
        return _REASONS.get(reason) or status_codes.kind_of_failure("", diagnostic=response)
    return _KINDS.get(event_type)


def _event_id(event: Any) -> str:
    """The provider's id; without one, what makes the event itself: the same when it is delivered again."""
    if event.event_id:
        return f"webhook:{event.event_id}"[:200]
    marks = "|".join(str(part) for part in (event.event_type, event.timestamp, event.message_id, event.recipient))
    return f"webhook:{hashlib.sha256(marks.encode('utf-8', 'replace')).hexdigest()[:40]}"


def _our_key(metadata: Any) -> int | None:
    value = str((metadata or {}).get("delivery", ""))
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else None


def _moment(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
