"""`/metrics`: who may read it, that Prometheus can, that its numbers are those of all processes, and that rules and
dashboard name what is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from pytest_django.fixtures import DjangoAssertNumQueries, Settings
from pytest_django.live_server_helper import LiveServer

from newsletter import tasks
from newsletter.models import Delivery, Heartbeat, TimingBucket, timings
from newsletter.monitoring import current_alarms, prometheus
from newsletter.monitoring.current_alarms import Part
from newsletter.views import metrics
from tests.builders import NOON
from tests.fakes import MemoryTransport
from tests.processes import ROOT, Processes
from tests.relay import program
from tests.test_delivery import planned, run
from tests.test_settings import settings_of
from tests.watcher import RULES, Watcher

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
TOKEN = "a-token-of-more-than-16"


@pytest.fixture(autouse=True)
def _no_counts_of_other_tests() -> Iterator[None]:
    for timing in timings.TIMINGS:
        timing.take()
    yield
    for timing in timings.TIMINGS:
        timing.take()


@pytest.fixture
def watched(settings: Settings) -> dict[str, str]:
    """The header of who may read."""
    settings.METRICS_TOKEN = TOKEN
    return {"Authorization": f"Bearer {TOKEN}"}


def samples() -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels, sorted by their names."""
    text = prometheus.exposition(now=timezone.now()).decode()
    return {
        (sample.name, *(value for _label, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_without_a_setting_there_is_no_such_page(client: Client) -> None:
    assert client.get("/metrics").status_code == 404


def test_only_the_token_opens_it(client: Client, watched: dict[str, str]) -> None:
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    answer = client.get("/metrics", headers=watched, SERVER_NAME="any.host.example")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    assert b"paperboy_build_info{version=" in answer.content


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "status"),
    [
        ("10.1.2.3", "", 0, 200),
        ("192.0.2.1", "", 0, 401),
        ("10.1.2.3", "192.0.2.1", 1, 401),  # a stranger who comes by our own proxy
        ("192.0.2.1", "10.1.2.3", 0, 401),  # a stranger who writes the header
        ("::1", "", 0, 200),
    ],
)
def test_a_network_may_read_without_a_token(
    client: Client, settings: Settings, peer: str, forwarded: str, proxies: int, status: int
) -> None:
    settings.METRICS_NETWORKS = settings_of(METRICS_NETWORKS="10.0.0.0/8, ::1")["METRICS_NETWORKS"]
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    assert client.get("/metrics", REMOTE_ADDR=peer, headers=headers).status_code == status


@pytest.mark.parametrize(
    "wrong", [{"METRICS_TOKEN": "short"}, {"METRICS_NETWORKS": "here"}, {"LOG_FORMAT": "xml"}, {"SENTRY_DSN": "key"}]
)
def test_a_wrong_setting_stops_the_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ImproperlyConfigured, match=next(iter(wrong))):
        settings_of(**wrong)


def test_states_come_from_the_rows(client: Client) -> None:
    planned(readers=3)
    found = samples()
    assert found["paperboy_readers", "confirmed"] == 3
    assert found["paperboy_alarm", "no_tick", "tick"] == 1
    Heartbeat.objects.create(name="tick", at=timezone.now() - timedelta(seconds=30))
    found = samples()
    assert ("paperboy_alarm", "no_tick", "tick") not in found
    assert 30 <= found["paperboy_heartbeat_age_seconds", "tick"] < 90


def test_a_histogram_grows_from_many_processes_and_its_buckets_add_up() -> None:
    for seconds in (0.004, 0.2, 99):
        timings.PAGE.add(seconds, "home", "2xx")
    assert timings.store()
    timings.PAGE.add(0.2, "home", "2xx", count=2)
    assert timings.store()
    found = samples()
    name = "paperboy_page_seconds"
    assert found[f"{name}_bucket", "0.005", "2xx", "home"] == 1
    assert found[f"{name}_bucket", "0.25", "2xx", "home"] == 4
    assert found[f"{name}_bucket", "+Inf", "2xx", "home"] == found[f"{name}_count", "2xx", "home"] == 5
    assert found[f"{name}_sum", "2xx", "home"] == pytest.approx(99.604)


def test_storing_is_one_statement_and_none_when_nothing_was_counted(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for view in ("a", "b"):
        timings.PAGE.add(0.1, view, "2xx")
    with django_assert_num_queries(
        3 if connection.in_atomic_block else 1
    ):  # with a savepoint of the test's transaction
        timings.store()
    with django_assert_num_queries(0):
        timings.store()


def test_what_cannot_be_stored_is_stored_the_next_time() -> None:
    timings.TICK_LATE.add(2)

    def away(*_args: object) -> None:
        raise DatabaseError("away")

    with connection.execute_wrapper(away):
        assert not timings.store()
    assert TimingBucket.objects.count() == 0
    assert timings.store()
    assert samples()["paperboy_tick_late_seconds_sum",] == 2


def test_pages_are_counted_by_view_and_status_and_strangers_raise_no_number_of_names(client: Client) -> None:
    for path in ("/", "/topics/", "/no/such/page", "/neither/this"):
        client.get(path)
    found = timings.PAGE.take()
    assert {labels for labels, bucket in found if bucket == timings.SUM} >= {"none|4xx"}
    assert len({labels for labels, _bucket in found}) == 3


def test_a_run_counts_from_claim_to_sent_and_the_phases_of_the_relay() -> None:
    planned(readers=3)
    assert run(MemoryTransport()).sent == 3
    assert timings.store()
    found = samples()
    assert found["paperboy_claim_to_sent_seconds_count",] == 3
    for phase in ("envelope", "body"):
        assert found["paperboy_smtp_phase_seconds_count", phase] == 3
    assert found["paperboy_planned_ahead_seconds_count",] == 3


def test_digests_are_counted_by_how_long_after_their_hour_they_left() -> None:
    planned(readers=4)
    now = timezone.now()
    for pk, seconds in zip(Delivery.objects.values_list("pk", flat=True), (-5, 60, 61, 90_000), strict=True):
        due = now - timedelta(hours=25 if seconds > 80_000 else 1)
        moments = {
            "due_at": due,
            "sent_at": due + timedelta(seconds=seconds),
            "state": Delivery.State.SENT,
            "not_before": None,
        }
        Delivery.objects.filter(pk=pk).update(**moments)
    found = samples()
    late = {bound: found["paperboy_sent_late_of_a_day", bound] for bound in ("60", "300", "21600", "any")}
    assert late == {"60": 2, "300": 3, "21600": 3, "any": 3}, "due 25 hours ago is no digest of this day"


def test_ticks_count_how_late_they_come(settings: Settings) -> None:
    tasks.keep_house(now=NOON)
    tasks.keep_house(now=NOON + timedelta(seconds=settings.TICK_SECONDS + 7))
    assert timings.TICK_LATE.take() == {("", "15"): 1, ("", timings.SUM): 7}


def test_asking_often_costs_little(watched: dict[str, str], client: Client, settings: Settings) -> None:
    page = metrics.Metrics()
    request = client.get("/healthz", headers=watched).wsgi_request
    request.path = "/metrics"
    first = page.answer(request)
    timings.PAGE.add(1, "home", "2xx")
    timings.store()
    second = page.answer(request)
    assert first is not None
    assert second is not None
    assert first.content == second.content


def test_without_a_database_it_says_so(watched: dict[str, str], client: Client) -> None:
    def away(*_args: object) -> None:
        raise DatabaseError("away")

    page = metrics.Metrics()
    request = client.get("/healthz", headers=watched).wsgi_request
    request.path = "/metrics"
    with connection.execute_wrapper(away):
        answer = page.answer(request)
    assert answer is not None
    assert answer.status_code == 503


def test_statusz_can_be_asked_of_one_part(client: Client) -> None:
    assert client.get("/statusz?part=tick").json()["reasons"] == ["no_tick"]
    assert client.get("/statusz?part=confirm").json()["ok"] is True
    answer = client.get("/statusz?part=everything")
    assert answer.status_code == 400
    assert all(part in answer.json()["error"] for part in Part)


def named_in(text: str) -> set[str]:
    return set(re.findall(r"paperboy_[a-z_]+", text))


def test_rules_and_dashboard_name_only_what_metrics_has() -> None:
    text = prometheus.exposition(now=timezone.now()).decode()
    families = set(re.findall(r"^# TYPE (\S+) (?:gauge|histogram)", text, flags=re.MULTILINE))
    known = families | {f"{name}_{end}" for name in families for end in ("bucket", "count", "sum")}
    known |= {"paperboy_broker_up", "paperboy_queue_length"}  # only where there is a broker
    assert named_in((RULES / "alerts.yml").read_text()) <= known
    dashboard = json.loads((ROOT / "deploy/grafana/paperboy.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert named_in(" ".join(asked)) <= known
    assert {timing.name for timing in timings.TIMINGS} <= {
        name.removeprefix("paperboy_").removesuffix("_bucket").removesuffix("_count")
        for name in named_in(" ".join(asked))
    }


def test_every_alarm_can_be_passed_on() -> None:
    names = {alarm.name for alarm in current_alarms.alarms(now=timezone.now())}
    assert {key[1] for key in samples() if key[0] == "paperboy_alarm"} == names


@pytest.mark.system
def test_promtool_takes_our_numbers_rules_and_configuration(tmp_path: Path) -> None:
    promtool = program("promtool", package="prometheus")
    for timing in timings.TIMINGS:
        timing.add(0.3, *timing.labels)
    timings.store()
    text = prometheus.exposition(now=timezone.now())
    subprocess.run([promtool, "check", "metrics"], input=text, check=True, capture_output=True)
    subprocess.run([promtool, "test", "rules", "alerts.test.yml"], cwd=RULES, check=True, capture_output=True)
    shutil.copytree(RULES, tmp_path / "prometheus")
    (tmp_path / "prometheus/paperboy-token").write_text(TOKEN)
    checked = [promtool, "check", "config", str(tmp_path / "prometheus/prometheus.yml")]
    subprocess.run(checked, check=True, capture_output=True)


@pytest.mark.system
def test_prometheus_scrapes_a_site_and_an_alarm_of_ours_fires(
    watched: dict[str, str], live_server: LiveServer, tmp_path: Path
) -> None:
    with Watcher(site=live_server.url, token=TOKEN, folder=tmp_path) as watcher:
        watcher.wait("no_tick", is_firing=True)


@pytest.mark.services
def test_a_worker_counts_how_long_tasks_wait_and_stores_it(processes: Processes) -> None:
    worker = processes.worker()
    processes.beat()
    worker.wait_for("Task newsletter.tasks.tick")
    worker.wait_for("succeeded")
    worker.terminate()
    waits = TimingBucket.objects.filter(name="queue_wait_seconds", labels="maintenance")
    assert sum(waits.exclude(bucket=timings.SUM).values_list("value", flat=True)) >= 1
