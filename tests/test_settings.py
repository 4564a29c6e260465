"""Settings come from the environment, stand in .env.example, and a wrong one stops the start with a sentence."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

import newsletter
from newsletter.celery import app
from tests.processes import ROOT

COMPOSE_ONLY = {
    *("POSTGRES_PASSWORD", "HTTP_PORT", "MAIL_PAGE_PORT", "PROXY_HTTP_PORT", "PROXY_HTTPS_PORT", "TLS_DIR"),
    *("PROCESS_MEMORY", "POSTGRES_MEMORY"),
}
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


def settings_of(**over: str | None) -> dict[str, Any]:
    """The settings as a fresh process would load them, without the price of one (None: not set)."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME", "VAR_DIR", "ENV_FILE") if name in os.environ}
    values = keep | {name: value for name, value in (PRODUCTION | over).items() if value is not None}
    loaded = [name for name in sys.modules if name.startswith("newsletter.settings")]
    with (
        mock.patch.dict(os.environ, values, clear=True),
        mock.patch.dict(sys.modules),
        mock.patch.object(newsletter, "settings"),
    ):
        for name in loaded:
            del sys.modules[name]
        return vars(importlib.import_module("newsletter.settings"))


def refusal(**over: str | None) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        settings_of(**over)
    return str(caught.value)


def variables_read() -> set[str]:
    """Every environment variable that the program reads, wherever it reads it."""
    found: set[str] = set()
    for path in (*ROOT.glob("newsletter/**/*.py"), *ROOT.glob("subscriptions/**/*.py")):
        found |= set(re.findall(r'(?:\benv(?:\.\w+)?|\brequired)\(\s*"([A-Z_]+)"', path.read_text()))
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
    bare = dict.fromkeys(("DEBUG", "EMAIL_URL", "REDIS_URL"))

    def capitals(found: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in found.items() if name.isupper()}

    assert capitals(settings_of(**(bare | dict(shown)))) == capitals(settings_of(**bare))


def test_production_settings_load() -> None:
    assert settings_of()["SITE_HOST"] == "papers.example.org"


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


WRONG = [
    *[("EDITION_SIZE", value) for value in ("many", "12 fast", "1e3", "0", "-3", "9" * 30, "١٢")],
    *[("DEBUG", value) for value in ("perhaps", "2", "enabled")],
    *[
        ("DATABASE_URL", value)
        for value in ("mydatabase", "mysql://u:p@h/n", "postgres://h:port/x", "postgres://h:70000/x")
    ],
    *[("DATABASE_URL", value) for value in ("postgres://db.example.org", "postgres://db example/x", "sqlit:///x")],
    *[
        ("EMAIL_URL", value)
        for value in ("relay.example.org", "smtp+tls://host:abc", "http://host", "smtp://", "smtp://a b")
    ],
    ("EMAIL_URL", "smtp://user:secret@relay.example.org"),  # the password in the clear
    *[
        ("REDIS_URL", value)
        for value in ("localhost:6379", "redis://h:port/0", "redis://", "redis://h/zero", "http://h")
    ],
    *[("DELIVERY_RATE", value) for value in ("fast", "-1", "nan", "inf", "0.0000001", "12fast", "1,5")],
    *[
        ("DELIVERY_DOMAIN_RATES", value)
        for value in ("gmail.com", "gmail.com=", "gmail.com=fast", "=5", "a b=5", "x.org=-1")
    ],
    *[
        ("DELIVERY_WARMUP_START_ON", value)
        for value in ("18.3.2026", "1.12.2026", "2026-13-01", "tomorrow", "2026-02-30")
    ],
    *[("DELIVERY_WARMUP_GROWTH", value) for value in ("0.5", "nan", "1000", "much")],
    *[("DELIVERY_WARMUP_FIRST_DAY", value) for value in ("0", "-5")],
    *[("DELIVERY_WARMUP_DAYS", value) for value in ("0", "400")],
    *[("DELIVERY_GRACE_HOURS", value) for value in ("0", "-1", "999999999")],
    *[("RETENTION_LEFT_DAYS", value) for value in ("0", "4000000")],
    *[(f"RETENTION_{what}_DAYS", "0") for what in ("UNCONFIRMED", "ORIGIN", "NOTICE", "DELIVERY")],
    *[("CONN_MAX_AGE", value) for value in ("abc", "-1", "None")],
    ("DIGEST_TRANSPORT", "pigeon"),
    *[("EDITION_CUTOFF_HOUR", value) for value in ("25", "24", "4:00")],
    ("TRUSTED_PROXY_COUNT", "-1"),
    ("TICK_SECONDS", "0"),
    ("SIGNUPS_PER_HOUR", "0"),
    ("DELIVERY_LEASE_SECONDS", "0"),
    ("SMTP_DOT_TIMEOUT", "60"),
    ("LOG_LEVEL", "LOUD"),
    ("LANGUAGE_CODE", "xx"),
    *[("SOURCES", value) for value in ("hf_dayly", "hf_daily;arxiv_daily")],
    *[("ARXIV_CATEGORIES", value) for value in ("cs AI", "cs.AI;cs.CL", "https://arxiv.org/list/cs.AI")],
    *[("ALLOWED_HOSTS", value) for value in ("https://papers.example.org", "papers.example.org:443", "a b", "x.org/")],
    *[
        ("SITE_URL", value)
        for value in ("papers.example.org", "https://host/sub", "https://host.org:99999", "https://")
    ],
    *[
        ("SITE_URL", value)
        for value in ("https://papers example.org", "ftp://host.org", "https://h.org?x=1", "https://h.org#x")
    ],
    *[("ADMIN_PATH", value) for value in ("my admin(", "a//b", "?", "ad.min", "a/../b", "/")],
    *[("BOUNCE_DOMAIN", value) for value in ("user@example.org", "https://example.org", "bounces example", "-")],
    *[("UNSUBSCRIBE_MAILBOX", value) for value in ("nope", "example.org", "a@b c")],
    *[("EHLO_NAME", value) for value in ("bad name", "https://x.org", "a@b")],
    *[("LIST_ID", value) for value in ("<digest.example.org>", "my list")],
    *[("DKIM_DOMAIN", value) for value in ("@example.org", "https://example.org")],
    *[("DKIM_SELECTOR", value) for value in ("two words", "a;b")],
    *[("FEEDBACK_SENDER_ID", value) for value in ("a:b", "two words")],
    *[("MAIL_DRY_RUN_TO", value) for value in ("me", "me@example.org;you@example.org")],
    *[("REFUSED_MAIL_DOMAINS", value) for value in ("@mailinator.com", "https://x.org")],
    *[("PAPER_LINK_HOSTS", value) for value in ("https://arxiv.org", "arxiv.org/abs")],
    *[
        ("DIGEST_RELAYS", value)
        for value in ("relay.example.org", "smtp://h:x", "smtp://a.org,b.org", "smtp://h?weight=-1")
    ],
    ("DIGEST_RELAYS", "smtp+tls://ok.example.org,smtp://user:secret@relay.example.org"),
    *[
        ("BOUNCE_MAILBOX_URL", value)
        for value in ("imap.example.org", "imaps://", "maildir://var/mail", "imaps://h:port")
    ],
    ("BOUNCE_MAILBOX_URL", "imap://user:secret@imap.example.org/INBOX"),
    *[("SIGNUP_GUARD", value) for value in ("no.such.function", "guard", "a b.c", "newsletter/guard.py")],
    *[("EMAIL_BACKEND", value) for value in ("no.such.Backend", "Postmark")],
    *[("ANYMAIL", value) for value in ("[]", "key", "{", "3")],
    *[("DKIM_KEY_FILE", value) for value in ("/nonexistent/key.pem", "/")],
    *[("EMAIL_CA_FILE", value) for value in ("/nonexistent/ca.pem", "/")],
    ("VAR_DIR", "/proc/nope"),
    *[("ENV_FILE", value) for value in ("/nonexistent/.env", "/")],
    *[("DIGEST_FROM_EMAIL", value) for value in ("Paperboy", "a@", "a@b@c", "Paperboy <digest@exa mple.org>")],
    ("REPLY_TO_EMAIL", "nobody"),
    ("SECURE_HSTS_SECONDS", "a year"),
    ("WEBHOOK_OFF_AFTER_DAYS", "0"),
    ("SEND_JITTER_SECONDS", "-1"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_value_stops_the_start_with_a_sentence_that_names_the_variable(name: str, value: str) -> None:
    sentence = refusal(**{name: value})
    assert sentence.startswith(f"{name} must ")
    assert "secret" not in sentence, "a password is not repeated"
    assert "\n" not in sentence
    assert "<class" not in sentence


@pytest.mark.parametrize("name", sorted(variables_read() - {"ENV_FILE"}))
def test_no_variable_takes_rubbish(name: str) -> None:
    """Each setting has bounds; those that may be any text refuse at least what would end up in a mail's header."""
    assert refusal(**{name: "\x07no\x1b such\tvalue\nBcc: everybody"}).startswith(f"{name} must ")
    assert refusal(**{name: "x" * 5_000}).startswith(f"{name} must ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgres:///paperboy"),  # by the socket of this machine
        ("DATABASE_URL", "postgresql://u:p@[::1]:5432/n?sslmode=require"),
        ("DATABASE_URL", "postgres:////var/run/postgresql/n"),
        ("REDIS_URL", "rediss://:p%23w%2F1@redis_cache/0"),
        ("REDIS_URL", "unix:///run/redis.sock"),
        ("EMAIL_URL", "smtp://mail_relay:2525"),
        ("EMAIL_URL", "smtp://user:secret@127.0.0.1:2525"),
        ("EMAIL_URL", "consolemail://"),
        ("SITE_URL", "https://papers.example.org:8443/"),
        ("SITE_URL", "https://[2001:db8::1]"),
        ("ALLOWED_HOSTS", "*, .example.org,[::1],10.0.0.1"),
        ("ADMIN_PATH", "/the-desk/of_ours/"),
        ("EHLO_NAME", "[192.0.2.1]"),
        ("BOUNCE_MAILBOX_URL", "maildir:///var/mail/bounces"),
        ("DIGEST_RELAYS", "smtp+tls://u:p@mx1.example.org:587?weight=3, smtp://127.0.0.1?weight=0"),
        ("DELIVERY_DOMAIN_RATES", "gmail.com=20,default=50"),
        ("DELIVERY_RATE", "0"),
        ("EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend"),
        ("EDITION_SIZE", ""),
        ("DELIVERY_RATE", ""),
        ("DIGEST_FROM_EMAIL", ""),
        ("ALLOWED_HOSTS", ""),
    ],
)
def test_a_right_value_is_taken(name: str, value: str) -> None:
    assert settings_of(**{name: value})["SITE_HOST"]


def test_what_a_value_becomes() -> None:
    found = settings_of(
        DELIVERY_DOMAIN_RATES="Gmail.com=20, default=0.5",
        DELIVERY_WARMUP_START_ON="2026-03-18",
        ALLOWED_HOSTS="",
        SOURCES="",
        ADMIN_PATH="/desk/",
        DEBUG="off",
        EDITION_SIZE=" 70 ",
    )
    assert found["DELIVERY_DOMAIN_RATES"] == {"gmail.com": 20, "default": 0.5}
    assert found["DELIVERY_WARMUP_START_ON"] == "2026-03-18"
    assert found["ALLOWED_HOSTS"] == ["papers.example.org"]
    assert found["SOURCES"] == []
    assert found["ADMIN_PATH"] == "desk/"
    assert found["DEBUG"] is False
    assert found["EDITION_SIZE"] == 70


@pytest.mark.parametrize(
    "name", ["SECRET_KEY", "ADDRESS_HASH_KEY", "POSTAL_ADDRESS", "SITE_NAME", "PRIVACY_CONTROLLER"]
)
@pytest.mark.parametrize("value", ["$5 Street", "$HOME", "$", "${HOME}", "a$b$", r"\$5"])
def test_a_dollar_sign_has_no_meaning(name: str, value: str) -> None:
    assert settings_of(**{name: value})[name] == value


def test_a_dollar_sign_has_no_meaning_in_a_file_either(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("POSTAL_ADDRESS=$5 Street\nSITE_NAME='$HOME of papers'\n")
    found = settings_of(ENV_FILE=str(tmp_path / "env"), POSTAL_ADDRESS=None)
    assert (found["POSTAL_ADDRESS"], found["SITE_NAME"]) == ("$5 Street", "$HOME of papers")


def test_a_file_of_settings_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "env").write_bytes(b"SITE_NAME=\xff\xfe")
    assert "must be text in UTF-8" in refusal(ENV_FILE=str(tmp_path / "env"))


def test_a_line_that_is_no_setting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# fine\n\nexport SITE_NAME=Papers\nDEBUG = 0\n")
    assert "line 4" in refusal(ENV_FILE=str(tmp_path / "env"))


def test_a_key_that_cannot_sign_is_refused_and_one_that_can_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    plain, locked = serialization.NoEncryption(), serialization.BestAvailableEncryption(b"x")
    good = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    curve = ec.generate_private_key(ec.SECP256R1())
    for data in (
        b"",
        b"no key",
        short.private_bytes(pem, pkcs8, plain),
        curve.private_bytes(pem, pkcs8, plain),
        good.private_bytes(pem, pkcs8, locked),
    ):
        path.write_bytes(data)
        assert refusal(DKIM_KEY_FILE=str(path)).startswith("DKIM_KEY_FILE must be ")
    path.write_bytes(good.private_bytes(pem, pkcs8, plain))
    assert settings_of(DKIM_KEY_FILE=str(path))["DKIM_KEY_FILE"] == str(path)
    assert refusal(EMAIL_CA_FILE=str(path)).startswith("EMAIL_CA_FILE must be a file of certificates")


@pytest.mark.parametrize(
    "misspelt", ["EDITION_SIZ", "ALOWED_HOSTS", "DIGEST_RELAY", "Delivery_Rate", "SIGNUP_PER_HOUR"]
)
def test_a_name_that_looks_like_ours_is_told(misspelt: str, caplog: pytest.LogCaptureFixture) -> None:
    settings_of(**{misspelt: "7"})
    [told] = caplog.messages
    assert told.startswith(f"{misspelt} is no setting of Paperboy: is ")


def test_names_of_other_programs_are_let_alone(caplog: pytest.LogCaptureFixture) -> None:
    others = (
        "LC_ALL",
        "PYTHONUNBUFFERED",
        "WEB_CONCURRENCY",
        "SSL_CERT_FILE",
        "POSTGRES_PASSWORD",
        "TEST_DATABASE_URL",
    )
    settings_of(**dict.fromkeys(others, "x"))
    assert caplog.messages == []


@pytest.mark.parametrize(("name", "path"), [("SIGNUP_GUARD", "newsletter.tasks.none"), ("ADMIN_PATH", "search")])
def test_what_only_a_started_program_can_tell_stops_it_too(name: str, path: str) -> None:
    result = load(("manage.py", "check"), **{name: path})
    assert result.returncode == 1
    assert result.stderr.startswith(f"{name} must ")
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "path"),
    [
        *[("SIGNUP_GUARD", path) for path in ("os.system", "shutil.rmtree", "subprocess.call", "builtins.print")],
        ("SIGNUP_GUARD", "django.http.HttpRequest"),
        ("EMAIL_BACKEND", "newsletter.apps"),
        ("EMAIL_BACKEND", "os.system"),
    ],
)
def test_a_name_of_something_else_stops_the_start(name: str, path: str, settings: Any) -> None:
    setattr(settings, name, path)
    with pytest.raises(ImproperlyConfigured, match=f"^{name} must "):
        apps.get_app_config("newsletter").ready()


def test_the_deploy_check_tells_of_a_reference_that_nobody_resolves_and_of_no_price() -> None:
    told_of = {
        "POSTAL_ADDRESS": "$OTHER_SECRET",
        "SITE_NAME": "${OTHER_SECRET}",
        "PRIVACY_CONTROLLER": "$secret_of_the_vault",
    }
    prices = {"PRIVACY_PROCESSORS": "$5 Street", "EMAIL_HOST_PASSWORD": ""}
    said = load(("manage.py", "check", "--deploy"), **told_of, **prices).stderr
    for name, value in told_of.items():
        assert f"(newsletter.W001) The value of {name} begins with $" in said
        assert value not in said
    assert said.count("newsletter.W001") == len(told_of)


def test_with_debug_nothing_needs_to_be_set() -> None:
    result = load(**dict.fromkeys(PRODUCTION) | {"DEBUG": "1"})
    assert result.returncode == 0, result.stderr


def test_djangos_own_deployment_check_finds_nothing() -> None:
    result = load(command=("manage.py", "check", "--deploy", "--fail-level", "WARNING"))
    assert result.returncode == 0, result.stderr
    assert "System check identified no issues (4 silenced)." in result.stdout


# --- Celery over Redis: what survives a lost broker and a killed worker ----------------------------------------------


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
    assert not app.conf.worker_enable_soft_shutdown_on_idle
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
