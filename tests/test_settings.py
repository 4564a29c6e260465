"""Settings come from the environment, stand in .env.example, and a wrong one stops the start with a sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from django.conf import settings

from newsletter.celery import app
from tests.processes import ROOT

COMPOSE_ONLY = {"POSTGRES_PASSWORD", "HTTP_PORT", "MAIL_PAGE_PORT"}
PRODUCTION = {
    "DEBUG": "0",
    "SECRET_KEY": "correct-horse-battery-staple-0123456789-and-some-more-of-it",
    "ADDRESS_HASH_KEY": "a" * 64,
    "SITE_URL": "https://papers.example.org",
    "POSTAL_ADDRESS": "1 Example Street, Example Town",
    "DATABASE_URL": "postgres://paperboy:secret@db.example.org/paperboy",
    "REDIS_URL": "redis://redis.example.org/0",
    "EMAIL_URL": "smtp+tls://user:secret@relay.example.org:587",
}


def load(
    command: tuple[str, ...] = ("-c", "import newsletter.settings"), **over: str | None
) -> subprocess.CompletedProcess[str]:
    """A fresh process that loads the settings of production with some values changed (None: not set)."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "VAR_DIR", "ENV_FILE") if name in os.environ}
    env = keep | {name: value for name, value in (PRODUCTION | over).items() if value is not None}
    return subprocess.run(
        [sys.executable, *command],
        env=env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def refusal(**over: str | None) -> str:
    result = load(**over)
    assert result.returncode != 0
    return result.stderr.strip().splitlines()[-1]


def variables_read() -> set[str]:
    """Every environment variable that the program reads, wherever it reads it."""
    found: set[str] = set()
    for path in (*ROOT.glob("newsletter/**/*.py"), *ROOT.glob("subscriptions/**/*.py")):
        found |= set(re.findall(r'(?:\benv(?:\.\w+)?|_required|_mailbox)\(\s*"([A-Z_]+)"', path.read_text()))
    return found


def test_the_example_file_lists_every_variable_and_no_other() -> None:
    listed = set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    assert variables_read() - listed == set(), "missing in .env.example"
    assert listed - COMPOSE_ONLY - variables_read() == set(), "in .env.example, but nothing reads it"


def test_the_example_file_gives_no_secret_away() -> None:
    for line in (ROOT / ".env.example").read_text().splitlines():
        assert not re.match(r"[A-Z_]+=.", line), f"{line} would be taken over by everybody who copies the file"


def test_the_defaults_in_the_example_file_are_the_defaults() -> None:
    """Setting every variable to the default that the file shows changes no setting at all."""
    shown = re.findall(r"^# ([A-Z][A-Z0-9_]+)=(\S+)$", (ROOT / ".env.example").read_text(), flags=re.MULTILINE)
    assert len(shown) > 30
    show_all = "from newsletter import settings; print({k: v for k, v in vars(settings).items() if k.isupper()})"
    bare = dict.fromkeys(("DEBUG", "EMAIL_URL", "REDIS_URL"))
    by_default, as_shown = load(("-c", show_all), **bare), load(("-c", show_all), **(bare | dict(shown)))
    assert by_default.returncode == 0, by_default.stderr
    assert as_shown.stdout.split(", '") == by_default.stdout.split(", '")


def test_production_settings_load() -> None:
    result = load()
    assert result.returncode == 0, result.stderr


def test_the_command_line_says_what_is_wrong_in_one_line() -> None:
    result = load(("manage.py", "migrate"), SITE_URL=None)
    assert result.returncode == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stderr.startswith("Set SITE_URL")


@pytest.mark.parametrize("name", ["SECRET_KEY", "ADDRESS_HASH_KEY", "SITE_URL", "POSTAL_ADDRESS"])
def test_without_debug_a_missing_value_stops_the_start_with_a_sentence(name: str) -> None:
    for missing in (None, ""):
        sentence = refusal(**{name: missing})
        assert f"Set {name} (" in sentence
        assert "See .env.example" in sentence


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SITE_URL", "papers.example.org", "SITE_URL must be a full address"),
        ("SITE_URL", "http://papers.example.org", "SITE_URL must start with https://"),
        ("DIGEST_FROM_EMAIL", "Paperboy", "DIGEST_FROM_EMAIL must be a mail address"),
        ("REPLY_TO_EMAIL", "nobody", "REPLY_TO_EMAIL must be a mail address"),
    ],
)
def test_a_wrong_value_stops_the_start_with_a_sentence(name: str, value: str, says: str) -> None:
    assert says in refusal(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EDITION_SIZE", "many"),
        ("DEBUG", "perhaps"),
        ("DATABASE_URL", "mydatabase"),
        ("EMAIL_URL", "relay.example.org"),
        ("REDIS_URL", "localhost:6379"),
        ("DELIVERY_RATE", "fast"),
        ("DIGEST_TRANSPORT", "pigeon"),
        ("EDITION_CUTOFF_HOUR", "25"),
        ("TRUSTED_PROXY_COUNT", "-1"),
        ("TICK_SECONDS", "0"),
        ("SIGNUPS_PER_HOUR", "0"),
        ("DELIVERY_LEASE_SECONDS", "0"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_in_the_refusal(name: str, value: str) -> None:
    sentence = refusal(**{name: value})
    assert sentence.startswith(f"django.core.exceptions.ImproperlyConfigured: {name} must be ")
    assert value in sentence


def test_with_debug_nothing_needs_to_be_set() -> None:
    result = load(**dict.fromkeys(PRODUCTION) | {"DEBUG": "1"})
    assert result.returncode == 0, result.stderr


def test_djangos_own_deployment_check_finds_nothing() -> None:
    result = load(command=("manage.py", "check", "--deploy", "--fail-level", "WARNING"))
    assert result.returncode == 0, result.stderr
    assert "System check identified no issues (4 silenced)." in result.stdout


# --- Celery over Redis: what mail-requirements.md CR1-CR14 ask for ----------------------------------------------------


def test_no_task_can_outlive_the_time_after_which_redis_hands_it_to_somebody_else() -> None:
    conf = app.conf
    visible = conf.broker_transport_options["visibility_timeout"]
    assert visible > conf.task_time_limit * (conf.worker_prefetch_multiplier + 1)
    assert conf.result_backend_transport_options["visibility_timeout"] == visible
    assert conf.visibility_timeout == visible
    assert conf.task_soft_time_limit < conf.task_time_limit


def test_a_task_is_acknowledged_after_its_work_and_given_back_when_its_worker_dies() -> None:
    assert app.conf.task_acks_late
    assert app.conf.task_reject_on_worker_lost
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.worker_cancel_long_running_tasks_on_connection_loss is False


def test_a_silent_broker_is_noticed() -> None:
    options = app.conf.broker_transport_options
    assert options["socket_timeout"] <= 30
    assert options["socket_connect_timeout"] <= 5
    assert options["health_check_interval"] < options["socket_timeout"]
    assert app.conf.broker_connection_max_retries is None
    assert app.conf.broker_connection_retry_on_startup


def test_tasks_are_small_json_without_results() -> None:
    assert app.conf.task_ignore_result
    assert app.conf.result_backend is None
    assert app.conf.task_serializer == "json"
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_always_eager is False


def test_workers_stop_softly_and_are_renewed_before_they_grow() -> None:
    assert app.conf.worker_soft_shutdown_timeout == 30
    assert app.conf.worker_enable_soft_shutdown_on_idle
    assert 0 < app.conf.worker_max_tasks_per_child <= 20_000
    assert 0 < app.conf.worker_max_memory_per_child <= 256_000
    assert app.conf.worker_eta_task_limit


def test_confirmations_have_a_queue_of_their_own() -> None:
    queues = {name: route["queue"] for name, route in settings.CELERY_TASK_ROUTES.items()}
    assert [name for name, queue in queues.items() if queue == "confirm"] == ["subscriptions.tasks.send_notices"]


def test_every_route_names_a_task_that_exists_and_every_task_has_a_time_limit() -> None:
    app.loader.import_default_modules()
    ours = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    assert set(settings.CELERY_TASK_ROUTES) <= set(ours)
    scheduled = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert scheduled <= set(ours)
    for name, task in ours.items():
        assert task.time_limit or app.conf.task_time_limit, name
