"""What readers do for everybody: their votes become a signal like any other, the papers they hand in a curator's queue.

In: a reader who confirmed, a paper or a link; a curator's word; the clock. Out: votes, submissions and what became of
them, Signal rows "votes" of the source "readers". A vote is one row per reader and paper and a submission one open row
per paper, so all of this may run twice and at once. Fetching is left to gathering: nothing here asks the network.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, Func, Max, OuterRef, Q, TextField

from newsletter.catalogue import polling as gathering
from newsletter.catalogue.sources import arxiv_query
from newsletter.catalogue.sources.identifiers import arxiv_id, could_exist
from newsletter.models import Paper, Sighting, Signal, SourceRun, Submission, Vote
from newsletter.ranking.scoring import YOUNG
from subscriptions.lifecycle import ACTIVE
from subscriptions.models import Subscriber

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django.contrib.auth.models import User
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.db.models.sql.compiler import SQLCompiler

SOURCE, METRIC = "readers", "votes"
VOTES_A_DAY = 200  # of one reader: nobody reads more
WAITING_AT_MOST, SUBMITTED_A_DAY = 3, 5  # of one reader
REMEMBERED = timedelta(days=30)  # what was declined is not asked about again so soon
TRIES = 3  # answers of arXiv without the paper, before we believe that there is none

# Votes that count. Accounts made for the purpose come new, and many at once.
GROWN_UP = timedelta(hours=24)  # since the reader confirmed
SAME_HOUR = 3  # votes for one paper of readers who confirmed within the same hour …
SAME_HOUR_SHARE = 0.05  # … or this share of all of them: a list that was imported has thousands in one hour
VOTERS = (*ACTIVE, Subscriber.State.UNSUBSCRIBED)  # who left has meant it all the same; the suppressed count nothing
AT_ONCE = 2000  # papers written in one run
_CROWDED_HOURS = 100
_HOUR = "%Y-%m-%d %H"

State = Submission.State


# --- votes ----------------------------------------------------------------------------------------------------------


def may_take_part(reader: Subscriber) -> bool:
    return reader.state in ACTIVE


def _held(reader: Subscriber) -> Subscriber:
    """The reader as they stand, kept so until the transaction ends: two requests at once are counted one by one, and
    nothing is left of who is being erased."""
    return Subscriber.objects.select_for_update().get(pk=reader.pk)


def vote(reader: Subscriber, *, paper: Paper, now: datetime) -> bool:
    """The reader's vote for a paper, given once however often. False: not this reader, not this paper, or too many."""
    paper = paper.merged_into or paper
    if paper.is_hidden:
        return False
    with transaction.atomic():
        if not may_take_part(_held(reader)):
            return False
        mine = Vote.objects.filter(subscriber=reader)
        if not mine.filter(paper=paper).exists():
            if mine.filter(at__gt=now - timedelta(days=1)).count() >= VOTES_A_DAY:
                return False
            Vote.objects.get_or_create(subscriber=reader, paper=paper, defaults={"at": now})
    return True


def take_back_vote(reader: Subscriber, *, paper: Paper) -> None:
    """No vote of theirs is left on the paper, nor on rows that were merged into it."""
    paper = paper.merged_into or paper
    Vote.objects.filter(Q(paper=paper) | Q(paper__merged_into=paper), subscriber=reader).delete()


def voted_by(reader: Subscriber, papers: Collection[int]) -> set[int]:
    """Those of the papers that the reader voted for."""
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
    """Paper -> votes that count at ``now``, of young papers."""
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
    """Hour -> how many votes for one paper may come from readers who confirmed in it."""
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


# --- papers that readers hand in ------------------------------------------------------------------------------------


class Answer(StrEnum):
    """What is said to a reader who hands in a link."""

    TAKEN = "taken"
    UNREADABLE = "unreadable"
    IMPOSSIBLE = "impossible"  # arXiv cannot have given out this identifier
    LISTED = "listed"  # we have it: it can be voted for
    HIDDEN = "hidden"  # we have it, and a curator keeps it out
    WAITING = "waiting"  # somebody handed it in already
    DECLINED = "declined"  # lately
    TOO_MANY = "too-many"  # of theirs wait
    ENOUGH = "enough"  # for today
    REFUSED = "refused"  # not a reader who may take part


@dataclass(frozen=True, slots=True)
class Handed:
    answer: Answer
    paper: Paper | None = None
    submission: Submission | None = None


def takes_submissions() -> bool:
    """Only where arXiv is asked: what is accepted has to come from there."""
    return arxiv_query.SOURCE in settings.SOURCES


def submit(reader: Subscriber, *, link: str, now: datetime) -> Handed:
    """A reader's link to a paper on arXiv joins the curator's queue, unless there is a reason why not."""
    identifier = _identifier(link)
    if identifier is None:
        return Handed(Answer.UNREADABLE)
    if not could_exist(identifier, on=(now + timedelta(days=1)).date()):
        return Handed(Answer.IMPOSSIBLE)
    try:
        with transaction.atomic():
            if not may_take_part(_held(reader)):
                return Handed(Answer.REFUSED)
            return _known(identifier, now=now) or _too_much(reader, now=now) or _take(reader, identifier, link, now=now)
    except IntegrityError:  # another reader handed it in at the same moment
        return Handed(Answer.WAITING)


def _identifier(link: str) -> str | None:
    """From whatever people copy: a link with or without https://, or a citation such as "arXiv:2603.00001 [cs.LG]"."""
    first = link.split()[0] if link.split() else ""
    found = arxiv_id(link) or arxiv_id(first) or arxiv_id(f"https://{first}")
    return found[0] if found else None


def _known(identifier: str, *, now: datetime) -> Handed | None:
    paper = Paper.objects.select_related("merged_into").filter(arxiv_id=identifier).first()
    if paper is not None:
        paper = paper.merged_into or paper
        return Handed(Answer.HIDDEN if paper.is_hidden else Answer.LISTED, paper=paper)
    handed_in = Submission.objects.filter(arxiv_id=identifier)
    if handed_in.open().exists():
        return Handed(Answer.WAITING)
    declined = handed_in.filter(state=State.DECLINED, decided_at__gt=now - REMEMBERED).order_by("-decided_at").first()
    return Handed(Answer.DECLINED, submission=declined) if declined else None


def _too_much(reader: Subscriber, *, now: datetime) -> Handed | None:
    mine = Submission.objects.filter(subscriber=reader)
    if mine.filter(state=State.WAITING).count() >= WAITING_AT_MOST:
        return Handed(Answer.TOO_MANY)
    if mine.filter(at__gt=now - timedelta(days=1)).count() >= SUBMITTED_A_DAY:
        return Handed(Answer.ENOUGH)
    return None


def _take(reader: Subscriber, identifier: str, link: str, *, now: datetime) -> Handed:
    plain = "".join(character for character in link if character.isprintable())
    taken = Submission.objects.create(subscriber=reader, link=plain[:300], arxiv_id=identifier, at=now)
    return Handed(Answer.TAKEN, submission=taken)


def accept(submissions: Collection[int], *, by: User | None, now: datetime) -> int:
    """A curator lets papers in; returns how many. The next poll of arXiv fetches them, which is rung for at once."""
    accepted = Submission.objects.filter(pk__in=submissions, state=State.WAITING).update(
        state=State.ACCEPTED, decided_by=by, decided_at=now
    )
    if accepted:
        gathering.ask_soon(arxiv_query.SOURCE, now=now)
    return accepted


def decline(submissions: Collection[int], *, reason: str, by: User | None, now: datetime) -> int:
    """A curator says no and why; returns how many. The reader reads the reason, so there must be one."""
    if not reason.strip():
        raise ValueError("A reader is told why.")
    return Submission.objects.filter(pk__in=submissions, state=State.WAITING).update(
        state=State.DECLINED, note=reason.strip()[:300], decided_by=by, decided_at=now
    )


def settle(*, now: datetime, limit: int = 500) -> int:
    """Join submissions to the papers that came in, and give up on what arXiv does not have; returns how many.

    A step of the tick. A paper that was let in is listed on the day it arrives, unless a source lists it elsewhere.
    """
    waiting = Submission.objects.filter(Q(state=State.WAITING) | Q(state=State.ACCEPTED, paper__isnull=True))
    # Those that came in, wherever they stand: a long queue that no curator looks at holds up nobody who was let in.
    came_in = waiting.filter(Exists(Paper.objects.filter(arxiv_id=OuterRef("arxiv_id"))))
    open_ = {submission.arxiv_id: submission for submission in came_in[:limit]}
    papers = Paper.objects.filter(arxiv_id__in=open_)
    for paper in papers:
        submission = open_[str(paper.arxiv_id)]
        if submission.state == State.WAITING:
            Submission.objects.filter(pk=submission.pk, state=State.WAITING).update(
                state=State.DUPLICATE, paper=paper, decided_at=now
            )
            continue
        with transaction.atomic():
            Submission.objects.filter(pk=submission.pk).update(paper=paper)
            Paper.objects.filter(pk=paper.pk, listed_on__isnull=True).update(listed_on=now.date())
            Sighting.objects.bulk_create(
                [Sighting(paper=paper, source=SOURCE, key=f"submission-{submission.pk}", seen_at=now)],
                ignore_conflicts=True,
            )
    unknown = [one.pk for one in Submission.objects.wanted()[:limit] if _is_unknown(one)]
    Submission.objects.filter(pk__in=unknown).update(state=State.DECLINED, decided_by=None, decided_at=now)
    return len(papers) + len(unknown)


def _is_unknown(submission: Submission) -> bool:
    """Whether arXiv was asked often enough since it was accepted, and never had it."""
    answered = SourceRun.objects.filter(
        source=arxiv_query.SOURCE,
        state__in=gathering.USABLE,
        started_at__gte=submission.decided_at or submission.at,
        url__contains=submission.arxiv_id,
    )
    return answered[:TRIES].count() == TRIES
