"""Previews: the exact mail a reader would get from an edition, before it is sent.

In: an edition in any state and a made-up reader's preferences. Out: message bytes, composed by the same code that
sends. Writes nothing; may run at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime

from newsletter import planning
from newsletter.delivery.compose_message import identity
from newsletter.mail import compile_edition as mail_compile
from newsletter.mail.assemble import Composer
from newsletter.mail.one_part import Recipient
from newsletter.models import Edition, PaperTopic
from subscriptions.models import Topic

TOKEN = "preview-of-this-digest-00"[:24]


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


def sample_personas(edition: Edition) -> list[Persona]:
    """Return three made-up readers: a specialist, one with two interests, one with none."""
    counts: dict[str, int] = {}
    for slug in PaperTopic.objects.filter(paper__edition_items__edition=edition, is_primary=True).values_list(
        "topic__slug", flat=True
    ):
        counts[slug] = counts.get(slug, 0) + 1
    common = sorted(counts, key=lambda slug: (-counts[slug], slug))
    return [
        Persona("Follows one topic", follows=tuple(common[:1])),
        Persona("Follows two topics, five papers", follows=tuple(common[1:3]), max_papers=5),
        Persona("Follows nothing in particular"),
    ]


def preview(edition: Edition, *, persona: Persona, now: datetime) -> EmailMessage:
    """Return the parsed message. Raises CompileError when a part of the edition cannot be rendered."""
    return message_from_bytes(preview_bytes(edition, persona=persona, now=now), policy=policy.default)


def preview_bytes(edition: Edition, *, persona: Persona, now: datetime) -> bytes:
    """Return the message as the relay would get it. Raises ValueError when no paper fits the reader."""
    compiled = getattr(edition, "compiled", None)
    topics = dict(Topic.objects.values_list("slug", "pk"))
    also = {
        name: [topics[slug] for slug in slugs]
        for name, slugs in (("topics", persona.follows), ("mutes", persona.mutes))
    }
    composer = Composer(compiled.fragments if compiled else mail_compile.compile_edition(edition, now=now), identity())
    return composer.compose(
        Recipient(
            delivery_id=0,
            email="reader@example.net",
            message_id="preview@example.net",
            unsubscribe_token=TOKEN,
            delivery_token=TOKEN,
            picks=planning.picks_for(edition, follows=persona.follows, mutes=persona.mutes, limit=persona.max_papers),
            wants_html=persona.wants_html,
            shows_pictures=persona.shows_pictures,
            date_header=format_datetime(now),
            topics=persona.follows,
            also=also if persona.follows else {},
            confirmed_on=now.date(),
            is_welcome=persona.is_new,
        )
    )
