"""Letters and providers' events that no program could place: kept until an operator says what each one is.

In: a letter's bytes, and why no program could place it; later a person's word. Out: a Letter row, and what follows from
the word, with who gave it. Keeping the same letter twice keeps it once; judging it twice acts once.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
from datetime import datetime
from email.header import decode_header, make_header
from typing import TYPE_CHECKING, NamedTuple

from django.db import transaction
from django.db.models import Count, Min

from newsletter.delivery.bounces import match_delivery, mime
from newsletter.models import Delivery, DeliveryEvent, Letter
from subscriptions import lifecycle, suppression, token_links
from subscriptions.addresses import parse_address
from subscriptions.models import Subscriber, Suppression

if TYPE_CHECKING:
    from email.message import Message

    from django.contrib.auth.models import User

log = logging.getLogger(__name__)
KEPT_BYTES = 64_000  # of each: a report says what it has to say long before
KEPT_LETTERS = 5_000  # waiting; a flooded mailbox must not fill the database
SHOWN = 20_000  # characters of its text
BY_OPERATOR = "operator"
_ADDRESS = re.compile(r"[A-Za-z0-9._%+=/'-]{1,64}@[A-Za-z0-9.-]{1,255}")
_KINDS = {
    Letter.Judgement.HARD: DeliveryEvent.Kind.BOUNCED,
    Letter.Judgement.SOFT: DeliveryEvent.Kind.SOFT,
    Letter.Judgement.COMPLAINT: DeliveryEvent.Kind.COMPLAINED,
    Letter.Judgement.LEAVE: DeliveryEvent.Kind.UNSUBSCRIBED,
}
_REASONS = {
    Letter.Judgement.HARD: Suppression.Reason.BOUNCE,
    Letter.Judgement.COMPLAINT: Suppression.Reason.COMPLAINT,
}


class JudgementError(Exception):
    """The judgement was refused; the message tells the person who asked why."""


class Waiting(NamedTuple):
    """Number of letters that wait for a person, and since when the oldest does."""

    number: int
    oldest: datetime | None


def waiting_letters() -> Waiting:
    """Number and age of the letters that wait, for an alarm."""
    found = Letter.objects.waiting().aggregate(number=Count("pk"), oldest=Min("received_at"))
    return Waiting(found["number"], found["oldest"])


def keep(
    data: bytes,
    *,
    why: str,
    now: datetime,
    taken_for: str = "",
    delivery: int | None = None,
    identity: bytes = b"",
) -> bool:
    """Keep a letter for a person. False: it is kept already, or too many wait.

    ``identity``: what makes it the same letter when it comes again, where that is not ``data``.
    """
    if Letter.objects.waiting().count() >= KEPT_LETTERS:
        log.error(
            "%d letters wait for a person; further ones stay in the mailbox alone, and of an event this line: %s %s",
            *(KEPT_LETTERS, taken_for, identity.decode("utf-8", "replace")),
        )
        return False
    message = _head(data)
    _, is_new = Letter.objects.get_or_create(
        fingerprint=hashlib.sha256(identity or data).hexdigest(),
        defaults={
            "received_at": now,
            "sender": _one_line(message, "From"),
            "subject": _one_line(message, "Subject"),
            "why": why,
            "taken_for": taken_for,
            "delivery_id": delivery,
            "data": data[:KEPT_BYTES],
        },
    )
    return is_new


def forget(email: str) -> None:
    """Take the address of an erased reader, and its domain, out of every letter that names it.

    A letter that names it in an encoded part as well keeps its headings only.
    """
    address = re.compile(re.escape(email).encode(), re.IGNORECASE)
    traces = re.compile(f"{re.escape(email)}|{re.escape(email.rpartition('@')[2])}".encode(), re.IGNORECASE)
    for letter in Letter.objects.iterator(chunk_size=100):
        fields = [bytes(letter.data), letter.sender.encode(), letter.subject.encode()]
        if not any(map(address.search, fields)):
            continue
        letter.data, sender, subject = (traces.sub(b"(erased)", field) for field in fields)
        letter.sender, letter.subject = sender.decode()[:200], subject.decode()[:200]
        if address.search(" ".join(readable(letter)).encode()):
            letter.data = b""
        letter.save(update_fields=["data", "sender", "subject"])


def readable(letter: Letter) -> tuple[str, str]:
    """(headers, text) as a person reads them: plain, cut short, not yet escaped. Raw where it cannot be taken apart."""
    data = bytes(letter.data)
    try:
        message = mime.message_of(data)
        headers = "\n".join(f"{name}: {str(value)[:500]}" for name, value in message.items()[:100])
        text = "\n\n".join(filter(None, map(_text_of, message.walk())))
    except Exception:  # anybody may write to that mailbox, also to trip us
        headers, text = "", data.decode("utf-8", "replace")
    return _printable(headers), _printable(text)[:SHOWN]


def _text_of(part: Message) -> str:
    kind = part.get_content_type()
    if kind == "message/delivery-status":
        return f"[{kind}]\n{str(part)[:SHOWN]}"
    if part.is_multipart() or part.get_content_maintype() != "text":
        return "" if part.is_multipart() else f"[{kind}]"
    payload = part.get_payload(decode=True)
    text = payload.decode("utf-8", "replace").strip() if isinstance(payload, bytes) else ""
    return f"[{kind}]\n{text}" if text else ""


def readers_named(letter: Letter) -> list[str]:
    """Return readers' addresses found in the letter, for the operator who judges it. Being there proves nothing."""
    text = bytes(letter.data).decode("utf-8", "replace")
    found: dict[str, None] = dict.fromkeys(match.casefold() for match in _ADDRESS.findall(text)[:200])
    keys = []
    for address in found:
        with contextlib.suppress(ValueError):
            keys.append(parse_address(address).key)
    return [str(one) for one in Subscriber.objects.filter(address_key__in=keys).values_list("email", flat=True)[:20]]


@transaction.atomic
def judge(letter: Letter, *, judgement: str, address: str, by: User, now: datetime) -> str:
    """Act on what an operator says the letter is. Returns a sentence about what was done; raises JudgementError."""
    word = Letter.Judgement(judgement)
    said = Letter.objects.waiting().filter(pk=letter.pk).update(judgement=word, judged_at=now, judged_by=by)
    if not said:
        raise JudgementError("This letter was already decided. Nothing was changed.")
    if word == Letter.Judgement.NOTHING:
        return "Noted: it is nothing to us."
    hashed, latest = _mailed(letter, address)
    reader = Subscriber.objects.filter(address_hash=hashed).first()
    if latest is not None:
        is_soft = word == Letter.Judgement.SOFT  # counted by the next tick with the others
        DeliveryEvent.objects.create(
            delivery=latest,
            kind=_KINDS[word],
            at=letter.received_at,
            source=BY_OPERATOR,
            tied_by=BY_OPERATOR,
            event_id=f"letter:{letter.pk}",
            text=f"letter {letter.pk}, judged by {by}"[:300],
            handled_at=None if is_soft else now,
        )
    if word in _REASONS:
        suppression.suppress_address(hashed, reason=_REASONS[word], source=f"letter, by {by}", now=now)
        return "The address is suppressed."
    if word == Letter.Judgement.LEAVE:
        if reader is None:
            raise JudgementError("No reader has this address any more, so nobody can leave.")
        left = lifecycle.unsubscribe(reader, now=now, method=BY_OPERATOR, origin=lifecycle.Origin())
        return "The reader has left." if left else "The reader had left before."
    if latest is None:
        raise JudgementError("No digest was ever sent to this address, so none can have failed there.")
    return "It counts as one failure of this address."


def _mailed(letter: Letter, address: str) -> tuple[str, Delivery | None]:
    """Hash of the address that a person named, or the letter is about, and the last digest sent to it."""
    if address.strip():
        try:
            hashed: str | None = token_links.address_hash(parse_address(address).key)
        except ValueError as error:
            raise JudgementError(f"This is no mail address: {error}") from error
    else:
        hashed = match_delivery.address_of(letter.delivery) if letter.delivery else None
    if hashed is None:
        raise JudgementError("Say which address it is about.")
    sent = Delivery.objects.filter(address_hash=hashed).exclude(sent_at=None).order_by("-sent_at")
    held = Subscriber.objects.filter(address_hash=hashed)
    latest = sent.filter(subscriber__in=held).first() or (letter.delivery if not address.strip() else None)
    if latest is None and not held.exists():
        raise JudgementError("No reader has this address. Take the one the digest was sent to.")
    return hashed, latest


def _head(data: bytes) -> Message:
    return mime.message_of(data.partition(b"\n\n")[0][:KEPT_BYTES])


def _one_line(message: Message, name: str) -> str:
    raw = str(message.get(name, ""))
    with contextlib.suppress(ValueError, LookupError):
        raw = str(make_header(decode_header(raw)))
    return " ".join(_printable(raw).split())[:200]


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() or char in "\n\t" else " " for char in text)
