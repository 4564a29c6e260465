"""Rows for tests: every builder makes a valid row and takes the fields that matter as keywords."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from newsletter.editions import lifecycle
from newsletter.models import Edition, EditionItem, Paper, PaperTopic
from subscriptions import token_links
from subscriptions.models import Subscriber, Topic

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)  # a Wednesday
_numbers = itertools.count(1)


def make_topic(slug: str = "", **over: Any) -> Topic:
    """A topic; an existing one of that slug is returned as it is (the default topics come with the migrations)."""
    slug = slug or f"topic-{next(_numbers)}"
    fields = {"name": slug.replace("-", " ").title(), "description": f"All about {slug}.", "keywords": [slug]} | over
    return Topic.objects.get_or_create(slug=slug, defaults=fields)[0]


def make_paper(**over: Any) -> Paper:
    number = next(_numbers)
    title = over.pop("title", f"A study of subject {number}")
    fields: dict[str, Any] = {
        "arxiv_id": f"2603.{number:05d}",
        "title": title,
        "title_key": " ".join(title.casefold().split()),
        "abstract": f"We study subject {number}. It turns out to be interesting. Code is available.",
        "authors": ["Ada Lovelace", "Alan Turing"],
        "published_on": NOON.date(),
        "listed_on": NOON.date(),
        "first_seen_at": NOON,
        "title_source": "",  # a paper from before sources were kept has None
    }
    return Paper.objects.create(**(fields | over))


def make_reader(email: str = "", *, follows: tuple[str, ...] = (), **over: Any) -> Subscriber:
    """A confirmed reader (as lifecycle leaves one), due at NOON, following the topics of the slugs given."""
    email = email or f"reader{next(_numbers)}@example.net"
    token, token_hash = token_links.new_unsubscribe_token()
    fields: dict[str, Any] = {
        "email": email,
        "address_key": email.casefold(),
        "address_hash": token_links.address_hash(email.casefold()),
        "domain": email.rpartition("@")[2],
        "state": Subscriber.State.CONFIRMED,
        "confirmed_at": NOON,
        "next_due_at": NOON,
        "unsubscribe_token": token,
        "unsubscribe_hash": token_hash,
    }
    reader = Subscriber.objects.create(**(fields | over))
    for slug in follows:
        reader.preferences.create(topic=make_topic(slug))
    return reader


def make_edition(*, papers: Sequence[Paper] = (), **over: Any) -> Edition:
    """A daily edition of NOON's day with the papers in order; states from `frozen` on are really frozen."""
    state = over.pop("state", Edition.State.DRAFT)
    fields: dict[str, Any] = {
        "cadence": Edition.Cadence.DAILY,
        "period_on": NOON.date(),
        "window_start_at": NOON - timedelta(days=1),
        "cutoff_at": NOON - timedelta(hours=1),
    }
    fields |= over
    frozen = state in {Edition.State.FROZEN, Edition.State.SENDING, Edition.State.DONE}
    edition = Edition.objects.create(**fields, state=Edition.State.APPROVED if frozen else state)
    EditionItem.objects.bulk_create(
        EditionItem(edition=edition, paper=paper, position=place, score=paper.score_daily, parts=paper.score_parts)
        for place, paper in enumerate(papers, start=1)
    )
    if frozen:
        lifecycle.freeze(edition, now=over.get("frozen_at", NOON - timedelta(minutes=30)))
        Edition.objects.filter(pk=edition.pk).update(state=state)
        edition.refresh_from_db()
    return edition


def assign(paper: Paper, *slugs: str) -> Paper:
    """Give the paper these topics, the first as its primary one."""
    for place, slug in enumerate(slugs):
        PaperTopic.objects.create(paper=paper, topic=make_topic(slug), score=0.9 - place / 10, is_primary=place == 0)
    return paper
