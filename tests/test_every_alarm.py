"""Every alarm rings when its cause is there and clears when that is mended: a story each, complete by construction.

A story breaks something by the program's own acts, or puts in the rows such a fault leaves, and yields the moment at
which its alarm must ring; then it mends, and yields the moment at which the alarm must be over. An alarm without a
story fails. `make chaos` meets the commonest ones on a running site.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg.errors
import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client

from newsletter import delivery, planning, tasks
from newsletter.delivery import after_restore, claim_deliveries, restore_detection, webhooks
from newsletter.delivery.bounces import bounce_storms, unrecognised
from newsletter.delivery.transports import Message, Outcome, OutcomeKind, Phase, outcome_of_reply
from newsletter.editions import lifecycle
from newsletter.models import Delivery, Edition, Heartbeat, HighWater, Letter, Miss, Sighting, WebhookEndpoint
from newsletter.models import disk_full_error as disk
from newsletter.monitoring import current_alarms, find_missing_digests
from newsletter.monitoring.alarm_names import Name
from subscriptions import lifecycle as readers
from subscriptions import transactional_mails
from subscriptions.addresses import parse_address
from subscriptions.models import Subscriber
from subscriptions.preferences import Preferences
from tests import test_hf_daily, test_polling, test_webhooks
from tests.builders import NOON, make_edition, make_paper, make_reader
from tests.fakes import MemoryTransport
from tests.receiver import Answer, receiving
from tests.replay import replaying

pytestmark = pytest.mark.django_db
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NEVER = NOON + 3650 * DAY
Story = Callable[[Any], Iterator[datetime]]
STORIES: dict[str, Story] = {}
ALL = [*Name, "hf_daily_silent"]  # a source's alarm has the name of the source


def story(tell: Story) -> Story:
    STORIES[tell.__name__] = tell
    return tell


@pytest.mark.parametrize("name", ALL)
def test_every_alarm_rings_and_clears(name: str, settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    settings.SEND_JITTER_SECONDS = 0
    tasks.beat("tick", now=NOON)
    moments = STORIES[name](settings)
    assert name in names(next(moments)), "it rings"
    assert name not in names(next(moments)), "and clears"


def test_no_story_is_of_an_alarm_that_is_gone() -> None:
    assert sorted(STORIES) == sorted(ALL)


def names(now: datetime) -> set[str]:
    return {alarm.name for alarm in current_alarms.alarms(now=now)}


# What a relay says, and an edition to try it with


def planned(number: int = 10) -> Edition:
    edition = make_edition(papers=[make_paper(score_daily=1.0)], state="frozen")
    for _ in range(number):
        make_reader()
    assert planning.plan_due(now=NOON).queued == number
    return edition


def takes(message: Message) -> Outcome:
    return Outcome(message.key, OutcomeKind.SENT, Phase.DOT, 250)


def is_away(message: Message) -> Outcome:
    return Outcome(message.key, OutcomeKind.INFRASTRUCTURE, Phase.CONNECT, text="connection refused")


def breaks_off(message: Message) -> Outcome:
    return Outcome(message.key, OutcomeKind.UNKNOWN, Phase.DOT, text="connection lost")


def says(code: int, text: str) -> Callable[[Message], Outcome]:
    return lambda message: outcome_of_reply(message.key, Phase.RCPT, code=code, text=text)


def at_domain(domain: str, answer: Callable[[Message], Outcome]) -> Callable[[Message], Outcome]:
    """That answer of one domain; all others take the message."""
    return lambda message: (answer if message.recipient.endswith(f"@{domain}") else takes)(message)


def deliver(answer: Callable[[Message], Outcome] = takes, *, at: datetime = NOON) -> None:
    delivery.deliver(transport=MemoryTransport(answer), deadline=at + MINUTE, clock=lambda: at)


# The machine


@story
def restored(settings: Any) -> Iterator[datetime]:
    restore_detection.advance(now=NOON)
    in_the_dump = HighWater.objects.values("number", "at").get()
    restore_detection.advance(now=NOON + MINUTE)
    HighWater.objects.update(**in_the_dump)
    yield NOON + MINUTE
    after_restore.after_restore(since=NOON, now=NOON + 2 * MINUTE)
    yield NOON + 2 * MINUTE


@story
def no_tick(settings: Any) -> Iterator[datetime]:
    Heartbeat.objects.all().delete()
    yield NOON
    tasks.keep_house(now=NOON)
    yield NOON


@story
def tick_late(settings: Any) -> Iterator[datetime]:
    yield NOON + 4 * MINUTE
    tasks.keep_house(now=NOON + 4 * MINUTE)
    yield NOON + 4 * MINUTE


@story
def clocks_apart(settings: Any) -> Iterator[datetime]:
    tasks.beat("clock of host-7", now=NOON, detail="-90.4")
    yield NOON
    tasks.beat("clock of host-7", now=NOON, detail="0.3")
    yield NOON


@story
def disk_full(settings: Any) -> Iterator[datetime]:
    error = OperationalError("disk is full")
    error.__cause__ = psycopg.errors.DiskFull()
    disk.note(error)
    yield NOON
    tasks.keep_house(now=NOON)
    yield NOON


@story
def ingest_late(settings: Any) -> Iterator[datetime]:
    settings.SOURCES = ["hf_daily"]
    tasks.beat("papers", now=NOON - 31 * MINUTE)
    yield NOON
    tasks.beat("papers", now=NOON)
    yield NOON


@story
def mailbox_unread(settings: Any) -> Iterator[datetime]:
    folder = settings.VAR_DIR / "mailbox"
    settings.BOUNCE_MAILBOX_URL = f"maildir://{folder}"
    tasks.keep_house(now=NOON)
    tasks.listen()
    yield NOON + 31 * MINUTE
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    tasks.listen()
    yield Heartbeat.objects.get(name="mailbox").at


@story
def hf_daily_silent(settings: Any) -> Iterator[datetime]:
    """A source that answers, cuts its answer short, and answers again."""
    settings.SOURCES = ["hf_daily"]
    papers = test_hf_daily.answer(test_hf_daily.PAPER)
    with replaying() as web:
        source = test_polling.daily(web, papers, b"[{", papers)
        for hours in (-9, 0, 1):
            test_polling.gather(source, now=NOON + hours * HOUR)
            if hours >= 0:
                yield NOON + hours * HOUR


# Strangers and notices


@story
def notices_waiting(settings: Any) -> Iterator[datetime]:
    address = parse_address("ada@example.net")
    readers.request(address, preferences=Preferences(), method="test", origin=readers.Origin(), now=NOON)
    yield NOON + 6 * MINUTE
    assert transactional_mails.send_due_notices(now=NOON + 6 * MINUTE) == 1
    yield NOON + 6 * MINUTE


@story
def confirm_paused(settings: Any) -> Iterator[datetime]:
    delivery.pause_stream("confirm", reason="a wave of strangers", now=NOON)
    yield NOON
    delivery.resume_stream("confirm")
    yield NOON


@story
def limits_biting(settings: Any) -> Iterator[datetime]:
    settings.SIGNUPS_PER_HOUR = 20
    for number in range(20):
        address, origin = parse_address(f"ada@lab{number}.example"), readers.Origin(ip=f"10.{number}.0.1")
        readers.request(address, preferences=Preferences(), method="test", origin=origin, now=NOON)
    yield NOON
    yield NOON + HOUR


@story
def password_guessed(settings: Any) -> Iterator[datetime]:
    with time_machine.travel(NOON, tick=False):
        for number in range(20):
            guess = {"username": "carol", "password": f"guess {number}"}
            Client().post("/admin/login/", guess, REMOTE_ADDR=f"10.{number}.0.1")
    yield NOON
    yield NOON + 2 * HOUR


# What is owed


@story
def digest_paused(settings: Any) -> Iterator[datetime]:
    delivery.pause_stream("digest", reason="a broken key", now=NOON)
    yield NOON
    delivery.resume_stream("digest")
    yield NOON


@story
def edition_paused(settings: Any) -> Iterator[datetime]:
    edition = planned()
    lifecycle.pause(edition, reason="a wrong paper", now=NOON)
    yield NOON
    lifecycle.resume(edition, now=NOON)
    yield NOON


@story
def domain_held(settings: Any) -> Iterator[datetime]:
    """One provider takes nothing for an hour, three runs long; all others do."""
    planned()
    for number in range(3):
        make_reader(f"ada{number}@gmail.example")
    planning.plan_due(now=NOON)
    at = NOON
    while "domain_held" not in names(at):
        deliver(at_domain("gmail.example", says(451, "4.7.1 too many messages, slow down")), at=at)
        at += MINUTE
        assert at < NOON + 6 * HOUR
    yield at
    while Delivery.objects.filter(domain="gmail.example").exclude(state="sent").exists():
        at += 5 * MINUTE
        deliver(at=at)
        assert at < NOON + 12 * HOUR
    yield at


@story
def domain_paused(settings: Any) -> Iterator[datetime]:
    """A university's server has lost its directory: it knows none of its people."""
    planned()
    for number in range(20):
        make_reader(f"ada{number}@uni.example")
    planning.plan_due(now=NOON)
    deliver(at_domain("uni.example", says(550, "5.1.1 no such user")))
    assert not Subscriber.objects.filter(state="suppressed").exists()
    yield NOON
    bounce_storms.resume("uni.example", now=NOON)
    yield NOON


def until_try_now(answer: Callable[[Message], Outcome]) -> Iterator[datetime]:
    planned()
    deliver(answer)
    at = NOON + 6 * MINUTE
    yield at
    delivery.try_now(now=at)
    deliver(at=at)
    yield at


@story
def relay_unreachable(settings: Any) -> Iterator[datetime]:
    yield from until_try_now(is_away)


@story
def relay_defers(settings: Any) -> Iterator[datetime]:
    yield from until_try_now(says(451, "4.3.0 try again later"))


@story
def deliveries_waiting(settings: Any) -> Iterator[datetime]:
    planned()
    yield NOON + 16 * MINUTE
    deliver(at=NOON + 16 * MINUTE)
    yield NOON + 16 * MINUTE


@story
def claims_expired(settings: Any) -> Iterator[datetime]:
    planned()
    claim_deliveries.claim_due(token="a worker that dies", limit=10, now=NOON)
    yield NOON + 30 * MINUTE
    delivery.rescue_expired(now=NOON + 30 * MINUTE)
    yield NOON + 30 * MINUTE


# Editions


def until_approved(wait: timedelta) -> Iterator[datetime]:
    """Nobody looks at the draft until so long before its cut-off."""
    make_reader()
    paper = make_paper(score_daily=1.0, first_seen_at=NOON - 20 * HOUR)
    Sighting.objects.create(paper=paper, source="hf_daily", key="one", seen_at=paper.first_seen_at)
    lifecycle.draft_due(now=NOON - 10 * HOUR)
    draft = Edition.objects.get(cadence="daily")
    at = draft.cutoff_at - wait
    yield at
    lifecycle.approve(draft, by=None, now=at)
    yield at


@story
def approval_due(settings: Any) -> Iterator[datetime]:
    yield from until_approved(HOUR)


@story
def approval_missed(settings: Any) -> Iterator[datetime]:
    yield from until_approved(-HOUR)


@story
def no_edition(settings: Any) -> Iterator[datetime]:
    make_reader()
    yield NOON
    lifecycle.draft_due(now=NOON)
    yield NOON


@story
def editions_missing(settings: Any) -> Iterator[datetime]:
    """The machine was off from Sunday to Wednesday: the days between have no edition."""
    make_reader(confirmed_at=NOON - 60 * DAY)
    edition = make_edition(papers=[make_paper()], period_on=(NOON - 3 * DAY).date())
    Edition.objects.filter(pk=edition.pk).update(created_at=NOON - 4 * DAY)
    find_missing_digests.reconcile_due(now=NOON, deadline=NEVER)
    yield NOON
    for days in range(1, 9):
        lifecycle.draft_due(now=NOON + days * DAY)
    find_missing_digests.reconcile_due(now=NOON + 8 * DAY, deadline=NEVER)
    yield NOON + 8 * DAY


@story
def readers_forgotten(settings: Any) -> Iterator[datetime]:
    """Somebody moved a reader's next hour by hand: yesterday's digest is nowhere."""
    make_edition(papers=[make_paper()], period_on=(NOON - 9 * DAY).date())
    reader = make_reader(hour=5, weekdays=127, confirmed_at=NOON - 60 * DAY, next_due_at=NOON + 17 * HOUR)
    find_missing_digests.reconcile_due(now=NOON, deadline=NEVER)
    yield NOON
    Miss.objects.create(subscriber=reader, due_at=NOON - 9 * DAY, why="nothing", at=NOON + DAY)
    find_missing_digests.reconcile_due(now=NOON + DAY, deadline=NEVER)
    yield NOON + DAY


# What became of the digests


@story
def readers_without_mail(settings: Any) -> Iterator[datetime]:
    edition = planned()
    deliver(says(550, "5.7.1 we do not want this"))
    yield NOON
    delivery.retry_failed(edition, now=NOON)
    deliver()
    yield NOON


@story
def digests_failed(settings: Any) -> Iterator[datetime]:
    yield from readers_without_mail(settings)


@story
def digests_late(settings: Any) -> Iterator[datetime]:
    planned()
    delivery.skip_expired(now=NOON + 8 * HOUR)
    yield NOON + 8 * HOUR
    yield NOON + 3 * DAY


@story
def digests_unknown(settings: Any) -> Iterator[datetime]:
    planned()
    deliver(breaks_off)
    yield NOON + 2 * HOUR
    doubtful = list(Delivery.objects.filter(state="unknown").values_list("pk", flat=True))
    delivery.settle_unknown(doubtful, state="sent", source="relay log", text="250 2.0.0", now=NOON + 2 * HOUR)
    yield NOON + 2 * HOUR


@story
def letters_waiting(settings: Any) -> Iterator[datetime]:
    """A report of a failure that names no mail of ours comes into the mailbox, and an operator reads it."""
    folder = settings.VAR_DIR / "mailbox"
    settings.BOUNCE_MAILBOX_URL = f"maildir://{folder}"
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    report = b"From: MAILER-DAEMON@uni.example\nSubject: Undelivered mail\n\n550 5.1.1 no such user\n"
    (folder / "new" / "1.one.host").write_bytes(report)
    tasks.listen()
    yield NOON
    operator = User.objects.create_user("olga")
    unrecognised.judge(Letter.objects.get(), judgement="nothing", address="", by=operator, now=NOON)
    yield NOON


# Programs that are told


def endpoint(**over: Any) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(url="https://wiki.example/", secret="sealed", created_at=NOON, **over)


@story
def webhook_failing(settings: Any) -> Iterator[datetime]:
    """A program's server answers 500 for two days."""
    settings.WEBHOOK_PRIVATE_TARGETS = True
    with receiving() as program:
        test_webhooks.endpoint_at(program.url)
        test_webhooks.done_edition()
        program.will(Answer(500))
        test_webhooks.tell()
        for days in (1, 2):
            test_webhooks.deliver(at=NOON + days * DAY)
        yield NOON + 2 * DAY
        program.will(Answer(200))
        test_webhooks.deliver(at=NOON + 3 * DAY)
        yield NOON + 3 * DAY


@story
def webhook_off(settings: Any) -> Iterator[datetime]:
    webhooks.switch_off(endpoint().pk, reason="it answered 410 Gone", now=NOON)
    yield NOON
    WebhookEndpoint.objects.update(is_active=True, off_reason="")
    yield NOON
