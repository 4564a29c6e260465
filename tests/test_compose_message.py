"""Deployment files: no Docker engine here, so every service's own command is run as it stands, against real servers."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from newsletter.views import request_body_limits
from tests.house import wait_until
from tests.inbox import Inbox
from tests.processes import ROOT, Program
from tests.services import RedisServer, free_port, redis_binary

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if service["image"] in {"paperboy", "paperboy-mail"}}
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
IMAGE_COMMAND: list[str] = json.loads(re.findall(r"^CMD (\[.*\])$", DOCKERFILE, flags=re.MULTILINE)[-1])


def command_of(name: str) -> list[str]:
    return list(SERVICES[name].get("command", IMAGE_COMMAND))


def test_every_service_of_the_pipeline_is_there() -> None:
    assert set(SERVICES) == {
        *("web", "worker", "worker-confirm", "worker-ingest", "beat", "migrate", "postgres", "redis", "mail", "proxy"),
    }


def test_every_long_running_service_is_watched_and_comes_back() -> None:
    for name, service in SERVICES.items():
        if name == "migrate":
            continue
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert service["restart"] == "unless-stopped", name


def test_every_dependency_volume_and_port_is_declared() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", {})) <= set(SERVICES), name
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"] or name == "proxy", name
        for port in service.get("ports", []):
            if name == "proxy":  # what the world is meant to reach
                continue
            assert port.startswith("127.0.0.1:"), f"{name} would be open to the world"


def test_every_service_may_do_little_and_take_so_much_memory() -> None:
    for name, service in SERVICES.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["logging"]["options"] == {"max-size": "20m", "max-file": "5"}, (
            f"the log of {name} grows for ever"
        )


def test_the_small_file_runs_site_and_work_as_carefully_as_the_large_one() -> None:
    small = yaml.safe_load((ROOT / "deploy/compose.small.yml").read_text())
    assert set(small["services"]) == {"web", "work", "migrate"}
    assert small["services"]["work"]["command"] == ["python", "manage.py", "work"]
    for name, service in small["services"].items():
        large = SERVICES["web" if name == "work" else name]
        for key in ("build", "init", "read_only", "cap_drop", "security_opt", "volumes", "tmpfs", "logging"):
            assert service[key] == large[key], (name, key)
        assert service["environment"]["DATABASE_URL"] == service["environment"]["REDIS_URL"] == ""
        assert service["mem_limit"]
    assert small["services"]["web"]["healthcheck"] == SERVICES["web"]["healthcheck"]


def test_the_proxy_reads_whole_requests_first_and_gives_slow_ones_a_deadline() -> None:
    assert SERVICES["proxy"]["profiles"] == ["proxy"]
    conf = (ROOT / "deploy" / "nginx.conf").read_text()
    said = dict(re.findall(r"^ *([a-z_]+) ([^;{]+);", conf, flags=re.MULTILINE))
    assert said["proxy_request_buffering"] == said["proxy_buffering"] == "on"
    assert {"client_header_timeout", "client_body_timeout", "client_max_body_size", "limit_conn"} <= set(said)
    assert said["client_max_body_size"] == f"{request_body_limits.BYTES // 1024}k"
    for place in ("u", "d", "confirm", "preferences", "move"):  # links that stand for a person
        assert re.search(rf"[(|:]{place}[|)]", conf)
    assert conf.count("{") == conf.count("}")


def test_no_secret_stands_in_the_file_and_missing_ones_stop_the_start() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for secret in ("SECRET_KEY", "ADDRESS_HASH_KEY", "SITE_URL", "POSTAL_ADDRESS"):
        for name in OURS:
            assert SERVICES[name]["environment"][secret] == f"${{{secret}:?Set {secret} in .env}}"
    assert not re.search(r"(?i)(password|secret|key)\s*[:=]\s*[^\s$]", re.sub(r"\$\{[^}]*\}", "$", text))


def test_queues_of_the_workers_are_the_queues_of_the_settings(settings: Any) -> None:
    consumed = [
        queue
        for name in ("worker", "worker-confirm", "worker-ingest")
        for queue in command_of(name)[command_of(name).index("-Q") + 1].split(",")
    ]
    routed = {route["queue"] for route in settings.CELERY_TASK_ROUTES.values()} | {settings.CELERY_TASK_DEFAULT_QUEUE}
    assert sorted(consumed) == sorted(routed), "each queue has exactly one kind of worker"
    assert command_of("worker-confirm")[command_of("worker-confirm").index("-Q") + 1] == "confirm"
    assert command_of("worker-ingest")[command_of("worker-ingest").index("-Q") + 1] == "ingest", (
        "it never holds up mail"
    )


def test_workers_are_given_longer_to_stop_than_their_soft_shutdown(settings: Any) -> None:
    assert "REMAP_SIGTERM=SIGQUIT" in DOCKERFILE
    for name in ("worker", "worker-confirm", "worker-ingest"):
        assert int(SERVICES[name]["stop_grace_period"].rstrip("s")) > settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT


def test_the_broker_never_evicts_and_keeps_a_log() -> None:
    flags = dict(zip(command_of("redis")[1::2], command_of("redis")[2::2], strict=True))
    assert flags["--maxmemory-policy"] == "noeviction"
    assert (flags["--appendonly"], flags["--appendfsync"]) == ("yes", "everysec")


def test_the_image_runs_as_nobody_in_particular_and_holds_no_secret() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", last_stage, flags=re.MULTILINE)
    assert not re.search(r"^(ENV|ARG) .*(SECRET|KEY|PASSWORD)", DOCKERFILE, flags=re.MULTILINE)
    assert "--require-hashes" in DOCKERFILE


def test_the_build_copies_only_what_exists_and_is_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for sources in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.MULTILINE):
        for source in shlex.split(sources)[:-1]:
            assert (ROOT / source).exists(), source
            assert source in allowed, source


# --- every command, run -----------------------------------------------------------------------------------------------


def production(database_url: str, redis_url: str, relay: str) -> dict[str, str]:
    """What compose hands to every service of ours, with real servers behind the addresses."""
    given = {
        "SECRET_KEY": "k" * 64,
        "ADDRESS_HASH_KEY": "a" * 64,
        "SITE_URL": "https://papers.example.org",
        "POSTAL_ADDRESS": "1 Example Street",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "EMAIL_URL": relay,
    }
    assert set(given) == set(SERVICES["web"]["environment"])
    return given | {"DEBUG": "0", "REMAP_SIGTERM": "SIGQUIT"}


def here(command: list[str], **ports: int) -> list[str]:
    """The container's command for this machine: the same programs and arguments, free ports on loopback."""
    program, *arguments = command
    if program != "python":
        arguments = ["-m", program, *arguments]
    for name, port in ports.items():
        arguments = [argument.replace(f"0.0.0.0:{name[1:]}", f"127.0.0.1:{port}") for argument in arguments]
    return arguments


@pytest.mark.services
@pytest.mark.parametrize(
    ("name", "says"),
    [
        *((name, " ready.") for name in ("worker", "worker-confirm", "worker-ingest")),
        ("beat", "beat: Starting..."),
    ],
)
def test_workers_and_beat_start_by_the_very_command_and_stop_softly(
    name: str, says: str, database_url: str, redis_url: str, inbox: Inbox, tmp_path: Path
) -> None:
    command = [part.replace("/tmp/", f"{tmp_path}/") for part in here(command_of(name))]
    env = production(database_url, redis_url, inbox.url) | {"WORKER_SOFT_SHUTDOWN_SECONDS": "1"}
    program = Program(name, command, env=env, folder=tmp_path, ready=says)
    program.start()
    try:
        if name == "beat":  # one that is stopped while it sends its first tick says so and ends with 1
            with redis.Redis.from_url(redis_url) as broker:
                wait_until(lambda: bool(broker.llen("paperboy:maintenance")), program.log_text)
        program.terminate(timeout=30)
        assert program.exit_code == 0, program.log_text()
    finally:
        program.kill()


@pytest.mark.services
def test_the_image_command_serves_the_site_with_its_static_files(
    database_url: str, redis_url: str, inbox: Inbox, tmp_path: Path
) -> None:
    env = production(database_url, redis_url, inbox.url) | {"STATIC_ROOT": str(tmp_path / "static")}
    collect = Program("collectstatic", ["manage.py", "collectstatic", "--noinput"], env=env, folder=tmp_path)
    collect.start()
    assert collect.wait() == 0, collect.log_text()
    port = free_port()
    web = Program("web", here(command_of("web"), _8000=port), env=env, folder=tmp_path, ready="Booting worker")
    web.start()
    try:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/", headers={"Host": "papers.example.org"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            page = answer.read().decode()
        styles = re.findall(r'<link[^>]+href="(/static/[^"]+\.[0-9a-f]{12}\.css)"', page)
        assert styles, "style sheets carry a hash of their content"
        style = urllib.request.Request(f"http://127.0.0.1:{port}{styles[0]}", headers={"Host": "papers.example.org"})
        with urllib.request.urlopen(style, timeout=30) as answer:
            assert "immutable" in answer.headers["Cache-Control"]
    finally:
        web.kill()


@pytest.mark.services
def test_migrate_has_nothing_left_to_do_on_a_migrated_database(
    database_url: str, redis_url: str, inbox: Inbox, tmp_path: Path
) -> None:
    migrate = Program(
        "migrate", here(command_of("migrate")), env=production(database_url, redis_url, inbox.url), folder=tmp_path
    )
    migrate.start()
    assert migrate.wait() == 0, migrate.log_text()
    assert "No migrations to apply" in migrate.log_text()


@pytest.mark.services
def test_the_mail_catcher_starts_by_the_very_command(
    database_url: str, redis_url: str, inbox: Inbox, tmp_path: Path
) -> None:
    smtp, page = free_port(), free_port()
    command = here(command_of("mail"), _2525=smtp, _8025=page)
    mail = Program(
        "mail", command, env=production(database_url, redis_url, inbox.url), folder=tmp_path, ready="Read it at"
    )
    mail.start()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{page}/", timeout=10) as answer:
            assert answer.status == 200
    finally:
        mail.kill()


@pytest.mark.services
def test_the_broker_accepts_its_very_flags(redis_server: RedisServer, tmp_path: Path) -> None:
    flags = command_of("redis")[1:]
    port = free_port()
    with subprocess.Popen(
        [str(redis_binary()), *flags, "--port", str(port), "--dir", str(tmp_path), "--bind", "127.0.0.1"],
        stdout=subprocess.PIPE, text=True,
    ) as broker:  # fmt: skip
        assert broker.stdout
        try:
            assert any("Ready to accept connections" in line for line in broker.stdout)
        finally:
            broker.kill()
