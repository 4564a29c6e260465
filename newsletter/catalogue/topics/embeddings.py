"""Embeddings of papers' titles and abstracts, made by the optional extra `semantic`.

In: papers without a vector of their present words by the present model, newest first. Out: PaperVector rows, and the
papers filed again, now by their meaning too. Bounded by its deadline; what is left waits for the next call. One process
at a time reads, by a lease; a second one returns at once. Without the extra nothing happens and ``vectors_of`` knows no
paper.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from newsletter.catalogue.topics import assignment
from newsletter.catalogue.topics import encoder as text_encoder
from newsletter.models import Heartbeat, Lease, Paper, PaperVector
from newsletter.models.embeddings import text_of
from newsletter.models.write_lock import wait_for_other_writers

if TYPE_CHECKING:
    from newsletter.catalogue.topics.classifier import Classifier
    from newsletter.catalogue.topics.encoder import Encoder, Floats

_BATCH = 16  # papers a transaction; half a second of one core
_A_LOOK = 500  # papers found at once: in a large catalogue looking takes longer than reading a batch
_NEWEST = 5_000  # looked through each time; all others once an hour
_LOOK_BACK_EVERY = timedelta(hours=1)
_LEASE = "read papers"
_HELD = 300  # seconds: longer than loading, learning and a batch take; a reader that died is replaced after it


def current_encoder() -> Encoder | None:
    """The encoder, where the extra is installed and SEMANTIC leaves it on."""
    return text_encoder.encoder() if is_on() else None


def is_on() -> bool:
    """Whether papers get embeddings here; answers without loading the model."""
    return settings.SEMANTIC != "off" and text_encoder.is_installed()


def embed_due(*, now: datetime, deadline: datetime, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Give papers their vectors until ``deadline``; returns how many got one.

    Loading the model and learning what curators taught count: when they used the time up, both are kept by the process
    for the next call.
    """
    holder = f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"[:100]

    def may_go_on() -> bool:
        moment = timezone.now()
        return moment < deadline and not should_stop() and Lease.take(_LEASE, holder=holder, now=moment, seconds=_HELD)

    done, waiting = 0, list[int]()
    if not is_on():
        return done
    try:
        while may_go_on() and (waiting := waiting or _due(now=now)):
            encoder = current_encoder()
            assert encoder is not None  # noqa: S101 - is_on() said so
            classifier = assignment.current_classifier(encoder)
            if not may_go_on():
                break
            papers = list(Paper.objects.filter(pk__in=waiting[:_BATCH]))
            waiting = waiting[_BATCH:]
            texts = [text_of(paper) for paper in papers]
            _store(papers, texts, encoder.encode(texts), classifier=classifier)
            done += len(papers)
    finally:
        Lease.let_go(_LEASE, holder=holder)
    return done


def vectors_of(paper_ids: Iterable[int]) -> tuple[list[int], Floats]:
    """Return (ids that have a vector, in the order given; their vectors, one float32 row of length one each)."""
    return PaperVector.objects.filter(model=text_encoder.MODEL).matrix(paper_ids)


def _due(*, now: datetime) -> list[int]:
    """Ids of papers without a vector: of the newest papers, and once an hour of all there are."""
    newest = Paper.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    if found := list(_without_vector(Paper.objects.filter(pk__gt=newest - _NEWEST))[:_A_LOOK]):
        return found
    looked = Heartbeat.objects.filter(name="vectors").values_list("at", flat=True).first()
    if looked and abs(now - looked) < _LOOK_BACK_EVERY:
        return []
    if not (found := list(_without_vector(Paper.objects.all())[:_A_LOOK])):
        Heartbeat.objects.update_or_create(name="vectors", defaults={"at": now, "detail": "every paper has one"})
    return found


def _without_vector(papers: QuerySet[Paper]) -> QuerySet[Paper, int]:
    current = PaperVector.objects.filter(paper=OuterRef("pk"), model=text_encoder.MODEL)
    return papers.filter(~Exists(current), merged_into=None).order_by("-pk").values_list("pk", flat=True)


@transaction.atomic
def _store(papers: Sequence[Paper], texts: Sequence[str], vectors: Floats, *, classifier: Classifier) -> None:
    """Store vectors of papers whose text is still the same: ingest may have changed some meanwhile."""
    wait_for_other_writers()
    present = Paper.objects.in_bulk([paper.pk for paper in papers])
    kept = [
        (present[paper.pk], vector)
        for paper, text, vector in zip(papers, texts, vectors, strict=True)
        if paper.pk in present and text_of(present[paper.pk]) == text
    ]
    PaperVector.objects.bulk_create(
        [
            PaperVector(paper=paper, model=text_encoder.MODEL, values=vector.astype("<f2").tobytes())
            for paper, vector in kept
        ],
        update_conflicts=True,
        unique_fields=["paper"],
        update_fields=["model", "values"],
    )
    by_meaning = [paper for paper, _ in kept]
    assignment.assign_by_meaning(by_meaning, [vector for _, vector in kept], classifier=classifier)
