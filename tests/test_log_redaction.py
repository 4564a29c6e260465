"""Logs tell what happened, never a link that stands for a person."""

import datetime
import io
import logging
import types
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from gunicorn.config import Config

from subscriptions import token_links
from subscriptions.access_log import DiscreetLogger
from subscriptions.log_redaction import DiscreetFormatter, redact
from tests.builders import NOON, make_reader

TOKEN = "AbC-_0123456789012345678"


@pytest.mark.parametrize("path", ["/u/", "/d/", "/c/", "/confirm/", "/preferences/", "/move/"])
def test_a_secret_path_is_shortened_to_its_kind(path: str) -> None:
    line = redact(f'127.0.0.1 "GET {path}{TOKEN}?x=1 HTTP/1.1" 200')
    assert line == f'127.0.0.1 "GET {path}…?x=1 HTTP/1.1" 200'
    assert redact(line) == line


@pytest.mark.parametrize(
    "line", ["GET /subscribe/sent/", "GET /preferences/", "GET /paper/12/", "upvotes/day u/d", "celery@worker ready."]
)
def test_other_lines_stay(line: str) -> None:
    assert redact(line) == line


def test_an_address_in_a_query_is_left_out() -> None:
    assert redact("GET /subscribe/?email=alice%40example.net&x=1 HTTP/1.1") == "GET /subscribe/?email=…&x=1 HTTP/1.1"


@pytest.mark.parametrize(
    "line",
    [
        "GET /?new_email=alice%40example.net",
        "GET /?EMAIL=alice%40example.net",
        "Not Found: /unknown/alice@example.net",
        "550 <alice@example.net> is unknown",
        "DETAIL:  Key (address_key)=(alice@example.net) already exists.",
        "DETAIL:  Failing row contains (1, Alice, AbC-_0123456789012345678).",
    ],
)
def test_nobodys_address_is_told_wherever_it_stands(line: str) -> None:
    assert "alice" not in redact(line).lower()
    assert redact(redact(line)) == redact(line)


def test_tracebacks_are_read_too() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(DiscreetFormatter())
    log = logging.Logger("test")
    log.addHandler(handler)
    try:
        raise ValueError(f"/u/{TOKEN}")
    except ValueError:
        log.exception("Internal Server Error: %s", f"/confirm/{TOKEN}/")
    assert TOKEN not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


def test_the_configured_log_uses_it() -> None:
    assert all(
        settings.LOGGING["formatters"][handler["formatter"]].get("class")
        == "subscriptions.log_redaction.DiscreetFormatter"
        for handler in settings.LOGGING["handlers"].values()
    )


@pytest.mark.django_db
def test_a_refused_link_is_logged_without_its_secret(caplog: pytest.LogCaptureFixture, client: Client) -> None:
    reader = make_reader()
    token = token_links.manage_token(reader, now=NOON)  # long out of date
    client.get(f"/preferences/{token}/")
    assert caplog.records
    written = "\n".join(DiscreetFormatter().format(record) for record in caplog.records)
    assert token not in written
    assert "/preferences/…" in written


def test_the_access_log_of_gunicorn_is_discreet() -> None:
    request: Any = types.SimpleNamespace(
        method="GET",
        uri=f"/u/{TOKEN}",
        path=f"/u/{TOKEN}",
        query="email=alice@example.net",
        version=(1, 1),
        headers=[("REFERER", f"https://papers.example.org/confirm/{TOKEN}/")],
    )
    answer: Any = types.SimpleNamespace(status="200 OK", sent=10, headers=[])
    environ = {
        "REQUEST_METHOD": "GET",
        "RAW_URI": f"/u/{TOKEN}",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "PATH_INFO": f"/u/{TOKEN}",
        "QUERY_STRING": "email=alice@example.net",
        "HTTP_REFERER": f"https://papers.example.org/confirm/{TOKEN}/",
    }
    atoms = DiscreetLogger(Config()).atoms(answer, request, environ, datetime.timedelta(seconds=1))
    assert TOKEN not in str(atoms)
    assert "alice" not in str(atoms)
    assert atoms["r"] == "GET /u/… HTTP/1.1"
