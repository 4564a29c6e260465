"""The circuit breaker of one run: an ailing relay closes the stream for a while, a storm of refusals an edition.

In: outcomes of each turn. Out: a Stream row that stops all workers' claims until a probe and says since when nothing
is sent and what was answered; a domain that is held; or, of a storm of refusals, what `bounce_storms` makes of it.
While everything goes well it asks the database once per run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from newsletter.delivery import sending_rate
from newsletter.delivery.bounces import bounce_storms
from newsletter.delivery.claim_deliveries import STREAM
from newsletter.delivery.record_outcomes import infrastructure_wait, reply_line
from newsletter.delivery.transports import Outcome, OutcomeKind, Phase
from newsletter.models import Edition, Stream
from subscriptions.retry_backoff import backoff

TRIP_AFTER = 3  # runs in a row that met an infrastructure error
LONGEST_WAIT = 20  # times the first wait, for a relay that limits us or puts everything off
STORM_AT_LEAST = 20  # refusals of one edition in one run …
STORM_SHARE = 0.3  # … that are this share of what was tried: look whether they are many people's
DEFERRED_AT_LEAST = 10  # messages put off again, in a row, none sent in between: that is the relay and not a reader
LIMITED_AT_LEAST = 5  # untouched messages in a row that came back for a limit
LIMITED_DOMAINS = 3  # in a row that name a limit at RCPT: then it is the relay's
Trouble = Stream.Trouble
Write = Callable[[], object]


class Row(Protocol):
    """The fields of a claimed delivery that the breaker needs."""

    @property
    def edition(self) -> int: ...
    @property
    def domain(self) -> str: ...
    @property
    def attempts(self) -> int: ...


class Breaker:
    """Counts the failures of one worker's run and decides when to stop sending."""

    def __init__(self) -> None:
        self._tried: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()
        self._taken: Counter[str] = Counter()  # by domain
        self._needs_recovery = True
        self._deferred = 0  # these five since a message was sent
        self._noted = 0  # of the deferred, those in the database
        self._limited = 0
        self._limited_bodies = 0
        self._limited_domains: dict[str, None] = {}
        self.held: dict[str, datetime] = {}  # domain -> until when nothing goes there
        self.tripped = False

    def note(self, outcomes: Sequence[Outcome], *, rows: Sequence[Row | None], now: datetime) -> Write | None:
        """Count outcomes, each with its row. Returns a function that writes what follows, None when nothing does."""
        writes: list[Write] = []
        for outcome, row in zip(outcomes, rows, strict=True):
            kind = outcome.kind
            if row is None or kind is OutcomeKind.INFRASTRUCTURE:
                continue
            self._tried[row.edition] += 1
            if kind is OutcomeKind.SENT:
                self._taken[row.domain] += 1
                self._deferred = self._noted = self._limited = self._limited_bodies = 0
                self._limited_domains.clear()
            elif kind in {OutcomeKind.REJECTED, OutcomeKind.SOFT, OutcomeKind.BOUNCED}:
                self._refused[row.edition] += 1
                if self._is_storm(row.edition):
                    writes.append(partial(bounce_storms.ask_about_refusals, row.edition, now=now))
                    self._refused[row.edition] = 0
            elif kind is OutcomeKind.LIMITED:
                self._note_limit(outcome, row, writes=writes, now=now)
            elif kind is OutcomeKind.RETRY:
                self._deferred += _is_evidence(outcome, row)
        if self._needs_recovery and any(outcome.kind is OutcomeKind.SENT for outcome in outcomes):
            self._needs_recovery = False
            writes.insert(0, recover)
        self._judge(outcomes, writes=writes, now=now)
        return partial(_do, writes) if writes else None

    def _judge(self, outcomes: Sequence[Outcome], *, writes: list[Write], now: datetime) -> None:
        """Trip the breaker when the failures in a row are the relay's fault."""
        if self.tripped:
            return
        if self._deferred > self._noted:
            more, self._noted, self._needs_recovery = self._deferred - self._noted, self._deferred, True
            writes.append(partial(self._note_deferrals, more, reply=_last(outcomes, OutcomeKind.RETRY), now=now))
        away, limit = _last(outcomes, OutcomeKind.INFRASTRUCTURE), _last(outcomes, OutcomeKind.LIMITED)
        if away is not None or (limit is not None and self._is_limited()):
            self.tripped = self._needs_recovery = True
            trouble = Trouble.UNREACHABLE if away is not None else Trouble.LIMITED
            writes.append(partial(trip, trouble, reply=away or limit, now=now))

    def _note_limit(self, outcome: Outcome, row: Row, *, writes: list[Write], now: datetime) -> None:
        if outcome.phase is Phase.RCPT:
            self._limited_domains[row.domain] = None
            if self.held.get(row.domain, now) <= now:
                self.held[row.domain] = now + sending_rate.FIRST_HOLD  # until the database says
                writes.append(partial(self._hold, row.domain, now=now))
        elif outcome.phase is Phase.DOT:
            self._limited_bodies += 1
        else:
            self._limited += 1

    def _hold(self, domain: str, *, now: datetime) -> None:
        self.held[domain] = sending_rate.hold(domain, has_taken=self._taken.pop(domain, 0) > 0, now=now)

    def _is_limited(self) -> bool:
        """Whether limits were named often enough. All connections may lose a body before the transport slows down."""
        return (
            self._limited >= LIMITED_AT_LEAST
            or self._limited_bodies >= max(LIMITED_AT_LEAST, 2 * settings.SMTP_CONNECTIONS)
            or len(self._limited_domains) >= LIMITED_DOMAINS
        )

    def _is_storm(self, edition: int) -> bool:
        refused = self._refused[edition]
        return refused >= STORM_AT_LEAST and refused >= STORM_SHARE * self._tried[edition]

    def _note_deferrals(self, count: int, *, reply: str | None, now: datetime) -> None:
        """Count deferred deliveries over all runs: one run of a short list never has enough of them."""
        with transaction.atomic():
            stream = _locked()
            stream.deferrals += count
            stream.save(update_fields=["deferrals"])
        if stream.deferrals >= DEFERRED_AT_LEAST and not self.tripped:
            self.tripped = True
            trip(Trouble.DEFERRED, reply=reply, now=now)


def _is_evidence(outcome: Outcome, row: Row) -> bool:
    """Whether a deferral is about us: greylisting defers every first try, so only later tries and MAIL count."""
    return row.attempts > 0 or outcome.phase is Phase.MAIL


def _last(outcomes: Sequence[Outcome], kind: OutcomeKind) -> str | None:
    return next((reply_line(outcome) for outcome in reversed(outcomes) if outcome.kind is kind), None)


def _do(writes: Sequence[Write]) -> None:
    for write in writes:
        write()


def recover() -> None:
    """Close the breaker: a message was sent, so the stream works."""
    Stream.objects.filter(Q(failures__gt=0) | Q(deferrals__gt=0) | Q(down_since__isnull=False), name=STREAM).update(
        failures=0, deferrals=0, probe_at=None, trouble="", down_since=None, last_reply=""
    )


def trip(trouble: Stream.Trouble, *, reply: str | None, now: datetime) -> None:
    """Nobody claims before the wait is over: at once where the relay spoke, from the third run on where it did not.

    A relay that is away is tried at each tick, so that mail leaves within a minute of its return; one that wants less
    mail is left alone for longer each time.
    """
    with transaction.atomic():
        stream = _locked()
        stream.failures = stream.failures + 1 if stream.trouble in {"", trouble} else 1
        stream.trouble, stream.last_reply = trouble, (reply or "")[:300]
        stream.down_since = stream.down_since or now
        if trouble is not Trouble.UNREACHABLE:
            stream.probe_at = now + backoff(
                stream.failures, first=infrastructure_wait(), most=infrastructure_wait() * LONGEST_WAIT
            )
        elif stream.failures >= TRIP_AFTER:
            stream.probe_at = now + infrastructure_wait()
        stream.save(update_fields=["failures", "trouble", "last_reply", "down_since", "probe_at"])


def _locked() -> Stream:
    Stream.objects.get_or_create(name=STREAM)
    return Stream.objects.select_for_update().get(name=STREAM)


def pause_edition(edition: int, *, reason: str, now: datetime) -> None:
    """Hold an edition until a person has looked."""
    Edition.objects.filter(pk=edition, paused_at__isnull=True).update(
        paused_at=now, pause_reason=f"{reason}; see the delivery events, then resume."[:200]
    )
