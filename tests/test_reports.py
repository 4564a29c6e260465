"""What leaves a process about itself: JSON lines with their context, and errors to Sentry without anybody in them."""

from __future__ import annotations

import gzip
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from newsletter.celery import app
from newsletter.monitoring.error_reports import discreet
from newsletter.views.request_log import RequestLogMiddleware
from subscriptions.log_context import JsonFormatter, about
from tests.processes import ROOT


class Lines(logging.Handler):
    """Every record as a JSON line, read back."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.said: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(json.loads(self.format(record)))


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, log = Lines(), logging.getLogger("newsletter.test_reports")
    log.addHandler(handler)
    yield handler
    log.removeHandler(handler)


log = logging.getLogger("newsletter.test_reports")


def test_a_json_line_says_when_what_and_to_what_it_belongs(lines: Lines) -> None:
    with about(task="deliver", task_id="7"), about(claim="abc"):
        log.warning("Sent %d of %d", 1, 2, extra={"edition": 5})
    log.warning("later")
    first, second = lines.said
    assert first["message"] == "Sent 1 of 2"
    assert {name: first[name] for name in ("task", "task_id", "claim", "edition", "level")} == {
        "task": "deliver", "task_id": "7", "claim": "abc", "edition": 5, "level": "WARNING",
    }  # fmt: skip
    assert not {"task", "claim", "edition"} & set(second)


def test_a_json_line_is_as_discreet_as_any_other(lines: Lines) -> None:
    try:
        raise ValueError("GET /preferences/secret-token of ada@example.org")
    except ValueError:
        log.exception("of %s", "ada@example.org")
    (line,) = lines.said
    assert "ada@" not in str(line)
    assert "secret-token" not in str(line)
    assert "ValueError" in line["error"]


@pytest.mark.parametrize(
    ("given", "is_kept"), [("abcdef0123456789", True), ("short", False), ("x" * 65, False), ("a b\n", False)]
)
def test_a_request_has_an_id_in_log_and_answer(lines: Lines, given: str, is_kept: bool) -> None:
    def view(_request: HttpRequest) -> HttpResponse:
        log.warning("in a view")
        return HttpResponse()

    response = RequestLogMiddleware(view)(RequestFactory().get("/", headers={"X-Request-ID": given}))
    assert (response["X-Request-ID"] == given) is is_kept
    assert lines.said[0]["request"] == response["X-Request-ID"]


@pytest.mark.django_db
def test_every_page_answers_with_its_request_id(client: Client) -> None:
    assert len(client.get("/")["X-Request-ID"]) == 16


def test_a_task_is_named_in_its_lines(lines: Lines) -> None:
    @app.task(name="tests.says_something")
    def says_something() -> None:
        log.warning("within")

    says_something.apply(task_id="11-22")
    assert (lines.said[0]["task"], lines.said[0]["task_id"]) == ("tests.says_something", "11-22")
    app.tasks.unregister("tests.says_something")


def test_the_log_is_json_by_setting() -> None:
    code = "import logging, django; django.setup(); logging.getLogger('x').warning('of ada@example.org')"
    env = {**os.environ, "LOG_FORMAT": "json", "DEBUG": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stderr.splitlines()[-1])["message"] == "of …"


def test_an_event_keeps_nobody() -> None:
    event = {
        "user": {"ip_address": "203.0.113.9"},
        "request": {
            "method": "POST", "url": "https://papers.example.org/preferences/secret-token/", "cookies": {"a": "b"},
            "headers": {"X-Forwarded-For": "203.0.113.9"}, "data": {"email": "ada@example.org"}, "query_string": "a",
        },
        "exception": {"values": [{"value": "duplicate key: DETAIL:  Key (email)=(ada@example.org)"}]},
        "tags": ("of ada@example.org", 7),
    }  # fmt: skip
    said = str(discreet(event))
    for word in ("ada@", "secret-token", "203.0.113.9", "cookies", "headers", "query_string"):
        assert word not in said
    assert "POST" in said
    assert "duplicate key" in said


class Collector(HTTPServer):
    """Takes what sentry-sdk posts."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        super().__init__(("127.0.0.1", 0), _Envelope)


class _Envelope(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            data = gzip.decompress(data)
        self.server.bodies.append(data.decode())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


def test_an_error_of_any_process_arrives_without_an_address() -> None:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        code = (
            "import django, logging, sentry_sdk; django.setup()\n"
            "try:\n    reader = 'grace@example.org'; raise RuntimeError('to ada@example.org, /u/secret-token')\n"
            "except RuntimeError: logging.getLogger('newsletter').exception('Step failed')\n"
            "sentry_sdk.flush(10)"
        )
        dsn = f"http://key@127.0.0.1:{server.server_port}/1"
        env = {**os.environ, "SENTRY_DSN": dsn, "SENTRY_ENVIRONMENT": "rehearsal", "DEBUG": "1"}
        subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, check=True, capture_output=True)
        server.shutdown()
    (body,) = [body for body in server.bodies if "Step failed" in body]
    assert "RuntimeError" in body
    assert '"environment":"rehearsal"' in body.replace(" ", "")
    assert "paperboy@" in body
    for word in ("ada@", "grace@", "secret-token"):
        assert word not in body
