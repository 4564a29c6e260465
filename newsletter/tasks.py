"""What wakes the steps: Celery tasks, and the same steps for `manage.py work` in one plain process.

In: nothing but the clock; every task asks the database what is due. Out: whatever the steps do. Any task may be lost,
late, doubled or run on ten machines at once: rows drive, tasks only wake. What asks other hosts, the search index and
imports of lists is imported where it is used: a worker that only plans or sends is 18 MB smaller without.
"""

from __future__ import annotations

import logging
import multiprocessing
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from celery import shared_task
from celery.signals import task_postrun, task_prerun, task_revoked, worker_shutting_down
from django.conf import settings
from django.db import OperationalError, connection
from django.utils import timezone

from newsletter import delivery, planning
from newsletter.catalogue import choose_key_sentences, submissions
from newsletter.catalogue.topics import embeddings
from newsletter.delivery import restore_detection as high_water
from newsletter.delivery import webhooks
from newsletter.delivery.bounces import act_on_report, mailbox
from newsletter.delivery.choose_transport import open_transport
from newsletter.delivery.send_loop import GREETING
from newsletter.editions import curator_mails, share_card_cache
from newsletter.editions import lifecycle as edition_lifecycle
from newsletter.models import Delivery, Heartbeat, SignIn, disk_full_error, timings
from newsletter.monitoring import clock_skew
from newsletter.monitoring import find_missing_digests as look
from newsletter.ranking import update_trend_scores, votes
from subscriptions import lifecycle, mail_settings, retention
from subscriptions.models import ListImport
from subscriptions.tasks import send_notices

log = logging.getLogger(__name__)
SCORE_EVERY = timedelta(minutes=15)
SLICE = timedelta(seconds=180)  # a task is a bounded loop; the next tick goes on
RESTORED = "The database was restored. Nothing is sent until manage.py after_restore has said what was sent since."
CURATING = timedelta(seconds=20)  # of one task for the mails to curators
READING = timedelta(seconds=40)  # of one ingest task, for the search index and the vectors
_leaving = multiprocessing.Event()  # made before the fork: SIGTERM reaches the parent, its children do the work


@worker_shutting_down.connect
def leave(**_details: object) -> None:
    """Let a worker that is told to stop finish what is on the wire and give the rest back before it is killed."""
    _leaving.set()


task_prerun.connect(clock_skew.measure_now_and_then)


@task_prerun.connect
def count_wait(*, task: Any = None, **_details: object) -> None:
    """Count how long this task waited in its queue."""
    request = getattr(task, "request", None)
    if request and (asked_at := (request.headers or {}).get("asked_at")):
        queue = (request.delivery_info or {}).get("routing_key") or "other"
        timings.QUEUE_WAIT.add(max(0.0, time.time() - asked_at), queue)


@task_postrun.connect
def store_timings(**_details: object) -> None:
    timings.store_now_and_then()


@task_revoked.connect
def say_dropped(*, request: Any = None, expired: bool = False, **_details: object) -> None:
    """Log that this worker dropped a task, and note its clock: one that is far ahead drops them all."""
    if expired:
        name, limit = getattr(request, "name", "A task"), settings.TASK_EXPIRES_SECONDS
        log.warning("%s had waited for more than %d s by this worker's clock and was dropped.", name, limit)
        clock_skew.measure_now_and_then()
        connection.close()  # this is the parent: its children must not inherit a connection


@shared_task(name="newsletter.tasks.tick")
def tick() -> None:
    """Each minute: move editions on, clean up after workers that died, and wake the workers for what is due."""
    now = timezone.now()
    keep_house(now=now)
    slow = (ingest, check_links, ping_hub, listen, call_webhooks, reconcile)
    for task in (send_notices, mail_curators, score, plan, deliver, *slow):
        task.apply_async(expires=settings.TASK_EXPIRES_SECONDS)


@shared_task(name="newsletter.tasks.ingest")
def ingest() -> None:
    from newsletter import search
    from newsletter.catalogue import pictures

    gather_due(deadline=timezone.now() + SLICE)
    now = timezone.now()
    choose_key_sentences.keep_up(deadline=now + READING, should_stop=_leaving.is_set)
    now = timezone.now()
    search.keep_up(now=now, deadline=now + READING, should_stop=_leaving.is_set)
    search.keep_queries(now=now, deadline=timezone.now() + READING / 2, should_stop=_leaving.is_set)
    embeddings.embed_due(now=now, deadline=now + READING, should_stop=_leaving.is_set)
    now = timezone.now()
    share_card_cache.draw_ahead(now=now, deadline=now + READING / 2, should_stop=_leaving.is_set)
    now = timezone.now()
    pictures.fetch_due(now=now, deadline=now + READING, should_stop=_leaving.is_set)
    beat("papers", now=timezone.now())


@shared_task(name="newsletter.tasks.check_links")
def check_links() -> None:
    from newsletter.catalogue import check_links as links

    now = timezone.now()
    links.check_due(now=now, deadline=now + READING, should_stop=_leaving.is_set)


@shared_task(name="newsletter.tasks.listen")
def listen() -> None:
    """Read the mailbox that bounces and requests to leave come back to; letters wait while the database is behind.

    The heartbeat says when it was read last; while it cannot be read, why.
    """
    now = timezone.now()
    if not settings.BOUNCE_MAILBOX_URL or high_water.is_behind(now=now):
        return
    try:
        act_on_report.read_mailbox(now=now)
    except mailbox.MailboxError as error:
        log.warning("The bounce mailbox cannot be read: %s", error)
        if not Heartbeat.objects.filter(name="mailbox").update(detail=str(error)[:300]):
            beat("mailbox", now=now, detail=str(error))
    else:
        beat("mailbox", now=timezone.now())


@shared_task(name="newsletter.tasks.mail_curators")
def mail_curators() -> None:
    """Tell curators of drafts that wait for them."""
    now = timezone.now()
    curator_mails.send_due(now=now, deadline=now + CURATING)


@shared_task(name="newsletter.tasks.reconcile")
def reconcile() -> None:
    """Check hourly and daily that every reader who was due got their digest."""
    now = timezone.now()
    look.reconcile_due(now=now, deadline=now + SLICE)


@shared_task(name="newsletter.tasks.call_webhooks")
def call_webhooks() -> None:
    """Post what is owed to programs elsewhere. They may be slow, so it never runs in line with the mail."""
    webhooks.deliver_due(deadline=timezone.now() + SLICE, should_stop=_leaving.is_set)


@shared_task(name="newsletter.tasks.ping_hub")
def ping_hub() -> None:
    from newsletter.delivery import websub

    websub.ping_due(now=timezone.now())


@shared_task(name="newsletter.tasks.score")
def score() -> None:
    score_if_due(now=timezone.now())


@shared_task(name="newsletter.tasks.plan")
def plan() -> None:
    """Plan who is due, then wake the delivery workers."""
    now = timezone.now()
    plan_due(now=now, deadline=now + SLICE)
    if Delivery.objects.claimable(timezone.now()).exists():
        deliver.apply_async(expires=settings.TASK_EXPIRES_SECONDS)


@shared_task(name="newsletter.tasks.deliver", soft_time_limit=540, time_limit=600)  # a greeting, and a last answer
def deliver() -> None:
    deliver_due(deadline=timezone.now() + SLICE, should_stop=_leaving.is_set)


def keep_house(*, now: datetime) -> None:
    """Do the quick steps of one tick. One that fails is logged and does not hold up the others.

    None of them while the database is behind what was sent: it was restored, and an operator has a word to say first.
    """
    last = Heartbeat.objects.filter(name="tick").values_list("at", flat=True).first()
    if last:
        timings.TICK_LATE.add(max(0.0, (now - last).total_seconds() - settings.TICK_SECONDS))
    if not high_water.advance(now=now):
        beat("tick", now=now)
        log.error(RESTORED)
        return
    if settings.BOUNCE_MAILBOX_URL:  # from now on it is missed when nobody reads it
        Heartbeat.objects.get_or_create(name="mailbox", defaults={"at": now, "detail": "not read yet"})
    for step in (
        edition_lifecycle.skip_stale,
        edition_lifecycle.draft_due,
        curator_mails.owe_due,
        edition_lifecycle.approve_due,
        edition_lifecycle.freeze_due,
        edition_lifecycle.finish_due,
        webhooks.announce_due,
        delivery.rescue_expired,
        delivery.skip_expired,
        act_on_report.act_on_events,
        submissions.settle,
        lifecycle.resume_rested,
        import_lists,
        forget_hourly,
    ):
        _attempt(step, now=now)
    beat("tick", now=now)
    high_water.advance(now=now)  # what was frozen just now is known outside before any of it is sent


def import_lists(*, now: datetime) -> None:
    """Go on for some seconds with a list of readers that the desk began to import."""
    if ListImport.objects.filter(state=ListImport.State.RUNNING).exists():
        from subscriptions.list_import import import_file

        import_file.go_on_due(now=now)


def forget_hourly(*, now: datetime) -> None:
    """Delete what the privacy page says is deleted by now."""
    last = Heartbeat.objects.filter(name="forget").values_list("at", flat=True).first()
    if last is None or abs(now - last) >= timedelta(hours=1):
        forgotten = retention.forget_old(now=now) + delivery.forget_details(now=now) + webhooks.forget_old(now=now)
        forgotten += SignIn.objects.forget_old(now=now)
        beat("forget", now=now, detail=f"{forgotten} forgotten")


def gather_due(*, deadline: datetime) -> None:
    """Ask the sources whose poll is due. It may wait for slow hosts, so it never runs in line with the mail."""
    from newsletter.catalogue import polling

    if runs := polling.poll_due(now=timezone.now(), deadline=deadline):
        beat("ingest", now=timezone.now(), detail=f"{sum(run.new for run in runs)} new papers")


def score_if_due(*, now: datetime) -> bool:
    """Score the young papers four times an hour."""
    last = Heartbeat.objects.filter(name="score").values_list("at", flat=True).first()
    if last and abs(now - last) < SCORE_EVERY:  # a moment to come is that of a clock put right since
        return False
    _attempt(votes.count_votes, now=now)
    update_trend_scores.score_papers(now=now)
    beat("score", now=now)
    return True


def plan_due(*, now: datetime, deadline: datetime | None = None) -> planning.Planned:
    """Plan who is due, unless the database was restored."""
    return planning.plan_due(now=now, deadline=deadline) if high_water.advance(now=now) else planning.Planned()


def deliver_due(
    *, deadline: datetime, should_stop: Callable[[], bool] = lambda: False, greeting: timedelta = GREETING
) -> delivery.Run | None:
    """Send what is due until ``deadline``; None when nothing was. Opens no connection when there is nothing to send."""
    now = timezone.now()
    if not Delivery.objects.claimable(now).exists() or not high_water.advance(now=now):
        return None
    has_other_relay = mail_settings.change_watch()
    run = delivery.deliver(
        transport=open_transport(),
        deadline=deadline,
        should_stop=lambda: should_stop() or has_other_relay(),
        greeting=greeting,
    )
    beat("deliver", now=timezone.now(), detail=f"{run.sent} of {run.claimed} sent")
    if has_other_relay() and not should_stop() and timezone.now() < deadline:
        return deliver_due(deadline=deadline, should_stop=should_stop, greeting=greeting) or run
    return run


def beat(name: str, *, now: datetime, detail: str = "") -> None:
    """Record that this part of the machine is alive."""
    Heartbeat.objects.update_or_create(name=name, defaults={"at": now, "detail": detail[:300]})
    disk_full_error.forget()  # it was written


def _attempt(step: Callable[..., object], *, now: datetime) -> None:
    try:
        step(now=now)
    except Exception as error:
        disk_full_error.note(error)
        if isinstance(error, OperationalError) and not connection.is_usable():
            raise  # the database is away: nothing else can be done either
        log.exception("Step %s failed; the other steps go on", step.__name__)
