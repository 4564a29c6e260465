"""Previews: the exact mail a reader would get from an edition, before it is sent.

In: an edition in any state and a made-up reader's wishes, or the number of a real one. Out: message bytes, planned and
composed by the same code that sends; the parts of an edition are compiled once a minute at most while they stay as they
are. Writes nothing that stays; may run at any time.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import blake2b
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from newsletter import planning
from newsletter.delivery import trial_mail
from newsletter.delivery.choose_transport import signed
from newsletter.delivery.compose_message import identity
from newsletter.delivery.transports import Outcome
from newsletter.editions import revisions
from newsletter.mail import compile_edition as mail_compile
from newsletter.mail.assemble import Composer
from newsletter.mail.one_part import Recipient
from newsletter.models import Delivery, Edition, EditionItem, PaperTopic
from newsletter.planning.delivery_rows import skip_reason
from newsletter.planning.readers_due import Due
from newsletter.search import standing_queries
from newsletter.search.query_matching import is_meant, key_of
from newsletter.search.searchable_fields import facts_of
from subscriptions import mail_settings
from subscriptions.addresses import Address
from subscriptions.models import Interest, Subscriber, Topic, TopicPreference

TOKEN = "preview-of-this-digest-0"  # noqa: S105  (of nobody)
NOBODY = "reader@example.net"
KEPT = 60  # seconds that compiled parts are used again
WITHIN = 20.0  # seconds for a test mail: a page must come before a proxy gives up


@dataclass(frozen=True)
class Persona:
    """A made-up reader: a name shown to the curator, and preferences."""

    name: str
    follows: tuple[str, ...] = ()  # topic slugs
    mutes: tuple[str, ...] = ()
    max_papers: int = 10
    wants_html: bool = True
    shows_pictures: bool = False
    is_new: bool = False  # the first digest, with a welcome
    language: str = settings.LANGUAGE_CODE
    queries: tuple[str, ...] = ()  # followed, in the words of the search box


Who = Persona | int  # an int: the number of a real reader, from 1, see `real_readers`


def sample_personas(edition: Edition) -> list[Persona]:
    """Return three made-up readers: a specialist, one with two interests, one with none."""
    counts: dict[str, int] = {}
    for slug in PaperTopic.objects.filter(paper__edition_items__edition=edition, is_primary=True).values_list(
        "topic__slug", flat=True
    ):
        counts[slug] = counts.get(slug, 0) + 1
    common = sorted(counts, key=lambda slug: (-counts[slug], slug))
    return [
        Persona(_("Follows one topic"), follows=tuple(common[:1])),
        Persona(_("Follows two topics, five papers"), follows=tuple(common[1:3]), max_papers=5),
        Persona(_("Follows nothing in particular")),
    ]


def real_readers(edition: Edition) -> QuerySet[Subscriber]:
    """Return the readers of its cadence in an order that tells nothing of them: that of a keyed hash."""
    return Subscriber.objects.mailable().filter(cadence=edition.cadence).order_by("address_hash", "pk")


def preview(edition: Edition, *, persona: Who, now: datetime) -> EmailMessage:
    """Return the parsed message. Raises CompileError when a part of the edition cannot be rendered."""
    return message_from_bytes(preview_bytes(edition, persona=persona, now=now), policy=policy.default)


def preview_bytes(edition: Edition, *, persona: Who, now: datetime, email: str = NOBODY) -> bytes:
    """Return the message as the relay would get it. Raises ValueError when the reader would get none."""
    queries = () if isinstance(persona, int) else persona.queries
    with _followed(edition, queries) as keys:
        if isinstance(persona, int):
            recipient, language = _real(edition, persona, now=now)
        else:
            recipient, language = _made_up(edition, persona, keys=keys, now=now), persona.language
        composer = _composer(edition, language, now=now, keep=not keys)
        try:
            return composer.compose(recipient._replace(email=email))
        except ValueError as error:
            if recipient.picks:
                raise
            raise ValueError(_("This reader gets no mail: no paper of this edition is for them.")) from error


def size_in_full(edition: Edition, *, now: datetime) -> int:
    """Return the bytes of the HTML part for somebody who follows nothing, no paper shortened; 0 without papers."""
    recipient = _made_up(edition, Persona(""), keys=(), now=now)
    if not recipient.picks:
        return 0
    return _composer(edition, settings.LANGUAGE_CODE, now=now).size_in_full(recipient)


def send_test(edition: Edition, *, persona: Who, address: Address, now: datetime) -> Outcome:
    """Send the mail to one of the staff, marked, by the relay in force; no delivery is recorded.

    Its links lead to a page that changes nothing. Raises ValueError and CompileError as a preview does.
    """
    data = preview_bytes(edition, persona=persona, now=now, email=address.email)
    data = data.replace(b"\r\nSubject: ", b"\r\nSubject: [Test]\r\n ", 1)
    route = trial_mail.routes(mail_settings.in_force())[0]
    return trial_mail.hand_over(route, address, signed(data), within=WITHIN)


def _composer(edition: Edition, language: str, *, now: datetime, keep: bool = True) -> Composer:
    frozen = getattr(edition, "compiled", None)
    if frozen:
        return Composer(frozen.fragments.get("languages", {}).get(language, frozen.fragments), identity())
    state = json.dumps(revisions.snapshot(edition), sort_keys=True, default=str)
    key = f"preview:{edition.pk}:{language}:{blake2b(f'{edition.created_at}{state}'.encode()).hexdigest()}"
    parts: dict[str, Any] | None = cache.get(key) if keep else None
    if parts is None:
        parts = mail_compile.compile_in(edition, language=language, now=now)
        if keep:
            cache.set(key, parts, KEPT)
    return Composer(parts, identity())


@contextmanager
def _followed(edition: Edition, texts: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Let the edition's papers be found by these queries, as the freeze does, and yield their keys; nothing is kept.

    Raises ValueError with a sentence for a text that is no query.
    """
    if not texts:
        yield ()
        return
    queries = {standing_queries.follow_key(text): (text, standing_queries.read(text)) for text in texts}
    items = list(edition.items.exclude(standing__in=EditionItem.FOR_SOME))
    facts = {fact.paper: fact for fact in facts_of([item.paper_id for item in items])}
    for item in items:
        fact = facts.get(item.paper_id)
        found = [[key, text] for key, (text, query) in queries.items() if fact and is_meant(query, fact)]
        item.found_by = [*item.found_by, *found]
    with transaction.atomic():
        EditionItem.objects.bulk_update(items, ["found_by"])
        yield tuple(key_of(query) for _text, query in queries.values())
        transaction.set_rollback(True)


def _made_up(edition: Edition, persona: Persona, *, keys: Sequence[str], now: datetime) -> Recipient:
    topics = dict(Topic.objects.values_list("slug", "pk"))
    also = {
        name: [topics[slug] for slug in slugs]
        for name, slugs in (("topics", persona.follows), ("mutes", persona.mutes))
    }
    return Recipient(
        **_address(now),
        picks=planning.picks_for(
            edition, follows=persona.follows, mutes=persona.mutes, limit=persona.max_papers, queries=keys
        ),
        wants_html=persona.wants_html,
        shows_pictures=persona.shows_pictures,
        topics=persona.follows,
        also=also if persona.follows else {},
        confirmed_on=now.date(),
        is_welcome=persona.is_new,
    )


def _real(edition: Edition, number: int, *, now: datetime) -> tuple[Recipient, str]:
    """Return the digest of a real reader as it would be planned now, and its language."""
    reader = real_readers(edition)[number - 1 : number].first() if number > 0 else None
    if reader is None:
        raise ValueError(_("There is no reader of that number. Choose one between 1 and how many there are."))
    due = Due._make(Subscriber.objects.filter(pk=reader.pk).values_list(*Due._fields).get())
    plan = planning.EditionPlan(edition)
    (stored,) = plan.choose([due])
    fewest = max(1, settings.DIGEST_MIN_PAPERS)
    if why := skip_reason(due, stored.papers, lines=plan.also.count(stored.also), fewest=fewest):
        raise ValueError(_("This reader gets no mail: %s.") % Delivery.Skip(why).label)
    stances = TopicPreference.objects.filter(subscriber=reader).exclude(stance=TopicPreference.Stance.MUTE)
    picks = json.loads(stored.json)
    recipient = Recipient(
        **_address(now),
        picks=picks,
        wants_html=reader.mail_format != Subscriber.MailFormat.TEXT,
        shows_pictures=reader.mail_format == Subscriber.MailFormat.PICTURES,
        topics=tuple(stances.order_by("topic__position", "topic_id").values_list("topic__slug", flat=True)),
        also=json.loads(stored.also),
        confirmed_on=now.date(),
        interests=dict(Interest.objects.filter(subscriber=reader).values_list("pk", "name"))
        if any(len(pick) > 3 for pick in picks)
        else None,
    )
    return recipient, reader.language


def _address(now: datetime) -> dict[str, Any]:
    """Return what a recipient needs to be written to; each mail has an id of its own, or programs would hide it."""
    return {
        "delivery_id": 0,
        "email": NOBODY,
        "message_id": f"test.{secrets.token_hex(8)}@{settings.MAIL_DOMAIN}",
        "unsubscribe_token": TOKEN,
        "delivery_token": TOKEN,
        "date_header": format_datetime(now),
    }
