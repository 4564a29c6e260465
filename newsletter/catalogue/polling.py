"""Poll the sources that are due and ingest what they return.

In: the clock and the settings SOURCES and ARXIV_CATEGORIES. Out: papers (through ingest) and one SourceRun an address
polled, whatever the outcome. A source that fails or serves old papers is recorded, logged and polled again later; the
others go on, and no digest waits for any of them. Any number of workers may do this at once: a poll is claimed.

To add a source: docs/adding-a-source.md.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError
from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet
from django.utils.translation import gettext

from newsletter.catalogue import http_client
from newsletter.catalogue.describe_submissions import describe
from newsletter.catalogue.ingest import IngestResult, ingest
from newsletter.catalogue.sources import arxiv_query, hf_daily, hf_paper, openalex_citations, registry
from newsletter.catalogue.sources.observed_paper import (
    ChosenSource,
    KeyedSource,
    Observation,
    PagedSource,
    Request,
    Source,
    SourceError,
)
from newsletter.models import (
    Edition,
    EditionItem,
    LibraryEntry,
    Paper,
    PaperIdentifier,
    Sighting,
    Signal,
    SourceHost,
    SourceRun,
    Submission,
    Verdict,
)

log = logging.getLogger(__name__)
_SHORT_WAIT = timedelta(seconds=5)  # worth sitting out; a longer one is left to the next tick
_ASK_ARXIV_FOR = timedelta(days=14)  # papers younger than this that it has said nothing about yet
_IDS_AT_ONCE = 100
# arXiv's answers change once a day. A paper may be withdrawn at any time, so those in editions are asked about again:
# daily while readers may still be sent them, then now and then while their digests can be read.
_ASK_AGAIN, _ASK_AGAIN_SENT = timedelta(hours=20), timedelta(days=3)
_SENT_LATELY = timedelta(days=30)
_SAVED_LATELY, _ASK_AGAIN_SAVED = timedelta(days=365), timedelta(days=7)  # a venue decides within the year
_CODE_COMES_WITHIN = timedelta(days=3)  # of a paper's first day on a list
_CITED_WITHIN, _ASK_AGAIN_CITED, _DOIS_AT_ONCE = timedelta(days=30), timedelta(days=3), 800
_LISTS_GROW_FOR = timedelta(days=8)
_KEEP_RUNS = timedelta(days=90)
# What a text nobody foresaw may do to our own code. Not Exception: Celery's time limit is one.
_UNREADABLE = (ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
_SILENT_POLLS = 6  # a source that gave nothing usable for so many polls is in trouble

State = SourceRun.State
USABLE = (State.OK, State.UNCHANGED, State.EMPTY)
_READ = (State.OK, State.EMPTY, State.STALE)  # what they answered was read, so "not modified" may be believed


@dataclass(frozen=True, slots=True)
class Trouble:
    source: str
    since: datetime | None  # of the last usable answer
    detail: str


def enabled_sources() -> list[Source]:
    """Return the sources of the setting SOURCES, those that list papers first; the others are asked about these.

    One that is asked only for what an operator names is left out while its own setting is empty.
    """
    named = (source for name, source in registry.polled().items() if name in settings.SOURCES)
    return [source for source in named if not isinstance(source, ChosenSource) or _options(source)]


def _options(source: Source) -> tuple[str, ...]:
    value = getattr(settings, source.SETTING) if isinstance(source, ChosenSource) else ()
    return ("on",) * value if isinstance(value, bool) else tuple(value)


def poll_due(
    *,
    now: datetime,
    deadline: datetime | None = None,
    sources: Sequence[Source] | None = None,
    rules: http_client.FetchPolicy = http_client.WORLD,
    sleep: Callable[[float], None] = time.sleep,
) -> list[SourceRun]:
    """Poll every source that is due. Returns the runs in order; empty when none was due.

    After `deadline` no new request is made; the rest follows at the next tick.
    """
    runs: list[SourceRun] = []
    started = time.monotonic()
    for source in enabled_sources() if sources is None else sources:
        if not _claim_poll(source, now=now):
            continue
        waiting = deque(source.addresses(request_of(source, now)))
        brought: list[SourceRun] = []
        while waiting:
            present = now + timedelta(seconds=time.monotonic() - started)
            if deadline is not None and present > deadline:
                _poll_again(source, at=present)
                return runs
            run = poll_source(source, waiting.popleft(), now=present, rules=rules, sleep=sleep, further=waiting)
            runs.append(run)
            brought.append(run)
            if run.state in {State.WAITING, State.FAILED} and run.retry_at and source.HOSTS:
                _poll_again(source, at=run.retry_at)
                break
            if len(brought) >= rules.pages and waiting:
                run.state, run.detail = State.FAILED, f"more than {rules.pages} pages: ask this source for less"
                run.save(update_fields=["state", "detail"])
                break
        if all(run.state in USABLE for run in brought):
            SourceHost.objects.filter(host=source.SOURCE).update(done_at=now)
    if runs:
        SourceRun.objects.filter(started_at__lt=now - _KEEP_RUNS).delete()
    return runs


def poll_source(
    source: Source,
    address: str,
    *,
    now: datetime,
    rules: http_client.FetchPolicy = http_client.WORLD,
    sleep: Callable[[float], None] = time.sleep,
    further: deque[str] | None = None,
) -> SourceRun:
    """Fetch, parse and ingest one address of a source, and record the result. Never raises because of the source.

    The address of the next page, where there is one, goes to the front of ``further``.
    """
    run = SourceRun(source=source.SOURCE, url=address, started_at=now)
    last = SourceRun.objects.filter(source=run.source, url=run.url, state__in=_READ).exclude(etag="", modified="")
    known = None if isinstance(source, PagedSource) else last.first()  # the next address is in the answer
    try:
        answer = _fetch(source, address, known=known, now=now, rules=rules, sleep=sleep)
        run.status, run.etag, run.modified = answer.status, answer.etag, answer.modified
        if answer.status == 304 and known:
            run.state, run.newest, run.etag, run.modified = State.UNCHANGED, known.newest, known.etag, known.modified
        else:
            _take_in(run, source, source.parse(answer.body, seen_at=now), now=now)
            if further is not None and isinstance(source, PagedSource):
                further.extendleft(filter(None, [source.next_address(answer.body, after=address)]))
        _mark_if_stale(run, source, now=now)
    except http_client.HostBusy as busy:
        run.state, run.detail, run.retry_at = State.WAITING, busy.reason, busy.retry_at
    except http_client.FetchError as error:
        run.state, run.detail, run.status, run.retry_at = State.FAILED, error.reason[:300], error.status, error.retry_at
    except SourceError as error:
        where = f" (line {error.line})" if error.line else ""
        run.state, run.detail = State.FAILED, f"{error.reason}{where}"[:300]
    except DatabaseError as error:
        log.exception("Papers of %s could not be stored", source.SOURCE)
        run.state, run.detail = State.FAILED, f"the papers could not be stored: {type(error).__name__}"
    except _UNREADABLE as error:
        log.exception("The answer of %s could not be read", source.SOURCE)
        run.state, run.detail = State.FAILED, f"the answer could not be read: {type(error).__name__}"
    run.save()
    if run.state in {State.FAILED, State.STALE}:
        log.warning("Source %s is %s: %s", run.source, run.state, run.detail)
    return run


def troubles(*, now: datetime, sources: Iterable[Source] | None = None) -> list[Trouble]:
    """Return sources that gave nothing usable, or only old papers, for too long: the operator's alarms."""
    found = []
    for source in enabled_sources() if sources is None else sources:
        runs = SourceRun.objects.filter(source=source.SOURCE)
        latest = runs.exclude(state=State.WAITING).first()
        if latest is None:
            continue
        if latest.state in USABLE:
            if trouble := _quiet(source, now=now):
                found.append(trouble)
            continue
        ages = runs.aggregate(usable=Max("started_at", filter=Q(state__in=USABLE)), first=Min("started_at"))
        if latest.state == State.STALE or (ages["usable"] or ages["first"]) < now - _SILENT_POLLS * source.POLL_EVERY:
            found.append(Trouble(source.SOURCE, ages["usable"], latest.detail))
    return found


def _quiet(source: Source, *, now: datetime) -> Trouble | None:
    """Return sources that answer but list nothing: their pages moved, or the categories are gone."""
    if source.QUIET_AFTER is None:
        return None
    runs = SourceRun.objects.filter(source=source.SOURCE)
    ages = runs.aggregate(new=Max("started_at", filter=Q(new__gt=0)), first=Min("started_at"))
    since = ages["new"] or ages["first"]
    if since is None or since > now - source.QUIET_AFTER:
        return None
    why = gettext("it answers, but brought no new paper for %d days") % (now - since).days
    return Trouble(source.SOURCE, ages["new"], why)


def _fetch(
    source: Source,
    address: str,
    *,
    known: SourceRun | None,
    now: datetime,
    rules: http_client.FetchPolicy,
    sleep: Callable[[float], None],
) -> http_client.FetchResponse:
    """Fetch an address; waits once when our turn at the host comes soon."""
    waited = timedelta(0)
    while True:
        try:
            return http_client.fetch(
                _with_key(source, address),
                hosts=source.HOSTS or frozenset([urlsplit(address).hostname or ""]),
                content_types=source.CONTENT_TYPES,
                now=now + waited,
                spacing=source.SPACING,
                etag=known.etag if known else "",
                modified=known.modified if known else "",
                rules=rules,
            )
        except http_client.HostBusy as busy:
            wait = (busy.retry_at or now) - now
            if waited or wait > _SHORT_WAIT:
                raise
            waited = max(wait, timedelta(0))
            sleep(waited.total_seconds())


def _with_key(source: Source, address: str) -> str:
    key = getattr(settings, source.KEY_SETTING) if isinstance(source, KeyedSource) else ""
    return f"{address}&{source.KEY_PARAMETER}={quote(key, safe='')}" if key else address  # type: ignore[attr-defined]


def _take_in(run: SourceRun, source: Source, observations: Sequence[Observation], *, now: datetime) -> None:
    is_arxiv = source.SOURCE == arxiv_query.SOURCE
    ours = describe(observations, asked=arxiv_query.ids_asked(run.url)) if is_arxiv else observations
    result = _ingest(ours, now=now)
    run.read, run.new, run.merged = result.read, result.new, result.merged
    run.newest = max((one.arxiv_id or "" for one in observations if not one.only_if_known), default="")
    if not observations:
        run.state, run.detail = State.EMPTY, source.why_empty(now)
    else:
        run.state = State.OK


def _ingest(observations: Sequence[Observation], *, now: datetime) -> IngestResult:
    """Ingest all at once, or one by one where that fails, so that one bad paper keeps out no other."""
    try:
        return ingest(observations, now=now)
    except (*_UNREADABLE, DataError, IntegrityError):
        log.exception("%d papers could not be stored together; each is tried by itself", len(observations))
    result, failure = IngestResult(), None
    for one in observations:
        try:
            result += ingest([one], now=now)
        except (*_UNREADABLE, DataError, IntegrityError) as error:
            failure = error
            log.warning("Paper %s of %s is left out: %s", one.key, one.source, type(error).__name__)
    if failure and not result.read:
        raise failure
    return result


def _mark_if_stale(run: SourceRun, source: Source, *, now: datetime) -> None:
    """Mark the run as stale when the newest paper has been the newest for longer than this source allows."""
    if not run.newest:
        return
    first = SourceRun.objects.filter(source=run.source, newest=run.newest).aggregate(at=Min("started_at"))["at"]
    if first is not None and source.is_stale(first_seen_at=first, now=now):
        run.state, run.detail = State.STALE, f"nothing newer than {run.newest} since {first:%d %B, %H:%M} UTC"


def request_of(source: Source, now: datetime) -> Request:
    return Request(
        now=now,
        categories=tuple(settings.ARXIV_CATEGORIES),
        wanted_ids=tuple(wanted_ids(now)),
        linkless_ids=tuple(linkless_ids(now)),
        brought=_brought(now),
        done_at=SourceHost.objects.values_list("done_at", flat=True).filter(host=source.SOURCE).first(),
        watched_dois=tuple(watched_dois(now)) if source.SOURCE == openalex_citations.SOURCE else (),
        options=_options(source),
    )


def wanted_ids(now: datetime) -> list[str]:
    """Return arXiv ids to fetch: submissions, papers never fetched, again those in editions; then old papers.

    Those accepted are stored; of those that wait for a curator, who shall see what they are, nothing is (`describe`).
    Papers that readers saved are asked about each week. Old ones are those whose text was stored before its source was
    kept: what places are left read each of them anew.
    """
    asked = _arxiv_asked_since(now - _ASK_AGAIN)
    papers = Paper.objects.filter(arxiv_id__isnull=False, merged_into__isnull=True).order_by("-first_seen_at", "-pk")
    heard = Sighting.objects.filter(source=arxiv_query.SOURCE, paper=OuterRef("pk"))
    unasked = papers.filter(~Exists(heard), first_seen_at__gte=now - _ASK_ARXIV_FOR)
    standing = papers.filter(withdrawn_at__isnull=True)
    places = EditionItem.objects.exclude(standing=EditionItem.Standing.EXCLUDED).values_list("paper_id", flat=True)
    since = now - _SAVED_LATELY
    liked = Verdict.objects.filter(value__gt=0, paper=OuterRef("pk"), at__gt=since)
    saved = standing.filter(Exists(liked) | Exists(LibraryEntry.objects.filter(paper=OuterRef("pk"), at__gt=since)))
    going = places.filter(edition__state__in=Edition.UNFINISHED)
    sent = places.filter(edition__done_at__gte=now - _SENT_LATELY)
    wanted = dict.fromkeys(Submission.objects.wanted().values_list("arxiv_id", flat=True)[:_IDS_AT_ONCE])
    groups: tuple[tuple[QuerySet[Any], set[str]], ...] = (
        (Submission.objects.undescribed(), asked),
        (unasked, asked),
        (standing.filter(pk__any_of=set(going)), asked),
        (standing.filter(pk__any_of=set(sent)), _arxiv_asked_since(now - _ASK_AGAIN_SENT)),
        (saved, _arxiv_asked_since(now - _ASK_AGAIN_SAVED)),
        (papers.filter(Exists(heard), title_source__isnull=True), asked),
    )
    for group, known in groups:
        names = group.values_list("arxiv_id", flat=True)[: len(known) + _IDS_AT_ONCE]
        wanted |= dict.fromkeys(str(name) for name in names if name not in known)
    return list(wanted)[:_IDS_AT_ONCE]


def linkless_ids(now: datetime) -> list[str]:
    """arXiv ids of recent daily papers without stars: a list gives stars to each paper whose code it knows."""
    since = now - _CODE_COMES_WITHIN
    listed = Sighting.objects.filter(source=hf_daily.SOURCE, paper=OuterRef("pk"), seen_at__gt=since)
    starred = Signal.objects.filter(source=hf_daily.SOURCE, metric="stars", at__gt=since)
    # Young papers, and older ones that came on a list now: a list need not say its day.
    lately = Paper.objects.filter(Q(first_seen_at__gt=since) | Q(listed_on__gte=since.date()))
    papers = lately.filter(Exists(listed), arxiv_id__isnull=False, merged_into__isnull=True)
    asked = {hf_paper.id_asked(url) for url in _urls_answered(hf_paper.SOURCE, since=now - _ASK_AGAIN)}
    names = papers.exclude(pk__in=starred.values("paper_id")).order_by("-pk").values_list("arxiv_id", flat=True)
    return [str(name) for name in names if name not in asked]


def watched_dois(now: datetime) -> list[str]:
    """DOIs of young papers, arXiv's among them, whose citations were not asked for lately; the newest first."""
    young = Paper.objects.filter(first_seen_at__gt=now - _CITED_WITHIN, merged_into__isnull=True)
    on_arxiv = young.filter(arxiv_id__isnull=False).values_list("pk", "arxiv_id")
    named = PaperIdentifier.objects.filter(paper__in=young, value__startswith="doi:").values_list("paper_id", "value")
    dois = [(pk, f"10.48550/arxiv.{name}") for pk, name in on_arxiv]
    dois += [(pk, name.removeprefix("doi:")) for pk, name in named]
    urls = _urls_answered(openalex_citations.SOURCE, since=now - _ASK_AGAIN_CITED)
    asked = {doi for url in urls for doi in openalex_citations.dois_asked(url)}
    return [doi for _, doi in sorted(dois, reverse=True) if doi not in asked][:_DOIS_AT_ONCE]


def _brought(now: datetime) -> dict[str, int]:
    runs = SourceRun.objects.filter(source=hf_daily.SOURCE, started_at__gt=now - _LISTS_GROW_FOR, read__gt=0)
    return dict(runs.order_by().values("url").annotate(most=Max("read")).values_list("url", "most"))


def _arxiv_asked_since(moment: datetime) -> set[str]:
    return {name for url in _urls_answered(arxiv_query.SOURCE, since=moment) for name in arxiv_query.ids_asked(url)}


def _urls_answered(source: str, *, since: datetime) -> Iterable[str]:
    """Return the addresses a source has answered, from its runs."""
    runs = SourceRun.objects.filter(source=source, state__in=USABLE, started_at__gt=since)
    return runs.values_list("url", flat=True)


def poll_soon(source: str, *, now: datetime) -> None:
    """Make this source due at the next tick. The host's rate limit still applies."""
    SourceHost.objects.filter(host=source, free_at__gt=now).update(free_at=now)


def _claim_poll(source: Source, *, now: datetime) -> bool:
    """Claim the poll by compare-and-set. False: another worker was first."""
    SourceHost.objects.get_or_create(host=source.SOURCE, defaults={"free_at": now})
    claimed = SourceHost.objects.filter(host=source.SOURCE, free_at__lte=now).update(free_at=now + source.POLL_EVERY)
    return claimed == 1


def _poll_again(source: Source, *, at: datetime) -> None:
    SourceHost.objects.filter(host=source.SOURCE).update(free_at=at)
