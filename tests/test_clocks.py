"""Clocks that are wrong, and tasks that are dropped because of them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from celery.beat import PersistentScheduler
from celery.signals import task_revoked

from newsletter import tasks
from newsletter.celery import app
from newsletter.models import Heartbeat
from newsletter.monitoring import clock_skew
from tests.processes import Processes


@pytest.mark.services
@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [90, -90])
def test_a_machine_notes_how_far_its_clock_is_off(seconds: int, caplog: pytest.LogCaptureFixture) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds)):
        ahead = clock_skew.measure()
    assert abs(ahead.total_seconds() - seconds) < 5
    (note,) = Heartbeat.objects.filter(name__startswith=clock_skew.PREFIX)
    assert abs(float(note.detail) - seconds) < 5
    assert abs(datetime.now(UTC) - note.at) < timedelta(seconds=5), "the moment is the database's"
    assert "Start time synchronisation" in caplog.text


@pytest.mark.services
@pytest.mark.django_db
def test_a_machine_whose_clock_is_right_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert abs(clock_skew.measure()) < clock_skew.APART
    assert caplog.text == ""


def test_no_task_is_dropped_by_a_clock_two_minutes_ahead(settings: Any) -> None:
    """The worker's own clock decides what is expired: 47 of 47 tasks were dropped by one that was 90 s ahead."""
    assert max(300, 5 * settings.TICK_SECONDS) <= settings.TASK_EXPIRES_SECONDS
    assert settings.CELERY_BEAT_SCHEDULE["tick"]["options"]["expires"] == settings.TASK_EXPIRES_SECONDS
    for source in Path(tasks.__file__).parents[1].glob("*/tasks.py"):
        assert "expires=5" not in source.read_text(), "one number, from the settings"


@pytest.mark.django_db
def test_a_worker_that_drops_a_task_says_so(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.connection, "close", lambda: None)  # of this test, not of a worker's parent
    request = SimpleNamespace(name="newsletter.tasks.deliver")
    with caplog.at_level(logging.INFO):
        task_revoked.send(sender=None, request=request, terminated=False, signum=None, expired=True)
    assert "newsletter.tasks.deliver had waited for more than 300 s by this worker's clock" in caplog.text


def test_beat_ticks_when_it_starts(tmp_path: Path) -> None:
    """Not a tick later: a system that was just started would say `no_tick` for a minute."""
    scheduler = PersistentScheduler(app=app, schedule_filename=str(tmp_path / "schedule"))
    try:
        is_due, _ = scheduler.schedule["tick"].is_due()
        assert is_due
    finally:
        scheduler.close()


@pytest.mark.services
def test_a_clock_ahead_is_seen_by_whatever_task_runs(processes: Processes, transactional_db: None) -> None:
    """The heartbeat is written by a real worker on its first task."""
    processes.worker()
    processes.beat().wait_for("tick")
    deadline = datetime.now(UTC) + timedelta(seconds=30)
    while not Heartbeat.objects.filter(name__startswith=clock_skew.PREFIX).exists():
        assert datetime.now(UTC) < deadline, "no worker compared its clock"
