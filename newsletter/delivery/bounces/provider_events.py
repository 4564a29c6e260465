"""Events of mail providers, as django-anymail's `tracking` signal brings them, in our vocabulary.

In: anymail's event object (only read, so anymail stays optional). Out: an Event, or None for what we do not act on:
opens and clicks are not counted, "queued" and "sent" tell nothing new, and a notice that bounces (mostly a sign-up with
a slip) subscribed nobody.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any

from newsletter.delivery.bounces import Event, ReportKind
from newsletter.delivery.bounces import failure_kind as status_codes
from subscriptions.smtp_replies import Phase, judge

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
# Why a provider refused or gave up, where nothing says more. "bounced" alone is any bounce: see _OWN_WORDS.
_REASONS = {
    "invalid": ReportKind.HARD,
    "unsubscribed": ReportKind.UNSUBSCRIBED,
    "blocked": ReportKind.POLICY,
}
# A provider's own word for the event, the mildest first; None: no news of an address.
_OWN_WORDS: tuple[tuple[re.Pattern[str], ReportKind | None], ...] = (
    (re.compile(r"auto[-_ ]?(?:respon|repl)|out[-_ ]?of[-_ ]?(?:the[-_ ]?)?office|vacation"), None),
    # Mailgun's lists of people who complained or left; its "permanent" says only that it gave up.
    (re.compile(r"a user who marked your messages as spam|spam[- ]report"), ReportKind.COMPLAINED),
    (re.compile(r"not delivering to unsubscribed|err_unsubscribed"), ReportKind.UNSUBSCRIBED),
    (
        re.compile(
            r"content[-_ ]?(?:reject|block)|sender[-_ ]?block|attachment[-_ ]?reject|too[-_ ]?large|"
            r"err_spam|spam[-_ ]?(?:block|content)|blacklist|template|policy|dmarc|virus"
        ),
        ReportKind.POLICY,
    ),
    (
        re.compile(
            r"soft|transient|temporar|undetermined|mailbox[-_ ]?full|inbox (?:was|is) full|quota|general bounce|"
            r"expired|timed?[-_ ]?out|err_(?!user_unknown|mailbox_discarded)\w"
        ),
        ReportKind.SOFT,
    ),
    (re.compile(r"hard|permanent|invalid[-_ ]?(?:email|recipient|address)|bad[-_ ]?email"), ReportKind.HARD),
)
# The fields of providers' payloads that hold it: never the recipient, our mail or the receiver's answer. "reason" is
# the provider's own where it refused before any receiver was asked.
_WORD_FIELDS = frozenset({"event", "type", "bouncetype", "bouncesubtype", "bounce_type", "bounce_category", "error"})
_WORD_FIELDS |= {"delivery_status", "status", "message", "name"}
_WORD_LIMIT = 200
_OF_A_PERSON = frozenset({ReportKind.COMPLAINED, ReportKind.UNSUBSCRIBED})
_ORDER = (ReportKind.POLICY, ReportKind.SOFT, ReportKind.HARD)


def listen(receive: Callable[[Event, bytes], None]) -> Callable[..., None]:
    """Call ``receive`` with each event of any provider and its `letter_of`. Keep the receiver: the signal is weak."""
    from anymail.signals import tracking  # the optional extra, needed for webhooks alone

    def receiver(event: Any, esp_name: str, **_: object) -> None:
        ours = event_of(event)
        if ours is not None:
            receive(ours, letter_of(event, provider=esp_name))

    tracking.connect(receiver)
    return receiver


def event_of(event: Any) -> Event | None:
    """Translate an AnymailTrackingEvent into an Event; None for one that we do not act on."""
    response = _response(event)
    kind = _kind(event)
    if kind is None or ("notice" in (event.metadata or {}) and kind not in _OF_A_PERSON):
        return None
    return Event(
        kind=kind,
        source="webhook",
        event_id=_event_id(event),
        delivery=_our_key(event.metadata),
        message_id=str(event.message_id or "").strip("<> "),
        code=status_codes.codes("", diagnostic=response),
        text=status_codes.single_line(response),
        at=_moment(event.timestamp),
    )


def letter_of(event: Any, *, provider: str) -> bytes:
    """The event written as a letter, for an operator who has to judge it."""
    told = json.dumps(event.esp_event, indent=1, ensure_ascii=False, default=str)
    subject = f"{event.event_type} {event.reject_reason or ''}"
    return (
        f"From: {' '.join(provider.split())} (webhook)\nSubject: {' '.join(subject.split())}\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
        f"{event.recipient or ''}\n{_response(event)}\n\n{told}\n"
    ).encode("utf-8", "replace")


def _kind(event: Any) -> ReportKind | None:
    event_type, reason = str(event.event_type), str(event.reject_reason or "")
    if event_type not in {"bounced", "rejected"}:
        return _KINDS.get(event_type)
    words = _own_words(event)
    # What the provider itself refuses says nothing of the address, unless its reason does.
    own: ReportKind | None = ReportKind.SOFT if "bounced" in {event_type, reason} else ReportKind.POLICY
    told = [kind for pattern, kind in _OWN_WORDS if pattern.search(words)]
    if told:
        own = told[0]
        if own is None:
            return None
    if reason in _REASONS and (not told or reason == "blocked"):
        own = _REASONS[reason]
    if reason == "spam" and not (told and own is ReportKind.POLICY):
        # Refused by the provider's own list of complaints; a receiver that calls a message spam refuses the message.
        return ReportKind.COMPLAINED if event_type == "rejected" else ReportKind.POLICY
    if own in {ReportKind.UNSUBSCRIBED, ReportKind.COMPLAINED}:
        return own
    # The receiver's words, and the provider's: the milder wins. A provider that says "hard" has seen RCPT refused.
    answer = str(event.mta_response or ("" if told else event.description) or "")
    verdict = judge(answer, phase=Phase.RCPT if own is ReportKind.HARD else None)
    heard = [own, status_codes.KINDS[verdict]] if verdict and (told or reason in _REASONS) else []
    if heard:
        return min(heard, key=_ORDER.index)
    return status_codes.KINDS[verdict] if verdict else own


def _response(event: Any) -> str:
    return " ".join(str(part) for part in (event.mta_response, event.description) if part)


def _own_words(event: Any) -> str:
    """Lower-case text of an event: anymail's summary and the words of the payload, two levels deep."""
    words = [str(event.description or "")]
    fields = _WORD_FIELDS | {"reason"} if str(event.event_type) == "rejected" else _WORD_FIELDS
    waiting = [(event.esp_event, 0)]
    while waiting:
        payload, depth = waiting.pop()
        for name, value in payload.items() if isinstance(payload, Mapping) else ():
            if isinstance(value, str) and name.lower() in fields:
                words.append(value[:_WORD_LIMIT])
            elif name == "hard_bounce" and isinstance(value, bool):  # Mailjet
                words.append("hard" if value else "soft")
            elif depth < 2:
                waiting.append((value, depth + 1))
    return " ".join(words).lower()


def _event_id(event: Any) -> str:
    """The provider's id of an event, or one made from its content: the same when it is delivered again."""
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
