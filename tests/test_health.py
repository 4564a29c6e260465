"""Alarms from the rows, and the three addresses a balancer or monitor asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoAssertNumQueries

from newsletter import tasks
from newsletter.models import Delivery, Edition, Heartbeat, Stream
from newsletter.monitoring import current_alarms
from newsletter.monitoring.current_alarms import Part
from subscriptions.models import Notice
from tests.builders import NOON, make_edition, make_reader
from tests.processes import Processes
from tests.services import PostgresServer

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def names(now: datetime = NOON) -> set[str]:
    return {alarm.name for alarm in current_alarms.alarms(now=now)}


@pytest.fixture
def well() -> None:
    """A machine that ticked just now and drafted today's edition."""
    tasks.beat("tick", now=NOON)
    make_edition(period_on=NOON.date(), state=Edition.State.FROZEN)


def owe_digest(*, since: timedelta, **over: object) -> Delivery:
    edition = Edition.objects.get()
    fields = {
        "edition": edition, "subscriber": make_reader(), "local_on": NOON.date(), "due_at": NOON - since,
        "not_before": NOON - since, "expires_at": NOON + timedelta(hours=6),
    }  # fmt: skip
    return Delivery.objects.create(**(fields | over))


def owe_notice(*, since: timedelta, **over: object) -> Notice:
    fields = {
        "subscriber": make_reader(), "kind": Notice.Kind.CONFIRM, "created_at": NOON - since, "not_before": NOON - since
    }  # fmt: skip
    return Notice.objects.create(**(fields | over))


@pytest.mark.usefixtures("well")
def test_a_machine_that_works_raises_no_alarm() -> None:
    owe_digest(since=MINUTE)
    owe_notice(since=MINUTE)
    assert names() == set()


def test_a_machine_that_never_ticked_says_what_to_start() -> None:
    (alarm,) = current_alarms.alarms(now=NOON)
    assert (alarm.part, alarm.name) == (Part.TICK, "no_tick")
    assert "manage.py work" in alarm.sentence


@pytest.mark.usefixtures("well")
def test_three_missed_ticks_raise_the_alarm() -> None:
    assert "tick_late" not in names(NOON + 3 * MINUTE)
    assert "tick_late" in names(NOON + 4 * MINUTE)


@pytest.mark.usefixtures("well")
@pytest.mark.parametrize(("detail", "words"), [("90.4", "90 s ahead of"), ("-90.4", "90 s behind")])
def test_a_machine_whose_clock_is_wrong_is_named_until_it_is_right(detail: str, words: str) -> None:
    clock = Heartbeat.objects.create(name="clock of host-7", at=NOON - MINUTE, detail=detail)
    (alarm,) = current_alarms.alarms(now=NOON)
    assert alarm.name == "clocks_apart"
    assert f"host-7 is {words} the database's" in alarm.sentence
    Heartbeat.objects.filter(pk=clock.pk).update(detail="0.3")
    assert names() == set()


@pytest.mark.usefixtures("well")
def test_a_notice_that_waits_raises_the_alarm_of_the_confirm_worker() -> None:
    notice = owe_notice(since=6 * MINUTE)
    (alarm,) = current_alarms.alarms(now=NOON)
    assert (alarm.part, alarm.name) == (Part.CONFIRM, "notices_waiting")
    assert alarm.sentence.startswith("A confirmation or notice has waited for 6 minutes.")
    Notice.objects.filter(pk=notice.pk).update(state=Notice.State.SENT)
    assert names() == set()


@pytest.mark.usefixtures("well")
def test_a_notice_put_off_again_and_again_still_counts_from_its_first_moment() -> None:
    owe_notice(since=20 * MINUTE, not_before=NOON + MINUTE, attempts=3)
    assert names() == {"notices_waiting"}


@pytest.mark.usefixtures("well")
def test_a_digest_that_may_go_and_does_not_raises_the_alarm() -> None:
    owe_digest(since=16 * MINUTE)
    assert names() == {"deliveries_waiting"}


@pytest.mark.usefixtures("well")
def test_a_digest_put_off_by_pacing_is_no_alarm() -> None:
    owe_digest(since=60 * MINUTE, not_before=NOON + MINUTE)
    assert names() == set()


@pytest.mark.usefixtures("well")
def test_a_paused_stream_is_one_alarm_and_not_a_second_for_what_waits() -> None:
    Stream.objects.update_or_create(name="digest", defaults={"paused_at": NOON, "pause_reason": "relay is away"})
    owe_digest(since=60 * MINUTE)
    (alarm,) = current_alarms.alarms(now=NOON)
    assert alarm.name == "digest_paused"
    assert "relay is away" in alarm.sentence


@pytest.mark.usefixtures("well")
def test_a_paused_edition_is_an_alarm_until_it_is_over() -> None:
    Edition.objects.update(paused_at=NOON, pause_reason="30 of 40 messages were refused")
    assert names() == {"edition_paused"}
    Edition.objects.update(state=Edition.State.CANCELLED)
    assert names() == set()


def test_readers_without_a_new_edition_for_days_raise_the_alarm() -> None:
    tasks.beat("tick", now=NOON)
    assert names() == set(), "a house without readers owes nothing"
    make_reader()
    assert names() == {"no_edition"}
    make_edition(period_on=NOON.date() - timedelta(days=2))
    assert names() == set()
    assert "no_edition" in names(NOON + timedelta(days=1))


@pytest.mark.usefixtures("well")
def test_the_check_asks_as_much_of_the_database_for_many_rows_as_for_few(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(5):
        owe_digest(since=16 * MINUTE)
        owe_notice(since=16 * MINUTE)
    with django_assert_max_num_queries(30):
        current_alarms.alarms(now=NOON)


# --- for people, containers and monitors ------------------------------------------------------------------------------


def test_the_command_fails_with_one_sentence_per_alarm() -> None:
    with pytest.raises(CommandError, match="never ticked"):
        call_command("check_health")
    call_command("check_health", "--part", "confirm", stdout=StringIO())


def test_the_command_passes_when_all_is_well() -> None:
    tasks.beat("tick", now=timezone.now())
    out = StringIO()
    call_command("check_health", stdout=out)
    assert out.getvalue() == "No alarms.\n"


def test_the_command_gives_numbers_to_a_monitor() -> None:
    tasks.beat("tick", now=timezone.now())
    make_edition(period_on=timezone.now().date(), state=Edition.State.FROZEN)
    make_reader()
    out = StringIO()
    call_command("check_health", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["alarms"] == []
    assert told["numbers"]["readers_confirmed"] == 1
    assert told["numbers"]["deliveries_of_a_day_sent"] == 0
    assert told["numbers"]["oldest_notice_seconds"] is None
    assert 0 <= told["numbers"]["tick_age_seconds"] < 60


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_a_balancer_is_answered_by_whatever_name_it_uses(client: Client, path: str) -> None:
    answer = client.get(path, headers={"host": "10.0.0.7:8000"})
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert answer["Cache-Control"] == "no-store"
    assert client.head(path).status_code == 200
    assert not answer.cookies


def test_asking_is_all_that_can_be_done_there(client: Client) -> None:
    for path in ("/healthz", "/readyz", "/statusz"):
        assert client.post(path).status_code == 404


def test_the_status_turns_red_with_the_names_of_the_alarms_only(settings: Any) -> None:
    answer = Client().get("/statusz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"ok": False, "reasons": ["no_tick"], "version": settings.VERSION},
    )


def test_the_status_is_green_while_the_pipeline_ticks(settings: Any) -> None:
    tasks.beat("tick", now=timezone.now())
    assert Client().get("/statusz").json() == {"ok": True, "version": settings.VERSION}


def test_a_monitor_that_asks_while_it_is_red_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    client = Client()
    for _ in range(3):
        assert client.get("/statusz").status_code == 503
    assert [(line.levelname, line.getMessage()) for line in caplog.records] == [
        ("WARNING", "The pipeline's alarms: no_tick")
    ]


def test_many_questions_are_one_question_to_the_database(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client = Client()
    client.get("/statusz")
    with django_assert_num_queries(0):
        assert client.get("/statusz").status_code == 503


@pytest.fixture
def shaky_postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.mark.services
def test_a_site_without_its_database_lives_but_is_not_ready(shaky_postgres: PostgresServer, tmp_path: Path) -> None:
    processes = Processes(env={"DATABASE_URL": shaky_postgres.url, "REDIS_URL": ""}, folder=tmp_path)
    try:
        site = processes.site()
        with httpx.Client(base_url=site.url, timeout=12, trust_env=False) as balancer:
            assert balancer.get("/readyz").json() == {"ok": False, "reasons": ["migrations are missing"]}
            migrate = processes.command("migrate", "--verbosity=0")
            assert migrate.wait() == 0, migrate.log_text()
            assert balancer.get("/readyz").status_code == 200
            with shaky_postgres.stopped():
                assert balancer.get("/healthz").status_code == 200
                gone = balancer.get("/readyz")
                assert (gone.status_code, gone.json()["reasons"]) == (503, ["the database does not answer"])
            assert balancer.get("/readyz").status_code == 200
            with shaky_postgres.hung():
                assert balancer.get("/healthz").status_code == 200
                for _ in range(3):
                    assert balancer.get("/readyz").status_code == 503
            assert balancer.get("/readyz").status_code == 200
            assert balancer.get("/").status_code == 200
    finally:
        processes.close()


def test_the_heartbeat_of_a_tick_is_what_the_alarm_looks_at() -> None:
    tasks.keep_house(now=NOON)
    assert Heartbeat.objects.get(name="tick").at == NOON
    assert "no_tick" not in names()
