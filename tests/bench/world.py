"""A made-up world for benchmarks: an edition of 60 papers and as many readers as wanted, written by COPY.

In: a database by DATABASE_URL. Out: rows as the product leaves them. Everything is derived from numbers, so two runs
measure the same work.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from newsletter.editions import lifecycle
from newsletter.models import Delivery, Edition, EditionItem, Paper, PaperTopic
from subscriptions import token_links
from subscriptions.models import Subscriber, Topic, TopicPreference

PAPERS = 60
DOMAINS = 400
FOLLOWED = 3
WORDS = [
    *("model", "training", "reader", "inference", "robust", "sparse", "attention", "retrieval", "agent", "robot"),
    *("vision", "speech", "policy", "reward", "graph", "token", "latent", "diffusion", "benchmark", "evaluation"),
    *("memory", "kernel", "alignment", "sampling", "planning", "control", "depth", "scene", "motion", "language"),
]


def make_edition(*, papers: int = PAPERS) -> Edition:
    """A frozen daily edition; about 40 KB a digest of ten papers."""
    now = timezone.now()
    topics = list(Topic.objects.filter(is_active=True).order_by("pk"))
    edition = Edition.objects.create(
        cadence=Edition.Cadence.DAILY,
        period_on=now.date(),
        window_start_at=now - timedelta(days=1),
        cutoff_at=now - timedelta(minutes=1),
        state=Edition.State.APPROVED,
        editor_note="A long day. The first three papers belong together: read them in order.",
    )
    for number in range(papers):
        words = [WORDS[(number * 7 + word * 3) % len(WORDS)] for word in range(170)]
        abstract = " ".join(" ".join(words[at : at + 25]).capitalize() + "." for at in range(0, len(words), 25))
        paper = Paper.objects.create(
            arxiv_id=f"2611.{number:05d}",
            title=f"On the {WORDS[number % len(WORDS)]} of {WORDS[(number * 5 + 1) % len(WORDS)]}: study {number}",
            title_key=f"study {number}",
            abstract=abstract,
            authors=[f"Author {number} {letter}" for letter in "ABCDE"],
            published_on=now.date(),
            listed_on=now.date(),
            first_seen_at=now - timedelta(hours=12),
            code_url=f"https://github.com/example/study-{number}",
            score_daily=10 - number / 10,
        )
        for place in range(2):
            PaperTopic.objects.create(
                paper=paper,
                topic=topics[(number + place * 5) % len(topics)],
                score=0.9 - place / 4,
                is_primary=place == 0,
            )
        EditionItem.objects.create(
            edition=edition,
            paper=paper,
            position=number + 1,
            score=paper.score_daily,
            parts={"upvotes_gain": 90 - number, "hours": 24, "cohort_median": 6, "topic": topics[number % 18].slug},
        )
    lifecycle.freeze(edition, now=now)
    return edition


def make_readers(count: int) -> None:
    """Confirmed readers, due now, each following three topics."""
    now = timezone.now()
    due = now - timedelta(minutes=1)
    topics = list(Topic.objects.filter(is_active=True).order_by("pk").values_list("pk", flat=True))
    reader_columns = [
        *("email", "address_key", "address_hash", "domain", "state", "cadence", "weekdays", "hour", "time_zone"),
        *("max_papers", "thin_policy", "wants_outside", "mail_format", "language", "next_due_at"),
        *("unsubscribe_token", "unsubscribe_hash", "created_at", "confirmed_at"),
    ]
    defaults = _defaults(Subscriber)
    extra = [name for name in defaults if name not in reader_columns]
    stance_defaults = _defaults(TopicPreference) | {"stance": TopicPreference.Stance.FOLLOW.value}
    with transaction.atomic(), connection.cursor() as cursor:
        columns = ", ".join([*reader_columns, *extra])
        with cursor.copy(f"COPY {Subscriber._meta.db_table} ({columns}) FROM STDIN") as copy:
            for number in range(count):
                token, token_hash = token_links.new_unsubscribe_token()
                domain = f"mail{number % DOMAINS}.example"
                email = f"reader{number}@{domain}"
                copy.write_row(
                    (email, email, f"{number:064x}", domain, "confirmed", "daily", 127, 8, "UTC", 10, "send", True,
                     "html", "en", due, token, token_hash, now, now, *(defaults[name] for name in extra))
                )  # fmt: skip
        first = Subscriber.objects.order_by("pk").values_list("pk", flat=True)[0]
        columns = ", ".join(["subscriber_id", "topic_id", *stance_defaults])
        with cursor.copy(f"COPY {TopicPreference._meta.db_table} ({columns}) FROM STDIN") as copy:
            for number in range(count):
                for place in range(FOLLOWED):
                    topic = topics[(number * 5 + place * 7) % len(topics)]
                    copy.write_row((first + number, topic, *stance_defaults.values()))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _defaults(model: type[Model]) -> dict[str, Any]:
    """By column, what Django would write; COPY writes nothing by itself."""
    fields = {field.attname: field.get_default() for field in model._meta.concrete_fields if not field.primary_key}
    fields = fields | ({"wants_also": False} if "wants_also" in fields else {})
    return {name: default for name, default in fields.items() if default is not None}


def due_again() -> None:
    """As if nobody had been planned yet."""
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {Delivery._meta.db_table} CASCADE")
    Subscriber.objects.update(next_due_at=timezone.now() - timedelta(minutes=1))
    tidy()


def queued_again(count: int | None = None) -> None:
    """As if nothing had been sent yet; with a number, as if only so many were left."""
    rows = Delivery.objects.all()
    if count is not None:
        rows.update(state=Delivery.State.SENT, claim="", not_before=None)
        rows = rows.filter(pk__in=Delivery.objects.order_by("pk").values("pk")[:count])
    rows.update(state=Delivery.State.QUEUED, claim="", attempts=0, sent_at=None, not_before=timezone.now())
    tidy()


def tidy() -> None:
    """What autovacuum does in the minute after: every run starts from tables in the same condition."""
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {Delivery._meta.db_table}, {Subscriber._meta.db_table}")
        cursor.execute("CHECKPOINT")


def forget() -> None:
    Delivery.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {Subscriber._meta.db_table} CASCADE")


def count_readers() -> int:
    return Subscriber.objects.count()


def message_bytes() -> int:
    """How long a message is, in the median."""
    sizes = Delivery.objects.filter(state=Delivery.State.SENT).order_by("size").values_list("size", flat=True)
    return int(sizes[len(sizes) // 2])
