"""Votes of readers, counted as a signal like any other.

In: a reader who confirmed, a paper; the clock. Out: votes, and Signal rows "votes" of the source "readers". A vote is
one row per reader and paper, so all of this may run twice and at once.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Count, Func, Max, Q, TextField

from newsletter.catalogue.submissions import SOURCE, lock_reader, may_take_part
from newsletter.models import Paper, Signal, Vote
from newsletter.ranking.update_trend_scores import YOUNG
from subscriptions.lifecycle import ACTIVE
from subscriptions.models import Subscriber

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

METRIC = "votes"
VOTES_A_DAY = 200  # of one reader: nobody reads more

# Votes that count. Accounts made for the purpose come new, and many at once.
GROWN_UP = timedelta(hours=24)  # since the reader confirmed
SAME_HOUR = 3  # votes for one paper of readers who confirmed within the same hour …
SAME_HOUR_SHARE = 0.05  # … or this share of all of them: a list that was imported has thousands in one hour
VOTERS = (*ACTIVE, Subscriber.State.UNSUBSCRIBED)  # those who left still count, the suppressed do not
AT_ONCE = 2000  # papers written in one run
_CROWDED_HOURS = 100
_HOUR = "%Y-%m-%d %H"


def vote(reader: Subscriber, *, paper: Paper, now: datetime) -> bool:
    """Record the reader's vote for a paper, once. False: not this reader, not this paper, or too many votes."""
    paper = paper.merged_into or paper
    if paper.is_hidden:
        return False
    with transaction.atomic():
        if not may_take_part(lock_reader(reader)):
            return False
        mine = Vote.objects.filter(subscriber=reader)
        if not mine.filter(paper=paper).exists():
            if mine.filter(at__gt=now - timedelta(days=1)).count() >= VOTES_A_DAY:
                return False
            Vote.objects.get_or_create(subscriber=reader, paper=paper, defaults={"at": now})
    return True


def take_back_vote(reader: Subscriber, *, paper: Paper) -> None:
    """Delete the reader's votes on the paper and on rows merged into it."""
    paper = paper.merged_into or paper
    Vote.objects.filter(Q(paper=paper) | Q(paper__merged_into=paper), subscriber=reader).delete()


def voted_by(reader: Subscriber, papers: Collection[int]) -> set[int]:
    """Return those of the papers that the reader voted for."""
    return set(Vote.objects.filter(subscriber=reader, paper__in=papers).values_list("paper_id", flat=True))


def count_votes(*, now: datetime, limit: int = AT_ONCE) -> int:
    """Write down the votes of young papers where their number changed; returns for how many papers.

    A step of the quarter-hourly scoring. The first snapshot of a paper is 0 at its first sight, so that first votes
    are a gain; what changed is preceded by the old number at the end of the hour before, so that the gain is placed
    in the hour in which it came.
    """
    counted = _counted(now=now)
    papers = Paper.objects.filter(_young(now), merged_into__isnull=True)
    changed = [
        paper
        for paper in papers.filter(Q(pk__any_of=sorted(counted)) | Q(reader_votes__gt=0)).only(
            "first_seen_at", "reader_votes"
        )
        if paper.reader_votes != counted.get(paper.pk, 0)
    ][:limit]
    told = Signal.objects.filter(paper__any_of=[paper.pk for paper in changed], source=SOURCE, metric=METRIC)
    told_at = dict(told.values_list("paper_id").annotate(Max("at")))
    hour_before = now.replace(minute=0, second=0, microsecond=0) - timedelta(seconds=1)
    rows = []
    for paper in changed:
        since = told_at.get(paper.pk)
        if since is None:
            since = min(paper.first_seen_at, now - timedelta(minutes=1))
            rows.append(_signal(paper, 0, at=since))
        if since < hour_before:
            rows.append(_signal(paper, paper.reader_votes, at=hour_before))
        paper.reader_votes = counted.get(paper.pk, 0)
        rows.append(_signal(paper, paper.reader_votes, at=now))
    with transaction.atomic():
        Signal.objects.bulk_create(rows, ignore_conflicts=True)
        Paper.objects.bulk_update(changed, ["reader_votes"], batch_size=500)
    return len(changed)


def _counted(*, now: datetime) -> dict[int, int]:
    """Return the votes that count at ``now`` by paper, for young papers."""
    votes = (
        Vote.objects.filter(
            _young(now, of="paper__"),
            paper__merged_into__isnull=True,
            subscriber__state__in=VOTERS,
            subscriber__confirmed_at__lte=now - GROWN_UP,
        )
        .annotate(confirmed=_Hour("subscriber__confirmed_at"))
        .values_list("paper_id", "confirmed")
        .annotate(number=Count("pk"))
        .order_by()
    )
    together = list(votes.iterator(chunk_size=10_000))
    at_most = _caps({hour for _, hour, number in together if number > SAME_HOUR})
    counted: dict[int, int] = defaultdict(int)
    for paper, hour, number in together:
        counted[paper] += min(number, at_most.get(hour, SAME_HOUR))
    return counted


def _caps(crowded: Iterable[str]) -> dict[str, int]:
    """Return by hour how many votes for one paper may come from readers who confirmed within it."""
    hours = sorted(crowded)[-_CROWDED_HOURS:]
    if not hours:
        return {}
    within = Q()
    for hour in hours:
        start = datetime.strptime(hour, _HOUR).replace(tzinfo=UTC)
        within |= Q(confirmed_at__gte=start, confirmed_at__lt=start + timedelta(hours=1))
    readers = Subscriber.objects.filter(within, state__in=VOTERS).annotate(confirmed=_Hour("confirmed_at"))
    sizes = readers.values_list("confirmed").annotate(number=Count("pk")).order_by()
    return {hour: max(SAME_HOUR, int(number * SAME_HOUR_SHARE)) for hour, number in sizes}


class _Hour(Func):
    """The UTC hour of a moment as text. TruncHour calls Python for every row on SQLite, at twenty times the cost."""

    template = "to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24')"
    output_field = TextField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="substr(%(expressions)s, 1, 13)", **context)


def _young(now: datetime, *, of: str = "") -> Q:
    return Q(**{f"{of}first_seen_at__gt": now - YOUNG}) | Q(**{f"{of}listed_on__gt": (now - YOUNG).date()})


def _signal(paper: Paper, value: int, *, at: datetime) -> Signal:
    return Signal(paper=paper, source=SOURCE, metric=METRIC, value=value, at=at)
