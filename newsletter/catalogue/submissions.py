"""Submissions: papers suggested by readers, accepted or declined by a curator.

In: a reader's link, a curator's decision, the clock. Out: Submission rows, one open row per paper, so all may run
twice and at once. Fetching is left to polling: nothing here asks the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q

from newsletter.catalogue.sources import arxiv_query
from newsletter.catalogue.sources.paper_identifiers import arxiv_id, could_exist
from newsletter.models import Paper, Sighting, SourceRun, Submission
from subscriptions.addresses import networks_of
from subscriptions.lifecycle import ACTIVE
from subscriptions.models import Subscriber
from subscriptions.rate_limits import DAY, Limit, take_all

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from django.contrib.auth.models import User

SOURCE = "readers"  # what readers hand in and vote for, as a source of papers
WAITING_AT_MOST, SUBMITTED_A_DAY = 3, 5  # of one reader
REMEMBERED = timedelta(days=30)  # what was declined is not asked about again so soon
TRIES = 3  # answers of arXiv without the paper, before we believe that there is none

State = Submission.State


def may_take_part(reader: Subscriber) -> bool:
    return reader.state in ACTIVE


def lock_reader(reader: Subscriber) -> Subscriber:
    """Lock and return the reader's row until the transaction ends, so that simultaneous requests count one by one and
    none outlives an erasure."""
    return Subscriber.objects.select_for_update().get(pk=reader.pk)


class SubmissionResult(StrEnum):
    """The outcome of a reader's suggestion."""

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
class SubmittedLink:
    answer: SubmissionResult
    paper: Paper | None = None
    submission: Submission | None = None


def accepts_submissions() -> bool:
    """Whether arXiv is among SOURCES: accepted papers are fetched from there."""
    return arxiv_query.SOURCE in settings.SOURCES


def submit(reader: Subscriber, *, link: str, now: datetime) -> SubmittedLink:
    """Queue a reader's link to an arXiv paper for the curators, or refuse it; the result says which and why."""
    identifier = _identifier(link)
    if identifier is None:
        return SubmittedLink(SubmissionResult.UNREADABLE)
    if not could_exist(identifier, on=(now + timedelta(days=1)).date()):
        return SubmittedLink(SubmissionResult.IMPOSSIBLE)
    try:
        with transaction.atomic():
            if not may_take_part(lock_reader(reader)):
                return SubmittedLink(SubmissionResult.REFUSED)
            return _known(identifier, now=now) or _too_much(reader, now=now) or _take(reader, identifier, link, now=now)
    except IntegrityError:  # another reader handed it in at the same moment
        return SubmittedLink(SubmissionResult.WAITING)


def suggest(identifier: str, *, client: str, now: datetime) -> SubmissionResult:
    """A visitor asks for a paper that we do not have: it joins the curators' queue, within limits for strangers.

    Nothing is listed or shown to readers before a curator says so. ``identifier`` is as `meant_arxiv_id` gives it.
    """
    if not could_exist(identifier, on=(now + timedelta(days=1)).date()):
        return SubmissionResult.IMPOSSIBLE
    if known := _known(identifier, now=now):
        return known.answer
    networks = [
        (Limit("suggest-network", 5 * share, DAY / (5 * share)), network) for network, share in networks_of(client)
    ]
    if not take_all([(Limit("suggest-everybody", 50, DAY / 50), ""), *networks], now=now):
        return SubmissionResult.ENOUGH
    _, is_new = Submission.objects.get_or_create(
        arxiv_id=identifier, state__in=Submission.OPEN, defaults={"state": State.WAITING, "link": identifier, "at": now}
    )
    return SubmissionResult.TAKEN if is_new else SubmissionResult.WAITING


def fetch(link: str, *, by: User, now: datetime) -> bool:
    """A curator asks for a paper that we do not have: handed in and accepted at once. False: there can be none."""
    identifier = _identifier(link)
    if not identifier or not could_exist(identifier, on=(now + timedelta(days=1)).date()):
        return False
    submission, _ = Submission.objects.get_or_create(
        arxiv_id=identifier, state__in=Submission.OPEN, defaults={"state": State.WAITING, "link": link, "at": now}
    )
    accept([submission.pk], by=by, now=now)
    return True


def _identifier(link: str) -> str | None:
    """Return the arXiv id in a link with or without https://, or in a citation such as "arXiv:2603.00001 [cs.LG]"."""
    first = link.split()[0] if link.split() else ""
    found = arxiv_id(link) or arxiv_id(first) or arxiv_id(f"https://{first}")
    return found[0] if found else None


def _known(identifier: str, *, now: datetime) -> SubmittedLink | None:
    paper = Paper.objects.select_related("merged_into").filter(arxiv_id=identifier).first()
    if paper is not None:
        paper = paper.merged_into or paper
        return SubmittedLink(SubmissionResult.HIDDEN if paper.is_hidden else SubmissionResult.LISTED, paper=paper)
    if Submission.objects.filter(arxiv_id=identifier).open().exists():
        return SubmittedLink(SubmissionResult.WAITING)
    refused = declined(identifier, now=now)
    return SubmittedLink(SubmissionResult.DECLINED, submission=refused) if refused else None


def declined(identifier: str, *, now: datetime) -> Submission | None:
    """Return a curator's recent decision to decline this paper, from any submitter."""
    if Paper.objects.filter(arxiv_id=identifier).exists():
        return None
    handed_in = Submission.objects.filter(arxiv_id=identifier)
    if handed_in.open().exists():
        return None
    return handed_in.filter(state=State.DECLINED, decided_at__gt=now - REMEMBERED).order_by("-decided_at").first()


def _too_much(reader: Subscriber, *, now: datetime) -> SubmittedLink | None:
    mine = Submission.objects.filter(subscriber=reader)
    if mine.filter(state=State.WAITING).count() >= WAITING_AT_MOST:
        return SubmittedLink(SubmissionResult.TOO_MANY)
    if mine.filter(at__gt=now - timedelta(days=1)).count() >= SUBMITTED_A_DAY:
        return SubmittedLink(SubmissionResult.ENOUGH)
    return None


def _take(reader: Subscriber, identifier: str, link: str, *, now: datetime) -> SubmittedLink:
    plain = "".join(character for character in link if character.isprintable())
    taken = Submission.objects.create(subscriber=reader, link=plain[:300], arxiv_id=identifier, at=now)
    return SubmittedLink(SubmissionResult.TAKEN, submission=taken)


def accept(submissions: Collection[int], *, by: User | None, now: datetime) -> int:
    """Accept submissions; returns how many. Makes the poll of arXiv that fetches them due at once."""
    accepted = Submission.objects.filter(pk__in=submissions, state=State.WAITING).update(
        state=State.ACCEPTED, decided_by=by, decided_at=now
    )
    if accepted:
        from newsletter.catalogue import polling

        polling.poll_soon(arxiv_query.SOURCE, now=now)
    return accepted


def decline(submissions: Collection[int], *, reason: str, by: User | None, now: datetime) -> int:
    """Decline submissions with a reason, which the reader sees; returns how many."""
    if not reason.strip():
        raise ValueError("A reader is told why.")
    return Submission.objects.filter(pk__in=submissions, state=State.WAITING).update(
        state=State.DECLINED, note=reason.strip()[:300], decided_by=by, decided_at=now
    )


def reopen(submission: int) -> bool:
    """Take a decision back: the submission waits again. False when its paper is here, or waits once more already."""
    decided = Q(state=State.DECLINED, decided_by__isnull=False) | Q(state=State.ACCEPTED, paper__isnull=True)
    try:
        with transaction.atomic():
            rows = Submission.objects.filter(decided, pk=submission)
            return rows.update(state=State.WAITING, note="", decided_by=None, decided_at=None) == 1
    except IntegrityError:  # handed in again meanwhile
        return False


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
    from newsletter.catalogue import polling

    answered = SourceRun.objects.filter(
        source=arxiv_query.SOURCE,
        state__in=polling.USABLE,
        started_at__gte=submission.decided_at or submission.at,
        url__contains=submission.arxiv_id,
    )
    return answered[:TRIES].count() == TRIES
