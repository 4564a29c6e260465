"""What came of an edition: deliveries by outcome, and what its readers did with it until the next one came.

In: an edition. Out: counts, by SQL alone, however many readers there are. Never an address; a mail domain with few
readers is counted with the others. Read only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, F, Q, QuerySet

from newsletter.models import Delivery, DeliveryEvent, Edition, LibraryEntry, Verdict, Vote
from subscriptions.models import ConsentEvent, Follow, Subscriber

State, Skip = Delivery.State, Delivery.Skip
KEPT_SECONDS = 300
COMPARED = 10  # earlier editions of the cadence
FEW = 5  # with fewer readers, a sum would reveal what one of them did
TOP_DOMAINS = 12
SETTLED = timedelta(days=14)  # until then complaints come in, and an operator may retry what failed
LONGEST = {"daily": timedelta(days=3), "weekly": timedelta(days=10), "monthly": timedelta(days=35)}
OUTCOMES: dict[str, Q] = {
    "planned": Q(),
    "sent": Q(state=State.SENT),
    "owed": Q(state__in=[State.QUEUED, State.CLAIMED, State.SENDING, State.RETRY]),
    "failed": Q(state=State.FAILED),
    "unknown": Q(state=State.UNKNOWN),
    "late": Q(skip_reason=Skip.LATE),
    "nothing": Q(state=State.SKIPPED) & ~Q(skip_reason=Skip.LATE),
}
REACTIONS = ("more", "less", "saves", "votes", "follows", "left", "complained")


@dataclass(frozen=True)
class Results:
    """Counts of one edition: deliveries by outcome, and its readers' reactions."""

    edition: Edition
    until: datetime
    outcomes: dict[str, int]
    reactions: dict[str, int]

    def per_thousand(self, reaction: str) -> float | None:
        """Return how many there were for 1,000 mails sent; None when none was."""
        return 1000 * self.reactions[reaction] / self.outcomes["sent"] if self.outcomes["sent"] else None


@dataclass(frozen=True)
class Details:
    """The reactions of one edition, split: label to counts by reaction."""

    topics: dict[str, dict[str, int]] = field(default_factory=dict)
    interests: dict[bool, dict[str, int]] = field(default_factory=dict)  # whether by a further one than the first
    domains: dict[str, dict[str, int]] = field(default_factory=dict)  # "" the ones with few readers
    skipped: dict[str, int] = field(default_factory=dict)  # by Delivery.Skip


def results_of(edition: Edition, *, now: datetime) -> Results:
    """Count one edition. What cannot change any more is counted once and kept with the edition."""
    until = end_of(edition, now=now)
    if known := edition.totals:
        return Results(edition, until, known["outcomes"], known["reactions"])
    made = Results(edition, until, _outcomes(edition), _reactions(edition, until=until))
    if edition.state == Edition.State.DONE and until < now - SETTLED and not made.outcomes["owed"]:
        totals = {"outcomes": made.outcomes, "reactions": made.reactions}
        Edition.objects.filter(pk=edition.pk, state=Edition.State.DONE).update(totals=totals)
    return made


def earlier(edition: Edition, *, now: datetime) -> list[Results]:
    """Return the results of the editions of the cadence that went out before it, the newest first.

    They are for comparison: up to KEPT_SECONDS old, so that a page counts its own edition alone.
    """
    before = Edition.objects.filter(
        cadence=edition.cadence, period_on__lt=edition.period_on, state__in=Edition.WENT_OUT
    ).order_by("-period_on")
    found = []
    for one in before[:COMPARED]:
        made = cache.get(f"results-{one.pk}") or results_of(one, now=now)
        cache.add(f"results-{one.pk}", made, KEPT_SECONDS)
        found.append(made)
    return found


def end_of(edition: Edition, *, now: datetime) -> datetime:
    """Return when counting of an edition's reactions ends: now, or earlier: the next one's freeze, or LONGEST."""
    after = Edition.objects.filter(
        cadence=edition.cadence, period_on__gt=edition.period_on, frozen_at__isnull=False
    ).order_by("period_on")
    following = after.values_list("frozen_at", flat=True).first()
    return min(following or now, _begin(edition) + LONGEST[edition.cadence], now)


def details_of(edition: Edition, *, until: datetime) -> Details:
    """Split the reactions to one edition by topic, interest and mail domain, and what was not sent by its reason."""
    topics: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(REACTIONS[:4], 0))
    interests: dict[bool, dict[str, int]] = defaultdict(lambda: dict.fromkeys(REACTIONS[:3], 0))
    for name, rows in _on_papers(edition, until=until).items():
        topic = "paper__paper_topics__topic__name"
        primary = rows.filter(paper__paper_topics__is_primary=True).order_by()
        for label, number in (
            primary.values(topic).annotate(number=Count("pk", distinct=True)).values_list(topic, "number")
        ):
            topics[label][name] = number
        if name != "votes":
            further = rows.order_by().values(is_further=Q(interest__isnull=False)).annotate(number=Count("pk"))
            for is_further, number in further.values_list("is_further", "number"):
                interests[bool(is_further)][name] = number
    skipped = Delivery.objects.filter(edition=edition, state=State.SKIPPED).order_by()
    return Details(
        topics=dict(sorted(topics.items(), key=lambda pair: -sum(pair[1].values()))),
        interests=dict(interests),
        domains=_domains(edition, until=until),
        skipped=dict(skipped.values("skip_reason").annotate(number=Count("pk")).values_list("skip_reason", "number")),
    )


def _begin(edition: Edition) -> datetime:
    return edition.frozen_at or edition.cutoff_at


def _outcomes(edition: Edition) -> dict[str, int]:
    counts = {name: Count("pk", filter=which) for name, which in OUTCOMES.items()}
    return {name: number or 0 for name, number in edition.deliveries.aggregate(**counts).items()}


def _reactions(edition: Edition, *, until: datetime) -> dict[str, int]:
    counts: dict[str, int] = {name: rows.count() for name, rows in _on_papers(edition, until=until).items()}
    had = _had(edition)
    follows = Follow.objects.filter(had, at__gte=_begin(edition), at__lt=until, stance=Follow.Stance.FOLLOW)
    return counts | {
        "follows": follows.count(),
        "left": _left(edition, until=until).count(),
        "complained": _complaints(edition).count(),
    }


def _had(edition: Edition) -> Q:
    """Filter for rows of readers who were sent this edition."""
    return Q(subscriber__deliveries__edition=edition, subscriber__deliveries__state=State.SENT)


def _on_papers(edition: Edition, *, until: datetime) -> dict[str, QuerySet[Any]]:
    """Return what readers of the edition said of its papers while it was their newest."""
    of_it = _had(edition) & Q(at__gte=_begin(edition), at__lt=until, paper__edition_items__edition=edition)
    return {
        "more": Verdict.objects.filter(of_it, value=1),
        "less": Verdict.objects.filter(of_it, value=-1),
        "saves": LibraryEntry.objects.filter(of_it, source=LibraryEntry.Source.SAVED),
        "votes": Vote.objects.filter(of_it),
    }


def _left(edition: Edition, *, until: datetime) -> QuerySet[ConsentEvent]:
    leaving = Q(kind=ConsentEvent.Kind.UNSUBSCRIBED, at__gte=_begin(edition), at__lt=until)
    return ConsentEvent.objects.filter(_had(edition) & leaving)


def _complaints(edition: Edition) -> QuerySet[Delivery]:
    return edition.deliveries.filter(events__kind=DeliveryEvent.Kind.COMPLAINED).distinct()


def _domains(edition: Edition, *, until: datetime) -> dict[str, dict[str, int]]:
    """Count by mail domain: the largest by name, those with few readers and all others under ""."""
    shown = ("sent", "owed", "failed", "unknown", "late")
    counts = {name: Count("pk", filter=OUTCOMES[name]) for name in shown}
    rows = edition.deliveries.exclude(state=State.SKIPPED, skip_reason=Skip.EMPTY).order_by()
    found = rows.values("domain").annotate(**counts, readers=Count("pk")).order_by("-readers", "domain")
    left = dict(_by_domain(_left(edition, until=until), "subscriber__domain"))
    complained = dict(_by_domain(_complaints(edition), "domain"))
    domains: dict[str, dict[str, int]] = {}
    rows_of_domains: Iterator[dict[str, Any]] = found.iterator()  # type: ignore[assignment]
    for place, row in enumerate(rows_of_domains):
        name = row["domain"] if place < TOP_DOMAINS and row["readers"] >= FEW else ""
        into = domains.setdefault(name, dict.fromkeys((*shown, "left", "complained"), 0))
        for outcome in shown:
            into[outcome] += row[outcome]
        into["left"] += left.get(row["domain"], 0)
        into["complained"] += complained.get(row["domain"], 0)
    return domains


def _by_domain(rows: QuerySet[Any], name: str) -> QuerySet[Any]:
    counted: QuerySet[Any] = rows.order_by().values(name).annotate(number=Count("pk", distinct=True))
    return counted.values_list(name, "number")


@dataclass(frozen=True)
class Week:
    """Readers who joined and left in the seven days from ``starts_on``, and how many there were at its end."""

    starts_at: datetime
    joined: int
    left: int
    readers: int


def growth(*, now: datetime, weeks: int = 26) -> list[Week]:
    """Return the last weeks, the oldest first, from when readers confirmed and left, as their rows say now."""
    end = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    starts = [end - timedelta(weeks=weeks - number) for number in range(weeks)]
    edges = {f"{name}_{number}": at for number, at in enumerate(starts) for name in ("joined", "left")}
    within = {
        name: Count(
            "pk",
            filter=Q(**{f"{_FIELDS[name.split('_')[0]]}__gte": at})
            & Q(**{f"{_FIELDS[name.split('_')[0]]}__lt": at + timedelta(weeks=1)}),
        )
        for name, at in edges.items()
    }
    counts = Subscriber.objects.filter(confirmed_at__isnull=False).aggregate(**within)
    readers = Subscriber.objects.mailable().count()
    made: list[Week] = []
    for number in reversed(range(weeks)):
        joined, left = counts[f"joined_{number}"], counts[f"left_{number}"]
        made.append(Week(starts[number], joined, left, readers))
        readers -= joined - left
    return made[::-1]


_FIELDS = {"joined": "confirmed_at", "left": "left_at"}


def signup_sources(*, now: datetime, days: int = 90) -> list[tuple[str, str, int, int]]:
    """Return method and page of the requests of the last days, how many, and how many of them are readers now."""
    asked = ConsentEvent.objects.filter(
        kind__in=[ConsentEvent.Kind.REQUESTED, ConsentEvent.Kind.IMPORTED], at__gte=now - timedelta(days=days)
    )
    by_page = (
        asked.order_by()
        .values("method", "source_url")
        .annotate(
            people=Count("subscriber", distinct=True),
            confirmed=Count(
                "subscriber", distinct=True, filter=Q(subscriber__confirmed_at__gte=F("at"), subscriber__left_at=None)
            ),
        )
    )
    rows = by_page.order_by("-people", "method", "source_url").values_list(
        "method", "source_url", "people", "confirmed"
    )
    return [tuple(row) for row in rows[:20]]  # type: ignore[misc]
