"""Keep the search index up to date: an entry for each paper, and once a day a new latent-semantic memory.

In: papers without an entry, or whose words have changed since. Out: SearchEntry rows (the databases keep their indexes
of them in step by themselves), hits of what readers follow, and one SearchMemory. Bounded by its deadline; what is left
waits for the next call. May run twice at once: both write the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from newsletter.models import Heartbeat, Paper, SearchEntry, SearchMemory
from newsletter.models.write_lock import wait_for_other_writers
from newsletter.search.index_lookup import DONE, REWRITTEN
from newsletter.search.latent_semantics import PAPERS, Memory, Read, learn
from newsletter.search.person_names import institution_word, words_of_person
from newsletter.search.query_hits import note_hits
from newsletter.search.tokens import STOP_WORDS, stem, stems_of, words_of

_BATCH = 500
_NEWEST = 5_000  # papers looked through each time; all others once an hour
_LOOK_BACK_EVERY = timedelta(hours=1)
LEARN_EVERY = timedelta(days=1)
_MUCH_NEW = 0.2  # of the papers learnt from: then sooner


def keep_up(*, now: datetime, deadline: datetime, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Write due entries until ``deadline``, then learn if that is due. Returns how many papers were written."""
    written = 0
    while timezone.now() < deadline and not should_stop() and (papers := _due(now=now)):
        written += _write(papers, now=now)
    while timezone.now() < deadline and not should_stop() and (papers := _to_rewrite()):
        _rewrite(papers, now=now)
    if timezone.now() < deadline and not should_stop():
        learn_if_due(now=now)
    return written


def learn_if_due(*, now: datetime) -> bool:
    """Learn a new memory: daily while papers come in, sooner when the catalogue has grown much."""
    newest = SearchEntry.objects.order_by("-pk").values_list("pk", flat=True).first()
    if newest is None:
        return False
    last = SearchMemory.objects.order_by("-pk").values("learnt_at", "newest_paper").first()
    if last:
        fresh = SearchEntry.objects.filter(pk__gt=last["newest_paper"])[: int(_MUCH_NEW * PAPERS) + 1].count()
        known = SearchEntry.objects.filter(pk__lte=last["newest_paper"]).order_by("-pk")[:PAPERS].count()
        if fresh <= _MUCH_NEW * known and (not fresh or now - last["learnt_at"] < LEARN_EVERY):
            return False
    data = learn(_read_newest()).to_bytes()
    with transaction.atomic():
        kept = SearchMemory.objects.create(learnt_at=now, newest_paper=newest, data=data)
        SearchMemory.objects.filter(pk__lt=kept.pk).delete()
    return True


def entry_of(paper: Paper) -> SearchEntry:
    """Return the paper's search entry, not yet stored."""
    return SearchEntry(
        paper=paper,
        title=" ".join(stems_of(paper.title)),
        body=" ".join(stems_of(paper.abstract)),
        names=" ".join(dict.fromkeys(_names_of(paper))),
    )


def _names_of(paper: Paper) -> Iterator[str]:
    """Yield the words of names, one for each whole person (person_names), and one for the institution."""
    for author in map(str, paper.authors):
        yield from words_of(author)
        yield from sorted(words_of_person(author))
    if institution := institution_word(paper.organization):
        yield institution


def _due(*, now: datetime) -> list[int]:
    """Return a batch of papers: reworded ones, then the newest, and once an hour any without an entry."""
    reworded = SearchEntry.objects.filter(is_stale=True).order_by("-pk").values_list("pk", flat=True)
    if found := list(reworded[:_BATCH]):
        return found
    without = Paper.objects.filter(search_entry=None).order_by("-pk").values_list("pk", flat=True)
    newest = Paper.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    if found := list(without.filter(pk__gt=newest - _NEWEST)[:_BATCH]):
        return found
    looked = Heartbeat.objects.filter(name="search").values_list("at", flat=True).first()
    if looked and abs(now - looked) < _LOOK_BACK_EVERY:
        return []
    if not (found := list(without[:_BATCH])):
        Heartbeat.objects.update_or_create(name="search", defaults={"at": now, "detail": "every paper has its words"})
    return found


def _to_rewrite() -> list[int]:
    """Return the next entries of an earlier version of this module, newest first; empty once all are rewritten."""
    last = Heartbeat.objects.filter(name=REWRITTEN).values_list("detail", flat=True).first()
    entries = SearchEntry.objects.order_by("-pk").values_list("pk", flat=True)
    if last == DONE:
        return []
    found = list((entries.filter(pk__lt=int(last)) if last else entries)[:_BATCH])
    if not found:
        Heartbeat.objects.update_or_create(name=REWRITTEN, defaults={"at": timezone.now(), "detail": DONE})
    return found


@transaction.atomic
def _rewrite(papers: Sequence[int], *, now: datetime) -> None:
    """Write entries anew without telling followers: the papers are not new."""
    wait_for_other_writers()
    _store(papers)
    Heartbeat.objects.update_or_create(name=REWRITTEN, defaults={"at": now, "detail": str(min(papers))})


@transaction.atomic
def _write(papers: Sequence[int], *, now: datetime) -> int:
    wait_for_other_writers()
    _store(papers)
    note_hits(papers, now=now)
    return len(papers)


def _store(papers: Sequence[int]) -> None:
    # Locked: a curator's change of the words waits, and then marks the entry as stale.
    locked = Paper.objects.select_for_update().filter(pk__in=papers)
    locked = locked.only("title", "abstract", "authors", "organization")
    SearchEntry.objects.bulk_create(
        [entry_of(paper) for paper in locked],
        update_conflicts=True,
        unique_fields=["paper"],
        update_fields=["title", "body", "names", "is_stale"],
    )


def _read_newest() -> Iterator[Read]:
    public = Q(merged_into__isnull=True, is_hidden=False, search_entry__isnull=False)
    newest = Paper.objects.filter(public).order_by("-pk").values_list("pk", "title", "abstract")[:PAPERS]
    for paper, title, abstract in newest.iterator(chunk_size=1000):
        heading, text = words_of(title), words_of(abstract)
        yield Read(
            paper,
            [stem(word) for word in heading if word not in STOP_WORDS],
            [stem(word) for word in text if word not in STOP_WORDS],
            frozenset(heading).union(text),
        )


# --- what a process remembers -----------------------------------------------------------------------------------------

_remembered: tuple[int, datetime, Memory] | None = None
_recalling = threading.Lock()  # read once, not once by every thread that searches just then: it is 40 MB


def recall() -> Memory | None:
    """Return the latest memory, read again when the database has a newer one; None before the first."""
    global _remembered
    last = SearchMemory.objects.order_by("-pk").values_list("pk", "learnt_at").first()
    if last is None:
        return None
    with _recalling:
        if _remembered is not None and _remembered[:2] == last:
            return _remembered[2]
        data = SearchMemory.objects.filter(pk=last[0]).values_list("data", flat=True).first()
        if data is None:
            return _remembered[2] if _remembered else None  # a newer one came in between; the next call finds it
        _remembered = (*last, Memory.from_bytes(bytes(data)))
    return _remembered[2]
