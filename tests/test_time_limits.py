"""A step that is stuck is ended and named, and no `except Exception` on its way swallows the limit."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta

import pytest
from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from newsletter import tasks
from newsletter.catalogue import polling
from newsletter.catalogue.ingest import ingest
from newsletter.catalogue.sources import registry
from newsletter.catalogue.sources.observed_paper import Observation
from newsletter.catalogue.topics import assignment
from newsletter.celery import TimeIsUp, app
from newsletter.management.commands.work import Gatherer
from newsletter.models import Paper, SourceRun
from tests.builders import NOON
from tests.replay import Reply, replaying

LOCAL = polling.http_client.FetchPolicy(scheme="http", public_only=False)


def stuck() -> None:
    while True:
        try:
            time.sleep(0.01)
        except Exception:  # as those who go on after any failure of one paper, letter or reader do
            continue


@shared_task(name="tests.stuck")
def stuck_task() -> None:
    stuck()


def test_a_soft_limit_ends_a_task_that_catches_every_exception() -> None:
    assert isinstance(app.tasks["tests.stuck"], app.Task)
    before = signal.getsignal(signal.SIGUSR1)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    with pytest.raises(SoftTimeLimitExceeded) as ended:
        stuck_task()
    assert isinstance(ended.value.__cause__, TimeIsUp)
    assert signal.getsignal(signal.SIGUSR1) == before


@pytest.mark.django_db(transaction=True)
def test_work_ends_a_stuck_step_says_which_and_goes_on_with_the_next(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    went_on = threading.Event()
    monkeypatch.setattr(tasks, "listen", stuck)
    monkeypatch.setattr(tasks, "gather_due", lambda **_given: went_on.set())
    gatherer = Gatherer()
    gatherer.start()
    time.sleep(0.3)
    gatherer.end_step_that_is_stuck(after=60)
    assert not went_on.is_set()
    gatherer.end_step_that_is_stuck(after=0.1)
    assert went_on.wait(20)
    gatherer.join(20)
    assert not gatherer.is_alive()
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "Step stuck is stuck and is ended" in said
    assert "test_time_limits.py" in said


class _Source:
    """arXiv's, but for what it makes of an answer."""

    def __init__(self, *found: Observation, error: Exception | None = None) -> None:
        self._real, self._found, self._error = registry.polled()["arxiv_query"], list(found), error

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    HOSTS = frozenset({"127.0.0.1"})

    def parse(self, _data: bytes, *, seen_at: object) -> list[Observation]:
        if self._error:
            raise self._error
        return self._found


def asked(source: _Source) -> SourceRun:
    with replaying() as web:
        url = web.on("/x", Reply(b"<feed/>", kind="application/atom+xml"))
        return polling.poll_source(source, url, now=NOON, rules=LOCAL)  # type: ignore[arg-type]


def paper(title: str) -> Observation:
    return Observation(source="arxiv_query", key=title, title=title, abstract="Words.", seen_at=NOON)


@pytest.mark.django_db
def test_a_paper_that_cannot_be_stored_keeps_out_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    real = assignment.reclassify

    def stumbles(papers: list[Paper]) -> object:
        if any("poison" in one.title for one in papers):
            raise RecursionError
        return real(papers)

    monkeypatch.setattr(assignment, "reclassify", stumbles)
    run = asked(_Source(paper("One good paper"), paper("A poisonous paper"), paper("Another good paper")))
    assert (run.state, run.new) == ("ok", 2)
    assert set(Paper.objects.values_list("title", flat=True)) == {"One good paper", "Another good paper"}
    with pytest.raises(RecursionError):
        ingest([paper("A poisonous paper")], now=NOON + timedelta(minutes=1))


@pytest.mark.django_db
def test_an_answer_that_trips_our_own_code_is_a_failed_run_with_its_reason() -> None:
    run = asked(_Source(error=RecursionError("too deep")))
    assert (run.state, run.detail) == ("failed", "the answer could not be read: RecursionError")


@pytest.mark.django_db
def test_a_time_limit_while_an_answer_is_read_is_no_failure_of_the_source() -> None:
    with pytest.raises(SoftTimeLimitExceeded):
        asked(_Source(error=SoftTimeLimitExceeded()))
