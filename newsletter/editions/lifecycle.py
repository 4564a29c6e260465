"""An edition's life up to its freezing: draft from the ranking, curate, approve, freeze; later pause, cancel, finish.

In: papers with trend scores, a cadence and a moment. Out: an Edition with its items, and once frozen its compiled
fragments, from which every digest is joined. All of it may run twice: each change of state is a conditional UPDATE,
drafting is unique per cadence and period, and a draft is refreshed without touching what a curator decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext

from newsletter.interests import catch_ups, follows, news_of_saved_papers, place_also_new
from newsletter.interests.load_profiles import ReaderProfiles
from newsletter.mail import compile_edition as mail_compile
from newsletter.models import Absence, Compiled, Delivery, Edition, EditionItem, Paper, PaperTopic, Sighting
from newsletter.models.papers import UNMEASURED
from newsletter.ranking.explain_trend import GAINS
from subscriptions import schedule
from subscriptions.models import Subscriber

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

Cadence = Subscriber.Cadence
Row = TypeVar("Row")
Result = TypeVar("Result")
DRAFT_LEAD = timedelta(hours=6)  # curators see the draft this long before the cut-off
WEEK_LEAD = timedelta(hours=14)  # weekly and monthly editions close when the day begins furthest east
PERIOD_DAYS: dict[str, int] = {Cadence.DAILY: 1, Cadence.WEEKLY: 7, Cadence.MONTHLY: 31}
CANDIDATE_DAYS: dict[str, int] = {Cadence.DAILY: 7, Cadence.WEEKLY: 21, Cadence.MONTHLY: 62}
HELD_READERS, HELD_PAPERS = 5000, 30  # of whose held digests an edition makes up, and with how many papers


class EditionStateError(Exception):
    """The edition is not in a state that allows this; the message says what to do instead."""


def period_of(cadence: str, day: date) -> date:
    """First day of the period: the day itself, the Monday of its week, or the first of its month."""
    return schedule.period_of(cadence, day)


def next_period(cadence: str, period_on: date) -> date:
    return period_of(cadence, period_on + timedelta(days=PERIOD_DAYS[cadence]))


def period_before(cadence: str, period_on: date) -> date:
    return period_of(cadence, period_on - timedelta(days=1))


def cutoff_of(cadence: str, period_on: date) -> datetime:
    """When the edition of that period closes for papers (UTC)."""
    midnight = datetime.combine(period_on, time(0), tzinfo=UTC)
    if cadence == Cadence.DAILY:
        return midnight + timedelta(hours=settings.EDITION_CUTOFF_HOUR)
    return midnight - WEEK_LEAD


def latest_period(cadence: str, now: datetime) -> date:
    """The newest period whose cut-off has passed at ``now`` or passes within the drafting lead."""
    return period_at(cadence, now + DRAFT_LEAD)


def period_at(cadence: str, moment: datetime) -> date:
    """The period whose edition is open at that moment: the newest whose cut-off has passed."""
    period = period_of(cadence, (moment + timedelta(days=1)).date())
    while cutoff_of(cadence, period) > moment:
        period = period_before(cadence, period)
    return period


def draft_due(*, now: datetime) -> list[Edition]:
    """Draft the latest period of every cadence, or refresh the draft that is open."""
    return _each(lambda cadence: draft(cadence=cadence, period_on=latest_period(cadence, now), now=now), Cadence.values)


def draft(*, cadence: str, period_on: date, now: datetime) -> Edition:
    """Create the draft of a period, or refresh its ranking until it is approved."""
    cutoff_at = max(cutoff_of(cadence, period_on), now)  # a late draft misses nothing that came meanwhile
    start_at = window_start(cadence, period_on)
    edition, _ = Edition.objects.get_or_create(
        cadence=cadence, period_on=period_on, defaults={"cutoff_at": cutoff_at, "window_start_at": start_at}
    )
    if edition.window_start_at != start_at and edition.state == Edition.State.DRAFT:
        edition.window_start_at = start_at  # the edition before was skipped, or went out, since this one was drafted
        edition.save(update_fields=["window_start_at"])
    if edition.state == Edition.State.DRAFT:
        refresh(edition)
    return edition


def window_start(cadence: str, period_on: date) -> datetime:
    """The cut-off of the last edition that went out: what one that was skipped had is in the next.

    One that is skipped and was frozen went out too: its record is lost, and a restore closed it.
    """
    went_out = Q(state__in=Edition.WENT_OUT) | Q(state=Edition.State.SKIPPED, frozen_at__isnull=False)
    before = Edition.objects.filter(went_out, cadence=cadence, period_on__lt=period_on).order_by("-period_on").first()
    return before.cutoff_at if before else cutoff_of(cadence, period_before(cadence, period_on))


def candidates(edition: Edition) -> list[Paper]:
    """Return the papers an edition may list, best first: trending ones, then new ones without measurements.

    A week's and a month's papers are new in it or gained in it: an old hit that has only not faded yet is not of it.
    Papers known from saved listing pages only are never counted as trending and are left to the curator.
    """
    score = f"score_{edition.cadence}"
    real_source = Sighting.objects.filter(paper=OuterRef("pk")).exclude(source__in=UNMEASURED)
    return list(
        Paper.objects.published()
        .filter(withdrawn_at__isnull=True, first_seen_at__lte=edition.cutoff_at)
        .filter(first_seen_at__gt=edition.cutoff_at - timedelta(days=CANDIDATE_DAYS[edition.cadence]))
        .filter(Q(**{f"{score}__gt": 0}) & _gained(edition.cadence) | Q(first_seen_at__gt=edition.window_start_at))
        .filter(Exists(real_source))
        .order_by(f"-{score}", "-first_seen_at", "-id")[: settings.EDITION_SIZE]
    )


def held_back(edition: Edition) -> list[Paper]:
    """Return papers carried over from the last edition for readers whose digest was too short to send.

    They follow the candidates regardless of their present score; papers twice as old as a candidate are dropped.
    """
    last = Edition.objects.filter(cadence=edition.cadence, period_on__lt=edition.period_on, state__in=Edition.WENT_OUT)
    thin = Delivery.objects.filter(
        edition=last.order_by("-period_on").first(),
        skip_reason=Delivery.Skip.THIN,
        subscriber__thin_policy=Subscriber.ThinPolicy.HOLD,
    )
    rows = thin.order_by("pk").values_list("picks", flat=True)[:HELD_READERS]
    # What a reader follows comes again by itself, and to nobody else.
    waiting = Counter(item for picks in rows for item, lane, *_ in picks if lane != "follow")
    oldest = edition.cutoff_at - 2 * timedelta(days=CANDIDATE_DAYS[edition.cadence])
    items = EditionItem.objects.select_related("paper").in_bulk([item for item, _ in waiting.most_common(HELD_PAPERS)])
    papers = Paper.objects.published().filter(
        pk__in=[row.paper.merged_into_id or row.paper_id for row in items.values()],
        withdrawn_at__isnull=True,
        first_seen_at__gt=oldest,
    )
    return list(papers.order_by(f"-score_{edition.cadence}", "-first_seen_at", "-id"))


def _gained(cadence: str) -> Q:
    """Filter for papers that gained within their score's window; none for a day: Saturday's rise is Monday's news."""
    if cadence == Cadence.DAILY:
        return Q()
    untold = Q(**{f"score_parts__{cadence}__isnull": True})
    gained = reduce(or_, (Q(**{f"score_parts__{cadence}__{metric}_gain__gt": 0}) for metric in GAINS))
    return untold | gained & ~Q(**{f"score_parts__{cadence}__has_key": "is_past"})


@transaction.atomic
def refresh(edition: Edition) -> None:
    """Rank the draft anew. What a curator pinned, excluded, noted or picked stays as it is."""
    if Edition.objects.select_for_update().get(pk=edition.pk).state != Edition.State.DRAFT:
        return
    _leave_out_withdrawn(edition)
    kept = {
        item.paper_id: item
        for item in edition.items.exclude(
            standing=EditionItem.Standing.LISTED, lane=EditionItem.Lane.TRENDING, note="", is_moved=False
        )
    }
    ranked = [paper for paper in candidates(edition) if paper.pk not in kept]
    ranked += [paper for paper in held_back(edition) if paper.pk not in kept and paper not in ranked]
    primary = dict(PaperTopic.objects.filter(paper__in=ranked, is_primary=True).values_list("paper_id", "topic__slug"))
    taken = {item.position for item in kept.values()}
    places = (position for position in range(1, len(ranked) + len(kept) + 2) if position not in taken)
    EditionItem.objects.bulk_create(
        [
            EditionItem(
                edition=edition,
                paper=paper,
                position=place,
                score=getattr(paper, f"score_{edition.cadence}"),
                parts=(paper.score_parts.get(edition.cadence) or {}) | {"topic": primary.get(paper.pk, "")},
            )
            for paper, place in zip(ranked, places, strict=False)
        ],
        update_conflicts=True,
        unique_fields=["edition", "paper"],
        update_fields=["position", "score", "parts"],
    )
    edition.items.exclude(paper__in=[*kept, *(paper.pk for paper in ranked)]).delete()


@transaction.atomic
def add_pick(edition: Edition, *, paper: Paper, note: str = "") -> EditionItem:
    """Put an editor's pick at the top of the edition, in a lane of its own that readers see.

    A paper that is in the edition already keeps its note unless ``note`` is given.
    """
    _require_editable(edition)
    if paper.withdrawn_at:
        raise EditionStateError(gettext("The authors withdrew this paper. Choose another one."))
    item, _ = EditionItem.objects.update_or_create(
        edition=edition,
        paper=paper,
        defaults={"position": 0, "lane": EditionItem.Lane.PICK, "standing": EditionItem.Standing.PINNED}
        | ({"note": note} if note else {}),
    )
    return item


def approve(edition: Edition, *, by: AbstractBaseUser | None, now: datetime) -> None:
    """Approve a draft that has papers (``by`` None: the operator's setting approves). Else raises EditionStateError."""
    if not listed_items(edition).exists():
        said = gettext("This edition has no papers. Import papers or add picks before you approve it.")
        raise EditionStateError(said)
    drafts = Edition.objects.filter(pk=edition.pk, state=Edition.State.DRAFT)
    allowed = drafts.exclude(edited_by=by.pk) if settings.EDITION_SECOND_PERSON and by else drafts
    changed = allowed.update(state=Edition.State.APPROVED, approved_at=now, approved_by=by)
    if not changed and drafts.exists():
        raise EditionStateError(gettext("You edited this edition last, so somebody else has to approve it."))
    if not changed:
        said = gettext("Only a draft can be approved. Reload the page to see the edition's present state.")
        raise EditionStateError(said)
    edition.refresh_from_db()


def back_to_draft(edition: Edition) -> None:
    """Take an approval back before the freeze, so that the edition can wait for another. Else EditionStateError."""
    changed = Edition.objects.filter(pk=edition.pk, state=Edition.State.APPROVED).update(
        state=Edition.State.DRAFT, approved_at=None, approved_by=None
    )
    if not changed:
        raise EditionStateError(gettext("Only an approved edition that is not frozen yet can become a draft again."))
    edition.refresh_from_db()


def note_edit(edition: Edition, *, by: AbstractBaseUser) -> bool:
    """Record who edited the edition last. Returns whether that took its approval back.

    Where a second person approves, what was approved is what they saw: an edit makes it a draft again.
    """
    Edition.objects.filter(pk=edition.pk, state__in=Edition.EDITABLE).update(edited_by=by)
    approved = Edition.objects.filter(pk=edition.pk, state=Edition.State.APPROVED)
    taken_back = settings.EDITION_SECOND_PERSON and approved.update(
        state=Edition.State.DRAFT, approved_at=None, approved_by=None
    )
    edition.refresh_from_db()
    return bool(taken_back)


def goes_by_itself(edition: Edition) -> bool:
    """Return whether a draft is approved at its cut-off: by the operator's setting, or while a curator is away."""
    return settings.EDITION_AUTO_APPROVE or Absence.at(edition.cutoff_at) is not None


def approve_due(*, now: datetime) -> int:
    """Approve drafts whose cut-off has passed, where they go out by themselves."""
    drafts = Edition.objects.filter(state=Edition.State.DRAFT, cutoff_at__lte=now, paused_at__isnull=True)
    ready = [edition for edition in drafts if goes_by_itself(edition) and listed_items(edition).exists()]
    return len(_each(lambda edition: approve(edition, by=None, now=now), ready))


def skip_stale(*, now: datetime) -> int:
    """Skip drafts and approved editions that the next period has overtaken: old news is not sent."""
    skipped = 0
    open_states = [Edition.State.DRAFT, Edition.State.APPROVED]
    for edition in Edition.objects.filter(state__in=open_states):
        if closing_of(edition) <= now:
            skipped += Edition.objects.filter(pk=edition.pk, state__in=open_states).update(
                state=Edition.State.SKIPPED, done_at=now
            )
    return skipped


def closing_of(edition: Edition) -> datetime:
    """Return when the edition closes: from the cut-off of the next one on no reader is planned for it."""
    return cutoff_of(edition.cadence, next_period(edition.cadence, edition.period_on))


def listed_items(edition: Edition) -> QuerySet[EditionItem]:
    """Items that readers may get, in order; excluded ones are for the curator only."""
    return edition.items.listed().order_by("position", "pk")


def freeze_due(*, now: datetime) -> list[Edition]:
    """Freeze the approved editions whose cut-off has passed."""
    due = Edition.objects.filter(state=Edition.State.APPROVED, cutoff_at__lte=now, paused_at__isnull=True)
    frozen = _each(lambda edition: edition if freeze(edition, now=now) else None, due)
    return [edition for edition in frozen if edition]


def _each(step: Callable[[Row], Result], rows: Iterable[Row]) -> list[Result]:
    """Do the step for each edition; an error is raised after the others are done, so it holds up no other cadence."""
    done, errors = [], []
    for row in rows:
        try:
            done.append(step(row))
        except Exception as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return done


@transaction.atomic
def freeze(edition: Edition, *, now: datetime) -> bool:
    """Render, inline and encode every fragment once and close the edition for changes.

    A fragment that cannot be rendered raises here, before anything is sent. False: another process froze it first.
    """
    locked = Edition.objects.select_for_update().get(pk=edition.pk)
    if locked.state != Edition.State.APPROVED:
        return False
    _leave_out_withdrawn(locked)
    _record_similar(locked)
    follows.add_followed(locked, since=locked.cutoff_at - timedelta(days=CANDIDATE_DAYS[locked.cadence]))
    place_also_new.add_new(locked)
    catch_ups.add_missed(locked, now=now)
    news_of_saved_papers.add_news(locked, now=now)
    compiled = mail_compile.compile_edition(locked, now=now, languages=mail_compile.languages_in_use())
    Compiled.objects.update_or_create(edition=locked, defaults={"fragments": compiled, "compiled_at": now})
    Edition.objects.filter(pk=locked.pk).update(
        state=Edition.State.FROZEN,
        frozen_at=now,
        cutoff_at=min(locked.cutoff_at, now),
        closes_at=max(closing_of(locked), now + timedelta(hours=1)),
    )
    edition.refresh_from_db()
    return True


def pause(edition: Edition, *, reason: str, now: datetime) -> None:
    """Pause an edition: nothing more is claimed, messages being sent finish. No effect when paused or over."""
    open_ = Edition.objects.exclude(state__in=[Edition.State.DONE, Edition.State.CANCELLED, Edition.State.SKIPPED])
    open_.filter(pk=edition.pk, paused_at__isnull=True).update(paused_at=now, pause_reason=reason[:200])
    edition.refresh_from_db()


def resume(edition: Edition, *, now: datetime) -> None:
    """Resume an edition; earlier refusals and bounces count as looked at."""
    Edition.objects.filter(pk=edition.pk).update(paused_at=None, pause_reason="", resumed_at=now)
    edition.refresh_from_db()


@transaction.atomic
def cancel(edition: Edition, *, now: datetime) -> int:
    """Cancel an edition for good and skip what is not being sent yet. Returns how many deliveries were skipped."""
    ended = [Edition.State.DONE, Edition.State.CANCELLED, Edition.State.SKIPPED]
    if (
        not Edition.objects.filter(pk=edition.pk)
        .exclude(state__in=ended)
        .update(state=Edition.State.CANCELLED, done_at=now, send_now_at=None)
    ):
        raise EditionStateError(gettext("This edition is already finished; there is nothing left to cancel."))
    owed = [Delivery.State.QUEUED, Delivery.State.RETRY, Delivery.State.CLAIMED]
    skipped = Delivery.objects.filter(edition=edition, state__in=owed).update(
        state=Delivery.State.SKIPPED, skip_reason=Delivery.Skip.CANCELLED, not_before=None
    )
    edition.refresh_from_db()
    return skipped


def finish_due(*, now: datetime) -> int:
    """Close editions that are past their closing and owe nothing any more.

    One that owes again is opened again: an operator retried a row of it, or a planner's last chunk came after the
    closing.
    """
    owing = Delivery.objects.filter(not_before__isnull=False, expires_at__gt=now).values("edition")
    Edition.objects.filter(pk__in=owing).begin()
    open_states = [Delivery.State.QUEUED, Delivery.State.RETRY, Delivery.State.CLAIMED, Delivery.State.SENDING]
    owed = Delivery.objects.filter(edition=OuterRef("pk"), state__in=open_states)
    return (
        Edition.objects.filter(state__in=[Edition.State.FROZEN, Edition.State.SENDING], closes_at__lte=now)
        .exclude(Exists(owed))
        .update(state=Edition.State.DONE, done_at=now)
    )


def _leave_out_withdrawn(edition: Edition) -> None:
    """Exclude papers that their authors withdrew, whatever a curator decided before."""
    withdrawn = edition.items.filter(paper__withdrawn_at__isnull=False)
    withdrawn.exclude(standing=EditionItem.Standing.EXCLUDED).update(standing=EditionItem.Standing.EXCLUDED)


def _record_similar(edition: Edition) -> None:
    """Record on each item which liked papers it is like, so that a reason can name one."""
    items = list(listed_items(edition))
    kin = ReaderProfiles([item.paper_id for item in items]).similar_liked()
    named = {pk for alike in kin.values() for pk in alike}
    titles = dict(Paper.objects.filter(pk__in=named).values_list("pk", "title"))
    for item in items:
        item.parts = item.parts | {"akin": [[pk, titles[pk]] for pk in kin.get(item.paper_id, ())]}
    EditionItem.objects.bulk_update([item for item in items if item.parts["akin"]], ["parts"])


def _require_editable(edition: Edition) -> None:
    """Lock the edition as freezing does and raise EditionStateError unless it can be edited."""
    if not Edition.objects.select_for_update().get(pk=edition.pk).is_editable:
        raise EditionStateError(gettext("A frozen edition cannot be changed: readers may have it already."))
